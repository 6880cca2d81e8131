"""The examples to learn, each with other wordings of it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from radiance.anchors.sets import AnchorSet
from radiance.engine.model.encoding import EncodedExample, Encoder
from radiance.engine.tasks import Pieces
from radiance.records import Example
from radiance.training import augmentation, rewording
from radiance.training.held_texts import HeldTexts
from radiance.training.self_samples import SELF_GENERATED

_MOST_SHORTER = 6


@dataclass(frozen=True)
class AugmentedExample:
    """An example to learn, and other wordings of it that take its place in a part of the rows."""

    example: EncodedExample
    wordings: tuple[EncodedExample, ...] = ()


def without_wordings(
    encoder: Encoder, examples: Sequence[Example]
) -> Pieces[list[AugmentedExample]]:
    """The examples as they are; each is a piece: ten thousand at once would hold up requests."""
    found: list[AugmentedExample] = []
    for example in examples:
        found.append(AugmentedExample(encoder.example(example)))
        yield None
    return found


def with_wordings(
    encoder: Encoder,
    examples: Sequence[Example],
    anchors: AnchorSet,
    held: HeldTexts,
    seed: int,
) -> Pieces[list[AugmentedExample]]:
    """The examples with questions in other words; each is a piece.

    Args:
        encoder: Of the base model.
        examples: What is learned.
        anchors: Their questions must not be among the other wordings.
        held: Of the own samples among it, what words are common is seen.
        seed: Of what is drawn.
    """
    asked = [augmentation.question(example) for example in examples]
    known = [augmentation.question(e) or e.text for e in anchors.examples]
    written = [
        encoder.user_words(text.example.tokens)
        for text in held.valid
        if text.context == SELF_GENERATED
    ]
    common = augmentation.common_words([*known, *written] or asked)
    rivals = [augmentation.words(question) for question in (*asked, *known) if question]
    found: list[AugmentedExample] = []
    for example in examples:
        wordings = _wordings(encoder, example, common, rivals, seed)
        found.append(AugmentedExample(encoder.example(example), wordings))
        yield None
    return found


def _wordings(
    encoder: Encoder,
    example: Example,
    common: Collection[str],
    rivals: Sequence[frozenset[str]],
    seed: int,
) -> tuple[EncodedExample, ...]:
    found = rewording.reworded(example, rivals)
    found += augmentation.shorter(example, common, rivals, _MOST_SHORTER, seed)
    return tuple(encoder.example(wording) for wording in found)
