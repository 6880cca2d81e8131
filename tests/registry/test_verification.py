"""A log held to what it records, and a log by itself."""

import os
import sqlite3
from pathlib import Path

import pytest

from radiance import records
from radiance.config import UpdateSettings
from radiance.errors import StorageError
from radiance.examples.admission import admit
from radiance.examples.store import ExampleStore
from radiance.jobs.queue import JobQueue
from radiance.records import CheckpointStatus, Cycle, Decision, Evaluation, Evidence
from radiance.registry import manifest as manifests
from radiance.registry import verification
from radiance.registry.audit import HEAD_FILE
from radiance.registry.reconciliation import reconcile
from radiance.registry.recorded import RecordedState
from radiance.registry.rows import NO_CYCLE, STABLE_LINK
from radiance.registry.verification import export, verify, verify_chain, verify_export
from radiance.storage import files
from radiance.storage.sqlite import DatabaseSnapshot
from tests.registry.tampering import change, database


@pytest.fixture
def root(workshop, tmp_path: Path) -> Path:
    """A root with two checkpoints, closed."""
    workshop.commit()
    workshop.commit()
    workshop.db.close()
    return tmp_path


def findings(root: Path) -> str:
    return "\n".join(verify(database(root), root / "adapters").findings)


def test_the_chain_alone_does_not_look_at_what_it_records(root: Path) -> None:
    whole, chain = verify(database(root), root / "adapters"), verify_chain(database(root))
    assert whole.is_sound
    assert chain.is_sound
    assert (whole.entries, whole.head) == (chain.entries, chain.head) == (2, chain.head)
    for weights in (root / "adapters").glob("*/adapters.safetensors"):
        weights.unlink()
    assert "cannot be read" in findings(root)
    assert verify_chain(database(root)).is_sound
    assert verify_chain(database(root), chain.head).is_sound
    assert not verify_chain(database(root), "f" * 64).is_sound


def test_the_chain_alone_finds_a_changed_entry_and_a_lost_head_file(root: Path) -> None:
    (root / "runs" / HEAD_FILE).write_bytes(b"nonsense")
    assert HEAD_FILE in " ".join(verify_chain(database(root)).findings)
    change(root, "UPDATE audit SET actor = 'nobody' WHERE number = 1")
    found = verify_chain(database(root))
    assert (found.first_bad, found.entries) == (1, 0)
    assert "its hash is not that of its content" in found.findings[-1]


def test_an_entry_that_is_no_text_any_more_is_found(root: Path) -> None:
    change(root, "UPDATE audit SET body = CAST(X'FF' AS TEXT) WHERE number = 2")
    found = verify(database(root), root / "adapters")
    assert (found.first_bad, found.findings) == (2, ("Entry 2 cannot be read.",))
    with DatabaseSnapshot(database(root)) as db, pytest.raises(StorageError, match="audit verify"):
        list(export(db))


@pytest.mark.parametrize("lines", [[], [b"{}\n"], [b"[" * 5000], [b"not JSON\n"]])
def test_an_export_that_is_none_is_told_apart(lines: list[bytes]) -> None:
    found = verify_export(lines)
    assert not found.is_sound
    assert found.entries == 0


def test_a_row_that_cannot_be_read_is_named(root: Path) -> None:
    (checkpoint,) = [p.name for p in (root / "adapters").glob("*_0001")]
    change(root, "UPDATE checkpoints SET report = '{' WHERE id = ?", checkpoint)
    assert f"Checkpoint {checkpoint}: its row cannot be read" in findings(root)


def test_an_imported_adapter_is_on_record(workshop, registry, tmp_path: Path) -> None:
    """Its number comes without a cycle; no examples are known of it."""
    candidate = Cycle(NO_CYCLE, "imported", registry.reserve(), None, ())
    staging, manifest = workshop.stage(candidate)
    made = registry.commit_imported(staging, manifest, "api:ann")
    assert made.status.value == "risky"
    (entry,) = registry.audit.about(made.checkpoint_id)
    assert (entry.action, entry.actor) == ("import", "api:ann")
    assert registry.audit.counts() == {"import": 1}
    assert registry.decision(made.checkpoint_id) is None
    assert findings(tmp_path) == ""
    with (registry.path(made.checkpoint_id) / manifests.WEIGHTS).open("ab") as file:
        file.write(b"!")
    assert "has the SHA-256" in findings(tmp_path)


def test_triggers_that_are_gone_are_named_and_put_back_at_the_start(root: Path, workshop) -> None:
    connection = sqlite3.connect(database(root))
    connection.execute("DROP TRIGGER audit_forgets_nothing")
    connection.commit()
    connection.close()
    assert "lacks the trigger audit_forgets_nothing" in findings(root)
    workshop.open()
    assert "audit_forgets_nothing" in reconcile(workshop.registry)[0]
    workshop.db.close()
    assert findings(root) == ""


def test_a_database_with_a_torn_page_is_not_sound(root: Path) -> None:
    """A page of the file that nothing of the log lies on: the chain alone says nothing."""
    connection = sqlite3.connect(database(root))
    connection.execute("CREATE TABLE filler (x)")
    connection.executemany("INSERT INTO filler VALUES (?)", [("x" * 900,)] * 400)
    connection.commit()
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    (page,) = connection.execute(
        "SELECT rootpage FROM sqlite_master WHERE name = 'filler'"
    ).fetchone()
    (size,) = connection.execute("PRAGMA page_size").fetchone()
    connection.close()
    with database(root).open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(bytes(64))
    assert verify_chain(database(root)).is_sound
    assert "The database is damaged" in findings(root)


@pytest.mark.parametrize("how", ["log", "folder", "job"])
def test_what_the_log_does_not_know_is_found(root: Path, workshop, how: str) -> None:
    if how == "log":
        for table in ("audit", "releases", "checkpoints"):
            change(root, f"DELETE FROM {table}")
        (root / "runs" / HEAD_FILE).unlink()
    elif how == "folder":
        (root / "adapters" / "A_2026-02-09_0099").mkdir()
    else:
        change(
            root,
            "INSERT INTO jobs"
            " (status, body_hash, created_at, example_count, tags, checkpoint, cycle_id,"
            " started_at, finished_at)"
            " VALUES ('succeeded', 'h', 'now', 1, '[]', 'A_2026-02-09_0099', 1, 'now', 'now')",
        )
    for path in (root / "adapters").glob("A_*"):
        os.utime(path, (0, 0))
    assert "log" in findings(root)
    wanted = {
        "log": "has no entry",
        "folder": "A_2026-02-09_0099 has no",
        "job": "Job 1 is learned",
    }
    assert wanted[how] in findings(root)


def alarms(root: Path) -> str:
    found = verify(database(root), root / "adapters")
    assert found.is_sound
    return "\n".join(found.alarms)


@pytest.mark.parametrize("points", ["at another", "nowhere"])
def test_a_link_that_points_elsewhere_is_told(root: Path, points: str) -> None:
    """No finding: a crash leaves that as well, and the next start mends it."""
    link = root / "adapters" / STABLE_LINK
    first, second = sorted(path.name for path in link.parent.glob("A_*"))
    assert alarms(root) == ""
    link.unlink()
    if points == "at another":
        link.symlink_to(first)
    told = f"at {first}" if points == "at another" else "nowhere"
    assert f"adapters/stable points {told}, but {second} serves" in alarms(root)


def test_a_link_that_a_service_is_about_to_move_is_not(workshop, tmp_path: Path) -> None:
    workshop.registry.clock = records.now
    workshop.commit()
    (tmp_path / "adapters" / STABLE_LINK).unlink()
    assert alarms(tmp_path) == ""


def test_a_mark_of_damage_on_a_whole_checkpoint_is_found(root: Path) -> None:
    (checkpoint,) = [path.name for path in (root / "adapters").glob("*_0001")]
    change(root, "UPDATE checkpoints SET damage = 'It hurts.' WHERE id = ?", checkpoint)
    assert f"{checkpoint} is marked as damaged, and its files are whole" in findings(root)
    with (root / "adapters" / checkpoint / manifests.WEIGHTS).open("ab") as file:
        file.write(b"!")
    assert "is marked" not in findings(root)


@pytest.mark.parametrize(
    "changed",
    ["tags = '[\"user:alice\"]'", "sender = 'alice'", "created_at = '2026-01-01T00:00:00Z'"],
)
def test_who_taught_what_was_learned_is_sealed(workshop, tmp_path: Path, changed: str) -> None:
    queue = JobQueue(workshop.db)
    body = {"examples": [{"input": "Who?", "output": "Nobody."}], "tags": ["user:mallory"]}
    admitted = admit(body, UpdateSettings(), lambda example: None)
    job, _ = queue.add(admitted, "hash", sender="mallory")
    cycle = workshop.cycle()
    staging, manifest = workshop.stage(cycle)
    (example,) = ExampleStore(workshop.db).of_jobs([job.job_id])
    evidence = Evidence({example.id: example.content_hash}, jobs={job.job_id: job.origin_hash})
    decision = Decision(CheckpointStatus.STABLE, promote=True, reason="It learned.")
    workshop.registry.commit(
        cycle, staging, manifest, Evaluation(manifest.report), decision, evidence
    )
    workshop.registry.point_stable()
    workshop.db.close()
    assert findings(tmp_path) == ""
    change(tmp_path, f"UPDATE jobs SET {changed}")
    assert f"{job.job_id}: tags, sender or time are not those" in findings(tmp_path)


@pytest.mark.parametrize("is_withdrawn", [True, False])
def test_what_is_deleted_while_it_is_looked_at_is_missed_only_where_it_should_be_there(
    root: Path, monkeypatch: pytest.MonkeyPatch, is_withdrawn: bool
) -> None:
    adapters, state = root / "adapters", RecordedState()
    with DatabaseSnapshot(database(root)) as db:
        for entry in verification._entries(db):
            state.add(entry)
        gone = next(adapters.glob("A_*"))
        state._withdrawn = {gone.name} if is_withdrawn else set()
        hash_file = files.hash_file

        def hash_what_was_there(path: Path) -> str:
            if path.parent == gone and gone.exists():
                gone.rename(root / "away")
            return hash_file(path)

        monkeypatch.setattr(files, "hash_file", hash_what_was_there)
        found = state.compare(db, adapters)
    assert any("cannot be read" in finding for finding in found) != is_withdrawn
