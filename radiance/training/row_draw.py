"""Which rows a step learns from: new examples, replayed ones, in their own or in other words."""

from collections.abc import Iterable, Sequence

import numpy as np

from radiance import config
from radiance.engine.model.encoding import EncodedExample
from radiance.training.batches import TrainingBatch, make_batch, pick
from radiance.training.beginnings import common_beginning
from radiance.training.training_set import TrainingSet
from radiance.training.wordings import AugmentedExample

_LEAST_SPARED = 0.25  # of the tokens: a second pass costs as much as some


class RowDraw:
    """Draws the rows of each step; they follow from the seed and the step's number alone.

    Args:
        settings: Of the training.
        anchor: For the weight of what the parent gave of replayed examples.
        material: What is learned from.
        wordings: Rows in other words that each new example has beside its own, told apart; 0: it
            has one row, in its own or in other words.
    """

    def __init__(
        self,
        settings: config.TrainingSettings,
        anchor: config.AnchorSettings,
        material: TrainingSet,
        wordings: int,
    ) -> None:
        self._settings, self._anchor = settings, anchor
        self._material, self._wordings = material, wordings
        self._seen_to: tuple[str, ...] = ()

    @property
    def seen_to(self) -> tuple[str, ...]:
        """Ids of the earlier examples that come first in rows told apart."""
        return self._seen_to

    def see_to(self, examples: Iterable[EncodedExample | str]) -> None:
        """Put some earlier examples, or those of some ids, first: they are no longer known."""
        self._seen_to = tuple(e if isinstance(e, str) else e.example_id for e in examples)

    def batches(self, number: int) -> list[TrainingBatch]:
        """A micro-batch: new and replayed examples, a part of both in other words.

        The two are batches of their own where that spares tokens: a task's inputs have their
        instruction in common with each other, and not with earlier examples.
        """
        settings, material = self._settings, self._material
        draw = np.random.default_rng([settings.seed, number])
        size = min(settings.batch_size, len(material.new))
        places = pick(len(material.new), size, number, settings.seed)
        chosen = [self._worded(material.new[place], draw) for place in places]
        replayed = self.replayed
        if not replayed:
            return [make_batch(chosen)]
        places = pick(len(material.replay), replayed, number, settings.seed + 1)
        if not material.replay_outputs:
            earlier = [self._worded(material.replay[place], draw) for place in places]
            if _are_shorter_apart(chosen, earlier):
                return [make_batch(chosen), make_batch(earlier)]
            return [make_batch(chosen + earlier)]
        references = [None] * size + [material.replay_outputs[place] for place in places]
        examples = chosen + [material.replay[place].example for place in places]
        return [make_batch(examples, references, reference_weight=self._anchor.replay_logits)]

    def rows_apart(self, number: int) -> tuple[list[EncodedExample], list[int]]:
        """The rows of a step that are told apart, and which of them are new ones as taught.

        Each new example stands in its taught words and in other ones, or, where there is one row
        for it, in either. Of the earlier ones those
        that the last check found no longer known stand as they were taught, the others in any.
        """
        settings, material = self._settings, self._material
        draw = np.random.default_rng([settings.seed, number])
        size = min(settings.batch_size, len(material.new))
        forgotten = set(self._seen_to)
        chosen: list[EncodedExample] = []
        taught: list[int] = []
        for place in pick(len(material.new), size, number, settings.seed):
            lesson = material.new[place]
            taught.append(len(chosen))
            if not self._wordings:
                chosen.append(self._worded(lesson, draw))
                continue
            count = min(self._wordings, len(lesson.wordings))
            others = draw.permutation(len(lesson.wordings))[:count]
            chosen += [lesson.example, *(lesson.wordings[other] for other in others)]
        replayed = self.replayed
        if replayed:
            places = pick(len(material.replay), replayed, number, settings.seed + 1)
            first = [lesson for lesson in material.replay if lesson.example.example_id in forgotten]
            first = first[: 2 * replayed]
            others = [material.replay[place] for place in places][len(first) :]
            chosen += [lesson.example for lesson in first]
            chosen += [self._worded(lesson, draw) for lesson in others]
        return chosen, taught

    @property
    def replayed(self) -> int:
        """Replayed examples of a batch."""
        settings = self._settings
        return min(len(self._material.replay), round(settings.batch_size * settings.replay_ratio))

    def _worded(self, lesson: AugmentedExample, draw: np.random.Generator) -> EncodedExample:
        """The example, or one of its wordings; how many numbers are drawn depends on neither."""
        chance, place = draw.random(), draw.random()
        if not lesson.wordings or chance >= self._settings.reworded_ratio:
            return lesson.example
        return lesson.wordings[int(place * len(lesson.wordings))]


def _are_shorter_apart(new: Sequence[EncodedExample], earlier: Sequence[EncodedExample]) -> bool:
    """Whether much less is computed of two batches, each with its common beginning once."""
    together = _spared([*new, *earlier])
    spared = _spared(new) + _spared(earlier) - together
    total = sum(len(example.tokens) for example in (*new, *earlier))
    return spared >= _LEAST_SPARED * (total - together)


def _spared(examples: Sequence[EncodedExample]) -> int:
    """Tokens that are not computed, for every row begins with them."""
    texts = [example.tokens for example in examples]
    return len(common_beginning(texts, min(map(len, texts)) - 1)) * (len(texts) - 1)
