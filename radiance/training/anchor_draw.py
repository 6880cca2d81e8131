"""Which steps measure anchors, which anchors, and what these say."""

from dataclasses import dataclass
from typing import cast

import mlx.core as mx
import numpy as np

from radiance import config
from radiance.config.derived import derived
from radiance.engine.tasks import Pieces
from radiance.training.gradient import GradientComputer
from radiance.training.held_texts import held_batch
from radiance.training.training_set import TrainingSet


@dataclass(frozen=True)
class Drawn:
    """What some anchors say.

    Attributes:
        divergence: How far they have moved from the reference, mean per token, in nats.
        gradient: Of that, (parameters,) float32.
        context: Theirs.
        tokens: In their batch.
        every: Steps until the next are drawn.
    """

    divergence: float
    gradient: mx.array
    context: str
    tokens: int
    every: int


class AnchorDraw:
    """Draws the anchors of steps, each context in its turn; the same for the same seed.

    Args:
        anchor: Settings with values in place of "auto".
        material: What is held.
        seed: Of the training.
        starts_there: Whether training starts at the reference, where nothing differs yet.
        rarer: So many times as rarely as the settings say.

    Attributes:
        contexts: By which anchors are told apart; one at least, also where there are no anchors.
    """

    def __init__(
        self,
        gradient_computer: GradientComputer,
        anchor: config.AnchorSettings,
        material: TrainingSet,
        seed: int,
        *,
        starts_there: bool,
        rarer: int = 1,
    ) -> None:
        self._gradient_computer, self._anchor, self._held = gradient_computer, anchor, material.held
        self._every, self._rarely_below = derived(anchor.every), derived(anchor.rarely_below)
        self._groups = (
            {}
            if anchor.method == "naive"
            else material.held.groups(anchor.batch_size, anchor.constraints == "contexts")
        )
        self.contexts = tuple(self._groups) or ("",)
        self._seed, self._rarer = seed + 2, rarer
        self._taken, self._due = 0, self._every if starts_there else 0

    def of_step(self, vector: mx.array, step: int) -> Pieces[Drawn | None]:
        """What this step's anchors say; None where it has none."""
        if not self._groups or step < self._due:
            return None
        number, contexts = self._taken, list(self._groups)
        context = contexts[number % len(contexts)]
        texts = yield from self._held.draw(
            self._groups[context], self._anchor.batch_size, number // len(contexts), self._seed
        )
        batch = held_batch(texts)
        away, gradient = yield from self._gradient_computer.gradient(vector, batch)
        count = batch.target_count
        divergence = cast(float, away.item()) / count
        every = self._every * self._rarer * (2 if divergence < self._rarely_below else 1)
        self._taken, self._due = number + 1, step + every
        return Drawn(divergence, gradient / count, context, batch.token_count, every)

    def save(self) -> np.ndarray:
        """All that a resumed training needs to draw the same."""
        return np.array([self._taken, self._due])

    def restore(self, saved: np.ndarray) -> None:
        """Take up what ``save`` gave."""
        self._taken, self._due = (int(value) for value in saved)
