"""Runs signals as a desk would: portfolios on paper, the gate, the shadow, the monitors."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from radiance.labs.signals import gate, monitoring, portfolio
from radiance.labs.signals.contexts import CONTEXT_NAMES
from radiance.labs.signals.gate import Outputs
from radiance.labs.signals.market import Days, Markets
from radiance.labs.signals.methods import Method
from radiance.labs.signals.monitoring import Rollback, Watched
from radiance.labs.signals.portfolio import Outcome
from radiance.labs.signals.settings import StudySettings
from radiance.records import Decision


class TradedSignals(Protocol):
    """What every method says; see ``study.MethodSignals``."""

    @property
    def test(self) -> np.ndarray: ...
    @property
    def check(self) -> np.ndarray: ...
    @property
    def judged(self) -> np.ndarray: ...
    @property
    def is_stress(self) -> np.ndarray: ...


@dataclass(frozen=True)
class Operated:
    """What became of every candidate; rows of outcomes are seeds x methods, seeds first.

    Attributes:
        paper: Each method's portfolio, traded from the first day to the last.
        live: The portfolio as operated: the deployed signal, and the candidate where it served.
        decisions: The gate's, by (seed's place, method).
        rollbacks: The monitors', by the same.
        alarms: The monitors that were over their limits, whatever the gate said, by the same.
    """

    paper: Outcome
    live: Outcome
    decisions: dict[tuple[int, str], Decision]
    rollbacks: dict[tuple[int, str], Rollback]
    alarms: dict[tuple[int, str], tuple[str, ...]]


def operate(
    study: StudySettings,
    markets: Markets,
    signals: TradedSignals,
    methods: Sequence[Method],
    on_progress: Callable[[str, int, int], None],
    anchors_hash: str = "",
) -> Operated:
    """Trade, judge, watch."""
    seeds, count = len(signals.test), len(methods)
    names = [method.name for method in methods]
    deployed, naive = names.index("none"), names.index("naive")
    trade = Trader(study, markets.test, signals.is_stress)
    on_progress("portfolios", 0, 2)
    paper = trade(signals.test)
    on_progress("portfolios", 1, 2)
    earned = paper.returns.reshape(seeds, count, -1)
    decisions: dict[tuple[int, str], Decision] = {}
    rollbacks: dict[tuple[int, str], Rollback] = {}
    alarms: dict[tuple[int, str], tuple[str, ...]] = {}
    live = np.repeat(signals.test[:, deployed : deployed + 1], count, axis=1)
    for seed in range(seeds):
        for place, method in enumerate(methods):
            if method.anchor is None:
                continue
            new = _outputs(signals.check, markets.check, seed, place, deployed, naive)
            held = _outputs(signals.judged, markets.judged, seed, place, deployed, naive)
            decision = gate.judge(new, held, study.policy, anchors_hash)
            ours, theirs = signals.test[seed, place], signals.test[seed, deployed]
            moved = gate.loss(ours, theirs)
            seen = monitoring.alarms(
                Watched(
                    divergence=moved,
                    violated=2 * moved > study.policy.violation,
                    is_stress=signals.is_stress[seed],
                    results=earned[seed, place],
                    deployed_results=earned[seed, deployed],
                    at_gate=float(gate.loss(new.candidate, new.deployed).mean()),
                ),
                study.policy,
            )
            found = monitoring.first(seen)
            alarms[seed, method.name] = tuple(seen)
            decisions[seed, method.name] = decision
            if decision.promote and found is not None:
                rollbacks[seed, method.name] = found
            serves = monitoring.serving(len(moved), found, decision.promote, study.policy)
            live[seed, place] = np.where(serves[:, None], ours, theirs)
        on_progress("gate", seed + 1, seeds)
    return Operated(paper, trade(live), decisions, rollbacks, alarms)


class Trader:
    """Trades signals in a study's markets.

    Args:
        days: The test days.
        is_stress: What the desk calls stress, (seeds, days).
    """

    def __init__(self, study: StudySettings, days: Days, is_stress: np.ndarray) -> None:
        self._settings, self._days = study.portfolio, days
        self._information = study.market.information
        self._volatility = portfolio.estimate_volatility(days.returns, study.market.volatility)
        before = np.concatenate([np.zeros_like(is_stress[:, :1]), is_stress[:, :-1]], axis=1)
        self._event = is_stress != before

    def __call__(self, signals: np.ndarray) -> Outcome:
        """Of signals (seeds, methods, days, assets); rows are seeds x methods."""
        seeds, methods, days, assets = signals.shape

        def rows(values: np.ndarray) -> np.ndarray:
            return np.repeat(values, methods, axis=0)

        volatility = rows(self._volatility)
        signals = signals.reshape(seeds * methods, days, assets).astype(np.float64)
        return portfolio.simulate(
            self._information * volatility * signals,
            rows(self._days.returns),
            volatility,
            rows(self._days.spread),
            rows(self._event),
            self._settings,
        )


def _outputs(
    signals: np.ndarray, days: Days, seed: int, place: int, deployed: int, naive: int
) -> Outputs:
    names = [CONTEXT_NAMES[c] if c >= 0 else "new" for c in days.context[seed]]
    return Outputs(
        candidate=signals[seed, place],
        deployed=signals[seed, deployed],
        naive=signals[seed, naive],
        labels=days.labels[seed],
        returns=days.returns[seed],
        names=names,
    )
