"""``radiance run``: the service."""

import contextlib
import gc
from collections.abc import Iterator

import click

from radiance.cli.output import FAILED, note
from radiance.cli.settings import Settings, settings_options

distributed_option = click.option(
    "--distributed",
    "is_distributed",
    is_flag=True,
    help="Share the work with the other processes that mlx.launch starts.",
)


@contextlib.contextmanager
def no_garbage() -> Iterator[None]:
    """Import what stays meanwhile: looking for garbage among it takes a seventh of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@click.command()
@distributed_option
@settings_options
@click.pass_context
def run(context: click.Context, settings: Settings, is_distributed: bool) -> None:
    """Run the service until it is stopped.

    One process answers requests and learns from updates. Settings come from ROOT/radiance.toml;
    flags win over the file. Ctrl-C or SIGTERM stops the service; accepted updates are kept, and
    training resumes at the next start.

    Examples:
      radiance run
      radiance run --root ~/radiance --port 0
      radiance run --base-model mlx-community/Llama-3.2-1B-Instruct-4bit
      radiance run --update-mode batched --batch-max-examples 128 --batch-max-age-min 30
      radiance run --set training.lr=1e-3 --set training.max_steps=400
      mlx.launch --hosts mac1,mac2 -- radiance run --distributed
      mlx.launch --hosts mac1,mac2 -- radiance run --distributed --set engine.shard=tensor
    """
    config = settings.load()
    # Brings in MLX and the web server, which help and bad flags need not wait for.
    with no_garbage():
        from radiance.service import server

    try:
        code = server.serve(config, is_distributed=is_distributed)
    except KeyboardInterrupt:  # the server stops in order, then lets Ctrl-C go on to its caller
        code = 0
    except SystemExit:  # the server's own way out, with a code that would mean the gate here
        note("Error: The server could not start; the line above says why. Try another --port.")
        code = FAILED
    context.exit(code)
