"""Consolidators without a clock: bricks of price, as QuantConnect makes them of daily bars."""

import math
from collections.abc import Callable
from typing import Any

from radiance.labs.alphas.strategies.consolidators import Consolidator
from radiance.labs.alphas.strategies.market import Bar

Selector = Callable[[Any], float]
_CENT = 0.01


class RenkoBar(Bar):
    """A brick, whose close is a brick's size from its open once it is whole."""

    def __init__(self, bar: Bar, size: float, open_: float, volume: float) -> None:
        super().__init__(bar.symbol, bar.time, (open_,) * 4 + (volume,), bar.end_time)
        self.brick_size, self.is_closed = size, False
        self.start = bar.time

    def add(self, bar: Bar, value: float, volume: float) -> None:
        """Take a value in; a brick that is whole ends at its size."""
        self.end_time, self.volume = bar.time, self.volume + volume
        if abs(value - self.open) >= self.brick_size:
            value = self.open + math.copysign(self.brick_size, value - self.open)
            self.is_closed = True
        self.close = value
        self.high, self.low = max(self.high, value), min(self.low, value)


class ClassicRenkoConsolidator(Consolidator):
    """Bricks of one size, each from where the last one ended.

    Args:
        bar_size: The size of a brick, in dollars.
        selector: A bar → the value that bricks are made of; the close.
        volume_selector: A bar → its volume.
        even_bars: Whether the first brick begins at a multiple of the size.
    """

    def __init__(
        self,
        bar_size: float,
        selector: Selector | bool | None = None,
        volume_selector: Selector | None = None,
        even_bars: bool = True,
    ) -> None:
        super().__init__()
        if not bar_size > 0:
            raise ValueError(f"a brick of {bar_size}; its size is above 0")
        if isinstance(selector, bool):
            selector, even_bars = None, selector
        self._size, self._even, self._last = float(bar_size), even_bars, math.nan
        self._value = selector or (lambda bar: bar.value)
        self._volume = volume_selector or (lambda bar: bar.volume)

    def update(self, bar: Bar) -> None:
        value, volume = float(self._value(bar)), float(self._volume(bar))
        brick = self.working_data
        if brick is not None:
            brick.add(bar, value, volume)
            if brick.is_closed:
                self._last, self.working_data = brick.close, None
                self._tell(brick)
        if self.working_data is None:
            self.working_data = RenkoBar(bar, self._size, self._open(value), volume)

    def _open(self, value: float) -> float:
        if not math.isnan(self._last):
            return self._last
        return math.ceil(value / self._size) * self._size if self._even else value


class RangeBar(Bar):
    """A stretch of prices from low to high."""

    def __init__(self, bar: Bar, open_: float, volume: float) -> None:
        super().__init__(bar.symbol, bar.time, (open_,) * 4 + (volume,), bar.time)
        self.is_closed = False

    def add(self, bar: Bar, value: float, volume: float, most: float) -> None:
        """Take a value in; one that is further away than ``most`` closes the bar there."""
        self.end_time = bar.time
        if value < self.low:
            self.is_closed = self.high - value > most
            self.low = self.high - most if self.is_closed else value
        elif value > self.high:
            self.is_closed = value - self.low > most
            self.high = self.low + most if self.is_closed else value
        if self.is_closed:
            self.close = self.low if value < self.low else self.high
        else:
            self.volume += volume


class RangeConsolidator(ClassicRenkoConsolidator):
    """Bars whose high is so many cents over their low."""

    def __init__(self, range: int, selector: Any = None, volume_selector: Any = None) -> None:
        super().__init__(_CENT * range, selector, volume_selector)
        self.range, self.range_size = range, self._size

    def update(self, bar: Bar) -> None:
        value, volume = float(self._value(bar)), float(self._volume(bar))
        made = self.working_data
        if made is None:
            self.working_data = RangeBar(bar, self._open(value), volume)
            return
        made.add(bar, value, volume, self._size)
        while made.is_closed:
            self._tell(made)
            rises = made.close == made.high
            made = RangeBar(bar, made.high + _CENT if rises else made.low - _CENT, 0.0)
            made.add(bar, value, 0.0 if abs(made.low - value) > self._size else volume, self._size)
        self.working_data = made
