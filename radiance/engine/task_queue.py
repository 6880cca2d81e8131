"""The long work that waits for the engine's thread, and when a piece of it is run.

Readings go before training and are never paused; beside rows that wait for tokens they have a
share of the time, as training and evaluation have that of their priority (``TimeShare``).
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
        is_at_training: Whether a piece of training or evaluation is being run.
    """

    def __init__(self, schedule: TimeShare, heartbeat: Heartbeat) -> None:
        self._schedule, self._heartbeat = schedule, heartbeat
        self._readings: list[Task[Any]] = []
        self._tasks: list[Task[Any]] = []
        self.paused: str | None = None
        self.training = TrainingStats()
        self.is_at_training = False

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
        """Run a piece of a reading if it is due; where there is none, the training pieces that are.

        Args:
            is_awaited: Whether rows wait for tokens: training then has only its share of the time.
        """
        if self._readings:
            if not is_awaited or self._schedule.reading_owed_s >= 0:
                began = time.perf_counter()
                self._advance(self._readings, is_awaited)
                self._schedule.read(time.perf_counter() - began)
            return
        spent = longest = 0.0
        while self._has_training and (not is_awaited or self._schedule.is_turn(spent, longest)):
            began = time.perf_counter()
            self.is_at_training = True
            self._advance(self._tasks, is_awaited)
            self.is_at_training = False
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
