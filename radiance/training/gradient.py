"""Loss and gradient of an adapter in pieces, one transformer block forward or backward at a time.

Between two pieces the engine decodes, so training never holds up a token for a whole step. While
somebody waits for tokens (whoever runs the pieces sends True) a block is computed in quarters.
What the backward pass needs of the forward pass is kept as far as the free memory allows; of the
blocks before that their input alone, from which they are computed again (gradient checkpointing).
Neither changes a bit.

What the rows of a batch begin with in common is computed once, and on the CPU two parts of the rows
on two cores (``packing``, ``block``): BLAS has half of the cores, and what is no matrix product
would leave the others idle. Evaluation goes the same way, without what only gradients need.

Models whose blocks cannot be called one by one (sliding windows, unusual heads) are computed whole,
as a single piece: correct, but a token may wait for a full step.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import mlx.core as mx
import mlx.nn as nn
import numpy as np
from mlx.utils import tree_flatten, tree_unflatten

from radiance.engine.model.elementwise import log_softmax
from radiance.engine.tasks import Pieces
from radiance.training.batches import TrainingBatch
from radiance.training.block import Kept, block_of
from radiance.training.lora import KeyedDropout, LoraModel
from radiance.training.losses import losses_of_logits
from radiance.training.memory import (
    BlockMemory,
    StepMemory,
    block_memory,
    most_kept_bytes,
    step_memory,
)
from radiance.training.output_head import NoHead, OutputHead
from radiance.training.packing import Line, pack
from radiance.training.row_gradients import OutputSquares, Places, Reduction, RowGradients
from radiance.training.stages import evaluate

Leaves = dict[str, mx.array]

_LEAST_PRODUCTS = 100_000_000  # of a line in a block: less is not worth a second core
_ALWAYS_KEPT_BYTES = 1 << 26  # asking what is free would take longer than it is worth


class GradientComputer:
    """Computes losses and gradients for one LoRA model.

    Attributes:
        is_blockwise: Whether a step is cut into blocks; otherwise it is one piece.
        adapted: Paths of the adapted layers.
        gives_rows: Whether it can tell the rows' gradients apart: blockwise, without dropout.
    """

    def __init__(self, lora: LoraModel) -> None:
        self._lora = lora
        self._model = lora.model
        self.adapted = {name.rpartition(".")[0] for name in lora.shapes}
        self._dropouts = [m for m in self._model.modules() if isinstance(m, KeyedDropout)]
        self._use_dropout = lora.parameters_config["dropout"] > 0
        block = block_of(self._model)
        if block is not None:
            self._block, self._head = block, OutputHead(self._model)
            self._split_by_layer()
        self.is_blockwise = block is not None and self._agrees()
        self.gives_rows = self.is_blockwise and not self._use_dropout
        self._rows_head = self._head if self.is_blockwise else NoHead()

    def gradient(
        self, vector: mx.array, batch: TrainingBatch, dropout_key: mx.array | None = None
    ) -> Pieces[tuple[mx.array, mx.array]]:
        """Sum of the batch's losses and its gradient.

        The loss is the weighted cross-entropy of the targets and, where the batch has references,
        the weighted divergence from them (``divergence``).

        Args:
            vector: The adapter, (parameters,) float32.
            batch: What to learn.
            dropout_key: Random key of this batch's dropout masks; None drops nothing.

        Returns:
            The loss summed over targets, (), and its gradient, (parameters,) float32.
        """
        leaves = self._lora.unflatten(vector)
        key = dropout_key if self._use_dropout else None
        if self.is_blockwise:
            return (yield from self._gradient_blockwise(leaves, batch, key))
        return (yield from self._gradient_whole(leaves, batch, key))

    def row_gradients(
        self,
        vector: mx.array,
        batch: TrainingBatch,
        columns: Mapping[str, Places],
        keep: Callable[[Leaves], None],
    ) -> Pieces[np.ndarray]:
        """Mean loss of each row of a batch, and its gradient by rows of B.

        Only where ``gives_rows``.

        Args:
            vector: The adapter, (parameters,) float32.
            batch: Without references; each row has a target.
            columns: By each adapted layer's path which rows of B.
            keep: Given the leaves of one block after another, the last first: each B's gradient
                for every row, (rows, columns, d_out) float32; evaluated.

        Returns:
            Cross-entropy per target of each row, (rows,) float64, in nats.
        """
        owners = batch.owners
        counts = np.bincount(owners[owners >= 0], minlength=len(batch.tokens))
        weights = np.where(owners >= 0, 1 / counts[np.maximum(owners, 0)], 0.0)
        batch = replace(batch, weights=mx.array(weights.astype(np.float32)))
        leaves, own = self._lora.unflatten(vector), _own_columns(columns, self._prefixes)

        def reduction(layer: int, lines: Sequence[Line]) -> Reduction:
            return RowGradients(lines, own[layer])

        losses = yield from self._descend(leaves, batch, None, keep, reduction)
        is_target = owners >= 0
        return np.bincount(owners[is_target], np.array(losses, dtype=np.float64)[is_target])

    def output_squares(self, vector: mx.array, batch: TrainingBatch) -> Pieces[dict[str, mx.array]]:
        """How much the loss feels what each adapted layer gives; blockwise models only.

        Returns:
            By each layer's path the squared gradients by its outputs summed, and their number, (2,)
            float32; evaluated.
        """
        found: Leaves = {}
        squares = OutputSquares()
        leaves = self._lora.unflatten(vector)
        yield from self._descend(leaves, batch, None, found.update, lambda _layer, _lines: squares)
        return {name.removesuffix(".lora_b"): of for name, of in found.items()}

    def target_losses(
        self, vector: mx.array, batch: TrainingBatch
    ) -> Pieces[tuple[mx.array, mx.array]]:
        """Cross-entropy of each target, and whether greedy decoding would choose it.

        Returns:
            Losses (n,) float32 and hits (n,) bool, in the order of ``batch.targets``.
        """
        rows = yield from self._rows(vector, batch)
        losses, hits = [], []
        for part in self.parts(rows):
            logits = self.logits(rows[part]).astype(mx.float32)
            losses.append(nn.losses.cross_entropy(logits, batch.targets[part]))
            hits.append(mx.argmax(logits, axis=-1) == batch.targets[part])
            mx.eval(losses[-1], hits[-1])
            yield None
        return mx.concatenate(losses), mx.concatenate(hits)

    def target_rows(self, vector: mx.array, batch: TrainingBatch) -> Pieces[mx.array]:
        """What ``logits`` makes each target's distribution of, (n, width), worth keeping.

        Whoever compares several adapters keeps these rather than whole distributions: a hidden
        state is a small part of a vocabulary's size.
        """
        return (yield from self._rows(vector, batch))

    def _rows(self, vector: mx.array, batch: TrainingBatch) -> Pieces[mx.array]:
        """This process's, whoever has overridden ``target_rows``."""
        leaves = self._lora.unflatten(vector)
        if self.is_blockwise:
            rows, _ = yield from self._forward_all(leaves, self._pack(batch, None), None)
            return rows
        self._bind(leaves, None)
        logits = self._model(batch.tokens)
        return logits.reshape(-1, logits.shape[-1])[batch.positions]

    def logits(self, rows: mx.array) -> mx.array:
        """Logits of the whole vocabulary, (n, vocabulary).

        Args:
            rows: Of ``target_rows``, (n, width); no more than a slice of ``parts`` at a time.
        """
        return self._rows_head.logits(rows)

    def log_probs(self, rows: mx.array) -> mx.array:
        """Log-probabilities of the whole vocabulary, (n, vocabulary) float32, in nats.

        Args:
            rows: As of ``logits``.
        """
        return log_softmax(self.logits(rows).astype(mx.float32))

    def parts(self, rows: mx.array) -> list[slice]:
        """Rows of ``target_rows`` in slices whose distributions fit a bounded buffer."""
        return self._rows_head.slices(rows)

    # ── Block by block ──────────────────────────────────────────────────────────────────────────

    def _agrees(self) -> bool:
        """Whether our own forward pass gives what the model does."""
        tokens = mx.array([[3, 1, 4, 1, 5, 9, 2, 6], [3, 1, 4, 1, 5, 3, 5, 8]], dtype=mx.int32)
        places = mx.arange(tokens.size, dtype=mx.int32)
        batch = TrainingBatch(
            tokens, places, places, mx.ones(tokens.size), np.repeat([0, 1], tokens.shape[1])
        )
        leaves = dict(_leaves(self._model))
        lines = self._pack(batch, None)
        hidden = [self._model.model.embed_tokens(line.tokens) for line in lines]
        for layer in range(len(self._prefixes)):
            weights, is_last = self._weights(leaves, layer), layer == len(self._prefixes) - 1
            hidden, _ = self._block.forward(weights, hidden, lines, None, at_targets=is_last)
        ours = self._head.logits(mx.concatenate(hidden))
        theirs = self._model(tokens).reshape(ours.shape)
        return bool(mx.allclose(ours, theirs, rtol=1e-3, atol=1e-3))

    def _split_by_layer(self) -> None:
        layers = self._model.layers
        paths = {id(module): path for path, module in self._model.named_modules()}
        self._prefixes = [f"{paths[id(layer)]}." for layer in layers]
        first = [name for name in self._lora.shapes if name.startswith(self._prefixes[0])]
        self._lora_names = [name.removeprefix(self._prefixes[0]) for name in first]
        self._frozen = [
            {name: leaf for name, leaf in _leaves(layer).items() if name not in self._lora_names}
            for layer in layers
        ]
        size = sum(leaf.size for leaf in self._frozen[0].values())
        self._least_line = -(-_LEAST_PRODUCTS // size)

    def step_memory(self, rows: int, width: int) -> StepMemory | None:
        """What a gradient of a batch of this shape takes of the memory; None: it is not known."""
        return step_memory(
            self._model,
            self._lora.size,
            rows,
            width,
            in_blocks=self.is_blockwise,
            most_kept=most_kept_bytes(),
        )

    def _blocks_kept(self, lines: Sequence[Line]) -> int:
        """How many of the last blocks are not computed again; it changes no bit."""
        number_bytes = self._model.model.norm.weight.dtype.size
        memory = BlockMemory(0, 0)
        for line in lines:
            memory += block_memory(
                self._model.args,
                line.tokens.size,
                line.rows,
                line.width,
                line.shared,
                number_bytes,
            )
        count = len(self._prefixes)
        if count * memory.kept <= _ALWAYS_KEPT_BYTES:
            return count
        return memory.blocks_kept(count, most_kept_bytes())

    def _pack(self, batch: TrainingBatch, key: mx.array | None) -> list[Line]:
        # With dropout the rows would share the masks of what they share.
        is_cpu = mx.default_device() == mx.cpu
        return pack(
            batch, shares=key is None, is_exact=is_cpu, least=self._least_line if is_cpu else None
        )

    def _gradient_blockwise(
        self, leaves: Leaves, batch: TrainingBatch, key: mx.array | None
    ) -> Pieces[tuple[mx.array, mx.array]]:
        gradients: Leaves = {}
        losses = yield from self._descend(leaves, batch, key, gradients.update)
        return losses.sum(), self._lora.flatten(gradients)

    def _descend(
        self,
        leaves: Leaves,
        batch: TrainingBatch,
        key: mx.array | None,
        keep: Callable[[Leaves], None],
        reduction: Callable[[int, Sequence[Line]], Reduction] | None = None,
    ) -> Pieces[mx.array]:
        """Each target's loss, (n,); the gradients go to ``keep``, the last block's first.

        With a reduction of each layer, what that gives in place of them.
        """
        lines = self._pack(batch, key)
        count = len(self._prefixes)
        kept_from = count - self._blocks_kept(lines)
        hidden, blocks = yield from self._forward_all(leaves, lines, key, kept_from)
        losses, cotangent = yield from self._head.losses(hidden, batch)
        ends = np.cumsum([line.positions.size for line in lines])[:-1].tolist()
        cotangents: list[mx.array] = cast(Any, mx.split(cotangent, ends))
        keys = self._layer_keys(key, lines)
        is_awaited = bool((yield None))
        for layer in reversed(range(count)):
            inputs, kept = blocks.pop()
            weights, at_targets = self._weights(leaves, layer), layer == count - 1
            if kept is None:
                _, kept = self._block.forward(
                    weights, inputs, lines, keys[layer], at_targets=at_targets
                )
            prefix = self._prefixes[layer]
            cotangents, found, stages = self._block.backward(
                weights,
                inputs,
                kept,
                cotangents,
                lines,
                keys[layer],
                at_targets=at_targets,
                reduction=None if reduction is None else reduction(layer, lines),
            )
            del inputs, kept
            if layer:
                stages.append(cotangents)
            is_awaited = yield from evaluate(stages, list(found.values()), is_awaited)
            del stages
            keep({prefix + name: array for name, array in found.items()})
        return losses

    def _forward_all(
        self,
        leaves: Leaves,
        lines: Sequence[Line],
        key: mx.array | None,
        kept_from: int | None = None,
    ) -> Pieces[tuple[mx.array, list[tuple[list[mx.array], list[Kept] | None]]]]:
        """Output of the last block at the targets, (targets, hidden); and what was kept.

        Of each block its inputs, and from ``kept_from`` on what its backward pass needs; None:
        nothing is kept.
        """
        hidden = [self._model.model.embed_tokens(line.tokens) for line in lines]
        blocks: list[tuple[list[mx.array], list[Kept] | None]] = []
        keys, count = self._layer_keys(key, lines), len(self._prefixes)
        is_awaited = bool((yield None))
        for layer in range(count):
            inputs = hidden
            hidden, kept = self._block.forward(
                self._weights(leaves, layer),
                inputs,
                lines,
                keys[layer],
                at_targets=layer == count - 1,
            )
            stages = [[of[name] for of in kept] for name in ("mixed", "y", "gates")]
            if kept_from is not None:
                blocks.append((inputs, kept if layer >= kept_from else None))
            del inputs, kept
            is_awaited = yield from evaluate(stages, hidden, is_awaited)
            del stages
        return mx.concatenate(hidden), blocks

    def _weights(self, leaves: Leaves, layer: int) -> Leaves:
        prefix = self._prefixes[layer]
        lora = {name: leaves[prefix + name] for name in self._lora_names}
        return self._frozen[layer] | lora

    def _layer_keys(self, key: mx.array | None, lines: Sequence[Line]) -> list[mx.array | None]:
        """One key for each dropout of each line and layer: (lines, dropouts, 2) per layer."""
        shape = (len(self._prefixes), len(lines), self._block.dropouts)
        if key is None:
            return [None] * shape[0]
        return [*mx.random.split(key, shape[0] * shape[1] * shape[2]).reshape(*shape, 2)]

    # ── As a whole ──────────────────────────────────────────────────────────────────────────────

    def _gradient_whole(
        self, leaves: Leaves, batch: TrainingBatch, key: mx.array | None
    ) -> Pieces[tuple[mx.array, mx.array]]:
        def loss_of(leaves: Leaves) -> mx.array:
            self._bind(leaves, key)
            logits = self._model(batch.tokens)
            rows = logits.reshape(-1, logits.shape[-1])[batch.positions]
            if batch.reference is None or batch.reference_weights is None:
                return losses_of_logits(rows, batch.targets, batch.weights).sum()
            given = (*batch.reference, batch.reference_weights)
            return losses_of_logits(rows, batch.targets, batch.weights, *given).sum()

        loss, gradients = mx.value_and_grad(loss_of)(leaves)
        vector = self._lora.flatten(gradients)
        mx.eval(loss, vector)
        yield None
        return loss, vector

    def _bind(self, leaves: Leaves, key: mx.array | None) -> None:
        self._model.update(tree_unflatten(list(leaves.items())))
        keys = None if key is None else mx.random.split(key, len(self._dropouts))
        _set_keys(self._dropouts, keys)


def _set_keys(dropouts: Sequence[KeyedDropout], keys: mx.array | None) -> None:
    """Give each dropout its row of keys, (dropouts, 2); None switches them off."""
    for index, dropout in enumerate(dropouts):
        dropout.set_key(None if keys is None else keys[index])


def _own_columns(columns: Mapping[str, Places], prefixes: Sequence[str]) -> list[dict[str, Places]]:
    """Of each block's layers, by their paths in it."""
    return [
        {p.removeprefix(prefix): of for p, of in columns.items() if p.startswith(prefix)}
        for prefix in prefixes
    ]


def _leaves(module: nn.Module) -> Leaves:
    flat: Any = tree_flatten(module.parameters())
    return dict(flat)
