"""Anchors as the evaluator measures them: encoded, cut to fit, each with its context."""

from collections.abc import Collection

from radiance.anchors.sets import AnchorSet
from radiance.engine.encoding import Encoder
from radiance.evaluation.evaluator import Text
from radiance.records import Example


def anchor_texts(encoder: Encoder, anchors: AnchorSet, most: int) -> list[Text]:
    """A sample of a set, at most ``most`` sequences, so that long texts cost no more than short.

    Every sampled anchor's first window comes before anybody's second.
    """
    sample = anchors.sample(most)
    windows = [
        (number, place, Text(window, anchor.context))
        for place, anchor in enumerate(sample.anchors)
        for number, window in enumerate(encoder.windows(anchor.example))
    ]
    chosen = sorted(windows, key=lambda found: found[:2])[:most]
    return [text for _, _, text in sorted(chosen, key=lambda found: (found[1], found[0]))]


def judged_texts(
    encoder: Encoder, anchors: AnchorSet, learned: Collection[Example], most: int
) -> list[Text]:
    """What a candidate is judged on: a sample, and every anchor that it was taught to contradict.

    A sample takes one anchor in so many; an update that contradicts a few of them would mostly pass
    unseen.

    Args:
        encoder: Of the base model.
        anchors: Without those that were superseded before.
        learned: The examples the candidate learned.
        most: Size of the sample.
    """
    challenged = anchors.contradicted_by(learned)
    others = {example.question_hash for example in anchors.examples} - challenged
    sample = anchor_texts(encoder, anchors.without(challenged), most)
    return sample + anchor_texts(encoder, anchors.without(others), most)
