"""Indicators, as QuantConnect's API has them; fed a bar a day."""

import collections
import math
from collections.abc import Callable, Sequence
from typing import Any

from radiance.labs.alphas.strategies.naming import Event, Names, Snake, Unsupported, has
from radiance.labs.alphas.strategies.windows import IndicatorDataPoint, Point, RollingWindow


class Indicator(Snake):
    """A function of the last values, fed one a day.

    Attributes:
        window: Its own last values, the newest first; two of them, if it is not made larger.
        updated: Is called with the indicator and each new value.
    """

    _parts: Sequence["Indicator"] = ()

    def __init__(self, period: int, compute: Callable[[Sequence[float]], float]) -> None:
        if not 1 <= int(period) <= 2_000:
            raise Unsupported(f"an indicator of {period} days")
        self.period, self.current, self.is_ready = int(period), Point(), False
        self._compute = compute
        self._values: collections.deque[float] = collections.deque(maxlen=self.period)
        self.window, self.updated, self.samples = RollingWindow(2), Event(), 0

    @property
    def warm_up_period(self) -> int:
        """How many bars make it ready."""
        return self.period

    def update(self, *point: Any) -> bool:
        """Take in a bar or a point, or a time and a value."""
        if len(point) > 2 or (len(point) == 1 and not isinstance(point[0], Snake)):
            raise Unsupported("this form of update of an indicator")
        self.take(point[-1])
        self._tell(point[0] if len(point) == 2 else _end(point[0]))
        return self.is_ready

    def _tell(self, time: Any) -> None:
        """Keep the value that it came to, and let others know."""
        self.samples += 1
        self.current.time = time
        point = IndicatorDataPoint(time, float(self.current.value))
        self.window.add(point)
        self.updated(self, point)
        for part in self._parts:
            part._tell(time)

    @property
    def previous(self) -> Any:
        """The value before the current one; there is none before the second."""
        return self.window[1] if len(self.window) > 1 else Point()

    def __getitem__(self, place: int) -> Any:
        """The value so many updates ago."""
        return self.window[place]

    def __iter__(self) -> Any:
        return iter(self.window)

    def take(self, given: Any) -> None:
        """Take in what ``update`` was given last: a bar or a value."""
        self.feed(float(given.value if isinstance(given, Snake) else given))

    def feed(self, value: float) -> None:
        """Take a value in."""
        self._values.append(value)
        if len(self._values) >= self.period:
            self.is_ready = True
            self.current.value = self._compute(list(self._values))

    def __float__(self) -> float:
        return float(self.current.value)

    def __lt__(self, other: Any) -> bool:
        return float(self) < float(other)

    def __gt__(self, other: Any) -> bool:
        return float(self) > float(other)


def _end(given: Any) -> Any:
    return getattr(given, "end_time" if has(given, "end_time") else "time")


def mean(closes: Sequence[float]) -> float:
    """The plain mean."""
    return sum(closes) / len(closes)


def deviation(closes: Sequence[float]) -> float:
    """The standard deviation, of all values."""
    middle = mean(closes)
    return math.sqrt(sum((close - middle) ** 2 for close in closes) / len(closes))


class Ema(Indicator):
    """The exponential mean over all days so far, begun with the plain mean of the first ones."""

    def __init__(self, period: int, smoothing: float | None = None) -> None:
        super().__init__(period, mean)
        self._weight = 2 / (period + 1) if smoothing is None else float(smoothing)
        self._seen = 0

    def feed(self, value: float) -> None:
        self._seen += 1
        # A mean until there are enough, which begins the recursion.
        weight = 1 / self._seen if self._seen <= self.period else self._weight
        self.current.value += weight * (value - self.current.value)
        self.is_ready = self._seen >= self.period


class Wilder(Ema):
    """Wilder's mean: exponential, with a weight of one over the period."""

    def __init__(self, period: int) -> None:
        super().__init__(period, 1 / period)


class Rsi(Indicator):
    """Relative strength with Wilder's smoothing, which is Lean's default."""

    def __init__(self, period: int) -> None:
        super().__init__(period + 1, mean)
        self._before = math.nan
        self._rise, self._fall = Wilder(period), Wilder(period)

    def feed(self, value: float) -> None:
        move, self._before = value - self._before, value
        if math.isnan(move):
            return
        self._rise.feed(max(move, 0.0))
        self._fall.feed(max(-move, 0.0))
        self.is_ready = self._rise.is_ready
        if self.is_ready:
            fall = float(self._fall)
            ratio = float(self._rise) / fall if fall > 1e-10 else math.inf
            self.current.value = 100 - 100 / (1 + ratio)


class OfBars(Indicator):
    """A function of the last whole bars."""

    def __init__(self, period: int, compute: Callable[[Sequence[Any]], float]) -> None:
        super().__init__(period, mean)
        self._of_bars = compute
        self._bars: collections.deque[Any] = collections.deque(maxlen=self.period)

    def take(self, given: Any) -> None:
        self._bars.append(whole(given))
        if len(self._bars) >= self.period:
            self.is_ready = True
            self.current.value = self._of_bars(list(self._bars))


class Atr(Indicator):
    """The mean of the true ranges; the first is that of its day alone.

    Args:
        smoother: The mean, over as many days.
    """

    def __init__(self, smoother: Indicator) -> None:
        super().__init__(smoother.period, mean)
        self._smoother = smoother
        self._before = math.nan

    def take(self, given: Any) -> None:
        high, low = whole(given).high, given.low
        if not math.isnan(self._before):
            high, low = max(high, self._before), min(low, self._before)
        self._before = given.close
        self._smoother.feed(high - low)
        self.current.value, self.is_ready = float(self._smoother), self._smoother.is_ready


def whole(given: Any) -> Any:
    """What an indicator of bars was given, which must be a bar."""
    if not isinstance(given, Snake) or not has(given, "close"):
        raise Unsupported("an indicator of bars that is given a value")
    return given


def linear_mean(closes: Sequence[float]) -> float:
    """The mean with weights that rise by one a day."""
    weighted = sum(weight * close for weight, close in enumerate(closes, 1))
    return weighted / (len(closes) * (len(closes) + 1) / 2)


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


class Macd(Indicator):
    """A fast less a slow exponential mean, with such a mean of that as its signal line."""

    def __init__(self, fast: int, slow: int, signal: int) -> None:
        super().__init__(slow + signal - 1, mean)
        self.fast, self.slow, self.signal = Ema(fast), Ema(slow), Ema(signal)
        self.histogram = Indicator(1, lambda values: values[-1])
        self._parts = (self.fast, self.slow, self.signal, self.histogram)

    def feed(self, value: float) -> None:
        self.fast.feed(value)
        self.slow.feed(value)
        self.current.value = float(self.fast) - float(self.slow)
        if self.fast.is_ready and self.slow.is_ready:
            self.signal.feed(self.current.value)
            self.is_ready = self.signal.is_ready
            if self.is_ready:
                self.histogram.feed(self.current.value - float(self.signal))


class Bollinger(Indicator):
    """A mean and the bands around it."""

    def __init__(self, period: int, width: float) -> None:
        super().__init__(period, mean)
        self.middle_band = Indicator(period, mean)
        self.upper_band = Indicator(period, lambda v: mean(v) + width * deviation(v))
        self.lower_band = Indicator(period, lambda v: mean(v) - width * deviation(v))
        self.standard_deviation = Indicator(period, deviation)
        bands = (self.middle_band, self.upper_band, self.lower_band, self.standard_deviation)
        self._parts = bands

    def feed(self, value: float) -> None:
        super().feed(value)
        for band in self._parts:
            band.feed(value)


class MovingAverageType(Names):
    SIMPLE = Simple = "simple"
    EXPONENTIAL = Exponential = "exponential"
    WILDERS = Wilders = "Wilder's"
    LINEAR_WEIGHTED_MOVING_AVERAGE = LinearWeightedMovingAverage = "linear"


def atr(period: int, kind: str) -> Indicator:
    """The mean true range, plain or Wilder's."""
    if kind == MovingAverageType.SIMPLE:
        return Atr(Indicator(period, mean))
    if kind == MovingAverageType.WILDERS:
        return Atr(Wilder(period))
    raise Unsupported("atr with this kind of mean")


def rsi(period: int, kind: str) -> Rsi:
    """With Wilder's mean alone."""
    if kind != MovingAverageType.WILDERS:
        raise Unsupported("rsi with another mean than Wilder's")
    return Rsi(period)


def macd(fast: int, slow: int, signal: int, kind: str) -> Macd:
    """Of exponential means alone."""
    if kind != MovingAverageType.EXPONENTIAL:
        raise Unsupported("macd with another mean than the exponential one")
    return Macd(fast, slow, signal)


def bollinger(period: int, width: float = 2, kind: str = MovingAverageType.SIMPLE) -> Bollinger:
    """Of plain means alone."""
    if kind != MovingAverageType.SIMPLE:
        raise Unsupported("Bollinger bands with another mean than the plain one")
    return Bollinger(period, width)


def change(period: int, compute: Callable[[float, float], float]) -> Indicator:
    """A function of today's value and that of so many days ago."""
    return Indicator(period + 1, lambda values: compute(values[-1], values[0]))


def manual(make: Callable[..., Indicator]) -> Callable[..., Indicator]:
    """As Lean's classes are called, which may take a name first."""

    def made(*arguments: Any) -> Indicator:
        return make(*(arguments[1:] if arguments and isinstance(arguments[0], str) else arguments))

    return made


BY_METHOD: dict[str, Callable[..., Indicator]] = {
    "sma": lambda period: Indicator(period, mean),
    "ema": Ema,
    "identity": lambda: Indicator(1, lambda values: values[-1]),
    "lwma": lambda period: Indicator(period, linear_mean),
    "std": lambda period: Indicator(period, deviation),
    "rsi": lambda period, kind=MovingAverageType.WILDERS: rsi(period, kind),
    "mom": lambda period: change(period, lambda now, then: now - then),
    "roc": lambda period: change(period, lambda now, then: now / then - 1),
    "rocp": lambda period: change(period, lambda now, then: 100 * (now / then - 1)),
    "momp": lambda period: change(period, lambda now, then: 100 * (now / then - 1)),
    "macd": lambda fast, slow, signal, kind=MovingAverageType.EXPONENTIAL: macd(
        fast, slow, signal, kind
    ),
    "bb": bollinger,
    "atr": lambda period, kind=MovingAverageType.SIMPLE: atr(period, kind),
    "cci": lambda period: OfBars(period, channel),
    "wilr": lambda period: OfBars(period, williams),
    "max": lambda period: OfBars(period, lambda bars: max(bar.high for bar in bars)),
    "min": lambda period: OfBars(period, lambda bars: min(bar.low for bar in bars)),
}
"""By the name of the algorithm's method, what makes the indicator."""

CLASSES: dict[str, Callable[..., Indicator]] = {
    name: manual(make)
    for name, make in {
        "SimpleMovingAverage": BY_METHOD["sma"],
        "ExponentialMovingAverage": Ema,
        "LinearWeightedMovingAverage": BY_METHOD["lwma"],
        "Identity": BY_METHOD["identity"],
        "StandardDeviation": BY_METHOD["std"],
        "RelativeStrengthIndex": BY_METHOD["rsi"],
        "Momentum": BY_METHOD["mom"],
        "MomentumPercent": BY_METHOD["momp"],
        "RateOfChange": BY_METHOD["roc"],
        "RateOfChangePercent": BY_METHOD["rocp"],
        "MovingAverageConvergenceDivergence": BY_METHOD["macd"],
        "BollingerBands": bollinger,
        "AverageTrueRange": lambda period, kind=MovingAverageType.WILDERS: atr(period, kind),
        "CommodityChannelIndex": BY_METHOD["cci"],
        "WilliamsPercentR": BY_METHOD["wilr"],
        "Maximum": lambda period: Indicator(period, max),
        "Minimum": lambda period: Indicator(period, min),
    }.items()
}
"""By the name of Lean's class, what makes the indicator that an algorithm feeds itself."""
