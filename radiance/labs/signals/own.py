"""A signal of your own: the deployed and a new one, as predictions, through gate and monitors.

The days that have predictions are cut in three, in the order of time: on the first their scale is
fitted, on the second the gate judges, the rest are lived day by day: the new signal runs in the
shadow, trades if the gate let it pass, and a monitor may take it back. Nothing of a day is used
before it is known. What the monitors would do if nothing changed is measured too, on days
drawn again from those the gate saw.
"""

from functools import cached_property
from importlib.metadata import version
from pathlib import Path

import msgspec
import numpy as np

from radiance import __version__, records
from radiance.errors import ConfigError
from radiance.labs.signals import bars as market_bars
from radiance.labs.signals import folds, gate, monitoring, portfolio, summary
from radiance.labs.signals.bars import Bars, Period
from radiance.labs.signals.gate import Outputs
from radiance.labs.signals.monitoring import Rollback, Watched
from radiance.labs.signals.predictions import Predictions, read_predictions
from radiance.labs.signals.results import AlarmRate
from radiance.labs.signals.settings import ReplaySettings, StudySettings
from radiance.records import Decision, content_hash

_HISTORY = 252  # days of bars by which symbols are chosen
_LEAST_COVERAGE = 0.2  # of a symbol's days; where a signal says nothing, nothing is held
_LEAST_DAYS = 20  # of each kind, to judge or to live
_DRAWS, _BLOCK = 200, 10


class Judgement(msgspec.Struct, frozen=True):
    """What became of a candidate.

    Attributes:
        window: What data it covers, in words by name.
        decision: The gate's.
        rollback: The monitor that took it back, if one did after it was let pass.
        alarms: The first day on which each monitor was over its limit, whatever the gate said.
        false_alarms: How often each is over its limit in as many days if nothing changes.
        errors: By "ordinary" and "stress" days of the live part: the mean squared error of
            "deployed", "candidate" and "silence", which predicts nothing.
        outcomes: Measures of the portfolios of "deployed", "candidate" and "operated" (deployed,
            and the candidate where it traded), on the live part.
        served: First and last day on which the candidate traded; None where it never did.
        approver: Who signed; None: nobody.
    """

    study: StudySettings
    replay: ReplaySettings
    window: dict[str, str]
    decision: Decision
    rollback: Rollback | None
    alarms: dict[str, Rollback]
    false_alarms: list[AlarmRate]
    errors: dict[str, dict[str, float | None]]
    outcomes: dict[str, dict[str, float | None]]
    served: tuple[str, str] | None
    approver: str | None
    notes: list[str]
    anchors_hash: str
    settings_hash: str
    versions: dict[str, str]
    created_at: str


def judge(
    study: StudySettings,
    settings: ReplaySettings,
    bars_path: Path,
    predictions_path: Path,
    approver: str | None = None,
) -> Judgement:
    """Take a candidate through gate, shadow and monitors.

    Args:
        study: Its ``policy`` and ``portfolio`` count.
        settings: Its ``horizon_days``, ``symbols``, ``delisting_return``, ``splits`` and
            ``stress`` count.
        bars_path: Daily bars, as ``daily_bars`` reads them.
        predictions_path: What both signals said; see ``read_predictions``.
        approver: Who answers for the decision.

    Raises:
        ConfigError: A file cannot be used, or has too few days.
    """
    # Whoever judges a signal on survivors alone flatters it.
    bars = market_bars.read_bars(
        bars_path,
        settings.symbols,
        _HISTORY,
        settings.delisting_return,
        _LEAST_COVERAGE,
        settings.splits,
    )
    said = read_predictions(predictions_path, bars)
    walk = _JudgedDays(study, settings, bars, said)
    decision, at_gate = walk.decide()
    live, days = walk.live, bars.dates
    watched = walk.watched(live, at_gate)
    alarms = monitoring.alarms(watched, study.policy)
    rollback = monitoring.first(alarms) if decision.promote else None
    serves = monitoring.serving(len(live), rollback, decision.promote, study.policy)
    trading = live[serves]
    return Judgement(
        study=study,
        replay=settings,
        window={
            "market": f"{len(bars.symbols)} symbols, {bars_path.name}",
            "bars": " ".join(bars.said),
            "predictions": f"{predictions_path.name}, {len(walk.days)} days",
            "scale": _between(days, walk.scaling),
            "gate": f"{_between(days, walk.judged)}, {int(walk.stress[walk.judged].sum())} of "
            f"{len(walk.judged)} days of stress",
            "live": _between(days, live),
        },
        decision=decision,
        rollback=rollback,
        alarms=alarms,
        false_alarms=walk.false_alarms(at_gate),
        errors=walk.errors(),
        outcomes=walk.outcomes(serves),
        served=(str(days[trading[0]]), str(days[trading[-1]])) if len(trading) else None,
        approver=approver,
        notes=[*said.notes, *walk.notes],
        anchors_hash=walk.anchors_hash,
        settings_hash=content_hash([study, settings]),
        versions={"numpy": version("numpy"), "radiance": __version__},
        created_at=records.now().isoformat(timespec="seconds"),
    )


class _JudgedDays:
    """The days of a judgement, and both signals in the unit of the labels."""

    def __init__(
        self, study: StudySettings, settings: ReplaySettings, bars: Bars, said: Predictions
    ) -> None:
        self._study, self._bars, self._horizon = study, bars, settings.horizon_days
        self.labels = market_bars.labels(bars, self._horizon).astype(np.float64)
        self._returns = market_bars.next_returns(bars)
        self.stress, self._periods = _stress(settings, bars)
        both = np.isfinite(said.deployed) & np.isfinite(said.candidate)
        self.labels = np.where(both, self.labels, 0.0)  # what nobody forecasts is no error
        usable = np.flatnonzero(both.sum(axis=1) >= 2)
        self.days = usable[(usable >= 63) & (usable < len(bars.dates) - 1)]
        first = len(self.days) * 2 // 3
        before, self.live = self.days[:first], self.days[first:]
        if len(self.live):
            before = before[before + self._horizon < self.live[0]]  # their labels are known by then
        self.scaling, self.judged = before[: len(before) // 2], before[len(before) // 2 :]
        self._require_days()
        self.notes: list[str] = []
        scores = [_scores(np.where(both, s, np.nan)) for s in (said.deployed, said.candidate)]
        # One factor for both: where they say the same they are the same forecast.
        factor = self._factor(scores)
        self.deployed, self.candidate = (factor * score for score in scores)

    @property
    def anchors_hash(self) -> str:
        """Of the deployed signal's outputs on the stress days that the gate sees."""
        held = self.judged[self.stress[self.judged]]
        return content_hash([self.deployed[held].round(9).tolist()])

    def decide(self) -> tuple[Decision, float]:
        """The gate's decision, and the mean divergence on the ordinary days that it saw."""
        is_stress = self.stress[self.judged]
        new, held = self.judged[~is_stress], self.judged[is_stress]
        decision = gate.judge(
            self._outputs(new), self._outputs(held), self._study.policy, self.anchors_hash
        )
        return decision, float(gate.loss(self.candidate[new], self.deployed[new]).mean())

    def watched(self, days: np.ndarray, at_gate: float) -> Watched:
        """What the monitors see of days, in the order given."""
        moved = gate.loss(self.candidate, self.deployed)[days]
        paper = self._paper
        return Watched(
            divergence=moved,
            violated=2 * moved > self._study.policy.violation,
            is_stress=self.stress[days],
            results=paper[1, days],
            deployed_results=paper[0, days],
            at_gate=at_gate,
        )

    def false_alarms(self, at_gate: float) -> list[AlarmRate]:
        """Each monitor over as many days as are live, of days that the gate saw, in blocks."""
        rng = np.random.default_rng(0)
        blocks = -(-len(self.live) // _BLOCK)
        last = max(1, len(self.judged) - _BLOCK + 1)
        counts = dict.fromkeys(monitoring.RULES, 0)
        for _ in range(_DRAWS):
            starts = rng.integers(last, size=blocks)
            drawn = (starts[:, None] + np.arange(_BLOCK)).ravel()[: len(self.live)]
            days = self.judged[np.minimum(drawn, len(self.judged) - 1)]
            for rule in monitoring.alarms(self.watched(days, at_gate), self._study.policy):
                counts[rule] += 1
        return [AlarmRate(rule, count, _DRAWS) for rule, count in counts.items()]

    def errors(self) -> dict[str, dict[str, float | None]]:
        """Mean squared errors on the live days whose labels are known."""
        known = self.live[self.live < len(self.labels) - self._horizon]
        found = {}
        for name, days in (
            ("ordinary", known[~self.stress[known]]),
            ("stress", known[self.stress[known]]),
        ):
            said = {"deployed": self.deployed, "candidate": self.candidate, "silence": 0.0}
            found[name] = {
                who: _error(np.broadcast_to(values, self.labels.shape)[days], self.labels[days])
                for who, values in said.items()
            }
        return found

    def outcomes(self, serves: np.ndarray) -> dict[str, dict[str, float | None]]:
        """The portfolios' measures on the live days."""
        days = self.live
        operated = np.where(serves[:, None], self.candidate[days], self.deployed[days])
        rows = np.stack([self.deployed[days], self.candidate[days], operated])
        traded = self._simulate(rows, days)
        stress = np.repeat(self.stress[None, days], 3, axis=0)
        measures = summary.portfolio_measures(traded, stress)
        values = {name: summary.plain(found) for name, found in measures.items()}
        return {
            who: {name: found[place] for name, found in values.items()}
            for place, who in enumerate(("deployed", "candidate", "operated"))
        }

    @cached_property
    def _paper(self) -> np.ndarray:
        """What each signal earns on paper from the gate's first day on, (2, days)."""
        days = np.arange(self.judged[0], len(self._bars.dates) - 1)
        rows = np.stack([self.deployed[days], self.candidate[days]])
        earned = np.zeros((2, len(self._bars.dates)))
        earned[:, days] = self._simulate(rows, days).returns
        return earned

    def _simulate(self, rows: np.ndarray, days: np.ndarray) -> portfolio.Outcome:
        volatility = market_bars.daily_volatility(self._bars)[days]
        change = np.diff(self.stress.astype(int), prepend=0)[days] != 0

        def alike(values: np.ndarray) -> np.ndarray:
            return np.broadcast_to(values, (len(rows), *values.shape))

        return portfolio.simulate(
            rows * volatility / np.sqrt(self._horizon),
            alike(self._returns[days]),
            alike(volatility),
            alike(1.0 + self.stress[days]),  # spreads taken as twice as wide under stress
            alike(change),
            self._study.portfolio,
        )

    def _outputs(self, days: np.ndarray) -> Outputs:
        names = [self._name(day) for day in days.tolist()]
        ours, theirs = self.candidate[days], self.deployed[days]
        # Nobody has a plain adapter of a signal of their own: the deployed one is what is beaten.
        return Outputs(ours, theirs, theirs, self.labels[days], self._returns[days], names)

    def _name(self, day: int) -> str:
        if not self.stress[day]:
            return "new"
        return next((p.name for p in self._periods if p.first <= day <= p.last), "stress")

    def _factor(self, scores: list[np.ndarray]) -> float:
        """What makes forecasts of the labels of scores: the better signal's fit, above zero."""
        labels, found = self.labels[self.scaling], []
        for name, score in zip(("deployed", "candidate"), scores, strict=True):
            said = score[self.scaling]
            found.append(float((said * labels).sum() / max(1e-12, np.square(said).sum())))
            if found[-1] <= 0:
                self.notes.append(
                    f"The {name} signal did not rise with the returns that followed on the days of "
                    "the scale."
                )
        return max(*found, 1e-3)

    def _require_days(self) -> None:
        is_stress = self.stress[self.judged]
        counts = {
            "days to fit the scale on": len(self.scaling),
            "ordinary days for the gate": int((~is_stress).sum()),
            "stress days for the gate": int(is_stress.sum()),
            "live days": len(self.live),
        }
        for what, count in counts.items():
            if count < _LEAST_DAYS:
                raise ConfigError(
                    f"predictions: {count} {what}, and {_LEAST_DAYS} are needed. Give more days, "
                    "or name stress windows in the second third of them."
                )


def _stress(settings: ReplaySettings, bars: Bars) -> tuple[np.ndarray, list[Period]]:
    if not settings.stress:
        found = market_bars.is_stress(bars)
        return found, market_bars.stress_periods(found, bars.dates)
    periods = folds.own_periods(settings.stress, bars.dates)
    found = np.zeros(len(bars.dates), dtype=bool)
    for period in periods:
        found[period.first : period.last + 1] = True
    return found, periods


def _scores(said: np.ndarray) -> np.ndarray:
    """Standardised over the symbols of each day, (days, symbols); zero where nothing is said."""
    count = np.maximum(1, np.isfinite(said).sum(axis=1, keepdims=True))
    off = np.nan_to_num(said - np.nansum(said, axis=1, keepdims=True) / count)
    spread = np.sqrt(np.square(off).sum(axis=1, keepdims=True) / count)
    return off / np.maximum(spread, 1e-12)


def _error(said: np.ndarray, labels: np.ndarray) -> float | None:
    return float(f"{np.square(said - labels).mean():.6g}") if len(labels) else None


def _between(dates: np.ndarray, days: np.ndarray) -> str:
    return f"{dates[days[0]]} to {dates[days[-1]]}"
