"""Rolling windows and the points in them, as QuantConnect's API has them."""

import collections
import datetime
import itertools
from typing import Any

from radiance.labs.alphas.strategies.naming import Snake


class RollingWindow(Snake):
    """The newest values, the newest first; ``RollingWindow[float](3)`` as Lean writes it."""

    def __init__(self, size: int) -> None:
        self._values: collections.deque[Any] = collections.deque(maxlen=int(size))

    @property
    def size(self) -> int:
        return self._values.maxlen or 0

    @size.setter
    def size(self, size: int) -> None:
        self._values = collections.deque(itertools.islice(self._values, int(size)), int(size))

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

    def reset(self) -> None:
        """Begin anew."""
        self._values.clear()

    def __getitem__(self, place: int) -> Any:
        return self._values[place]

    def __iter__(self) -> Any:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


class Point(Snake):
    """The current value of an indicator."""

    def __init__(self) -> None:
        self.value, self.time = 0.0, datetime.datetime.min

    def __float__(self) -> float:
        return float(self.value)


class IndicatorDataPoint(Snake):
    """A value at a time; a symbol may stand before both."""

    def __init__(self, *given: Any) -> None:
        self.time, self.value = given[-2:]
        self.end_time = self.time
