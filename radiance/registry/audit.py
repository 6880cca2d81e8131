"""The audit log: what was decided on checkpoints, by whom and why, each entry sealed with the last.

An entry is written in the very transaction that makes the change it records, so neither is there
without the other. Its hash covers all of it and the hash of the entry before; ``verification.py``
walks that chain. After the commit the newest number and hash also go to a small file beside the
database, ``audit.head``, which tells a log that lost its end from one that is whole. A crash
between the two leaves the file one entry behind, which the next start makes up for.
"""

import json
import math
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import msgspec

from radiance.errors import NotFound, StorageError
from radiance.records import canonical_json, content_hash
from radiance.storage import files
from radiance.storage.sqlite import Connection, Database, Readable, Row, to_text
from radiance.telemetry import get_logger

Action = Literal[
    "promote",  # a candidate was committed and is served
    "commit",  # a candidate was committed and is not served
    "reject",  # a candidate was committed for the record; the gate refused it
    "import",  # an adapter made elsewhere was committed; it is not served
    "cycle_failed",  # a cycle ended without a candidate
    "promote_by_hand",
    "rollback",
    "pin",
    "unpin",
    "accept_anchors",  # a person accepted that anchors are overwritten
    "label",  # a person gave a checkpoint a name and a note
    "forget",  # examples were forgotten, and the checkpoints that had learned them withdrawn
    "prune",  # the weights of checkpoints were given up, for room
    "canary_start",  # a checkpoint is tried beside the one that serves
    "canary_stop",
    "trial_start",  # successes of two sides are counted, such as alphas that compile
    "trial_verdict",
    "adopt",  # what an older Radiance, without a log, had left
    "alarm",  # at start, log and head file did not agree
]

GENESIS = "0" * 64
"""The hash before the first entry."""
HEAD_FILE = "audit.head"
MOST_LAG = 1
"""Entries that a crash between commit and head file can leave the file behind."""
TRIGGERS = frozenset({"audit_keeps", "audit_forgets_nothing", "audit_grows_at_its_end"})
"""What keeps the log's table from being changed by mistake."""
_COLUMNS = "number, at, action, actor, subject, body, previous_hash, hash"
_log = get_logger(__name__)


Body = Mapping[str, object]
"""What an entry says besides, by name: whatever ``plain`` makes JSON of."""


class LogHead(msgspec.Struct, frozen=True):
    """The end of a log: its newest entry's number and hash; 0 and ``GENESIS`` where it is empty."""

    number: int = 0
    hash: str = GENESIS


class AuditEntry(msgspec.Struct, frozen=True):
    """One entry, as stored.

    Attributes:
        number: From 1 on, without gaps.
        at: UTC, as ISO 8601 text.
        action: What was done, one of ``Action``.
        actor: Who did it: "gate", "monitor", "pipeline", "reconcile", "canary"; "api", or
            "api:NAME" of the API key's name.
        subject: The checkpoint it is about; None for the base and for what is about none.
        body: Everything else, as canonical JSON text.
        previous_hash: The hash of the entry before.
        hash: SHA-256 over all of the above, in hexadecimal.
    """

    number: int
    at: str
    action: str
    actor: str
    subject: str | None
    body: str
    previous_hash: str
    hash: str = ""

    def seal(self) -> str:
        """The hash that this entry must have."""
        return content_hash([getattr(self, name) for name in self.__struct_fields__[:-1]])

    def to_plain(self) -> dict[str, Any]:
        """The entry as JSON has it, with its body as an object."""
        return {**msgspec.to_builtins(self), "body": json.loads(self.body)}


def plain(value: Any) -> Any:
    """A value as JSON can keep it for ever: numbers that are not finite become words."""
    match value:
        case float() if not math.isfinite(value):
            return str(value)
        case dict():
            return {str(name): plain(inner) for name, inner in value.items()}
        case list() | tuple():
            return [plain(inner) for inner in value]
        case str() | int() | float() | None:
            return value
    return plain(msgspec.to_builtins(value, str_keys=True))


def append(
    connection: Connection,
    action: Action,
    actor: str,
    subject: str | None,
    body: Body,
    at: datetime,
) -> AuditEntry:
    """Add an entry in the open transaction, which must be that of the change it records.

    Callers hold ``Audit.sealed`` around the transaction, so that the head file follows.
    """
    row = connection.execute(
        "SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1"
    ).fetchone()
    last = LogHead(*row) if row else LogHead()
    entry = AuditEntry(
        number=last.number + 1,
        at=to_text(at),
        action=action,
        actor=actor,
        subject=subject,
        body=canonical_json(plain(body)).decode(),
        previous_hash=last.hash,
    )
    entry = msgspec.structs.replace(entry, hash=entry.seal())
    connection.execute(
        "INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?)", msgspec.structs.astuple(entry)
    )
    return entry


# ----------------------------------------------------------------------------- reading


def recent(db: Readable, limit: int, before: int | None = None) -> list[AuditEntry]:
    """The newest entries, newest first; only those numbered below ``before`` where it is given."""
    rows = db.read(
        f"SELECT {_COLUMNS} FROM audit WHERE ? IS NULL OR number < ?"  # noqa: S608 - our own names
        " ORDER BY number DESC LIMIT ?",
        (before, before, limit),
    )
    return [_entry(row) for row in rows]


def about(db: Readable, checkpoint_id: str) -> list[AuditEntry]:
    """Every entry about a checkpoint, oldest first."""
    rows = db.read(
        f"SELECT {_COLUMNS} FROM audit WHERE subject = ? ORDER BY number",  # noqa: S608
        (checkpoint_id,),
    )
    return [_entry(row) for row in rows]


def get(db: Readable, number: int) -> AuditEntry:
    """The entry of that number.

    Raises:
        NotFound: There is none.
    """
    found = recent(db, 1, before=number + 1)
    if not found or found[0].number != number:
        raise NotFound(
            f"There is no audit entry {number}.",
            field="number",
            value=number,
            remedy="`radiance audit log` lists them.",
        )
    return found[0]


def all_of(db: Readable, action: Literal["accept_anchors", "label"]) -> list[AuditEntry]:
    """Every entry of an action, oldest first; there is an index for it."""
    rows = db.read(
        f"SELECT {_COLUMNS} FROM audit WHERE action = '{action}' ORDER BY number"  # noqa: S608
    )
    return [_entry(row) for row in rows]


def newest_of(db: Readable | Connection, actions: tuple[Action, ...]) -> AuditEntry | None:
    """The newest entry of these actions."""
    sql = (
        f"SELECT {_COLUMNS} FROM audit WHERE action IN"  # noqa: S608
        f" ({', '.join(repr(action) for action in actions)}) ORDER BY number DESC LIMIT 1"
    )
    rows = db.execute(sql).fetchall() if isinstance(db, Connection) else db.read(sql)
    return _entry(rows[0]) if rows else None


def read_head(path: Path) -> LogHead | None:
    """What the head file says; None where there is none.

    Raises:
        StorageError: It cannot be read, or is no head.
    """
    try:
        data = path.read_bytes()
        head = msgspec.json.decode(data, type=LogHead)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StorageError(f"{path}: is not the head of an audit log ({error}).") from None
    if data != head_file(head):
        raise StorageError(f"{path}: was changed by something else than Radiance.")
    return head


def head_file(head: LogHead) -> bytes:
    """The content of the head file."""
    return canonical_json(head) + b"\n"


def _entry(row: Row) -> AuditEntry:
    return AuditEntry(*row)


# ----------------------------------------------------------------------------- writing


class Audit:
    """The log of a running service. Safe to use from several threads.

    Args:
        db: Where it is kept; the head file lies beside it.
    """

    def __init__(self, db: Database) -> None:
        self._db = db
        self._path = db.path.with_name(HEAD_FILE)
        self._lock = threading.Lock()
        self._written: LogHead | None = None
        self._is_behind = False

    @contextmanager
    def sealed(self) -> Iterator[None]:
        """Hold this around a transaction that appends: the head file follows once it is committed.

        One thread at a time, and none while the file could not follow the last, so that it is at
        most one entry behind, whatever fails.

        Raises:
            StorageError: It could not, and cannot now.
        """
        with self._lock:
            if self._is_behind:
                self._write_head()
            yield
            self._follow()

    def settle(self, at: datetime) -> list[str]:
        """At start: compare log and head file, and bring the file up to date.

        Where they contradict each other, that becomes an entry itself, so that the evidence stays.

        Returns:
            What was found, as sentences.
        """
        log = self.head()
        try:
            head = read_head(self._path)
            what = None if head is None else head_fault(head, log, self._hash_of(head.number))
            if head is None and log.number > MOST_LAG:
                what = f"{HEAD_FILE} is missing, but the log has {log.number} entries."
        except StorageError as error:
            head, what = None, str(error)
        if what is not None:
            with self.sealed(), self._db.transaction() as connection:
                body = {"finding": what, "head": head, "log": log}
                append(connection, "alarm", "reconcile", None, body, at)
            return [f"The audit log may have been tampered with: {what}"]
        if head != log and log.number:
            self._follow()
        return []

    def recent(self, limit: int, before: int | None = None) -> list[AuditEntry]:
        """The newest entries, newest first; only those numbered below ``before`` if it is given."""
        return recent(self._db, limit, before)

    def counts(self) -> dict[str, int]:
        """How many entries there are of each action."""
        rows = self._db.read("SELECT action, COUNT(*) AS entries FROM audit GROUP BY action")
        return {row["action"]: row["entries"] for row in rows}

    def about(self, checkpoint_id: str) -> list[AuditEntry]:
        """Every entry about a checkpoint, oldest first."""
        return about(self._db, checkpoint_id)

    def is_new(self) -> bool:
        """Whether there never was a log here."""
        return self.head().number == 0 and not self._path.exists()

    def head(self) -> LogHead:
        """The end of the log: its newest entry's number and hash."""
        rows = self._db.read("SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1")
        return LogHead(*rows[0]) if rows else LogHead()

    def _hash_of(self, number: int) -> str | None:
        rows = self._db.read("SELECT hash FROM audit WHERE number = ?", (number,))
        return rows[0]["hash"] if rows else GENESIS if number == 0 else None

    def _follow(self) -> None:
        """The change is committed: a disk that fails here must not make it look undone."""
        try:
            self._write_head()
        except StorageError as error:
            _log.warning("audit_head_not_written", error=str(error))

    def _write_head(self) -> None:
        """Have the file follow the log.

        Raises:
            StorageError: It cannot be written; the next entry waits until it can.
        """
        head = self.head()
        if head != self._written:
            self._is_behind = True
            files.write_durably(self._path, head_file(head))
            self._written = head
        self._is_behind = False


def head_fault(head: LogHead, log: LogHead, found_hash: str | None) -> str | None:
    """What is wrong between a head file and a log, as a sentence; None if nothing is.

    Args:
        head: What the file says.
        log: The log's own end.
        found_hash: The hash of the log's entry ``head.number``; None where there is none.
    """
    if found_hash is None:
        return f"{HEAD_FILE} knows {head.number} entries, but the log ends at {log.number}."
    if found_hash != head.hash:
        return f"Entry {head.number} is not the one that {HEAD_FILE} knows."
    if log.number - head.number > MOST_LAG:
        return (
            f"The log has {log.number - head.number} entries more than {HEAD_FILE} knows; a crash"
            f" leaves {MOST_LAG} at most."
        )
    return None
