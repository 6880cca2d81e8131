"""Outside data (a request body, radiance.toml) checked against a Struct; errors one can act on.

msgspec does the checking; this module finds the offending value that msgspec's message points at,
and says what was expected in words. It knows nothing of HTTP or files.
"""

import difflib
import json
import math
import re
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

_PATH_STEP = re.compile(r"\.?([^.\[\]]+)|\[(\d+|\.\.\.)\]")
_MOST_NAME_CHARACTERS = 100
_MAY_HOLD_NUMBERS = (dict, list, float)
_UNKNOWN_FIELD = re.compile(r"unknown field `(.+?)`")
_TOO_LONG = re.compile(r"of length <= (\d+)")
_MISSING_FIELD = re.compile(r"missing required field `(.+?)`")


@dataclass(eq=False)
class Problem(Exception):
    """Why data does not fit its Struct.

    Attributes:
        field: Path of the offending field, ``training.lr`` or ``examples[2].input``; "" for all.
        value: What stands there; None where it is missing.
        reason: What is wrong with it, as a clause.
        remedy: What would be right, as a sentence.
    """

    field: str
    value: Any
    reason: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.field or 'The data'} {self.reason}"


def check(data: Any, kind: type[T]) -> T:
    """Convert plain data (dicts, lists, numbers, strings) to ``kind``.

    Raises:
        Problem: The data does not fit; it names the field, the value and the remedy.
    """
    _refuse_non_finite(data, "")
    return converted(data, kind)


def converted(data: Any, kind: type[T]) -> T:
    """``check`` for what was decoded from JSON: all of its numbers are finite.

    Raises:
        Problem: The data does not fit; it names the field, the value and the remedy.
    """
    try:
        return msgspec.convert(data, kind, strict=True)
    except msgspec.ValidationError as error:
        raise _explain(str(error), data, kind) from None


def show(value: Any, limit: int = 80) -> str:
    """A value as JSON for an error message, cut to ``limit`` characters."""
    if isinstance(value, str):
        value = value[: limit + 1]  # of megabytes
    text = json.dumps(value, default=str)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _explain(message: str, data: Any, kind: type) -> Problem:
    reason, _, path = message.partition(" - at ")
    field = path.strip("`").removeprefix("$").removeprefix(".")
    reason = reason[0].lower() + reason[1:]
    if unknown := _UNKNOWN_FIELD.search(reason):
        name = unknown.group(1)[:_MOST_NAME_CHARACTERS]
        known = [f.encode_name for f in getattr(_type_at(kind, field, data), "fields", ())]
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"Did you mean {near[0]!r}?" if near else f"Known here: {', '.join(known)}."
        value = _value_at(data, field)
        value = value.get(unknown.group(1)) if isinstance(value, dict) else None
        return Problem(f"{field}.{name}".lstrip("."), value, "is not a known field", hint)
    if missing := _MISSING_FIELD.search(reason):
        field = f"{field}.{missing.group(1)}".lstrip(".")
        return Problem(field, None, "is required", f"Add {field}.")
    value = _value_at(data, field)
    if (too_long := _TOO_LONG.search(reason)) and isinstance(value, str | list | dict):
        unit = "characters" if isinstance(value, str) else "entries"
        return Problem(
            field, value, f"has {len(value)} {unit}", f"Send {too_long[1]} {unit} at most."
        )
    if reason.startswith("invalid enum value") and not _choices(_type_at(kind, field, data)):
        reason = 'expected a number or "auto"'  # the one kind of union of a word and others
    elif choices := _choices(_type_at(kind, field, data)) or _tags_at(kind, field, data):
        reason = f"expected one of {', '.join(choices)}"
    elif "regex" in reason and (examples := _examples_at(kind, field, data)):
        reason = f"expected something like {' or '.join(examples)}"
    remedy = reason[0].upper() + reason[1:].replace("`", "'") + "."
    return Problem(field, value, "is not valid", remedy)


def _value_at(data: Any, path: str) -> Any:
    for name, index in _PATH_STEP.findall(path):
        try:
            data = data[name] if name else data[int(index)]
        except (KeyError, IndexError, TypeError, ValueError):
            return None
    return data


def _type_at(kind: type, path: str, data: Any) -> Any:
    """The description of the type that ``path`` leads to; None where it leads nowhere.

    Args:
        kind: Of the whole.
        path: From there.
        data: The whole: of a union that member counts which it was meant to be.
    """
    return _unwrap(*_found_at(kind, path, data))


def _found_at(kind: type, path: str, data: Any) -> tuple[Any, Any]:
    """The same with all members of a union, and the value that stands there."""
    info: Any = msgspec.inspect.type_info(kind)
    for name, index in _PATH_STEP.findall(path):
        info = _unwrap(info, data)
        if name:
            found = [f for f in getattr(info, "fields", ()) if f.encode_name == name]
            info = found[0].type if found else None
            data = data.get(name) if isinstance(data, dict) else None
        else:
            info = getattr(info, "item_type", None)
            items = data if isinstance(data, list) else []
            data = items[int(index)] if index.isdecimal() and int(index) < len(items) else None
    return info, data


def _tags_at(kind: type, path: str, data: Any) -> list[str]:
    """What may stand in a field that says of which kind the object is that has it."""
    above, _, name = path.rpartition(".")
    info, _ = _found_at(kind, above, data)
    members = getattr(info, "types", (info,))
    return [repr(one.tag) for one in members if name and getattr(one, "tag_field", None) == name]


def _examples_at(kind: type, path: str, data: Any) -> list[str]:
    """The examples of a form of text, where ``path`` leads to one; more telling than a pattern."""
    above, bracket, _ = path.rpartition("[")
    if bracket and path.endswith("]"):
        info = getattr(_type_at(kind, above, data), "item_type", None)
    else:
        above, _, name = path.rpartition(".")
        fields = getattr(_type_at(kind, above, data), "fields", ())
        info = next((field.type for field in fields if field.encode_name == name), None)
    schema = getattr(info, "extra_json_schema", None) or {}
    return [repr(example) for example in schema.get("examples", ())]


def _unwrap(info: Any, data: Any) -> Any:
    """The member of a union or annotated type that data was meant for; else a Struct, or any."""
    while True:
        if isinstance(info, msgspec.inspect.Metadata):
            info = info.type
        elif isinstance(info, msgspec.inspect.UnionType):
            members = [t for t in info.types if not isinstance(t, msgspec.inspect.NoneType)]
            info = _member(members, data)
        else:
            return info


def _member(members: list[Any], data: Any) -> Any:
    structs = [t for t in members if hasattr(t, "fields")]
    if isinstance(data, list):
        listed = [t for t in members if _is_list(t)]
        return (listed or structs or members)[0]
    tagged = [t for t in structs if isinstance(data, dict) and data.get(t.tag_field) == t.tag]
    return (tagged or structs or members)[0]


def _is_list(info: Any) -> bool:
    while isinstance(info, msgspec.inspect.Metadata):
        info = info.type
    return hasattr(info, "item_type")


def _choices(info: Any) -> list[str]:
    if isinstance(info, msgspec.inspect.LiteralType):
        return [repr(value) for value in info.values]
    if isinstance(info, msgspec.inspect.EnumType):
        return [repr(member.value) for member in info.cls]
    return []


def _refuse_non_finite(data: Any, path: str) -> None:
    """Refuse NaN and infinity, which TOML allows and no setting or field of ours means."""
    if isinstance(data, float) and not math.isfinite(data):
        raise Problem(path, str(data), "is not a finite number", "Send a finite number.")
    if isinstance(data, dict):
        for name, value in data.items():
            if isinstance(value, _MAY_HOLD_NUMBERS):
                _refuse_non_finite(value, f"{path}.{name}".lstrip("."))
    elif isinstance(data, list):
        for index, value in enumerate(data):
            if isinstance(value, _MAY_HOLD_NUMBERS):
                _refuse_non_finite(value, f"{path}[{index}]")
