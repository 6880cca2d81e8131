from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from radiance.records import (
    CheckpointStatus,
    Cycle,
    Decision,
    EvalReport,
    Evaluation,
    Evidence,
    Manifest,
)
from radiance.registry import manifest as manifests
from radiance.registry.store import Registry
from radiance.storage.sqlite import Database

NOON = datetime(2026, 2, 9, 12, tzinfo=UTC)


class Workshop:
    """A registry, and candidates made by hand instead of by training."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.cycles = 0
        self.open()

    def open(self) -> None:
        self.db = Database(self.root / "runs" / "radiance.db")
        self.adapters = self.root / "adapters"
        self.registry = Registry(self.db, self.adapters, lambda: NOON)

    now = NOON

    def reopen(self) -> None:
        self.db.close()
        self.open()

    def new_id(self) -> str:
        with self.db.transaction() as connection:
            return self.registry.new_checkpoint_id(connection, date(2026, 2, 9))

    def cycle(self, parent: str | None = None) -> Cycle:
        self.cycles += 1
        return Cycle(
            id=self.cycles,
            fingerprint=f"fingerprint {self.cycles}",
            candidate_id=self.new_id(),
            parent_id=parent,
            job_ids=(f"job_{self.cycles:06d}",),
        )

    def stage(self, cycle: Cycle, weights: bytes = b"") -> tuple[Path, Manifest]:
        staging = self.registry.staging(cycle.candidate_id)
        (staging / manifests.WEIGHTS).write_bytes(weights or cycle.candidate_id.encode())
        (staging / manifests.CONFIG).write_bytes(b"{}")
        content_hash, config_hash = manifests.content_hashes(staging)
        manifest = Manifest(
            checkpoint_id=cycle.candidate_id,
            parent_id=cycle.parent_id,
            base_model="ember",
            base_hash="0" * 64,
            content_hash=content_hash,
            config_hash=config_hash,
            created_at=NOON,
            fingerprint=cycle.fingerprint,
            example_ids=tuple(f"{job}.0" for job in cycle.job_ids),
            replayed_ids=(),
            training={"r": 8, "lr": 2e-3, "target_modules": ["all-linear"]},
            anchor={},
            seed=0,
            steps=7,
            report=EvalReport(finetune_loss=0.1, eval_loss=0.2, retention_score=1.0),
            versions={"radiance": "0.1"},
        )
        return staging, manifest

    def commit(
        self,
        cycle: Cycle | None = None,
        status: CheckpointStatus = CheckpointStatus.STABLE,
        promote: bool | None = None,
    ) -> str:
        cycle = cycle or self.cycle(self.current())
        staging, manifest = self.stage(cycle)
        evaluation = Evaluation(manifest.report)
        is_promoted = status == CheckpointStatus.STABLE if promote is None else promote
        decision = Decision(status, is_promoted, "It learned.")
        self.registry.commit(cycle, staging, manifest, evaluation, decision, Evidence())
        self.registry.point_stable()
        return cycle.candidate_id

    def current(self) -> str | None:
        current = self.registry.current()
        return None if current is None else current.checkpoint_id

    def damage(self, checkpoint_id: str) -> None:
        with (self.adapters / checkpoint_id / manifests.WEIGHTS).open("ab") as file:
            file.write(b"!")


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Workshop]:
    workshop = Workshop(tmp_path)
    yield workshop
    workshop.db.close()


@pytest.fixture
def registry(workshop: Workshop) -> Registry:
    return workshop.registry


@pytest.fixture(scope="session")
def make_workshop() -> type[Workshop]:
    return Workshop
