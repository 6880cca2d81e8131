"""What the base model does beforehand, while nothing is to be learned."""

from collections.abc import Callable

from radiance.anchors.sets import AnchorSet
from radiance.engine.tasks import Pieces, T, unless
from radiance.learning.measurement import CandidateMeasurement
from radiance.learning.stoppable_tasks import StoppableTasks
from radiance.training.base_answers import BaseAnswers
from radiance.training.training_set import TrainingSetBuilder


class Preparation:
    """Has the base answer and compute what the updates to come will want of it.

    Args:
        tasks: What runs on the engine.
        training_set_builder: Makes what trainings learn from and hold.
        measurement: Measures their candidates.
    """

    def __init__(
        self,
        tasks: StoppableTasks,
        training_set_builder: TrainingSetBuilder,
        measurement: CandidateMeasurement,
    ) -> None:
        self._tasks = tasks
        self._training_set_builder, self._measurement = training_set_builder, measurement

    def make(self, anchors: AnchorSet, is_interrupted: Callable[[], bool]) -> bool:
        """Make what is missing; whether all of it is there.

        The base writes own samples, what must be kept is looked at, reference outputs and what the
        base makes of the texts that candidates are measured on are computed.

        Args:
            anchors: What must survive.
            is_interrupted: Asked between pieces, on the engine's thread: whether to leave off.
                What is there by then stays.

        Raises:
            Cancelled: The tasks were stopped.
        """

        def pieces() -> Pieces[None]:
            yield from self._training_set_builder.prepare(anchors)
            yield from self._measurement.prepare()

        return self._run(pieces, is_interrupted)

    def ask_base(
        self, start: Callable[[BaseAnswers], Pieces[T]], is_interrupted: Callable[[], bool]
    ) -> T | None:
        """Run pieces that have the base answer something; None where they were interrupted.

        Args:
            start: Given the base's answers, on the engine's thread.
            is_interrupted: As for ``make``; nothing of the pieces is kept then.

        Raises:
            Cancelled: The tasks were stopped.
        """
        found: list[T] = []

        def pieces() -> Pieces[None]:
            found.append((yield from start(self._training_set_builder.base_answers)))

        return found[0] if self._run(pieces, is_interrupted) else None

    def _run(self, start: Callable[[], Pieces[None]], is_interrupted: Callable[[], bool]) -> bool:
        self._tasks.begin()
        return self._tasks.watch(lambda: unless(is_interrupted, start()))
