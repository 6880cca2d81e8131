"""What is drawn of the texts that hold old behaviour: all of it, in groups that stay together."""

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from radiance.engine.model.encoding import EncodedExample
from radiance.training.batches import Reference
from radiance.training.held_texts import HeldText, HeldTexts
from tests.support import drain

NOTHING = Reference(np.zeros((6, 1), np.int32), np.zeros((6, 1)), np.zeros(6))


def text(number: int, length: int = 6, context: str = "a", is_valid: bool = True) -> HeldText:
    tokens = (number, *range(length))
    example = EncodedExample(str(number), tokens, (False,) + (True,) * length)
    return HeldText(example, context, is_valid, NOTHING)


def drawn(held: HeldTexts, size: int, number: int, seed: int = 0) -> list[int]:
    """First tokens of the texts in a batch."""
    (groups,) = held.groups(size, contexts_apart=False).values()
    drawn = drain(held.draw(groups, size, number, seed))
    return [example.tokens[0] for example, _ in drawn]


@given(st.integers(1, 40), st.integers(1, 12), st.integers(0, 3))
def test_every_text_is_drawn_and_none_twice_in_a_batch(count: int, size: int, seed: int) -> None:
    held = HeldTexts([text(n) for n in range(count)])
    seen: Counter[int] = Counter()
    for number in range(12 * count):
        batch = drawn(held, size, number, seed)
        assert len(set(batch)) == len(batch) <= max(size, 1)
        assert batch == drawn(held, size, number, seed)
        seen.update(batch)
    assert set(seen) == set(range(count))


@given(st.integers(1, 30), st.integers(1, 30), st.sampled_from([4, 8]))
def test_new_texts_move_no_group_but_the_last(before: int, more: int, size: int) -> None:
    """Own samples grow, and the groups whose outputs are kept stay as they are."""
    anchors = [text(n) for n in range(7)]
    samples = [text(100 + n, context="own") for n in range(before + more)]
    (few,) = HeldTexts([*anchors, *samples[:before]]).groups(size, False).values()
    (many,) = HeldTexts([*anchors, *samples]).groups(size, False).values()
    complete = [group for group in few if len(group) == 4]
    assert all(group in many for group in complete)


def test_what_is_contradicted_holds_nothing_and_moves_nobody() -> None:
    texts = [text(n) for n in range(8)]
    less = [text(n, is_valid=n not in (1, 4, 5, 6, 7)) for n in range(8)]
    (groups,) = HeldTexts(less).groups(4, False).values()
    assert [[t.example.tokens[0] for t in group] for group in groups] == [[0, 1, 2, 3]]
    assert sorted(drawn(HeldTexts(less), 4, 0)) == [0, 2, 3]
    assert sorted(drawn(HeldTexts(texts), 8, 0)) == list(range(8))


def test_contexts_are_drawn_apart_where_they_are_constraints_of_their_own() -> None:
    held = HeldTexts([text(n, context="ab"[n % 2]) for n in range(6)])
    apart = held.groups(4, contexts_apart=True)
    assert {name: [t.example.tokens[0] for t in groups[0]] for name, groups in apart.items()} == {
        "a": [0, 2, 4],
        "b": [1, 3, 5],
    }


def test_outputs_are_computed_for_a_whole_group_when_it_is_first_drawn() -> None:
    asked: list[tuple[str, ...]] = []

    def outputs(examples):
        asked.append(tuple(example.example_id for example in examples))
        yield None
        return [NOTHING for _ in examples]

    texts = [HeldText(text(n).example, "a", n != 2) for n in range(8)]
    held = HeldTexts(texts, outputs)
    (groups,) = held.groups(4, False).values()
    assert not asked
    for number in range(6):
        drain(held.draw(groups, 4, number, 0))
    assert sorted(asked) == [("0", "1", "2", "3"), ("4", "5", "6", "7")]
