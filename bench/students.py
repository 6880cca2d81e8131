"""A stream of updates learned by one method: the service's own trainer, without the service."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import mlx.core as mx
import numpy as np

from bench.harness import Figures
from bench.models import Model, anchor
from bench.streams import Fact, Update, valid_after
from radiance import config, ember
from radiance.config.derived import most_own_samples
from radiance.engine.adapters.slots import Adapter
from radiance.engine.model.encoding import EncodedExample, Encoder
from radiance.evaluation import bleeding
from radiance.evaluation.anchor_sample import LEEWAY
from radiance.evaluation.evaluator import AdapterEvaluator, ProbeText
from radiance.evaluation.metrics import average_accuracy, backward_transfer, forgetting
from radiance.records import Example, Message
from radiance.training.adamw_steps import AdamWSteps
from radiance.training.batches import Reference, make_batch
from radiance.training.example_scores import score_examples
from radiance.training.gradient import GradientComputer
from radiance.training.held_texts import HeldText, HeldTexts
from radiance.training.lora import LoraModel
from radiance.training.self_samples import SelfSampler
from radiance.training.steps import StepTaken
from radiance.training.trainer import Trained, Trainer
from radiance.training.training_set import Selection, TrainingSet, TrainingSetBuilder
from radiance.training.untaught import untaught_questions

_PROBED = 110  # old facts of each kind looked at after each update; all of them at the end
Penalty = Callable[[mx.array], mx.array]


@dataclass(frozen=True)
class Method:
    """One way to learn a stream.

    Attributes:
        training: Settings of [training] that differ from the defaults.
        anchor: Settings of [anchor] that differ from the defaults.
        penalty: "l2" or "ewc": a pull towards the weights before the update. "orthogonal": away
            from the adapters before (``task_students``). "": none.
        penalty_weight: Its strength.
        memory: "anchors": as the service holds them. "gem": anchors and earlier examples by their
            right answers, as A-GEM's memory has them.
    """

    name: str
    training: dict[str, Any] = field(default_factory=dict)
    anchor: dict[str, Any] = field(default_factory=dict)
    penalty: str = ""
    penalty_weight: float = 0.0
    memory: str = "anchors"


class Student:
    """A base model that learns by one method. Belongs to the thread that made it.

    Attributes:
        learns_tasks: Whether examples are inputs of tasks.

    Args:
        cache: Where own samples and reference outputs are kept.
        max_steps: Most optimizer steps of an update.
        seed: Of the training.
        own_samples: Instead of the method's number; None leaves that.
        old_facts: How much of what the base knew is looked at, of what may be held and of what
            may not; None: all.
        model: The base.
    """

    learns_tasks = False

    def __init__(
        self,
        method: Method,
        cache: Path,
        max_steps: int,
        seed: int,
        own_samples: int | None = None,
        old_facts: int | None = None,
        model: Model | None = None,
    ) -> None:
        self._method = method
        training: dict[str, Any] = {"max_steps": max_steps, "seed": seed, **method.training}
        holding = dict(method.anchor)
        if own_samples is not None:
            holding["own_samples"] = own_samples
        self._training = config.TrainingSettings(**training)
        self._anchor = config.AnchorSettings(**holding)
        model = model or Model()
        self._base = base = model.load()
        self._own_samples = (
            most_own_samples(base.hidden_size)
            if self._anchor.own_samples == "auto"
            else self._anchor.own_samples
        )
        self._encoder = Encoder(base.tokenizer, base.context_tokens, base.end_token)
        self._lora = LoraModel(base, self._training)
        self._gradient_computer = GradientComputer(self._lora)
        self._evaluator = AdapterEvaluator(self._lora, self._gradient_computer)
        self._has_own_facts = model.is_ember
        self._end_token = base.end_token
        self._sampler = SelfSampler(self._lora, self._encoder, base)
        # Own samples do not depend on the stream's seed: one model writes them once.
        samples_seed = config.TrainingSettings(**(method.training | {"seed": 0}))
        self._training_set_builder = TrainingSetBuilder(
            self._lora,
            self._gradient_computer,
            self._encoder,
            base,
            samples_seed,
            self._anchor,
            cache,
        )
        self._listed, self._unlisted = (
            self._old(facts[:old_facts]) for facts in (model.listed(), model.unlisted())
        )
        self._anchors = model.anchors()

    def learn(self, stream: Sequence[Update]) -> Iterator[Figures]:
        """Learn the updates one after another; what was measured after each."""
        parent: Adapter | None = None
        vector = self._lora.initial(None)
        known = [self._known(vector, facts) for facts in (self._listed, self._unlisted)]
        accuracies = np.full((len(stream), len(stream)), np.nan)
        learned: dict[str, Example] = {}
        fisher = mx.zeros(self._lora.size)
        if self._method.penalty == "ewc":
            fisher = self._fisher(vector, self._listed)
        for number, update in enumerate(stream):
            examples = [
                _example(f"{number}.{place}", fact.question, fact.answer)
                for place, fact in enumerate(update.facts)
            ]
            asked = {example.question_hash for example in examples}
            replay = [e for question, e in learned.items() if question not in asked]
            penalty = self._pull_towards(vector, fisher)
            steps, trained = self._train(examples, replay, vector, parent, number, penalty)
            vector, parent = trained.vector, trained.adapter
            learned |= {example.question_hash: example for example in examples}
            if self._method.penalty == "ewc":
                taught = [self._encoder.example(example) for example in examples]
                fisher = fisher + self._fisher(vector, taught)
            valid = valid_after(list(stream), number + 1)
            exact = [self._answers(vector, facts) for facts in valid]
            accuracies[number, : number + 1] = [np.mean(e) if e else np.nan for e in exact]
            is_last = number == len(stream) - 1
            yield {
                "kind": update.kind,
                "steps": trained.steps,
                "step_seconds": float(np.median([step for step, _ in steps])),
                "divergence": _mean([p.anchor_divergence for _, p in steps[-10:]]),
                "angle": _mean([p.report.angle for _, p in steps]),
                "projected": _mean([p.report.projected for _, p in steps]),
                "new": float(np.mean(self._answers(vector, update.facts))),
                "new_other_words": self._other_words(vector, update.facts),
                **self._bleeding(
                    vector, examples, [e for e in learned.values() if e not in examples]
                ),
                "earlier": _mean([right for group in exact[:number] for right in group]),
                "listed": self._kept(vector, self._listed, known[0], is_last),
                "unlisted": self._kept(vector, self._unlisted, known[1], is_last),
                "superseded_given": self._superseded(vector, valid),
                **(self._at_the_end(vector, valid, accuracies) if is_last else {}),
            }

    def _bleeding(
        self, vector: mx.array, new: Sequence[Example], earlier: Sequence[Example]
    ) -> Figures:
        """What names that were never taught are answered with; see ``evaluation.bleeding``."""
        asked = untaught_questions(new, earlier, self._training.seed)
        base = self._lora.initial(None)
        parts = (self._sampler, self._gradient_computer, self._encoder, self._end_token)
        probes = _drain(bleeding.measure(*parts, vector, base, asked))
        return {"bleeding": bleeding.bleeding(probes), "as_base": bleeding.as_base(probes)}

    def _train(
        self,
        new: list[Example],
        replay: list[Example],
        vector: mx.array,
        parent: Adapter | None,
        number: int,
        penalty: Penalty,
    ) -> tuple[list[tuple[float, StepTaken]], Trained]:
        """One update: all steps with what each took, in seconds, and the result.

        Args:
            replay: Earlier examples that are still right.
            vector: The weights before, (parameters,) float32.
            parent: The same as an adapter; None for the base.
            number: Of the update, from 0.
            penalty: Its gradient is added in every step.
        """
        material = self._gather(new, replay, vector, number)
        trainer = Trainer(
            self._lora, self._gradient_computer, self._training, self._anchor, material, parent
        )
        steps = trainer._steps
        assert isinstance(steps, AdamWSteps)
        steps.__class__ = _PulledSteps
        cast(_PulledSteps, steps).penalty = penalty
        return _finish(trainer)

    def _gather(
        self, new: list[Example], replay: list[Example], parent: mx.array, number: int
    ) -> TrainingSet:
        valid = self._anchors.without(self._anchors.contradicted_by([*new, *replay]))
        used = replay if self._training.replay_ratio or self._method.memory == "gem" else []
        selection = Selection(
            new, used, anchors=self._anchors, valid_anchors=valid, is_task=self.learns_tasks
        )
        material = _drain(
            self._training_set_builder.gather(
                selection, parent, f"{number}" if number else "", self._own_samples
            )
        )
        if self._method.memory != "gem":
            return material
        remembered = [*valid.examples, *replay]
        answers = self._training_set_builder.base_answers  # of anchors that are prompts
        held = [_by_answer(text) for example in remembered for text in answers.windows(example)]
        return TrainingSet(material.new, held=HeldTexts(held), is_task=self.learns_tasks)

    def _pull_towards(self, start: mx.array, fisher: mx.array) -> Penalty:
        """Gradient of the penalty: none, L2 to the weights before, or weighted by EWC's Fisher."""
        weight = self._method.penalty_weight
        if not self._method.penalty:
            return mx.zeros_like
        scale = fisher if self._method.penalty == "ewc" else mx.ones_like(start)
        return lambda vector: weight * scale * (vector - start)

    def _fisher(self, vector: mx.array, examples: Sequence[EncodedExample]) -> mx.array:
        """Diagonal empirical Fisher information (Kirkpatrick et al., 2017), of all examples."""
        total = mx.zeros(self._lora.size)
        for example in examples:
            _, gradient = _drain(self._gradient_computer.gradient(vector, make_batch([example])))
            total = total + mx.square(gradient)
            mx.eval(total)
        return total

    def _old(self, facts: Sequence[ember.Fact]) -> list[EncodedExample]:
        """What the base knows, with its own answers where the facts have none."""
        base_answers = self._training_set_builder.base_answers
        anchors = [anchor(fact) for fact in facts]
        _drain(base_answers.make(anchors))
        return [text for one in anchors for text in base_answers.windows(one.example)]

    def _encode(self, question: str, answer: str) -> EncodedExample:
        return self._encoder.example(_example("probe", question, answer))

    def _exact(self, vector: mx.array, examples: Sequence[EncodedExample]) -> list[bool]:
        scores = _drain(score_examples(self._gradient_computer, vector, examples))
        return [score.is_exact for score in scores]

    def _known(self, vector: mx.array, texts: Sequence[EncodedExample]) -> list[bool]:
        """Which old texts are answered; those that the base wrote, by the service's own rule."""
        if self._has_own_facts:
            return self._exact(vector, texts)
        measured = [ProbeText(text, "old", LEEWAY) for text in texts]
        return [p.is_exact for p in _drain(self._evaluator.probe(vector, vector, measured))]

    def _answers(self, vector: mx.array, facts: Sequence[Fact]) -> list[bool]:
        return self._exact(vector, [self._encode(f.question, f.answer) for f in facts])

    def _other_words(self, vector: mx.array, facts: Sequence[Fact]) -> float:
        asked = [self._encode(other, fact.answer) for fact in facts for other in fact.others]
        return float(np.mean(self._exact(vector, asked)))

    def _superseded(self, vector: mx.array, valid: list[list[Fact]]) -> int:
        """Corrected questions that still get the answer of before."""
        old = [self._encode(f.question, f.superseded) for g in valid for f in g if f.superseded]
        return sum(self._exact(vector, old))

    def _kept(
        self, vector: mx.array, facts: list[EncodedExample], known: list[bool], whole: bool
    ) -> float:
        """Share of the old facts answered exactly before that still are."""
        kept = [fact for fact, was_known in zip(facts, known, strict=True) if was_known]
        some = kept if whole else kept[:: -(-len(kept) // _PROBED)]
        return float(np.mean(self._known(vector, some)))

    def _at_the_end(
        self, vector: mx.array, valid: list[list[Fact]], accuracies: np.ndarray
    ) -> Figures:
        taught = np.arange(len(accuracies))
        return {
            "all_other_words": self._other_words(vector, [f for group in valid for f in group]),
            "acc": average_accuracy(accuracies),
            "bwt": backward_transfer(accuracies, taught),
            "forgetting": forgetting(accuracies, taught),
        }


def _example(name: str, question: str, answer: str) -> Example:
    return Example(name, (Message("user", question), Message("assistant", answer)))


def _by_answer(example: EncodedExample) -> HeldText:
    """The right tokens as an outcome of certainty: the divergence from it is the cross-entropy."""
    targets = [t for t, c in zip(example.tokens, example.is_completion, strict=True) if c]
    tokens = np.array(targets, dtype=np.int32)[:, None]
    certain = np.zeros_like(tokens, dtype=np.float32)
    reference = Reference(tokens, certain, np.full(len(targets), -100.0))
    return HeldText(example, "memory", reference=reference)


class _PulledSteps(AdamWSteps):
    """Steps with a penalty's gradient in every one."""

    penalty: Penalty

    def _taught(self, vector: mx.array, gradient: mx.array) -> mx.array:
        return gradient + self.penalty(vector)


def _finish(trainer: Trainer) -> tuple[list[tuple[float, StepTaken]], Trained]:
    """All steps with what each took, in seconds, and the result."""
    steps: list[tuple[float, StepTaken]] = []
    began = time.perf_counter()
    pieces = trainer.run()
    while True:
        try:
            event = next(pieces)
        except StopIteration as stop:
            return steps, stop.value
        if isinstance(event, StepTaken):
            steps.append((time.perf_counter() - began, event))
        if event is not None:
            began = time.perf_counter()


def _drain(pieces: Any) -> Any:
    while True:
        try:
            next(pieces)
        except StopIteration as stop:
            return stop.value


def _mean(values: Sequence[float | bool | None]) -> float | None:
    known = [float(value) for value in values if value is not None]
    return float(np.mean(known)) if known else None
