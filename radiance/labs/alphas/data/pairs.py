"""Instruction and completion, with where they come from; and the formats they are written in."""

import hashlib
from collections.abc import Callable
from typing import Literal

import msgspec

OWN_LICENCE = "Apache-2.0 (Radiance)"
ASKED = (
    "Write an alpha: {}.",
    "Give the expression for {}.",
    "Express as an alpha: {}.",
    "Write the formula of {}.",
    "An alpha, please: {}.",
)
PREFIXES = ("", "Write an alpha. ", "Alpha: ", "Give an expression. ")


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to learn.

    Attributes:
        kind: What the completion is: an expression of the language, or a Python strategy.
        family: The idea it is an instance of; a split keeps a family on one side.
    """

    instruction: str
    completion: str
    kind: Literal["alpha", "strategy", "text"]
    family: str
    source: str
    licence: str


def as_instruction(pair: Pair) -> dict[str, str]:
    return {"instruction": pair.instruction, "completion": pair.completion}


def as_chat(pair: Pair) -> dict[str, list[dict[str, str]]]:
    return {
        "messages": [
            {"role": "user", "content": pair.instruction},
            {"role": "assistant", "content": pair.completion},
        ]
    }


def as_mlx_lm(pair: Pair) -> dict[str, str]:
    """What ``mlx_lm.lora`` reads: it puts prompt and completion into the model's chat template."""
    return {"prompt": pair.instruction, "completion": pair.completion}


FORMATS: dict[str, Callable[[Pair], object]] = {
    "instruction": as_instruction,
    "chat": as_chat,
    "mlx-lm": as_mlx_lm,
}


def hash_of(*parts: object) -> int:
    """A number that is the same in every process."""
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:8], "big")
