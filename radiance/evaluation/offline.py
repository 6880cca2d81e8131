"""Evaluation apart from the service: any checkpoint of a root, in a process of its own.

The root is only read, also while a service runs over it: rows as they are at one moment, and
checkpoints, which never change.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import msgspec

from radiance.anchors.sets import AnchorSet
from radiance.config import Config, TrainingSettings
from radiance.engine.adapters.files import load_adapter
from radiance.engine.adapters.slots import Adapter
from radiance.engine.requests import Answer, Request
from radiance.engine.tasks import Pieces
from radiance.engine.worker import Engine
from radiance.errors import ConfigError, NotFound
from radiance.evaluation import bleeding, coverage
from radiance.evaluation.anchor_sample import accepted, anchor_texts, measured_texts
from radiance.evaluation.coverage import Covered
from radiance.evaluation.evaluator import AdapterEvaluator, Measured, ProbeText
from radiance.evaluation.overwritten import overwritten, suspect_texts, suspects
from radiance.evaluation.summary import Past, stats
from radiance.examples.store import ExampleStore
from radiance.records import (
    CheckpointStatus,
    Example,
    Manifest,
    OverwrittenAnchor,
    Probe,
    UntaughtProbe,
)
from radiance.registry.checkpoints import Checkpoints
from radiance.registry.rows import BASE, pruned
from radiance.storage.sqlite import DatabaseSnapshot
from radiance.training.base_answers import base_answers
from radiance.training.batches import spread
from radiance.training.gradient import GradientComputer
from radiance.training.lora import LoraModel
from radiance.training.reference_cache import base_cache
from radiance.training.self_samples import SelfSampler
from radiance.training.untaught import untaught_questions


@dataclass(frozen=True)
class EvaluationSubject:
    """What is measured, as the root has it.

    Attributes:
        checkpoint_id: None is the bare base model.
        manifest: None for the base.
        path: Its directory; None for the base.
        parent_path: Of the checkpoint it continues from; None where that is the base.
        lineage: It and its ancestors, newest first; empty for the base.
        learned: What it was trained on anew.
        held_back: What its cycle measured and did not train.
        recalled: Earlier examples that are still valid, with the checkpoints that taught them.
        past: What was measured of its ancestors.
        answers: Every valid example of its lineage that an anchor asks for, each with the
            checkpoint that learned it.
        overwritten: Anchors that were overwritten when it was made.
    """

    checkpoint_id: str | None = None
    manifest: Manifest | None = None
    path: Path | None = None
    parent_path: Path | None = None
    lineage: tuple[str, ...] = ()
    learned: tuple[Example, ...] = ()
    held_back: tuple[Example, ...] = ()
    recalled: tuple[tuple[Example, str], ...] = ()
    past: Past = field(default_factory=Past)
    answers: tuple[tuple[Example, str], ...] = ()
    overwritten: tuple[OverwrittenAnchor, ...] = ()


def find_subject(
    config: Config, checkpoint_id: str | None, anchors: AnchorSet
) -> EvaluationSubject:
    """Read what a checkpoint is and what is to be asked of it.

    Args:
        config: Names the root and how many earlier examples are measured.
        checkpoint_id: Which; None is the one that is served, "base" the bare base model.
        anchors: Those that may be contradicted by what it learned.

    Raises:
        NotFound: There is no such checkpoint.
        Conflict: Its weights were pruned, or its parent's.
        CorruptCheckpoint: Its files are not the ones that were committed.
        StorageError: The database cannot be read.
    """
    if checkpoint_id == BASE or (checkpoint_id is None and not config.database_path.exists()):
        return EvaluationSubject()
    if not config.database_path.exists():
        raise NotFound(
            f"There is no checkpoint {checkpoint_id!r}: nothing was ever taught in {config.root}.",
            field="checkpoint",
            value=checkpoint_id,
            remedy='Name another --root, or "base".',
        )
    with DatabaseSnapshot(config.database_path) as snapshot:
        registry = Checkpoints(snapshot, config.adapters_path)
        found = checkpoint_id or registry.current_id()
        return (
            EvaluationSubject()
            if found is None
            else _read(config, registry, snapshot, found, anchors)
        )


def _read(
    config: Config,
    registry: Checkpoints,
    snapshot: DatabaseSnapshot,
    checkpoint_id: str,
    anchors: AnchorSet,
) -> EvaluationSubject:
    manifest = registry.manifest(checkpoint_id)
    for needed in (checkpoint_id, manifest.parent_id):
        if needed in registry.pruned():
            raise pruned(needed)
    registry.verify(checkpoint_id)
    held = {probe.id for probe in registry.evaluation(checkpoint_id).held_back}
    store = ExampleStore(snapshot)
    examples = store.by_ids(manifest.example_ids)
    lineage = registry.ancestors(checkpoint_id)
    earlier = store.earlier(
        config.evaluation.recall_examples,
        {example.question_hash for example in examples},
        manifest.seed,
        lineage[1:],
    )
    asked = {anchor.question_hash for anchor in anchors.examples}
    return EvaluationSubject(
        checkpoint_id=checkpoint_id,
        manifest=manifest,
        path=registry.path(checkpoint_id),
        parent_path=registry.path(manifest.parent_id) if manifest.parent_id else None,
        lineage=tuple(lineage),
        learned=tuple(example for example in examples if example.id not in held),
        held_back=tuple(example for example in examples if example.id in held),
        recalled=tuple(earlier),
        past=Past(
            tuple(reversed(lineage[1:])),
            tuple(registry.best_accuracies(lineage[1:], {task for _, task in earlier})),
        ),
        answers=tuple(store.answers_with_origin(asked, lineage)),
        overwritten=registry.overwritten_in(checkpoint_id),
    )


@dataclass(frozen=True)
class Findings:
    """What was measured of one checkpoint, or of the base.

    Attributes:
        figures: The fields of ``EvalReport`` by name.
        probes: The single probes by kind: learned, held_back, anchors, recalled.
        anchors: The anchors that nothing learned contradicts.
        overwritten: Those that something learned contradicts and that are no longer answered.
    """

    stats: dict[str, float | None]
    probes: dict[str, tuple[Probe, ...]]
    anchors: AnchorSet
    overwritten: tuple[OverwrittenAnchor, ...]


class OfflineEvaluation:
    """An engine with one checkpoint to measure and to ask. Use it as a context manager.

    Args:
        config: All settings.
        base_path: The base model's directory.
        subject: From ``find_subject``.
    """

    def __init__(self, config: Config, base_path: Path, subject: EvaluationSubject) -> None:
        self._config, self._subject = config, subject
        self.engine = Engine(
            config.base_model, base_path, config.backend, config.engine, max_waiting=1 << 30
        )

    def __enter__(self) -> Self:
        """Load the model and the checkpoint.

        Raises:
            ConfigError: The base model cannot be used, or the checkpoint is of another.
        """
        self.engine.start()
        try:
            self._check_base()
            self.engine.call(self._build)
        except BaseException:
            self.engine.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.engine.stop()

    def measure(self, anchors: AnchorSet, on_progress: Callable[[Measured], None]) -> Findings:
        """Measure the checkpoint beside its parent and the base.

        Args:
            anchors: What forgetting is measured on; may be empty.
            on_progress: Called as it goes on.
        """
        subject, encode = self._subject, self.engine.encoder.example
        own = subject.checkpoint_id or BASE
        valid = self._valid(anchors)
        settings = self._config.evaluation
        found = suspects(anchors, subject.learned, own, subject.answers, subject.overwritten)
        learned = spread(subject.learned, settings.learned_examples)
        kinds = {
            "learned": [ProbeText(encode(example), own) for example in learned],
            "held_back": [ProbeText(encode(example), own) for example in subject.held_back],
            "anchors": self.engine.run(
                lambda: measured_texts(self._answers, valid, settings.anchor_sample)
            ).result,
            "recalled": [ProbeText(encode(example), task) for example, task in subject.recalled],
        }
        kinds["contradicted"] = self.engine.run(
            lambda: suspect_texts(self._answers, found, kinds["anchors"], settings.anchor_sample)
        ).result
        task = self.engine.run(
            lambda: self._evaluator.probe_kinds(self._candidate, self._parent, kinds)
        )
        for event in task:
            on_progress(event)
        probes = task.result
        lost = overwritten(found, [*probes["anchors"], *probes.pop("contradicted")], ())
        report = stats(**probes, past=subject.past, overwritten=len(lost))
        untaught = self.engine.run(self._ask_untaught).result
        report["bleeding"] = bleeding.bleeding(untaught)
        report["untaught_as_base"] = bleeding.as_base(untaught)
        return Findings(report, probes, valid, lost)

    def _ask_untaught(self) -> Pieces[tuple[UntaughtProbe, ...]]:
        subject, base = self._subject, self.engine.base
        earlier = [example for example, _ in subject.recalled]
        seed = 0 if subject.manifest is None else subject.manifest.seed
        asked = untaught_questions([*subject.learned, *subject.held_back], earlier, seed)
        encoder = self.engine.encoder
        return bleeding.measure(
            SelfSampler(self._lora, encoder, base),
            self._gradient_computer,
            encoder,
            base.end_token,
            self._candidate,
            self._lora.initial(None),
            asked,
        )

    def _valid(self, anchors: AnchorSet) -> AnchorSet:
        """The anchors that nothing learned contradicts."""
        answers = [example for example, _ in self._subject.answers]
        anchors = accepted(anchors, self.engine.encoder)
        return anchors.without(anchors.contradicted_by([*answers, *self._subject.learned]))

    def probe(
        self, examples: list[Example], on_progress: Callable[[Measured], None]
    ) -> tuple[Probe, ...]:
        """Measure any examples under the checkpoint, its parent and the base."""
        encode = self.engine.encoder.example
        texts = [ProbeText(encode(example), "") for example in examples]
        task = self.engine.run(lambda: self._evaluator.probe(self._candidate, self._parent, texts))
        for event in task:
            on_progress(event)
        return tuple(task.result)

    def answer(
        self, examples: list[Example], max_tokens: int, on_progress: Callable[[Measured], None]
    ) -> list[Answer]:
        """The checkpoint's greedy answers to the examples' questions, as it would serve them."""
        prompt = self.engine.encoder.prompt
        futures = [
            self.engine.submit(Request(prompt(example.messages[:-1]), max_tokens))
            for example in examples
        ]
        answers = []
        for future in futures:
            answers.append(future.result())
            on_progress(Measured(len(answers), len(futures)))
        return answers

    def cover(
        self,
        examples: Sequence[Example],
        anchors: AnchorSet,
        top: int,
        on_progress: Callable[[Measured], None],
    ) -> list[Covered]:
        """Which anchors each example pulls on most, at the checkpoint.

        Args:
            examples: What was learned.
            anchors: What is held, those left out that the checkpoint learned otherwise; not empty.
            top: Anchors named per example.
            on_progress: Called as it goes on.
        """
        encoder, valid = self.engine.encoder, self._valid(anchors)
        most = self._config.evaluation.anchor_sample
        self.engine.run(lambda: self._answers.make(valid.sample(most).anchors)).result  # noqa: B018
        held = anchor_texts(self._answers, valid, most)
        encoded = [encoder.example(example) for example in examples]
        task = self.engine.run(
            lambda: coverage.measure(
                self._gradient_computer, self._candidate, encoded, [text.example for text in held]
            )
        )
        for event in task:
            on_progress(event)
        return [
            Covered(example, coverage.strongest(row, held, top))
            for example, row in zip(examples, task.result, strict=True)
        ]

    def _check_base(self) -> None:
        manifest, base = self._subject.manifest, self.engine.base
        if manifest is not None and manifest.base_hash != base.content_hash:
            raise ConfigError(
                f"base_model (is {base.name!r}): {manifest.checkpoint_id} was trained on another "
                f"base model, {manifest.base_model!r}. Name that model by --base-model."
            )

    def _build(self) -> None:
        subject = self._subject
        self._lora = LoraModel(self.engine.base, _training(subject.manifest))
        self._gradient_computer = GradientComputer(self._lora)
        self._evaluator = AdapterEvaluator(self._lora, self._gradient_computer)
        directory = base_cache()
        engine = self.engine
        self._answers = base_answers(
            self._lora, engine.encoder, engine.base, directory, is_kept=False
        )
        adapter, parent = (_load(path) for path in (subject.path, subject.parent_path))
        self._candidate, self._parent = self._lora.initial(adapter), self._lora.initial(parent)
        status = CheckpointStatus.BASE if adapter is None else CheckpointStatus.STABLE
        self.engine.swap(adapter, subject.checkpoint_id, status)


def _load(path: Path | None) -> Adapter | None:
    return None if path is None else load_adapter(path)


def _training(manifest: Manifest | None) -> TrainingSettings:
    """The shape of the adapter; what else it was trained with does not matter here."""
    if manifest is None:
        return TrainingSettings()
    shape = {name: manifest.training[name] for name in ("r", "alpha", "target_modules", "seed")}
    return msgspec.convert(shape, TrainingSettings)
