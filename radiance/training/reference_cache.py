"""What old behaviour is held by: anchors and own samples, each with the outputs to stay close to.

The reference outputs are computed once for one set of weights and kept on disk by content: of the
base they never change, of a deployed checkpoint they hold as long as it is deployed.
"""

import hashlib
import io
import time
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import mlx.core as mx
import numpy as np

from radiance.engine.model.encoding import EncodedExample
from radiance.engine.tasks import Pieces
from radiance.storage import files
from radiance.training.batches import Reference, by_length, make_batch
from radiance.training.gradient import GradientComputer
from radiance.training.losses import LEAST_TAIL
from radiance.training.self_samples import SamplesWritten, SelfSampler

SELF_GENERATED = "own samples"
"""The context of own samples."""
_ROWS = 16
_SAMPLES_PER_FILE = 128
_SEED_STRIDE = 1_000_003
_WRITE_EVERY_S = 2.0
_UNREADABLE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)


@dataclass(frozen=True)
class ReferenceText:
    """A text whose outputs must survive."""

    example: EncodedExample
    reference: Reference
    context: str


@dataclass(frozen=True)
class ReferencesComputed:
    """The reference outputs of so many texts are there."""

    done: int
    total: int


class ReferenceCache:
    """Keeps own samples and reference outputs. Belongs to the engine thread.

    Args:
        directory: Where both are kept; anything in it may be deleted at any time.
        k: Log-probabilities kept per token.
        shipped: Own samples that came with the model; read where the directory has none.
    """

    def __init__(
        self,
        gradient_computer: GradientComputer,
        sampler: SelfSampler,
        directory: Path,
        k: int,
        shipped: Path | None = None,
    ) -> None:
        self._gradient_computer = gradient_computer
        self._sampler = sampler
        self._directory = directory
        self._k = k
        self._shipped = shipped
        files.make_directory(directory)

    def samples(
        self,
        vector: mx.array,
        weights_id: str,
        beginnings: Sequence[Sequence[int]],
        count: int,
        seed: int,
    ) -> Pieces[list[EncodedExample]]:
        """Own samples of a model, written once and then read; an interrupted call goes on.

        Yields None between pieces, and Sampled as it goes on.

        Args:
            vector: The adapter that writes, (parameters,) float32.
            weights_id: Identity of base and adapter together.
            beginnings: Tokens of texts whose first few may begin a sample.
            count: Samples to try.
            seed: The samples follow from it.
        """
        identity = [weights_id, *(",".join(map(str, tokens)) for tokens in beginnings)]
        written: dict[tuple[int, ...], EncodedExample] = {}
        for done in range(0, count, _SAMPLES_PER_FILE):
            some = min(_SAMPLES_PER_FILE, count - done)
            path = self._path("samples", *identity, str(seed), str(done), str(some))
            samples = _read_samples(path)
            if samples is None and self._shipped is not None:
                samples = _read_samples(self._shipped / path.name)
            if samples is None:
                own_seed = seed * _SEED_STRIDE + done
                samples = yield from self._sampler.write(vector, beginnings, some, own_seed)
                self._write(path, _pack(samples))
            written.update({sample.tokens: sample for sample in samples})
            yield SamplesWritten(done + some, count)
        return list(written.values())

    def hold(
        self,
        vector: mx.array,
        weights_id: str,
        texts: Sequence[tuple[EncodedExample, str]],
    ) -> Pieces[list[ReferenceText]]:
        """Texts with the outputs of a model on them.

        Outputs round by the batch they are computed in. Batches follow from all texts together, and
        what another batch gave is not taken: the same texts give the same bits, whatever was there.

        Yields None between pieces, and Referenced as it goes on.

        Args:
            vector: The adapter whose outputs are kept, (parameters,) float32.
            weights_id: Identity of base and adapter together.
            texts: Each with its context.
        """
        examples = [example for example, _ in texts]
        path = self._path("references", weights_id, str(self._k))
        kept = _read_references(path)
        groups = by_length(examples, _ROWS)
        keys = _keys(examples, groups)
        is_new, written_at = False, time.monotonic()
        for number, group in enumerate(groups, start=1):
            if all(keys[i] in kept for i in group):
                continue
            is_new = True
            found = yield from self.outputs(vector, [examples[i] for i in group])
            kept.update({keys[i]: reference for i, reference in zip(group, found, strict=True)})
            yield ReferencesComputed(min(number * _ROWS, len(keys)), len(keys))
            if time.monotonic() - written_at > _WRITE_EVERY_S:
                self._write(path, _pack_references(kept))
                written_at = time.monotonic()
        if is_new:
            self._write(path, _pack_references({key: kept[key] for key in keys}))
        return [
            ReferenceText(example, kept[key], context)
            for (example, context), key in zip(texts, keys, strict=True)
        ]

    def outputs(
        self, vector: mx.array, examples: Sequence[EncodedExample]
    ) -> Pieces[list[Reference]]:
        """The likeliest tokens of one batch of examples under an adapter, at each target."""
        gradient_computer = self._gradient_computer
        batch = make_batch(examples)
        rows = yield from gradient_computer.target_rows(vector, batch)
        tokens, chosen, tails = [], [], []
        for part in gradient_computer.parts(rows):
            log_probs = gradient_computer.log_probs(rows[part])
            k = min(self._k, log_probs.shape[-1])
            best = mx.argpartition(-log_probs, k - 1, axis=-1)[:, :k]
            values = mx.take_along_axis(log_probs, best, axis=-1)
            tail = mx.log(mx.maximum(1.0 - mx.exp(values).sum(axis=-1), LEAST_TAIL))
            mx.eval(best, values, tail)
            for kept, array in ((tokens, best), (chosen, values), (tails, tail)):
                kept.append(np.array(array))
            yield None
        stacked = [np.concatenate(arrays) for arrays in (tokens, chosen, tails)]
        return [
            Reference(*(array[batch.owners == row] for array in stacked))
            for row in range(len(examples))
        ]

    def keep_only(self, weights_ids: Sequence[str]) -> None:
        """Delete the references of any other weights."""
        names = {self._path("references", name, str(self._k)).name for name in weights_ids}
        for path in self._directory.glob("references-*.npz"):
            if path.name not in names:
                path.unlink(missing_ok=True)

    def _path(self, kind: str, *identity: str) -> Path:
        digest = hashlib.sha256("\n".join(identity).encode()).hexdigest()
        return self._directory / f"{kind}-{digest[:32]}.npz"

    def _write(self, path: Path, arrays: dict[str, np.ndarray]) -> None:
        stream = io.BytesIO()
        np.savez(stream, **arrays)  # type: ignore[arg-type]
        files.write_durably(path, stream.getvalue())


def _keys(examples: Sequence[EncodedExample], groups: Sequence[Sequence[int]]) -> list[str]:
    """Name of each example's reference: the batch that it is computed in, and its place there."""
    keys = [""] * len(examples)
    for group in groups:
        digest = hashlib.sha256()
        for index in group:
            example = examples[index]
            row = [len(example.tokens), *example.tokens, *example.is_completion]
            digest.update(np.array(row, dtype=np.int32).tobytes())
        for place, index in enumerate(group):
            keys[index] = f"{digest.hexdigest()[:32]}.{place}"
    return keys


def _pack(examples: Sequence[EncodedExample]) -> dict[str, np.ndarray]:
    """Examples one behind the other, and where each ends."""
    return {
        "ends": np.cumsum([len(example.tokens) for example in examples]),
        "tokens": np.array([t for e in examples for t in e.tokens], dtype=np.int32),
        "counts": np.array([c for e in examples for c in e.is_completion], dtype=bool),
    }


def _read_samples(path: Path) -> list[EncodedExample] | None:
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as kept:
            ends = kept["ends"][:-1]
            pairs = zip(np.split(kept["tokens"], ends), np.split(kept["counts"], ends), strict=True)
            return [EncodedExample("own", tuple(t.tolist()), tuple(c.tolist())) for t, c in pairs]
    except _UNREADABLE:
        return None


def _pack_references(references: dict[str, Reference]) -> dict[str, np.ndarray]:
    values = list(references.values())
    return {
        "keys": np.array(list(references)),
        "ends": np.cumsum([len(reference.tail) for reference in values]),
        "tokens": np.concatenate([reference.tokens for reference in values]),
        "log_probs": np.concatenate([reference.log_probs for reference in values]),
        "tail": np.concatenate([reference.tail for reference in values]),
    }


def _read_references(path: Path) -> dict[str, Reference]:
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as kept:
            ends = kept["ends"][:-1]
            parts = [np.split(kept[name], ends) for name in ("tokens", "log_probs", "tail")]
            return {
                str(key): Reference(*arrays)
                for key, *arrays in zip(kept["keys"], *parts, strict=True)
            }
    except _UNREADABLE:
        return {}
