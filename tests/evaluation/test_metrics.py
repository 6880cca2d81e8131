"""The metrics against matrices worked by hand, and the laws between them."""

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radiance.evaluation import metrics
from radiance.evaluation.summary import Past, stats
from radiance.records import EvalReport, Probe, TaskAccuracy

NAN = float("nan")
# Three updates: the first task is learned to 0.9, falls to 0.6 and comes back to 0.7; the second is
# learned to 0.8 and falls to 0.5; the third is learned to 1.0.
WORKED = np.array([[0.9, 0.1, NAN], [0.6, 0.8, 0.2], [0.7, 0.5, 1.0]])
SQUARE = np.arange(3)


def test_worked_matrix():
    assert metrics.average_accuracy(WORKED) == pytest.approx((0.7 + 0.5 + 1.0) / 3)
    assert metrics.backward_transfer(WORKED, SQUARE) == pytest.approx((-0.2 - 0.3) / 2)
    assert metrics.forgetting(WORKED, SQUARE) == pytest.approx((0.2 + 0.3) / 2)
    before, untrained = np.array([0.1, 0.2]), np.array([0.0, 0.3])
    assert metrics.forward_transfer(before, untrained) == pytest.approx((0.1 - 0.1) / 2)


def test_forgetting_counts_from_the_best_and_backward_transfer_from_the_first():
    """A task that got better after it was learned, then worse again: 0.5, 0.9, 0.6."""
    matrix = np.array([[0.5, NAN, NAN], [0.9, 1.0, NAN], [0.6, 1.0, 1.0]])
    assert metrics.backward_transfer(matrix, SQUARE) == pytest.approx((0.1 + 0.0) / 2)
    assert metrics.forgetting(matrix, SQUARE) == pytest.approx((0.3 + 0.0) / 2)


def test_a_single_update_has_no_past():
    matrix, taught = np.array([[0.8]]), np.array([0])
    assert metrics.average_accuracy(matrix) == 0.8
    assert metrics.backward_transfer(matrix, taught) is None
    assert metrics.forgetting(matrix, taught) is None
    assert metrics.forward_transfer(np.array([]), np.array([])) is None


def test_tasks_that_are_not_measured_now_are_left_out():
    matrix = np.array([[1.0, NAN, NAN], [0.0, 1.0, NAN], [NAN, 0.5, 1.0]])
    assert metrics.average_accuracy(matrix) == 0.75
    assert metrics.backward_transfer(matrix, SQUARE) == -0.5
    assert metrics.forgetting(matrix, SQUARE) == 0.5
    without_the_first = matrix[:, 1:], SQUARE[1:]
    assert metrics.backward_transfer(*without_the_first) == -0.5
    assert metrics.forgetting(*without_the_first) == 0.5


@st.composite
def matrices(draw):
    updates = draw(st.integers(2, 6))
    cells = st.floats(0, 1, width=16)
    rows = draw(
        st.lists(
            st.lists(cells, min_size=updates, max_size=updates), min_size=updates, max_size=updates
        )
    )
    return np.array(rows)


@given(matrices())
def test_laws(matrix):
    taught = np.arange(len(matrix))
    accuracy = metrics.average_accuracy(matrix)
    backward = metrics.backward_transfer(matrix, taught)
    forgotten = metrics.forgetting(matrix, taught)
    assert accuracy is not None
    assert backward is not None
    assert forgotten is not None
    assert 0 <= accuracy <= 1
    assert -1 <= backward <= 1
    assert -1 <= forgotten <= 1
    assert forgotten >= -backward - 1e-12, "the best was at least what was learned"
    kept = np.broadcast_to(matrix[-1], matrix.shape)
    assert metrics.backward_transfer(kept, taught) == 0
    assert metrics.forgetting(kept, taught) == 0


# ----------------------------------------------------------------------------- from probes


def probe(group: str, now: bool, parent: bool = False, base: bool = False) -> Probe:
    return Probe(f"{group}.x", group, 2, 0.5, 0.6, 0.7, 0.1, 0.2, now, parent, base)


def report_of(*measured: Any) -> EvalReport:
    return msgspec.convert(stats(*measured), EvalReport)


def test_report_over_a_lineage_of_three():
    """The rows of the ancestors as they were stored, today's from the probes."""
    past = Past(
        ("A_1", "A_2"),
        (
            TaskAccuracy("A_1", "A_1", 4, 1.0, 0.0, 0.0),
            TaskAccuracy("A_2", "A_1", 4, 0.75, 1.0, 0.0),
            TaskAccuracy("A_2", "A_2", 2, 0.5, 0.5, 0.25),
        ),
    )
    learned = [probe("A_3", True, parent=True, base=False), probe("A_3", True)]
    recalled = [probe("A_1", True), probe("A_1", False), probe("A_2", True)]
    report = report_of(learned, [], [], recalled, past)
    assert report.new_exact == 1.0
    assert report.recall_exact == pytest.approx(2 / 3)
    assert report.acc == pytest.approx((0.5 + 1.0 + 1.0) / 3)
    assert report.bwt == pytest.approx(((0.5 - 1.0) + (1.0 - 0.5)) / 2)
    assert report.forgetting == pytest.approx(((1.0 - 0.5) + (0.5 - 1.0)) / 2)
    assert report.fwt == pytest.approx(((0.5 - 0.25) + (0.5 - 0.0)) / 2)
    assert report.forgetting_kl is report.drift_loss is report.retention_score is None


def test_first_report_has_no_past():
    report = report_of([probe("A_1", True)], [], [probe("capitals", True)], [], Past())
    assert (report.acc, report.bwt, report.fwt, report.forgetting) == (1.0, None, None, None)
    assert report.recall_exact is report.recall_loss is None
    assert report.retention_score is None, "the base answered none of the anchors exactly"
    assert report.forgetting_kl == pytest.approx(0.1)
    assert report.drift_loss == pytest.approx(0.2)


def test_held_back_examples_are_the_evaluation():
    learned, held = probe("A_1", True), probe("A_1", False)
    worse = msgspec.structs.replace(held, loss=3.0)
    report = report_of([learned], [worse], [], [], Past())
    assert (report.finetune_loss, report.eval_loss) == (0.5, 3.0)
    assert report.acc == 1.0, "what was not taught is no task"
