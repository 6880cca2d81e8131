"""The circuit breaker, on a clock of our own."""

from hypothesis import given
from hypothesis import strategies as st

from radiance.fallback.breaker import Breaker


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_it_opens_after_failures_in_a_row_and_closes_after_one_success():
    clock = Clock()
    breaker = Breaker(failures=3, seconds=10, clock=clock)
    for _ in range(2):
        assert breaker.allows()
        breaker.failed()
    breaker.succeeded(0.1)
    for _ in range(3):
        assert breaker.state == "closed"
        assert breaker.allows()
        breaker.failed()
    assert breaker.state == "open"
    assert not breaker.allows()
    clock.now = 9.9
    assert not breaker.allows()
    clock.now = 10.0
    assert breaker.state == "half-open"
    assert breaker.allows()
    assert not breaker.allows()  # one at a time
    breaker.failed()
    assert breaker.state == "open"
    clock.now = 20.0
    assert breaker.allows()
    breaker.gave_up()
    assert breaker.allows()
    breaker.succeeded(0.2)
    assert breaker.state == "closed"


@given(st.lists(st.sampled_from(["fail", "succeed", "wait"]), max_size=60))
def test_it_is_open_only_after_failures_and_never_for_good(events):
    clock = Clock()
    breaker = Breaker(failures=2, seconds=5, clock=clock)
    in_a_row = 0
    for event in events:
        if event == "wait":
            clock.now += 3
            continue
        if not breaker.allows():
            assert in_a_row >= 1
            continue
        if event == "fail":
            breaker.failed()
            in_a_row += 1
        else:
            breaker.succeeded(1.0)
            in_a_row = 0
        assert 0 <= breaker.failure_ratio <= 1
    clock.now += 5
    assert breaker.allows()
