"""From a leased cycle to a staged candidate: gather, train, evaluate, write its files.

Runs on the pipeline's thread and has the engine compute. The training state is saved as it goes, so
that a cycle interrupted anywhere goes on from there. It releases nothing.
"""

import shutil
from collections.abc import Callable, Collection
from importlib.metadata import version
from pathlib import Path

import mlx.core as mx
import msgspec

from radiance import __version__, records
from radiance.anchors.sets import AnchorSet
from radiance.config import AnchorSettings, Config, TrainingSettings
from radiance.config.derived import derive, derive_training, derived
from radiance.engine.adapters.files import adapter_config, load_adapter, save_adapter
from radiance.engine.adapters.slots import Adapter
from radiance.engine.model.encoding import EncodedExample
from radiance.engine.worker import Engine
from radiance.examples.store import ExampleStore
from radiance.jobs.queue import JobQueue
from radiance.learning.example_selection import ExampleSelector
from radiance.learning.measurement import CandidateMeasurement
from radiance.learning.preparation import Preparation
from radiance.learning.progress import CycleProgress, LearningStats
from radiance.learning.step_search import ScaledStep, largest_step
from radiance.learning.stoppable_tasks import StoppableTasks
from radiance.learning.training_run import BUILDING_S, TrainingRun
from radiance.learning.training_states import TrainingStates
from radiance.platform import give_back_memory
from radiance.records import Cycle, Evaluation, Example, Manifest, Recipe, content_hash
from radiance.registry.curves import MetricCurves
from radiance.registry.manifest import content_hashes
from radiance.registry.store import Registry
from radiance.training.gauss_newton_steps import refuse_impossible
from radiance.training.gradient import GradientComputer
from radiance.training.lora import LoraModel
from radiance.training.reference_cache import base_cache
from radiance.training.trainer import Trained, Trainer, own_samples_of
from radiance.training.training_set import (
    Selection,
    TrainingSet,
    TrainingSetBuilder,
)


class CandidateBuilder:
    """Makes candidates. Built once per process, with the training twin of the base model.

    Args:
        anchors: What must survive; may be empty. A sample of it is measured.
        make_gradient_computer: One that works alone, or shares the work with other ranks. None:
            the base model is in parts, and nothing can be made; there must be no cycles.

    Attributes:
        progress: The cycle being made, if any.
        preparation: Has the base do beforehand what later cycles want; None where it is in parts.
        stats: What was trained so far.
    """

    def __init__(
        self,
        config: Config,
        engine: Engine,
        jobs: JobQueue,
        examples: ExampleStore,
        registry: Registry,
        curves: MetricCurves,
        anchors: AnchorSet,
        make_gradient_computer: Callable[[LoraModel], GradientComputer] | None = GradientComputer,
    ) -> None:
        self._config, self._engine = derive(config, engine.base.hidden_size), engine
        self._asked_training = config.training
        self._jobs, self._examples = jobs, examples
        self._registry, self._curves = registry, curves
        shutil.rmtree(
            config.runs_path / "rehearsal", ignore_errors=True
        )  # of version 0.2 and before
        self._states = TrainingStates(config.runs_path / "cycles")
        self.sweep_states()  # by a process that died before it cleaned up
        self._tasks = StoppableTasks(engine)
        self._selector = ExampleSelector(self._config, engine.encoder, examples, registry)
        self.progress: CycleProgress | None = None
        self.stats = LearningStats()
        self._run = TrainingRun(engine, jobs, curves, self._states, self._tasks, self.stats)
        self._anchors = anchors
        self.preparation: Preparation | None = None
        if make_gradient_computer is not None:
            engine.call(lambda: self._build(make_gradient_computer), patience_s=BUILDING_S)

    def _build(self, make_gradient_computer: Callable[[LoraModel], GradientComputer]) -> None:
        self._lora = LoraModel(self._engine.base, self._config.training)
        self._gradient_computer = make_gradient_computer(self._lora)
        refuse_impossible(
            self._config.training,
            self._config.anchor,
            self._gradient_computer,
            self._engine.base.hidden_size,
        )
        self._training_set_builder = TrainingSetBuilder(
            self._lora,
            self._gradient_computer,
            self._engine.encoder,
            self._engine.base,
            self._config.training,
            self._config.anchor,
            base_cache(),
        )
        self._measurement = CandidateMeasurement(
            self._config,
            self._engine,
            self._examples,
            self._registry,
            self._anchors,
            self._lora,
            self._gradient_computer,
            self._training_set_builder,
        )
        self.preparation = Preparation(self._tasks, self._training_set_builder, self._measurement)

    @property
    def preparing(self) -> str | None:
        """What is made beforehand and how much of it is there; None once that is done."""
        return self._tasks.preparing

    def anchor_windows(self, example: Example) -> list[EncodedExample]:
        """An anchor's sequences; none while it is a prompt that the base has not answered yet."""
        if self.preparation is None:
            return self._engine.encoder.windows(example)
        return self._training_set_builder.base_answers.windows(example)

    def settings_hash(self) -> str:
        """Identity of everything besides parent and examples that shapes a candidate."""
        return content_hash(
            [
                self._config.training.recipe(),
                self.training_settings(1).recipe(),  # of a task "auto" is another number
                self._config.anchor,
                self._config.evaluation,
                self._anchors.hash,
                self._engine.base.content_hash,
                # The gate judges what was made, unless it has it made smaller.
                self._config.gate if self._config.gate.scale_back else None,
            ]
        )

    def training_settings(
        self, task_inputs: int = 0, recipe: Recipe | None = None
    ) -> TrainingSettings:
        """What a training goes by, with numbers in place of "auto".

        Args:
            task_inputs: How many inputs of a task it learns; 0: it learns facts.
            recipe: What its job asked for.
        """
        settings = self._asked_training
        if recipe is not None:
            values = msgspec.to_builtins(settings) | recipe.training
            settings = msgspec.convert(values, TrainingSettings)
        return derive_training(settings, self._engine.base.hidden_size, task_inputs)

    def stop(self) -> None:
        """Save the state of the cycle in training and have ``make`` raise Cancelled."""
        self._tasks.stop()

    def call_off(self) -> None:
        """Have the ``make`` that runs raise Cancelled; nothing of it is saved."""
        self._tasks.call_off()

    def make(
        self,
        cycle: Cycle,
        is_wanted: Callable[[], bool] = lambda: True,
        is_task: bool | None = None,
    ) -> tuple[Path, Manifest, Evaluation]:
        """Train and evaluate a cycle's candidate; its files are staged, not published.

        Args:
            cycle: The cycle.
            is_wanted: Asked after each step: whether the candidate could still be used.
            is_task: What its examples were taken for when it was made before; None: it is new.

        Raises:
            Cancelled: ``stop`` or ``call_off`` was called, or it is not wanted any more.
            TrainingError: The training failed; Diverged where the loss did.
        """
        self._tasks.begin()
        recipe = self._jobs.recipe(cycle.job_ids) or Recipe()
        most = self.training_settings(recipe=recipe).max_steps
        self.progress = CycleProgress(cycle, max_steps=derived(most))
        try:
            return self._make(cycle, self.progress, recipe, is_wanted, is_task)
        finally:
            self._engine.hide_training()
            self.progress = None
            give_back_memory()

    def leave_anchors(self, question_hashes: Collection[str]) -> None:
        """Hold no anchors of these questions any more."""
        self._anchors = self._anchors.without(question_hashes)
        if self.preparation is not None:
            left = {anchor.example.content_hash for anchor in self._anchors.anchors}
            self._training_set_builder.base_answers.keep_only(left)

    def sweep_states(self) -> None:
        """Delete the saved states, and unreleased files, of cycles that have ended."""
        self._states.sweep(self._jobs.open_candidate())

    def forget_state(self, cycle: Cycle) -> None:
        """Delete the saved training state of a cycle that has ended."""
        self._states.delete(cycle)

    def _make(
        self,
        cycle: Cycle,
        progress: CycleProgress,
        recipe: Recipe,
        is_wanted: Callable[[], bool],
        is_task: bool | None,
    ) -> tuple[Path, Manifest, Evaluation]:
        examples = self._selector.new(cycle)
        selection = self._selector.select(
            cycle, examples, recipe.validation, self._anchors, is_task
        )
        settings = self.training_settings(len(selection.new) * selection.is_task, recipe)
        progress.max_steps, progress.is_task = derived(settings.max_steps), selection.is_task
        parent = self._parent(cycle)
        saved = self._states.read(cycle)
        own_samples = None if saved is None else own_samples_of(saved)
        material = self._gather(selection, parent, cycle.parent_id, own_samples)
        give_back_memory()
        parts = self._lora, self._gradient_computer
        trained = self._run(
            lambda state: Trainer(*parts, settings, self._config.anchor, material, parent, state),
            progress,
            settings,
            saved,
            is_wanted,
        )
        give_back_memory()
        progress.stage = "evaluating"
        measure = self._measurement.of(
            cycle,
            parent,
            examples,
            material,
            self._selector.valid_anchors(self._anchors, cycle),
            self._tasks.run,
        )
        vector, step = self._scale_back(trained, measure)
        staging = self._registry.staging(cycle.candidate_id)
        self._engine.call(lambda: self._save_adapter(vector, staging))
        held = msgspec.structs.replace(self._config.anchor, own_samples=material.own_samples)
        manifest = self._manifest(
            cycle, examples, selection, staging, trained, step, settings, held
        )
        return staging, manifest, step.evaluation

    def _save_adapter(self, vector: mx.array, staging: Path) -> None:
        adapter = self._lora.adapter(vector)
        save_adapter(adapter, adapter_config(adapter, len(self._lora.model.layers)), staging)

    def prepare(self, is_interrupted: Callable[[], bool]) -> bool:
        """Make what the updates to come want of the base, as ``Preparation.make`` has it."""
        return self.preparation is None or self.preparation.make(self._anchors, is_interrupted)

    def _gather(
        self,
        selection: Selection,
        parent: Adapter | None,
        parent_id: str | None,
        own_samples: int | None,
    ) -> TrainingSet:
        """What to learn from."""
        parent_hash = "" if parent_id is None else self._registry.get(parent_id).content_hash
        return self._tasks.watch(
            lambda: self._training_set_builder.gather(
                selection, self._lora.initial(parent), parent_hash, own_samples
            )
        )

    def _scale_back(
        self, trained: Trained, measure: Callable[[mx.array], Evaluation]
    ) -> tuple[mx.array, ScaledStep]:
        """As much of what was trained as the gate lets pass, and what was measured of it."""

        def at(share: float) -> mx.array:
            if share == 1:
                return trained.vector
            return self._engine.call(lambda: trained.part(share))

        whole = measure(trained.vector)
        step = largest_step(whole, lambda share: measure(at(share)), self._config.gate)
        return at(step.share), step

    def _parent(self, cycle: Cycle) -> Adapter | None:
        if cycle.parent_id is None:
            return None
        path = self._registry.path(cycle.parent_id)
        return self._engine.call(lambda: load_adapter(path))

    def _manifest(
        self,
        cycle: Cycle,
        examples: list[Example],
        selection: Selection,
        staging: Path,
        trained: Trained,
        step: ScaledStep,
        settings: TrainingSettings,
        anchor: AnchorSettings,
    ) -> Manifest:
        weights_hash, config_hash = content_hashes(staging)
        return Manifest(
            checkpoint_id=cycle.candidate_id,
            parent_id=cycle.parent_id,
            base_model=self._config.base_model,
            base_hash=self._engine.base.content_hash,
            content_hash=weights_hash,
            config_hash=config_hash,
            created_at=records.now(),
            fingerprint=cycle.fingerprint,
            example_ids=tuple(example.id for example in examples),
            replayed_ids=tuple(example.id for example in selection.replay),
            is_task=selection.is_task,
            training=msgspec.to_builtins(settings),
            anchor=msgspec.to_builtins(anchor),
            seed=settings.seed,
            steps=trained.steps,
            report=step.evaluation.report,
            versions={"radiance": __version__, "mlx": version("mlx"), "mlx-lm": version("mlx-lm")},
            scaled_to=step.share,
        )
