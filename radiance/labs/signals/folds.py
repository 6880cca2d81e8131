"""What each fold of a replay may know, day by day: history, calm days, anchors.

A fold holds one stress period out of everything. What is chosen here is known at the close it is
chosen for, and drawn by generators of fold and day, so that a replay is made again by its settings.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from radiance.errors import ConfigError
from radiance.labs.signals import bars as market_bars
from radiance.labs.signals import portfolio
from radiance.labs.signals.bars import INDICATORS, Bars, Period
from radiance.labs.signals.market import Days
from radiance.labs.signals.settings import ReplaySettings

_ANCHORS_PER_PERIOD, _JUDGED_PER_PERIOD = 96, 20
_CHECK_DAYS = 42
_FIT_ROWS = 30_000  # of the history, to fit a backbone on


@dataclass(frozen=True)
class Data:
    """Everything by day and symbol.

    Attributes:
        inputs: (days, symbols, inputs) float32.
        labels: (days, symbols) float32, NaN where unknown for ever.
        stress: (days,) bool.
        periods: By rule.
        start: The first live day.
        horizon: Days until a label is known.
    """

    bars: Bars
    inputs: np.ndarray
    labels: np.ndarray
    stress: np.ndarray
    periods: list[Period]
    start: int
    horizon: int
    features: tuple[str, ...] = market_bars.FEATURES

    @property
    def places(self) -> slice:
        """The indicators among the inputs."""
        first = len(self.features)
        return slice(first, first + len(INDICATORS))


def load(settings: ReplaySettings, path: Path, features: Path | None = None) -> Data:
    """Read a file of bars, and make of it what a replay needs.

    ``features`` is a table of one's own that takes the place of the lab's features.

    Raises:
        ConfigError: It cannot be used, holds no two periods of stress, or a window of the settings
            is none of its days.
    """
    start = round(settings.history_years * portfolio.DAYS_PER_YEAR)
    bars = market_bars.read_bars(
        path, settings.symbols, start, settings.delisting_return, splits=settings.splits
    )
    if settings.stress:
        periods = own_periods(settings.stress, bars.dates)
        stress = np.zeros(len(bars.dates), dtype=bool)
        for period in periods:
            stress[period.first : period.last + 1] = True
    else:
        stress = market_bars.is_stress(bars)
        periods = market_bars.stress_periods(stress, bars.dates)
    periods = [period for period in periods if period.first > start // 4]
    if len(periods) < 2:
        raise ConfigError(f"{path}: has {len(periods)} stress periods; two are needed at least.")
    own = market_bars.read_features(features, bars) if features else None
    return Data(
        bars=bars,
        features=tuple(own) if own else market_bars.FEATURES,
        inputs=market_bars.day_inputs(bars, own),
        labels=market_bars.labels(bars, settings.horizon_days),
        stress=stress,
        periods=periods,
        start=start,
        horizon=settings.horizon_days,
    )


def own_periods(windows: Sequence[str], dates: np.ndarray) -> list[Period]:
    """The periods of windows such as "2008-09-01:2009-03-31", in the order of time.

    Raises:
        ConfigError: One is no window, holds no day of ``dates``, or overlaps another.
    """
    found = []
    for window in windows:
        first, colon, last = window.partition(":")
        try:
            days = np.datetime64(first.strip(), "D"), np.datetime64(last.strip(), "D")
        except ValueError:
            days = (np.datetime64("NaT"), np.datetime64("NaT"))
        if not colon or np.isnat(days).any() or days[0] > days[1]:
            raise ConfigError(
                f"stress (is {window!r}): must be a first and a last day, as in "
                "2008-09-01:2009-03-31."
            )
        inside = np.flatnonzero((dates >= days[0]) & (dates <= days[1]))
        if not len(inside):
            raise ConfigError(
                f"stress (is {window!r}): holds no day of the bars, which run from {dates[0]} to "
                f"{dates[-1]}."
            )
        first_day, last_day = int(inside[0]), int(inside[-1])
        found.append(Period(first_day, last_day, f"{dates[first_day]} to {dates[last_day]}"))
    found.sort(key=lambda period: period.first)
    for one, other in itertools.pairwise(found):
        if other.first <= one.last:
            raise ConfigError(f"stress: {one.name} and {other.name} overlap.")
    return found


class Folds:
    """Chooses rows for every fold.

    Args:
        data: Everything.
        window_days: Ordinary days that an update learns from.

    Attributes:
        places: Of the folds: their held-out period's place among ``data.periods``.
    """

    def __init__(self, data: Data, window_days: int) -> None:
        self._data, self._window_days = data, window_days
        self.places = list(range(len(data.periods)))

    def held(self, fold: int) -> np.ndarray:
        """Days of the fold's period, with those whose labels reach into it, (days,) bool."""
        period, found = self._data.periods[fold], np.zeros(len(self._data.stress), dtype=bool)
        found[max(0, period.first - self._data.horizon) : period.last + 1] = True
        return found

    def history(self) -> Days:
        """What each fold's backbone is fitted on: the history without the period, by symbol-day."""
        data, rows = self._data, []
        for fold in self.places:
            days = np.flatnonzero(~self.held(fold)[: data.start - data.horizon])
            days = days[days >= market_bars.WARM_UP]
            draw = np.random.default_rng([fold, *b"history"])
            chosen = (
                draw.choice(days, size=_FIT_ROWS),
                draw.integers(len(data.bars.symbols), size=_FIT_ROWS),
            )
            rows.append((data.inputs[chosen], data.labels[chosen][:, None]))
        inputs, labels = (np.stack(part) for part in zip(*rows, strict=True))
        empty = np.zeros(0)
        return Days(inputs, empty, labels, labels, empty, empty)

    def calm_days(self, fold: int, day: int) -> np.ndarray:
        """The newest ordinary days whose labels are known, oldest first."""
        data = self._data
        known = np.arange(market_bars.WARM_UP, day - data.horizon + 1)
        calm = known[~data.stress[known] & ~self.held(fold)[known]]
        return calm[-(self._window_days + _CHECK_DAYS) :]

    def split(self, days: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What is learned, and the newest days that the gate checks, apart by a horizon."""
        return days[: -_CHECK_DAYS - self._data.horizon], days[-_CHECK_DAYS:]

    def anchor_rows(
        self, fold: int, past: Sequence[Period], day: int, part: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """(rows, 2) day and symbol of anchors, and their contexts, alike in every fold.

        Every other stress day of a period is for training, the rest for the gate. The place of the
        period that is held out, or of none that is past, is taken by days of the others.
        """
        data = self._data
        own = [p for p in past if p is not data.periods[fold]]
        days = [np.arange(p.first, p.last + 1) for p in own]
        days = [d[data.stress[d]][part::2] for d in days]
        if not days:
            days = [self._rough_days(fold, day)[part::2]]
        every = np.concatenate(days)
        count = _ANCHORS_PER_PERIOD if part == 0 else _JUDGED_PER_PERIOD
        draw = np.random.default_rng([fold, day, part])
        rows, contexts = [], []
        for context in range(max(1, len(past))):
            pool = every
            if context < len(past) and past[context] is not data.periods[fold]:
                pool = days[own.index(past[context])]
            chosen = draw.choice(pool, size=count)
            rows.append(
                np.stack([chosen, draw.integers(len(data.bars.symbols), size=count)], axis=1)
            )
            contexts.append(np.full(count, context))
        return np.concatenate(rows), np.concatenate(contexts)

    def _rough_days(self, fold: int, day: int) -> np.ndarray:
        """Where no period is past: the tenth of the known days that are most volatile."""
        data = self._data
        known = np.arange(market_bars.WARM_UP, day - data.horizon)
        known = known[~self.held(fold)[known]]
        level = data.inputs[known, 0, data.places.start]
        return known[level >= np.quantile(level, 0.9)]
