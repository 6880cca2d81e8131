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

import hashlib
import io
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np
from threadpoolctl import threadpool_limits

from radiance.engine.adapters.slots import SlotModel, SlotTable
from radiance.engine.model.base import BaseModel
from radiance.engine.model.encoding import EncodedExample
from radiance.engine.tasks import Pieces
from radiance.training.batches import by_length, make_batch, spread
from radiance.training.lora import LoraModel
from radiance.training.reference_cache import UNREADABLE, identity_of, keep_arrays

_ROWS = 16
# Per layer, spread over all texts of a kind: bounds memory and each decomposition.
_MOST_INPUTS, _MOST_HELD_INPUTS = 1024, 2048
MOST_HELD, MOST_NEAR, MOST_NEW = 288, 48, 32
"""Texts looked at of each kind. Held ones are looked at once for a base: three times as many keep
more of what is listed nowhere; more near or new ones take time and hardly move the subspaces."""
_NEAR_ENERGY = 0.9
# Length of a column that A is turned by: twice that of a fresh one, uniform in 1/sqrt(d).
_TURN = 2 / 3**0.5
_DIRECTIONS = 2  # for each new text
_PIECE_S = 0.005


@dataclass(frozen=True)
class LayersSeen:
    """The inputs of so many layers have been looked at."""

    done: int
    total: int


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
    """

    def __init__(
        self,
        lora: LoraModel,
        bases: Mapping[str, mx.array],
        directions: Mapping[str, mx.array] | None = None,
    ) -> None:
        self._lora = lora
        self.bases = bases
        self.directions = directions or {}
        self._alike: dict[int, list[str]] = {}  # layers that share a basis: projected together
        for path, basis in bases.items():
            self._alike.setdefault(id(basis), []).append(path)
        self._may_move({})

    def _may_move(self, columns: Mapping[str, slice | mx.array]) -> None:
        """Keep which columns of A may move: by module path; all of those that are not named."""
        self._columns = columns
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
        if not self._columns:
            return vector
        leaves = self._lora.unflatten(vector)
        for name in leaves:
            path, _, leaf = name.rpartition(".")
            if (places := self._columns.get(path)) is not None:
                whole = leaves[name]
                leaves[name] = whole[:, places] if leaf == "lora_a" else whole[places]
        return mx.concatenate([leaf.reshape(-1) for leaf in leaves.values()])

    def put(self, vector: mx.array, taken: mx.array) -> mx.array:
        """A flat vector, (parameters,) float32, with other numbers where some may move."""
        if not self._columns:
            return taken
        leaves, moved = self._lora.unflatten(vector), self._parts(taken)
        for name, whole in leaves.items():
            path, _, leaf = name.rpartition(".")
            places = self._columns.get(path)
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


@dataclass(frozen=True)
class Surroundings:
    """What an update is to go around, and where it is to go.

    Attributes:
        parent: The adapter that the update continues from, (parameters,) float32.
        new: The new texts.
        near: Texts close to the new ones that must not change.
    """

    parent: mx.array
    new: Sequence[EncodedExample]
    near: Sequence[EncodedExample] = ()


def find_null_space(
    base: BaseModel,
    lora: LoraModel,
    vector: mx.array,
    examples: Sequence[EncodedExample],
    energy: float,
    surroundings: Surroundings | None = None,
    directory: Path | None = None,
) -> Pieces[NullSpace]:
    """Find what A must not move in, layer by layer. The same texts give the same, bit for bit.

    Args:
        base: Read only.
        lora: Its adapted layers.
        vector: The adapter under which the texts give their inputs, (parameters,) float32.
        examples: The held texts; at least one.
        energy: Share of the inputs' squared length that the subspaces hold, in (0, 1).
        surroundings: Of the update; None: only the held texts are kept.
        directory: Where the held texts' subspaces of these weights are kept for the next update.
    """
    bases = yield from held_subspaces(base, lora, vector, examples, energy, directory)
    if surroundings is None or not surroundings.new:
        return NullSpace(lora, _on_device(bases))
    kinds = spread(surroundings.new, MOST_NEW), spread(surroundings.near, MOST_NEAR)
    most = _DIRECTIONS * len(surroundings.new)
    wider: dict[str, np.ndarray] = {}
    turns: dict[str, np.ndarray] = {}

    def go_around(paths: Sequence[str], new: np.ndarray, near: np.ndarray) -> None:
        rank = min(most, lora.shapes[f"{paths[0]}.lora_a"][1])
        basis, turn = _around(new, near, bases[paths[0]], rank)
        wider.update(dict.fromkeys(paths, basis))
        turns.update(dict.fromkeys(paths, turn))

    yield from _each_input(base, lora, surroundings.parent, kinds, go_around)
    return NullSpace(lora, _on_device(wider), {path: mx.array(a) for path, a in turns.items()})


def most_bytes(widths: Iterable[int]) -> int:
    """What the subspaces of adapted layers take at most, as far as was seen.

    The widest subspace of SmolLM2 has 0.55 of its layer's width, nearly all have less; that layers
    with the same inputs share one is not counted.

    Args:
        widths: Of each layer's input.
    """
    return sum(width * min(-(-width // 2), _MOST_HELD_INPUTS) * 2 for width in widths)


def _on_device(bases: Mapping[str, np.ndarray]) -> dict[str, mx.array]:
    """In half the bytes, and one array for all layers with the same inputs."""
    made: dict[int, mx.array] = {}
    for basis in bases.values():
        if id(basis) not in made:
            made[id(basis)] = mx.array(basis.astype(np.float16))
    return {path: made[id(basis)] for path, basis in bases.items()}


def held_subspaces(
    base: BaseModel,
    lora: LoraModel,
    vector: mx.array,
    examples: Sequence[EncodedExample],
    energy: float,
    directory: Path | None,
) -> Pieces[dict[str, np.ndarray]]:
    """The held texts' subspaces by module path, (d_in, q) float32: kept, or found and kept."""
    examples = spread(examples, MOST_HELD)
    layers = ",".join(sorted(lora.shapes))
    name = f"subspaces-{identity_of(examples)}-{_digest(layers, energy, _MOST_HELD_INPUTS)}.npz"
    if directory is not None and (kept := _read(directory / name, lora)) is not None:
        return kept
    found: dict[tuple[str, ...], np.ndarray] = {}

    def keep(paths: tuple[str, ...], inputs: np.ndarray) -> None:
        found[paths] = _basis(inputs, energy)

    yield from _each_input(base, lora, vector, [examples], keep, _MOST_HELD_INPUTS)
    # As it is kept, half the file, whether it was read or has just been found.
    rounded = {" ".join(paths): basis.astype(np.float16) for paths, basis in found.items()}
    if directory is not None:
        keep_arrays(directory / name, rounded)
    return _by_module(rounded)


def _read(path: Path, lora: LoraModel) -> dict[str, np.ndarray] | None:
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as kept:
            found = _by_module(dict(kept.items()))
    except UNREADABLE:
        return None
    wanted = {name.removesuffix(".lora_a") for name in lora.shapes if name.endswith(".lora_a")}
    return found if set(found) == wanted else None


def _by_module(kept: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """By each module path; those with the same inputs share an array."""
    return {
        path: basis
        for paths, basis in ((key.split(" "), kept[key].astype(np.float32)) for key in kept)
        for path in paths
    }


def _digest(*identity: object) -> str:
    return hashlib.sha256("\n".join(map(str, identity)).encode()).hexdigest()[:16]


def _around(
    new: np.ndarray, near: np.ndarray, basis: np.ndarray, rank: int
) -> tuple[np.ndarray, np.ndarray]:
    """The basis with what is near, and the directions in which the new inputs leave both.

    Args:
        new: (n, d_in) float32, of the new texts.
        near: (m, d_in) float32, of those near; may be none.
        basis: (d_in, q) float32, orthonormal.
        rank: Directions wanted; where there are fewer the rest are zeros.

    Returns:
        (d_in, q') and (d_in, rank) float32.
    """
    if len(near):
        left = near - (near @ basis) @ basis.T
        basis = np.concatenate([basis, _basis(left, _NEAR_ENERGY)], axis=1)
    left = new - (new @ basis) @ basis.T
    values, vectors = np.linalg.eigh((left @ left.T).astype(np.float64))
    order = np.argsort(-values)[:rank]
    order = order[values[order] > 1e-9 * max(values[-1], 1e-30)]
    turn = np.zeros((new.shape[1], rank), np.float32)
    found = (left.T.astype(np.float64) @ vectors[:, order]) / np.sqrt(values[order])
    turn[:, : len(order)] = _TURN * _signed(found)
    return basis, turn


class _Recorder(SlotTable):
    """A slot table that remembers what each adapted layer was given last, in their order."""

    def __init__(self, paths: Iterable[str]) -> None:
        super().__init__()
        self._paths = frozenset(paths)
        self.given: dict[str, mx.array] = {}

    def adapt(self, path: str, x: mx.array, y: mx.array) -> mx.array:
        if path in self._paths:
            self.given[path] = x
        return super().adapt(path, x, y)


def _each_input(
    base: BaseModel,
    lora: LoraModel,
    vector: mx.array,
    kinds: Sequence[Sequence[EncodedExample]],
    use: Callable[..., None],
    most: int = _MOST_INPUTS,
) -> Pieces[None]:
    """Give what texts make of each layer's input to a function; LayersSeen as it goes on.

    One layer's inputs are in memory at a time: the texts go through the model together. On a module
    tree of its own, so that nothing of the trained one is touched. The function runs in a thread
    beside, on one core, so that decoding goes on: NumPy's BLAS threads wait for one another by
    spinning, which holds it up.

    Args:
        base: Read only.
        lora: Its adapted layers.
        vector: The adapter under which the texts give their inputs, (parameters,) float32.
        kinds: Texts of each kind; none of a kind give inputs (0, d_in).
        use: Called with the paths of the layers that are given the same input (q, k and v are),
            and with the inputs of each kind, (n, d_in) float32.
        most: Inputs of each kind, of those that its texts give.
    """
    adapter = lora.adapter(vector)
    recorder = _Recorder(adapter.pairs)
    model = SlotModel(base.twin(), recorder, base.vocab_size).model
    slot = recorder.fill(adapter)
    given = [_rows_by_layer(model, recorder, slot, examples, most) for examples in kinds]
    layers = [paths for paths, _ in next(groups for groups in given if groups)[0]]
    executor = ThreadPoolExecutor(1)
    try:
        used: Future[None] | None = None
        for done, paths in enumerate(layers):
            yield LayersSeen(done, len(layers))
            inputs = []
            for groups in given:
                parts = []
                for group in groups:
                    rows = group.popleft()[1]
                    mx.eval(rows)
                    parts.append(np.array(rows))
                    yield None
                width = lora.shapes[f"{paths[0]}.lora_a"][0]
                inputs.append(np.concatenate([np.zeros((0, width), np.float32), *parts]))
            if used is not None:
                yield from _until_done(used)
            used = executor.submit(_on_one_core, use, paths, *inputs)
        if used is not None:
            yield from _until_done(used)
    finally:
        executor.shutdown(wait=False)  # a training that is called off does not wait for it


def _rows_by_layer(
    model: nn.Module,
    recorder: _Recorder,
    slot: int,
    examples: Sequence[EncodedExample],
    most: int,
) -> list[deque[tuple[tuple[str, ...], mx.array]]]:
    """For each group of texts the inputs by layer; lazy, so that layer after layer is computed.

    What follows the last layer that is adapted never is.
    """
    total = sum(len(example.tokens) - 1 for example in examples)
    every, seen = max(1, -(-total // most)), 0
    found = []
    for group in by_length(examples, _ROWS):
        batch = make_batch([examples[index] for index in group])
        width = batch.tokens.shape[1]
        places = [
            row * width + place
            for row, index in enumerate(group)
            for place in range(len(examples[index].tokens) - 1)
        ]
        chosen = mx.array(places[-seen % every :: every], dtype=mx.int32)
        seen += len(places)
        recorder.given.clear()
        recorder.route([slot] * len(group))
        model(batch.tokens)
        found.append(
            deque(
                (paths, x.reshape(-1, x.shape[-1])[chosen].astype(mx.float32))
                for paths, x in _distinct(recorder.given)
            )
        )
    recorder.given.clear()
    return found


def _distinct(given: Mapping[str, mx.array]) -> list[tuple[tuple[str, ...], mx.array]]:
    """Each array once, with all layers that were given it."""
    paths: dict[int, list[str]] = {}
    for path, x in given.items():
        paths.setdefault(id(x), []).append(path)
    return [(tuple(group), given[group[0]]) for group in paths.values()]


def _on_one_core(use: Callable[..., None], *arguments: object) -> None:
    import scipy.linalg  # noqa: F401  # its BLAS is to be there when cores are limited

    with threadpool_limits(1, user_api="blas"):
        use(*arguments)


def _until_done(future: "Future[None]") -> Pieces[None]:
    while not wait_for([future], timeout=_PIECE_S).done:
        yield None
    return future.result()


def _basis(inputs: np.ndarray, energy: float) -> np.ndarray:
    """Orthonormal basis (d_in, q) float32 of the smallest subspace with a share of the energy.

    Args:
        inputs: (n, d_in) float32.
        energy: The share, in (0, 1).
    """
    from scipy.linalg import eigh  # not at the top: every start of the service would wait for it

    is_tall = inputs.shape[0] >= inputs.shape[1]
    # Of the smaller Gram matrix, in float32: a full SVD takes several times as long, float64 twice.
    gram = inputs.T @ inputs if is_tall else inputs @ inputs.T
    found: Any = eigh(gram, driver="evd", check_finite=False)
    values, vectors = found[0].astype(np.float64), found[1]
    held = np.cumsum(np.maximum(values[::-1], 0.0))
    if held[-1] == 0:
        return np.zeros((inputs.shape[1], 0), np.float32)
    count = int(np.searchsorted(held, energy * held[-1])) + 1
    basis = vectors[:, ::-1][:, :count]  # the largest first
    if not is_tall:
        basis, _ = np.linalg.qr(inputs.T @ basis)
    return _signed(basis).astype(np.float32)


def _signed(columns: np.ndarray) -> np.ndarray:
    """Each column with its largest number positive: which sign comes out is up to the library."""
    largest = np.abs(columns).argmax(axis=0)
    signs = np.sign(columns[largest, np.arange(columns.shape[1])])
    return columns * np.where(signs == 0, 1.0, signs)
