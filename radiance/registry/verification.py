"""Whether the audit log is whole, and whether what it records is what there is.

The chain is walked from its first entry: every number follows the last, every entry names the hash
of the one before and has the hash of its own content. Then the log is replayed, and what it says of
checkpoints, releases, files and examples is compared with them. Nothing is changed, and no service
is needed: it reads a snapshot of the database, or a file that ``export`` wrote.

What this cannot show: whoever can write to the root can rewrite log, head file and checkpoints
alike, consistently. Against that, keep an export or the head's hash where they cannot write, and
give it back here as ``kept_hash``.
"""

import contextlib
import json
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from radiance.errors import StorageError
from radiance.records import canonical_json
from radiance.registry.audit import (
    GENESIS,
    HEAD_FILE,
    MOST_LAG,
    TRIGGERS,
    AuditEntry,
    LogHead,
    head_fault,
    read_head,
)
from radiance.registry.recorded import RecordedState
from radiance.registry.rows import STABLE_LINK
from radiance.storage import files
from radiance.storage.sqlite import DatabaseSnapshot, Row

_MOST_FINDINGS = 100
_MOST_AGAIN = 3  # looks at a log that goes on meanwhile
_LAST = "SELECT COALESCE(MAX(number), 0) FROM audit"
_COMMITTING_S = 600.0  # from the making of a checkpoint's directory to its entry, at most
# As bytes: a text that is no longer UTF-8 must be found, not stop the reading.
_RAW = (
    "SELECT number, CAST(at AS BLOB), CAST(action AS BLOB), CAST(actor AS BLOB),"
    " CAST(subject AS BLOB), CAST(body AS BLOB), CAST(previous_hash AS BLOB), CAST(hash AS BLOB)"
    " FROM audit ORDER BY number"
)


class Verification(msgspec.Struct, frozen=True):
    """What ``verify`` found.

    Attributes:
        is_sound: Nothing is wrong.
        entries: How many entries of the chain are sound, from the first on.
        head: The hash of the last of them; keep it elsewhere, and later logs can be held to it.
        first_bad: The number of the first entry that is not what it was; None if all are.
        findings: Everything that is wrong, as sentences; at most a hundred.
        alarms: What earlier starts found wrong and put on record, as sentences; and what a crash
            leaves as well as a hand: a link that points elsewhere, a clock that was set back.
    """

    is_sound: bool
    entries: int
    head: str
    first_bad: int | None
    findings: tuple[str, ...]
    alarms: tuple[str, ...] = ()


def verify(database: Path, adapters: Path, kept_hash: str | None = None) -> Verification:
    """Check the log of a root, running or not, and what it records.

    Of a service that runs the files go on while the log is read as it was: what is not as that says
    is looked at again where the log has gone on, too.

    Args:
        database: ``runs/radiance.db``.
        adapters: Where the checkpoints' files are.
        kept_hash: The hash of an entry, kept from earlier, that the log must still have.

    Raises:
        StorageError: There is no database, or it is too damaged to be read.
    """
    found = _verify(database, adapters, kept_hash)
    for _ in range(_MOST_AGAIN):
        if found.is_sound or found.first_bad is not None or not _has_gone_on(database, found):
            break
        found = _verify(database, adapters, kept_hash)
    return found


def _has_gone_on(database: Path, found: Verification) -> bool:
    with contextlib.suppress(StorageError), DatabaseSnapshot(database) as db:
        return db.read(_LAST)[0][0] != found.entries
    return False


def _verify(database: Path, adapters: Path, kept_hash: str | None) -> Verification:
    head_path = database.with_name(HEAD_FILE)
    findings: list[str] = []
    before = _read_head(head_path, findings)
    directories = _settled_directories(adapters)
    links = {files.link_target(adapters / STABLE_LINK)}
    with DatabaseSnapshot(database) as db:
        after = _read_head(head_path, [])
        chain = _Chain(kept_hash, before)
        replay = RecordedState()
        for entry in _entries(db):
            if not chain.add(entry):
                break
            replay.add(entry)
        findings += chain.findings
        if chain.first_bad is None:
            findings += _head_findings(before, after, chain)
            try:
                findings += replay.compare(db, adapters)
                findings += replay.strangers(db, directories)
                links.add(files.link_target(adapters / STABLE_LINK))
                replay.look_at_link(db, links)
            except StorageError as error:
                findings.append(str(error))
        findings += _database_findings(db)
    return chain.result(findings, replay.alarms)


def verify_chain(database: Path, kept_hash: str | None = None) -> Verification:
    """Check a log by itself, chain and head file, and not what it records.

    For logs of other subjects than checkpoints, such as the signal lab's.

    Args:
        database: The database that holds it.
        kept_hash: As for ``verify``.

    Raises:
        StorageError: There is no database, or it is too damaged to be read.
    """
    head_path = database.with_name(HEAD_FILE)
    findings: list[str] = []
    before = _read_head(head_path, findings)
    with DatabaseSnapshot(database) as db:
        after = _read_head(head_path, [])
        chain = _Chain(kept_hash, before)
        for entry in _entries(db):
            if not chain.add(entry):
                break
        findings += chain.findings
        if chain.first_bad is None:
            findings += _head_findings(before, after, chain)
    return chain.result(findings, [])


def verify_export(lines: Iterable[bytes], kept_hash: str | None = None) -> Verification:
    """Check a file that ``export`` wrote, by itself.

    An export whose last lines were cut off is sound by itself: only ``kept_hash`` shows that.

    Args:
        lines: The file's lines, with their ends.
        kept_hash: The hash of an entry, kept from earlier, that the export must have.
    """
    chain, replay = _Chain(kept_hash, None), RecordedState()
    for line in lines:
        entry = _from_line(line)
        if not chain.add(entry):
            break
        replay.add(entry)
    findings = list(chain.findings)
    if chain.head.number == 0 and not findings:
        findings.append("It holds no entry.")
    return chain.result(findings, replay.alarms)


def export(db: DatabaseSnapshot) -> Iterator[bytes]:
    """The log as lines of canonical JSON, oldest first; ``verify_export`` reads them.

    Raises:
        StorageError: An entry cannot be read; verify says which.
    """
    for entry in _entries(db):
        if entry is None:
            raise StorageError(f"{db.path}: the audit log is damaged; run `radiance audit verify`.")
        yield _to_line(entry)


# ----------------------------------------------------------------------------- the chain


class _Chain:
    """Walks the entries up to the first that is not what it was."""

    def __init__(self, kept_hash: str | None, head_file: LogHead | None) -> None:
        self.head = LogHead()
        self.first_bad: int | None = None
        self.findings: list[str] = []
        self.hash_at_head_file: str | None = None
        if head_file is None or not head_file.number:
            self.hash_at_head_file = GENESIS
        self._head_file_number = 0 if head_file is None else head_file.number
        self._kept_hash = kept_hash
        self._has_kept = kept_hash in (None, GENESIS)

    def add(self, entry: AuditEntry | None) -> bool:
        """Take the next entry, None where it cannot be read; False once the chain is broken."""
        fault = self._fault(entry)
        if entry is None or fault is not None:
            self.first_bad = self.head.number + 1
            self.findings.append(f"Entry {self.first_bad} {fault}.")
            return False
        self.head = LogHead(entry.number, entry.hash)
        self._has_kept = self._has_kept or entry.hash == self._kept_hash
        if entry.number == self._head_file_number:
            self.hash_at_head_file = entry.hash
        return True

    def result(self, findings: list[str], alarms: list[str]) -> Verification:
        if not self._has_kept:
            findings.insert(0, f"No sound entry has the hash {self._kept_hash} that was kept.")
        return Verification(
            is_sound=not findings,
            entries=self.head.number,
            head=self.head.hash,
            first_bad=self.first_bad,
            findings=tuple(findings[:_MOST_FINDINGS]),
            alarms=tuple(alarms),
        )

    def _fault(self, entry: AuditEntry | None) -> str | None:
        if entry is None:
            return "cannot be read"
        if entry.number != self.head.number + 1:
            return f"is missing; what stands in its place has the number {entry.number}"
        if entry.previous_hash != self.head.hash:
            return "does not continue from the entry before"
        if entry.hash != entry.seal():
            return "was changed: its hash is not that of its content"
        return None


def _entries(db: DatabaseSnapshot) -> Iterator[AuditEntry | None]:
    try:
        for row in db.stream(_RAW):
            yield _from_row(row)
    except StorageError:  # the page it lies on is damaged
        yield None


def _from_row(row: Row) -> AuditEntry | None:
    try:
        values = [value.decode() if isinstance(value, bytes) else value for value in row]
        return msgspec.convert(
            dict(zip(AuditEntry.__struct_fields__, values, strict=True)), AuditEntry
        )
    except ValueError:
        return None


def _to_line(entry: AuditEntry) -> bytes:
    return canonical_json(entry.to_plain()) + b"\n"


def _from_line(line: bytes) -> AuditEntry | None:
    """The entry of a line; None unless the line is, byte for byte, what ``export`` writes."""
    try:
        fields = json.loads(line)
        fields["body"] = canonical_json(fields["body"]).decode()
        entry = msgspec.convert(fields, AuditEntry)
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return entry if _to_line(entry) == line else None


# ----------------------------------------------------------------------------- the database itself


def _database_findings(db: DatabaseSnapshot) -> Iterator[str]:
    """A copy that was made while the database was written looks whole until its pages are read."""
    try:
        found = db.read("PRAGMA quick_check(1)")[0][0]
        if found != "ok":
            yield f"The database is damaged: {found}. Restore it from a backup."
        triggers = {
            row[0] for row in db.read("SELECT name FROM sqlite_master WHERE type='trigger'")
        }
    except StorageError as error:
        yield str(error)
        return
    for name in sorted(TRIGGERS - triggers):
        yield f"The database lacks the trigger {name}, which keeps its log from being changed."


def _settled_directories(adapters: Path) -> list[str]:
    """Directories of checkpoints that are no longer being committed."""
    oldest = time.time() - _COMMITTING_S
    found = []
    for path in adapters.glob("A_*"):
        with contextlib.suppress(OSError):
            if path.stat().st_mtime < oldest:
                found.append(path.name)
    return sorted(found)


# ----------------------------------------------------------------------------- the head file


def _read_head(path: Path, findings: list[str]) -> LogHead | None:
    try:
        return read_head(path)
    except StorageError as error:
        findings.append(str(error))
        return None


def _head_findings(before: LogHead | None, after: LogHead | None, chain: _Chain) -> list[str]:
    """Compare the log with the head file as it was before and after the snapshot was taken.

    A service may be writing: then the first may be behind by much, and the second be ahead.
    """
    log = chain.head
    if before is None and after is None and log.number > MOST_LAG:
        return [f"{HEAD_FILE} is missing or unreadable, but the log has {log.number} entries."]
    if before is not None and chain.hash_at_head_file != before.hash:
        return [head_fault(before, log, chain.hash_at_head_file) or ""]
    if after is not None and log.number - after.number > MOST_LAG:
        return [head_fault(after, log, after.hash) or ""]
    return []
