"""One transformer block with LoRA: its forward pass, and its backward pass written out.

Written out because an automatic one keeps and computes more than it must: here frozen weights have
no gradient, a gate keeps three arrays of its width, and what is kept of a block is known, so that
it can be dropped and computed again. Tokens stand in lines (``packing``); of two, each is computed
on a stream, and so on a core, of its own.
"""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_flatten

from radiance.engine.model import elementwise
from radiance.engine.model.cores import on_core
from radiance.training.attention import joined, mix, mix_backward
from radiance.training.linears import Linears, OfLayer, Weights
from radiance.training.packing import Line
from radiance.training.row_gradients import Reduction

Kept = Mapping[str, Any]
"""What the backward pass of one line needs of the forward pass."""

# Model types of mlx-lm whose forward pass is: embed, each layer(h, mask, cache), norm, head.
PLAIN_STACKS = {"llama", "mistral", "qwen2", "qwen3"}
_QKV = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")
_OUT, _GATES, _DOWN = ("self_attn.o_proj",), ("mlp.gate_proj", "mlp.up_proj"), ("mlp.down_proj",)
_BEFORE, _BETWEEN = "input_layernorm", "post_attention_layernorm"
_NORMS_OF_HEADS = {"q": "self_attn.q_norm", "k": "self_attn.k_norm"}


class Block:
    """What all blocks of a model have in common; the arrays of each are arguments.

    Args:
        layer: A block of the model, with LoRA on some of its linear layers.

    Raises:
        AttributeError, KeyError, TypeError: It is none that this knows.
    """

    def __init__(self, layer: Any) -> None:
        modules = dict(layer.named_modules())
        attention = layer.self_attn
        self._rope = attention.rope
        self._scale = float(attention.scale)
        self._kv_heads = int(attention.n_kv_heads)
        self._groups = int(attention.n_heads) // self._kv_heads
        norms = [_BEFORE, _BETWEEN, *(p for p in _NORMS_OF_HEADS.values() if p in modules)]
        if any(type(modules[path]) is not nn.RMSNorm for path in norms):
            raise TypeError("a norm that is not RMSNorm")
        self._eps = {path: float(modules[path].eps) for path in norms}
        self._has_norms = len(norms) > 2
        self._qkv, self._out, self._gates, self._down = (
            Linears(modules, paths) for paths in (_QKV, _OUT, _GATES, _DOWN)
        )
        self._ends = [0]
        for group in (self._qkv, self._out, self._gates, self._down):
            self._ends.append(self._ends[-1] + len(group.adapted))

    @property
    def dropouts(self) -> int:
        """How many keys a line takes where there is dropout."""
        return self._ends[-1]

    def forward(
        self,
        weights: Weights,
        inputs: Sequence[mx.array],
        lines: Sequence[Line],
        keys: mx.array | None,
        *,
        at_targets: bool = False,
    ) -> tuple[list[mx.array], list[Kept]]:
        """Output of the block for each line, and what its backward pass needs.

        Args:
            weights: Of this block.
            inputs: (n, hidden) of each line.
            lines: The tokens.
            keys: Random keys of the dropout masks, (lines, ``dropouts``, 2); None drops nothing.
            at_targets: Whether an output is wanted where targets are predicted only.
        """
        projected = []
        for number, (x, line) in enumerate(zip(inputs, lines, strict=True)):
            with on_core(number):
                normed, r = self._norm(weights, _BEFORE, x)
                qkv, z = self._qkv.forward(weights, normed, self._keys(keys, number, 0))
                heads = {
                    part: self._heads(weights, qkv, line, part)
                    for part in (("head", "own") if line.head else ("own",))
                }
            projected.append((qkv, heads, r, z))
        first = projected[0][1].get("head")
        shared = None if first is None else (first[1], first[2])
        outputs, kept = [], []
        for number, (x, line) in enumerate(zip(inputs, lines, strict=True)):
            qkv, heads, r, z = projected[number]
            with on_core(number):
                attention, parts = {}, {}
                for part, of in heads.items():
                    q, k, v = of
                    seen, scores = mix(q, k, v, shared if part == "own" else None)
                    attention[part], parts[part] = (q, k, v, scores), joined(seen)
                mixed = _assembled(parts, line)
                if at_targets:
                    x, mixed = x[line.positions], mixed[line.positions]
                output, rest = self._after_attention(weights, x, mixed, keys, number)
            outputs.append(output)
            raw = qkv[:2] if self._has_norms else None
            both = {"r": (r, rest["r"]), "z": (z, *rest["z"])}
            kept.append({**rest, "attention": attention, "raw": raw, **both})
        return outputs, kept

    def _after_attention(
        self, weights: Weights, x: mx.array, mixed: mx.array, keys: mx.array | None, number: int
    ) -> tuple[mx.array, Kept]:
        (out,), z_out = self._out.forward(weights, mixed, self._keys(keys, number, 1))
        y = x + out
        normed, r = self._norm(weights, _BETWEEN, y)
        (gate, up), z_gates = self._gates.forward(weights, normed, self._keys(keys, number, 2))
        sigmoid = elementwise.sigmoid(gate)
        silu = gate * sigmoid
        (down,), z_down = self._down.forward(weights, silu * up, self._keys(keys, number, 3))
        kept = {"mixed": mixed, "y": y, "gates": (sigmoid, silu, up)}
        return y + down, kept | {"r": r, "z": (z_out, z_gates, z_down)}

    def backward(
        self,
        weights: Weights,
        inputs: Sequence[mx.array],
        kept: Sequence[Kept],
        cotangents: Sequence[mx.array],
        lines: Sequence[Line],
        keys: mx.array | None,
        *,
        at_targets: bool = False,
        reduction: Reduction | None = None,
    ) -> tuple[list[mx.array], dict[str, mx.array], list[list[mx.array]]]:
        """Gradient by each line's input, (n, hidden), and by the LoRA leaves, by their names.

        With a reduction what it gives, under B's names, in place of the leaves' gradients.

        Third what its parts give, in order, so that it can be evaluated in parts.

        Args:
            weights: As the forward pass was given, like inputs, lines, keys and at_targets.
            inputs: Of the forward pass.
            kept: From it.
            cotangents: Gradients by its outputs.
            lines: The tokens.
            keys: Of the dropout masks.
            at_targets: Whether the outputs were at targets only.
            reduction: Of the layers; without dropout.
        """
        of_layers = [
            [
                None if reduction is None else reduction.of(number, apart)
                for apart in (at_targets, False)
            ]
            for number in range(len(lines))
        ]
        stages: list[list[mx.array]] = [[], [], [], []]
        after = []
        for number, (of, cotangent) in enumerate(zip(kept, cotangents, strict=True)):
            with on_core(number):
                d_y, d_mixed, gradients = self._mlp_backward(
                    weights,
                    of,
                    cotangent,
                    keys,
                    number,
                    stages,
                    of_layers[number][0],
                )
                line = lines[number]
                if at_targets:
                    d_mixed, d_y = (_spread(d, line.targets_at) for d in (d_mixed, d_y))
                shared = kept[0]["attention"]["head"][1:3] if line.shared else None
                d_heads, d_shared = self._attention_backward(of, d_mixed, line, "own", shared)
                stages[2] += d_heads
            after.append((d_y, d_mixed, gradients, d_heads, d_shared))
        found: list[mx.array] = []
        for number, (x, of, line) in enumerate(zip(inputs, kept, lines, strict=True)):
            d_y, d_mixed, gradients, d_own, d_shared = after[number]
            with on_core(number):
                d_parts = {"own": d_own}
                if line.head:
                    d_parts["head"], _ = self._attention_backward(of, d_mixed, line, "head", None)
                    for *_, d_common in after:
                        assert d_common is not None  # the lines share their beginning
                        (d_k, d_v), (q, k, v) = d_common, d_parts["head"]
                        d_parts["head"] = [q, k + d_k, v + d_v]
                d_qkv = self._heads_backward(weights, of, d_parts, line)
                normed = _scaled(x, of["r"][0], weights[f"{_BEFORE}.weight"])
                own_keys = self._keys(keys, number, 0)
                d_normed, more = self._qkv.backward(
                    weights, normed, of["z"][0], d_qkv, own_keys, of_layers[number][1]
                )
                gradients |= more
                d_x = _norm_backward(weights[f"{_BEFORE}.weight"], x, of["r"][0], d_normed)
                found.append(d_y + d_x)
        all_gradients = [of[2] for of in after]
        names = all_gradients[0]
        joined_gradients = {
            name: functools.reduce(mx.add, parts) if reduction is None else reduction.joined(parts)
            for name in names
            for parts in ([of[name] for of in all_gradients],)
        }
        return found, joined_gradients, stages[:3]

    def _mlp_backward(
        self,
        weights: Weights,
        kept: Kept,
        cotangent: mx.array,
        keys: mx.array | None,
        number: int,
        stages: list[list[mx.array]],
        of_layer: OfLayer | None,
    ) -> tuple[mx.array, mx.array, dict[str, mx.array]]:
        """Gradients by what is added to the input, by what attention mixed, by the leaves after."""
        _, z_out, z_gates, z_down = kept["z"]
        sigmoid, silu, up = kept["gates"]
        y, r, weight = kept["y"], kept["r"][1], weights[f"{_BETWEEN}.weight"]
        d_product, gradients = self._down.backward(
            weights, silu * up, z_down, [cotangent], self._keys(keys, number, 3), of_layer
        )
        d_up = d_product * silu
        d_gate = d_product * up * (sigmoid + silu - silu * sigmoid)
        stages[0] += [*gradients.values(), d_up, d_gate]
        d_normed, found = self._gates.backward(
            weights,
            _scaled(y, r, weight),
            z_gates,
            [d_gate, d_up],
            self._keys(keys, number, 2),
            of_layer,
        )
        gradients |= found
        d_y = cotangent + _norm_backward(weight, y, r, d_normed)
        stages[1] += [*found.values(), d_y]
        d_mixed, found = self._out.backward(
            weights, kept["mixed"], z_out, [d_y], self._keys(keys, number, 1), of_layer
        )
        stages[2] += [*found.values(), d_mixed]
        return d_y, d_mixed, gradients | found

    def _keys(self, keys: mx.array | None, number: int, group: int) -> list[mx.array] | None:
        """A line's keys for one group of linear layers."""
        if keys is None:
            return None
        return [keys[number, place] for place in range(*self._ends[group : group + 2])]

    def _norm(self, weights: Weights, path: str, x: mx.array) -> tuple[mx.array, mx.array]:
        """RMSNorm (Zhang & Sennrich, 2019), and one over each row's root mean square, (n, 1)."""
        wide = x.astype(mx.float32)
        r = mx.rsqrt(elementwise.row_sum(wide * wide) / x.shape[-1] + self._eps[path])
        return _scaled(x, r, weights[f"{path}.weight"]), r

    # ── Between lines and the rows that attention sees ──────────────────────────────────────────

    def _heads(
        self, weights: Weights, qkv: Sequence[mx.array], line: Line, part: str
    ) -> tuple[mx.array, mx.array, mx.array]:
        """Queries, keys and values of a part of a line, as ``mix`` takes them."""
        q, k, v = (_taken(array, line, part) for array in qkv)
        queries = self._rotated(weights, q, line, part, "q") * self._scale
        return queries, self._rotated(weights, k, line, part, "k"), self._by_head(v, line, part)

    def _by_head(self, x: mx.array, line: Line, part: str, groups: int = 1) -> mx.array:
        """(rows * width, ...) -> (KV heads, rows, groups, width, head size)."""
        rows, width = (1, line.head) if part == "head" else (line.rows, line.width)
        x = x.reshape(rows, width, self._kv_heads, groups, -1)
        return mx.contiguous(x.transpose(2, 0, 3, 1, 4))

    def _rotated(self, weights: Weights, x: mx.array, line: Line, part: str, name: str) -> mx.array:
        path = _NORMS_OF_HEADS[name]
        groups = self._groups if name == "q" else 1
        if self._has_norms:
            count, size = self._kv_heads * groups, x.shape[-1] // (self._kv_heads * groups)
            x = x.reshape(-1, count, size)
            x = mx.fast.rms_norm(x, weights[f"{path}.weight"], self._eps[path])
        x = self._by_head(x, line, part, groups)
        offset = 0 if part == "head" else line.shared
        return self._rope(x.reshape(-1, *x.shape[2:]), offset=offset).reshape(x.shape)

    def _attention_backward(
        self,
        kept: Kept,
        d_mixed: mx.array,
        line: Line,
        part: str,
        shared: tuple[mx.array, mx.array] | None,
    ) -> tuple[list[mx.array], tuple[mx.array, mx.array] | None]:
        of = kept["attention"][part]
        d = self._by_head(_taken(d_mixed, line, part), line, part, self._groups)
        q, k, v, scores = of
        d_q, d_k, d_v, d_shared = mix_backward(q, k, v, scores, shared, d)
        return [d_q * self._scale, d_k, d_v], d_shared

    def _heads_backward(
        self, weights: Weights, kept: Kept, d_parts: Mapping[str, Sequence[mx.array]], line: Line
    ) -> list[mx.array]:
        """Gradients by q, k and v of the line, (n, ...) each."""
        found = []
        for place, name in enumerate(("q", "k", "v")):
            parts = {}
            for part, gradients in d_parts.items():
                d = gradients[place]
                if name == "v":
                    parts[part] = joined(d)
                    continue
                heads, rows, groups, width, size = d.shape
                # A rotation is linear: what is rotated has no part in its gradient.
                x = mx.zeros((rows * width, heads * groups * size), d.dtype)
                if kept["raw"] is not None:
                    x = _taken(kept["raw"][place], line, part)
                rotated = functools.partial(self._rotated, weights, line=line, part=part, name=name)
                parts[part] = mx.vjp(rotated, [x], [d])[1][0]
            found.append(_assembled(parts, line))
        return found


def block_of(model: Any) -> Block | None:
    """What the blocks of a model have in common; None: they are unlike, or not what we know."""
    if getattr(model, "model_type", "") not in PLAIN_STACKS:
        return None
    if any(getattr(layer, "use_sliding", False) for layer in model.layers):
        return None
    shapes = []
    for layer in model.layers:
        leaves: Any = tree_flatten(layer.parameters())
        shapes.append([(name, leaf.shape) for name, leaf in leaves])
    if any(other != shapes[0] for other in shapes):
        return None
    try:
        return Block(model.layers[0])
    except (AttributeError, KeyError, TypeError):
        return None


def _taken(x: mx.array, line: Line, part: str) -> mx.array:
    """From a line, (n, ...), to padded rows, (rows * width, ...)."""
    if part == "head":
        return x[: line.head]
    if line.places is not None:
        return x[line.places]
    return x[line.head :] if line.head else x


def _assembled(parts: Mapping[str, mx.array], line: Line) -> mx.array:
    """From padded rows to a line."""
    own = parts["own"] if line.slots is None else parts["own"][line.slots]
    return mx.concatenate([parts["head"], own]) if "head" in parts else own


def _spread(x: mx.array, places: mx.array) -> mx.array:
    """Rows of targets at their places in the line; zero elsewhere."""
    return mx.concatenate([x, mx.zeros((1, x.shape[1]), x.dtype)])[places]


def _scaled(x: mx.array, r: mx.array, weight: mx.array) -> mx.array:
    return (x * r).astype(x.dtype) * weight


def _norm_backward(weight: mx.array, x: mx.array, r: mx.array, d: mx.array) -> mx.array:
    """Gradient of RMSNorm by its input."""
    unit, d_unit = x * r, d * weight
    share = elementwise.row_sum(d_unit * unit) / x.shape[-1]
    return ((d_unit - unit * share) * r).astype(x.dtype)
