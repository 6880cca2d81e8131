"""Anchors as the evaluator measures them: encoded, cut to fit, each with its context."""

import math
from collections import Counter
from collections.abc import Collection, Iterator
from typing import Protocol

from radiance.anchors.sets import Anchor, AnchorSet, answer
from radiance.engine.model.encoding import EncodedExample, Encoder
from radiance.engine.tasks import Pieces
from radiance.evaluation.evaluator import ProbeText
from radiance.records import Example, questions
from radiance.training.base_answers import BaseAnswers
from radiance.training.self_samples import SELF_GENERATED
from radiance.training.synonyms import GROUPS

LEEWAY = math.log(2)
"""For texts that the base wrote itself: a token of its counts as kept down to half as likely as the
likeliest. A long answer passes places where two words are as good as equal to the base; which comes
first there says nothing of what it knows. SmolLM2 after five facts, 42 answers of 24 tokens, 0.004
nats a token worse: 43 % word for word, 98 % so, and 95 % of the tokens."""
_SAME = {"whom": "who", "whose": "who"}
_Words = dict[str, frozenset[str | int]]
_LEAST_OVERLAP = 0.5  # of the words that carry meaning, for two questions to be taken for one


class TextEncoder(Protocol):
    """Turns an anchor into sequences: the base's ``Encoder``, or its ``BaseAnswers``."""

    def windows(self, example: Example, most: int | None = None) -> list[EncodedExample]: ...


def accepted(anchors: AnchorSet, encoder: Encoder) -> AnchorSet:
    """The anchors that the base model's chat template takes; the others are named in the log."""
    taken = {example.id for example in encoder.taken(anchors.examples)}
    return anchors.where(lambda example: example.id in taken)


def measured_texts(
    answers: BaseAnswers,
    anchors: AnchorSet,
    most: int,
    learned: Collection[Example] = (),
    trained: Collection[tuple[int, ...]] = (),
) -> Pieces[list[ProbeText]]:
    """``judged_texts``; where the base answers anchors itself, it does so first where it has not.

    Then texts that it wrote and that nothing trains on are measured beside them: so the figures
    also say what became of what no anchor lists. Yields None between pieces, and AnswersWritten.

    Args:
        answers: Of the base.
        anchors: Without those that were superseded before.
        most: Size of the sample, and most anchors beside it.
        learned: The examples the candidate learned.
        trained: Tokens of the texts that its training held.
    """
    sample, challenged = _judged(anchors, learned, most)
    yield from answers.make([*sample.anchors, *challenged.anchors])
    texts = judged_texts(answers, anchors, learned, most)
    if anchors.prompts:
        samples = yield from answers.held_out_samples(anchors)
        texts += [ProbeText(s, SELF_GENERATED, LEEWAY) for s in samples if s.tokens not in trained]
    return texts


def anchor_texts(encoder: TextEncoder, anchors: AnchorSet, most: int) -> list[ProbeText]:
    """A sample of a set, at most ``most`` sequences, so that long texts cost no more than short.

    Every sampled anchor's first window comes before anybody's second.
    """
    sample = anchors.sample(most)
    windows = [
        (number, place, probe_text(window, anchor))
        for place, anchor in enumerate(sample.anchors)
        for number, window in enumerate(encoder.windows(anchor.example))
    ]
    chosen = sorted(windows, key=lambda found: found[:2])[:most]
    return [text for _, _, text in sorted(chosen, key=lambda found: (found[1], found[0]))]


def probe_text(window: EncodedExample, anchor: Anchor) -> ProbeText:
    """A sequence of an anchor as it is measured."""
    return ProbeText(window, anchor.context, LEEWAY if anchor.is_prompt else 0.0)


def judged_texts(
    encoder: TextEncoder, anchors: AnchorSet, learned: Collection[Example], most: int
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
    return [
        text
        for part in _judged(anchors, learned, most)
        for text in anchor_texts(encoder, part, most)
    ]


def _judged(
    anchors: AnchorSet, learned: Collection[Example], most: int
) -> tuple[AnchorSet, AnchorSet]:
    """The sample, and the anchors beside it that were challenged."""
    challenged = challenges(anchors, learned)
    others = {example.question_hash for example in anchors.examples} - challenged.keys()
    return anchors.without(challenged).sample(most), anchors.without(others).sample(most)


def challenges(anchors: AnchorSet, learned: Collection[Example]) -> dict[str, Example]:
    """What says otherwise than an anchor, in its words or in others, by its question's hash.

    Only what is measured depends on it: an anchor that was meant by nobody costs a little time.
    """
    near = {anchor.question_hash: example for anchor, _, example, _ in _near(anchors, learned)}
    return near | anchors.contradicted_by(learned)


def contradictions(anchors: AnchorSet, learned: Collection[Example]) -> dict[str, Example]:
    """Those of the challenges that are about what the anchor is about, not only asked like it.

    "What is the past tense of glorp?" is asked like many anchors and contradicts none. What an
    anchor is about is said by those of its words that the fewest anchors have.
    """
    counts = Counter(word for each in anchors.examples for word in _words(each))
    found = {}
    for anchor, words, example, others in _near(anchors, learned):
        fewest = min(counts[word] for word in words)
        if any(
            counts[word] == fewest and senses & other
            for word, senses in words.items()
            for other in others.values()
        ):
            found[anchor.question_hash] = example
    return found | anchors.contradicted_by(learned)


def _near(
    anchors: AnchorSet, learned: Collection[Example]
) -> Iterator[tuple[Example, _Words, Example, _Words]]:
    """Anchors with the examples that seem to ask their questions and answer them otherwise."""
    by_sense: dict[str | int, list[tuple[Example, _Words]]] = {}
    for example in learned:
        words = _words(example)
        for sense in frozenset[str | int]().union(*words.values()):
            by_sense.setdefault(sense, []).append((example, words))
    for anchor in anchors.examples:
        words = _words(anchor)
        for sense in frozenset[str | int]().union(*words.values()):
            for example, others in by_sense.get(sense, ()):
                if answer(example) != answer(anchor) and _is_near(words, others):
                    yield anchor, words, example, others


def _is_near(words: _Words, others: _Words) -> bool:
    """Whether two questions may be one: of all their words enough mean the same."""
    shared = sum(any(word & other for other in others.values()) for word in words.values())
    return shared >= _LEAST_OVERLAP * (len(words) + len(others) - shared)


def _words(example: Example) -> _Words:
    """The words of a question, each with itself and the groups of synonyms that it is in."""
    if not example.messages:
        return {}
    words = questions.sense(questions.normalise(example.messages[-2].content)).words
    plain = {_SAME.get(word, word) for word in words}
    return {word: frozenset({word, *GROUPS.get(word, ())}) for word in plain}
