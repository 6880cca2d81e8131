"""``radiance import | export | push | pull``: adapters to and from elsewhere."""

import tempfile
from pathlib import Path

import click

from radiance.cli.client import ServiceClient, client_options
from radiance.cli.output import confirm, note, printed_as_json
from radiance.cli.parameters import check_new, force_option
from radiance.cli.settings import Settings, settings_options

_FORMS = ("mlx", "peft", "fused", "gguf", "gguf-lora")
_IMPORT_TIMEOUT_S = 600.0
_form_option = click.option(
    "--format",
    "form",
    type=click.Choice(_FORMS),
    default="mlx",
    help="Format to write. mlx: an adapter for mlx-lm. peft: an adapter for Hugging Face PEFT. "
    "fused: a whole model. gguf: a whole model for llama.cpp and Ollama. gguf-lora: an adapter for "
    "llama.cpp.",
)
_weights_option = click.option(
    "--weights",
    type=click.Choice(("f16", "q8_0")),
    default="f16",
    help="With --format gguf: how matrices are stored.",
)
_revision_option = click.option("--revision", help="Branch, tag or commit of the Hub repository.")


@click.command("import")
@click.argument("source")
@_revision_option
@client_options
def import_adapter(source: str, revision: str | None, client: ServiceClient) -> None:
    """Import an adapter from SOURCE as a checkpoint.

    SOURCE is a directory that mlx-lm, Hugging Face PEFT or `radiance export` wrote, a GGUF file, or
    a Hub repository of such files. A whole model is taken in as its difference from the service's
    base model, if that difference is an adapter.
    Every tensor is checked against the service's base model. The checkpoint is marked risky, since
    the gate did not judge it, and is not served: `radiance eval` measures it, and `radiance
    checkpoints promote` serves it.

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
    if printed_as_json(answer):
        return
    click.echo(answer["checkpoint_id"])
    note("It is not served. Measure it: radiance eval " + answer["checkpoint_id"])


@click.command()
@click.argument("checkpoint")
@click.argument("target", type=click.Path(path_type=Path))
@_form_option
@_weights_option
@settings_options
def export(settings: Settings, checkpoint: str, target: Path, form: str, weights: str) -> None:
    """Export CHECKPOINT to the new directory TARGET.

    The export has the adapter, its manifest and a model card; a fused export and a GGUF file have
    the base model's weights too. Beside a GGUF file lies a Modelfile for Ollama. CHECKPOINT is an
    id, or "stable" for the checkpoint that serves. The root is only read, so a service may be
    running.

    Examples:
      radiance export stable ./adapter
      radiance export A_2026-02-09_0012 ./peft --format peft
      radiance export A_2026-02-09_0012 ./model --format fused
      radiance export stable ./ollama --format gguf --weights q8_0
    """
    _write(settings, checkpoint, target, form, weights)
    click.echo(target)


@click.command()
@click.argument("checkpoint")
@click.argument("repository")
@_form_option
@_weights_option
@click.option("--public", is_flag=True, help="Make a new repository public. Default: private.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@settings_options
def push(
    settings: Settings,
    checkpoint: str,
    repository: str,
    form: str,
    weights: str,
    public: bool,
    yes: bool,
) -> None:
    """Upload CHECKPOINT to the Hugging Face Hub.

    REPOSITORY is user/name; a missing repository is created, private by default. The upload
    includes a model card with counts, lineage, measurements and the gate's decision, but no text of
    examples. The adapter itself can repeat what it was taught. Log in to the Hub first with `hf
    auth login`.

    Examples:
      radiance push A_2026-02-09_0012 user/my-adapter
      radiance push A_2026-02-09_0012 user/my-adapter --format peft --public --yes
    """
    if not yes:
        confirm(
            f"Upload {checkpoint} to {repository}?",
            "An upload leaves this machine. Confirm it with --yes.",
        )
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, "export")
        found = _write(settings, checkpoint, target, form, weights)
        # Not at the top: it imports the Hub's client, which others need not wait for.
        from radiance.exchange import hub

        message = f"{found}, by radiance push"
        click.echo(hub.push(target, repository, message, is_private=not public))


@click.command()
@click.argument("repository")
@click.argument("target", type=click.Path(path_type=Path), required=False)
@_revision_option
@force_option
def pull(repository: str, target: Path | None, revision: str | None, is_forced: bool) -> None:
    """Download the adapter of REPOSITORY from the Hugging Face Hub.

    Only adapter files are downloaded, into TARGET or else the Hub's cache. `radiance import` makes
    a checkpoint of these files, and also takes a repository's name directly.

    Examples:
      radiance pull user/my-adapter ./my-adapter
      radiance pull user/my-adapter --revision main
    """
    # Not at the top: it imports the Hub's client, which others need not wait for.
    from radiance.exchange import hub

    if target is not None:
        files = (target / name for name in hub.ADAPTER_FILES)
        check_new("TARGET", files, is_forced=is_forced)
    click.echo(hub.pull(repository, revision, target))


def _write(settings: Settings, checkpoint: str, target: Path, form: str, weights: str) -> str:
    """Export it; the id of what was exported."""
    # Not at the top: it brings in MLX, which help and bad flags need not wait for.
    from typing import cast

    from radiance import ember
    from radiance.exchange.exporting import Form, Weights, export_checkpoint, find_source
    from radiance.registry.rows import STABLE_LINK

    config = settings.load()
    source = find_source(config, None if checkpoint == STABLE_LINK else checkpoint)
    export_checkpoint(
        config, source, cast(Form, form), target, ember.MODEL_PATH, cast(Weights, weights)
    )
    return source.subject.manifest.checkpoint_id
