"""The options that make a study, and how its values are read from a command line."""

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from radiance.cli.parameters import NEW_FILE
from radiance.errors import ConfigError

if TYPE_CHECKING:
    from radiance.labs.signals.settings import StudySettings

PRESETS = ("quick", "default", "stress+")  # as in signals/presets.py, which help does not load


def study_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add them; the command gets the ``study`` that they describe."""
    options = (
        click.option(
            "--preset",
            type=click.Choice(PRESETS),
            help="Group of settings to start from. Default: default.",
        ),
        click.option(
            "--study",
            "file",
            type=NEW_FILE,
            help="Settings of an earlier run: its result.json, or a JSON file of settings.",
        ),
        click.option(
            "--seeds",
            type=int,
            metavar="N",
            help="Number of synthetic markets, each with its own seed.",
        ),
        click.option("--first-seed", type=int, metavar="N", help="Seed of the first market."),
        click.option(
            "--set",
            "assignments",
            multiple=True,
            metavar="KEY=VALUE",
            help="Value for any setting of the study, as in market.drift_strength=1.2. Can be "
            "repeated.",
        ),
    )

    @functools.wraps(command)
    def wrapped(
        preset: str | None,
        file: Path | None,
        seeds: int | None,
        first_seed: int | None,
        assignments: tuple[str, ...],
        **others: Any,
    ) -> Any:
        study = _read(preset, file, {"seeds": seeds, "first_seed": first_seed}, assignments)
        return command(study=study, **others)

    for option in reversed(options):
        wrapped = option(wrapped)
    return wrapped


def _read(
    preset: str | None,
    file: Path | None,
    numbers: dict[str, int | None],
    assignments: tuple[str, ...],
) -> "StudySettings":
    """The study that the options describe.

    Raises:
        ConfigError: The file cannot be read.
        RequestError: A knob is unknown or out of range.
    """
    from radiance.labs.signals.presets import read_study, with_values

    data: dict[str, Any] = {}
    if file is not None:
        try:
            data = json.loads(file.read_bytes())
        except OSError as error:
            raise ConfigError(f"{file}: cannot be read ({error.strerror}).") from None
        except ValueError as error:
            raise ConfigError(f"{file}: is not JSON ({error}).") from None
        if isinstance(data, dict) and "study" in data:
            data = data["study"]
        if not isinstance(data, dict):
            raise ConfigError(f"{file}: is not an object of settings.")
    if preset is not None:
        data = {**data, "preset": preset}
    values: dict[str, Any] = {}
    for text in assignments:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise click.BadParameter(f"{text!r} is not KEY=VALUE.", param_hint="--set")
        values[key.strip()] = parse_value(value.strip())
    values |= {name: number for name, number in numbers.items() if number is not None}
    return with_values(read_study(data), values)


def parse_value(text: str) -> Any:
    """JSON where it is, a list where it has commas, else the text itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text.split(",") if "," in text else text
