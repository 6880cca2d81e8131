"""Anchors as the evaluator measures them: encoded, cut to fit, each with its context."""

from radiance.anchors.sets import AnchorSet
from radiance.engine.encoding import Encoder
from radiance.evaluation.evaluator import Text


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
