"""Frozen signal models and the LoRA that adapts them, for all seeds and methods at once.

Arrays lead with (seeds, methods): a seed has its own frozen weights, a seed and method its own
adapter, one flat vector as in ``training/lora.py``. What methods share has 1 in their place and is
broadcast. Two models: the linear map of the proposal, and a small transformer over patches of a
day's inputs.
"""

from collections.abc import Callable, Mapping
from typing import Protocol, cast

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
import numpy as np

from radiance.labs.signals.market import Days


class Backbone(Protocol):
    """A frozen model of several seeds.

    Attributes:
        shapes: (in, out) of every adapted matrix, by name.
    """

    shapes: dict[str, tuple[int, int]]

    def __call__(self, inputs: mx.array, lora: "Lora | None" = None) -> mx.array:
        """The signal.

        Args:
            inputs: (seeds, 1 or methods, n, inputs) float32.
            lora: Adds to every adapted matrix; None: the frozen model alone.

        Returns:
            (seeds, methods, n, assets) float32.
        """
        ...


class Lora:
    """What adapters add to a backbone's matrices: ``open scale x A B``.

    Args:
        shapes: Of the backbone.
        vector: The adapters, (seeds, methods, parameters).
        rank: Columns of A.
        scale: alpha / r.
        opening: How far each adapter acts on each day, in [0, 1],
            (seeds, 1 or methods, n, 1); None: wholly.
    """

    def __init__(
        self,
        shapes: Mapping[str, tuple[int, int]],
        vector: mx.array,
        rank: int,
        scale: float,
        opening: mx.array | None = None,
    ) -> None:
        self._scale, self._opening = scale, opening
        self._pairs: dict[str, tuple[mx.array, mx.array]] = {}
        lead, start = vector.shape[:-1], 0
        for name, (d_in, d_out) in shapes.items():
            middle, end = start + d_in * rank, start + (d_in + d_out) * rank
            a = vector[..., start:middle].reshape(*lead, d_in, rank)
            b = vector[..., middle:end].reshape(*lead, rank, d_out)
            self._pairs[name], start = (a, b), end

    def delta(self, name: str, x: mx.array) -> mx.array:
        """What is added to the output of a matrix, whose input is x, (seeds, ., n [x k], d_in)."""
        a, b = self._pairs[name]
        added = self._scale * ((x @ a) @ b)
        if self._opening is None:
            return added
        opening, n = self._opening, self._opening.shape[-2]
        if added.shape[-2] != n:  # several tokens a day
            opening = mx.repeat(opening, added.shape[-2] // n, axis=-2)
        return opening * added


def lora_size(shapes: Mapping[str, tuple[int, int]], rank: int) -> int:
    """Number of parameters of one adapter."""
    return sum((d_in + d_out) * rank for d_in, d_out in shapes.values())


def fresh_lora(shapes: Mapping[str, tuple[int, int]], rank: int, seeds: list[int]) -> np.ndarray:
    """Adapters that add nothing, (seeds, parameters): A uniform in ±1/sqrt(d_in), B zero."""
    found = []
    for seed in seeds:
        draw = np.random.default_rng([seed, *b"lora"])
        parts = []
        for d_in, d_out in shapes.values():
            bound = d_in**-0.5
            parts += [draw.uniform(-bound, bound, d_in * rank), np.zeros(rank * d_out)]
        found.append(np.concatenate(parts))
    return np.stack(found).astype(np.float32)


class Linear:
    """The proposal's linear map, fitted in closed form.

    Args:
        history: What it is fitted on.
        ridge: Added to the diagonal, per day.
    """

    def __init__(self, history: Days, ridge: float = 1e-3) -> None:
        x = history.inputs.astype(np.float64)  # (seeds, days, inputs)
        gram = x.swapaxes(1, 2) @ x + ridge * x.shape[1] * np.eye(x.shape[2])
        weights = np.linalg.solve(gram, x.swapaxes(1, 2) @ history.labels)
        self._weight = mx.array(weights.astype(np.float32))[:, None]
        self.shapes = {"map": (x.shape[2], history.labels.shape[2])}

    def __call__(self, inputs: mx.array, lora: Lora | None = None) -> mx.array:
        out = inputs @ self._weight
        return out if lora is None else out + lora.delta("map", inputs)


_PATCH, _WIDTH, _HEADS, _LAYERS, _HIDDEN = 8, 16, 2, 2, 32
_FIT_BATCH, _FIT_RATE = 96, 5e-3


class Transformer:
    """Two pre-norm transformer blocks over patches of eight inputs; their mean gives the signal.

    Fitted with AdamW on the history, all seeds at once. Source of the patches: Nie et al., "A Time
    Series is Worth 64 Words" (2023), here over the inputs of one day instead of over time.

    Args:
        history: What it is fitted on.
        seeds: For initialisation and order.
        steps: Of AdamW.
        on_progress: After each step: steps done, steps in all.
    """

    def __init__(
        self,
        history: Days,
        seeds: list[int],
        steps: int,
        on_progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> None:
        self._inputs, assets = history.inputs.shape[2], history.labels.shape[2]
        self._patches = -(-self._inputs // _PATCH)
        self.shapes = {"embed": (_PATCH, _WIDTH)}
        for block in range(_LAYERS):
            self.shapes |= {f"{block}.{name}": (_WIDTH, _WIDTH) for name in "qkvo"}
            self.shapes |= {f"{block}.up": (_WIDTH, _HIDDEN), f"{block}.down": (_HIDDEN, _WIDTH)}
        self.shapes["head"] = (self._patches * _WIDTH, assets)
        self._weights = self._initial(seeds)
        self._fit(history, seeds, steps, on_progress)

    def __call__(self, inputs: mx.array, lora: Lora | None = None) -> mx.array:
        return self._forward(self._weights, inputs, lora)

    def _initial(self, seeds: list[int]) -> dict[str, mx.array]:
        draws = [np.random.default_rng([seed, *b"transformer"]) for seed in seeds]
        shapes = {**self.shapes, "place": (self._patches, _WIDTH)}
        found = {}
        for name, shape in shapes.items():
            drawn = np.stack([draw.standard_normal(shape) for draw in draws])
            found[name] = mx.array((drawn * shape[0] ** -0.5).astype(np.float32))[:, None]
        return found

    def _fit(
        self, history: Days, seeds: list[int], steps: int, on_progress: Callable[[int, int], None]
    ) -> None:
        draws = [np.random.default_rng([seed, *b"fit"]) for seed in seeds]
        rows, days = np.arange(len(seeds))[:, None], history.inputs.shape[1]
        # Every other day of a batch is one of stress: rare days, and the ones that must be right.
        stress = [np.flatnonzero(context >= 0) for context in history.context]

        def loss(weights: dict[str, mx.array], inputs: mx.array, labels: mx.array) -> mx.array:
            out = self._forward(weights, inputs, None)
            return mx.square(out - labels).mean(axis=(-1, -2)).sum()

        optimizer = optim.AdamW(learning_rate=_FIT_RATE, weight_decay=1e-4, bias_correction=True)
        gradient = mx.grad(loss)
        weights = self._weights
        for step in range(steps):
            optimizer.learning_rate = mx.array(_FIT_RATE * min(1.0, 3 * (1 - step / steps)))
            chosen = np.stack([draw.integers(days, size=_FIT_BATCH) for draw in draws])
            for row, (draw, rare) in enumerate(zip(draws, stress, strict=True)):
                if len(rare):
                    chosen[row, ::2] = draw.choice(rare, size=len(chosen[row, ::2]))
            inputs = mx.array(history.inputs[rows, chosen][:, None])
            found = gradient(weights, inputs, mx.array(history.labels[rows, chosen][:, None]))
            weights = cast(dict[str, mx.array], optimizer.apply_gradients(found, weights))
            mx.eval(weights, optimizer.state)
            on_progress(step + 1, steps)
        self._weights = weights

    def _forward(
        self, weights: Mapping[str, mx.array], inputs: mx.array, lora: Lora | None
    ) -> mx.array:
        lead, n = inputs.shape[:2], inputs.shape[2]
        padding = self._patches * _PATCH - self._inputs
        padded = mx.pad(inputs, [(0, 0), (0, 0), (0, 0), (0, padding)])
        patches = padded.reshape(*lead, n * self._patches, _PATCH)

        def matrix(name: str, x: mx.array) -> mx.array:
            out = x @ weights[name]
            return out if lora is None else out + lora.delta(name, x)

        x = matrix("embed", patches)
        place = mx.tile(weights["place"], (1, 1, n, 1))
        x = x + place
        for block in range(_LAYERS):
            x = x + matrix(f"{block}.o", self._attend(block, matrix, _norm(x), n))
            x = x + matrix(f"{block}.down", nn.gelu(matrix(f"{block}.up", _norm(x))))
        days = _norm(x).reshape(*x.shape[:2], n, self._patches * _WIDTH)
        return matrix("head", days)

    def _attend(
        self, block: int, matrix: Callable[[str, mx.array], mx.array], x: mx.array, n: int
    ) -> mx.array:
        def heads(name: str) -> mx.array:
            found = matrix(f"{block}.{name}", x)
            split = (*found.shape[:2], n, self._patches, _HEADS, _WIDTH // _HEADS)
            return found.reshape(split).swapaxes(3, 4)  # (., ., n, heads, patches, width)

        q, k, v = heads("q"), heads("k"), heads("v")
        scores = (q @ k.swapaxes(-1, -2)) * (_WIDTH // _HEADS) ** -0.5
        out = (mx.softmax(scores, axis=-1) @ v).swapaxes(3, 4)
        return out.reshape(*out.shape[:2], n * self._patches, _WIDTH)


def _norm(x: mx.array) -> mx.array:
    return x * mx.rsqrt(mx.square(x).mean(axis=-1, keepdims=True) + 1e-5)
