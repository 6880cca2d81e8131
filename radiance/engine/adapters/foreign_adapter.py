"""An adapter that was read from elsewhere and fits the base: one rank, one factor, finite numbers.

Call on the engine thread.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import mlx.core as mx

from radiance import validation
from radiance.engine.adapters.foreign_files import MANIFEST_FILE, ForeignFiles, Format, refuse
from radiance.engine.adapters.slots import Adapter
from radiance.engine.model.base import BaseModel


@dataclass(frozen=True)
class ForeignAdapter:
    """An adapter from elsewhere that fits the base.

    Attributes:
        adapter: Ready to serve: float32, evaluated, of one rank and one factor.
        format: What it was stored as.
        rank: Of every pair; where modules had their own, the highest.
        declared_base: The base model its configuration names; "" where it names none.
    """

    adapter: Adapter
    format: Format
    rank: int
    declared_base: str


def check_manifest(given: ForeignFiles, base: BaseModel) -> None:
    """An adapter that Radiance exported says on which base's very weights it was trained.

    Raises:
        BadAdapter: It was on others.
    """
    theirs = None if given.manifest is None else given.manifest.get("base_hash")
    if given.manifest is None or theirs is None or theirs == base.content_hash:
        return
    path = given.directory / MANIFEST_FILE
    if not isinstance(theirs, str):
        refuse(f"{path}: base_hash (is {validation.show(theirs)}) is no hash.", "Copy it again.")
    refuse(
        f"{path}: it was trained on {str(given.manifest.get('base_model'))[:100]!r} of hash "
        f"{theirs[:12]}…, and this service's base model is {base.name!r} of hash "
        f"{base.content_hash[:12]}….",
        "Serve that base model, or delete the manifest if you know the two to be alike.",
    )


def joined(
    given: ForeignFiles,
    pairs: Mapping[str, tuple[mx.array, mx.array]],
    scales: Mapping[str, float],
    declared: str,
) -> ForeignAdapter:
    """One adapter of matrices that fit their layers, evaluated.

    Raises:
        BadAdapter: A number is not finite, or all of it changes nothing.
    """
    adapter = _joined(pairs, scales)
    _check_values(given.directory, adapter)
    rank = next(iter(adapter.pairs.values()))[0].shape[1]
    return ForeignAdapter(adapter, given.format, rank, declared)


def _joined(pairs: Mapping[str, tuple[mx.array, mx.array]], scales: Mapping[str, float]) -> Adapter:
    """One adapter with one factor and one rank, which computes the same.

    Where modules have their own factor the difference goes into B; lower ranks get zeros.
    """
    scale = max(set(scales.values()), key=list(scales.values()).count)
    joined = {}
    rank = max(a.shape[1] for a, _ in pairs.values())
    for path, (a, b) in pairs.items():
        a, b, missing = a.astype(mx.float32), b.astype(mx.float32), rank - a.shape[1]
        if missing:
            a, b = mx.pad(a, [(0, 0), (0, missing)]), mx.pad(b, [(0, missing), (0, 0)])
        joined[path] = (a, b if scales[path] == scale else b * (scales[path] / scale))
    return Adapter(joined, scale)


def _check_values(directory: Path, adapter: Adapter) -> None:
    """Refuse what is not finite, and what changes nothing. Evaluates all of it."""
    changes = False
    for path, (a, b) in adapter.pairs.items():
        mx.eval(a, b)
        for half, array in (("a", a), ("b", b)):
            if not mx.isfinite(array).all().item():
                refuse(
                    f"{directory}: {path}: lora_{half} holds NaN or infinity.",
                    "Its training had diverged; use an earlier save.",
                )
        # ||A B||^2 = tr(A'A B B'), in rank x rank numbers; and B as it is served, with the factor.
        is_changing = (((a.T @ a) * (b @ b.T)).sum() > 0) & mx.any(adapter.scale * b != 0)
        changes = changes or bool(is_changing.item())
    if not changes:
        refuse(
            f"{directory}: it changes nothing: A B is zero in every layer.",
            "It was saved before it was trained, or its halves were mixed up.",
        )
