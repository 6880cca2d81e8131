"""The backward pass that is written out gives the gradient, on every architecture it is for."""

from types import SimpleNamespace
from typing import Any, cast

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import pytest
from mlx.utils import tree_flatten, tree_unflatten
from mlx_lm.models import llama, qwen2, qwen3

from radiance import config
from radiance.engine.model.encoding import EncodedExample
from radiance.training import gradient, memory
from radiance.training.batches import TrainingBatch, make_batch
from radiance.training.gradient import GradientComputer
from radiance.training.lora import LoraModel
from radiance.training.packing import Line
from tests.support import drain
from tests.training.whole_gradient import whole_gradient

SIZES: dict[str, Any] = {
    "hidden_size": 64,
    "num_hidden_layers": 3,
    "intermediate_size": 96,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "rms_norm_eps": 1e-5,
    "vocab_size": 120,
    "tie_word_embeddings": False,
}
LINEAR = {"rope_type": "linear", "factor": 2.0}
MODELS = {
    "llama": lambda: llama.Model(llama.ModelArgs("llama", **SIZES)),
    "llama, tied, scaled rope": lambda: llama.Model(
        llama.ModelArgs("llama", **SIZES | {"tie_word_embeddings": True, "rope_scaling": LINEAR})
    ),
    "llama, biases": lambda: llama.Model(
        llama.ModelArgs("llama", **SIZES, attention_bias=True, mlp_bias=True)
    ),
    "qwen2": lambda: qwen2.Model(qwen2.ModelArgs("qwen2", **SIZES)),
    "qwen3": lambda: qwen3.Model(
        qwen3.ModelArgs(
            "qwen3", **SIZES, head_dim=32, max_position_embeddings=512, rope_theta=10000.0
        )
    ),
}


def make(model: Any, **settings: Any) -> tuple[LoraModel, GradientComputer, mx.array]:
    """A LoRA model with random weights, norms among them, and an adapter that does something."""
    for place, (path, leaf) in enumerate(sorted(_leaves(model).items())):
        if "norm" in path:  # else all of them are one
            moved = leaf + 0.2 * mx.random.normal(leaf.shape, key=mx.random.key(place))
            model.update(tree_unflatten([(path, moved)]))
    model.freeze()
    base = SimpleNamespace(twin=lambda: model, hidden_size=SIZES["hidden_size"])
    lora = LoraModel(cast(Any, base), config.TrainingSettings(r=4, **settings))
    vector = mx.random.normal((lora.size,), key=mx.random.key(99)) * 0.1
    computer = GradientComputer(lora)
    computer._least_line = 32
    return lora, computer, vector


def _leaves(model: Any) -> dict[str, mx.array]:
    return dict(cast(Any, tree_flatten(model.parameters())))


def batch_of(lengths: list[int], shared: int) -> TrainingBatch:
    draw = np.random.default_rng(7)
    head = draw.integers(5, 100, shared).tolist()
    rows = []
    for length in lengths:
        tokens = (*head, *draw.integers(5, 100, length).tolist())
        counts = tuple(place > shared + 2 for place in range(len(tokens)))
        rows.append(EncodedExample("x", tokens, counts))
    return make_batch(rows)


BATCHES = {
    "nothing in common": batch_of([9, 14, 11], 0),
    "a common beginning": batch_of([9, 14, 11], 20),
    "all of one length": batch_of([10, 10, 10], 24),
    "one row": batch_of([12], 20),
    "enough for two cores": batch_of([30, 14, 25, 21], 20),
    "enough, nothing in common": batch_of([30, 30, 30, 30], 0),
}


def assert_same(found: Any, expected: Any, share: float = 1e-4) -> None:
    (loss, gradient), (expected_loss, expected_gradient) = found, expected
    assert loss.item() == pytest.approx(expected_loss.item(), rel=1e-5)
    found_at, expected_at = np.array(gradient), np.array(expected_gradient)
    assert np.abs(found_at - expected_at).max() < share * np.abs(expected_at).max()


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("rows", BATCHES)
def test_the_gradient_is_that_of_the_whole_model(engine, name, rows):
    def compare() -> None:
        lora, gradient_computer, vector = make(MODELS[name]())
        assert gradient_computer.is_blockwise
        found = drain(gradient_computer.gradient(vector, BATCHES[rows]))
        assert_same(found, whole_gradient(lora, vector, BATCHES[rows]))

    engine.call(compare)


def test_sizes_rounded_for_a_gpu_change_nothing(engine, monkeypatch):
    def compare() -> None:
        lora, gradient_computer, vector = make(MODELS["llama"]())
        pack = gradient.pack
        monkeypatch.setattr(gradient, "pack", lambda *a, **o: pack(*a, **o | {"is_exact": False}))
        for batch in BATCHES.values():
            found = drain(gradient_computer.gradient(vector, batch))
            assert_same(found, whole_gradient(lora, vector, batch))

    engine.call(compare)


def test_a_quantized_base(engine):
    def compare() -> None:
        model: Any = MODELS["llama"]()
        nn.quantize(model, group_size=32, bits=4)
        lora, gradient_computer, vector = make(model)
        assert gradient_computer.is_blockwise
        batch = BATCHES["a common beginning"]
        assert_same(
            drain(gradient_computer.gradient(vector, batch)), whole_gradient(lora, vector, batch)
        )

    engine.call(compare)


def test_lora_on_some_modules_only(engine):
    def compare() -> None:
        modules = ("q_proj", "v_proj", "down_proj")
        lora, gradient_computer, vector = make(MODELS["llama"](), target_modules=modules)
        batch = BATCHES["a common beginning"]
        assert_same(
            drain(gradient_computer.gradient(vector, batch)), whole_gradient(lora, vector, batch)
        )

    engine.call(compare)


def test_half_precision_is_near(engine):
    def compare() -> None:
        model: Any = MODELS["qwen3"]()
        lora, _, vector = make(model)
        batch = BATCHES["a common beginning"]
        expected = whole_gradient(lora, vector, batch)
        model.set_dtype(mx.bfloat16, lambda dtype: dtype == mx.float32)
        lora.model.update(tree_unflatten(list(lora.unflatten(vector).items())))
        half = GradientComputer(lora)
        _, found = drain(half.gradient(vector, batch))
        cosine = (found * expected[1]).sum() / mx.linalg.norm(found) / mx.linalg.norm(expected[1])
        assert found.dtype == mx.float32
        assert cosine.item() > 0.99

    engine.call(compare)


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_how_much_is_recomputed_changes_no_bit(engine, dropout, monkeypatch):
    def compare() -> None:
        _, gradient_computer, vector = make(MODELS["qwen3"](), dropout=dropout)
        batch, key = BATCHES["enough for two cores"], mx.random.key(5)
        assert len(gradient_computer._pack(batch, None)) == 2
        forward, blocks = gradient_computer._block.forward, []

        def counted(*arguments: Any, **options: Any) -> Any:
            blocks.append(1)
            return forward(*arguments, **options)

        monkeypatch.setattr(gradient_computer._block, "forward", counted)
        args = gradient_computer._model.args
        one = reckoned(args, gradient_computer._pack(batch, key if dropout else None))
        found = []
        for kept in (3, 2, 1):
            bound = 3 * one.input + kept * (one.kept - one.input)
            monkeypatch.setattr(gradient, "_ALWAYS_KEPT_BYTES", 0)
            monkeypatch.setattr(gradient, "most_kept_bytes", lambda bound=bound: bound)
            blocks.clear()
            found.append(drain(gradient_computer.gradient(vector, batch, key)))
            assert len(blocks) == 3 + (3 - kept)
        for loss, vector_of in found[1:]:
            assert mx.array_equal(loss, found[0][0])
            assert mx.array_equal(vector_of, found[0][1])

    engine.call(compare)


def reckoned(args: Any, lines: list[Line]) -> memory.BlockMemory:
    found = memory.BlockMemory(0, 0)
    for line in lines:
        sizes = (line.tokens.size, line.rows, line.width, line.shared)
        found += memory.block_memory(args, *sizes)
    return found


def test_what_a_block_keeps_is_what_is_reckoned(engine):
    def compare() -> None:
        for name in ("llama", "qwen3"):
            _, gradient_computer, vector = make(MODELS[name]())
            for batch in BATCHES.values():
                lines = gradient_computer._pack(batch, None)
                weights = gradient_computer._weights(gradient_computer._lora.unflatten(vector), 1)
                inputs = [mx.ones((line.tokens.size, 64)) for line in lines]
                _, kept = gradient_computer._block.forward(weights, inputs, lines, None)
                leaves: Any = tree_flatten([inputs, kept])
                size = sum(leaf.nbytes for _, leaf in leaves if isinstance(leaf, mx.array))
                expected = reckoned(gradient_computer._model.args, lines)
                assert size == pytest.approx(expected.kept, rel=0.1)

    engine.call(compare)
