"""Anchors as the evaluator measures them: encoded, cut to fit, each with its context."""

from collections.abc import Collection

from radiance.anchors.sets import AnchorSet, answer
from radiance.engine.model.encoding import Encoder
from radiance.evaluation.evaluator import ProbeText
from radiance.records import Example, questions

_LEAST_OVERLAP = 0.5  # of the words that carry meaning, for two questions to be taken for one


def anchor_texts(encoder: Encoder, anchors: AnchorSet, most: int) -> list[ProbeText]:
    """A sample of a set, at most ``most`` sequences, so that long texts cost no more than short.

    Every sampled anchor's first window comes before anybody's second.
    """
    sample = anchors.sample(most)
    windows = [
        (number, place, ProbeText(window, anchor.context))
        for place, anchor in enumerate(sample.anchors)
        for number, window in enumerate(encoder.windows(anchor.example))
    ]
    chosen = sorted(windows, key=lambda found: found[:2])[:most]
    return [text for _, _, text in sorted(chosen, key=lambda found: (found[1], found[0]))]


def judged_texts(
    encoder: Encoder, anchors: AnchorSet, learned: Collection[Example], most: int
) -> list[ProbeText]:
    """What a candidate is judged on: a sample, and the anchors that it was taught to contradict.

    A sample takes one anchor in so many; an update that contradicts a few of them would mostly pass
    unseen.

    Args:
        encoder: Of the base model.
        anchors: Without those that were superseded before.
        learned: The examples the candidate learned.
        most: Size of the sample, and most anchors beside it.
    """
    challenged = anchors.contradicted_by(learned) | _contradicted_in_other_words(anchors, learned)
    others = {example.question_hash for example in anchors.examples} - challenged
    sample = anchor_texts(encoder, anchors.without(challenged), most)
    return sample + anchor_texts(encoder, anchors.without(others), most)


def _contradicted_in_other_words(anchors: AnchorSet, learned: Collection[Example]) -> set[str]:
    """Hashes of the questions that seem to be asked and to be answered otherwise.

    Only what is measured depends on it: an anchor that was meant by nobody costs a little time.
    """
    by_word: dict[str, list[tuple[frozenset[str], Example]]] = {}
    for example in learned:
        words = _question_words(example)
        for word in words:
            by_word.setdefault(word, []).append((words, example))
    return {
        anchor.question_hash
        for anchor in anchors.examples
        if any(
            len(words & other) >= _LEAST_OVERLAP * len(words | other)
            and answer(example) != answer(anchor)
            for words in (_question_words(anchor),)
            for word in words
            for other, example in by_word.get(word, ())
        )
    }


def _question_words(example: Example) -> frozenset[str]:
    if not example.messages:
        return frozenset()
    return questions.sense(questions.normalise(example.messages[-2].content)).words
