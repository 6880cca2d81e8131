"""What a training step will take of the memory, before it runs: Metal's out-of-memory ends us.

An estimate from shapes, held against measured peaks by the tests: never below what a step takes,
and not far above. Where a model does not say its dimensions nothing is estimated.
"""

from dataclasses import dataclass
from typing import Any

import mlx.core as mx

from radiance import config
from radiance.errors import OutOfMemory
from radiance.platform.conditions import read_conditions

_FLOAT = 4
_VECTORS = 10  # adapter, moments, gradients, constraint and what a step makes of them
_LOGITS_COPIES = 4  # of one slice: logits, their softmax, the gradient, a cast
_WORKING_BLOCKS = 2  # the block at work: what its passes hold beside what they keep
MOST_SHARE = 0.9
"""Of what is free: the estimate and the system both move."""
_GIB = 1 << 30
_KEPT_SHARE = 3  # of what is free a step may keep one in so many parts
_UNKNOWN_KEPT = 1 << 30
_LOGITS_PER_PIECE = 1 << 18
_LEAST_TARGETS_PER_PIECE = 64


@dataclass(frozen=True)
class StepMemory:
    """Bytes that one step takes beside the model.

    Attributes:
        activations: Kept between forward and backward.
        logits: Of one slice of the head, with what is made of them.
        vectors: The adapter, the optimizer's state and gradients.
        rows: Of the batch it is for.
        tokens: Of each row.
    """

    activations: int
    logits: int
    vectors: int
    rows: int
    tokens: int

    @property
    def total(self) -> int:
        return self.activations + self.logits + self.vectors


@dataclass(frozen=True)
class BlockMemory:
    """Bytes of the activations of one block on one batch.

    Attributes:
        kept: What its backward pass needs, if it is not computed again.
        input: Of what it is computed from.
    """

    kept: int
    input: int

    def __add__(self, other: "BlockMemory") -> "BlockMemory":
        return BlockMemory(self.kept + other.kept, self.input + other.input)

    def blocks_kept(self, layers: int, most: int) -> int:
        """So many of the last blocks are kept within a bound; the last one always is."""
        left = most - layers * self.input
        return max(1, min(layers, left // max(1, self.kept - self.input)))

    def total(self, layers: int, kept: int) -> int:
        """Of a step that keeps so many blocks: with the one at work, forward and backward."""
        return layers * self.input + (kept + _WORKING_BLOCKS) * self.kept


def block_memory(
    args: Any, tokens: int, rows: int, width: int, shared: int, number_bytes: int = _FLOAT
) -> BlockMemory:
    """What ``Block.forward`` keeps.

    Args:
        args: mlx-lm's arguments of the model.
        tokens: In the line.
        rows: Of the batch.
        width: Own tokens a row.
        shared: Tokens that all rows share.
        number_bytes: Of one number of an activation.
    """
    heads = args.num_attention_heads
    size = getattr(args, "head_dim", None) or args.hidden_size // heads
    kv_heads = getattr(args, "num_key_value_heads", None) or heads
    padded = shared + rows * width
    kept = tokens * (2 * args.hidden_size + 3 * args.intermediate_size + heads * size)
    kept += padded * (heads + 2 * kv_heads) * size
    if "qwen3" in getattr(args, "model_type", ""):
        kept += tokens * (heads + kv_heads) * size  # before their norms
    scores = heads * (rows * width * (width + shared) + shared * shared)
    return BlockMemory(
        kept * number_bytes + scores * _FLOAT, tokens * args.hidden_size * number_bytes
    )


def estimate(
    args: Any,
    layers: int,
    size: int,
    rows: int,
    width: int,
    *,
    most_kept: int | None,
    most_logits: int,
    number_bytes: int = _FLOAT,
) -> StepMemory | None:
    """What a step on a batch takes; None where the model does not say its dimensions.

    Args:
        args: mlx-lm's arguments of the model.
        layers: Number of blocks.
        size: Trainable parameters.
        rows: Of the batch.
        width: Tokens a row.
        most_kept: Over so many bytes of activations blocks are recomputed; None: never.
        most_logits: Numbers in one slice of the head's output.
        number_bytes: Of one number of an activation.
    """
    names = ("hidden_size", "intermediate_size", "num_attention_heads", "vocab_size")
    if not all(isinstance(getattr(args, name, None), int) for name in names):
        return None
    block = block_memory(args, rows * width, rows, width, 0, number_bytes)
    kept = layers if most_kept is None else block.blocks_kept(layers, most_kept)
    logits = min(rows * width * args.vocab_size, most_logits) * _FLOAT * _LOGITS_COPIES
    activations = block.total(layers, kept)
    return StepMemory(activations, logits, size * _FLOAT * _VECTORS, rows, width)


def step_memory(
    model: Any, size: int, rows: int, width: int, *, in_blocks: bool, most_kept: int
) -> StepMemory | None:
    """What a step on a batch takes of an mlx-lm module; None where it does not say its dimensions.

    Args:
        model: The module; only its shapes are looked at.
        size: Trainable parameters.
        rows: Of the batch.
        width: Tokens a row.
        in_blocks: Whether the step goes block by block, or is one piece.
        most_kept: Over so many bytes of activations blocks are recomputed.
    """
    args, layers = getattr(model, "args", None), len(model.layers)
    if not in_blocks:
        return estimate(args, layers, size, rows, width, most_kept=None, most_logits=1 << 62)
    vocab = model.args.vocab_size
    return estimate(
        args,
        layers,
        size,
        rows,
        width,
        most_kept=most_kept,
        most_logits=targets_at_once(vocab) * vocab,
        number_bytes=model.model.norm.weight.dtype.size,
    )


def targets_at_once(vocab: int) -> int:
    """Of so many targets the head's output is held at once, whatever the vocabulary's size."""
    return max(_LEAST_TARGETS_PER_PIECE, _LOGITS_PER_PIECE // vocab // 16 * 16)


def free_bytes() -> int | None:
    """What can still be had of the memory MLX computes in; None where nobody says.

    On Metal what the system recommends for the GPU, less what is in use; on CUDA the card's; on the
    CPU the machine's.
    """
    if mx.default_device() == mx.cpu:
        return read_conditions().free_memory_bytes
    info = mx.device_info()
    total = info.get("max_recommended_working_set_size") or info.get("memory_size")
    return None if not total else max(0, int(total) - mx.get_active_memory())


def all_bytes() -> int | None:
    """What could be had if no other program had any of it; None where nobody says."""
    if mx.default_device() != mx.cpu:
        return free_bytes()  # which nobody else's programs count against
    total = read_conditions().total_memory_bytes
    return None if total is None else max(0, total - mx.get_active_memory())


def most_kept_bytes() -> int:
    """What a step may keep between forward and backward, rather than compute it again.

    A part of what is free: other programs want memory too, and computing all blocks again takes a
    third longer, not several times as long.
    """
    return kept_part(free_bytes())


def kept_part(free: int | None) -> int:
    """The part of free memory (None: unknown) that ``most_kept_bytes`` allows."""
    return _UNKNOWN_KEPT if free is None else max(0, free) // _KEPT_SHARE


def require(
    step: StepMemory | None,
    free: int | None,
    settings: config.TrainingSettings,
    in_all: int | None = None,
) -> None:
    """Refuse a step that would not fit.

    Args:
        step: What it takes.
        free: What can be had now.
        settings: Of the training.
        in_all: What could be had if no other program had any; None: no more than is free.

    Raises:
        OutOfMemory: It needs more than is free; the message has the numbers and what to lower.
    """
    if step is None or free is None or step.total <= free * MOST_SHARE:
        return
    is_passing = in_all is not None and step.total <= in_all * MOST_SHARE
    raise OutOfMemory(
        f"a training step needs about {_gib(step.total)} (a batch of {step.rows} x {step.tokens} "
        f"tokens: activations {_gib(step.activations)}, logits {_gib(step.logits)}, optimizer "
        f"{_gib(step.vectors)}), and {_gib(free)} are free. Lower training.batch_size (is "
        f"{settings.batch_size}) and raise grad_accum, shorten the longest example, or lower "
        f"training.r (is {settings.r}).",
        is_passing=is_passing,
    )


def _gib(size: int) -> str:
    return f"{size / _GIB:.2f} GiB"
