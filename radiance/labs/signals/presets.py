"""Studies by name, and studies and replays read from plain data, each mistake with its remedy."""

from collections.abc import Mapping
from typing import Any

import msgspec

from radiance import validation
from radiance.errors import RequestError
from radiance.labs.signals.contexts import CONTEXT_NAMES, METHOD_NAMES
from radiance.labs.signals.knobs import knobs
from radiance.labs.signals.settings import (
    AdaptationSettings,
    MarketSettings,
    ReplaySettings,
    StudySettings,
)

_LONGEST_NAME = 200
PRESETS: dict[str, StudySettings] = {
    "quick": StudySettings(
        preset="quick",
        seeds=8,
        market=MarketSettings(history_days=800, test_days=378),
        adaptation=AdaptationSettings(steps=300),
    ),
    "default": StudySettings(),
    "stress+": StudySettings(
        preset="stress+", seeds=40, market=MarketSettings(stress_share=0.2, stress_scale=12.0)
    ),
}


def read_study(data: Mapping[str, Any]) -> StudySettings:
    """A study from plain data: ``preset`` names what the other keys change.

    Raises:
        RequestError: A key is unknown or out of range; it names the key, the value and the remedy.
    """
    name = data.get("preset", "default")
    if not isinstance(name, str) or name not in PRESETS:
        raise RequestError.of(
            "preset",
            f"there is none called {validation.show(name)}",
            name,
            f"Use one of {', '.join(PRESETS)}.",
        )
    merged: Any = msgspec.to_builtins(PRESETS[name])
    for key, value in data.items():
        if isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = {**merged[key], **value}
        else:
            merged[key] = value
    return _checked(merged)


def read_start(data: Mapping[str, Any]) -> tuple[StudySettings, str | None]:
    """A study from plain data as ``read_study`` takes it, and its ``approver``; blank: nobody.

    Raises:
        RequestError: A key is unknown or out of range, or the approver is no name.
    """
    approver = data.get("approver")
    if approver is not None and (not isinstance(approver, str) or len(approver) > _LONGEST_NAME):
        raise RequestError.of(
            "approver",
            f"is not a name of at most {_LONGEST_NAME} characters",
            validation.show(approver),
            "Give the name of the person who answers for the decisions, or leave it out.",
        )
    rest = {key: value for key, value in data.items() if key != "approver"}
    return read_study(rest), (approver or "").strip() or None


def with_values(study: StudySettings, values: Mapping[str, Any]) -> StudySettings:
    """The study with values by dotted name, ``{"market.assets": 12}``.

    Raises:
        RequestError: A key is unknown or out of range.
    """
    data: Any = msgspec.to_builtins(study)
    for name, value in values.items():
        *sections, key = name.split(".")
        table = data
        for section in sections:
            table = table.setdefault(section, {})
            if not isinstance(table, dict):
                raise RequestError(
                    f"{section} is not a section of a study.",
                    field=name,
                    value=values[name],
                    remedy=f"Its sections are {', '.join(knobs())}.",
                )
        table[key] = value
    return _checked(data)


def read_replay(data: Mapping[str, Any]) -> ReplaySettings:
    """A replay's settings from plain data.

    Raises:
        RequestError: A key is unknown or out of range.
    """
    try:
        return validation.check(data, ReplaySettings)
    except validation.Problem as problem:
        raise _refusal(problem) from None


def _checked(data: Mapping[str, Any]) -> StudySettings:
    try:
        study = validation.check(data, StudySettings)
    except validation.Problem as problem:
        raise _refusal(problem) from None
    for method in study.adaptation.methods:
        if method not in METHOD_NAMES:
            raise RequestError.of(
                "adaptation.methods",
                f"there is no method {validation.show(method)}",
                method,
                f"Use some of {', '.join(METHOD_NAMES)}.",
            )
    missing = {"none", "naive"} - set(study.adaptation.methods)
    if missing:
        raise RequestError(
            f"adaptation.methods lacks {', '.join(sorted(missing))}, which every study needs.",
            field="adaptation.methods",
            value=list(study.adaptation.methods),
            remedy="Add them: everything is read against them.",
        )
    if study.adaptation.hold_out and study.adaptation.hold_out not in CONTEXT_NAMES:
        raise RequestError.of(
            "adaptation.hold_out",
            f"there is no context {validation.show(study.adaptation.hold_out)}",
            study.adaptation.hold_out,
            f"Use one of {', '.join(CONTEXT_NAMES)}, or nothing.",
        )
    return study


def _refusal(problem: validation.Problem) -> RequestError:
    return RequestError(
        f"{problem.field or 'The study'} {problem.reason}.",
        field=problem.field or None,
        value=problem.value,
        remedy=problem.remedy,
    )
