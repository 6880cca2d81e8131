"""Loss and gradient of an adapter in pieces, one transformer block forward or backward at a time.

Between two pieces the engine decodes, so training never holds up a token for a whole step. MLX is
lazy: the graph of the whole step is written down first and then evaluated block by block, which
computes nothing twice. While somebody waits for tokens (whoever runs the pieces sends True) a block
is evaluated in quarters; where it is cut changes no bit. Where what a step keeps between forward
and backward would not fit a bound, the backward pass of a block recomputes its forward from the
block's input (gradient checkpointing), and all blocks share one traced function: their weights are
its arguments. Both give the same bits on the CPU, and which one is taken follows from the batch's
shape alone.

Models whose blocks cannot be called one by one (sliding windows, unusual heads) are computed whole,
as a single piece: correct, but a token may wait for a full step.
"""

import copy
from collections.abc import Callable, Sequence
from typing import Any

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_flatten, tree_unflatten

from radiance.engine.tasks import Pieces
from radiance.training.batches import TrainingBatch
from radiance.training.lora import KeyedDropout, LoraModel
from radiance.training.losses import cross_entropy, divergence, log_normaliser
from radiance.training.memory import StepMemory, estimate, kept_bytes

Leaves = dict[str, mx.array]

# Model types of mlx-lm whose forward pass is: embed, each layer(h, mask, cache), norm, head.
_PLAIN_STACKS = {"llama", "mistral", "qwen2", "qwen3"}
# Modules at whose inputs a block is cut, and LoRA leaves in the order of the backward pass.
_QUARTERS = {"self_attn.o_proj", "post_attention_layernorm", "mlp.down_proj"}
_BACKWARD = (("down_proj",), ("gate_proj", "up_proj"), ("o_proj",))
_LOGITS_PER_PIECE = 1 << 18
_LEAST_TARGETS_PER_PIECE = 64
_MOST_KEPT_BYTES = 1 << 30


class GradientComputer:
    """Computes losses and gradients for one LoRA model.

    Attributes:
        is_blockwise: Whether a step is cut into blocks; otherwise it is one piece.
    """

    def __init__(self, lora: LoraModel) -> None:
        self._lora = lora
        self._model = lora.model
        self._dropouts = [m for m in self._model.modules() if isinstance(m, KeyedDropout)]
        self._use_dropout = lora.parameters_config["dropout"] > 0
        self.is_blockwise = self._is_plain_stack()
        if self.is_blockwise:
            self._split_by_layer()

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

    def target_losses(
        self, vector: mx.array, batch: TrainingBatch
    ) -> Pieces[tuple[mx.array, mx.array]]:
        """Cross-entropy of each target, and whether greedy decoding would choose it.

        Returns:
            Losses (n,) float32 and hits (n,) bool, in the order of ``batch.targets``.
        """
        head, rows, vocab = yield from self._last_rows(vector, batch)
        losses, hits = [], []
        for part in _slices(len(rows), vocab):
            logits = head(rows[part]).astype(mx.float32)
            losses.append(nn.losses.cross_entropy(logits, batch.targets[part]))
            hits.append(mx.argmax(logits, axis=-1) == batch.targets[part])
            mx.eval(losses[-1], hits[-1])
            yield None
        return mx.concatenate(losses), mx.concatenate(hits)

    def _last_rows(
        self, vector: mx.array, batch: TrainingBatch
    ) -> Pieces[tuple[Callable[[mx.array], mx.array], mx.array, int]]:
        """What gives logits, the rows to give it for the batch's targets, and how many logits."""
        leaves = self._lora.unflatten(vector)
        if self.is_blockwise:
            hidden, _ = yield from self._hidden(leaves, batch, None, keep=False)
            rows = hidden.reshape(-1, hidden.shape[-1])[batch.positions]
            return self._head, rows, self._model.args.vocab_size
        self._bind(leaves, None)
        logits = self._model(batch.tokens)
        rows = logits.reshape(-1, logits.shape[-1])[batch.positions]
        return _identity, rows, rows.shape[-1]

    def target_rows(self, vector: mx.array, batch: TrainingBatch) -> Pieces[mx.array]:
        """What ``log_probs`` makes each target's distribution of, (n, width), worth keeping.

        Whoever compares several adapters keeps these rather than whole distributions: a hidden
        state is a small part of a vocabulary's size.
        """
        _, rows, _ = yield from self._last_rows(vector, batch)
        return rows

    def log_probs(self, rows: mx.array) -> mx.array:
        """Log-probabilities of the whole vocabulary, (n, vocabulary) float32, in nats.

        Args:
            rows: Of ``target_rows``, (n, width); no more than a slice of ``parts`` at a time.
        """
        logits = (self._head(rows) if self.is_blockwise else rows).astype(mx.float32)
        return logits - mx.logsumexp(logits, axis=-1, keepdims=True)

    def parts(self, rows: mx.array) -> list[slice]:
        """Rows of ``target_rows`` in slices whose distributions fit a bounded buffer."""
        vocab = self._model.args.vocab_size if self.is_blockwise else rows.shape[-1]
        return _slices(len(rows), vocab)

    # ── Block by block ──────────────────────────────────────────────────────────────────────────

    def _is_plain_stack(self) -> bool:
        """Whether the blocks can be called one by one, tried on a few tokens."""
        model = self._model
        if getattr(model, "model_type", "") not in _PLAIN_STACKS:
            return False
        layers = model.layers
        if any(getattr(layer, "use_sliding", False) for layer in layers):
            return False
        shapes = [[(n, leaf.shape) for n, leaf in _leaves(layer).items()] for layer in layers]
        if any(other != shapes[0] for other in shapes):
            return False
        tokens = mx.arange(8, dtype=mx.int32)[None]
        hidden = model.model.embed_tokens(tokens)
        for layer in layers:
            hidden = layer(hidden, "causal", None)
        return bool(mx.allclose(self._head(hidden), model(tokens), rtol=1e-3, atol=1e-3))

    def _split_by_layer(self) -> None:
        layers = self._model.layers
        paths = {id(module): path for path, module in self._model.named_modules()}
        self._prefixes = [f"{paths[id(layer)]}." for layer in layers]
        first = [name for name in self._lora.shapes if name.startswith(self._prefixes[0])]
        self._lora_names = [name.removeprefix(self._prefixes[0]) for name in first]
        frozen = [_leaves(layer) for layer in layers]
        self._frozen_names = sorted(set(frozen[0]) - set(self._lora_names))
        self._frozen = [[leaves[name] for name in self._frozen_names] for leaves in frozen]
        self._lora_groups = _grouped(self._lora_names)
        self._block = _shell(layers[0])
        self._tapped: list[mx.array] = []  # inputs of the quarters of the block called last
        for path, module in self._block.named_modules():
            if path in _QUARTERS:
                _tap(module, self._tapped)
        self._block_dropouts = [m for m in self._block.modules() if isinstance(m, KeyedDropout)]

        def run(frozen: list, lora: list, hidden: mx.array, keys: mx.array | None) -> mx.array:
            names = self._frozen_names + self._lora_names
            self._block.update(tree_unflatten(list(zip(names, frozen + lora, strict=True))))
            self._tapped.clear()
            _set_keys(self._block_dropouts, keys)
            return self._block(hidden, "causal", None)

        def backward(
            frozen: list, lora: list, hidden: mx.array, cotangent: mx.array, keys: mx.array | None
        ) -> list[mx.array]:
            def of_inputs(h: mx.array, *leaves: mx.array) -> mx.array:
                return run(frozen, list(leaves), h, keys)

            _, gradients = mx.vjp(of_inputs, [hidden, *lora], [cotangent])
            return gradients

        self._run = run
        # Traced apart with and without dropout: a missing key is not an array.
        self._forward = mx.compile(lambda f, lo, h: run(f, lo, h, None))
        self._forward_dropout = mx.compile(run)
        self._backward = mx.compile(lambda f, lo, h, c: backward(f, lo, h, c, None))
        self._backward_dropout = mx.compile(backward)
        self._head_gradient = mx.compile(mx.value_and_grad(self._head_loss))
        self._head_gradient_reference = mx.compile(mx.value_and_grad(self._head_loss_reference))

    def _gradient_blockwise(
        self, leaves: Leaves, batch: TrainingBatch, key: mx.array | None
    ) -> Pieces[tuple[mx.array, mx.array]]:
        rows, width = batch.tokens.shape
        kept = kept_bytes(self._model.args, len(self._prefixes), rows, width)
        if kept <= _MOST_KEPT_BYTES:
            return (yield from self._gradient_kept(leaves, batch, key))
        return (yield from self._gradient_recomputed(leaves, batch, key))

    def step_memory(self, rows: int, width: int) -> StepMemory | None:
        """What a gradient of a batch of this shape takes of the memory; None: it is not known."""
        model = self._model
        most = (_MOST_KEPT_BYTES, _LOGITS_PER_PIECE) if self.is_blockwise else (0, 1 << 62)
        args = getattr(model, "args", None)
        return estimate(
            args,
            len(model.layers),
            self._lora.size,
            rows,
            width,
            most_kept=most[0],
            most_logits=most[1],
        )

    def _gradient_kept(
        self, leaves: Leaves, batch: TrainingBatch, key: mx.array | None
    ) -> Pieces[tuple[mx.array, mx.array]]:
        outputs: list[mx.array] = []
        taps: list[list[mx.array]] = []
        heads: list[tuple[mx.array, mx.array]] = []
        keys = self._layer_keys(key) or [None] * len(self._prefixes)

        def surrogate(leaves: Leaves) -> mx.array:
            """Has the loss's gradient, with each part of the head apart from the graph."""
            hidden = self._model.model.embed_tokens(batch.tokens)
            for layer, layer_keys in enumerate(keys):
                lora = self._lora_leaves(leaves, layer)
                hidden = self._run(self._frozen[layer], lora, hidden, layer_keys)
                outputs.append(hidden)
                taps.append([*self._tapped])
            rows = hidden.reshape(-1, hidden.shape[-1])[batch.positions]
            fixed = mx.stop_gradient(rows)
            parts = _slices(len(rows), self._model.args.vocab_size)
            heads.extend(self._head_part(fixed, batch, part) for part in parts)
            cotangent = mx.concatenate([cotangent for _, cotangent in heads])
            return (rows * mx.stop_gradient(cotangent)).sum()

        gradients = mx.grad(surrogate)(leaves)
        is_awaited = bool((yield None))  # writing the graph down took as long as a block
        forward = [*zip(taps, outputs, strict=True)]
        taps.clear()  # or they would keep everything until the next step
        for quarters, output in forward:
            is_awaited = yield from _evaluate(quarters, output, is_awaited)
        for piece in heads:
            is_awaited = yield from _evaluate([], piece, is_awaited)
        for prefix in reversed(self._prefixes):
            *quarters, last = (
                [gradients[prefix + name] for name in names] for names in self._lora_groups
            )
            is_awaited = yield from _evaluate(quarters, last, is_awaited)
        loss = mx.array(0.0)
        for value, _ in heads:
            loss = loss + value
        return loss, self._lora.flatten(gradients)

    def _gradient_recomputed(
        self, leaves: Leaves, batch: TrainingBatch, key: mx.array | None
    ) -> Pieces[tuple[mx.array, mx.array]]:
        hidden, inputs = yield from self._hidden(leaves, batch, key, keep=True)
        flat = hidden.reshape(-1, hidden.shape[-1])
        rows = flat[batch.positions]
        loss, cotangents = mx.array(0.0), []
        for part in _slices(len(rows), self._model.args.vocab_size):
            value, cotangent = self._head_part(rows, batch, part)
            loss = loss + value
            cotangents.append(cotangent)
            mx.eval(loss, cotangent)
            yield None
        # Several targets never share a position, except the padding, whose cotangent is zero.
        cotangent = mx.zeros_like(flat).at[batch.positions].add(mx.concatenate(cotangents))
        cotangent = cotangent.reshape(hidden.shape)
        gradients: Leaves = {}
        keys = self._layer_keys(key)
        for layer in reversed(range(len(self._prefixes))):
            arguments = (self._frozen[layer], self._lora_leaves(leaves, layer), inputs.pop())
            if keys is None:
                cotangent, *parts = self._backward(*arguments, cotangent)
            else:
                cotangent, *parts = self._backward_dropout(*arguments, cotangent, keys[layer])
            mx.eval(cotangent, parts)
            prefix = self._prefixes[layer]
            names = [prefix + name for name in self._lora_names]
            gradients.update(zip(names, parts, strict=True))
            yield None
        return loss, self._lora.flatten(gradients)

    def _hidden(
        self, leaves: Leaves, batch: TrainingBatch, key: mx.array | None, keep: bool
    ) -> Pieces[tuple[mx.array, list[mx.array]]]:
        """Output of the last block, (batch, sequence, hidden), and the blocks' inputs if kept."""
        hidden = self._model.model.embed_tokens(batch.tokens)
        inputs = []
        keys = self._layer_keys(key)
        for layer in range(len(self._prefixes)):
            if keep:
                inputs.append(hidden)
            arguments = (self._frozen[layer], self._lora_leaves(leaves, layer), hidden)
            if keys is None:
                hidden = self._forward(*arguments)
            else:
                hidden = self._forward_dropout(*arguments, keys[layer])
            mx.eval(hidden)
            yield None
        return hidden, inputs

    def _lora_leaves(self, leaves: Leaves, layer: int) -> list[mx.array]:
        return [leaves[self._prefixes[layer] + name] for name in self._lora_names]

    def _layer_keys(self, key: mx.array | None) -> list[mx.array] | None:
        """One key for each dropout of each layer: (dropouts, 2) per layer."""
        if key is None:
            return None
        layers, modules = len(self._prefixes), len(self._block_dropouts)
        keys = mx.random.split(key, layers * modules).reshape(layers, modules, 2)
        return [keys[layer] for layer in range(layers)]

    def _head(self, hidden: mx.array) -> mx.array:
        """Logits from the last block's output."""
        inner = self._model.model
        normed = inner.norm(hidden)
        if self._model.args.tie_word_embeddings:
            return inner.embed_tokens.as_linear(normed)
        return self._model.lm_head(normed)

    def _head_part(
        self, rows: mx.array, batch: TrainingBatch, part: slice
    ) -> tuple[mx.array, mx.array]:
        """Loss of some of the targets and its gradient by their hidden rows."""
        plain = (rows[part], batch.targets[part], batch.weights[part])
        if batch.reference is None or batch.reference_weights is None:
            return self._head_gradient(*plain)
        tokens, log_probs, tail = (array[part] for array in batch.reference)
        weights = batch.reference_weights[part]
        return self._head_gradient_reference(*plain, tokens, log_probs, tail, weights)

    def _head_loss(self, rows: mx.array, targets: mx.array, weights: mx.array) -> mx.array:
        logits = self._head(rows).astype(mx.float32)
        return cross_entropy(logits, log_normaliser(logits), targets, weights)

    def _head_loss_reference(
        self,
        rows: mx.array,
        targets: mx.array,
        weights: mx.array,
        tokens: mx.array,
        log_probs: mx.array,
        tail: mx.array,
        reference_weights: mx.array,
    ) -> mx.array:
        logits = self._head(rows).astype(mx.float32)
        normaliser = log_normaliser(logits)
        away = divergence(logits, normaliser, tokens, log_probs, tail)
        loss = cross_entropy(logits, normaliser, targets, weights)
        return loss + (away * reference_weights).sum()

    # ── As a whole ──────────────────────────────────────────────────────────────────────────────

    def _gradient_whole(
        self, leaves: Leaves, batch: TrainingBatch, key: mx.array | None
    ) -> Pieces[tuple[mx.array, mx.array]]:
        def loss_of(leaves: Leaves) -> mx.array:
            self._bind(leaves, key)
            logits = self._model(batch.tokens)
            rows = logits.reshape(-1, logits.shape[-1])[batch.positions].astype(mx.float32)
            normaliser = log_normaliser(rows)
            loss = cross_entropy(rows, normaliser, batch.targets, batch.weights)
            if batch.reference is None or batch.reference_weights is None:
                return loss
            away = divergence(rows, normaliser, *batch.reference)
            return loss + (away * batch.reference_weights).sum()

        loss, gradients = mx.value_and_grad(loss_of)(leaves)
        vector = self._lora.flatten(gradients)
        mx.eval(loss, vector)
        yield None
        return loss, vector

    def _bind(self, leaves: Leaves, key: mx.array | None) -> None:
        self._model.update(tree_unflatten(list(leaves.items())))
        keys = None if key is None else mx.random.split(key, len(self._dropouts))
        _set_keys(self._dropouts, keys)


def _evaluate(quarters: Sequence[Any], whole: Any, is_awaited: bool) -> Pieces[bool]:
    """Evaluate a part of the graph, in quarters if somebody waits; whether somebody does now."""
    for part in (*quarters, whole):
        if is_awaited or part is whole:
            mx.eval(part)
            is_awaited = bool((yield None))
    return is_awaited


def _grouped(names: Sequence[str]) -> list[list[str]]:
    """LoRA leaves of a block in the order in which a backward pass comes to them."""
    groups = [[n for n in names if any(f".{part}." in n for part in parts)] for parts in _BACKWARD]
    rest = [name for name in names if not any(name in group for group in groups)]
    return [group for group in (*groups, rest) if group]


def _tap(module: nn.Module, tapped: list[mx.array]) -> None:
    """Have a module note its input whenever it is called."""
    # A wrapper around it would change the paths of its parameters, and Python looks ``__call__`` up
    # on the class, so setting it on the module has no effect: the module gets a class of its own.
    kind = type(module)

    def call(self: nn.Module, x: mx.array, *arguments: Any, **options: Any) -> Any:
        tapped.append(x)
        return kind.__call__(self, x, *arguments, **options)  # type: ignore[operator]

    module.__class__ = type(f"Tapped{kind.__name__}", (kind,), {"__call__": call})


def _set_keys(dropouts: Sequence[KeyedDropout], keys: mx.array | None) -> None:
    """Give each dropout its row of keys, (dropouts, 2); None switches them off."""
    for index, dropout in enumerate(dropouts):
        dropout.set_key(None if keys is None else keys[index])


def _slices(count: int, vocab: int) -> list[slice]:
    """Parts of the targets, so that no piece holds more logits than fit a bounded buffer."""
    size = max(_LEAST_TARGETS_PER_PIECE, _LOGITS_PER_PIECE // vocab // 16 * 16)
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]


def _shell(module: nn.Module) -> nn.Module:
    """Another module of the same structure over the same arrays, to be given other ones."""
    shell = copy.copy(module)
    for name, child in module.items():
        if isinstance(child, nn.Module):
            shell[name] = _shell(child)
    return shell


def _leaves(module: nn.Module) -> Leaves:
    flat: Any = tree_flatten(module.parameters())
    return dict(flat)


def _identity(rows: mx.array) -> mx.array:
    return rows
