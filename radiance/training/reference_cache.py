"""What is kept of a model on disk: the samples it wrote itself, and its outputs on texts.

Both are made once for one set of weights: of the base they never change, of a deployed checkpoint
they hold as long as it is deployed.
"""

import hashlib
import io
import math
import shutil
import time
import zipfile
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

import mlx.core as mx
import numpy as np

from radiance import __version__
from radiance.engine.model.encoding import EncodedExample
from radiance.engine.tasks import Pieces
from radiance.errors import StorageError
from radiance.platform import cache_directory, load_fast_blas
from radiance.storage import files
from radiance.telemetry import get_logger
from radiance.training.batches import Reference, make_batch
from radiance.training.gradient import GradientComputer
from radiance.training.losses import LEAST_TAIL
from radiance.training.self_samples import SamplesWritten, SelfSampler

_log = get_logger(__name__)

SAMPLES_PER_FILE = 32
"""So many are written in one go; an interruption loses no more."""
_SEED_STRIDE = 1_000_003
_MOST_OTHERS = 8  # sets of weights that are not in use, whose outputs are kept
# Another version may round differently, and so may another library beneath.
_COMPUTED_BY = (__version__, version("mlx"), load_fast_blas().name)
UNREADABLE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)
"""What reading a damaged .npz file raises."""


SHIPPED = Path(__file__).parent / "shipped"
"""Samples and answers of base models that have a name, made by ``tools.own_samples``."""


def base_cache() -> Path:
    """Where what was made of base models is kept, for all roots of this user."""
    return cache_directory() / "bases"


class ReferenceCache:
    """Keeps own samples and reference outputs. Belongs to the engine thread.

    What is kept is known by the weights it came from, so roots of one base share it, and anything
    of it may be deleted at any time. Several processes may use one directory.

    Args:
        directory: Where both are kept.
        k: Log-probabilities kept per token.
        shipped: Directories with own samples that came with a model or with Radiance; read where
            the directory has none.
    """

    def __init__(
        self,
        gradient_computer: GradientComputer,
        sampler: SelfSampler,
        directory: Path,
        k: int,
        shipped: Sequence[Path] = (),
    ) -> None:
        self._gradient_computer = gradient_computer
        self._sampler = sampler
        self._directory = directory
        self._k = k
        self._shipped = shipped

    def samples(
        self,
        vector: mx.array,
        weights_id: str,
        beginnings: Sequence[Sequence[int]],
        count: int,
        seed: int,
    ) -> Pieces[list[EncodedExample]]:
        """Own samples of a model, written once and then read; an interrupted call goes on.

        Yields None between pieces, and SamplesWritten as it goes on.

        Args:
            vector: The adapter that writes, (parameters,) float32.
            weights_id: Identity of base and adapter together.
            beginnings: Tokens of texts whose first few may begin a sample.
            count: Samples to try.
            seed: The samples follow from it.
        """
        written: dict[tuple[int, ...], EncodedExample] = {}
        for done, some, name in _files_of(weights_id, beginnings, count, seed):
            samples = self._samples_of(weights_id, name)
            if samples is None:
                own_seed = seed * _SEED_STRIDE + done
                samples = yield from self._sampler.write(vector, beginnings, some, own_seed)
                keep_arrays(self.directory_of(weights_id) / name, _pack(samples))
            written.update({sample.tokens: sample for sample in samples})
            yield SamplesWritten(done + some, count)
        return list(written.values())

    def samples_there(
        self, weights_id: str, beginnings: Sequence[Sequence[int]], count: int, seed: int
    ) -> int:
        """How many of ``count`` samples, from the first on, ``samples`` need not write."""
        there = 0
        for done, some, name in _files_of(weights_id, beginnings, count, seed):
            if self._samples_of(weights_id, name) is None:
                break
            there = done + some
        return there

    def _samples_of(self, weights_id: str, name: str) -> list[EncodedExample] | None:
        directories = (self.directory_of(weights_id), *self._shipped)
        found = (_read_samples(directory / name) for directory in directories)
        return next((samples for samples in found if samples is not None), None)

    def references(
        self, vector: mx.array, weights_id: str, examples: Sequence[EncodedExample]
    ) -> Pieces[list[Reference]]:
        """The outputs of a model on a group of texts, computed once and then read.

        Outputs round by the batch they are computed in. They are kept for the group as a whole, so
        the same group has the same bits, whatever was kept before.

        Args:
            vector: The adapter whose outputs are kept, (parameters,) float32.
            weights_id: Identity of base and adapter together.
            examples: The group.
        """
        name = f"references-{self._k}-{identity_of(examples)}.npz"
        path = self.directory_of(weights_id) / name
        kept = _read_references(path)
        if kept is None:
            kept = yield from self.outputs(vector, examples)
            keep_arrays(path, _pack_references(kept))
        return kept

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

    def prune(self, weights_ids: Sequence[str]) -> None:
        """Delete what is kept of other weights, the oldest first, as far as it is too much.

        Args:
            weights_ids: Those in use.
        """
        used = {self.directory_of(name) for name in weights_ids}
        others = [path for path in self._directory.glob("weights-*") if path not in used]
        for path in sorted(others, key=_age)[_MOST_OTHERS:]:
            shutil.rmtree(path, ignore_errors=True)

    def directory_of(self, weights_id: str) -> Path:
        """Where what was made of one set of weights is kept."""
        return self._directory / f"weights-{_digest(weights_id, *_COMPUTED_BY)}"


def _age(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except OSError:  # another process has just deleted it
        return math.inf


def _files_of(
    weights_id: str, beginnings: Sequence[Sequence[int]], count: int, seed: int
) -> Iterator[tuple[int, int, str]]:
    """Of each file of samples: how many come before, how many it has, and its name."""
    identity = [weights_id, *(",".join(map(str, tokens)) for tokens in beginnings)]
    for done in range(0, count, SAMPLES_PER_FILE):
        some = min(SAMPLES_PER_FILE, count - done)
        yield done, some, f"samples-{_digest(*identity, seed, done, some)}.npz"


def _digest(*identity: object) -> str:
    return hashlib.sha256("\n".join(map(str, identity)).encode()).hexdigest()[:32]


def identity_of(examples: Sequence[EncodedExample]) -> str:
    """Identity of some texts in their order."""
    digest = hashlib.sha256()
    for example in examples:
        row = [len(example.tokens), *example.tokens, *example.is_completion]
        digest.update(np.array(row, dtype=np.int32).tobytes())
    return digest.hexdigest()[:32]


def keep_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Keep arrays. Where that fails they are made again next time; nothing depends on it."""
    stream = io.BytesIO()
    np.savez(stream, **arrays)  # type: ignore[arg-type]
    try:
        files.make_directory(path.parent)
        files.write_durably(path, stream.getvalue())
    except StorageError as error:
        _log.warning("not_cached", file=str(path), error=str(error))


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
    except UNREADABLE:
        return None


def _pack_references(references: Sequence[Reference]) -> dict[str, np.ndarray]:
    return {
        "ends": np.cumsum([len(reference.tail) for reference in references]),
        "tokens": np.concatenate([reference.tokens for reference in references]),
        "log_probs": np.concatenate([reference.log_probs for reference in references]),
        "tail": np.concatenate([reference.tail for reference in references]),
    }


def _read_references(path: Path) -> list[Reference] | None:
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as kept:
            ends = kept["ends"][:-1]
            parts = [np.split(kept[name], ends) for name in ("tokens", "log_probs", "tail")]
            return [Reference(*arrays) for arrays in zip(*parts, strict=True)]
    except UNREADABLE:
        return None
