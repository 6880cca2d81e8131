"""What bench.real counts: FLOPs, and right answers."""

import pytest

from bench.harness import Bench
from bench.models import Model
from bench.real import _asked_at_the_end, judge
from bench.story import Story
from bench.streams import make_stream, untaught, value_of
from bench.utilisation import Shapes


def test_flops_are_those_of_the_products() -> None:
    shapes = Shapes({(4, 8): 2, (8, 4): 1}, 1, 4, 100, 1, (2, 1), 2)
    weights = 2 * 32 + 32
    assert shapes.step_flops(rows=3, width=5, targets=6) == {
        "linear layers": 4 * 15 * weights,
        "adapter": 6 * 15 * 1 * (3 * 12),
        "attention": 3 * 4 * 3 * 15 * 4,
        "output head": 4 * 6 * 4 * 100,
    }
    assert shapes.decode_flops(rows=2, context=7) == {
        "linear layers": 2 * 2 * weights,
        "attention": 4 * 2 * 7 * 4,
        "output head": 2 * 2 * 4 * 100,
    }


def test_a_value_is_what_was_made_up_for_an_answer() -> None:
    for update in make_stream(3):
        for fact in update.facts:
            value = value_of(fact)
            assert value
            assert value in fact.answer
            assert value not in fact.question
    known = {fact.question for update in make_stream(3) for fact in update.facts}
    assert known.isdisjoint(untaught(3, 40))
    assert len(set(untaught(3, 40))) == 40


@pytest.fixture
def bench(tmp_path) -> Bench:
    return Bench("real", "tiny", tmp_path, model=Model("another"))


def test_the_story_corrects_what_it_taught() -> None:
    story = Story(8, 5)
    assert [len(update) for update in story.updates] == [5, 8, 8, 8, 8]
    assert len(story.valid(5)) == 5 + 8 * 4 - 4
    assert len(story.superseded) == 4
    for fact in story.valid(5).values():
        assert story.value(fact) in fact.answer


def test_answers_are_judged_by_their_kind(bench: Bench) -> None:
    story = Story(2, 2)
    asked = _asked_at_the_end(bench, story)
    valid = story.valid(2)
    base = ["I do not know."] * len(asked)
    answers = [valid[question].answer for question in asked[:4]]
    answers += [f"It is {story.value(fact)}." for fact in valid.values() for _ in fact.others]
    strangers = base[12:16]
    strangers[0] = f"That is {story.value(next(iter(valid.values())))}."
    answers += [*strangers, "Paris.", *base[17:]]
    assert judge(bench, story, answers, base) == {
        "exact": (4, 4),
        "other_words": (8, 8),
        "superseded": (0, 20),
        "bleeding": (1, 4),
        "strangers_as_base": (3, 4),
        "common_as_base": (3, 4),
    }
