"""The search finds the largest step that passes, and gives up where there is none."""

from hypothesis import given
from hypothesis import strategies as st

from radiance import config
from radiance.gate.rules import decide
from radiance.learning.step_search import RESOLUTION, largest_step
from radiance.records import Evaluation
from tests.gate.test_rules import evaluation, learned

POLICY = config.GateSettings(gate="strict", scale_back=True)


def candidate(share: float, harmless_until: float, learns_from: float) -> Evaluation:
    """Harm starts at one share, learning at another."""
    rise = 0.0 if share <= harmless_until else 0.5
    return evaluation([rise] * 100, learned=learned(known=5 if share >= learns_from else 0))


@given(st.floats(0, 1, exclude_min=True), st.floats(0, 1, exclude_min=True))
def test_largest_harmless_step_that_learned(harmless_until: float, learns_from: float) -> None:
    tried: list[float] = []

    def evaluate(share: float) -> Evaluation:
        tried.append(share)
        return candidate(share, harmless_until, learns_from)

    step = largest_step(candidate(1.0, harmless_until, learns_from), evaluate, POLICY)
    passes = decide(step.evaluation, POLICY).promote
    assert step.evaluation == candidate(step.share, harmless_until, learns_from)
    if harmless_until == 1:
        assert (step.share, passes, tried) == (1.0, True, [])
    elif passes:
        assert learns_from <= step.share <= harmless_until < step.share + RESOLUTION
    else:
        assert step.share == 1.0
        assert harmless_until < learns_from + RESOLUTION
    assert len(tried) <= 4


def test_nothing_is_tried_unless_it_is_asked_for_and_learned() -> None:
    def never(_: float) -> Evaluation:
        raise AssertionError

    harmful = candidate(1.0, 0.5, 0.2)
    assert largest_step(harmful, never, config.GateSettings(gate="strict")).share == 1.0
    assert largest_step(candidate(1.0, 0.5, 2.0), never, POLICY).share == 1.0


def test_without_the_strict_gate_only_a_catastrophe_is_scaled_back() -> None:
    policy = config.GateSettings(rollback_mode="auto_rollback", scale_back=True)
    step = largest_step(candidate(1.0, 0.5, 0.2), lambda s: candidate(s, 0.5, 0.2), policy)
    assert 0.5 - RESOLUTION < step.share <= 0.5
