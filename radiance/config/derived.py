"""What "auto" stands for: settings that follow the base model's width. Pure.

Each rule is anchored at Ember, 256 wide, where its value was measured, and was checked on
stories260K (64) and SmolLM2-135M (576); see bench/LOG.md. Alpha follows the rank: at alpha / r
fixed the best rate hardly depends on the rank, and a few facts do not fill rank 8 ("LoRA Without
Regret", Schulman et al., Thinking Machines Lab, 2025). A quantized base is trained as its
unquantized original is: its adapter is computed in full precision.
"""

from typing import Literal, TypeVar

import msgspec

from radiance.config.learning_settings import AnchorSettings, TrainingSettings
from radiance.config.loading import Config

_WIDTH = 256  # Ember's
_LR, _LR_POWER = 1.5e-3, 0.78
_MAX_STEPS, _LEAST_MAX_STEPS = 400, 100
_OWN_SAMPLES, _LEAST_OWN_SAMPLES = 768, 128
_SAMPLES_STEP = 32
_NULL_SPACE_FROM, _NULL_SPACE_TO = 512, 2048
_EVERY, _RARELY_BELOW = 4, 0.005
_TASKS_FROM, _TASK_LR, _TASK_PASSES, _LEAST_TASK_STEPS = 512, 2e-4, 3, 30
_RANK, _RANKS = 8, 32

N = TypeVar("N", int, float)


def derive_training(
    settings: TrainingSettings, hidden_size: int, task_inputs: int = 0
) -> TrainingSettings:
    """Training settings with numbers in place of "auto".

    ``lr`` falls with the width to the power of 0.78, the exponent that "LoRA Without Regret" fits
    to Llama models of 1 to 70 billion parameters. ``max_steps`` falls with its root: wider models
    learn the same examples in fewer steps. ``r`` is larger where updates leave each other's columns
    alone (``training/nullspace.py``), so that several find free ones.

    A task is known by what its inputs have in common, not by heart: from 512 wide on the rate is
    at most 2e-4, which "QLoRA" (Dettmers et al., 2023) takes for models of 7 and 13 billion
    parameters, and three passes are made, but 30 steps at the least. Ember learns less of a task
    so.

    Args:
        settings: Any; numbers stay as they are.
        hidden_size: Width of the base model's hidden states.
        task_inputs: How many inputs of a task are learned; 0: facts are.
    """
    ratio = _WIDTH / hidden_size
    lr = min(1.0, _LR * ratio**_LR_POWER)
    r = (_RANKS if _has_room(hidden_size) else _RANK) if settings.r == "auto" else settings.r
    steps = min(_MAX_STEPS, max(_LEAST_MAX_STEPS, round(_MAX_STEPS * ratio**0.5)))
    if task_inputs and hidden_size >= _TASKS_FROM:
        rows = min(settings.batch_size, task_inputs) * settings.grad_accum
        passes = -(-_TASK_PASSES * task_inputs // rows)
        lr, steps = min(lr, _TASK_LR), min(steps, max(_LEAST_TASK_STEPS, passes))
    return msgspec.structs.replace(
        settings,
        r=r,
        alpha=2.0 * r if settings.alpha == "auto" else settings.alpha,
        lr=lr if settings.lr == "auto" else settings.lr,
        max_steps=steps if settings.max_steps == "auto" else settings.max_steps,
    )


def derive_anchor(settings: AnchorSettings, hidden_size: int) -> AnchorSettings:
    """Anchor settings with values in place of "auto", but for own samples.

    ``null_space`` is on where a layer's inputs leave room outside what is held: from 512 wide on.
    Above 2048 the subspaces would take a gigabyte and more, by reckoning; that was not measured.
    Where it is on, an anchor gradient every fourth step takes the place of one in each, and every
    eighth does while what is held has hardly moved.

    Args:
        settings: Any; values stay as they are.
        hidden_size: Width of the base model's hidden states.
    """
    null_space = settings.null_space
    if null_space == "auto":
        null_space = _has_room(hidden_size)
    every = (_EVERY if null_space else 1) if settings.every == "auto" else settings.every
    rarely_below = settings.rarely_below
    if rarely_below == "auto":
        rarely_below = _RARELY_BELOW if null_space else 0.0
    return msgspec.structs.replace(
        settings, null_space=null_space, every=every, rarely_below=rarely_below
    )


def _has_room(hidden_size: int) -> bool:
    return _NULL_SPACE_FROM <= hidden_size <= _NULL_SPACE_TO


def most_own_samples(hidden_size: int) -> int:
    """How many own samples "auto" comes to.

    They fall with the width, because writing one takes time with its square.
    """
    steps = round(_OWN_SAMPLES * _WIDTH / hidden_size / _SAMPLES_STEP)
    return min(_OWN_SAMPLES, max(_LEAST_OWN_SAMPLES, steps * _SAMPLES_STEP))


def derive(config: Config, hidden_size: int) -> Config:
    """All settings with numbers in place of "auto", but for own samples: they come as they may."""
    training = derive_training(config.training, hidden_size)
    anchor = derive_anchor(config.anchor, hidden_size)
    return msgspec.structs.replace(config, training=training, anchor=anchor)


def derived(value: N | Literal["auto"]) -> N:
    """A setting that may be "auto", in settings that were derived for a model."""
    assert value != "auto", "the settings were not derived for a model"
    return value
