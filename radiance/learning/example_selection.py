"""Which examples a cycle learns from, which it only measures, and which anchors it holds."""

from collections.abc import Sequence

from radiance.anchors.sets import AnchorSet
from radiance.config import Config
from radiance.engine.model.encoding import Encoder
from radiance.errors import TrainingError
from radiance.examples.store import ExampleStore
from radiance.examples.tasks import teach_a_task
from radiance.records import Cycle, Example
from radiance.registry.store import Registry
from radiance.training.training_set import Selection

_LEAST_HOLDOUT_BATCH = 10


class ExampleSelector:
    """Selects for cycles, from what was sent and what was learned before."""

    def __init__(
        self, config: Config, encoder: Encoder, examples: ExampleStore, registry: Registry
    ) -> None:
        self._config, self._encoder = config, encoder
        self._examples, self._registry = examples, registry

    def new(self, cycle: Cycle) -> list[Example]:
        """The examples that a cycle brings.

        Raises:
            TrainingError: The base model's chat template takes none of them.
        """
        examples = self._encoder.taken(self._examples.of_jobs(cycle.job_ids))
        if not examples:
            raise TrainingError(
                "the base model's chat template takes none of the examples: they were accepted for "
                "another base model. Send them again in turns that this one knows."
            )
        return examples

    def select(
        self,
        cycle: Cycle,
        examples: Sequence[Example],
        validation: Sequence[Example],
        anchors: AnchorSet,
        is_task: bool | None = None,
    ) -> Selection:
        """What a cycle learns from.

        Args:
            cycle: The cycle.
            examples: ``new`` of it.
            validation: Measured and not learned, where somebody sent some; else a share of the new
                examples is (``evaluation.holdout_ratio``).
            anchors: All that must survive.
            is_task: Whether the examples are taken for inputs of a task; None: as they look.
        """
        measured = self._encoder.taken(validation)
        ratio = self._config.evaluation.holdout_ratio
        kept, held_back = (list(examples), measured) if measured else hold_back(examples, ratio)
        return Selection(
            new=kept,
            replay=self._encoder.taken(self._replay(cycle, examples)),
            held_back=held_back,
            anchors=anchors,
            valid_anchors=self.valid_anchors(anchors, cycle, examples),
            is_task=teach_a_task(examples) if is_task is None else is_task,
        )

    def valid_anchors(
        self, anchors: AnchorSet, cycle: Cycle, examples: Sequence[Example] = ()
    ) -> AnchorSet:
        """The anchors that nothing learned answers otherwise: they must not hold what is wrong.

        Args:
            anchors: All of them.
            cycle: Whose ancestors' examples count as learned.
            examples: Those that count too.
        """
        asked = {anchor.question_hash for anchor in anchors.examples}
        learned = [
            *self._examples.answers(asked, self._registry.ancestors(cycle.parent_id)),
            *examples,
        ]
        return anchors.without(anchors.contradicted_by(learned))

    def _replay(self, cycle: Cycle, examples: Sequence[Example]) -> list[Example]:
        if cycle.parent_id is None:
            return []
        return self._examples.replay(
            self._config.training.replay_examples,
            {example.question_hash for example in examples},
            self._config.training.seed,
            self._registry.ancestors(cycle.parent_id),
        )


def hold_back(examples: Sequence[Example], ratio: float) -> tuple[list[Example], list[Example]]:
    """Split into what is trained and what is only measured: every n-th, from ten examples on."""
    if ratio == 0 or len(examples) < _LEAST_HOLDOUT_BATCH:
        return list(examples), []
    count = max(1, round(len(examples) * ratio))
    held = {index * len(examples) // count for index in range(count)}
    kept = [example for index, example in enumerate(examples) if index not in held]
    return kept, [examples[index] for index in sorted(held)]
