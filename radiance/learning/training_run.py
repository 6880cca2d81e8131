"""Running a trainer on the engine: its numbers and its state are kept as they come."""

import time
from collections.abc import Callable

import mlx.core as mx

from radiance.config import TrainingSettings
from radiance.engine.worker import Engine
from radiance.errors import Cancelled, StorageError, TrainingError
from radiance.jobs.queue import JobQueue
from radiance.learning.progress import (
    CycleProgress,
    LearningStats,
    SaveTimer,
    TrainingClock,
    step_values,
)
from radiance.learning.stoppable_tasks import StoppableTasks
from radiance.learning.training_states import TrainingStates, unless_the_disk_fails
from radiance.records import Cycle
from radiance.registry.curves import MetricCurves
from radiance.training.reference_cache import UNREADABLE
from radiance.training.steps import StepTaken
from radiance.training.trainer import LossCheck, Trained, Trainer, TrainingState

BUILDING_S = 60.0
"""What a trainer may take to be built: a second tree, a first compilation. Longer is a hang."""


class TrainingRun:
    """Runs trainers, one at a time. Belongs to the pipeline's thread.

    Args:
        engine: Where they run.
        jobs: Where it is noted how far a cycle is.
        curves: Where the numbers of its steps are kept.
        states: Where its state is, from which it goes on when it was interrupted.
        tasks: Says when to stop, with or without saving.
        stats: Counts steps and tokens.
    """

    def __init__(
        self,
        engine: Engine,
        jobs: JobQueue,
        curves: MetricCurves,
        states: TrainingStates,
        tasks: StoppableTasks,
        stats: LearningStats,
    ) -> None:
        self._engine, self._jobs, self._curves = engine, jobs, curves
        self._states, self._tasks, self._stats = states, tasks, stats

    def __call__(
        self,
        make: Callable[[bytes | None], Trainer],
        progress: CycleProgress,
        settings: TrainingSettings,
        saved: bytes | None,
        is_wanted: Callable[[], bool],
    ) -> Trained:
        """What a trainer comes to.

        Args:
            make: A new trainer, on the engine's thread, that goes on from a saved state.
            progress: Of its cycle; it is kept up to date.
            settings: How often to save, and how long it may take.
            saved: The state of the cycle, where it was interrupted.
            is_wanted: Asked after each step: whether the result could still be used.

        Raises:
            Cancelled: It was stopped, called off, or is not wanted any more.
            TrainingError: It failed, or took longer than it may; Diverged where the loss did.
        """
        cycle = progress.cycle
        trainer = self._trainer(make, cycle, saved)
        progress.step = progress.first_step = trainer.step
        progress.stage, progress.training_since = "training", time.monotonic()
        with unless_the_disk_fails("curve_not_saved"):
            self._curves.forget_after(cycle.id, trainer.step)
        self._engine.show_training(lambda: (trainer.step, trainer.adapter()), cycle.candidate_id)
        self._engine.call(mx.reset_peak_memory)
        task = self._engine.run(trainer.run)
        timer = SaveTimer(settings.snapshot_seconds)
        clock = TrainingClock(settings.max_minutes)
        for event in task:
            match event:
                case StepTaken():
                    if clock.is_over():
                        task.cancel()
                    progress.step, progress.finetune_loss = event.step, event.finetune_loss
                    progress.note(event.step, **step_values(event))
                    self._stats.steps += 1
                    self._stats.tokens += event.tokens
                    if self._tasks.is_called_off or not is_wanted():
                        task.cancel()
                    elif timer.is_due() or self._tasks.is_stopping:
                        trainer.want_snapshot()
                case LossCheck():
                    progress.note(event.step, eval_loss=event.eval_loss)
                case TrainingState():
                    with timer:
                        self._save(progress, event)
                    if self._tasks.is_stopping:
                        task.cancel()
        progress.note(progress.step, peak_memory_bytes=self._engine.call(mx.get_peak_memory))
        try:
            trained = task.result
        except Cancelled:
            if clock.is_over():
                raise TrainingError(clock.reason) from None
            raise
        with unless_the_disk_fails("curve_not_saved"):
            self._curves.record(progress.unsaved)
            progress.unsaved.clear()
        return trained

    def _trainer(
        self, make: Callable[[bytes | None], Trainer], cycle: Cycle, saved: bytes | None
    ) -> Trainer:
        """A trainer that goes on from what was saved, or begins where that is of no use."""
        try:
            return self._engine.call(lambda: make(saved), patience_s=BUILDING_S)
        except UNREADABLE as error:
            if saved is None or isinstance(error, StorageError):
                raise
            self._states.discard(cycle, error)
            return self._trainer(make, cycle, None)

    def _save(self, progress: CycleProgress, state: TrainingState) -> None:
        """Save how far a training is; it only spares work, so training goes on without."""
        with unless_the_disk_fails("training_state_not_saved"):
            self._curves.record(progress.unsaved)
            progress.unsaved.clear()
            self._states.write(progress.cycle, state.data)
            self._jobs.note_progress(progress.cycle.id, state.step)
