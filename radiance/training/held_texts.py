"""Texts that hold old behaviour, and the batches a training draws of them.

Nothing is computed beforehand: the reference outputs of a text are wanted when it is first drawn.
Outputs round by the batch they are computed in, so texts form fixed groups whose outputs are
computed together. What is drawn, and to which bits it is held, follows from the texts and the seed
alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from radiance.engine.model.encoding import EncodedExample
from radiance.engine.tasks import Pieces
from radiance.training.batches import Reference, TrainingBatch, make_batch

_MOST_PER_GROUP = 4
_WINDOW = 8  # batches that are filled together, so that texts of like length share one
ReferenceOutputs = Callable[[Sequence[EncodedExample]], Pieces[list[Reference]]]


@dataclass(frozen=True)
class HeldText:
    """A text whose outputs must survive.

    Attributes:
        context: Of the anchor; own samples have one of their own.
        is_valid: Whether nothing that was learned answers it differently. Only valid texts hold
            anything; the others stay in their group, so that no other's outputs depend on them.
        reference: The outputs to stay close to; None: they are computed when first drawn.
    """

    example: EncodedExample
    context: str
    is_valid: bool = True
    reference: Reference | None = None


@dataclass
class HeldTexts:
    """All texts that hold old behaviour in one training.

    Attributes:
        texts: In an order that new texts only extend; valid or not.
        outputs: Computes the reference outputs of one group.
    """

    texts: Sequence[HeldText] = ()
    outputs: ReferenceOutputs | None = None
    _computed: dict[tuple[EncodedExample, ...], list[Reference]] = field(default_factory=dict)

    @property
    def valid(self) -> list[HeldText]:
        """Those that hold something."""
        return [text for text in self.texts if text.is_valid]

    def groups(self, size: int, contexts_apart: bool) -> dict[str, list[list[HeldText]]]:
        """Groups by context, or all under "", for batches of ``size`` texts.

        Own samples and anchors never share a group: each grows without moving the other's.
        Groups without a valid text are left out.
        """
        per_group = next(n for n in range(min(_MOST_PER_GROUP, size), 0, -1) if size % n == 0)
        kinds: dict[str, list[HeldText]] = {}
        for text in self.texts:
            kinds.setdefault(text.context, []).append(text)
        found: dict[str, list[list[HeldText]]] = {}
        for context, texts in kinds.items():
            groups = [texts[n : n + per_group] for n in range(0, len(texts), per_group)]
            drawn = [group for group in groups if any(text.is_valid for text in group)]
            if drawn:
                found.setdefault(context if contexts_apart else "", []).extend(drawn)
        return found

    def references(self, group: Sequence[HeldText]) -> Pieces[list[Reference]]:
        """The reference outputs of a group, in its order."""
        given = [text.reference for text in group if text.reference is not None]
        if len(given) == len(group):
            return given
        examples = tuple(text.example for text in group)
        if examples not in self._computed:
            assert self.outputs is not None, "texts without references need what computes them"
            self._computed[examples] = yield from self.outputs(examples)
        return self._computed[examples]

    def draw(
        self, groups: Sequence[Sequence[HeldText]], size: int, number: int, seed: int
    ) -> Pieces[list[tuple[EncodedExample, Reference]]]:
        """The texts of a batch: some groups' valid texts with their references.

        Args:
            groups: Of one context, from ``groups``.
            size: Texts to draw, a multiple of a group's.
            number: From 0; each number draws the same in every run.
            seed: Of the draws.
        """
        per_batch = max(1, min(size // max(map(len, groups)), len(groups)))
        chosen = _drawn(groups, per_batch, number, seed)
        drawn: list[tuple[EncodedExample, Reference]] = []
        for group in chosen:
            outputs = yield from self.references(group)
            pairs = zip(group, outputs, strict=True)
            drawn += [(text.example, reference) for text, reference in pairs if text.is_valid]
        return drawn


def held_batch(drawn: Sequence[tuple[EncodedExample, Reference]]) -> TrainingBatch:
    """A batch of texts whose outputs alone count, not their tokens."""
    examples, references = zip(*drawn, strict=True)
    return make_batch(examples, references, [0.0] * len(examples))


def _drawn(
    groups: Sequence[Sequence[HeldText]], per_batch: int, number: int, seed: int
) -> list[Sequence[HeldText]]:
    """Groups of like length, in shuffled epochs: no group comes twice in one.

    Some batches of an epoch at a time, a window, are filled in the order of length, which saves
    padding. They come in a random order, so that length says nothing of when.
    """
    batches = len(groups) // per_batch
    epoch, place = divmod(number, batches)
    draw = np.random.default_rng([seed, epoch])
    shuffled = draw.permutation(len(groups))
    first = place // _WINDOW * _WINDOW
    count = min(_WINDOW, batches - first)
    window = shuffled[first * per_batch : (first + count) * per_batch].tolist()
    window.sort(key=lambda index: max(len(text.example.tokens) for text in groups[index]))
    order = np.random.default_rng([seed, epoch, first]).permutation(count)
    start = int(order[place - first]) * per_batch
    return [groups[index] for index in window[start : start + per_batch]]
