"""Train Ember from scratch on the CPU, reproducibly and interruptibly.

Step ``n`` depends only on the seed, the number of steps and the state after step ``n - 1``; a
checkpoint holds that state, so an interrupted run ends in the same bytes as a straight one.
"""

import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
from mlx.utils import tree_flatten, tree_unflatten
from mlx_lm.models import llama
from tokenizers import Tokenizer

from radiance.ember.batches import STAGES, Batch, Stage, batch_at, stage_at
from radiance.ember.initial import install_copying
from radiance.ember.tokenizer import CONTEXT_TOKENS, END_ID, PAD_ID, VOCABULARY_SIZE

CONFIG: dict[str, object] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "vocab_size": VOCABULARY_SIZE,
    "hidden_size": 256,
    "intermediate_size": 640,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 64,
    "hidden_act": "silu",
    "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0,
    "max_position_embeddings": CONTEXT_TOKENS,
    "attention_bias": False,
    "mlp_bias": False,
    "tie_word_embeddings": True,
    "bos_token_id": None,
    "eos_token_id": END_ID,
    "pad_token_id": PAD_ID,
    "torch_dtype": "float32",
}


@dataclass(frozen=True)
class EmberRecipe:
    """Everything that decides the trained weights, besides the code and the machine.

    Attributes:
        stages: What is trained on, and with which learning rates: each stage's is reached after
            a warm-up, and a cosine leads to a twentieth of it.
        seed: Of the initial weights and of the corpus.
        warmup_ratio: Part of a stage's steps over which the learning rate rises.
        weight_decay: AdamW's, on every parameter.
        clip_norm: Largest norm of the whole gradient.
        with_copying: Whether the first weights hold a copying circuit.
        config: The architecture.
    """

    stages: tuple[Stage, ...] = STAGES
    seed: int = 0
    warmup_ratio: float = 0.03
    weight_decay: float = 0.02
    clip_norm: float = 1.0
    with_copying: bool = True
    config: tuple[tuple[str, object], ...] = tuple(CONFIG.items())

    @property
    def steps(self) -> int:
        return sum(stage.steps for stage in self.stages)

    def learning_rate_at(self, step: int) -> float:
        number, place = stage_at(self.stages, step)
        stage = self.stages[number]
        warmup = max(1, round(self.warmup_ratio * stage.steps))
        if place < warmup:
            return stage.learning_rate * (place + 1) / warmup
        progress = (place - warmup) / max(1, stage.steps - warmup)
        return stage.learning_rate * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * progress)))


def new_model(recipe: EmberRecipe) -> llama.Model:
    """The untrained model of a recipe."""
    mx.random.seed(recipe.seed)
    model = llama.Model(llama.ModelArgs.from_dict(dict(recipe.config)))
    shrink = 1 / math.sqrt(2 * len(model.layers))
    for layer in model.layers:
        # Each block adds to the residual stream; start with small additions (GPT-2's rule).
        layer.self_attn.o_proj.weight = layer.self_attn.o_proj.weight * shrink
        layer.mlp.down_proj.weight = layer.mlp.down_proj.weight * shrink
    if recipe.with_copying:
        install_copying(model)
    mx.eval(model.parameters())
    return model


def loss_on(
    model: llama.Model, tokens: mx.array, mask: mx.array, positions: mx.array, labels: mx.array,
    weights: mx.array,
) -> mx.array:  # fmt: skip
    """Weighted mean cross-entropy at the chosen positions only: the head is a third of a step."""
    hidden = model.model.embed_tokens(tokens)
    for layer in model.layers:
        hidden = layer(hidden, mask, cache=None)
    hidden = model.model.norm(hidden).reshape(-1, hidden.shape[-1])[positions]
    logits = model.model.embed_tokens.as_linear(hidden)
    return (nn.losses.cross_entropy(logits, labels) * weights).sum() / weights.sum()


def _arrays(batch: Batch) -> tuple[mx.array, ...]:
    documents = mx.array(batch.documents)
    length = documents.shape[1]
    same = documents[:, None, :, None] == documents[:, None, None, :]
    mask = same & mx.tril(mx.ones((length, length), dtype=mx.bool_))
    return (
        mx.array(batch.tokens),
        mask,
        mx.array(batch.positions),
        mx.array(batch.labels),
        mx.array(batch.weights),
    )


class Training:
    """A run that can be left and taken up again.

    Args:
        recipe: What to train.
        tokenizer: Ember's tokenizer.
        checkpoint: File that holds the state between interruptions, or None to keep none.
    """

    def __init__(
        self, recipe: EmberRecipe, tokenizer: Tokenizer, checkpoint: Path | None = None
    ) -> None:
        self.recipe, self.step, self.model = recipe, 0, new_model(recipe)
        self._tokenizer, self._checkpoint = tokenizer, checkpoint
        self._start_optimizer()
        self._gradient = nn.value_and_grad(self.model, loss_on)
        if checkpoint is not None and checkpoint.exists():
            self._load(checkpoint)

    def _start_optimizer(self) -> None:
        self._optimizer = optim.AdamW(
            0.0, betas=[0.9, 0.95], weight_decay=self.recipe.weight_decay, bias_correction=True
        )
        self._optimizer.init(self.model.trainable_parameters())

    def run(
        self, report: Callable[[int, float, float], None], stop: int | None = None, every: int = 200
    ) -> llama.Model:
        """Train to the end, or to step ``stop``; save every ``every`` steps and at the end.

        Args:
            report: Called after each step with the number of steps done, the loss and the seconds
                the step took.
            stop: Last step of this call.
            every: Steps between checkpoints.
        """
        last = self.recipe.steps if stop is None else min(stop, self.recipe.steps)
        while self.step < last:
            began = time.monotonic()
            loss = self._one_step()
            self.step += 1
            if self.step % every == 0 or self.step == last:
                self._save()
            report(self.step, loss, time.monotonic() - began)
        return self.model

    def _one_step(self) -> float:
        if stage_at(self.recipe.stages, self.step)[1] == 0:
            # A stage does not inherit the moments of the one before, which were of other data.
            self._start_optimizer()
        batch = batch_at(self._tokenizer, self.recipe.seed, self.recipe.stages, self.step)
        loss, gradient = self._gradient(self.model, *_arrays(batch))
        gradient, _ = optim.clip_grad_norm(gradient, self.recipe.clip_norm)
        self._optimizer.learning_rate = self.recipe.learning_rate_at(self.step)
        self._optimizer.update(self.model, gradient)
        mx.eval(self.model.parameters(), self._optimizer.state, loss)
        value = loss.item()
        if not math.isfinite(value):
            raise FloatingPointError(f"the loss at step {self.step} is {value}")
        return value

    def _identity(self) -> str:
        return repr(self.recipe)

    def _save(self) -> None:
        if self._checkpoint is None:
            return
        state = {"model": self.model.parameters(), "optimizer": self._optimizer.state}
        partial = self._checkpoint.with_suffix(".partial.safetensors")
        mx.save_safetensors(
            str(partial),
            dict(tree_flatten(state)),
            {"step": str(self.step), "recipe": self._identity()},
        )
        os.replace(partial, self._checkpoint)

    def _load(self, checkpoint: Path) -> None:
        loaded: Any = mx.load(str(checkpoint), return_metadata=True)
        arrays, metadata = loaded
        if metadata["recipe"] != self._identity():
            raise ValueError(f"{checkpoint} belongs to another recipe; remove it to start afresh")
        # Loading is lazy and the file is replaced later: read it now.
        mx.eval(arrays)
        state: Any = tree_unflatten(list(arrays.items()))
        self.model.update(state["model"])
        self._optimizer.state = state["optimizer"]
        self.step = int(metadata["step"])


def save_weights(model: llama.Model, path: Path) -> None:
    """Write the weights the way mlx-lm reads them."""
    arrays = dict(tree_flatten(model.parameters()))
    mx.save_safetensors(str(path), arrays, {"format": "mlx"})
