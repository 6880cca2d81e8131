"""Training over several machines, on MLX's own distributed engine; there is none of ours.

``mlx.launch`` starts one process a rank. Rank 0 owns the root and does everything it does alone,
except that each gradient, loss and hidden state of a batch is computed in parts: it sends every
rank the adapter and the batch, each computes its share of the rows, and one sum over a flat vector
joins them. Clipping, AdamW and the projection see the joined gradient, so N ranks give what one
rank with the whole batch gives, up to rounding. The others hold the base model and nothing else:
what they compute follows from what they are sent, so no state can drift apart, and a rank that dies
takes nothing with it.
"""

import contextlib
import io
from dataclasses import dataclass
from typing import Any, cast

import mlx.core as mx
import numpy as np

from radiance import config
from radiance.engine.model.base import BaseModel
from radiance.engine.sharding.ranks import Ranks
from radiance.engine.tasks import Pieces
from radiance.errors import ConfigError, LostRank, TrainingError
from radiance.records import content_hash
from radiance.telemetry import get_logger
from radiance.training.batches import BatchPart, TrainingBatch, part_of
from radiance.training.gradient import GradientComputer
from radiance.training.lora import LoraModel

_GRADIENT, _LOSSES, _ROWS, _END = range(4)
_log = get_logger(__name__)
_BATCH = ("tokens", "positions", "targets", "weights")


@dataclass(frozen=True)
class _Request:
    """One thing to compute together."""

    kind: int
    vector: mx.array | None = None
    batch: TrainingBatch | None = None
    key: mx.array | None = None

    def pack(self) -> bytes:
        stream = io.BytesIO()
        arrays: dict[str, Any] = {"kind": np.array(self.kind)}
        if self.vector is not None and self.batch is not None:
            arrays["vector"] = np.array(self.vector)
            arrays["owners"] = self.batch.owners
            arrays |= {name: np.array(getattr(self.batch, name)) for name in _BATCH}
            if self.batch.reference is not None:
                for index, array in enumerate(self.batch.reference):
                    arrays[f"reference{index}"] = np.array(array)
                arrays["reference_weights"] = np.array(self.batch.reference_weights)
        if self.key is not None:
            arrays["key"] = np.array(self.key)
        np.savez(stream, **arrays)
        return stream.getvalue()

    @classmethod
    def unpack(cls, data: bytes) -> "_Request":
        with np.load(io.BytesIO(data), allow_pickle=False) as saved:
            found = dict(saved)
        kind = int(found["kind"])
        if "vector" not in found:
            return cls(kind)
        has_reference = "reference0" in found
        batch = TrainingBatch(
            *(mx.array(found[name]) for name in _BATCH),
            owners=found["owners"],
            reference=(
                mx.array(found["reference0"]),
                mx.array(found["reference1"]),
                mx.array(found["reference2"]),
            )
            if has_reference
            else None,
            reference_weights=mx.array(found["reference_weights"]) if has_reference else None,
        )
        key = mx.array(found["key"]) if "key" in found else None
        return cls(kind, mx.array(found["vector"]), batch, key)


class DistributedGradientComputer(GradientComputer):
    """Computes with all ranks what a ``GradientComputer`` computes alone. Rank 0 calls it.

    Where a rank is lost the call fails, and later ones are computed alone. A call that is given up
    between two pieces tells the others, so that all stay in step.

    Args:
        lora: Of this rank.
        ranks: The group, whose other members are in ``serve_rank``.
    """

    def __init__(self, lora: LoraModel, ranks: Ranks) -> None:
        super().__init__(lora)
        self._ranks, self.gives_rows = ranks, False

    def gradient(
        self, vector: mx.array, batch: TrainingBatch, dropout_key: mx.array | None = None
    ) -> Pieces[tuple[mx.array, mx.array]]:
        """See ``GradientComputer.gradient``; each rank has dropout masks of its own."""
        if not self._ranks.is_whole:
            return (yield from super().gradient(vector, batch, dropout_key))
        key = dropout_key if self._use_dropout else None
        joined = yield from self._ask(_Request(_GRADIENT, vector, batch, key))
        return joined[0], joined[1:]

    def target_losses(
        self, vector: mx.array, batch: TrainingBatch
    ) -> Pieces[tuple[mx.array, mx.array]]:
        """See ``GradientComputer.target_losses``."""
        if not self._ranks.is_whole:
            return (yield from super().target_losses(vector, batch))
        joined = yield from self._ask(_Request(_LOSSES, vector, batch))
        return joined[:, 0], joined[:, 1] > 0

    def target_rows(self, vector: mx.array, batch: TrainingBatch) -> Pieces[mx.array]:
        """See ``GradientComputer.target_rows``."""
        if not self._ranks.is_whole:
            return (yield from super().target_rows(vector, batch))
        return (yield from self._ask(_Request(_ROWS, vector, batch)))

    def answer(self, data: bytes) -> bool:
        """On another rank: compute this rank's share of what was sent; False once that was all.

        Raises:
            LostRank: A rank is gone.
        """
        request = _Request.unpack(data)
        if request.kind == _END:
            return False
        try:
            for _ in self._join(request):
                pass
        except TrainingError as error:
            _log.warning("share_not_joined", reason=str(error))
        return True

    def end(self) -> None:
        """Let the other ranks go."""
        if self._ranks.is_whole:
            self._ranks.send(_Request(_END).pack())

    def _ask(self, request: _Request) -> Pieces[mx.array]:
        self._ranks.send(request.pack())
        return (yield from self._join(request))

    def _join(self, request: _Request) -> Pieces[mx.array]:
        """This rank's share, summed with the others'.

        Every rank takes part in the same two sums: how it went and how wide a row is, which a rank
        without rows of its own does not know; then, if it went well everywhere, the shares.
        """
        try:
            share = yield from self._share(request)
            if share is not None:
                mx.eval(share)
        except BaseException:  # given up between two pieces, or failed: the others must know
            with contextlib.suppress(LostRank):
                self._ranks.sum(mx.array([0, 0, 0]))
            raise
        width = 0 if share is None or share.ndim == 1 else share.shape[1]
        state = self._ranks.sum(mx.array([1, width, width > 0]))
        well, widths, with_rows = cast(list[int], state.tolist())
        if well < self._ranks.size:
            raise TrainingError("another rank could not compute its share; its log says why")
        return self._ranks.sum(
            self._nothing(request, widths, with_rows) if share is None else share
        )

    def _nothing(self, request: _Request, widths: int, with_rows: int) -> mx.array:
        """The share of a rank that has no row of the batch."""
        assert request.vector is not None
        assert request.batch is not None
        if request.kind == _GRADIENT:
            return mx.zeros(request.vector.size + 1)
        return mx.zeros((len(request.batch.targets), widths // with_rows))

    def _share(self, request: _Request) -> Pieces[mx.array | None]:
        """What this rank's rows give, at their places in the whole; None where it has none."""
        vector, batch = request.vector, request.batch
        assert vector is not None
        assert batch is not None
        part = part_of(batch, self._ranks.rank, self._ranks.size)
        if part is None:
            return None
        if request.kind == _GRADIENT:
            key = request.key
            own = None if key is None else mx.random.split(key, self._ranks.size)[self._ranks.rank]
            loss, gradient = yield from super().gradient(vector, part.batch, own)
            return mx.concatenate([loss[None].astype(mx.float32), gradient])
        if request.kind == _LOSSES:
            losses, hits = yield from super().target_losses(vector, part.batch)
            return _placed(mx.stack([losses, hits.astype(mx.float32)], axis=1), part, batch)
        rows = yield from super().target_rows(vector, part.batch)
        return _placed(rows.astype(mx.float32), part, batch)


def _placed(values: mx.array, part: BatchPart, batch: TrainingBatch) -> mx.array:
    """Rows of a part's targets at their places among the batch's; zero elsewhere."""
    places = mx.array(part.places)
    found = mx.zeros((len(batch.targets), values.shape[1]))
    return found.at[places].add(values[: len(part.places)])


def agree(ranks: Ranks, base: BaseModel, settings: config.TrainingSettings) -> None:
    """Make sure that all ranks hold the same base and the same kind of adapter.

    Raises:
        ConfigError: They do not, on every rank.
        LostRank: A rank is gone.
    """
    shape = (settings.r, settings.alpha, settings.dropout, settings.target_modules)
    if not ranks.agree(content_hash([base.content_hash, shape]).encode()):
        raise ConfigError(
            f"base_model (is {base.name!r}): not all ranks have the same base model, rank, alpha, "
            "dropout and target_modules. Give each the same files and settings."
        )


def serve_rank(ranks: Ranks, base: BaseModel, settings: config.TrainingSettings) -> None:
    """What every rank but 0 does: compute its share of whatever is sent, until told to end.

    Raises:
        ConfigError: The ranks do not fit each other.
        LostRank: Another rank is gone.
    """
    agree(ranks, base, settings)
    shared = DistributedGradientComputer(LoraModel(base, settings), ranks)
    while shared.answer(ranks.send()):
        pass
