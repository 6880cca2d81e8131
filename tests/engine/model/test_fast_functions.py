"""The functions that stand in for MLX's give what those give."""

from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlx_lm.models import activations, base, llama

from radiance.engine.model import elementwise, fast_functions
from tests.example_counts import examples


@pytest.fixture(autouse=True)
def _every_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elementwise, "_WORTH", 1)


def near(found: mx.array, expected: mx.array) -> bool:
    own, other = np.array(found), np.array(expected)
    return bool(np.abs(own - other).max() <= 2e-6 * max(1.0, np.abs(other).max()))


SHAPES = st.tuples(st.integers(1, 3), st.integers(1, 2), st.integers(1, 3), st.integers(1, 9))


@examples(40)
@given(shape=SHAPES, before=st.integers(0, 7), mask=st.sampled_from(["none", "causal", "rows"]))
def test_attention_is_the_one_of_mlx(engine, shape, before, mask) -> None:
    rows, key_heads, groups, tokens = shape
    columns = before + tokens

    def check() -> None:
        draw = np.random.default_rng(sum(shape) + before)
        q, k, v = (
            mx.array(draw.normal(size=(rows, heads, length, 8)).astype(np.float32))
            for heads, length in (
                (key_heads * groups, tokens),
                (key_heads, columns),
                (key_heads, columns),
            )
        )
        seen: Any = None if mask == "none" else "causal"
        if mask == "rows":  # some have fewer columns than others
            ends = mx.array([max(1, columns - row) for row in range(rows)]).reshape(-1, 1, 1, 1)
            places = ends - tokens + mx.arange(tokens).reshape(1, 1, -1, 1)
            seen = mx.arange(columns) <= mx.maximum(places, 0)

        expected = mx.fast.scaled_dot_product_attention(q, k, v, scale=0.35, mask=seen)
        with fast_functions.serving():
            found = fast_functions.scaled_dot_product_attention(q, k, v, None, 0.35, seen)
        assert near(found, expected)

    engine.call(check)


@given(st.lists(st.floats(-50, 50, width=32), min_size=1, max_size=20))
def test_the_gate_is_the_one_of_mlx(engine, numbers) -> None:
    def check() -> None:
        gate, x = mx.array(numbers), mx.array(numbers[::-1])
        with fast_functions.serving():
            assert near(fast_functions.swiglu(gate, x), nn.silu(gate) * x)

    engine.call(check)


@given(st.lists(st.floats(-50, 50, width=32), min_size=1, max_size=20))
def test_probabilities_are_as_exact_as_float32(engine, logits) -> None:
    def check() -> None:
        exact = np.array(logits, np.float64)
        exact -= exact.max() + np.log(np.exp(exact - exact.max()).sum())
        found = np.array(elementwise.log_softmax(mx.array([logits])))[0]
        assert np.abs(found - exact).max() < 1e-5

    engine.call(check)


def test_what_a_mask_adds_and_quantized_keys_are_left_to_mlx(engine, monkeypatch) -> None:
    left: list[Any] = []
    monkeypatch.setattr(
        base, "scaled_dot_product_attention", lambda *_, mask, **__: left.append(mask)
    )

    class Quantized:
        bits = 8

    def check() -> None:
        q = mx.zeros((1, 2, 3, 8))
        added, seen = mx.zeros((3, 3)), mx.ones((3, 3), mx.bool_)
        with fast_functions.serving():
            fast_functions.scaled_dot_product_attention(q, q, q, None, 1.0, added)
            fast_functions.scaled_dot_product_attention(q, q, q, Quantized(), 1.0, seen)
            fast_functions.scaled_dot_product_attention(q, q, q, None, 1.0, seen, mx.zeros(2))
            assert [mask is added or mask is seen for mask in left] == [True] * 3
            fast_functions.scaled_dot_product_attention(q, q, q, None, 1.0, seen)
        assert len(left) == 3

    engine.call(check)


def test_what_is_trained_has_a_gradient(engine) -> None:
    def check() -> None:
        x, q = mx.array([0.5, -1.0]), mx.ones((1, 2, 3, 8))
        own = mx.grad(lambda gate: fast_functions.swiglu(gate, x).sum())(x)
        assert near(own, mx.grad(lambda gate: (nn.silu(gate) * x).sum())(x))
        attend = fast_functions.scaled_dot_product_attention
        mx.eval(mx.grad(lambda q: attend(q, q, q, None, 1.0, "causal").sum())(q))

    engine.call(check)


def test_a_served_model_calls_them(engine) -> None:
    """Its modules were found by name: another mlx-lm may have other names."""
    found = {type(module) for module in engine.base.model.modules()}
    assert llama.MLP in found
    assert llama.Attention in found
    assert llama.swiglu is fast_functions.swiglu
    attention: Any = llama
    assert attention.scaled_dot_product_attention is fast_functions.scaled_dot_product_attention
    assert activations.swiglu is not fast_functions.swiglu, "where it is defined it stays"
