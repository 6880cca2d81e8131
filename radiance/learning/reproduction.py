"""Makes a checkpoint again from what the records hold, and compares the two bit for bit.

Everything happens in a scratch root with a copy of the database and links to the checkpoints, so
the root is only read, also while a service runs over it. The cycle is given to the same
``CandidateBuilder`` that made the checkpoint: same parent, same jobs, and the settings that the
audit log has of it.
"""

import json
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from dataclasses import dataclass
from pathlib import Path
from shutil import copytree
from typing import Any

import mlx.core as mx
import msgspec

from radiance import config as configuration
from radiance.anchors.sets import AnchorSet
from radiance.config import Config
from radiance.engine.adapters.files import load_adapter
from radiance.engine.worker import Engine
from radiance.errors import ConfigError
from radiance.evaluation.anchor_sample import accepted
from radiance.examples.queries import job_id
from radiance.examples.store import ExampleStore
from radiance.jobs.queue import JobQueue
from radiance.learning.candidate import CandidateBuilder
from radiance.records import Cycle, Evaluation, Manifest
from radiance.registry import audit, rows
from radiance.registry.checkpoints import Checkpoints
from radiance.registry.curves import MetricCurves
from radiance.registry.manifest import WEIGHTS
from radiance.registry.store import Registry
from radiance.storage.sqlite import Database, DatabaseSnapshot

_SECTIONS = {
    "training": configuration.TrainingSettings,
    "anchor": configuration.AnchorSettings,
    "evaluation": configuration.EvaluationSettings,
    "gate": configuration.GateSettings,
}
_POLL_S = 0.2


@dataclass(frozen=True)
class RecordedCheckpoint:
    """What the records hold of a checkpoint.

    Attributes:
        cycle: The cycle that made it.
        settings: The sections it was made with, by name.
        has_settings: Whether the audit log has all of them; the manifest has two sections only.
        anchors_hash: Of the anchors it was measured on.
    """

    cycle: Cycle
    manifest: Manifest
    settings: dict[str, Any]
    has_settings: bool
    anchors_hash: str


class Reproduction(msgspec.Struct, frozen=True):
    """How a checkpoint and its reproduction compare.

    Attributes:
        is_equal: Both have the same weights, bit for bit.
        content_hash: SHA-256 of the checkpoint's weights.
        reproduced_hash: Of the reproduction's.
        max_difference: Largest absolute difference of any weight; None where the shapes differ, or
            where the checkpoint's own were pruned.
        steps: Optimizer steps that made the checkpoint.
        reproduced_steps: That made the reproduction.
        differences: What else is not as it was, as sentences: versions, anchors, replay.
    """

    checkpoint_id: str
    is_equal: bool
    content_hash: str
    reproduced_hash: str
    max_difference: float | None
    steps: int
    reproduced_steps: int
    differences: tuple[str, ...]
    seconds: float


def read_records(config: Config, checkpoint_id: str) -> RecordedCheckpoint:
    """What the records of a root hold of a checkpoint.

    Raises:
        NotFound: There is no such checkpoint.
        Conflict: Its parent's weights were pruned.
        CorruptCheckpoint: Its files, or its parent's, are not the ones that were committed.
        ConfigError: Its settings are not ones that this version knows.
        StorageError: The database cannot be read.
    """
    with DatabaseSnapshot(config.database_path) as db:
        registry = Checkpoints(db, config.adapters_path)
        pruned = registry.pruned()
        if checkpoint_id not in pruned:  # else its hash is left to compare with
            registry.verify(checkpoint_id)
        manifest = registry.manifest(checkpoint_id)
        if manifest.imported is not None:
            raise ConfigError(
                f"{checkpoint_id} was imported from {manifest.imported.source}; what taught it "
                "is not known here. Name a checkpoint that was trained here."
            )
        if manifest.parent_id in pruned:
            raise rows.pruned(manifest.parent_id)
        if manifest.parent_id is not None:
            registry.verify(manifest.parent_id)
        checkpoint = registry.get(checkpoint_id)
        jobs = db.read(
            "SELECT job FROM cycle_jobs WHERE cycle_id = ? ORDER BY job", (checkpoint.cycle_id,)
        )
        entries = audit.about(db, checkpoint_id)
        anchors_hash = registry.evaluation(checkpoint_id).anchors_hash
    bodies = (json.loads(entry.body) for entry in entries)
    logged = next((body["settings"] for body in bodies if "settings" in body), {})
    return RecordedCheckpoint(
        cycle=Cycle(
            id=checkpoint.cycle_id,
            fingerprint=manifest.fingerprint,
            candidate_id=checkpoint_id,
            parent_id=manifest.parent_id,
            job_ids=tuple(job_id(row["job"]) for row in jobs),
        ),
        manifest=manifest,
        settings=_sections({"training": manifest.training, "anchor": manifest.anchor} | logged),
        has_settings=logged.keys() >= _SECTIONS.keys(),
        anchors_hash=anchors_hash,
    )


def as_recorded(config: Config, recorded: RecordedCheckpoint) -> Config:
    """The settings that a checkpoint was made with; what was not recorded is as in ``config``."""
    return msgspec.structs.replace(config, **recorded.settings)


def reproduce(
    config: Config,
    base_path: Path,
    recorded: RecordedCheckpoint,
    anchors: AnchorSet,
    on_progress: Callable[[str], None],
) -> Reproduction:
    """Make a checkpoint again and compare.

    Args:
        config: From ``as_recorded``.
        base_path: The base model's directory.
        recorded: What to make.
        anchors: What was to survive, by these settings.
        on_progress: Called now and then with how far it is, in words.

    Raises:
        ConfigError: The base model is another than the one it was made with.
        TrainingError: The training failed.
    """
    began_at = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="radiance-") as name:
        scratch = msgspec.structs.replace(config, root=Path(name))
        _lay_out(config, scratch)
        engine = Engine(config.base_model, base_path, config.backend, config.engine, max_waiting=1)
        engine.start()
        try:
            _check_base(engine, recorded.manifest)
            database = Database(scratch.database_path)
            try:
                found, staging, measured = _make(
                    scratch, engine, database, recorded, anchors, on_progress
                )
                original = config.adapters_path / recorded.cycle.candidate_id
                is_there = (original / WEIGHTS).exists()
                difference = (
                    engine.call(lambda: _max_difference(original, staging)) if is_there else None
                )
            finally:
                database.close()
        finally:
            engine.stop()
    manifest = recorded.manifest
    return Reproduction(
        checkpoint_id=manifest.checkpoint_id,
        is_equal=found.content_hash == manifest.content_hash,
        content_hash=manifest.content_hash,
        reproduced_hash=found.content_hash,
        max_difference=difference,
        steps=manifest.steps,
        reproduced_steps=found.steps,
        differences=tuple(_differences(recorded, found, measured)),
        seconds=time.monotonic() - began_at,
    )


def _sections(settings: dict[str, Any]) -> dict[str, Any]:
    try:
        return {
            name: msgspec.convert(settings[name], kind, strict=False)
            for name, kind in _SECTIONS.items()
            if name in settings
        }
    except msgspec.ValidationError as error:
        raise ConfigError(
            f"The recorded settings are not valid in this version ({error}). Use the version"
            " that its manifest names."
        ) from None


def _lay_out(config: Config, scratch: Config) -> None:
    """A root like the real one: its database copied, its checkpoints linked."""
    for path in (scratch.adapters_path, scratch.runs_path):
        path.mkdir()
    if config.anchors_path.is_dir():
        copytree(config.anchors_path, scratch.anchors_path)
    with DatabaseSnapshot(config.database_path) as db:
        db.copy_to(scratch.database_path)
        for checkpoint_id in Checkpoints(db, config.adapters_path).committed():
            (scratch.adapters_path / checkpoint_id).symlink_to(config.adapters_path / checkpoint_id)


def _make(
    scratch: Config,
    engine: Engine,
    database: Database,
    recorded: RecordedCheckpoint,
    anchors: AnchorSet,
    on_progress: Callable[[str], None],
) -> tuple[Manifest, Path, Evaluation]:
    cycle = recorded.cycle
    jobs, examples = JobQueue(database), ExampleStore(database)
    registry, curves = Registry(database, scratch.adapters_path), MetricCurves(database)
    anchors = accepted(anchors, engine.encoder)
    builder = CandidateBuilder(scratch, engine, jobs, examples, registry, curves, anchors)
    with ThreadPoolExecutor(1, thread_name_prefix="reproduction") as pool:
        making = pool.submit(builder.make, cycle, is_task=recorded.manifest.is_task)
        try:
            while True:
                try:
                    staging, manifest, evaluation = making.result(_POLL_S)
                except NotYet:
                    if builder.preparing is not None:
                        on_progress(builder.preparing)
                    elif (progress := builder.progress) is not None:
                        on_progress(f"step {progress.step} of at most {progress.max_steps}")
                else:
                    return manifest, staging, evaluation
        except BaseException:
            builder.stop()
            raise


def _check_base(engine: Engine, manifest: Manifest) -> None:
    if manifest.base_hash != engine.base.content_hash:
        raise ConfigError(
            f"base_model (is {engine.base.name!r}): {manifest.checkpoint_id} was trained on"
            f" another base model, {manifest.base_model!r} of hash {manifest.base_hash}. Name that"
            " model by --base-model."
        )


def _max_difference(original: Path, reproduced: Path) -> float | None:
    first, second = load_adapter(original).pairs, load_adapter(reproduced).pairs
    if first.keys() != second.keys():
        return None
    largest = 0.0
    for name in first:
        for a, b in zip(first[name], second[name], strict=True):
            if a.shape != b.shape:
                return None
            largest = max(largest, float(mx.max(mx.abs(a - b)).item()))  # type: ignore[arg-type]
    return largest


def _differences(recorded: RecordedCheckpoint, found: Manifest, measured: Evaluation) -> list[str]:
    """What differs besides the weights, and may be why they do."""
    before, now = recorded.manifest, found
    sentences = [
        f"{name} was {before.versions.get(name, 'not there')} and is {now.versions.get(name)}."
        for name in sorted(before.versions.keys() | now.versions.keys())
        if before.versions.get(name) != now.versions.get(name)
    ]
    if not recorded.has_settings:
        sentences.append(
            "The audit log has no settings for this checkpoint; some settings are today's."
        )
    if before.example_ids != now.example_ids:
        sentences.append("The learned examples differ.")
    if before.replayed_ids != now.replayed_ids:
        sentences.append("The replayed examples differ.")
    if recorded.anchors_hash != measured.anchors_hash:
        sentences.append("The anchors have changed since.")
    if before.scaled_to != now.scaled_to:
        sentences.append(
            f"The adapter was scaled to {before.scaled_to}, and is now scaled to {now.scaled_to}."
        )
    return sentences
