"""B's gradient for each row of a batch apart, and how much a loss feels each layer's output."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import mlx.core as mx

from radiance.training.linears import OfLayer
from radiance.training.packing import Line

Places = slice | mx.array
"""Which columns of A, and so which rows of B."""


class Reduction(Protocol):
    """What a block's backward pass makes of z = scale x A and of the gradients by outputs.

    In place of the gradients by A and B, which are sums over all tokens.
    """

    def of(self, number: int, at_targets: bool) -> OfLayer:
        """Of one line.

        Args:
            number: Of the line.
            at_targets: Whether what is given is at targets only.
        """
        ...

    def joined(self, found: Sequence[mx.array]) -> mx.array:
        """Of what ``of`` gave for each line."""
        ...


class RowGradients:
    """B's gradient by each row of the batch, (rows, columns, d_out) float32.

    What the rows begin with in common counts to each alike: their sum is the whole gradient.

    Args:
        lines: The tokens; each row stands in one.
        columns: By each adapted layer's path in its block.
    """

    def __init__(self, lines: Sequence[Line], columns: Mapping[str, Places]) -> None:
        self._lines, self._columns = lines, columns
        self._rows = sum(line.rows for line in lines)

    def of(self, number: int, at_targets: bool) -> OfLayer:
        """The common beginning before the rows, where the line has it."""
        line = self._lines[number]

        def by_row(path: str, z: mx.array, d: mx.array) -> mx.array:
            z = z[:, self._columns[path]].astype(mx.float32)
            d = d.astype(mx.float32)
            own = _grouped(z, line, at_targets).swapaxes(1, 2) @ _grouped(d, line, at_targets)
            if not line.head:
                return own
            common = mx.zeros(own.shape[1:]) if at_targets else z[: line.head].T @ d[: line.head]
            return mx.concatenate([common[None], own])

        return by_row

    def joined(self, found: Sequence[mx.array]) -> mx.array:
        """The rows in the order of the batch."""
        whole = found[0] if len(found) == 1 else mx.concatenate(list(found))
        return whole[1:] + whole[:1] / self._rows if self._lines[0].head else whole


class OutputSquares:
    """The squared gradient by each layer's output, summed, and over how many numbers, (2,)."""

    def of(self, number: int, at_targets: bool) -> OfLayer:
        """All lines alike."""
        return _squares

    def joined(self, found: Sequence[mx.array]) -> mx.array:
        """Their sum."""
        return mx.stack(list(found)).sum(axis=0)


def _squares(_path: str, _z: mx.array, d: mx.array) -> mx.array:
    return mx.stack([mx.square(d.astype(mx.float32)).sum(), mx.array(float(d.size))])


def _grouped(x: mx.array, line: Line, at_targets: bool) -> mx.array:
    """(n, c) -> (rows, most of a row, c); padding adds nothing to a product."""
    if at_targets:
        padded = mx.concatenate([x, mx.zeros((1, x.shape[1]), x.dtype)])
        return padded[line.targets_of]
    x = x[line.places] if line.places is not None else x[line.head :]
    return x.reshape(line.rows, line.width, -1)
