"""What a base model would take of this machine's memory, to serve and to train, before it is here.

Reckoned from shapes: mlx-lm's module is built without its weights and nothing of it is computed.
The numbers are those that the service itself goes by.
"""

from dataclasses import dataclass
from typing import Any

import mlx.nn as nn

from radiance.config import Config
from radiance.config.derived import derive_anchor, derive_training, derived
from radiance.engine.decoding.kv_budget import (
    kv_bytes_per_token,
    kv_cache_bytes,
    prompt_cache_bytes,
)
from radiance.engine.model import precision
from radiance.engine.model.base import context_tokens, hidden_size
from radiance.engine.model.device import Device
from radiance.engine.model.stored import StoredModel
from radiance.training.block import PLAIN_STACKS
from radiance.training.gauss_newton import WORDINGS
from radiance.training.lora import target_keys
from radiance.training.memory import kept_part, step_memory
from radiance.training.subspaces import most_bytes

_LENGTHS = (256, 1024, 4096, 16384)  # tokens, of a row that is answered
_EXAMPLE_LENGTHS = (64, 256, 1024)  # tokens, of an example
_MOST_SHARE = 0.9  # of the memory: the rest is the program's own, and the system's


@dataclass(frozen=True)
class ServingFit:
    """Answering rows of one length.

    Attributes:
        tokens: Of a row, prompt and answer together.
        row_bytes: Keys and values of one.
        rows: As many are answered at once.
        fits: Whether one is, with the weights in memory.
    """

    tokens: int
    row_bytes: int
    rows: int
    fits: bool


@dataclass(frozen=True)
class TrainingFit:
    """A training step on examples of one length.

    Attributes:
        tokens: Of an example.
        rows: Of the batch of an update of ``batch_size`` facts: new and replayed examples. More
            facts make a larger one where memory allows it, and no larger one elsewhere.
        least_bytes: What the step takes beside the weights where every block is computed twice,
            with the subspaces that it leaves alone; None: the model does not say.
        step_bytes: What it takes here, where blocks are kept as far as the memory allows.
        fits: Whether it does, with the weights in memory; None: it is not known.
    """

    tokens: int
    rows: int
    least_bytes: int | None
    step_bytes: int | None
    fits: bool | None


@dataclass(frozen=True)
class Fit:
    """What a model takes here.

    Attributes:
        memory_bytes: What there is for all, on the device that computes.
        parameters: Numbers of the model.
        computed: In which precision its layers are computed.
        weight_bytes: Its weights in memory.
        kv_bytes_per_token: Keys and values of one token.
        context_tokens: Longest sequence it takes.
        adapter_parameters: Trainable numbers, by the settings.
        fits: Whether weights and keys and values of one row of the shortest length do.
        serving: By length.
        training: By length.
    """

    memory_bytes: int
    parameters: int
    computed: str
    weight_bytes: int
    kv_bytes_per_token: int
    context_tokens: int
    adapter_parameters: int
    fits: bool
    serving: tuple[ServingFit, ...]
    training: tuple[TrainingFit, ...]


def reckon(stored: StoredModel, device: Device, settings: Config) -> Fit:
    """What a model takes on this device under these settings.

    Args:
        stored: The model, or a description of it.
        device: What would compute.
        settings: Their ``[engine]`` and ``[training]``.

    Raises:
        ConfigError: mlx-lm does not have the model, or not the layers to adapt.
    """
    model = stored.skeleton()
    count = precision.parameter_count(model)
    model, _ = precision.prepare(model, device)
    weights, kv = precision.weight_bytes(model), kv_bytes_per_token(model)
    longest = context_tokens(stored.config)
    usable = int(_MOST_SHARE * device.memory_bytes)
    left = usable - weights
    most = kv_cache_bytes(settings.engine, device.memory_bytes)
    prompts = prompt_cache_bytes(settings.engine, device.memory_bytes)
    budget = max(0, min(most, left - prompts))
    serving = tuple(
        ServingFit(tokens, tokens * kv, _rows(budget, tokens * kv, settings), tokens * kv <= left)
        for tokens in (*(n for n in _LENGTHS if n < longest), longest)
    )
    training = derive_training(settings.training, hidden_size(stored.config))
    shapes = _adapted_shapes(model, training.target_modules)
    adapted = derived(training.r) * sum(inputs + outputs for inputs, outputs in shapes)
    held = most_bytes(inputs for inputs, _ in shapes) if _goes_around(settings, stored) else 0
    wordings = WORDINGS if _goes_around(settings, stored) and training.optimizer != "adamw" else 0
    rows = training.batch_size * (1 + wordings)
    rows += round(training.batch_size * training.replay_ratio)
    in_blocks = getattr(model, "model_type", "") in PLAIN_STACKS

    def step_bytes(tokens: int, most_kept: int) -> int | None:
        shape = (adapted, rows, tokens)
        step = step_memory(model, *shape, in_blocks=in_blocks, most_kept=most_kept)
        return None if step is None else step.total + held

    steps = []
    for tokens in (n for n in _EXAMPLE_LENGTHS if n <= longest):
        least, usual = step_bytes(tokens, 0), step_bytes(tokens, kept_part(left))
        fits = None if usual is None else usual <= left
        steps.append(TrainingFit(tokens, rows, least, usual, fits))
    return Fit(
        memory_bytes=device.memory_bytes,
        parameters=count,
        computed=precision.computed_as(model, stored.precision),
        weight_bytes=weights,
        kv_bytes_per_token=kv,
        context_tokens=longest,
        adapter_parameters=adapted,
        fits=serving[0].fits,
        serving=serving,
        training=tuple(steps),
    )


def _rows(budget: int, row_bytes: int, settings: Config) -> int:
    """As many as there is room for; one always is answered, alone."""
    return max(1, min(settings.engine.decode_rows, budget // max(1, row_bytes)))


def _goes_around(settings: Config, stored: StoredModel) -> bool:
    """Whether updates leave the subspaces of held texts alone, which are in memory then."""
    anchor = derive_anchor(settings.anchor, hidden_size(stored.config))
    return anchor.method != "naive" and bool(anchor.null_space)


def _adapted_shapes(model: Any, targets: tuple[str, ...]) -> list[tuple[int, int]]:
    """Widths of input and output of each layer that is adapted."""
    keys = target_keys(model, targets)
    found = []
    for layer in model.layers:
        for name, module in layer.named_modules():
            if name in keys:
                rows, columns = module.weight.shape
                packed = 32 // module.bits if isinstance(module, nn.QuantizedLinear) else 1
                found.append((columns * packed, rows))
    return found
