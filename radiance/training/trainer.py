"""One cycle's training: from a parent adapter and some examples to a new adapter, in pieces.

Given the same examples, settings and parent the result is the same bit for bit on the CPU, also
when it was interrupted and resumed, and whatever was decoded in between.
"""

import io
from dataclasses import dataclass, replace

import mlx.core as mx
import msgspec
import numpy as np

from radiance import config
from radiance.config.derived import derive_anchor, derive_training, derived
from radiance.engine.adapters.slots import Adapter
from radiance.engine.tasks import Pieces
from radiance.training.adamw_steps import AdamWSteps
from radiance.training.anchor_draw import AnchorDraw
from radiance.training.batches import spread
from radiance.training.example_scores import score_examples, token_mean
from radiance.training.gauss_newton_steps import (
    RARER,
    GaussNewtonSteps,
    batch_size,
    is_possible,
)
from radiance.training.gradient import GradientComputer
from radiance.training.lora import LoraModel
from radiance.training.memory import all_bytes, free_bytes, require
from radiance.training.row_draw import RowDraw
from radiance.training.steps import Moved, Steps
from radiance.training.training_set import TrainingSet, largest_batch

# Examples looked at to decide whether to stop early.
_MOST_CHECKED_NEW, _MOST_CHECKED_INPUTS, _MOST_CHECKED_REPLAY = 1000, 32, 64
_MOST_CHECKS = 2  # examples measured out of turn per example trained
_LEAST_PART, _HALVINGS = 0.5, 3  # of the way that is looked for how much of it is needed


@dataclass(frozen=True)
class LossCheck:
    """The examples were measured without dropout after a step.

    Attributes:
        eval_loss: Cross-entropy per completion token of the evaluation examples, in nats.
        worst_loss: The highest mean loss of a single example of those looked at: the new ones, and
            the replayed ones where the new ones are known.
    """

    step: int
    eval_loss: float
    worst_loss: float


@dataclass(frozen=True)
class TrainingState:
    """The whole training state after a step, to resume from."""

    step: int
    data: bytes


@dataclass(frozen=True)
class Trained:
    """The result.

    Attributes:
        vector: The adapter, (parameters,) float32.
        adapter: The same, ready to serve; evaluated, so that any thread may hold it.
        steps: Optimizer steps taken.
        start: Where they began, (parameters,) float32; evaluated. On whatever is held it computes
            what the parent does.
    """

    vector: mx.array
    adapter: Adapter
    steps: int
    start: mx.array

    def part(self, share: float) -> mx.array:
        """A part of the way from the start to the result, (parameters,) float32; evaluated.

        It moves without a jump; it is A and B that are interpolated, not their product.
        """
        found = self.start + share * (self.vector - self.start)
        mx.eval(found)
        return found


class Trainer:
    """Trains one adapter. Belongs to the engine thread.

    Steps are Gauss-Newton's where it goes around what is held and rows can be told apart, else
    AdamW's. Of these the learning rate rises, stays, and once the examples are known falls to zero
    over ``cooldown_steps``, in which what was moved on the way settles. Of a task's inputs, which
    need not all be known, a few are looked at.

    Args:
        parent: The adapter to continue from; None for the base.
        resume_from: ``TrainingState.data`` of an earlier, interrupted run of the same cycle.

    Raises:
        OutOfMemory: A step would not fit into the memory.
        TrainingError: The parent does not fit.
    """

    def __init__(
        self,
        lora: LoraModel,
        gradient_computer: GradientComputer,
        settings: config.TrainingSettings,
        anchor: config.AnchorSettings,
        material: TrainingSet,
        parent: Adapter | None,
        resume_from: bytes | None = None,
    ) -> None:
        self._lora = lora
        self._gradient_computer = gradient_computer
        inputs = len(material.new) if material.is_task else 0
        self._settings = settings = derive_training(settings, lora.hidden_size, inputs)
        self._anchor = anchor = derive_anchor(anchor, lora.hidden_size)
        self._max_steps, self._material = derived(settings.max_steps), material
        start = lora.initial(parent)
        self._null_space = null_space = material.null_space
        self._start = start if null_space is None else null_space.start(start)
        is_gauss_newton = is_possible(settings, material)
        self._anchors = AnchorDraw(
            gradient_computer,
            anchor,
            material,
            settings.seed,
            starts_there=parent is None or anchor.reference != "base",
            rarer=RARER if is_gauss_newton else 1,
        )
        if is_gauss_newton:
            rows = batch_size(settings, anchor, gradient_computer, material)
            self._settings = settings = msgspec.structs.replace(settings, batch_size=rows)
        parts = (lora, gradient_computer, settings, anchor)
        self._steps: Steps = (
            GaussNewtonSteps(*parts, material, self._start, self._anchors)
            if is_gauss_newton
            else AdamWSteps(*parts, null_space, self._anchors, is_first=parent is None)
        )
        self._goes_back = not (null_space is None or is_gauss_newton or material.is_task)
        most_new = _MOST_CHECKED_INPUTS if material.is_task else _MOST_CHECKED_NEW
        new, replay = (
            [lesson.example for lesson in spread(lessons, most)]
            for lessons, most in (
                (material.new, most_new),
                (material.replay, _MOST_CHECKED_REPLAY),
            )
        )
        self._checked_new, self._checked_replay = new, replay
        self._learn_from(material)
        self.step = self._checked_at = 0
        self._cooling_from: int | None = None
        self.vector = self._start
        if resume_from is not None:
            self._restore(resume_from)
        self._snapshot_wanted = False

    def adapter(self) -> Adapter:
        """The weights as they are now, to answer from while training."""
        return self._lora.adapter(self.vector)

    def want_snapshot(self) -> None:
        """Ask, from any thread, for a TrainingState after the step under way."""
        self._snapshot_wanted = True

    def run(self) -> Pieces[Trained]:
        """Yields None between pieces, and StepTaken, LossCheck and TrainingState as they happen.

        Raises:
            Diverged: A loss or gradient is not finite, or the loss is above ``max_loss``.
        """
        settings = self._settings
        is_known = yield from self._set_known_aside()
        while not (is_known or self._is_over()):
            moved = yield from self._take_step()
            yield moved.taken
            if self._is_check_due(moved.expected):
                self._checked_at = self.step
                checked = yield from self._check()
                yield checked
                if checked.worst_loss < settings.stop_loss and self._cooling_from is None:
                    self._cooling_from = self.step
            if self._snapshot_wanted:
                self._snapshot_wanted = False
                yield TrainingState(self.step, self._save())
        if self._goes_back and self.step:
            yield from self._step_back()
        adapter = self.adapter()
        mx.eval(self._start, *(array for pair in adapter.pairs.values() for array in pair))
        return Trained(self.vector, adapter, self.step, self._start)

    def _set_known_aside(self) -> Pieces[bool]:
        """Mix in those new examples that the parent knows as earlier ones are; True: it knows all.

        They were taught before, most likely, and sent again with others. What the parent knows is
        asked where training starts, so that one taken up again has the same aside.
        """
        stop_loss, material = self._settings.stop_loss, self._material
        if not stop_loss or len(self._checked_new) < len(material.new):
            return False
        scores = yield from score_examples(
            self._gradient_computer, self._start, [lesson.example for lesson in material.new]
        )
        is_known = [score.is_exact and score.loss < stop_loss for score in scores]
        if all(is_known):
            return self.step == 0
        is_replayed = round(self._settings.batch_size * self._settings.replay_ratio) > 0
        if any(is_known) and is_replayed and not material.replay_outputs:
            lessons = list(zip(material.new, is_known, strict=True))
            unknown = [lesson for lesson, known in lessons if not known]
            replay = [*material.replay, *(lesson for lesson, known in lessons if known)]
            seen_to = self._draw.seen_to  # by a training that is taken up again
            self._learn_from(replace(material, new=unknown, replay=replay))
            self._draw.see_to(seen_to)
        return False

    def _learn_from(self, material: TrainingSet) -> None:
        """Take the rows of steps from there, and see that the largest of them fits the memory."""
        self._material = material
        wordings = self._steps.wordings
        self._draw = RowDraw(self._settings, self._anchor, material, wordings)
        shape = largest_batch(material, self._settings, self._anchor, wordings)
        needed = self._gradient_computer.step_memory(*shape)
        require(needed, free_bytes(), self._settings, all_bytes())
        new = min(self._settings.batch_size, len(material.new))
        self._rows = new + self._draw.replayed

    def _step_back(self) -> Pieces[None]:
        """Go back as far towards the start as every example is still known by ``stop_loss``.

        Cooling down goes beyond what was asked for (Gauss-Newton steps do not), and all else is
        moved by the square of the way: on SmolLM2 0.7 of it halved what held-out texts were changed
        by. As interpolation between fine-tuned and initial weights keeps what the initial ones did
        (WiSE-FT, Wortsman et al., 2022).
        """
        whole = self.vector
        least, most = _LEAST_PART, 1.0
        for _ in range(_HALVINGS):
            part = (least + most) / 2
            self.vector = self._start + part * (whole - self._start)
            if (yield from self._is_known()):
                most = part
            else:
                least = part
        self.vector = whole if most == 1 else self._start + most * (whole - self._start)
        mx.eval(self.vector)

    def _is_known(self) -> Pieces[bool]:
        """Whether every example that is looked at is exact and below ``stop_loss``."""
        for examples in (self._checked_new, self._checked_replay):
            scores = yield from score_examples(self._gradient_computer, self.vector, examples)
            if any(not s.is_exact or s.loss >= self._settings.stop_loss for s in scores):
                return False
        return True

    def _is_check_due(self, batch_loss: float) -> bool:
        """Whether the examples are measured now: regularly, and when a batch seems to be known.

        Out of turn no more examples are measured than twice those trained since the last time.
        """
        settings = self._settings
        if self.step % settings.eval_every == 0 or self.step == self._max_steps:
            return True
        rows = self._rows * settings.grad_accum * (self.step - self._checked_at)
        return (
            self._cooling_from is None
            and batch_loss < settings.stop_loss
            and len(self._checked_new) + len(self._checked_replay) <= _MOST_CHECKS * rows
        )

    def _is_over(self) -> bool:
        if self._cooling_from is None and self.step >= self._max_steps - self._steps.most_cooldown:
            self._cooling_from = self.step
        return self._cooling_from is not None and (
            self.step >= min(self._max_steps, self._cooling_from + self._cooldown())
        )

    def _cooldown(self) -> int:
        """Steps in which the rate falls: what was learned in few steps has little to settle.

        Half as many where it goes back afterwards (``_step_back``): on SmolLM2 four for eight left
        what was kept and what was known as they were, after 23 steps and after 36.
        """
        assert self._cooling_from is not None
        most = self._steps.most_cooldown
        if self._cooling_from >= self._max_steps - most:
            return most
        return min(most, -(-self._cooling_from // (3 if self._null_space is None else 6)))

    def _take_step(self) -> Pieces[Moved]:
        rate_share = 1.0
        if self._cooling_from is not None:
            rate_share -= (self.step - self._cooling_from) / (self._cooldown() + 1)
        moved = yield from self._steps.take(self.vector, self.step, self._draw, rate_share)
        self.vector, self.step = moved.vector, moved.taken.step
        return moved

    def _check(self) -> Pieces[LossCheck]:
        material, computer = self._material, self._gradient_computer
        new = yield from score_examples(computer, self.vector, self._checked_new)
        held = yield from score_examples(computer, self.vector, material.held_back)
        worst = max(score.loss for score in new)
        if worst < self._settings.stop_loss:  # else it goes on, whatever became of the earlier ones
            old = yield from score_examples(computer, self.vector, self._checked_replay)
            worst = max(score.loss for score in new + old)
            self._draw.see_to(
                example
                for example, score in zip(self._checked_replay, old, strict=True)
                if score.loss >= self._settings.stop_loss
            )
        return LossCheck(self.step, token_mean(held or new), worst)

    def _save(self) -> bytes:
        stream = io.BytesIO()
        cooling = -1 if self._cooling_from is None else self._cooling_from
        np.savez(
            stream,
            step=np.array([self.step, cooling, self._checked_at]),
            anchors=self._anchors.save(),
            own_samples=np.array(self._material.own_samples),
            seen_to=np.array(self._draw.seen_to, dtype=np.str_),
            vector=np.array(self.vector),
            **self._steps.save(),  # type: ignore[arg-type]
        )
        return stream.getvalue()

    def _restore(self, data: bytes) -> None:
        with np.load(io.BytesIO(data), allow_pickle=False) as saved:
            self.step, cooling, self._checked_at = (int(value) for value in saved["step"])
            self._anchors.restore(saved["anchors"])
            self._cooling_from = None if cooling < 0 else cooling
            self.vector = mx.array(saved["vector"])
            self._draw.see_to(saved["seen_to"].tolist())
            self._steps.restore(dict(saved))


def own_samples_of(state: bytes) -> int:
    """How many own samples a training held, by its saved state: one that goes on holds as many."""
    with np.load(io.BytesIO(state), allow_pickle=False) as saved:
        return int(saved["own_samples"])
