"""``radiance import | export | push | pull``: adapters to and from elsewhere."""

import tempfile
from pathlib import Path

import click

from radiance.cli.client import Client, client_options
from radiance.cli.output import is_interactive, note, print_json
from radiance.cli.settings import Settings, settings_options

_FORMS = ("mlx", "peft", "fused")
_IMPORT_TIMEOUT_S = 600.0
_form_option = click.option(
    "--format",
    "form",
    type=click.Choice(_FORMS),
    default="mlx",
    show_default=True,
    help="mlx: mlx-lm's adapter. peft: Hugging Face PEFT's. fused: a whole model.",
)
_revision_option = click.option("--revision", help="Branch, tag or commit of the Hub repository.")


@click.command("import")
@click.argument("source")
@_revision_option
@client_options
def import_adapter(source: str, revision: str | None, client: Client, as_json: bool) -> None:
    """Import an adapter made elsewhere.

    SOURCE is a directory that mlx-lm or Hugging Face PEFT wrote, or a Hub repository of one. Every
    tensor is checked against the service's base model. It becomes a checkpoint that is risky, since
    no gate judged it, and is not served: `radiance eval` measures it, and
    `radiance checkpoints promote` serves it.

    Examples:
      radiance import ./my-adapter
      radiance import user/my-adapter --revision main
    """
    name, path = source, Path(source).expanduser()
    if not path.exists():
        # Not at the top: it imports the Hub's client, which others need not wait for.
        from radiance.exchange import hub

        if hub.is_repository(source):
            path = hub.pull(source, revision)
            name = f"{source}@{revision or path.name}"
    elif revision is not None:
        raise click.UsageError("--revision goes with a Hub repository.")
    body = {"path": str(path.absolute()), "source": name}
    answer = client.post("/import", body, _IMPORT_TIMEOUT_S)
    if as_json:
        print_json(answer)
        return
    click.echo(answer["checkpoint_id"])
    note("It is not served. Measure it: radiance eval " + answer["checkpoint_id"])


@click.command()
@click.argument("checkpoint")
@click.argument("target", type=click.Path(path_type=Path))
@_form_option
@settings_options
def export(settings: Settings, checkpoint: str, target: Path, form: str) -> None:
    """Write a checkpoint for other programs.

    Into the new directory TARGET go the adapter, its manifest and a model card. CHECKPOINT is an
    id, or "stable" for the one that serves. A fused model holds the base's weights too. The root is
    only read, so a service may run meanwhile.

    Examples:
      radiance export stable ./adapter
      radiance export A_2026-02-09_0012 ./peft --format peft
      radiance export A_2026-02-09_0012 ./model --format fused
    """
    _write(settings, checkpoint, target, form)
    click.echo(target)


@click.command()
@click.argument("checkpoint")
@click.argument("repository")
@_form_option
@click.option("--public", is_flag=True, help="A new repository is public. Default: private.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@settings_options
def push(
    settings: Settings, checkpoint: str, repository: str, form: str, public: bool, yes: bool
) -> None:
    """Upload a checkpoint to the Hugging Face Hub.

    REPOSITORY is user/name; it is made, private, if it is not there. With it goes a model card: how
    much was learned, lineage, measurements, gate; nothing of what the examples say. But an adapter
    can repeat what it was taught. You must be known to the Hub: hf auth login.

    Examples:
      radiance push A_2026-02-09_0012 user/my-adapter
      radiance push A_2026-02-09_0012 user/my-adapter --format peft --public --yes
    """
    if not yes:
        if not is_interactive():
            raise click.UsageError("It leaves this machine: confirm with --yes.")
        click.confirm(f"Upload {checkpoint} to {repository}?", abort=True, err=True)
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, "export")
        found = _write(settings, checkpoint, target, form)
        # Not at the top: it imports the Hub's client, which others need not wait for.
        from radiance.exchange import hub

        message = f"{found}, by radiance push"
        click.echo(hub.push(target, repository, message, is_private=not public))


@click.command()
@click.argument("repository")
@click.argument("target", type=click.Path(path_type=Path), required=False)
@_revision_option
def pull(repository: str, target: Path | None, revision: str | None) -> None:
    """Download an adapter from the Hugging Face Hub.

    Only its adapter files are fetched, into TARGET or the Hub's cache. `radiance import` takes it
    in, and takes a repository's name as well.

    Examples:
      radiance pull user/my-adapter ./my-adapter
      radiance pull user/my-adapter --revision main
    """
    # Not at the top: it imports the Hub's client, which others need not wait for.
    from radiance.exchange import hub

    click.echo(hub.pull(repository, revision, target))


def _write(settings: Settings, checkpoint: str, target: Path, form: str) -> str:
    """Export it; the id of what was exported."""
    # Not at the top: it brings in MLX, which help and bad flags need not wait for.
    from typing import cast

    from radiance import ember
    from radiance.exchange.exporting import Form, export_checkpoint, find_source
    from radiance.registry.rows import STABLE_LINK

    config = settings.load()
    source = find_source(config, None if checkpoint == STABLE_LINK else checkpoint)
    export_checkpoint(config, source, cast(Form, form), target, ember.MODEL_PATH)
    return source.subject.manifest.checkpoint_id
