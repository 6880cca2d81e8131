"""Linear layers of one input with LoRA: their outputs, and gradients by the input and the leaves.

``y_i = W_i x + scale B_i A_i x``: the products with all A are one, and so are those for all their
gradients; the gradients by x are summed as they are computed.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import mlx.core as mx
import mlx.nn as nn
from mlx_lm.tuner.lora import LoRALinear

from radiance.training.lora import drop

Weights = Mapping[str, mx.array]
"""A block's arrays by their names in it."""
OfLayer = Callable[[str, mx.array, mx.array], mx.array]
"""Of a layer, by its path: given z = scale x A, (n, r), and gradients by its output, (n, d_out)."""


class Linears:
    """Linear layers of one input, some of them with LoRA."""

    def __init__(self, modules: Mapping[str, Any], paths: Sequence[str]) -> None:
        self.adapted = [p for p in paths if isinstance(modules[p], LoRALinear)]
        self._names = [f"{path}.linear" if path in self.adapted else path for path in paths]
        self._rows = [paths.index(path) for path in self.adapted]
        self._quantization: list[dict[str, Any] | None] = []
        for name in self._names:
            module = modules[name]
            if type(module) is nn.Linear:
                self._quantization.append(None)
            elif type(module) is nn.QuantizedLinear:
                parts = ("group_size", "bits", "mode")
                self._quantization.append({part: getattr(module, part) for part in parts})
            else:
                raise TypeError(f"{name} is neither Linear nor QuantizedLinear")
        lora = [modules[path] for path in self.adapted]
        self._scale = float(lora[0].scale) if lora else 0.0
        self._ratio = float(lora[0].dropout.ratio) if lora else 0.0

    def forward(
        self, weights: Weights, x: mx.array, keys: Sequence[mx.array] | None
    ) -> tuple[list[mx.array], mx.array | None]:
        """Outputs, and scale * x A of all that have LoRA, (n, their ranks)."""
        outputs = [self._product(weights, row, x) for row in range(len(self._names))]
        if not self.adapted:
            return outputs, None
        a, b = self._lora(weights)
        if keys is None:
            z = (x @ mx.concatenate(a, axis=1)) * self._scale
        else:
            dropped = (self._drop(x, key) for key in keys)
            z = mx.concatenate([d @ a for d, a in zip(dropped, a, strict=True)], axis=1)
            z = z * self._scale
        for row, part, to in zip(self._rows, self._split(z), b, strict=True):
            outputs[row] = plus(outputs[row], part, to)
        return outputs, z

    def backward(
        self,
        weights: Weights,
        x: mx.array,
        z: mx.array | None,
        cotangents: Sequence[mx.array],
        keys: Sequence[mx.array] | None,
        of_layer: OfLayer | None = None,
    ) -> tuple[mx.array, dict[str, mx.array]]:
        """Gradient by x, and by A and B of those that have LoRA.

        With ``of_layer`` what it gives, under B's names, in place of both.
        """
        d_x = self._product_backward(weights, 0, cotangents[0], None)
        for row in range(1, len(self._names)):
            d_x = self._product_backward(weights, row, cotangents[row], d_x)
        if z is None:
            return d_x, {}
        a, b = self._lora(weights)
        given = [cotangents[row] for row in self._rows]
        d_z = mx.concatenate([d @ to.T for d, to in zip(given, b, strict=True)], axis=1)
        d_z = d_z * self._scale
        gradients = {}
        for path, part, d in zip(self.adapted, self._split(z), given, strict=True):
            gradients[f"{path}.lora_b"] = (
                part.T @ d if of_layer is None else of_layer(path, part, d)
            )
        if of_layer is not None:
            return plus(d_x, d_z, mx.concatenate(a, axis=1).T), gradients
        if keys is None:
            d_x = plus(d_x, d_z, mx.concatenate(a, axis=1).T)
            d_a = self._split(x.T @ d_z)
        else:
            d_a = []
            for part, key, a_ in zip(self._split(d_z), keys, a, strict=True):
                d_x = d_x + self._drop(part @ a_.T, key).astype(d_x.dtype)
                d_a.append(self._drop(x, key).T @ part)
        for path, part in zip(self.adapted, d_a, strict=True):
            gradients[f"{path}.lora_a"] = part
        return d_x, gradients

    def _lora(self, weights: Weights) -> tuple[list[mx.array], list[mx.array]]:
        a = [weights[f"{path}.lora_a"] for path in self.adapted]
        return a, [weights[f"{path}.lora_b"] for path in self.adapted]

    def _split(self, z: mx.array) -> list[mx.array]:
        return cast(Any, mx.split(z, len(self.adapted), axis=-1))

    def _drop(self, x: mx.array, key: mx.array) -> mx.array:
        return drop(x, self._ratio, key)

    def _product(self, weights: Weights, row: int, x: mx.array) -> mx.array:
        name, quantization = self._names[row], self._quantization[row]
        weight, bias = weights[f"{name}.weight"], weights.get(f"{name}.bias")
        if quantization is None:
            y = x @ weight.T
        else:
            scales, biases = weights[f"{name}.scales"], weights.get(f"{name}.biases")
            y = mx.quantized_matmul(x, weight, scales, biases, transpose=True, **quantization)
        return y if bias is None else y + bias

    def _product_backward(
        self, weights: Weights, row: int, d: mx.array, to: mx.array | None
    ) -> mx.array:
        """Gradient by the input, added to another."""
        name, quantization = self._names[row], self._quantization[row]
        weight = weights[f"{name}.weight"]
        if quantization is None:
            return d @ weight if to is None else mx.addmm(to, d, weight)
        scales, biases = weights[f"{name}.scales"], weights.get(f"{name}.biases")
        found = mx.quantized_matmul(d, weight, scales, biases, transpose=False, **quantization)
        return found if to is None else to + found


def plus(y: mx.array, a: mx.array, b: mx.array) -> mx.array:
    """Add a product to y, in the type of y."""
    return mx.addmm(y, a, b) if y.dtype == a.dtype else y + (a @ b).astype(y.dtype)
