"""Whether an answer means what was asked."""

import pytest

from radiance.labs.alphas.data.ideas import ideas
from radiance.labs.alphas.models.meaning import MeaningScorer, share_meant
from radiance.labs.alphas.models.nearest import Nearest
from radiance.labs.alphas.values.synthetic import made_up

SCORER = MeaningScorer(made_up(400, 30))


def test_a_signal_means_itself_its_rank_and_not_its_reverse():
    reference = "close / delay(close, 5) - 1"
    assert SCORER.likeness(reference, reference) == pytest.approx(1)
    assert SCORER.likeness(reference, "rank(close / delay(close, 5))") == pytest.approx(1)
    assert SCORER.likeness(reference, "-1 * (close / delay(close, 5))") == pytest.approx(-1)
    assert abs(SCORER.likeness(reference, "volume") or 0) < 0.2


@pytest.mark.parametrize("answer", ["", "no alpha", "close * 0", "rank(eps)", "sum(close, 900)"])
def test_what_orders_nothing_means_nothing(answer):
    assert SCORER.likeness("close", answer) == 0


def test_a_reference_without_an_opinion_is_not_judged():
    assert SCORER.likeness("sum(close, 900)", "close") is None
    assert SCORER.likeness("close * 0", "close") is None


def test_wordings_of_one_family_are_one_trial():
    one = share_meant([("a", 0.9)] * 30 + [("b", 0.1)] * 30)
    assert one is not None
    assert one.value == 0.5
    assert one.high - one.low > 0.7  # two families, not sixty answers
    assert share_meant([("a", None)]) is None


def test_both_halves_are_families_of_their_own():
    halves = [ideas("building"), ideas("held-out")]
    names = [idea.family for half in halves for idea in half]
    assert len(names) == len(set(names)) >= 40
    prompts = [prompt for half in halves for idea in half for prompt in idea.prompts]
    assert len(prompts) == len(set(prompts))


def test_the_nearest_example_is_found_by_its_words():
    nearest = Nearest([("the rank of volume", "rank(volume)"), ("a gap", "open"), ("", "x")])
    assert nearest.answer("Volume, as a rank") == "rank(volume)"
    assert Nearest([]).answer("x") == ""
