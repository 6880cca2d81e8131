"""The synthetic regime market: a signal that drifts, and rare stress in which it does not.

A day has core features (autocorrelated), indicators by which a desk tells stress (spread, gap,
correlation, volatility, surprise) and a one. The signal, the expected return of each asset in
standard deviations of the signal itself, is linear in them. From the day the regime changes a
low-rank drift is added, on ordinary days only: under stress the old relation holds, which is what
makes forgetting it dangerous. What is known of a day is known at its close; its return comes after.

Every seed draws from generators of its own, so a market does not depend on which others are made
beside it.
"""

from dataclasses import dataclass

import numpy as np

from radiance.labs.signals.contexts import CONTEXTS, ORDINARY
from radiance.labs.signals.settings import MarketSettings

INDICATORS = ("spread", "gap", "correlation", "volatility", "surprise")
_MEMORY = 0.7  # autocorrelation of features and indicators from day to day
_CROSS = 0.25  # part of its own shift that a context lends every other indicator
_SEVERITY = (0.8, 1.3)  # of an episode, uniform
_CHECK_DAYS, _JUDGED_PER_CONTEXT = 126, 40
_TRUTH_PER_CONTEXT = 200
_RESTLESSNESS = 1.3  # spread of the core features under stress


_ORDINARY_CORRELATION = 0.3


@dataclass(frozen=True)
class Days:
    """A run of days of several seeds; everything but the returns is known at a day's close.

    Attributes:
        inputs: What the model sees, (seeds, days, inputs) float32.
        context: Index into ``CONTEXTS``, or ``ORDINARY``, (seeds, days).
        truth: The true signal, (seeds, days, assets) float32.
        labels: What there is to learn from: the truth with noise.
        returns: Of the day after, close to close, (seeds, days, assets) float64.
        spread: Multiple of the ordinary bid-ask spread, (seeds, days).
    """

    inputs: np.ndarray
    context: np.ndarray
    truth: np.ndarray
    labels: np.ndarray
    returns: np.ndarray
    spread: np.ndarray


@dataclass(frozen=True)
class Markets:
    """The markets of a study, one a seed.

    Attributes:
        history: What the backbone is fitted on: the old regime, with stress.
        adaptation: Ordinary days of the new regime.
        check: More of them, which training never sees: the gate's.
        test: What comes after, with stress.
        anchors: Stress days to hold, (seeds, contexts x per context, ...), sorted by context.
        judged: Other such days, which training never sees: the gate's.
        stress: Many more, for the truth.
        indicators: Places of the indicators among the inputs.
    """

    history: Days
    adaptation: Days
    check: Days
    test: Days
    anchors: Days
    judged: Days
    stress: Days
    indicators: slice


def make_markets(settings: MarketSettings, seeds: list[int]) -> Markets:
    """The markets of these seeds."""
    makers = [_Maker(settings, seed) for seed in seeds]
    return Markets(
        history=_stack([m.run("history", settings.history_days, False) for m in makers]),
        adaptation=_stack([m.ordinary("adaptation", settings.adaptation_days) for m in makers]),
        check=_stack([m.ordinary("check", _CHECK_DAYS) for m in makers]),
        test=_stack([m.run("test", settings.test_days, True) for m in makers]),
        anchors=_stack([m.stressed("anchors", settings.anchors_per_context) for m in makers]),
        judged=_stack([m.stressed("judged", _JUDGED_PER_CONTEXT) for m in makers]),
        stress=_stack([m.stressed("stress", _TRUTH_PER_CONTEXT) for m in makers]),
        indicators=slice(settings.features, settings.features + len(INDICATORS)),
    )


class _Maker:
    """One seed's market."""

    def __init__(self, settings: MarketSettings, seed: int) -> None:
        self._settings, self._seed = settings, seed
        draw = self._draw("relations")
        features, assets, inputs = settings.features, settings.assets, self.input_count
        self._old = draw.standard_normal((inputs, assets))
        self._old[:features] *= np.sqrt(0.7 / features)
        self._old[features:-1] *= np.sqrt(0.3 / len(INDICATORS))
        self._old[-1] = 0.0
        rank = min(settings.drift_rank, features, assets)
        drift = draw.standard_normal((features, rank)) @ draw.standard_normal((rank, assets))
        drift *= np.sqrt(settings.drift_strength * assets / (drift**2).sum())
        self._drift = np.concatenate([drift, np.zeros((inputs - features, assets))])
        shocks = draw.standard_normal((len(CONTEXTS), features))
        self._shocks = shocks / np.linalg.norm(shocks, axis=1, keepdims=True)

    @property
    def input_count(self) -> int:
        return self._settings.features + len(INDICATORS) + 1

    def run(self, purpose: str, days: int, is_new: bool) -> Days:
        """Days in a row, with episodes of stress."""
        draw = self._draw(purpose)
        context, severity = self._episodes(draw, days)
        return self._days(draw, context, severity, is_new)

    def ordinary(self, purpose: str, days: int) -> Days:
        """Days of the new regime without stress."""
        return self._days(self._draw(purpose), np.full(days, ORDINARY), np.ones(days), is_new=True)

    def stressed(self, purpose: str, per_context: int) -> Days:
        """Single days of stress, so many of each context, each with a severity of its own."""
        draw = self._draw(purpose)
        context = np.repeat(np.arange(len(CONTEXTS)), per_context)
        return self._days(draw, context, draw.uniform(*_SEVERITY, len(context)), True, single=True)

    def _draw(self, purpose: str) -> np.random.Generator:
        return np.random.default_rng([self._seed, *purpose.encode()])

    def _episodes(self, draw: np.random.Generator, days: int) -> tuple[np.ndarray, np.ndarray]:
        mean_days = float(np.mean([c.days for c in CONTEXTS]))
        chance = self._settings.stress_share / mean_days / (1 - self._settings.stress_share)
        context, severity = np.full(days, ORDINARY), np.ones(days)
        day = 0
        while day < days:
            if draw.random() < chance:
                kind = int(draw.integers(len(CONTEXTS)))
                end = min(days, day + CONTEXTS[kind].days)
                context[day:end], severity[day:end] = kind, draw.uniform(*_SEVERITY)
                day = end
            day += 1
        return context, severity

    def _days(
        self,
        draw: np.random.Generator,
        context: np.ndarray,
        severity: np.ndarray,
        is_new: bool,
        single: bool = False,
    ) -> Days:
        settings, days = self._settings, len(context)
        features, assets = settings.features, settings.assets
        states = _autoregression(
            draw.standard_normal((days, features + len(INDICATORS))), 0.0 if single else _MEMORY
        )
        is_stress = context != ORDINARY
        lift = np.full((len(CONTEXTS), len(INDICATORS)), _CROSS)
        np.fill_diagonal(lift, 1.0)
        force = (severity * is_stress)[:, None]
        core = states[:, :features] * np.where(is_stress, _RESTLESSNESS, 1.0)[:, None]
        core = core + settings.stress_scale * force * self._shocks[context]
        indicators = states[:, features:] + settings.indicator_shift * force * lift[context]
        inputs = np.concatenate([core, indicators, np.ones((days, 1))], axis=1)
        truth = inputs @ self._old
        if is_new:
            truth = truth + np.where(is_stress, 0.0, 1.0)[:, None] * (inputs @ self._drift)
        labels = truth + settings.label_noise * draw.standard_normal(truth.shape)
        volatility = _of(context, severity, "volatility", 1.0)
        shared = _of(context, severity, "correlation", _ORDINARY_CORRELATION, grows=False)
        fall = _of(context, severity, "fall", 0.0, grows=False) * severity
        noise = np.sqrt(shared)[:, None] * draw.standard_normal((days, 1)) + np.sqrt(1 - shared)[
            :, None
        ] * draw.standard_normal((days, assets))
        returns = settings.volatility * (
            settings.information * truth + volatility[:, None] * noise + fall[:, None]
        )
        return Days(
            inputs=inputs.astype(np.float32),
            context=context,
            truth=truth.astype(np.float32),
            labels=labels.astype(np.float32),
            returns=returns,
            spread=_of(context, severity, "spread", 1.0),
        )


def _of(
    context: np.ndarray, severity: np.ndarray, name: str, ordinary: float, grows: bool = True
) -> np.ndarray:
    """A property of each day's context; above the ordinary it grows with severity."""
    values = np.array([getattr(c, name) for c in CONTEXTS] + [ordinary])[context]
    return ordinary + (values - ordinary) * severity if grows else values


def _autoregression(noise: np.ndarray, memory: float) -> np.ndarray:
    """AR(1) of unit variance along the first axis."""
    if not memory:
        return noise
    found = np.empty_like(noise)
    found[0] = noise[0]
    scale = np.sqrt(1 - memory**2)
    for day in range(1, len(noise)):
        found[day] = memory * found[day - 1] + scale * noise[day]
    return found


def _stack(runs: list[Days]) -> Days:
    return Days(*(np.stack([getattr(r, name) for r in runs]) for name in Days.__annotations__))
