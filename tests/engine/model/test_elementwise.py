"""Our exponentials are as near to the truth as MLX's own."""

import mlx.core as mx
import numpy as np

from radiance.engine.model import elementwise


def test_exponentials_of_ordinary_numbers(engine):
    def compare() -> None:
        x = mx.concatenate([mx.linspace(-80, 80, 100_001), mx.linspace(-1, 1, 10_001)])
        truth = np.exp(np.array(x, dtype=np.float64))
        ours, theirs = (np.abs(np.array(f(x)) / truth - 1).max() for f in (elementwise.exp, mx.exp))
        assert ours < 1e-5
        assert ours < 2 * theirs
        near = np.abs(np.array(x)) < 1
        assert np.abs(np.array(elementwise.exp(x)) / truth - 1)[near].max() < 3e-7

    engine.call(compare)


def test_sigmoid_of_all_numbers(engine):
    def compare() -> None:
        x = mx.concatenate([mx.linspace(-60, 60, 10_001), mx.array([-1e9, 1e9, -88.0, 88.0, 0.0])])
        found = np.array(elementwise.sigmoid(x))
        truth = 1 / (1 + np.exp(-np.clip(np.array(x, dtype=np.float64), -87, 87)))
        assert np.allclose(found, truth, rtol=1e-5, atol=1e-37)

    engine.call(compare)


def test_ends_stay_finite_and_normal(engine):
    def compare() -> None:
        ends = np.array(elementwise.exp(mx.array([-1e30, -200.0, 87.0, -87.0])))
        assert np.isfinite(ends).all()
        assert (ends[:2] >= np.finfo(np.float32).tiny).all()
        assert ends[:2].max() < 1e-37

    engine.call(compare)


def test_half_precision_and_its_type_are_kept(engine):
    def compare() -> None:
        for dtype in (mx.float16, mx.bfloat16):
            assert elementwise.exp(mx.ones(3, dtype)).dtype == dtype
            assert elementwise.sigmoid(mx.ones(3, dtype)).dtype == dtype

    engine.call(compare)
