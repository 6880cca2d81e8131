"""What there should be by the audit log, and in what the database and the files differ from it."""

import contextlib
import json
import re
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from radiance import records
from radiance.errors import CorruptCheckpoint, StorageError
from radiance.records import Example, Message, TaskAccuracy, canonical_json, origin_hash
from radiance.registry import evaluations
from radiance.registry.audit import AuditEntry
from radiance.registry.bodies import checkpoint_row, release_row
from radiance.registry.manifest import WEIGHTS
from radiance.registry.rows import CURRENT, STABLE_LINK
from radiance.storage import files
from radiance.storage.sqlite import DatabaseSnapshot, Row, to_text

_OF_A_JOB = re.compile(r"job_([0-9]{1,18})\.")
_SAME_TIME = timedelta(minutes=1)  # entries of two threads may be dated the other way round
_COMMITTED = ("promote", "commit", "reject", "import")
_messages = msgspec.json.Decoder(tuple[Message, ...])


class RecordedState:
    """What there should be by the log: checkpoints, releases, files, examples."""

    def __init__(self) -> None:
        self.alarms: list[str] = []
        self._newest: datetime | None = None
        self._senseless: list[str] = []
        self._checkpoints: dict[str, dict[str, Any]] = {}
        self._files: dict[str, dict[str, str]] = {}
        self._releases: dict[int, dict[str, Any]] = {}
        self._examples: dict[str, str] = {}
        self._jobs: dict[str, str] = {}
        self._damaged: set[str] = set()
        self._forgotten: set[str] = set()
        self._withdrawn: set[str] = set()
        self._pruned: set[str] = set()

    def add(self, entry: AuditEntry | None) -> None:
        assert entry is not None
        self._look_at_clock(entry)
        try:
            self._add(entry, json.loads(entry.body))
        except (ValueError, KeyError, TypeError, AttributeError):  # sealed, and not by us
            self._senseless.append(f"Entry {entry.number} is sealed, but its body makes no sense.")

    def _look_at_clock(self, entry: AuditEntry) -> None:
        with contextlib.suppress(ValueError):
            at = datetime.fromisoformat(entry.at)
            if self._newest is not None and at < self._newest - _SAME_TIME:
                self.alarms.append(
                    f"{entry.at} (entry {entry.number}): is dated before the entry before it: the "
                    "clock was set back."
                )
            self._newest = at

    def _add(self, entry: AuditEntry, body: dict[str, Any]) -> None:
        if entry.action in _COMMITTED:
            self._commit(entry.subject or "", body)
            self._examples |= body["examples"] | body["replayed"]
            self._jobs |= body.get("jobs", {})  # earlier versions did not seal it
        if entry.action == "adopt":
            for checkpoint_id, found in body["checkpoints"].items():
                self._commit(checkpoint_id, found)
            self._releases |= {release["number"]: release for release in body["releases"]}
        if entry.action == "alarm":
            self.alarms.append(f"{entry.at} (entry {entry.number}): {body['finding']}")
        if entry.action == "forget":
            self._forgotten |= body["examples"].keys()
            self._withdrawn |= set(body["checkpoints"])
        if entry.action == "prune":
            self._pruned |= set(body["checkpoints"])
        if release := body.get("release"):
            self._releases[release["number"]] = release
        if (status := body.get("status")) and entry.subject in self._checkpoints:
            self._checkpoints[entry.subject]["status"] = status["after"]

    def compare(self, db: DatabaseSnapshot, adapters: Path) -> list[str]:
        """What is not as the log says, as sentences."""
        checkpoints = {row["id"]: _row_found(row) for row in db.read("SELECT * FROM checkpoints")}
        releases = {row["number"]: release_row(row) for row in db.read("SELECT * FROM releases")}
        return [
            *self._senseless,
            *_differences("Checkpoint", self._checkpoints, checkpoints),
            *_differences("Release", self._releases, releases),
            *self._file_findings(adapters),
            *self._example_findings(db),
            *self._job_findings(db),
            *self._damage_findings(db),
            *self._pruned_findings(db),
            *self._accuracy_findings(db, adapters),
        ]

    def strangers(self, db: DatabaseSnapshot, directories: Iterable[str]) -> Iterator[str]:
        """What lies there, or is said of jobs, and no entry of the log knows of."""
        made = {row[0] for row in db.read("SELECT candidate_id FROM cycles")}  # a crash leaves some
        for name in directories:
            if name not in self._checkpoints and name not in made:
                yield f"adapters/{name} has no entry in the log."
        jobs = {row["number"]: row for row in db.read("SELECT number, checkpoint FROM jobs")}
        for number, row in jobs.items():
            if row["checkpoint"] is not None and row["checkpoint"] not in self._checkpoints:
                name = row["checkpoint"]
                yield f"Job {number} is learned in {name}, which the log does not know."
        held = self._examples.keys() - self._forgotten
        found = (_OF_A_JOB.match(example) for example in held)
        learned = {int(match[1]) for match in found if match}
        for number in sorted(learned - jobs.keys()):
            yield f"Job {number} taught what was learned, and is gone."

    def _commit(self, checkpoint_id: str, body: dict[str, Any]) -> None:
        self._checkpoints[checkpoint_id] = body["checkpoint"]
        self._files[checkpoint_id] = body["files"]

    def _job_findings(self, db: DatabaseSnapshot) -> Iterator[str]:
        """Jobs whose origin is not the one that was sealed; what is forgotten has no tags."""
        left = {example.partition(".")[0] for example in self._examples.keys() - self._forgotten}
        for row in db.read("SELECT * FROM jobs") if self._jobs else ():
            job = f"job_{row['number']:06d}"
            if job in self._jobs.keys() & left and _origin_of(row) != self._jobs[job]:
                yield f"{job}: tags, sender or time are not those that it came with."

    def _damage_findings(self, db: DatabaseSnapshot) -> Iterator[str]:
        """Marks that keep a checkpoint from being served although its files are as committed."""
        for row in db.read("SELECT id FROM checkpoints WHERE damage IS NOT NULL"):
            if row["id"] in self._files.keys() - self._damaged:
                yield f"Checkpoint {row['id']} is marked as damaged, and its files are whole."

    def _pruned_findings(self, db: DatabaseSnapshot) -> Iterator[str]:
        """Marks that keep a checkpoint from being served, and that no entry knows; the reverse."""
        rows = db.read("SELECT id FROM checkpoints WHERE pruned_at IS NOT NULL")
        marked = {row["id"] for row in rows}
        for checkpoint_id in sorted(marked - self._pruned):
            yield f"Checkpoint {checkpoint_id} is marked as pruned, which no entry says."
        for checkpoint_id in sorted((self._pruned & self._checkpoints.keys()) - marked):
            yield f"Checkpoint {checkpoint_id} was pruned, and is not marked so."

    def _accuracy_findings(self, db: DatabaseSnapshot, adapters: Path) -> Iterator[str]:
        """Places of the accuracy matrix that are not those of the sealed evaluation."""
        found: dict[str, list[TaskAccuracy]] = {}
        for row in db.read("SELECT * FROM evaluations"):
            found.setdefault(row["checkpoint_id"], []).append(TaskAccuracy(**dict(row)))
        for checkpoint_id in self._files.keys() - self._damaged:
            try:
                measured = evaluations.read(adapters / checkpoint_id)
            except CorruptCheckpoint:  # withdrawn, or it would be among the damaged
                continue
            wanted = evaluations.task_accuracies(checkpoint_id, measured.learned, measured.recalled)
            if set(wanted) != set(found.get(checkpoint_id, ())):
                yield f"Checkpoint {checkpoint_id}: its accuracies are not the measured ones."

    def _may_be_gone(self, adapters: Path, checkpoint_id: str, name: str) -> bool:
        """Whether a file is gone as it should be; until it is, it is as committed.

        The weights of a pruned checkpoint, and all of one that learned what was to be forgotten.
        """
        path = adapters / checkpoint_id
        if checkpoint_id in self._withdrawn and not path.exists():
            return True
        return name == WEIGHTS and checkpoint_id in self._pruned and not (path / name).exists()

    def look_at_link(self, db: DatabaseSnapshot, links: Collection[str | None]) -> None:
        """``adapters/stable`` follows the releases; it may be behind while a service moves it."""
        rows = db.read(CURRENT)
        served = rows[0][0] if rows else None
        newest = max((release["at"] for release in self._releases.values()), default="")
        is_moving = newest > to_text(records.now() - _SAME_TIME)
        if served not in links and not is_moving:
            points = " or ".join(sorted(f"at {link}" if link else "nowhere" for link in links))
            self.alarms.append(
                f"adapters/{STABLE_LINK} points {points}, but {served or 'the base'} serves; the "
                "next start mends it."
            )

    def _file_findings(self, adapters: Path) -> Iterator[str]:
        for checkpoint_id, hashes in self._files.items():
            for name, logged in hashes.items():
                if self._may_be_gone(adapters, checkpoint_id, name):
                    continue
                place = f"{adapters.name}/{checkpoint_id}/{name}"
                try:
                    found = files.hash_file(adapters / checkpoint_id / name)
                except StorageError as error:
                    if self._may_be_gone(adapters, checkpoint_id, name):
                        continue  # a service deleted it just now
                    self._damaged.add(checkpoint_id)
                    yield f"{place} cannot be read: {error}"
                    continue
                if found != logged:
                    self._damaged.add(checkpoint_id)
                    yield f"{place} has the SHA-256 {found}, but {logged} was committed."

    def _example_findings(self, db: DatabaseSnapshot) -> Iterator[str]:
        missing = dict(self._examples)
        for row in db.stream("SELECT id, messages, text FROM examples"):
            logged = missing.pop(row["id"], None)
            if row["id"] in self._forgotten:
                yield f"Example {row['id']} was forgotten and is there."
            if logged is not None and logged != _hash_of(row):
                yield f"Example {row['id']} is not the one that was learned."
        for example_id in missing.keys() - self._forgotten:
            yield f"Example {example_id} was learned and is gone."


def _row_found(row: Row) -> dict[str, Any]:
    try:
        return checkpoint_row(row)
    except msgspec.DecodeError:
        return {}


def _origin_of(row: Row) -> str | None:
    try:
        at = datetime.fromisoformat(row["created_at"])
        return origin_hash(json.loads(row["tags"]), row["sender"], at)
    except ValueError:
        return None


def _hash_of(row: Row) -> str | None:
    try:
        return Example(row["id"], _messages.decode(row["messages"]), row["text"]).content_hash
    except msgspec.DecodeError:
        return None


def _differences(kind: str, logged: dict[Any, Any], found: dict[Any, Any]) -> Iterator[str]:
    for key in logged.keys() - found.keys():
        yield f"{kind} {key} is in the log and not in the database."
    for key in found.keys() - logged.keys():
        yield f"{kind} {key} is in the database and not in the log."
    for key in logged.keys() & found.keys():
        differing = [
            f"{name} is {found[key][name]!r} in the database and {value!r} in the log"
            for name, value in logged[key].items()
            if found[key] and canonical_json(found[key][name]) != canonical_json(value)
        ]
        if differing or not found[key]:
            yield f"{kind} {key}: {'; '.join(differing) or 'its row cannot be read'}."
