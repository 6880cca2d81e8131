"""Shared angles turn as mx.fast.rope does, and are forgotten after the pass they are of."""

from typing import Any

import mlx.core as mx
import mlx.nn as nn
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlx_lm import load
from mlx_lm.models.cache import BatchKVCache, KVCache, RotatingKVCache

from radiance import ember
from radiance.engine.model.rope import Angles, SharedRope, share_angles

mx.set_default_device(mx.cpu)


def cache(kind: type, tokens: int) -> object:
    """A layer's cache that has seen so many tokens."""
    made = kind([0, 2, 1]) if kind is BatchKVCache else kind()
    if tokens:
        made.update_and_fetch(*[mx.zeros((3, 1, tokens, 4))] * 2)
    return made


@given(
    kind=st.sampled_from([KVCache, BatchKVCache]),
    seen=st.integers(0, 300),
    tokens=st.integers(1, 9),
    base=st.sampled_from([10_000.0, 500_000.0]),
    scale=st.sampled_from([1.0, 0.5]),
)
def test_the_same_bits_as_without(
    kind: type, seen: int, tokens: int, base: float, scale: float
) -> None:
    rope, angles = nn.RoPE(8, base=base, scale=scale), Angles()
    x = mx.random.normal((3, 2, tokens, 8), key=mx.random.key(seen))
    entry = cache(kind, seen)
    with angles.shared([entry]):
        shared = SharedRope(rope, angles)(x, entry.offset)  # type: ignore[attr-defined]
    expected = rope(x, entry.offset)  # type: ignore[attr-defined]
    assert mx.array_equal(shared, expected)


def test_angles_are_computed_once_and_forgotten_with_the_pass(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model: Any = load(str(ember.MODEL_PATH))[0]
    asked = []
    cos = mx.cos
    monkeypatch.setattr(mx, "cos", lambda theta: asked.append(theta.shape) or cos(theta))
    tokens = mx.array([[5, 6, 7]])
    expected = model(tokens)
    angles = share_angles(model)
    caches = [KVCache() for _ in model.layers]
    with angles.shared(caches):
        found = model(tokens, cache=caches)
    assert mx.array_equal(found, expected)
    assert asked == [(1, 1, 3, model.layers[0].self_attn.head_dim // 2)]
    # Outside of a pass, and after it, the model goes by what it is told.
    assert mx.array_equal(model(tokens), expected)
    assert len(asked) == 1


def test_what_is_not_plain_is_left_alone() -> None:
    angles = Angles()
    halves = nn.RoPE(4)
    x = mx.random.normal((1, 2, 3, 8), key=mx.random.key(1))
    with angles.shared([KVCache(), RotatingKVCache(max_size=4)]):
        assert angles.of(nn.RoPE(8), 3) is None
    with angles.shared([KVCache()]):
        assert mx.array_equal(SharedRope(halves, angles)(x, 0), halves(x, 0))
    tree = nn.Sequential(nn.RoPE(8, traditional=True))
    share_angles(tree)
    assert type(tree.layers[0]) is nn.RoPE
