"""Nothing happens to checkpoints without an entry, and no entry can be changed unnoticed."""

import itertools
import json
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radiance.errors import Cancelled, Conflict, RadianceError, StorageError
from radiance.records import CheckpointStatus, Cycle, Decision, Evaluation, Evidence, GateRow
from radiance.registry import audit
from radiance.registry.reconciliation import reconcile
from radiance.registry.verification import Verification, export, verify, verify_export
from radiance.storage import steps
from radiance.storage.sqlite import DatabaseSnapshot
from tests.registry.tampering import change, database

STABLE, RISKY, REJECTED = (
    CheckpointStatus.STABLE,
    CheckpointStatus.RISKY,
    CheckpointStatus.REJECTED,
)
COLUMNS = audit.AuditEntry.__struct_fields__


def check(root: Path, kept_hash: str | None = None) -> Verification:
    return verify(database(root), root / "adapters", kept_hash)


def entries(workshop) -> list[audit.AuditEntry]:
    return list(reversed(audit.recent(workshop.db, 1000)))


def exported(root: Path) -> list[bytes]:
    with DatabaseSnapshot(database(root)) as db:
        return list(export(db))


def work(workshop) -> list[str]:
    """Everything that can happen to checkpoints."""
    registry = workshop.registry
    first, second = workshop.commit(), workshop.commit()
    registry.pin(None, "api", "It is good.")
    workshop.commit()
    registry.unpin("api", "The fair is over. Ø")
    rejected = workshop.commit(status=REJECTED)
    registry.promote(rejected, "api", "I know better.", force=True)
    registry.rollback(first, "api", "It hurts.")
    registry.promote(second, "api", "It was good.")
    cycle = workshop.cycle(second)
    with registry.audit.sealed(), workshop.db.transaction() as connection:
        registry.record_failure(connection, cycle, "It diverged.")
    registry.rollback("base", "monitor", "Votes are down.")
    return [entry.action for entry in entries(workshop)]


ACTIONS = [
    *("promote", "promote", "pin", "commit", "unpin", "reject", "promote_by_hand"),
    *("rollback", "promote_by_hand", "cycle_failed", "rollback"),
]


@pytest.fixture(scope="module")
def worked(tmp_path_factory: pytest.TempPathFactory, make_workshop) -> Path:
    """A root where everything happened, closed. Tests change copies of it."""
    root = tmp_path_factory.mktemp("worked")
    workshop = make_workshop(root)
    assert work(workshop) == ACTIONS
    workshop.db.close()
    return root


@pytest.fixture(scope="module")
def copy(worked: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    numbers = itertools.count()
    parent = tmp_path_factory.mktemp("copies")
    return lambda: shutil.copytree(worked, parent / str(next(numbers)), symlinks=True)


# ----------------------------------------------------------------------------- what is written


def test_each_change_is_one_entry_and_the_log_is_sound(worked: Path) -> None:
    found = check(worked)
    assert (found.is_sound, found.findings, found.entries) == (True, (), len(ACTIONS))
    assert json.loads((worked / "runs" / audit.HEAD_FILE).read_bytes()) == {
        "number": len(ACTIONS),
        "hash": found.head,
    }


def test_a_commit_says_what_was_decided_on_what(workshop, registry) -> None:
    cycle = workshop.cycle()
    staging, manifest = workshop.stage(cycle)
    rows = (GateRow("anchor_mean", float("inf"), 0.05, None, float("nan"), "fail", "nats"),)
    decision = Decision(RISKY, promote=True, reason="It forgot.", rows=rows, scaled_to=0.5)
    evidence = Evidence(settings={"gate": {"gate": "strict"}})
    evaluation = Evaluation(manifest.report, anchors_hash="ab" * 32)
    registry.commit(cycle, staging, manifest, evaluation, decision, evidence)
    (entry,) = entries(workshop)
    assert (entry.action, entry.actor, entry.subject) == ("promote", "gate", cycle.candidate_id)
    body = json.loads(entry.body)
    assert body["files"]["adapters.safetensors"] == manifest.content_hash
    assert body["checkpoint"]["parent_id"] is None
    assert body["checkpoint"]["report"] == msgspec.to_builtins(manifest.report)
    assert body["anchors_hash"] == "ab" * 32
    assert body["settings"] == {"gate": {"gate": "strict"}}
    assert body["versions"] == manifest.versions
    assert body["decision"]["rows"][0] == {
        **msgspec.to_builtins(rows[0]),
        "value": "inf",
        "high": "nan",
    }
    assert body["release"]["reason"] == "It forgot."
    assert check(workshop.root).is_sound


def test_a_repeated_commit_writes_no_second_entry(workshop) -> None:
    cycle = workshop.cycle()
    for _ in range(2):
        workshop.commit(cycle)
    assert [entry.action for entry in entries(workshop)] == ["promote"]


def test_a_refused_move_writes_no_entry(workshop, registry) -> None:
    rejected = workshop.commit(status=REJECTED)
    calls = (
        lambda: registry.promote(rejected, "api", "Why not?"),
        lambda: registry.rollback(None, "api", "Why not?"),
        lambda: registry.pin(rejected, "api", "Why not?"),
        lambda: registry.unpin("api", "Why not?"),
        lambda: registry.promote("A_2020-01-01_0001", "api", "Why not?"),
    )
    for call in calls:
        with pytest.raises(RadianceError):
            call()
    assert len(entries(workshop)) == 1


def test_entries_are_found_by_number_and_by_checkpoint(workshop, registry) -> None:
    first = workshop.commit()
    workshop.commit()
    registry.rollback(first, "api", "It hurts.")
    assert [e.action for e in audit.about(workshop.db, first)] == ["promote", "rollback"]
    assert audit.get(workshop.db, 2).number == 2
    assert [e.number for e in audit.recent(workshop.db, 2)] == [3, 2]
    assert [e.number for e in audit.recent(workshop.db, 2, before=2)] == [1]
    with pytest.raises(LookupError, match="no audit entry 9"):
        audit.get(workshop.db, 9)


def test_threads_that_write_at_once_make_one_chain(workshop, registry) -> None:
    checkpoints = [workshop.commit() for _ in range(4)]

    def move(checkpoint_id: str) -> None:
        for _ in range(3):
            registry.release(checkpoint_id, "promote", "api", "Why not?", workshop.now)

    threads = [threading.Thread(target=move, args=(id,)) for id in checkpoints]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert check(workshop.root).entries == 16
    assert check(workshop.root).is_sound


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE audit SET actor = 'me' WHERE number = 1",
        "DELETE FROM audit WHERE number = 2",
        "INSERT OR REPLACE INTO audit SELECT * FROM audit WHERE number = 1",
        "INSERT INTO audit SELECT 9, at, action, actor, subject, body, hash, hash FROM audit",
    ],
)
def test_the_table_only_grows_at_its_end(workshop, sql: str) -> None:
    workshop.commit()
    workshop.commit()
    with pytest.raises(sqlite3.IntegrityError, match="append-only"), workshop.db.transaction() as c:
        c.execute(sql)
    assert check(workshop.root).is_sound


# ----------------------------------------------------------------------------- pins, by hand


def test_a_pinned_pointer_stays_while_cycles_go_on(workshop, registry) -> None:
    served = workshop.commit()
    pin = registry.pin(None, "api", "The fair is on.")
    assert pin == registry.pinned()
    assert (pin.checkpoint_id, pin.actor, pin.reason) == (served, "api", "The fair is on.")
    learned = [workshop.commit() for _ in range(2)]
    assert workshop.current() == served
    assert [registry.get(id).parent_id for id in learned] == [served, served]
    assert [registry.get(id).status for id in learned] == [STABLE, STABLE]
    with pytest.raises(Conflict, match="pinned"):
        registry.rollback(None, "monitor", "Votes are down.")
    with pytest.raises(Conflict, match="pinned to"):
        registry.pin(None, "api", "Again.")
    assert "pinned (by api: The fair is on.)" in json.loads(entries(workshop)[2].body)["withheld"]

    registry.promote(learned[1], "api", "The better one.")
    assert workshop.current() == learned[1]
    assert registry.pinned() is not None
    assert registry.ancestors(learned[1]) == [learned[1], served]
    registry.unpin("api", "The fair is over.")
    assert registry.pinned() is None
    assert workshop.commit() == workshop.current()


def test_pinning_a_checkpoint_serves_it(workshop, registry) -> None:
    first = workshop.commit()
    workshop.commit()
    assert registry.pin(first, "api", "The old one.").checkpoint_id == first == workshop.current()
    assert registry.pin("base", "api", "None at all.").checkpoint_id is workshop.current() is None
    assert [e.action for e in entries(workshop)] == ["promote", "promote", "pin", "pin"]


def test_pinned_or_not_a_candidate_continues_from_what_is_served(workshop, registry) -> None:
    first, second = workshop.commit(), workshop.commit()
    cycle = workshop.cycle(parent=second)
    registry.pin(first, "api", "The old one.")
    with pytest.raises(Cancelled, match=second):
        workshop.commit(cycle)


def test_a_rejected_checkpoint_promoted_by_force_is_risky(workshop, registry) -> None:
    served, rejected = workshop.commit(), workshop.commit(status=REJECTED)
    with pytest.raises(Conflict, match="rejected"):
        registry.promote(rejected, "api", "Why not?")
    registry.promote(rejected, "api", "I know better.", force=True)
    assert (workshop.current(), registry.get(rejected).status) == (rejected, RISKY)
    body = json.loads(entries(workshop)[-1].body)
    assert (body["before"], body["reason"]) == (served, "I know better.")
    assert body["status"] == {"before": "rejected", "after": "risky"}
    with pytest.raises(Conflict, match="served already"):
        registry.promote(rejected, "api", "Again.")


def test_a_pin_does_not_hold_a_damaged_checkpoint(workshop, registry) -> None:
    first = workshop.commit()
    registry.pin(workshop.commit(), "api", "It is good.")
    workshop.damage(workshop.current())
    reconcile(registry)
    assert workshop.current() == first
    assert entries(workshop)[-1].actor == "reconcile"


# ----------------------------------------------------------------------------- what is found


@given(data=st.data())
def test_one_flipped_byte_of_any_column_is_found(copy: Callable[[], Path], data) -> None:
    root = copy()
    number = data.draw(st.integers(1, len(ACTIONS)))
    column = data.draw(st.sampled_from(COLUMNS))
    with DatabaseSnapshot(database(root)) as db:
        value = getattr(audit.get(db, number), column)
    bit = 1 << data.draw(st.integers(0, 7))
    if column == "number":
        change(root, "UPDATE audit SET number = ? WHERE number = ?", value ^ (bit << 8), number)
    elif value is None:
        change(root, "UPDATE audit SET subject = ? WHERE number = ?", chr(bit), number)
    else:
        raw = bytearray(value.encode())
        raw[data.draw(st.integers(0, len(raw) - 1))] ^= bit
        sql = f"UPDATE audit SET {column} = CAST(? AS TEXT) WHERE number = ?"
        change(root, sql, bytes(raw), number)
    found = check(root)
    assert not found.is_sound
    assert found.first_bad == number
    shutil.rmtree(root)


@given(data=st.data())
def test_one_flipped_byte_of_the_file_is_found_or_changes_no_entry(
    copy: Callable[[], Path], data
) -> None:
    root = copy()
    before = exported(root)
    path = database(root)
    for leftover in path.parent.glob("radiance.db-*"):
        leftover.unlink()
    raw = bytearray(path.read_bytes())
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(raw)
    try:
        is_sound = check(root).is_sound
    except StorageError:
        is_sound = False
    assert not is_sound or exported(root) == before
    shutil.rmtree(root)


@given(data=st.data())
def test_one_flipped_byte_of_the_head_file_is_found(copy: Callable[[], Path], data) -> None:
    root = copy()
    path = root / "runs" / audit.HEAD_FILE
    raw = bytearray(path.read_bytes())
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(raw)
    assert not check(root).is_sound
    shutil.rmtree(root)


@given(data=st.data())
def test_one_flipped_byte_of_an_export_is_found(worked: Path, data) -> None:
    lines = exported(worked)
    assert verify_export(lines).is_sound
    raw = bytearray(b"".join(lines))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    assert not verify_export(bytes(raw).splitlines(keepends=True)).is_sound


@given(data=st.data())
def test_rows_removed_moved_or_repeated_are_found(worked: Path, data) -> None:
    lines = exported(worked)
    place, other = (data.draw(st.integers(0, len(lines) - 2)) for _ in range(2))
    removed = lines[:place] + lines[place + 1 :]
    assert verify_export(removed).first_bad == place + 1
    repeated = lines[: place + 1] + lines[place:]
    assert verify_export(repeated).first_bad == place + 2
    if place != other:
        lines[place], lines[other] = lines[other], lines[place]
        assert verify_export(lines).first_bad == min(place, other) + 1


def test_an_export_without_its_end_is_found_by_a_kept_head(worked: Path) -> None:
    lines = exported(worked)
    head = verify_export(lines).head
    assert head == check(worked).head
    assert verify_export(lines, head).is_sound
    assert check(worked, head).is_sound
    assert check(worked, json.loads(lines[3])["hash"]).is_sound
    cut = verify_export(lines[:-2], head)
    assert (cut.is_sound, cut.first_bad) == (False, None)
    assert head in cut.findings[0]
    assert verify_export([]).findings == ("It holds no entry.",)


@pytest.mark.parametrize("left", [0, 1, len(ACTIONS) - 1])
def test_a_log_without_its_end_is_found_by_the_head_file(
    copy: Callable[[], Path], left: int
) -> None:
    root = copy()
    change(root, "DELETE FROM audit WHERE number > ?", left)
    found = check(root)
    assert f"audit.head knows {len(ACTIONS)} entries, but the log ends at {left}." in found.findings


def test_entries_that_somebody_added_are_found_by_the_head_file(copy: Callable[[], Path]) -> None:
    root = copy()
    with DatabaseSnapshot(database(root)) as db:
        last = audit.recent(db, 1)[0]
    for _ in range(2):
        last = msgspec.structs.replace(last, number=last.number + 1, previous_hash=last.hash)
        last = msgspec.structs.replace(last, hash=last.seal(), body="{}")
        last = msgspec.structs.replace(last, hash=last.seal())
        change(
            root,
            "INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            *msgspec.structs.astuple(last),
        )
    assert any("2 entries more than" in finding for finding in check(root).findings)


@pytest.mark.parametrize(
    ("sql", "finding"),
    [
        ("UPDATE checkpoints SET status = 'stable' WHERE number = 4", "status is 'stable'"),
        ("UPDATE checkpoints SET report = 'x' WHERE number = 1", "its row cannot be read"),
        ("UPDATE releases SET actor = 'me' WHERE number = 1", "actor is 'me'"),
        ("DELETE FROM releases WHERE number = 2", "Release 2 is in the log and not in the"),
        (
            "INSERT INTO releases VALUES (99, NULL, 'rollback', 'me', 'why', 'now')",
            "Release 99 is in the database and not in the log",
        ),
    ],
)
def test_rows_that_are_not_as_the_log_says_are_found(
    copy: Callable[[], Path], sql: str, finding: str
) -> None:
    root = copy()
    change(root, sql)
    found = check(root)
    assert found.first_bad is None
    assert any(finding in sentence for sentence in found.findings)
    assert len(found.findings) == 1


@pytest.mark.parametrize(
    "name", ["adapters.safetensors", "adapter_config.json", "manifest.json", "evaluation.json"]
)
def test_files_that_are_not_as_the_log_says_are_found(copy: Callable[[], Path], name: str) -> None:
    root = copy()
    path = root / "adapters" / "A_2026-02-09_0002" / name
    path.write_bytes(path.read_bytes() + b" ")
    (sentence,) = check(root).findings
    assert sentence.startswith(f"adapters/A_2026-02-09_0002/{name} has the SHA-256")
    path.unlink()
    (sentence,) = check(root).findings
    assert sentence.startswith(f"adapters/A_2026-02-09_0002/{name} cannot be read")


def test_a_log_that_is_being_written_is_sound(workshop, registry) -> None:
    checkpoint = workshop.commit()
    done = threading.Event()

    def move() -> None:
        while not done.is_set():
            registry.release(checkpoint, "promote", "api", "Why not?", workshop.now)

    thread = threading.Thread(target=move)
    thread.start()
    try:
        found = [check(workshop.root)]
        while len(found) < 10 or found[-1].entries == found[0].entries:
            found.append(check(workshop.root))
    finally:
        done.set()
        thread.join()
    assert all(verification.findings == () for verification in found)
    assert found[-1].entries > found[0].entries


def test_a_root_without_a_database_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="there is no database"):
        check(tmp_path)


# ----------------------------------------------------------------------------- crashes


class Crash(BaseException):
    """Raised where the process would have died."""


def crash_before(step: int) -> Callable[[str], None]:
    left = itertools.count(1)

    def hook(name: str) -> None:
        if next(left) == step:
            raise Crash(name)

    return hook


@pytest.fixture
def hooked() -> Iterator[Callable[[Callable[[str], None]], None]]:
    yield steps.set_hook
    steps.set_hook(None)


MOVES: dict[str, Callable[[Any, Cycle], object]] = {
    "commit": lambda workshop, cycle: workshop.commit(cycle),
    "reject": lambda workshop, cycle: workshop.commit(cycle, status=REJECTED),
    "rollback": lambda workshop, _: workshop.registry.rollback(None, "api", "It hurts."),
    "pin": lambda workshop, _: workshop.registry.pin("base", "api", "None at all."),
}


@pytest.mark.parametrize("move", MOVES)
def test_a_crash_leaves_the_change_with_its_entry_or_neither(
    make_workshop, tmp_path: Path, hooked, move: str
) -> None:
    for step in itertools.count(1):
        workshop = make_workshop(tmp_path / str(step))
        workshop.commit()
        cycle = workshop.cycle(workshop.current())
        hooked(crash_before(step))
        try:
            MOVES[move](workshop, cycle)
            died = None
        except Crash as crash:
            died = str(crash)
        hooked(None)
        workshop.reopen()
        assert check(workshop.root).is_sound, died
        done = workshop.registry.committed() == {cycle.candidate_id, "A_2026-02-09_0001"}
        done = done or workshop.current() is None
        assert len(entries(workshop)) == 1 + done, died
        assert not any("tampered" in finding for finding in reconcile(workshop.registry))
        assert check(workshop.root).is_sound
        head = audit.read_head(workshop.root / "runs" / audit.HEAD_FILE)
        assert head is not None
        assert head.number == 1 + done
        workshop.db.close()
        if died is None:
            assert done
            assert step > 3
            break


def test_a_disk_that_fails_after_the_commit_does_not_undo_it(workshop, hooked) -> None:
    def fail(name: str) -> None:
        if name == f"write {audit.HEAD_FILE}":
            raise OSError(28, "No space left on device")

    hooked(fail)
    first = workshop.commit()
    hooked(None)
    assert workshop.current() == first
    assert check(workshop.root).is_sound
    workshop.commit()
    assert audit.read_head(workshop.root / "runs" / audit.HEAD_FILE) == audit.LogHead(
        2, check(workshop.root).head
    )


def test_no_entry_is_added_while_the_head_could_not_follow_the_last(workshop, hooked) -> None:
    def fail(name: str) -> None:
        if name == f"write {audit.HEAD_FILE}":
            raise OSError(30, "Read-only file system")

    first = workshop.commit()
    second = workshop.commit()
    hooked(fail)
    workshop.registry.rollback(first, "api", "It hurts.")
    for _ in range(2):
        with pytest.raises(StorageError):
            workshop.registry.promote(second, "api", "It did not.")
    assert workshop.current() == first
    assert len(entries(workshop)) == 3
    assert check(workshop.root).is_sound
    hooked(None)
    workshop.registry.promote(second, "api", "It did not.")
    assert workshop.current() == second
    assert check(workshop.root).is_sound


@pytest.mark.parametrize("what", ["the end is gone", "the head is gone", "the head is garbage"])
def test_a_start_puts_a_contradiction_on_record(
    make_workshop, copy: Callable[[], Path], what: str
) -> None:
    root = copy()
    head = root / "runs" / audit.HEAD_FILE
    if what == "the end is gone":
        change(root, "DELETE FROM audit WHERE number = ?", len(ACTIONS))
        change(root, "DELETE FROM releases WHERE number = (SELECT MAX(number) FROM releases)")
    elif what == "the head is gone":
        head.unlink()
    else:
        head.write_bytes(b"?")
    workshop = make_workshop(root)
    (finding,) = (f for f in reconcile(workshop.registry) if "tampered" in f)
    assert reconcile(workshop.registry) == []
    workshop.db.close()
    found = check(root)
    assert found.is_sound, "the log goes on, with the contradiction in it"
    (alarm,) = found.alarms
    assert alarm.partition(": ")[2] in finding


def test_a_root_from_before_the_log_is_adopted_as_it_is(make_workshop, tmp_path: Path) -> None:
    workshop = make_workshop(tmp_path)
    workshop.commit()
    workshop.commit(status=REJECTED)
    workshop.db.close()
    change(tmp_path, "DELETE FROM audit")
    (tmp_path / "runs" / audit.HEAD_FILE).unlink()
    workshop.open()
    assert "begins here, with 2 earlier checkpoints" in reconcile(workshop.registry)[0]
    assert reconcile(workshop.registry) == []
    workshop.commit()
    assert [entry.action for entry in entries(workshop)] == ["adopt", "promote"]
    assert check(tmp_path).is_sound
    workshop.damage("A_2026-02-09_0001")
    assert len(check(tmp_path).findings) == 1
    workshop.db.close()
