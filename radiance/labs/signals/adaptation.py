"""Adapts every seed under every method in one batched computation.

The step is that of ``training/objective.py`` mapped over (seed, method) pairs: its clipping and
AdamW, its memory of the anchors' gradients, its dual ascent on the weight, and the projections of
``training/projection.py``. What is here is the bookkeeping of which pair uses what. Each seed draws
its batches from a generator of its own and shares them among its methods, so that methods are
compared on the same days in the same order, and a pair's result does not depend on the others.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import mlx.core as mx
import numpy as np

from radiance import config
from radiance.config.derived import derived
from radiance.errors import Diverged
from radiance.labs.signals.backbone import Backbone, Lora, lora_size
from radiance.labs.signals.methods import Method
from radiance.training import optimizer
from radiance.training.projection import project, project_all

ANCHORS_PER_STEP = 24


@dataclass(frozen=True)
class Material:
    """What is learned and what is held, by seed.

    Attributes:
        inputs: Of the adaptation days, (seeds, days, inputs) float32.
        labels: What is to be learned of them, (seeds, days, assets) float32.
        opening: How far a routed adapter acts on them, (seeds, days) float32.
        anchors: Inputs of the anchors, (seeds, anchors, inputs) float32.
        outputs: The deployed checkpoint's cached outputs there, (seeds, anchors, assets) float32.
        contexts: Of each anchor, the same in every seed, (anchors,).
        anchor_opening: How far a routed adapter acts on the anchors, (seeds, anchors) float32.
    """

    inputs: np.ndarray
    labels: np.ndarray
    opening: np.ndarray
    anchors: np.ndarray
    outputs: np.ndarray
    contexts: np.ndarray
    anchor_opening: np.ndarray


@dataclass(frozen=True)
class Adapted:
    """The result, each array (seeds, methods, ...).

    Attributes:
        vectors: The adapters, (seeds, methods, parameters) float32.
        interference: Share of the steps whose new gradient conflicts with the anchors'.
        distortion: Mean of 1 - cosine between what is projected, before and after: the gradient or
            the step, as the method has it.
        projected: Mean share of the step's length that projection took out.
        weight: Of the anchor term at the end.
    """

    vectors: np.ndarray
    interference: np.ndarray
    distortion: np.ndarray
    projected: np.ndarray
    weight: np.ndarray


def adapt(
    backbone: Backbone,
    material: Material,
    methods: Sequence[Method],
    training: config.TrainingSettings,
    start: np.ndarray,
    seeds: Sequence[int],
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Adapted:
    """Train.

    Args:
        backbone: The frozen models.
        material: What is learned and held.
        methods: Of the second axis.
        training: Steps, batch, LoRA and AdamW.
        start: The adapters to start from, (seeds, parameters) or, where methods start apart,
            (seeds, methods, parameters) float32.
        seeds: Of each row, for the order of its days.
        on_progress: After each step: steps done, steps in all; what it raises ends the training.

    Raises:
        Diverged: A parameter is not finite.
    """
    steps = _Steps(backbone, material, methods, training, start, seeds)
    count = derived(training.max_steps)
    for number in range(1, count + 1):
        steps.take(number)
        on_progress(number, count)
    return steps.result()


class _Steps:
    def __init__(
        self,
        backbone: Backbone,
        material: Material,
        methods: Sequence[Method],
        training: config.TrainingSettings,
        start: np.ndarray,
        seeds: Sequence[int],
    ) -> None:
        self._backbone, self._material, self._training = backbone, material, training
        self._anchors = [m.anchor or config.AnchorSettings(method="naive") for m in methods]
        self._kinds = list(dict.fromkeys(material.contexts.tolist()))
        self._pick = _Days(seeds, material, self._kinds, training.batch_size)

        def where(test: Callable[[config.AnchorSettings], bool]) -> np.ndarray:
            return np.array([test(anchor) for anchor in self._anchors])

        self._is_trained = np.array([m.anchor is not None for m in methods])
        self._is_routed = np.array([m.is_routed for m in methods])
        self._holds = where(lambda a: a.method != "naive")
        self._separate = self._holds & where(lambda a: a.constraints == "contexts")
        projects = where(lambda a: a.method == "anchor+projection")
        after = where(lambda a: a.project == "update")
        self._on_gradient = projects & ~after
        self._on_update = projects & after & ~self._separate
        self._on_contexts = np.flatnonzero(projects & after & self._separate)

        shape = (len(seeds), len(methods))
        self._weight = np.array([[a.weight for a in self._anchors]] * len(seeds))
        self._average = np.full(shape, math.nan)
        if start.ndim == 2:
            start = np.repeat(start[:, None], len(methods), axis=1)
        self._vector = mx.array(start)
        self._mean, self._square = mx.zeros_like(self._vector), mx.zeros_like(self._vector)
        size = lora_size(backbone.shapes, derived(training.r))
        self._constraints = mx.zeros((*shape, len(self._kinds), size))
        self._bent = mx.zeros((*shape, 3))  # what projection did to the gradients it acts on
        self._conflicts, self._projected, self._distortion = (np.zeros(shape) for _ in range(3))

        self._gradient = mx.value_and_grad(self._loss)
        self._advance = _over_pairs(optimizer.advance, (0, 0, 0, 0, None))
        self._beyond_rounding = _over_pairs(optimizer.beyond_rounding, (0, 0))
        self._cosine = _over_pairs(optimizer.cosine, (0, 0))
        self._compare = _over_pairs(optimizer.compare, (0, 0))
        self._remember = _over_pairs(optimizer.remember, (0, 0))
        self._project = _over_pairs(project, (0, 0))

    def take(self, number: int) -> None:
        """One step of every pair; ``number`` counts from 1."""
        training = self._training
        days, mixed, own, kind = self._pick(number)
        (_, _), gradient = self._at(self._material.inputs, self._material.labels, days)
        gradient = self._with_anchors(gradient, mixed, own, kind)
        correction = (1 - optimizer.BETA1**number, 1 - optimizer.BETA2**number)
        scalars = (self._rate(number), training.max_grad_norm, training.weight_decay, *correction)
        step, self._mean, self._square, _ = self._advance(
            self._vector, gradient, self._mean, self._square, mx.array(scalars)
        )
        applied = step
        if self._on_update.any():
            harmless = self._project(step, self._constraints[:, :, 0])
            applied = _choose(self._on_update, harmless, applied)
        if len(self._on_contexts):
            pairs = mx.array(self._on_contexts)
            harmless = project_all(step[:, pairs], self._constraints[:, pairs])
            columns = [applied[:, place] for place in range(applied.shape[1])]
            for place, column in zip(self._on_contexts, range(harmless.shape[1]), strict=True):
                columns[place] = harmless[:, column]
            applied = mx.stack(columns, axis=1)
        products = _choose(self._on_gradient, self._bent, self._compare(step, applied))
        self._vector = self._vector - _choose(self._is_trained, applied, mx.zeros_like(applied))
        mx.eval(self._vector, self._mean, self._square, self._constraints, products)
        shapes = np.array(products, dtype=np.float64).reshape(-1, 3).tolist()
        found = np.array([optimizer.shape_of(*shape) for shape in shapes])
        self._projected += found[:, 0].reshape(self._projected.shape)
        self._distortion += found[:, 1].reshape(self._distortion.shape)

    def result(self) -> Adapted:
        vectors = np.array(self._vector)
        if not np.isfinite(vectors).all():
            lr = derived(self._training.lr)
            raise Diverged(f"an adapter is not finite. Lower adaptation.lr (is {lr:g}).")
        count = derived(self._training.max_steps)
        trained, holds = self._is_trained, self._holds
        return Adapted(
            vectors,
            interference=np.where(trained, self._conflicts / count, 0.0),
            distortion=np.where(trained, self._distortion / count, 0.0),
            projected=np.where(trained, self._projected / count, 0.0),
            weight=np.where(holds, self._weight, 0.0),
        )

    def _loss(
        self, vector: mx.array, inputs: mx.array, wanted: mx.array, opening: mx.array
    ) -> tuple[mx.array, mx.array]:
        """The mean squared error of each pair; their sum's gradient is each pair's own."""
        training = self._training
        scale = derived(training.alpha) / derived(training.r)
        lora = Lora(self._backbone.shapes, vector, derived(training.r), scale, opening)
        errors = mx.square(self._backbone(inputs, lora) - wanted).mean(axis=(-1, -2))
        return errors.sum(), errors

    def _at(self, inputs: np.ndarray, wanted: np.ndarray, days: np.ndarray) -> Any:
        """Losses and gradients on days that all methods share, (seeds, n)."""
        rows = np.arange(len(days))[:, None]
        opening = np.where(
            self._is_routed[None, :, None], self._material.opening[rows, days][:, None], 1.0
        )
        return self._gradient(
            self._vector,
            mx.array(inputs[rows, days][:, None]),
            mx.array(wanted[rows, days][:, None]),
            mx.array(opening[..., None].astype(np.float32)),
        )

    def _with_anchors(
        self, gradient: mx.array, mixed: np.ndarray, own: np.ndarray, kind: int
    ) -> mx.array:
        """The gradient combined with that of this step's anchors, as ``Optimizer.combine`` does.

        Args:
            gradient: Of the new days, (seeds, methods, parameters).
            mixed: Anchors of all contexts, (seeds, n).
            own: Of one context, (seeds, n): for the pairs that keep contexts apart.
            kind: The place of that context.
        """
        material, separate = self._material, self._separate
        places = np.where(separate[None, :, None], own[:, None], mixed[:, None])
        rows = np.arange(len(places))[:, None, None]
        opening = np.where(
            self._is_routed[None, :, None], material.anchor_opening[rows, places], 1.0
        )
        (_, divergence), held = self._gradient(
            self._vector,
            mx.array(material.anchors[rows, places]),
            mx.array(material.outputs[rows, places]),
            mx.array(opening[..., None].astype(np.float32)),
        )
        held = self._beyond_rounding(held, gradient)
        cosines = self._cosine(gradient, held)
        mx.eval(cosines, divergence, held)
        self._conflicts += np.array(cosines) < 0
        self._remember_anchors(held, np.where(separate, kind, 0))
        self._steer(np.array(divergence, dtype=np.float64))
        if self._on_gradient.any():
            harmless = self._project(gradient, self._constraints[:, :, 0])
            self._bent = self._compare(gradient, harmless)
            gradient = _choose(self._on_gradient, harmless, gradient)
        weight = np.where(self._holds, self._weight, 0.0).astype(np.float32)
        return gradient + mx.array(weight)[..., None] * held

    def _remember_anchors(self, held: mx.array, rows: np.ndarray) -> None:
        """Average each pair's anchor gradient into one row of its constraints."""
        is_row = mx.array(np.arange(len(self._kinds))[None] == rows[:, None])[None, :, :, None]
        old = mx.where(is_row, self._constraints, 0.0).sum(axis=2)
        self._constraints = mx.where(
            is_row, self._remember(old, held)[:, :, None], self._constraints
        )

    def _steer(self, divergence: np.ndarray) -> None:
        for method, anchor in enumerate(self._anchors):
            for seed in range(len(divergence)) if anchor.budget else ():
                self._weight[seed, method], self._average[seed, method] = optimizer.steer(
                    self._weight[seed, method],
                    self._average[seed, method],
                    divergence[seed, method],
                    anchor.budget,
                    anchor.weight,
                )

    def _rate(self, number: int) -> float:
        training = self._training
        rising = number / max(1, training.warmup_steps)
        falling = (derived(training.max_steps) - number + 1) / max(1, training.cooldown_steps)
        return derived(training.lr) * min(1.0, rising, falling)


class _Days:
    """Which days and anchors a step is taken on, by seed."""

    def __init__(
        self, seeds: Sequence[int], material: Material, kinds: list[int], size: int
    ) -> None:
        self._draws = [np.random.default_rng([seed, *b"order"]) for seed in seeds]
        self._left: list[np.ndarray] = [np.empty(0, dtype=np.int64) for _ in seeds]
        self._day_count = material.inputs.shape[1]
        self._places = [np.flatnonzero(material.contexts == kind) for kind in kinds]
        self._anchor_count = len(material.contexts)
        self._size = size

    def __call__(self, number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
        kind = (number - 1) % len(self._places)
        days, mixed, own = [], [], []
        for row, draw in enumerate(self._draws):
            while len(self._left[row]) < self._size:
                more = draw.permutation(self._day_count)
                self._left[row] = np.concatenate([self._left[row], more])
            days.append(self._left[row][: self._size])
            self._left[row] = self._left[row][self._size :]
            mixed.append(np.resize(draw.permutation(self._anchor_count), ANCHORS_PER_STEP))
            own.append(np.resize(draw.permutation(self._places[kind]), ANCHORS_PER_STEP))
        return np.stack(days), np.stack(mixed), np.stack(own), kind


def _over_pairs(function: Callable[..., Any], axes: tuple[int | None, ...]) -> Callable[..., Any]:
    """A function of one training's vectors, for (seeds, methods) of them."""
    return mx.vmap(mx.vmap(function, axes), axes)


def _choose(methods: np.ndarray, yes: mx.array, no: mx.array) -> mx.array:
    return mx.where(mx.array(methods)[None, :, None], yes, no)
