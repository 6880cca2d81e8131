"""Where an update may go: A moves outside what held texts span, and along what new texts span.

A layer adds ``scale x A B`` to its output. What moves A orthogonally to an input x leaves ``x A``
as it was, so the inputs that the held texts give to a layer span what A must not move in. Their
smallest subspace with most of their energy is found once per model and taken out of every step.
What is close to the new texts and must not change (the same question about another name, earlier
updates) is avoided likewise, found anew for each update.

What is left of the new texts' own inputs is small, and a random A hardly sees it: B would have to
grow, and with it what the rest of every other input is changed by. So A is turned at the start
towards the directions in which the new inputs leave those subspaces the most.

Sources: Gradient Projection Memory (Saha et al., 2021, equations 5 to 9); for LoRA, InfLoRA (Liang
& Li, 2024), which starts A outside the span too, so that what B learns is not felt either; A from
the inputs' largest directions as in EVA (Paischer et al., 2024), here of what is left of them.
"""

from collections.abc import Mapping

import mlx.core as mx
import numpy as np

from radiance.training.lora import LoraModel


class NullSpace:
    """Where steps may go: the numbers that they may move, and what is left of these.

    An update moves a few columns of each A and the rows of B that belong to them; nothing else of
    the flat vector changes. So a step, its moments and its constraints are made of the numbers that
    may move alone (``take``), a third of the vector in a first update of five examples.

    Args:
        lora: Whose vectors these are.
        bases: By module path an orthonormal basis of what A must not move in, (d_in, q) float16 or
            float32; a layer without one is free.
        directions: By module path what A is turned towards at the start, (d_in, n) float32 with n
            at most r, orthogonal to the basis; a layer without any starts as it is.

    Attributes:
        size: How many numbers may move. All of them until ``start`` was called.
        shapes: Of what may move, by leaf, in the order of the vector.
        columns: Which columns of A may move, by module path; all of those that are not named.
    """

    def __init__(
        self,
        lora: LoraModel,
        bases: Mapping[str, mx.array],
        directions: Mapping[str, mx.array] | None = None,
        rests: Mapping[str, mx.array] | None = None,
    ) -> None:
        self._lora = lora
        self.bases = bases
        self.directions = directions or {}
        self.rests = rests or {}
        self._alike: dict[int, list[str]] = {}  # layers that share a basis: projected together
        for path, basis in bases.items():
            self._alike.setdefault(id(basis), []).append(path)
        self._may_move({})

    def _may_move(self, columns: Mapping[str, slice | mx.array]) -> None:
        """Keep which columns of A may move: by module path; all of those that are not named."""
        self.columns = columns
        self.shapes: dict[str, tuple[int, int]] = {}
        for name, (rows, width) in self._lora.shapes.items():
            path, _, leaf = name.rpartition(".")
            if path in columns:
                places = columns[path]
                is_slice = isinstance(places, slice)
                count = places.stop - places.start if is_slice else places.size
                rows, width = (rows, count) if leaf == "lora_a" else (count, width)
            self.shapes[name] = (rows, width)
        self._ends = np.cumsum([a * b for a, b in self.shapes.values()]).tolist()
        self.size: int = self._ends[-1]

    def take(self, vector: mx.array) -> mx.array:
        """Of a flat vector the numbers that may move, (size,) float32."""
        if not self.columns:
            return vector
        leaves = self._lora.unflatten(vector)
        for name in leaves:
            path, _, leaf = name.rpartition(".")
            if (places := self.columns.get(path)) is not None:
                whole = leaves[name]
                leaves[name] = whole[:, places] if leaf == "lora_a" else whole[places]
        return mx.concatenate([leaf.reshape(-1) for leaf in leaves.values()])

    def put(self, vector: mx.array, taken: mx.array) -> mx.array:
        """A flat vector, (parameters,) float32, with other numbers where some may move."""
        if not self.columns:
            return taken
        leaves, moved = self._lora.unflatten(vector), self._parts(taken)
        for name, whole in leaves.items():
            path, _, leaf = name.rpartition(".")
            places = self.columns.get(path)
            if places is None:
                leaves[name] = moved[name]
            elif leaf == "lora_a":
                whole[:, places] = moved[name]
            else:
                whole[places] = moved[name]
        return self._lora.flatten(leaves)

    def __call__(self, step: mx.array) -> mx.array:
        """A step, or a gradient, without A's part in the kept subspaces.

        Args:
            step: Of the numbers that may move, (size,) float32.
        """
        leaves = self._parts(step)
        for paths in self._alike.values():
            basis = self.bases[paths[0]].astype(mx.float32)  # (d_in, q)
            a = [leaves[f"{path}.lora_a"] for path in paths]
            whole = a[0] if len(a) == 1 else mx.concatenate(a, axis=1)  # (d_in, their columns)
            left = whole - basis @ (basis.T @ whole)
            ends = np.cumsum([part.shape[1] for part in a])[:-1].tolist()
            for path, part in zip(paths, mx.split(left, ends, axis=1), strict=True):
                leaves[f"{path}.lora_a"] = part
        return mx.concatenate([leaf.reshape(-1) for leaf in leaves.values()])

    def _parts(self, step: mx.array) -> dict[str, mx.array]:
        parts = mx.split(step, self._ends[:-1])
        shapes = self.shapes.items()
        return {n: part.reshape(shape) for (n, shape), part in zip(shapes, parts, strict=True)}

    def start(self, vector: mx.array) -> mx.array:
        """The vector to start from, which no input within the kept subspaces tells from this one.

        Columns of A add nothing where their row of B is zero, as in a fresh adapter or one made
        larger. Without directions those leave the subspaces. With directions each takes one, as
        far as there are any, and only these may move; the others wait as zeros for the next update,
        and what was learned is settled. Once every column has learned, all turn towards the
        directions and all may move.

        Args:
            vector: (parameters,) float32.
        """
        self._may_move({})
        leaves, outside = self._lora.unflatten(vector), self._lora.unflatten(self(vector))
        columns: dict[str, slice | mx.array] = {}
        for path in self.bases:
            a, b = leaves[f"{path}.lora_a"], leaves[f"{path}.lora_b"]
            is_idle = (b == 0).all(axis=1)  # (r,)
            turn = self.directions.get(path)
            if turn is None:
                leaves[f"{path}.lora_a"] = mx.where(is_idle, outside[f"{path}.lora_a"], a)
                continue
            idle = np.flatnonzero(np.array(is_idle))
            if not len(idle):
                leaves[f"{path}.lora_a"] = a.at[:, : turn.shape[1]].add(turn)
                continue
            taken = idle[: turn.shape[1]]
            a = mx.where(is_idle, 0.0, a)
            columns[path] = _places(taken)
            leaves[f"{path}.lora_a"] = a.at[:, mx.array(taken)].add(turn[:, : len(taken)])
        self._may_move(columns)
        return self._lora.flatten(leaves)


def _places(columns: np.ndarray) -> slice | mx.array:
    """Some columns, in order: as a slice, which is quick, where none between them is left out."""
    first, end = int(columns[0]), int(columns[-1]) + 1
    return slice(first, end) if end - first == len(columns) else mx.array(columns)
