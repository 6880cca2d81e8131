"""The gradient by one ordinary call of mx.value_and_grad, for what computes it otherwise."""

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_unflatten

from radiance.training.batches import TrainingBatch
from radiance.training.lora import LoraModel


def whole_gradient(
    lora: LoraModel, vector: mx.array, batch: TrainingBatch
) -> tuple[mx.array, mx.array]:
    """Loss and gradient over mlx-lm's model."""

    def loss_of(vector: mx.array) -> mx.array:
        lora.model.update(tree_unflatten(list(lora.unflatten(vector).items())))
        logits = lora.model(batch.tokens)
        rows = logits.reshape(-1, logits.shape[-1])[batch.positions]
        return (nn.losses.cross_entropy(rows, batch.targets) * batch.weights).sum()

    return mx.value_and_grad(loss_of)(vector)
