"""The long work that waits for the engine's thread, and when a piece of it is run.

Readings go first and are never held up; training and evaluation have the share of the time that
their priority gives them beside rows that wait for tokens (``TimeShare``).
"""

import time
from typing import Any

from radiance.engine.heartbeat import FIRST_S, Heartbeat
from radiance.engine.stats import TrainingStats
from radiance.engine.tasks import Task
from radiance.engine.time_share import TimeShare


class TaskQueue:
    """Tasks in order. Belongs to the engine thread, but for ``paused``, which anybody may set.

    Args:
        schedule: Whose turn it is.
        heartbeat: Is told what is done.

    Attributes:
        paused: Why training is held up; None where it is not.
        training: What was spent on it.
    """

    def __init__(self, schedule: TimeShare, heartbeat: Heartbeat) -> None:
        self._schedule, self._heartbeat = schedule, heartbeat
        self._readings: list[Task[Any]] = []
        self._tasks: list[Task[Any]] = []
        self.paused: str | None = None
        self.training = TrainingStats()

    @property
    def has_work(self) -> bool:
        """Whether there is anything that may run now."""
        return bool(self._readings) or self._has_training

    @property
    def state(self) -> str:
        """Of training: "idle", "paused" or "running"."""
        return "idle" if not self._tasks else "paused" if self.paused else "running"

    def add(self, task: Task[Any], *, is_reading: bool = False) -> None:
        """Put a task at the end of its kind."""
        (self._readings if is_reading else self._tasks).append(task)

    def work(self, *, is_awaited: bool) -> None:
        """Run one piece of a scoring task; where there is none, the training pieces that are due.

        Args:
            is_awaited: Whether rows wait for tokens: training then has only its share of the time.
        """
        if self._readings:
            self._advance(self._readings, is_awaited)
            return
        spent = longest = 0.0
        while self._has_training and (not is_awaited or self._schedule.is_turn(spent, longest)):
            began = time.perf_counter()
            self._advance(self._tasks, is_awaited)
            took = time.perf_counter() - began
            spent, longest = spent + took, max(longest, took)
            self._schedule.trained(took)
            self.training.pieces += 1
            self.training.seconds += took
            if not is_awaited:
                return

    def abandon(self, error: BaseException) -> None:
        """End all of it with an error."""
        for task in (*self._readings, *self._tasks):
            task.abandon(error)

    @property
    def _has_training(self) -> bool:
        return bool(self._tasks) and (self.paused is None or self._tasks[0].is_cancelled)

    def _advance(self, tasks: list[Task[Any]], is_awaited: bool) -> None:
        task = tasks[0]
        with self._heartbeat.during("piece", None if task.has_begun else FIRST_S):
            goes_on = task.advance(is_awaited)
        if not goes_on:
            tasks.remove(task)
