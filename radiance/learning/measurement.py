"""What is measured of a candidate: which texts it is asked, and what was measured of its ancestors.

The evaluator knows texts and adapters only; here they are found for one cycle.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import mlx.core as mx
import msgspec

from radiance.anchors.sets import AnchorSet
from radiance.config import Config
from radiance.engine.adapters.slots import Adapter
from radiance.engine.tasks import Pieces, Task
from radiance.engine.worker import Engine
from radiance.evaluation import bleeding
from radiance.evaluation.anchor_sample import contradictions, measured_texts
from radiance.evaluation.bleeding import with_bleeding
from radiance.evaluation.evaluator import AdapterEvaluator, ProbeText
from radiance.evaluation.overwritten import overwritten, suspect_texts, suspects
from radiance.evaluation.summary import Past
from radiance.examples.store import ExampleStore
from radiance.records import Cycle, Evaluation, Example, UntaughtProbe
from radiance.registry.acceptance import acceptances
from radiance.registry.store import Registry
from radiance.training.batches import spread
from radiance.training.gradient import GradientComputer
from radiance.training.lora import LoraModel
from radiance.training.training_set import TrainingSet, TrainingSetBuilder
from radiance.training.untaught import UntaughtQuestion, untaught_questions


class Run(Protocol):
    """Runs pieces on the engine's thread, so that they can be called off."""

    def __call__(self, start: Callable[[], Pieces[Any]]) -> Task[Any]: ...


class CandidateMeasurement:
    """Measures candidates beside their parents and the base. Made on the engine's thread.

    Args:
        anchors: What must survive; may be empty.
        builder: Has the base's own answers, and the sampler that asks an adapter.
    """

    def __init__(
        self,
        config: Config,
        engine: Engine,
        examples: ExampleStore,
        registry: Registry,
        anchors: AnchorSet,
        lora: LoraModel,
        gradient_computer: GradientComputer,
        builder: TrainingSetBuilder,
    ) -> None:
        self._config, self._engine, self._examples = config, engine, examples
        self._registry, self._anchors = registry, anchors
        self._lora, self._gradient_computer, self._builder = lora, gradient_computer, builder
        self._evaluator = AdapterEvaluator(lora, gradient_computer)

    def of(
        self,
        cycle: Cycle,
        parent: Adapter | None,
        examples: list[Example],
        material: TrainingSet,
        valid: AnchorSet,
        run: Run,
    ) -> Callable[[mx.array], Evaluation]:
        """What measures an adapter of a cycle, also on what its ancestors were taught.

        Args:
            cycle: The cycle.
            parent: The adapter it continues from; None for the base.
            examples: All new examples, those held back among them.
            material: What the training learned from.
            valid: The anchors that nothing learned before contradicts. What these examples
                contradict is not held in training, but it counts as forgotten, unless the update
                said that it means to.
            run: Runs pieces on the engine's thread.
        """
        settings, encode = self._config.evaluation, self._engine.encoder.example
        seed, answers = self._config.training.seed, self._builder.base_answers
        lineage = self._registry.ancestors(cycle.parent_id)
        earlier = self._examples.earlier(
            settings.recall_examples,
            {example.question_hash for example in examples},
            seed,
            lineage,
        )
        past = Past(
            tuple(reversed(lineage)),
            tuple(self._registry.best_accuracies(lineage, {task for _, task in earlier})),
        )
        trained = {text.example.tokens for text in material.held.texts}
        intended = self._examples.intended(cycle.job_ids)
        meant = [example for example in examples if example.id in intended]
        valid = valid.without(contradictions(valid, meant))
        anchors = run(
            lambda: measured_texts(answers, valid, settings.anchor_sample, examples, trained)
        ).result
        asked = {anchor.question_hash for anchor in self._anchors.examples}
        found = suspects(
            self._anchors,
            examples,
            cycle.candidate_id,
            self._examples.answers_with_origin(asked, lineage),
            self._registry.overwritten_in(cycle.parent_id),
            intended,
        )
        contradicted = run(
            lambda: suspect_texts(answers, found, anchors, settings.anchor_sample)
        ).result
        accepted = acceptances(self._registry.db)
        new = [lesson.example for lesson in spread(material.new, settings.learned_examples)]
        learned, held_back = (
            [ProbeText(e, cycle.candidate_id) for e in part] for part in (new, material.held_back)
        )
        taken = {e.id for e in self._engine.encoder.taken([e for e, _ in earlier])}
        recalled = [ProbeText(encode(e), task) for e, task in earlier if e.id in taken]
        untaught = untaught_questions(examples, [example for example, _ in earlier], seed)

        def measure(vector: mx.array) -> Evaluation:
            evaluation = run(
                lambda: self._evaluator.evaluate(
                    vector,
                    self._lora.initial(parent),
                    learned,
                    held_back,
                    anchors,
                    recalled,
                    past,
                    valid.hash,
                    contradicted,
                    lambda probes: overwritten(found, probes, accepted),
                )
            ).result
            evaluation = msgspec.structs.replace(evaluation, is_task=material.is_task)
            return with_bleeding(
                evaluation, run(lambda: self._ask_untaught(vector, untaught)).result
            )

        return measure

    def prepare(self) -> Pieces[None]:
        """Have the base answer what candidates are measured on, before there is one."""
        answers, most = self._builder.base_answers, self._config.evaluation.anchor_sample
        texts = yield from measured_texts(answers, self._anchors, most)
        yield from self._evaluator.prepare(texts)

    def _ask_untaught(
        self, vector: mx.array, asked: Sequence[UntaughtQuestion]
    ) -> Pieces[tuple[UntaughtProbe, ...]]:
        return bleeding.measure(
            self._builder.sampler,
            self._gradient_computer,
            self._engine.encoder,
            self._engine.base.end_token,
            vector,
            self._lora.initial(None),
            asked,
        )
