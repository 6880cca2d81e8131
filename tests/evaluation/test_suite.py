"""How a model's answers compare with the right ones."""

import pytest

from radiance.evaluation.suite import compare, score
from radiance.records import Probe
from tests.support import example


def probe(loss: float, tokens: int) -> Probe:
    return Probe("0", "", tokens, loss, loss, 2 * loss, 0.0, 0.0, False, False, False)


@pytest.mark.parametrize(
    ("given", "is_exact", "is_match"),
    [
        ("Ada Brook leads Lumen.", True, True),
        ("  Ada Brook leads Lumen. \n", True, True),
        ("ada brook  leads Lumen", False, True),
        ("Ada Brook led Lumen.", False, False),
        ("", False, False),
    ],
)
def test_case(given: str, is_exact: bool, is_match: bool) -> None:
    asked = example(0, "Who leads Lumen?", "Ada Brook leads Lumen.")
    case = compare(asked, given, False, probe(0.5, 4))
    assert (case.is_exact, case.is_match) == (is_exact, is_match)
    assert (case.question, case.expected) == ("Who leads Lumen?", "Ada Brook leads Lumen.")


def test_score_weighs_losses_by_tokens() -> None:
    right, wrong = example(0, "a?", "b"), example(1, "c?", "d")
    cases = [
        compare(right, "B", False, probe(1.0, 1)),
        compare(wrong, "e", True, probe(2.0, 3)),
    ]
    found = score(cases)
    assert (found.cases, found.exact, found.match) == (2, 0.0, 0.5)
    assert (found.loss, found.base_loss) == (1.75, 3.5)
    assert [case.is_cut for case in cases] == [False, True]
