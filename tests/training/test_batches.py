"""Batches: every target once, order from seed and step alone, a bounded set of shapes."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from radiance.engine.model.encoding import EncodedExample
from radiance.training.batches import by_length, make_batch, pick, round_up, spread

ENCODED = st.lists(st.tuples(st.integers(1, 99), st.booleans()), min_size=2, max_size=40).map(
    lambda pairs: EncodedExample(
        "job_000001.0", tuple(t for t, _ in pairs), (False, *(c for _, c in pairs[1:]))
    )
)


@given(st.lists(ENCODED, min_size=1, max_size=5))
def test_batch_holds_every_target_once(examples: list[EncodedExample]) -> None:
    batch = make_batch(examples)
    width = batch.tokens.shape[1]
    flat: Any = batch.tokens.reshape(-1).tolist()
    columns: list[Any] = [batch.positions.tolist(), batch.targets.tolist(), batch.weights.tolist()]
    found = []
    for position, target, weight, owner in zip(*columns, batch.owners, strict=True):
        assert (weight == 1) == (owner >= 0)
        if owner >= 0:
            row, place = divmod(position, width)
            assert row == owner
            assert flat[position] == examples[row].tokens[place]
            found.append((row, place + 1, target))
    expected = [
        (row, place, example.tokens[place])
        for row, example in enumerate(examples)
        for place in range(1, len(example.tokens))
        if example.is_completion[place]
    ]
    assert found == expected
    assert batch.target_count == len(expected)


@given(st.integers(1, 20), st.integers(1, 20), st.integers(0, 2**32 - 1))
def test_every_epoch_shows_every_example_once(count: int, size: int, seed: int) -> None:
    shown = [index for step in range(count) for index in pick(count, size, step, seed)]
    for epoch in range(size):
        assert sorted(shown[epoch * count : (epoch + 1) * count]) == list(range(count))


@given(st.integers(1, 100_000))
def test_sizes_are_bounded(length: int) -> None:
    size = round_up(length)
    assert length <= size <= max(16, length * 1.25 + 16)
    assert round_up(size) == size


def test_few_shapes_serve_all_lengths() -> None:
    assert len({round_up(length) for length in range(1, 4097)}) <= 60


@given(st.lists(ENCODED, max_size=30), st.integers(1, 8))
def test_groups_cover_all_examples(examples: list[EncodedExample], size: int) -> None:
    groups = by_length(examples, size)
    assert sorted(index for group in groups for index in group) == list(range(len(examples)))
    assert all(len(group) <= size for group in groups)


@given(st.lists(st.integers(), max_size=60), st.integers(1, 70))
def test_spread_takes_every_nth_and_no_fewer_than_it_must(items: list[int], most: int) -> None:
    found = list(spread(items, most))
    assert len(found) <= most
    step = next(step for step in range(1, 62) if len(items[::step]) <= most)
    assert found == items[::step]
