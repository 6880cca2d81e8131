"""The shortest step that takes every row's loss down: Gauss-Newton steps, as held texts feel them.

Each row i of a batch has a loss L_i and a gradient g_i by B. Of all steps that would, to first
order, take L_i down by a target t_i each, this takes the one that held texts feel the least
(``held_metric``, M): ``M^-1 G^T (G M^-1 G^T + damping)^-1 t``, a system as small as the batch.
That is a Gauss-Newton step for the rows' losses (Levenberg, 1944), in the metric of a natural
gradient (Amari, 1998) of what must not change rather than of what is learned. AdamW moves every
number about equally far, which the same rows need four times the steps for.

Anchors are a row like others: where their divergence was measured it is to go down, and between
two measurements a step must not move along its average gradient, which is gradient projection
(Lopez-Paz & Ranzato, 2017).
"""

import math
from collections.abc import Mapping

import mlx.core as mx
import numpy as np

from radiance.engine.model.cores import on_core
from radiance.training.held_metric import HeldMetric
from radiance.training.lora import LoraModel
from radiance.training.optimizer import MEMORY, StepReport, shape_of, to_degrees
from radiance.training.row_gradients import Places

Leaves = dict[str, mx.array]

MOST_EXAMPLES = 32
"""New examples that "auto" learns this way: the system of each step is as large as its batch."""
WORDINGS = 2
"""Rows in other words that each new example has in a step, beside its own."""
_DAMPING = 0.05  # of each row's own curvature: rows alike would make it singular
_MOST = 3.0  # nats a token: further the first order does not tell
_LEAST_SHARE = 0.125
_TINY = 1e-30
_SAVED = "anchors of "  # before a context's name


class GaussNewton:
    """The steps of one training.

    Args:
        lora: Whose vectors these are.
        metric: What held texts feel, and which rows of B may move.
        projects: Whether steps in between go around the anchors' average gradient.
        known: Loss below which rows are known, in nats: from then on no step takes the anchors'
            divergence down, which would go further than what is left to learn.
    """

    def __init__(
        self, lora: LoraModel, metric: HeldMetric, *, projects: bool, known: float = 0.0
    ) -> None:
        self._lora, self._metric, self._projects, self._known = lora, metric, projects, known
        self._rows: Leaves = {}
        self._anchors: dict[str, Leaves] = {}  # by context
        self._measured: tuple[str, float] | None = None
        self._gram: np.ndarray | None = None
        self._share, self._last = 1.0, math.inf

    @property
    def columns(self) -> Mapping[str, Places]:
        """By each adapted layer's path the rows of B that a step moves."""
        return self._metric.columns

    def take_anchors(self, gradient: mx.array, divergence: float, context: str) -> None:
        """Take what the anchors of a context say, before the rows of the step.

        Args:
            gradient: Of their mean divergence, (parameters,) float32.
            divergence: In nats per token.
            context: Its name.
        """
        leaves = self._lora.unflatten(gradient)
        new = {}
        for name, root in self._metric.roots.items():
            new[name] = root @ leaves[name][self.columns[name.removesuffix(".lora_b")]]
        old = self._anchors.get(context)
        if old is not None:
            new = {name: MEMORY * old[name] + (1 - MEMORY) * part for name, part in new.items()}
        mx.eval(new)
        self._anchors[context] = new
        self._measured = context, divergence

    def take(self, found: Mapping[str, mx.array]) -> None:
        """Take some layers' gradients by B for each row, (rows, columns, d_out) float32.

        They are kept in half the bytes; their products are computed before.
        """
        contexts, kept, products = self._contexts(), {}, []
        cores = 2 if mx.default_device() == mx.cpu else 1
        for number, (name, gradient) in enumerate(found.items()):
            with on_core(number % cores):
                whitened = self._metric.roots[name] @ gradient
                flat = whitened.reshape(len(whitened), -1)
                held = [self._anchors[context][name].reshape(1, -1) for context in contexts]
                whole = mx.concatenate([flat, *held]) if held else flat
                kept[name] = whitened.astype(mx.bfloat16)
                products.append(whole @ whole.T)
        mx.eval(kept, products)
        for product in products:
            of_layer = np.array(product, dtype=np.float64)
            self._gram = of_layer if self._gram is None else self._gram + of_layer
        self._rows |= kept

    def step(self, vector: mx.array, losses: np.ndarray) -> tuple[mx.array, float, StepReport]:
        """Take a step from the rows and anchors taken since the last one.

        Args:
            vector: The adapter, (parameters,) float32.
            losses: Of each row, (rows,) float64, in nats per token.

        Returns:
            The new vector, evaluated; the share of their losses that rows are to lose by it; and
            what the step was made of.
        """
        mean = float(losses.mean())
        if mean > self._last:  # it went too far
            self._share = max(_LEAST_SHARE, self._share / 2)
        else:
            self._share = min(1.0, self._share * 2)
        self._last = mean
        count, gram = len(losses), self._gram
        assert gram is not None
        targets = [self._down(context, mean) for context in self._contexts()]
        wanted = np.append(np.minimum(self._share * losses, _MOST), targets)
        weights = _solved(gram, wanted)
        none = np.zeros(len(targets))
        alone = np.append(_solved(gram[:count, :count], wanted[:count]), none)
        around = _solved(gram, np.append(wanted[:count], none))
        report = _report(gram, alone, around, count)
        vector = self._moved(vector, weights)
        self._rows, self._gram, self._measured = {}, None, None
        return vector, self._share, report

    def _contexts(self) -> list[str]:
        """Those whose anchors are a row of this step."""
        measured = [] if self._measured is None else [self._measured[0]]
        return sorted(self._anchors) if self._projects else measured

    def _down(self, context: str, mean: float) -> float:
        """By how much a context's divergence is to go down, where rows have so much to lose."""
        if self._measured is None or self._measured[0] != context or mean < self._known:
            return 0.0
        return self._share * self._measured[1]

    def _moved(self, vector: mx.array, weights: np.ndarray) -> mx.array:
        leaves, of = self._lora.unflatten(vector), mx.array(weights.astype(np.float32))
        for name, root in self._metric.roots.items():
            rows = self._rows[name].astype(mx.float32)
            step = mx.tensordot(of[: len(rows)], rows, axes=1)
            for number, context in enumerate(self._contexts()):
                step = step + of[len(rows) + number] * self._anchors[context][name]
            places, leaf = self.columns[name.removesuffix(".lora_b")], leaves[name]
            leaf[places] = leaf[places] - root @ step
            mx.eval(leaf)
            leaves[name] = leaf
        moved = self._lora.flatten(leaves)
        mx.eval(moved)
        return moved

    def save(self) -> dict[str, np.ndarray]:
        """All that a resumed training needs to go on bit for bit."""
        found = {"steering": np.array([self._share, self._last])}
        for context, leaves in self._anchors.items():
            parts = [leaves[name].reshape(-1) for name in self._metric.roots]
            found[_SAVED + context] = np.array(mx.concatenate(parts))
        return found

    def restore(self, saved: Mapping[str, np.ndarray]) -> None:
        """Take up what ``save`` gave.

        Raises:
            ValueError: It is of another optimizer, or of other rows of B.
        """
        self._share, self._last = (float(value) for value in saved["steering"])
        for key, row in saved.items():
            if key.startswith(_SAVED):
                self._anchors[key.removeprefix(_SAVED)] = self._by_layer(row)

    def _by_layer(self, row: np.ndarray) -> Leaves:
        found, place = {}, 0
        for name, root in self._metric.roots.items():
            size = len(root) * self._lora.shapes[name][1]
            found[name] = mx.array(row[place : place + size].reshape(len(root), -1))
            place += size
        return found


def _solved(gram: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Each row's share of the step; damped by what each is alone, whatever its scale."""
    scale = np.sqrt(np.maximum(np.diag(gram), _TINY))
    system = gram / np.outer(scale, scale) + _DAMPING * np.eye(len(gram))
    return np.linalg.solve(system, wanted / scale) / scale


def _report(gram: np.ndarray, alone: np.ndarray, around: np.ndarray, count: int) -> StepReport:
    """What a step was made of, in the metric.

    Args:
        gram: Products of all rows, anchors last.
        alone: Each row's share of the step that anchors would have no part in.
        around: Of the one that goes around them.
        count: Rows without the anchors.
    """
    before, after, both = (
        float(a @ gram @ b) for a, b in ((alone, alone), (around, around), (alone, around))
    )
    projected, distortion = shape_of(before, after, both)
    angle = None
    if len(gram) > count:
        length = math.sqrt(max(before * float(gram[-1, -1]), _TINY))
        angle = to_degrees(float(alone @ gram[:, -1]) / length)
    norm = math.sqrt(max(float(gram[:count, :count].sum()), 0.0)) / count
    return StepReport(norm, angle, projected, distortion, 1.0)
