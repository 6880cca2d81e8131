"""Small things that algorithms take from Lean's .NET side."""

import collections
import datetime
from collections.abc import Iterable
from typing import Any

from radiance.labs.alphas.strategies.naming import Event, Names, Snake


class TimeSpan(Names):
    """Spans of time by their .NET names."""

    @staticmethod
    def from_days(count: float) -> datetime.timedelta:
        return datetime.timedelta(days=count)

    @staticmethod
    def from_hours(count: float) -> datetime.timedelta:
        return datetime.timedelta(hours=count)

    @staticmethod
    def from_minutes(count: float) -> datetime.timedelta:
        return datetime.timedelta(minutes=count)

    @staticmethod
    def from_seconds(count: float) -> datetime.timedelta:
        return datetime.timedelta(seconds=count)

    FromDays, FromHours = from_days, from_hours
    FromMinutes, FromSeconds = from_minutes, from_seconds


class CircularQueue(Snake):
    """Items that come round; ``CircularQueue[Kind](items)`` as Lean writes it."""

    def __init__(self, *items: Any) -> None:
        given: Iterable[Any] = items[0] if len(items) == 1 and isinstance(items[0], list) else items
        self._items = collections.deque(given)
        self._first = self._items[0] if self._items else None
        self.circle_completed = Event()

    def __class_getitem__(cls, kind: Any) -> Any:
        return cls

    def dequeue(self) -> Any:
        """The next, which goes to the end; the event tells whenever it is the first."""
        item = self._items.popleft()
        if item == self._first:
            self.circle_completed(self, None)
        self._items.append(item)
        return item
