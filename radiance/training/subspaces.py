"""The subspaces that an update goes around: found layer by layer in what texts give to each."""

import hashlib
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np

from radiance.engine.model.base import BaseModel
from radiance.engine.model.encoding import EncodedExample
from radiance.engine.tasks import Pieces
from radiance.training.batches import spread
from radiance.training.layer_inputs import Inputs, each_input
from radiance.training.lora import LoraModel
from radiance.training.nullspace import NullSpace
from radiance.training.reference_cache import UNREADABLE, identity_of, keep_arrays

_MOST_HELD_INPUTS = 2048  # per layer, which bounds each decomposition
MOST_HELD, MOST_NEAR, MOST_NEW = 288, 48, 32
"""Texts looked at of each kind. Held ones are looked at once for a base: three times as many keep
more of what is listed nowhere; more near or new ones take time and hardly move the subspaces."""
_NEAR_ENERGY = 0.9
_MOST_BEYOND = 96  # directions beyond a held subspace that are told apart
_MOST_OTHERS = 96
_KINDS = ("basis", "rest")
# Length of a column that A is turned by: twice that of a fresh one, uniform in 1/sqrt(d).
_TURN = 2 / 3**0.5
_DIRECTIONS = 2  # for each new text


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
    held = yield from held_subspaces(base, lora, vector, examples, energy, directory)
    bases = {path: basis for path, (basis, _) in held.items()}
    rests = _on_device({path: rest for path, (_, rest) in held.items()})
    if surroundings is None or not surroundings.new:
        return NullSpace(lora, _on_device(bases), rests=rests)
    kinds = spread(surroundings.new, MOST_NEW), spread(surroundings.near, MOST_NEAR)
    most = _DIRECTIONS * len(surroundings.new)
    wider: dict[str, np.ndarray] = {}
    turns: dict[str, np.ndarray] = {}

    def go_around(paths: Sequence[str], new: Inputs, near: Inputs) -> None:
        rank = min(most, lora.shapes[f"{paths[0]}.lora_a"][1])
        basis, turn = _around(new.rows, near.rows, bases[paths[0]], rank)
        wider.update(dict.fromkeys(paths, basis))
        turns.update(dict.fromkeys(paths, turn))

    yield from each_input(base, lora, surroundings.parent, kinds, go_around)
    directions = {path: mx.array(a) for path, a in turns.items()}
    return NullSpace(lora, _on_device(wider), directions, rests)


def most_bytes(widths: Iterable[int]) -> int:
    """What the subspaces of adapted layers take at most, as far as was seen.

    The widest subspace of SmolLM2 has 0.55 of its layer's width, nearly all have less; that layers
    with the same inputs share one is not counted.

    Args:
        widths: Of each layer's input.
    """
    return sum(width * min(-(-width // 2), _MOST_HELD_INPUTS) * 2 for width in widths)


Held = tuple[np.ndarray, np.ndarray]
"""Of a layer's held inputs the subspace's basis, (d_in, q), and what others have beyond it: its
largest directions, each as long as an input is along it in the mean square, (d_in, k), and as a
last column what is left along each other one."""


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
) -> Pieces[dict[str, Held]]:
    """The held texts' subspaces by module path, float32: kept, or found and kept."""
    every, examples = examples, spread(examples, MOST_HELD)
    layers = ",".join(sorted(lora.shapes))
    taken = {example.tokens for example in examples}
    others = spread([e for e in every if e.tokens not in taken] or examples, _MOST_OTHERS)
    digest = _digest(layers, energy, _MOST_HELD_INPUTS, _MOST_BEYOND, identity_of(others), 2)
    name = f"subspaces-{identity_of(examples)}-{digest}.npz"
    if directory is not None and (kept := _read(directory / name, lora)) is not None:
        return kept
    found: dict[tuple[str, ...], Held] = {}

    def keep(paths: tuple[str, ...], inputs: Inputs, unseen: Inputs) -> None:
        basis = _basis(inputs.rows, energy)
        found[paths] = basis, _beyond(unseen, basis)

    yield from each_input(base, lora, vector, [examples, others], keep, _MOST_HELD_INPUTS)
    # In float32: a first token may be hundreds of times as long as others, and what rounding leaves
    # of it outside would be what new texts seem to have of their own.
    whole = {
        f"{kind}:{' '.join(paths)}": array
        for paths, both in found.items()
        for kind, array in zip(_KINDS, both, strict=True)
    }
    if directory is not None:
        keep_arrays(directory / name, whole)
    return _by_module(whole)


def _read(path: Path, lora: LoraModel) -> dict[str, Held] | None:
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as kept:
            found = _by_module(dict(kept.items()))
    except UNREADABLE:
        return None
    wanted = {name.removesuffix(".lora_a") for name in lora.shapes if name.endswith(".lora_a")}
    return found if set(found) == wanted else None


def _by_module(kept: Mapping[str, np.ndarray]) -> dict[str, Held]:
    """By each module path; those with the same inputs share arrays."""
    found: dict[str, Held] = {}
    basis, rest = _KINDS
    for key in kept:
        kind, _, paths = key.partition(":")
        if kind == basis:
            both = (kept[key].astype(np.float32), kept[f"{rest}:{paths}"].astype(np.float32))
            found.update(dict.fromkeys(paths.split(" "), both))
    return found


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


def _basis(inputs: np.ndarray, energy: float) -> np.ndarray:
    """Orthonormal basis (d_in, q) float32 of the smallest subspace with a share of the energy.

    Args:
        inputs: (n, d_in) float32.
        energy: The share, in (0, 1).
    """
    values, directions = _principal(inputs)
    held = np.cumsum(values)
    if held[-1] == 0:
        return np.zeros((inputs.shape[1], 0), np.float32)
    count = int(np.searchsorted(held, energy * held[-1])) + 1
    return _signed(directions(count)).astype(np.float32)


def _beyond(inputs: Inputs, basis: np.ndarray) -> np.ndarray:
    """What inputs have outside a subspace, (d_in, k + 1) float32; see ``Held``.

    Args:
        inputs: None of those that the subspace was found in: of these it leaves less than of any
            other.
        basis: (d_in, q) float32, orthonormal.
    """
    rows = inputs.rows
    values, directions = _principal(rows - (rows @ basis) @ basis.T)
    values = values / inputs.count
    count = min(_MOST_BEYOND, len(values))
    left = values[count:].sum() / max(1, rows.shape[1] - basis.shape[1] - count)
    found = directions(count) * np.sqrt(values[:count])
    last = np.full((rows.shape[1], 1), np.sqrt(left))
    return np.concatenate([found, last], axis=1).astype(np.float32)


def _principal(inputs: np.ndarray) -> tuple[np.ndarray, Callable[[int], np.ndarray]]:
    """Energies along the inputs' principal directions, the largest first, and the first of these.

    Args:
        inputs: (n, d_in) float32.
    """
    from scipy.linalg import eigh  # not at the top: every start of the service would wait for it

    is_tall = inputs.shape[0] >= inputs.shape[1]
    # Of the smaller Gram matrix, in float32: a full SVD takes several times as long, float64 twice.
    gram = inputs.T @ inputs if is_tall else inputs @ inputs.T
    found: Any = eigh(gram, driver="evd", check_finite=False)
    vectors = found[1][:, ::-1]

    def directions(count: int) -> np.ndarray:
        return vectors[:, :count] if is_tall else np.linalg.qr(inputs.T @ vectors[:, :count])[0]

    return np.maximum(found[0].astype(np.float64), 0.0)[::-1], directions


def _signed(columns: np.ndarray) -> np.ndarray:
    """Each column with its largest number positive: which sign comes out is up to the library."""
    largest = np.abs(columns).argmax(axis=0)
    signs = np.sign(columns[largest, np.arange(columns.shape[1])])
    return columns * np.where(signs == 0, 1.0, signs)
