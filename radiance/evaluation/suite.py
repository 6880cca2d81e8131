"""A user's own questions with the right answers, and how a model's answers compare. Pure."""

from collections.abc import Sequence

import msgspec

from radiance.anchors.sets import answer
from radiance.records import Example, Probe, questions


class Case(msgspec.Struct, frozen=True):
    """One question of a suite.

    Attributes:
        expected: The right answer.
        answer: The model's greedy one.
        is_cut: Whether it was cut off at the most tokens.
        is_exact: Whether it is the right one, but for outer space.
        is_match: Whether it is but for letter case, space and punctuation as well.
        loss: Mean cross-entropy of the right answer, in nats per token.
        base_loss: Under the base.
        tokens: Of the right answer.
    """

    question: str
    expected: str
    answer: str
    is_cut: bool
    is_exact: bool
    is_match: bool
    loss: float
    base_loss: float
    tokens: int


class SuiteScore(msgspec.Struct, frozen=True):
    """A suite as a whole: shares in [0, 1], losses in nats per token."""

    cases: int
    exact: float
    match: float
    loss: float
    base_loss: float


def compare(example: Example, given: str, is_cut: bool, probe: Probe) -> Case:
    """One case from the model's answer and the probe of the right one."""
    expected = answer(example)
    return Case(
        question="\n".join(message.content for message in example.messages[:-1]),
        expected=expected,
        answer=given,
        is_cut=is_cut,
        is_exact=given.strip() == expected.strip(),
        is_match=questions.normalise(given) == questions.normalise(expected),
        loss=probe.loss,
        base_loss=probe.base_loss,
        tokens=probe.tokens,
    )


def score(cases: Sequence[Case]) -> SuiteScore:
    """The suite's score; there is at least one case."""
    tokens = sum(case.tokens for case in cases)
    return SuiteScore(
        cases=len(cases),
        exact=sum(case.is_exact for case in cases) / len(cases),
        match=sum(case.is_match for case in cases) / len(cases),
        loss=sum(case.loss * case.tokens for case in cases) / tokens,
        base_loss=sum(case.base_loss * case.tokens for case in cases) / tokens,
    )
