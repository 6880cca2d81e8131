"""What a study found, as plain values that JSON keeps; nothing here computes."""

import math
from typing import Literal

import msgspec

from radiance.gate.intervals import Estimate
from radiance.labs.signals.monitoring import Rollback
from radiance.labs.signals.settings import ReplaySettings, StudySettings
from radiance.records import Decision


class StudyMeasure(msgspec.Struct, frozen=True):
    """What one number of a table is.

    Attributes:
        is_better_low: Whether less is better; None where it is neither.
        ends: What it can be at least and at most; no interval reaches further.
    """

    name: str
    title: str
    unit: str
    is_better_low: bool | None
    ends: tuple[float, float] = (-math.inf, math.inf)


_UPWARDS = (0.0, math.inf)


MEASURES = (
    StudyMeasure("drift_mse", "drift MSE", "variances of the signal", True, _UPWARDS),
    StudyMeasure("stress_mse", "stress MSE", "variances of the signal", True, _UPWARDS),
    StudyMeasure(
        "stress_shift", "stress shift", "squared distance to the deployed outputs", True, _UPWARDS
    ),
    StudyMeasure("total_return", "total return", "after cost, a ratio", False),
    StudyMeasure("gross_return", "total return before cost", "a ratio", False),
    StudyMeasure("cost", "cost", "of the book, summed over the test, a ratio", True, _UPWARDS),
    StudyMeasure("turnover", "turnover", "of the book a day", None, _UPWARDS),
    StudyMeasure("max_drawdown", "max drawdown", "a ratio, at most 0", False, (-1.0, 0.0)),
    StudyMeasure("worst_stress_day", "worst stress day", "a return", False),
    StudyMeasure("cvar", "CVaR 5 %", "mean return of the worst days", False),
    StudyMeasure("sharpe", "Sharpe", "yearly, all days", False),
    StudyMeasure("sharpe_ordinary", "Sharpe, ordinary days", "yearly", False),
    StudyMeasure("sharpe_stress", "Sharpe, stress days", "yearly", False),
    StudyMeasure(
        "interference",
        "interference",
        "share of steps that conflict with the anchors",
        None,
        (0, 1),
    ),
    StudyMeasure("distortion", "distortion", "1 - cosine of step and projected step", None, (0, 2)),
)
MEASURE_BY_NAME = {measure.name: measure for measure in MEASURES}


class Paired(msgspec.Struct, frozen=True):
    """A method less another, unit by unit.

    Attributes:
        difference: Mean of the differences with its 95 % interval.
        better: Share of the units in which the method is the better one; None where neither is.
    """

    method: str
    against: str
    measure: str
    difference: Estimate
    better: float | None


class Band(msgspec.Struct, frozen=True):
    """A curve over days: median and the band that holds eight seeds in ten."""

    days: list[int]
    low: list[float]
    middle: list[float]
    high: list[float]


class Verdict(msgspec.Struct, frozen=True):
    """What the gate and the monitors made of a method's candidates.

    Attributes:
        promoted: Share of the units in which the gate let it pass.
        rolled_back: Share of those in which a monitor took it back.
        failed: By rule, the share of the units in which it failed.
        rollbacks: What took it back, by the unit's place.
    """

    promoted: float
    rolled_back: float
    failed: dict[str, float]
    rollbacks: dict[int, Rollback]


class MethodResult(msgspec.Struct, frozen=True):
    """One method over all units: the seeds of a study, the held-out periods of a replay.

    Attributes:
        per_unit: By measure, one value a unit; None where a unit has none.
        means: By measure, over the units that have it, with 95 % intervals.
        contexts: Stress MSE by context, one value a unit; None where a unit has none.
        equity: Of a unit, after cost.
        verdict: None for the method that adapts nothing.
        operated: As ``per_unit`` and ``means``, for the signal as the gate and the monitors would
            have operated it; only the portfolio's measures.
        decisions: The gate's, one a unit; empty for the method that adapts nothing.
        checksums: SHA-256 of each unit's adapter.
    """

    name: str
    label: str
    summary: str
    per_unit: dict[str, list[float | None]]
    means: dict[str, Estimate | None]
    contexts: dict[str, list[float | None]]
    equity: Band
    drawdown: Band
    verdict: Verdict | None
    operated: dict[str, Estimate | None]
    decisions: list[Decision]
    checksums: list[str]


class OperatingPoint(msgspec.Struct, frozen=True):
    """The gate at one limit of ``anchor_mean``: how often it errs, over all candidates.

    Attributes:
        harm_promoted: Share of the harmful candidates that pass; None where there are none.
        harmless_refused: Share of the harmless that do not.
        harmful: How many are harmful; ``harmless`` likewise. 0 in results that did not count.
    """

    limit: float
    harm_promoted: float | None
    harmless_refused: float | None
    harmful: int = 0
    harmless: int = 0


class AlarmRate(msgspec.Struct, frozen=True):
    """A monitor where there was nothing to see.

    Attributes:
        alarms: Of ``trials`` candidates, or stretches of days, on how many it was over its limit.
    """

    rule: str
    alarms: int
    trials: int


class Finding(msgspec.Struct, frozen=True):
    """A sentence that follows from the numbers, for or against.

    Attributes:
        holds: Whether it speaks for the method; None where it is neither.
    """

    holds: bool | None
    text: str


class StudyResult(msgspec.Struct, frozen=True):
    """A study or a replay, whole: what it was made from and what it found.

    Attributes:
        units: What is compared in pairs: "seed 0", or the name of a held-out period.
        window: What data it covers, in words by name.
        anchors_hash: SHA-256 over the anchors' inputs and cached outputs.
        settings_hash: Of ``study``, and of ``replay`` where it is one.
        seconds: What each stage took.
        false_alarms: Of harmless candidates, how often each monitor was over its limit.
    """

    kind: Literal["study", "replay"]
    study: StudySettings
    units: list[str]
    window: dict[str, str]
    methods: list[MethodResult]
    paired: list[Paired]
    operating_curve: list[OperatingPoint]
    findings: list[Finding]
    anchors_hash: str
    settings_hash: str
    versions: dict[str, str]
    created_at: str
    seconds: dict[str, float]
    replay: ReplaySettings | None = None
    false_alarms: list[AlarmRate] = []

    def method(self, name: str) -> MethodResult | None:
        """The method of that name, if it was compared."""
        return next((method for method in self.methods if method.name == name), None)


def encode(result: msgspec.Struct) -> bytes:
    """As indented JSON."""
    return msgspec.json.format(msgspec.json.encode(result), indent=1)


def decode(data: bytes) -> StudyResult:
    """From JSON.

    Raises:
        msgspec.DecodeError: It is not a study's result.
    """
    return msgspec.json.decode(data, type=StudyResult)
