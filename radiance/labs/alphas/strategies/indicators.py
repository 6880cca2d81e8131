"""Indicators and rolling windows, as QuantConnect's API has them; fed a bar a day."""

import collections
import itertools
import math
import re
from collections.abc import Callable, Sequence
from typing import Any


class Unsupported(Exception):
    """The algorithm asks for something outside the supported part."""


class Snake:
    """PascalCase names lead to their snake_case ones; what there is not is Unsupported."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        for written in (re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower(), name.lower()):
            if written != name and (hasattr(type(self), written) or written in self.__dict__):
                return getattr(self, written)
        raise Unsupported(f"{type(self).__name__.lstrip('_')}.{name}")


class Point(Snake):
    """The current value of an indicator."""

    def __init__(self) -> None:
        self.value = 0.0


class Indicator(Snake):
    """A function of the last closes, updated once a day."""

    def __init__(self, period: int, compute: Callable[[Sequence[float]], float]) -> None:
        if not 1 <= int(period) <= 2_000:
            raise Unsupported(f"an indicator of {period} days")
        self.period, self.current, self.is_ready = int(period), Point(), False
        self._compute = compute
        self._closes: collections.deque[float] = collections.deque(maxlen=max(4 * self.period, 64))

    def update(self, bar: Any) -> None:
        """Take a day's bar in."""
        self.feed(bar.close)

    def feed(self, close: float) -> None:
        """Take a value in."""
        self._closes.append(close)
        if len(self._closes) >= self.period:
            self.is_ready = True
            self.current.value = self._compute(list(self._closes))

    def __float__(self) -> float:
        return float(self.current.value)

    def __lt__(self, other: Any) -> bool:
        return float(self) < float(other)

    def __gt__(self, other: Any) -> bool:
        return float(self) > float(other)


def mean(closes: Sequence[float]) -> float:
    """The plain mean."""
    return sum(closes) / len(closes)


def deviation(closes: Sequence[float]) -> float:
    """The standard deviation, of all values."""
    middle = mean(closes)
    return math.sqrt(sum((close - middle) ** 2 for close in closes) / len(closes))


def ema(closes: Sequence[float], period: int) -> float:
    """The exponential mean, begun with the first value."""
    value, weight = closes[0], 2 / (period + 1)
    for close in closes[1:]:
        value += weight * (close - value)
    return value


class Rsi(Indicator):
    """Relative strength with Wilder's smoothing, which is Lean's default."""

    def __init__(self, period: int) -> None:
        super().__init__(period + 1, lambda closes: 0.0)
        self._moves, self._before = 0, math.nan
        self._rise = self._fall = 0.0
        self._days = period

    def feed(self, close: float) -> None:
        move, self._before = close - self._before, close
        if math.isnan(move):
            return
        self._moves += 1
        share = 1 / min(self._moves, self._days)  # a mean until there are enough, then recursive
        self._rise += share * (max(move, 0.0) - self._rise)
        self._fall += share * (max(-move, 0.0) - self._fall)
        if self._moves >= self._days:
            self.is_ready = True
            ratio = self._rise / self._fall if self._fall > 1e-10 else math.inf
            self.current.value = 100 - 100 / (1 + ratio)


class OfBars(Indicator):
    """A function of the last whole bars."""

    def __init__(self, period: int, compute: Callable[[Sequence[Any]], float]) -> None:
        super().__init__(period, lambda closes: 0.0)
        self._of_bars = compute
        self._bars: collections.deque[Any] = collections.deque(maxlen=self.period)

    def update(self, bar: Any) -> None:
        self._bars.append(bar)
        if len(self._bars) >= self.period:
            self.is_ready = True
            self.current.value = self._of_bars(list(self._bars))


def linear_mean(closes: Sequence[float]) -> float:
    """The mean with weights that rise by one a day."""
    weighted = sum(weight * close for weight, close in enumerate(closes, 1))
    return weighted / (len(closes) * (len(closes) + 1) / 2)


def true_range(bars: Sequence[Any]) -> float:
    """The mean true range of all bars but the first, whose close the second is measured from."""
    ranges = [
        max(bar.high, before.close) - min(bar.low, before.close)
        for before, bar in itertools.pairwise(bars)
    ]
    return mean(ranges)


def channel(bars: Sequence[Any]) -> float:
    """How far the typical price is from its mean, in mean absolute deviations over 0.015."""
    typical = [(bar.high + bar.low + bar.close) / 3 for bar in bars]
    middle = mean(typical)
    spread = mean([abs(price - middle) for price in typical])
    return (typical[-1] - middle) / (0.015 * spread) if spread else 0.0


def williams(bars: Sequence[Any]) -> float:
    """Where the close lies in the range of the days, from -100 at the low to 0 at the high."""
    high, low = max(bar.high for bar in bars), min(bar.low for bar in bars)
    return -100 * (high - bars[-1].close) / (high - low) if high > low else 0.0


class RollingWindow(Snake):
    """The newest values, the newest first; ``RollingWindow[float](3)`` as Lean writes it."""

    def __init__(self, size: int) -> None:
        self.size = int(size)
        self._values: collections.deque[Any] = collections.deque(maxlen=self.size)

    def __class_getitem__(cls, kind: Any) -> Any:
        return cls

    def add(self, value: Any) -> None:
        """Put a value in front; the oldest goes where there are enough."""
        self._values.appendleft(value)

    @property
    def count(self) -> int:
        return len(self._values)

    @property
    def is_ready(self) -> bool:
        return len(self._values) == self.size

    def __getitem__(self, place: int) -> Any:
        return self._values[place]

    def __iter__(self) -> Any:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


class Macd(Indicator):
    """Moving average convergence divergence with its signal line."""

    def __init__(self, fast: int, slow: int, signal: int) -> None:
        super().__init__(slow, lambda closes: ema(closes, fast) - ema(closes, slow))
        self.signal = Indicator(signal, lambda values: ema(values, signal))
        self.fast = Indicator(fast, lambda closes: ema(closes, fast))
        self.slow = Indicator(slow, lambda closes: ema(closes, slow))

    def feed(self, close: float) -> None:
        super().feed(close)
        self.fast.feed(close)
        self.slow.feed(close)
        if self.is_ready:
            self.signal.feed(self.current.value)


class Bollinger(Indicator):
    """A mean and the bands around it."""

    def __init__(self, period: int, width: float) -> None:
        super().__init__(period, lambda closes: mean(closes[-period:]))
        self.middle_band = Indicator(period, lambda closes: mean(closes[-period:]))
        self.upper_band = Indicator(
            period, lambda c: mean(c[-period:]) + width * deviation(c[-period:])
        )
        self.lower_band = Indicator(
            period, lambda c: mean(c[-period:]) - width * deviation(c[-period:])
        )
        self.standard_deviation = Indicator(period, lambda c: deviation(c[-period:]))

    def feed(self, close: float) -> None:
        super().feed(close)
        for band in (self.middle_band, self.upper_band, self.lower_band, self.standard_deviation):
            band.feed(close)
