"""The database's schema, as numbered steps that are each applied once, in order.

A step that has been released is never changed; a new one is added to ``ALL``. Times are text in UTC
with microseconds, so that their order as text is their order in time; lists and messages are JSON.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from radiance.errors import StorageError

if TYPE_CHECKING:
    from radiance.storage.sqlite import Connection

_INITIAL = (
    # intake: what was sent, what it became, and the cycles that train it
    """
    CREATE TABLE jobs (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        key TEXT UNIQUE,
        body_hash TEXT NOT NULL,
        status TEXT NOT NULL CHECK (status IN
            ('queued', 'running', 'succeeded', 'failed', 'cancelled', 'quarantined')),
        created_at TEXT NOT NULL,
        started_at TEXT,
        finished_at TEXT,
        example_count INTEGER NOT NULL CHECK (example_count > 0),
        tags TEXT NOT NULL,
        cycle_id INTEGER REFERENCES cycles (id),
        checkpoint TEXT,
        error TEXT,
        deaths INTEGER NOT NULL DEFAULT 0,
        interruptions INTEGER NOT NULL DEFAULT 0,
        CHECK (status != 'queued' OR cycle_id IS NULL),
        CHECK (status NOT IN ('running', 'succeeded') OR cycle_id IS NOT NULL),
        CHECK ((status = 'succeeded') = (checkpoint IS NOT NULL))
    ) STRICT
    """,
    "CREATE INDEX jobs_by_status ON jobs (status, number)",
    "CREATE INDEX jobs_by_checkpoint ON jobs (checkpoint) WHERE checkpoint IS NOT NULL",
    # Apart from jobs, whose rows are read often and should stay small.
    """
    CREATE TABLE originals (
        job INTEGER PRIMARY KEY REFERENCES jobs (number),
        raw TEXT NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE examples (
        id TEXT PRIMARY KEY,
        job INTEGER NOT NULL REFERENCES jobs (number),
        place INTEGER NOT NULL,
        messages TEXT NOT NULL,
        text TEXT NOT NULL,
        question_hash TEXT NOT NULL,
        content_hash TEXT NOT NULL,
        UNIQUE (job, place)
    ) STRICT
    """,
    "CREATE INDEX examples_by_question ON examples (question_hash)",
    "CREATE INDEX examples_by_content ON examples (content_hash)",
    """
    CREATE TABLE cycles (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        fingerprint TEXT NOT NULL,
        candidate_id TEXT NOT NULL UNIQUE,
        parent_id TEXT,
        settings_hash TEXT NOT NULL,
        status TEXT NOT NULL CHECK (status IN ('open', 'finished', 'failed', 'abandoned')),
        created_at TEXT NOT NULL,
        progress INTEGER NOT NULL DEFAULT 0
    ) STRICT
    """,
    # Two open cycles would continue from one parent, and one of the two would be lost.
    "CREATE UNIQUE INDEX one_open_cycle ON cycles (status) WHERE status = 'open'",
    """
    CREATE TABLE cycle_jobs (
        cycle_id INTEGER NOT NULL REFERENCES cycles (id),
        job INTEGER NOT NULL REFERENCES jobs (number),
        PRIMARY KEY (cycle_id, job)
    ) STRICT, WITHOUT ROWID
    """,
    # registry: checkpoints, the moves of the stable pointer, and the curves of training
    """
    CREATE TABLE checkpoints (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        parent_id TEXT,
        status TEXT NOT NULL CHECK (status IN ('stable', 'risky', 'rejected')),
        created_at TEXT NOT NULL,
        cycle_id INTEGER NOT NULL,
        fingerprint TEXT NOT NULL,
        content_hash TEXT NOT NULL,
        report TEXT NOT NULL,
        job_ids TEXT NOT NULL,
        damage TEXT
    ) STRICT
    """,
    """
    CREATE TABLE releases (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        checkpoint_id TEXT REFERENCES checkpoints (id),
        action TEXT NOT NULL CHECK (action IN ('promote', 'rollback')),
        actor TEXT NOT NULL,
        reason TEXT NOT NULL,
        at TEXT NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE sequences (
        name TEXT PRIMARY KEY,
        value INTEGER NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE metrics (
        cycle_id INTEGER NOT NULL,
        name TEXT NOT NULL,
        step INTEGER NOT NULL,
        value REAL NOT NULL,
        PRIMARY KEY (name, cycle_id, step)
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX metrics_by_cycle ON metrics (cycle_id, step)",
)


def m001_initial(connection: "Connection") -> None:
    """Jobs, examples, cycles, checkpoints, releases and metrics."""
    for statement in _INITIAL:
        connection.execute(statement)


ALL: tuple[Callable[["Connection"], None], ...] = (m001_initial,)


def apply(connection: "Connection", migration: Callable[["Connection"], None], path: Path) -> None:
    """Bring the schema one step further, unless that was done before.

    Raises:
        StorageError: The database was made by a newer Radiance, which knows steps we do not.
    """
    connection.execute(
        "CREATE TABLE IF NOT EXISTS migrations"
        " (name TEXT PRIMARY KEY, applied_at TEXT NOT NULL) STRICT"
    )
    applied = {row[0] for row in connection.execute("SELECT name FROM migrations")}
    if newer := applied - {known.__name__ for known in ALL}:
        raise StorageError(
            f"{path}: was written by a newer Radiance ({', '.join(sorted(newer))})."
            " Install that version, or restore the backup made before it."
        )
    if migration.__name__ not in applied:
        migration(connection)
        connection.execute(
            "INSERT INTO migrations VALUES (?, ?)",
            (migration.__name__, datetime.now(UTC).isoformat(timespec="microseconds")),
        )
