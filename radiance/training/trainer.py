"""One cycle's training: from a parent adapter and some examples to a new adapter, in pieces.

Given the same examples, settings and parent the result is the same bit for bit on the CPU, also
when it was interrupted and resumed, and whatever was decoded in between.
"""

import io
import math
from dataclasses import dataclass, replace
from typing import cast

import mlx.core as mx
import numpy as np

from radiance import config
from radiance.config.derived import derive_anchor, derive_training, derived
from radiance.engine.adapters.slots import Adapter
from radiance.engine.tasks import Pieces
from radiance.errors import Diverged
from radiance.training.batches import make_batch, spread
from radiance.training.example_scores import score_examples, token_mean
from radiance.training.gauss_newton import MOST_EXAMPLES, WORDINGS, GaussNewton
from radiance.training.gradient import GradientComputer
from radiance.training.held_metric import held_metric
from radiance.training.held_texts import held_batch
from radiance.training.lora import LoraModel
from radiance.training.memory import MOST_SHARE, all_bytes, free_bytes, require
from radiance.training.nullspace import NullSpace
from radiance.training.optimizer import Optimizer, StepReport
from radiance.training.row_draw import RowDraw
from radiance.training.training_set import TrainingSet, largest_batch

# Examples looked at to decide whether to stop early.
_MOST_CHECKED_NEW, _MOST_CHECKED_REPLAY = 1000, 64
_MOST_CHECKS = 2  # examples measured out of turn per example trained
# Of B to A where both begin: A along what the new texts have of their own, B as zeros that have to
# grow. SmolLM2 learns five facts in 19 steps for 30 and keeps as much; an update that continues
# another takes 36 for 47 and keeps less (bench/LOG.md).
_FIRST_LR_RATIO = 2.0
_RARER = 2  # times as many steps between anchors' rows where the metric knows what is held
_LEFT = 0.5  # of the worst loss, by experience, after one
_LEAST_PART, _HALVINGS = 0.5, 3  # of the way that is looked for how much of it is needed


@dataclass(frozen=True)
class StepTaken:
    """One optimizer step was taken.

    Attributes:
        finetune_loss: Cross-entropy per completion token of this step's batch, in nats.
        anchor_divergence: From the reference, per token of this step's anchors, in nats; None
            where the step had none.
        lr: Its learning rate; of a Gauss-Newton step the share of their losses that rows are to
            lose.
        report: What the step was made of.
        tokens: Of its batches, anchors among them, without padding.
    """

    step: int
    finetune_loss: float
    anchor_divergence: float | None
    lr: float
    report: StepReport
    tokens: int


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
    over ``cooldown_steps``, in which what was moved on the way settles.

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
        self._settings = settings = derive_training(settings, lora.hidden_size)
        self._anchor = anchor = derive_anchor(anchor, lora.hidden_size)
        self._every, self._rarely_below = derived(anchor.every), derived(anchor.rarely_below)
        self._lr, self._max_steps = derived(settings.lr), derived(settings.max_steps)
        self._material = material
        self._groups = (
            {}
            if anchor.method == "naive"
            else material.held.groups(anchor.batch_size, anchor.constraints == "contexts")
        )
        start = lora.initial(parent)
        self._null_space = null_space = material.null_space
        self._start = start if null_space is None else null_space.start(start)
        size = lora.size if null_space is None else null_space.size
        contexts = tuple(self._groups) or ("",)
        ratio = settings.lr_ratio
        if ratio == "auto":
            ratio = 1.0 if null_space is None or parent is not None else _FIRST_LR_RATIO
        rates = _rates(lora if null_space is None else null_space, ratio)
        self._optimizer = Optimizer(size, settings, anchor, contexts, null_space, rates)
        self._gauss_newton = self._as_gauss_newton()
        new, replay = (
            [lesson.example for lesson in spread(lessons, most)]
            for lessons, most in (
                (material.new, _MOST_CHECKED_NEW),
                (material.replay, _MOST_CHECKED_REPLAY),
            )
        )
        self._checked_new, self._checked_replay = new, replay
        self._learn_from(material)
        self.step = self._checked_at = 0
        # Nothing differs at the start from a reference that it starts from.
        starts_there = parent is None or anchor.reference != "base"
        self._anchors_taken, self._anchors_due = 0, self._every if starts_there else 0
        self._cooling_from: int | None = None
        self.vector = self._start
        if resume_from is not None:
            self._restore(resume_from)
        self._snapshot_wanted = False
        self._step_tokens = 0

    def adapter(self) -> Adapter:
        """The weights as they are now, to answer from while training."""
        return self._lora.adapter(self.vector)

    def want_snapshot(self) -> None:
        """Ask, from any thread, for a Snapshot after the step under way."""
        self._snapshot_wanted = True

    def run(self) -> Pieces[Trained]:
        """Yields None between pieces, and Progress, Checked and Snapshot as they happen.

        Raises:
            Diverged: A loss or gradient is not finite, or the loss is above ``max_loss``.
        """
        settings = self._settings
        is_known = yield from self._set_known_aside()
        while not (is_known or self._is_over()):
            if self._gauss_newton is not None:
                taken, expected = yield from self._take_gauss_newton(self._gauss_newton)
            else:
                taken = yield from self._take_step()
                expected = taken.finetune_loss
            yield taken
            if self._is_check_due(expected):
                self._checked_at = self.step
                checked = yield from self._check()
                yield checked
                if checked.worst_loss < settings.stop_loss and self._cooling_from is None:
                    self._cooling_from = self.step
            if self._snapshot_wanted:
                self._snapshot_wanted = False
                yield TrainingState(self.step, self._save())
        if self._null_space is not None and self._gauss_newton is None and self.step:
            yield from self._step_back()
        adapter = self.adapter()
        mx.eval(self._start, *(array for pair in adapter.pairs.values() for array in pair))
        return Trained(self.vector, adapter, self.step, self._start)

    def _as_gauss_newton(self) -> GaussNewton | None:
        """The steps, where they are Gauss-Newton's."""
        settings, material, null_space = self._settings, self._material, self._null_space
        self._wordings = 0
        if settings.optimizer == "adamw" or null_space is None or not material.output_squares:
            return None
        if settings.grad_accum > 1 or material.replay_outputs:
            return None
        if settings.optimizer == "auto" and len(material.new) > MOST_EXAMPLES:
            return None
        self._wordings = self._affordable(WORDINGS) if settings.reworded_ratio else 0
        metric = held_metric(self._lora, null_space, self._start, material.output_squares)
        projects = self._anchor.method == "anchor+projection"
        known = settings.stop_loss
        return GaussNewton(self._lora, metric, projects=projects, known=known)

    def _affordable(self, wordings: int) -> int:
        """As many rows in other words, up to so many, as would fit if nobody else used memory."""
        most = all_bytes()
        while wordings and most is not None:
            shape = largest_batch(self._material, self._settings, self._anchor, wordings)
            needed = self._gradient_computer.step_memory(*shape)
            if needed is None or needed.total <= most * MOST_SHARE:
                break
            wordings -= 1
        return wordings

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
            self._learn_from(replace(material, new=unknown, replay=replay))
        return False

    def _learn_from(self, material: TrainingSet) -> None:
        """Take the rows of steps from there, and see that the largest of them fits the memory."""
        self._material = material
        self._draw = RowDraw(self._settings, self._anchor, material, self._wordings)
        shape = largest_batch(material, self._settings, self._anchor, self._wordings)
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
        if self._cooling_from is None and self.step >= self._max_steps - self._most_cooldown():
            self._cooling_from = self.step
        return self._cooling_from is not None and (
            self.step >= min(self._max_steps, self._cooling_from + self._cooldown())
        )

    def _most_cooldown(self) -> int:
        """None where a step is as short as it may be."""
        return 0 if self._gauss_newton is not None else self._settings.cooldown_steps

    def _cooldown(self) -> int:
        """Steps in which the rate falls: what was learned in few steps has little to settle.

        Half as many where it goes back afterwards (``_step_back``): on SmolLM2 four for eight left
        what was kept and what was known as they were, after 23 steps and after 36.
        """
        assert self._cooling_from is not None
        most = self._most_cooldown()
        if self._cooling_from >= self._max_steps - most:
            return most
        return min(most, -(-self._cooling_from // (3 if self._null_space is None else 6)))

    def _take_gauss_newton(self, steps: GaussNewton) -> Pieces[tuple[StepTaken, float]]:
        """A step, and what the taught words of its examples are expected to lose after it."""
        computer = self._gradient_computer
        chosen, taught = self._draw.rows_apart(self.step)
        self._step_tokens = 0
        divergence = None
        if (drawn := (yield from self._anchors_of_step())) is not None:
            divergence, gradient, context = drawn
            steps.take_anchors(gradient, divergence, context)
        batch = make_batch(chosen)
        self._step_tokens += batch.token_count
        losses = yield from computer.row_gradients(self.vector, batch, steps.columns, steps.take)
        mean_loss = float(losses.mean())
        self._check_finite(mean_loss)
        self.vector, share, report = steps.step(self.vector, losses)
        self._check_norm(mean_loss, report.gradient_norm)
        self.step += 1
        taken = StepTaken(self.step, mean_loss, divergence, share, report, self._step_tokens)
        return taken, _LEFT * float(losses[taught].max())

    def _take_step(self) -> Pieces[StepTaken]:
        settings = self._settings
        loss, gradient, targets = mx.array(0.0), mx.zeros_like(self.vector), 0
        self._step_tokens = 0
        for part in range(settings.grad_accum):
            number = self.step * settings.grad_accum + part
            batch = self._draw.batch(number)
            key = mx.random.key(settings.seed * 1_000_003 + number + 1)
            part_loss, part_gradient = yield from self._gradient_computer.gradient(
                self.vector, batch, key
            )
            loss, gradient = loss + part_loss, gradient + part_gradient
            targets += batch.target_count
            self._step_tokens += batch.token_count
        mean_loss = cast(float, loss.item()) / targets
        self._check_finite(mean_loss)
        gradient, divergence = yield from self._with_anchors(self._movable(gradient) / targets)
        lr = self._learning_rate(self.step)
        movable = self._movable(self.vector)
        moved, report = self._optimizer.step(movable, gradient, self.step + 1, lr)
        self._check_norm(mean_loss, report.gradient_norm)
        self.vector = (
            moved if self._null_space is None else self._null_space.put(self.vector, moved)
        )
        mx.eval(self.vector)
        self.step += 1
        return StepTaken(self.step, mean_loss, divergence, lr, report, self._step_tokens)

    def _movable(self, vector: mx.array) -> mx.array:
        """Of a flat vector the numbers that a step may move."""
        return vector if self._null_space is None else self._null_space.take(vector)

    def _with_anchors(self, gradient: mx.array) -> Pieces[tuple[mx.array, float | None]]:
        """The gradient combined with that of this step's anchors, and how far those have moved.

        Args:
            gradient: Of what may move.
        """
        drawn = yield from self._anchors_of_step()
        if drawn is None:
            return gradient, None
        divergence, anchor_gradient, context = drawn
        movable, every = self._movable(anchor_gradient), self._anchors_due - self.step
        combined = self._optimizer.combine(gradient, movable, divergence, every, context)
        return combined, divergence

    def _anchors_of_step(self) -> Pieces[tuple[float, mx.array, str] | None]:
        """The mean divergence of this step's anchors, its gradient, and their context; or None."""
        if not self._groups or self.step < self._anchors_due:
            return None
        number, seed = self._anchors_taken, self._settings.seed + 2
        contexts = list(self._groups)
        context = contexts[number % len(contexts)]
        drawn = yield from self._material.held.draw(
            self._groups[context], self._anchor.batch_size, number // len(contexts), seed
        )
        batch = held_batch(drawn)
        away, gradient = yield from self._gradient_computer.gradient(self.vector, batch)
        self._step_tokens += batch.token_count
        count = batch.target_count
        divergence = cast(float, away.item()) / count
        self._check_finite(divergence)
        every = self._every * (2 if divergence < self._rarely_below else 1)
        if self._gauss_newton is not None:
            every *= _RARER
        self._anchors_taken, self._anchors_due = number + 1, self.step + every
        return divergence, gradient / count, context

    def _check_norm(self, loss: float, norm: float) -> None:
        if not math.isfinite(norm):
            raise Diverged(
                f"step {self.step + 1}: loss {loss:g}, gradient norm {norm:g}: not finite. "
                f"{self._remedy()}"
            )

    def _remedy(self) -> str:
        if self._gauss_newton is not None:  # which has no learning rate
            return 'Set training.optimizer to "adamw".'
        return f"Lower training.lr (is {self._lr:g})."

    def _check_finite(self, loss: float) -> None:
        settings = self._settings
        if not math.isfinite(loss):
            raise Diverged(f"step {self.step + 1}: loss {loss:g}: not finite. {self._remedy()}")
        if loss > settings.max_loss:
            raise Diverged(
                f"step {self.step + 1}: loss {loss:.3g} is above training.max_loss "
                f"({settings.max_loss:g}). {self._remedy()}"
            )

    def _learning_rate(self, step: int) -> float:
        """Linear warm-up, then constant, then linear to zero once cooling down."""
        settings = self._settings
        rate = self._lr * min(1.0, (step + 1) / max(1, settings.warmup_steps))
        if self._cooling_from is None:
            return rate
        return rate * (1 - (step - self._cooling_from) / (self._cooldown() + 1))

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
            anchors=np.array([self._anchors_taken, self._anchors_due]),
            own_samples=np.array(self._material.own_samples),
            seen_to=np.array(self._draw.seen_to, dtype=np.str_),
            vector=np.array(self.vector),
            **(self._gauss_newton or self._optimizer).save(),  # type: ignore[arg-type]
        )
        return stream.getvalue()

    def _restore(self, data: bytes) -> None:
        with np.load(io.BytesIO(data), allow_pickle=False) as saved:
            self.step, cooling, self._checked_at = (int(value) for value in saved["step"])
            self._anchors_taken, self._anchors_due = (int(value) for value in saved["anchors"])
            self._cooling_from = None if cooling < 0 else cooling
            self.vector = mx.array(saved["vector"])
            self._draw.see_to(saved["seen_to"].tolist())
            (self._gauss_newton or self._optimizer).restore(dict(saved))


def _rates(moved: LoraModel | NullSpace, ratio: float) -> mx.array | None:
    """Learning rates of what is moved, as multiples of A's; None: B's is the same."""
    if ratio == 1:
        return None
    shapes = moved.shapes.items()
    parts = [mx.full(a * b, ratio if n.endswith("lora_b") else 1.0) for n, (a, b) in shapes]
    return mx.concatenate(parts)


def own_samples_of(state: bytes) -> int:
    """How many own samples a training held, by its saved state: one that goes on holds as many."""
    with np.load(io.BytesIO(state), allow_pickle=False) as saved:
        return int(saved["own_samples"])
