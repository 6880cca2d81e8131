from hypothesis import given
from hypothesis import strategies as st

from radiance.release.assignment import assign


def test_a_caller_meets_one_side_and_the_sides_have_their_shares() -> None:
    callers = [f"user {number}" for number in range(4_000)]
    sides = [assign("a/b", caller, 0.3).is_candidate for caller in callers]
    assert sides == [assign("a/b", caller, 0.3).is_candidate for caller in callers]
    assert 0.27 < sum(sides) / 4_000 < 0.33
    assert sides != [assign("a/c", caller, 0.3).is_candidate for caller in callers]


@given(st.text(), st.text(), st.floats(0, 1), st.floats(0, 1))
def test_a_larger_share_takes_nobody_away_from_the_candidate(
    trial: str, caller: str, one: float, other: float
) -> None:
    small, large = sorted((one, other))
    if assign(trial, caller, small).is_candidate:
        assert assign(trial, caller, large).is_candidate
    assert not assign(trial, caller, 0.0).is_candidate
    assert assign(trial, caller, 1.0).is_candidate
