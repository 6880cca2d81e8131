"""Common knowledge and everyday instructions: anchors for a base model that has none of its own.

Each is a prompt, written for Radiance. What must survive is the base's own answer to it, right or
wrong; so it fits any base, and needs no download. A part is held out: nothing trains on it, so that
a bench can ask what was kept of knowledge that no list names.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

from radiance.anchors.sets import Anchor, AnchorSet
from radiance.records import Example, Message

PATH = Path(__file__).with_name("common.jsonl")
SOURCE = "common knowledge, as the base model answers it"
LICENCE = "Apache-2.0"
_HELD_OUT_IN = 4  # one prompt in so many, by its hash
_NOT_A_WORD = re.compile(r"[^a-z0-9]+")
_LONGEST_NAME = 48


@dataclass(frozen=True)
class Prompt:
    """Something that people ask.

    Attributes:
        id: ``facts/what-is-the-capital-of-france``; of its context and its words.
        reference: The right answer in brief, where there is one; "" where there is none.
        is_held_out: Whether training never sees it.
    """

    id: str
    context: str
    text: str
    reference: str
    is_held_out: bool

    @property
    def anchor(self) -> Anchor:
        """The prompt as an anchor; see ``Anchor.is_prompt``."""
        turns = (Message("user", self.text), Message("assistant", ""))
        return Anchor(Example(self.id, turns), self.context)


def read() -> list[Prompt]:
    """Every prompt, in the order of the file."""
    rows = map(json.loads, PATH.read_text(encoding="utf-8").splitlines())
    return [_prompt(row["context"], row["input"], row.get("reference", "")) for row in rows]


def read_set(missing: str = "") -> AnchorSet:
    """The prompts that may be held, as anchors.

    Args:
        missing: Why other anchors, which were asked for, are not there; "" where none were.
    """
    anchors = tuple(prompt.anchor for prompt in read() if not prompt.is_held_out)
    return AnchorSet(anchors, source=SOURCE, licence=LICENCE, missing=missing)


def _prompt(context: str, text: str, reference: str) -> Prompt:
    name = _NOT_A_WORD.sub("-", text.lower()).strip("-")[:_LONGEST_NAME].strip("-")
    digest = hashlib.sha256(text.encode()).digest()
    held_out = digest[0] % _HELD_OUT_IN == 0
    return Prompt(f"{context.replace(' ', '-')}/{name}", context, text, reference, held_out)
