"""Quantized blocks stand for the numbers that llama.cpp and MLX make of them."""

from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest

from radiance.engine.model.gguf.blocks import PACKED_BITS, READ, numbers, packed
from radiance.engine.model.gguf.head import TYPES
from tests.gguf_files import write_gguf

_COUNT = 512
_SCALES = {"Q5_1": (0, 2), "Q4_1": (0, 2), "Q2_K": (80, 82), "Q3_K": (108,), "Q4_K": (0, 2)}
_SCALES |= {"Q5_K": (0, 2), "Q6_K": (208,)}


def random_blocks(kind: str) -> tuple[Any, int]:
    """Blocks of random bits with moderate scales, and how many numbers one is."""
    values, size = next((v, s) for name, v, s in TYPES.values() if name == kind)
    draw = np.random.default_rng(7)
    blocks = draw.integers(0, 256, (_COUNT, size), dtype=np.uint8)
    for place in _SCALES.get(kind, (0,)):
        scales = draw.uniform(-0.01, 0.01, _COUNT).astype(np.float16)
        blocks[:, place : place + 2] = scales.view(np.uint8).reshape(_COUNT, 2)
    return blocks, values


@pytest.mark.parametrize("kind", READ)
def test_blocks_are_read_as_llama_cpp_reads_them(kind: str) -> None:
    gguf = pytest.importorskip("gguf")
    blocks, values = random_blocks(kind)
    theirs = gguf.quants.dequantize(blocks, gguf.GGMLQuantizationType[kind])
    assert np.array_equal(numbers(kind, blocks), theirs.reshape(_COUNT, values))


@pytest.mark.parametrize("kind", list(PACKED_BITS))
def test_blocks_are_packed_as_mlx_packs_them(kind: str, tmp_path: Path) -> None:
    blocks, values = random_blocks(kind)
    tensors = {"x.weight": (blocks.tobytes(), kind, (_COUNT, values))}
    file = write_gguf(tmp_path / "m.gguf", {"general.architecture": "llama"}, tensors)
    theirs: Any = mx.load(str(file))
    for name, ours in zip(("weight", "scales", "biases"), packed(kind, blocks), strict=True):
        assert np.array_equal(np.array(theirs[f"x.{name}"]).reshape(ours.shape), ours)
