"""JSON read without losing any of it: a name that stands twice in an object is a fault. Pure.

Decoders keep the last of several values of one name and say nothing, and msgspec is no exception.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

_SURROGATE = re.compile(r"[\ud800-\udfff]")
_MOST_NAME_CHARACTERS = 100
_Json = bytes | bytearray | str
_Path = tuple[Any, str | int] | None  # the path above, and the step below that


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
    fraction of the time of decoding it. Only a colon that is written as an escape hides from that.

    Args:
        text: JSON.
        decoded: What it was decoded to.
    """
    if b"\\" in text and b"\\u003" in text and (b"\\u003a" in text or b"\\u003A" in text):
        return find_fault(text) is not None
    return text.count(b":") != msgspec.json.encode(decoded).count(b":")


def find_fault(text: _Json) -> Fault | None:
    """The first name that stands twice in an object, or half of a surrogate pair; None: neither.

    That takes some times as long as decoding.
    """
    try:
        if not isinstance(text, str):
            text = text.decode()
        found = json.loads(text, object_pairs_hook=_Pairs)
    except (ValueError, RecursionError):
        return None
    return _first_fault(found)


def _first_fault(found: Any) -> Fault | None:
    """Depth first, with as much memory as there are levels."""
    if fault := _fault_of(None, found):
        return fault
    levels: list[tuple[_Path, Iterator[tuple[str | int, Any]]]] = [(None, _parts(found))]
    while levels:
        above, parts = levels[-1]
        for step, value in parts:
            path = (above, step)
            if fault := _fault_of(path, value):
                return fault
            if isinstance(value, list):
                levels.append((path, _parts(value)))
                break
        else:
            levels.pop()
    return None


def _fault_of(path: _Path, value: Any) -> Fault | None:
    if isinstance(value, str):
        return _fault_of_text(path, value)
    if isinstance(value, _Pairs):
        names: set[str] = set()
        for name, _ in value:
            if name in names:
                return Fault(
                    _written((path, name)),
                    "stands twice in one object, and only one of the two would be kept",
                    "Send each name once.",
                )
            if fault := _fault_of_text(path, name):
                return fault
            names.add(name)
    return None


def _fault_of_text(path: _Path, text: str) -> Fault | None:
    if (half := _SURROGATE.search(text)) is None:
        return None
    return Fault(
        _written(path),
        f"holds U+{ord(half[0]):04X}, half of a surrogate pair, which is not text",
        "Remove it, or send both halves.",
    )


def _parts(value: Any) -> Iterator[tuple[str | int, Any]]:
    if isinstance(value, _Pairs):
        return iter(value)
    return enumerate(value) if isinstance(value, list) else iter(())


class _Pairs(list[tuple[str, Any]]):
    """An object as it is written."""


def _written(path: _Path) -> str:
    steps: list[str | int] = []
    while path is not None:
        path, step = path
        steps.append(step)
    text = ""
    for step in reversed(steps):
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            shown = step.encode("utf-8", "replace").decode()[:_MOST_NAME_CHARACTERS]
            text += f".{shown}"
    return text.removeprefix(".")
