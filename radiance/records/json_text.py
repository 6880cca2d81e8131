"""JSON read without losing any of it: a name that stands twice in an object is a fault. Pure.

Decoders keep the last of several values of one name and say nothing, and msgspec is no exception.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

_SURROGATE = re.compile(r"[\ud800-\udfff]")
_MOST_STEPS, _MOST_NAME_CHARACTERS = 32, 100  # of a path that is shown
_MOST_LEVELS = 10_000  # no decoder here goes as deep
_MARK, _NAME_END = re.compile(r'[][{},"]'), re.compile(r"\s*:")
_DECODER = json.JSONDecoder()
_Json = bytes | bytearray | str


@dataclass(frozen=True)
class Fault:
    """Why a text is no JSON that can be taken, though it is well formed.

    Attributes:
        field: Where, ``examples[2].input``; "" for all of it.
        reason: As a clause.
        remedy: As a sentence.
    """

    field: str
    reason: str
    remedy: str

    @property
    def told(self) -> str:
        """Field and reason as a clause, for a text that is no body and has a place of its own."""
        return f"has a fault: {self.field} {self.reason}" if self.field else self.reason


class BadJson(ValueError):
    """A text is not JSON, or a part of it would be lost; the message is the reason, a clause."""


def decode(text: bytes | str) -> Any:
    """A short text, such as a line, as plain data.

    Raises:
        BadJson: It is not JSON, or an object in it has a name twice.
    """
    try:
        found = msgspec.json.decode(text)
        if not loses_names(text.encode() if isinstance(text, str) else text, found):
            return found
        reason = "has a name twice in an object"
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        reason = f"is not JSON ({error})"
    fault = find_fault(text)
    if fault is None:
        raise BadJson(reason)
    raise BadJson(fault.told)


def loses_names(text: bytes | bytearray, decoded: Any) -> bool:
    """Whether an object has a name twice; ``find_fault`` says where.

    A colon stands behind each name, and all others stand in texts, which decoding keeps. So what
    is lost is missing from the count of colons once the data is written again, which takes a
    fraction of the time of decoding it. A colon that is written as an escape counts as one.

    Args:
        text: JSON.
        decoded: What it was decoded to.
    """
    colons = text.count(b":")
    if b"\\" in text and b"\\u003" in text:
        escapes = text.replace(b"\\\\", b"")  # a backslash that is written as one escapes nothing
        colons += escapes.count(b"\\u003a") + escapes.count(b"\\u003A")
    return colons != msgspec.json.encode(decoded).count(b":")


def fault_of(text: str, decoded: Any) -> Fault | None:
    """Why a text may not be taken as what it was decoded to; None: it is whole.

    In a whole one nothing is looked for.
    """
    try:
        if not loses_names(text.encode(), decoded):
            return None
    except (UnicodeEncodeError, RecursionError):
        pass  # half of a surrogate pair, or too many levels to be written again
    return find_fault(text)


def find_fault(text: _Json) -> Fault | None:
    """The first name that stands twice in an object, or half of a surrogate pair; None: neither.

    It may take a second for each MB, and keeps other threads waiting for none of it: a decoder
    in C holds the interpreter to its end.

    Args:
        text: JSON, as far as can be told: only that of which a part would be lost is looked for.
    """
    try:
        return _first_fault(text if isinstance(text, str) else text.decode())
    except ValueError:
        return None


def _first_fault(text: str) -> Fault | None:
    """In the order of the text, with as much memory as there are levels and names in them.

    Raises:
        ValueError: It has a text that is none of JSON.
    """
    path: list[str | int] = []  # of each level the name or the number
    names: list[set[str] | None] = []  # that each level has so far; None: it is an array
    at = 0
    while found := _MARK.search(text, at):
        mark, at = found[0], found.end()
        if mark == '"':
            said, at = _DECODER.raw_decode(text, found.start())
            seen = names[-1] if names else None
            is_name = seen is not None and _NAME_END.match(text, at) is not None
            if seen is not None and is_name:
                path[-1] = said
                if said in seen:
                    return Fault(
                        _written(path),
                        "stands twice in one object, and only one of the two would be kept",
                        "Send each name once.",
                    )
                seen.add(said)
            if fault := _fault_of_text(path[:-1] if is_name else path, said):
                return fault
        elif mark == ",":
            if path and isinstance(number := path[-1], int):
                path[-1] = number + 1
        elif mark in "]}":
            if not path:
                return None  # no JSON
            path.pop()
            names.pop()
        elif len(path) == _MOST_LEVELS:
            return None
        else:
            path.append(0 if mark == "[" else "")
            names.append(None if mark == "[" else set())
    return None


def _fault_of_text(path: Sequence[str | int], text: str) -> Fault | None:
    if (half := _SURROGATE.search(text)) is None:
        return None
    return Fault(
        _written(path),
        f"holds U+{ord(half[0]):04X}, half of a surrogate pair, which is not text",
        "Remove it, or send both halves.",
    )


def _written(path: Sequence[str | int]) -> str:
    text = ""
    for step in path[:_MOST_STEPS]:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            shown = step.encode("utf-8", "replace").decode()[:_MOST_NAME_CHARACTERS]
            text += f".{shown}"
    return text.removeprefix(".") + ("…" if len(path) > _MOST_STEPS else "")
