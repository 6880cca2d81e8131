"""A projected step moves against nothing, grows no longer, and is the nearest that does neither."""

import mlx.core as mx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from radiance.training.projection import project, project_all

SIZE = 24
numbers = st.floats(-1, 1, width=32)
vectors = hnp.arrays(np.float32, SIZE, elements=numbers)


def matrices(most: int):
    return st.integers(1, most).flatmap(
        lambda rows: hnp.arrays(np.float32, (rows, SIZE), elements=numbers)
    )


def reference(step: np.ndarray, constraint: np.ndarray) -> np.ndarray:
    """Chaudhry et al., 2019, equation 11, in float64."""
    step, constraint = step.astype(np.float64), constraint.astype(np.float64)
    product = step @ constraint
    if product >= 0:
        return step
    return step - product / (constraint @ constraint) * constraint


@given(vectors, vectors)
def test_one_constraint_equals_the_float64_reference(step, constraint):
    ours = np.array(project(mx.array(step), mx.array(constraint)), dtype=np.float64)
    square = float(constraint.astype(np.float64) @ constraint)
    if square < 1e-12:  # too small for float32 to have a direction
        return
    assert np.allclose(ours, reference(step, constraint), atol=1e-5)
    assert ours @ constraint >= -1e-5 * np.sqrt(square)


@given(vectors, matrices(6))
def test_no_constraint_is_moved_against(step, constraints):
    ours = np.array(project_all(mx.array(step), mx.array(constraints)), dtype=np.float64)
    lengths = np.linalg.norm(constraints.astype(np.float64), axis=1)
    products = constraints @ ours
    assert (products >= -1e-4 * np.maximum(lengths, 1e-6)).all()
    assert np.linalg.norm(ours) <= np.linalg.norm(step) * (1 + 1e-4) + 1e-6


@given(vectors, matrices(4), hnp.arrays(np.float64, 4, elements=st.floats(0, 2)))
def test_no_other_harmless_step_is_nearer(step, constraints, mixture):
    """Variational inequality of a projection: every point of the cone lies behind it."""
    ours = np.array(project_all(mx.array(step), mx.array(constraints)), dtype=np.float64)
    other = np.array(
        project_all(
            mx.array((constraints.T @ mixture[: len(constraints)]).astype(np.float32)),
            mx.array(constraints),
        ),
        dtype=np.float64,
    )
    assert (step - ours) @ (other - ours) <= 1e-3 * (1 + np.linalg.norm(other))


@given(vectors, vectors)
def test_several_with_one_row_is_the_single_one(step, constraint):
    if np.linalg.norm(constraint) < 1e-5:
        return
    one = project(mx.array(step), mx.array(constraint))
    several = project_all(mx.array(step), mx.array(constraint[None]))
    assert np.allclose(np.array(one), np.array(several), atol=1e-5)


@pytest.mark.parametrize("rows", [1, 3])
def test_constraints_of_zero_hold_nothing(rows):
    step = mx.array(np.arange(SIZE, dtype=np.float32) - 5)
    assert mx.array_equal(project_all(step, mx.zeros((rows, SIZE))), step)
    assert mx.array_equal(project(step, mx.zeros(SIZE)), step)
