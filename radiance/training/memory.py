"""What a training step will take of the memory, before it runs: Metal's out-of-memory ends us.

An estimate from shapes, held against measured peaks by the tests: never below what a step takes,
and not far above. Where a model does not say its dimensions nothing is estimated.
"""

from dataclasses import dataclass
from typing import Any

import mlx.core as mx

from radiance import config
from radiance.errors import TrainingError
from radiance.platform.conditions import read_conditions

_FLOAT = 4
_VECTORS = 10  # adapter, moments, gradients, constraint and what a step makes of them
_LOGITS_COPIES = 4  # of one slice: logits, their softmax, the gradient, a cast
_SCORES_COPIES = 2  # of one block's attention: what its backward pass makes of them
_MOST_SHARE = 0.9  # of what is free: the estimate and the system both move
_GIB = 1 << 30


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


def kept_bytes(args: Any, layers: int, rows: int, width: int) -> int:
    """About what a step keeps between forward and backward if it recomputes nothing."""
    per_token = 16 * args.hidden_size + 6 * args.intermediate_size
    per_token += args.num_attention_heads * width
    return rows * width * per_token * layers * _FLOAT


def estimate(
    args: Any, layers: int, size: int, rows: int, width: int, *, most_kept: int, most_logits: int
) -> StepMemory | None:
    """What a step on a batch takes; None where the model does not say its dimensions.

    Args:
        args: mlx-lm's arguments of the model.
        layers: Number of blocks.
        size: Trainable parameters.
        rows: Of the batch.
        width: Tokens a row.
        most_kept: Over so many bytes of activations blocks are recomputed; 0: never.
        most_logits: Numbers in one slice of the head's output.
    """
    names = ("hidden_size", "intermediate_size", "num_attention_heads", "vocab_size")
    if not all(isinstance(getattr(args, name, None), int) for name in names):
        return None
    kept = kept_bytes(args, layers, rows, width)
    if most_kept and kept > most_kept:
        kept = kept // layers + rows * width * args.hidden_size * layers * _FLOAT
    kept += rows * width * args.num_attention_heads * width * _FLOAT * _SCORES_COPIES
    logits = min(rows * width * args.vocab_size, most_logits) * _FLOAT * _LOGITS_COPIES
    return StepMemory(kept, logits, size * _FLOAT * _VECTORS, rows, width)


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


def require(step: StepMemory | None, free: int | None, settings: config.TrainingSettings) -> None:
    """Refuse a step that would not fit.

    Raises:
        TrainingError: It needs more than is free; the message has the numbers and what to lower.
    """
    if step is None or free is None or step.total <= free * _MOST_SHARE:
        return
    raise TrainingError(
        f"a training step needs about {_gib(step.total)} (a batch of {step.rows} x {step.tokens} "
        f"tokens: activations {_gib(step.activations)}, logits {_gib(step.logits)}, optimizer "
        f"{_gib(step.vectors)}), and {_gib(free)} are free. Lower training.batch_size (is "
        f"{settings.batch_size}) and raise grad_accum, shorten the longest example, or lower "
        f"training.r (is {settings.r})."
    )


def _gib(size: int) -> str:
    return f"{size / _GIB:.2f} GiB"
