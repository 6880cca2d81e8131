"""Watches an adapted signal beside the deployed one, and takes it back.

A candidate that passed the gate first runs in the shadow: it is computed beside the deployed signal
and trades nothing. From then on three signs are looked at every day, over a window of past days:
the divergence from the deployed outputs against what the gate saw, the share of stress days it
moved too far on, and the tail of its results against the deployed signal's. The first sign over its
limit rolls back, once, and the deployed signal trades again. What is known at a day's close decides
on the next day only.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from radiance.gate import intervals
from radiance.labs.signals import portfolio
from radiance.labs.signals.settings import PolicySettings

DRIFT_FACTOR = 3.0
"""How many times the divergence that the gate saw on new days is a drift of the outputs."""
_LEAST_STRESS_DAYS = 5


@dataclass(frozen=True)
class Watched:
    """One candidate's days, as they come after its promotion; day t's result is known at t + 1.

    Attributes:
        divergence: From the deployed outputs, in nats, (days,).
        violated: Whether the outputs moved too far, (days,).
        is_stress: Whether the desk's own indicators call the day stress, (days,).
        results: The candidate's return of each day on paper, (days,).
        deployed_results: The deployed signal's, (days,).
        at_gate: Mean divergence on the new days that the gate saw, in nats.
    """

    divergence: np.ndarray
    violated: np.ndarray
    is_stress: np.ndarray
    results: np.ndarray
    deployed_results: np.ndarray
    at_gate: float


class Rollback(msgspec.Struct, frozen=True):
    """A sign that took a candidate back.

    Attributes:
        day: The close at which it was seen.
    """

    day: int
    rule: str
    value: float
    limit: float


RULES = ("output_drift", "violations", "tail")
"""The monitors, in the order in which one is named where two see something on a day."""


def alarms(days: Watched, policy: PolicySettings) -> dict[str, Rollback]:
    """The first day after the shadow on which each sign is over its limit, by its rule."""
    signs = (_output_drift(days, policy), _violations(days, policy), _tail(days, policy))
    found = {}
    for rule, (values, limit) in zip(RULES, signs, strict=True):
        over = np.flatnonzero(np.nan_to_num(values, nan=-np.inf) > limit)
        over = over[over >= policy.shadow_days]
        if len(over):
            day = int(over[0])
            found[rule] = Rollback(day, rule, float(values[day]), float(limit))
    return found


def first(found: Mapping[str, Rollback]) -> Rollback | None:
    """The earliest of ``alarms``, which takes the candidate back; None where there is none."""
    return min(found.values(), key=lambda alarm: alarm.day, default=None)


def serving(
    days: int, rollback: Rollback | None, is_promoted: bool, policy: PolicySettings
) -> np.ndarray:
    """On which days the candidate trades, (days,) bool."""
    found = np.full(days, is_promoted)
    found[: policy.shadow_days] = False
    if rollback is not None:
        found[rollback.day + 1 :] = False
    return found


def _output_drift(days: Watched, policy: PolicySettings) -> tuple[np.ndarray, float]:
    return _rolling_mean(days.divergence, policy.window_days), DRIFT_FACTOR * days.at_gate


def _violations(days: Watched, policy: PolicySettings) -> tuple[np.ndarray, float]:
    """The lower bound of the share of the window's stress days that were moved too far."""
    hits = _rolling_sum(days.violated & days.is_stress, policy.window_days)
    trials = _rolling_sum(days.is_stress, policy.window_days)
    values = [
        intervals.proportion(int(h), int(n), policy.confidence).low
        if n >= _LEAST_STRESS_DAYS
        else np.nan
        for h, n in zip(hits, trials, strict=True)
    ]
    return np.array(values), policy.max_violations


def _tail(days: Watched, policy: PolicySettings) -> tuple[np.ndarray, float]:
    """How much lower the window's worst days are than the deployed signal's; of known results."""
    width = policy.window_days
    found = np.full(len(days.results), np.nan)
    if len(found) > width:
        ours, theirs = (
            portfolio.cvar(sliding_window_view(results, width))[:-1]
            for results in (days.results, days.deployed_results)
        )
        found[width:] = theirs - ours  # at the close of day t the result of day t - 1 is the newest
    return found, policy.max_tail


def _rolling_sum(values: np.ndarray, width: int) -> np.ndarray:
    total = np.concatenate([[0.0], np.cumsum(values, dtype=np.float64)])
    ends = np.arange(1, len(values) + 1)
    return total[ends] - total[np.maximum(0, ends - width)]


def _rolling_mean(values: np.ndarray, width: int) -> np.ndarray:
    count = np.minimum(np.arange(1, len(values) + 1), width)
    found = _rolling_sum(values, width) / count
    found[: min(width, len(values)) - 1] = np.nan
    return found
