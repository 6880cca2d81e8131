"""Whether a command line that we print or write down is one that the command line takes."""

import shlex
from pathlib import Path

import click
import pytest

from radiance.cli import main
from tools.reference import find

NAMED_FILES = (
    "facts.jsonl",
    "crossing.py",
    "notes.jsonl",
    "handbook.pdf",
    "bars.parquet",
    "bars.csv",
    "sectors.csv",
    "pairs.jsonl",
    "test.jsonl",
    "train.jsonl",
)


def parse(line: str, folder: Path) -> dict[str, object]:
    """Parse ``radiance ...`` in ``folder``, where the files exist that examples name.

    Returns:
        The parameters that the command would get.
    """
    for name in NAMED_FILES:
        (folder / name).touch()
    for name in ("lean", "notes"):
        (folder / name).mkdir(exist_ok=True)
    program, *arguments = shlex.split(line, comments=True)
    assert program in ("radiance", "radiance-peft")
    words: list[str] = []
    command: click.Command = main
    while isinstance(command, click.Group):
        words.append(arguments.pop(0))
        command = find(tuple(words))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        with command.make_context(words[-1], arguments) as context:
            return context.params
