"""The settings of a study as a person sees them: one knob each, and values by dotted name."""

from typing import Any, Literal, get_args, get_origin

import msgspec

from radiance.labs.signals.settings import StudySection, StudySettings

KnobKind = Literal["int", "float", "choice", "text", "list"]


class Knob(msgspec.Struct, frozen=True):
    """One setting, as a person sees it."""

    name: str
    kind: KnobKind
    default: Any
    description: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()


def knobs() -> dict[str, list[Knob]]:
    """Every knob by section; those of the study itself under ``study``."""
    sections: dict[str, list[Knob]] = {"study": []}
    for entry in msgspec.structs.fields(StudySettings):
        if isinstance(entry.default, StudySection):
            kind = type(entry.default)
            sections[entry.name] = [
                _knob(f"{entry.name}.{inner.name}", inner) for inner in msgspec.structs.fields(kind)
            ]
        elif entry.name != "preset":
            sections["study"].append(_knob(entry.name, entry))
    return sections


def _knob(name: str, entry: msgspec.structs.FieldInfo) -> Knob:
    kind, meta = get_args(entry.type)
    low = meta.gt if meta.ge is None else meta.ge
    high = meta.lt if meta.le is None else meta.le
    if get_origin(kind) is Literal:
        return Knob(name, "choice", entry.default, meta.description, choices=get_args(kind))
    words: dict[Any, KnobKind] = {int: "int", float: "float", str: "text"}
    return Knob(name, words.get(kind, "list"), entry.default, meta.description, low, high)


def flat(study: StudySettings) -> dict[str, object]:
    """Every value by dotted name."""
    found: dict[str, object] = {}
    for key, value in msgspec.to_builtins(study).items():
        if isinstance(value, dict):
            found |= {f"{key}.{inner}": kept for inner, kept in value.items()}
        else:
            found[key] = value
    return found
