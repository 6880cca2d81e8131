"""A line holds every token that a target depends on once, and rows come back out of it."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from radiance.engine.model.encoding import EncodedExample
from radiance.training.batches import make_batch
from radiance.training.packing import pack


@st.composite
def examples(draw: st.DrawFn) -> list[EncodedExample]:
    """Rows of a common beginning and an end of their own."""
    head = draw(st.lists(st.integers(1, 9), max_size=40))
    found = []
    for _ in range(draw(st.integers(1, 5))):
        own = draw(st.lists(st.tuples(st.integers(1, 3), st.booleans()), min_size=2, max_size=12))
        counts = (*[False] * len(head), False, *(c for _, c in own[1:-1]), draw(st.booleans()))
        found.append(EncodedExample("x", (*head, *(t for t, _ in own)), counts))
    last = found[0]
    found[0] = EncodedExample("x", last.tokens, (*last.is_completion[:-1], True))
    return found


@given(examples(), st.booleans(), st.booleans())
def test_rows_are_what_attention_sees(
    given_rows: list[EncodedExample], shares: bool, is_exact: bool
) -> None:
    batch = make_batch(given_rows)
    (packing,) = pack(batch, shares=shares, is_exact=is_exact)
    line, shared = np.array(packing.tokens), packing.shared
    places = np.arange(shared, len(line)) if packing.places is None else np.array(packing.places)
    padded = line[places].reshape(packing.rows, packing.width)
    with_targets = [e for e in given_rows if any(e.is_completion[1:])]
    assert packing.rows == len(with_targets)
    needed = shared
    for row, example in zip(padded, with_targets, strict=True):
        end = max(place for place, c in enumerate(example.is_completion) if c)
        assert (*line[:shared], *row[: end - shared]) == example.tokens[:end]
        needed += end - shared
    if is_exact:
        assert needed <= len(line) <= needed + 4
    if not shares:
        assert shared == 0


@given(examples(), st.booleans(), st.booleans())
def test_targets_are_predicted_where_they_were(
    given_rows: list[EncodedExample], shares: bool, is_exact: bool
) -> None:
    batch = make_batch(given_rows)
    (packing,) = pack(batch, shares=shares, is_exact=is_exact)
    line, flat = np.array(packing.tokens), np.array(batch.tokens).reshape(-1)
    count = batch.target_count
    positions = np.array(packing.positions)[:count]
    assert (line[positions] == flat[np.array(batch.positions)[:count]]).all()
    assert len(set(positions.tolist())) == count
    targets_at = np.array(packing.targets_at)
    assert (targets_at[positions] == np.arange(count)).all()
    assert (targets_at == len(batch.targets)).sum() == len(line) - count


@given(examples(), st.booleans())
def test_slots_lead_back_to_the_line(given_rows: list[EncodedExample], is_exact: bool) -> None:
    (packing,) = pack(make_batch(given_rows), shares=True, is_exact=is_exact)
    if packing.places is None:
        assert packing.rows * packing.width + packing.shared == packing.tokens.size
        return
    assert packing.slots is not None
    places, slots = np.array(packing.places), np.array(packing.slots)
    line = np.arange(packing.shared, packing.tokens.size)
    padding = packing.tokens.size - 1
    is_own = np.isin(line, places) & (line != padding)
    assert (places[slots][is_own] == line[is_own]).all()
    assert (places[slots][~is_own] == padding).all(), "a padded token comes from a padded slot"
