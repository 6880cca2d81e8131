"""The command line: ``radiance``, also called ``radiance-peft``, also ``python -m radiance``.

One command or group per file. Commands parse, ask the service or the package that knows, and print;
they decide nothing. MLX, the web server and NumPy are imported only inside the commands that need
them, so that help and the client commands start at once.
"""

import click

from radiance import __version__
from radiance.cli.anchors import anchors
from radiance.cli.audit import audit
from radiance.cli.backup import backup, restore
from radiance.cli.canary import canary
from radiance.cli.checkpoints import checkpoints
from radiance.cli.config import config
from radiance.cli.connect import connect
from radiance.cli.doctor import doctor
from radiance.cli.documents import documents
from radiance.cli.eval import evaluate
from radiance.cli.exchange import export, import_adapter, pull, push
from radiance.cli.extended import AllCommands
from radiance.cli.feedback import feedback
from radiance.cli.forget import forget
from radiance.cli.info import info
from radiance.cli.jobs import jobs
from radiance.cli.keys import keys
from radiance.cli.knowledge import knowledge
from radiance.cli.mcp import mcp
from radiance.cli.models import models
from radiance.cli.output import keep_examples
from radiance.cli.report import report
from radiance.cli.reproduce import reproduce
from radiance.cli.run import run
from radiance.cli.search import search
from radiance.cli.service import service
from radiance.cli.train import train
from radiance.cli.training import training
from radiance.cli.update import update


@click.group(
    cls=AllCommands,
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True},
)
@click.version_option(__version__, message="radiance %(version)s")
def main() -> None:
    """Radiance: a local language model that learns from examples.

    `radiance run` is the service; anchors, audit, backup, restore, eval, export, push, pull,
    report, reproduce, models, keys, doctor, config and the commands of extensions work on this
    machine; the other commands talk to a running service over HTTP. Data goes to stdout, notes to
    stderr.

    Exit codes: 0 ok, 1 failed, 2 usage or bad input, 3 refused by the gate.

    Examples:
      radiance run
      radiance update facts.jsonl --wait
      radiance search "Where is the Lumen workshop?"
      radiance checkpoints rollback
    """


for _command in (
    run,
    train,
    service,
    search,
    update,
    feedback,
    forget,
    info,
    knowledge,
    documents,
    connect,
    mcp,
    jobs,
    checkpoints,
    canary,
    import_adapter,
    export,
    push,
    pull,
    training,
    anchors,
    audit,
    backup,
    restore,
    evaluate,
    report,
    reproduce,
    models,
    keys,
    doctor,
    config,
):
    main.add_command(_command)
keep_examples(main)
