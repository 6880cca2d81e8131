"""Work on the engine that another thread can call off, and how far that work is."""

import threading
from collections.abc import Callable
from typing import Any

from radiance.engine.tasks import Pieces, T, Task
from radiance.engine.worker import Engine
from radiance.evaluation.evaluator import Measured
from radiance.training.base_answers import AnswersWritten
from radiance.training.layer_inputs import LayersSeen
from radiance.training.self_samples import SamplesWritten
from radiance.training.training_set import ReferencesComputed


class StoppableTasks:
    """Runs pieces on the engine for one thread, one task after another.

    Attributes:
        preparing: What is made that trainings need, and how much of it is there; None: nothing is.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._stopping, self._called_off = threading.Event(), threading.Event()
        self._latest: Task[Any] | None = None
        self.preparing: str | None = None

    @property
    def is_stopping(self) -> bool:
        return self._stopping.is_set()

    @property
    def is_called_off(self) -> bool:
        return self._called_off.is_set()

    def stop(self) -> None:
        """Cancel the task that runs and every later one. Any thread."""
        self._stopping.set()
        self._cancel()

    def call_off(self) -> None:
        """Cancel the task that runs, and later ones until ``begin``. Any thread."""
        self._called_off.set()
        self._cancel()

    def begin(self) -> None:
        """Something else begins: what was called off was before it."""
        self._called_off.clear()

    def run(self, start: Callable[[], Pieces[T]]) -> Task[T]:
        """Run pieces on the engine's thread."""
        task = self._engine.run(start)
        self._latest = task
        if self.is_stopping or self.is_called_off:
            task.cancel()
        return task

    def watch(self, start: Callable[[], Pieces[T]]) -> T:
        """Run pieces that make what trainings need, and tell how far they are.

        Raises:
            Cancelled: ``stop`` or ``call_off`` was called.
        """
        task = self.run(start)
        try:
            for event in task:
                match event:
                    case SamplesWritten():
                        self.preparing = f"own samples: {event.done} of {event.total}"
                    case AnswersWritten():
                        self.preparing = f"the base's answers: {event.done} of {event.total}"
                    case LayersSeen():
                        self.preparing = f"what must be kept: {event.done} of {event.total} layers"
                    case ReferencesComputed():
                        self.preparing = f"reference outputs: {event.done} of {event.total}"
                    case Measured():
                        self.preparing = f"what is measured: {event.done} of {event.total}"
            return task.result
        finally:
            self.preparing = None

    def _cancel(self) -> None:
        if self._latest is not None:
            self._latest.cancel()
