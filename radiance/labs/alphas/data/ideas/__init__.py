"""Ideas in people's words, each with a reference expression: what meaning is measured on.

A family is one idea, whatever its wording. ``building`` is what readers of prompts and training
were made with; ``held-out`` was written before them and is for figures alone.
"""

from pathlib import Path
from typing import Literal

import msgspec

Half = Literal["building", "held-out"]
_FOLDER = Path(__file__).parent


class Idea(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One family.

    Attributes:
        reference: An expression that means it.
        prompts: Ways to ask for it.
    """

    family: str
    reference: str
    prompts: tuple[str, ...]


def ideas(half: Half) -> tuple[Idea, ...]:
    """The families of one half, in the order in which they were written."""
    return read(_FOLDER / f"{half.replace('-', '_')}.jsonl")


def read(path: Path) -> tuple[Idea, ...]:
    """Families from a JSONL file: ``family``, ``reference`` and ``prompts`` on each line.

    Raises:
        msgspec.ValidationError: A line is none.
        OSError: The file cannot be read.
    """
    lines = path.read_bytes().splitlines()
    return tuple(msgspec.json.decode(line, type=Idea) for line in lines if line.strip())
