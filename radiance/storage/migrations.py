"""The database's schema, as numbered steps that are each applied once, in order.

A step that has been released is never changed; a new one is added to ``ALL``. Times are text in UTC
with microseconds, so that their order as text is their order in time; lists and messages are JSON.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from sqlite3 import Connection

import msgspec

from radiance.errors import StorageError
from radiance.records import Example, Message

_INITIAL = (
    # jobs: what was sent, what it became, and the cycles that train it
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


def m001_initial(connection: Connection) -> None:
    """Jobs, examples, cycles, checkpoints, releases and metrics."""
    for statement in _INITIAL:
        connection.execute(statement)


_AUDIT = (
    """
    CREATE TABLE audit (
        number INTEGER PRIMARY KEY,
        at TEXT NOT NULL,
        action TEXT NOT NULL,
        actor TEXT NOT NULL,
        subject TEXT,
        body TEXT NOT NULL,
        previous_hash TEXT NOT NULL,
        hash TEXT NOT NULL
    ) STRICT
    """,
    "CREATE INDEX audit_by_subject ON audit (subject, number) WHERE subject IS NOT NULL",
    "CREATE INDEX audit_of_pins ON audit (number) WHERE action IN ('pin', 'unpin')",
)
# Against our own mistakes. Who can write to the file can drop these; the chain is for that.
AUDIT_TRIGGERS = (
    """
    CREATE TRIGGER IF NOT EXISTS audit_keeps BEFORE UPDATE ON audit
    BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END
    """,
    """
    CREATE TRIGGER IF NOT EXISTS audit_forgets_nothing BEFORE DELETE ON audit
    BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END
    """,
    # INSERT OR REPLACE deletes without asking the trigger above.
    """
    CREATE TRIGGER IF NOT EXISTS audit_grows_at_its_end BEFORE INSERT ON audit
    WHEN NEW.number IS NOT (SELECT COALESCE(MAX(number), 0) + 1 FROM audit)
    BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END
    """,
)


def m002_audit(connection: Connection) -> None:
    """The audit log: every decision on a checkpoint, each entry sealed with the one before."""
    for statement in (*_AUDIT, *AUDIT_TRIGGERS):
        connection.execute(statement)


def m003_rejections(connection: Connection) -> None:
    """Which checkpoint the gate refused, where a job failed by that."""
    connection.execute(
        "ALTER TABLE jobs ADD COLUMN rejected_checkpoint TEXT"
        " CHECK (rejected_checkpoint IS NULL OR status = 'failed')"
    )


def m004_evaluations(connection: Connection) -> None:
    """The accuracy matrix: how each checkpoint answers what each update of its lineage taught."""
    connection.execute(
        """
        CREATE TABLE evaluations (
            checkpoint_id TEXT NOT NULL REFERENCES checkpoints (id),
            task TEXT NOT NULL,
            examples INTEGER NOT NULL CHECK (examples > 0),
            accuracy REAL NOT NULL,
            parent_accuracy REAL NOT NULL,
            base_accuracy REAL NOT NULL,
            PRIMARY KEY (task, checkpoint_id)
        ) STRICT, WITHOUT ROWID
        """
    )


def m005_feedback(connection: Connection) -> None:
    """Votes on answers."""
    connection.execute(
        """
        CREATE TABLE feedback (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            at TEXT NOT NULL,
            checkpoint TEXT REFERENCES checkpoints (id),
            vote TEXT NOT NULL CHECK (vote IN ('up', 'down')),
            prompt TEXT NOT NULL,
            response TEXT NOT NULL,
            comment TEXT NOT NULL,
            tags TEXT NOT NULL
        ) STRICT
        """
    )
    connection.execute("CREATE INDEX feedback_by_checkpoint ON feedback (checkpoint, at)")


def m006_questions(connection: Connection) -> None:
    """Questions are compared without the punctuation of sentences: hash the known ones anew."""
    rows = connection.execute("SELECT id, messages, text FROM examples").fetchall()
    messages = msgspec.json.Decoder(tuple[Message, ...])
    connection.executemany(
        "UPDATE examples SET question_hash = ? WHERE id = ?",
        [(Example(row[0], messages.decode(row[1]), row[2]).question_hash, row[0]) for row in rows],
    )


def m007_pauses(connection: Connection) -> None:
    """Training paused by a person; the newest row says."""
    connection.execute(
        """
        CREATE TABLE pauses (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            at TEXT NOT NULL,
            actor TEXT NOT NULL,
            reason TEXT NOT NULL,
            is_paused INTEGER NOT NULL CHECK (is_paused IN (0, 1))
        ) STRICT
        """
    )


_FINE_TUNING = (
    # What one job is trained by, where it differs from the settings; NULL: an update.
    "ALTER TABLE jobs ADD COLUMN recipe TEXT",
    """
    CREATE TABLE uploads (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        at TEXT NOT NULL,
        name TEXT NOT NULL,
        purpose TEXT NOT NULL,
        size_bytes INTEGER NOT NULL,
        content_hash TEXT NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE fine_tunings (
        job INTEGER PRIMARY KEY REFERENCES jobs (number),
        request TEXT NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE checkpoint_names (
        name TEXT PRIMARY KEY,
        checkpoint_id TEXT NOT NULL REFERENCES checkpoints (id),
        at TEXT NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
)


def m008_fine_tuning(connection: Connection) -> None:
    """Uploaded files, the jobs made of them and how each is trained; names of checkpoints."""
    for statement in _FINE_TUNING:
        connection.execute(statement)


def m009_experiments(connection: Connection) -> None:
    """Checkpoints tried beside the one that serves, and what was measured of their answers."""
    connection.execute(
        """
        CREATE TABLE experiments (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            mode TEXT NOT NULL CHECK (mode IN ('canary', 'shadow')),
            candidate TEXT REFERENCES checkpoints (id),
            share REAL NOT NULL CHECK (share > 0 AND share <= 1),
            started_at TEXT NOT NULL,
            started_by TEXT NOT NULL,
            reason TEXT NOT NULL,
            ended_at TEXT,
            ended_by TEXT,
            end_reason TEXT,
            dropped INTEGER NOT NULL DEFAULT 0
        ) STRICT
        """
    )
    connection.execute(
        "CREATE UNIQUE INDEX one_experiment ON experiments (ended_at IS NULL)"
        " WHERE ended_at IS NULL"
    )
    connection.execute(
        """
        CREATE TABLE trials (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            experiment INTEGER NOT NULL REFERENCES experiments (number),
            arm TEXT NOT NULL CHECK (arm IN ('champion', 'candidate')),
            checkpoint TEXT,
            at TEXT NOT NULL,
            caller TEXT NOT NULL,
            outcome TEXT NOT NULL,
            tokens INTEGER NOT NULL,
            latency_s REAL NOT NULL,
            first_token_s REAL NOT NULL,
            is_looping INTEGER NOT NULL,
            was_alone INTEGER NOT NULL,
            pair TEXT,
            mean_logprob REAL,
            agrees INTEGER
        ) STRICT
        """
    )
    connection.execute("CREATE INDEX trials_by_experiment ON trials (experiment, number)")


def m010_lineages(connection: Connection) -> None:
    """Walks through a lineage read two small indices; a checkpoint's row holds its whole report."""
    connection.execute("CREATE INDEX checkpoints_by_id ON checkpoints (id, parent_id)")
    connection.execute("DROP INDEX jobs_by_checkpoint")
    connection.execute(
        "CREATE INDEX jobs_by_checkpoint ON jobs (checkpoint, example_count)"
        " WHERE checkpoint IS NOT NULL"
    )


def m011_outcome_trials(connection: Connection) -> None:
    """Trials that count successes; before, the alpha desk kept its own in a JSON file."""
    connection.execute(
        """
        CREATE TABLE outcome_trials (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            subject TEXT NOT NULL,
            champion TEXT NOT NULL,
            candidate TEXT NOT NULL,
            error REAL NOT NULL,
            started_at TEXT NOT NULL,
            champion_answers INTEGER NOT NULL DEFAULT 0,
            champion_successes INTEGER NOT NULL DEFAULT 0,
            candidate_answers INTEGER NOT NULL DEFAULT 0,
            candidate_successes INTEGER NOT NULL DEFAULT 0,
            peak REAL NOT NULL DEFAULT 0,
            verdict TEXT NOT NULL DEFAULT 'undecided'
                CHECK (verdict IN ('undecided', 'champion', 'candidate')),
            UNIQUE (subject, champion, candidate)
        ) STRICT
        """
    )


def m012_acceptances(connection: Connection) -> None:
    """What people accepted as overwritten is found in the audit log without reading all of it."""
    connection.execute(
        "CREATE INDEX audit_of_acceptances ON audit (number) WHERE action = 'accept_anchors'"
    )


_MEMORY = (
    # One row for each wording by which an example is found. Derived: made anew where it is missing.
    """
    CREATE TABLE memory_keys (
        number INTEGER PRIMARY KEY,
        example TEXT NOT NULL REFERENCES examples (id),
        job INTEGER NOT NULL,
        question TEXT NOT NULL,
        answer TEXT NOT NULL,
        context TEXT NOT NULL,
        question_hash TEXT NOT NULL,
        answer_hash TEXT NOT NULL,
        asked TEXT NOT NULL,
        said TEXT NOT NULL,
        names TEXT NOT NULL,
        name TEXT NOT NULL,
        frame TEXT NOT NULL,
        instruction TEXT NOT NULL,
        is_exact INTEGER NOT NULL CHECK (is_exact IN (0, 1))
    ) STRICT
    """,
    "CREATE INDEX memory_keys_by_example ON memory_keys (example)",
    """
    CREATE VIRTUAL TABLE memory_words USING fts5 (
        asked, said, content = 'memory_keys', content_rowid = 'number',
        tokenize = 'unicode61 remove_diacritics 0'
    )
    """,
    # What the index was made by, and the limits that were calibrated on it.
    """
    CREATE TABLE memory_state (
        name TEXT PRIMARY KEY,
        value TEXT NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
)


def m013_memory(connection: Connection) -> None:
    """The index by which accepted examples are found: full text, and how sure a match must be."""
    for statement in _MEMORY:
        connection.execute(statement)


def m014_vectors(connection: Connection) -> None:
    """The vectors of the index's keys: of the question, and of question and answer."""
    connection.execute(
        "CREATE TABLE memory_vectors (number INTEGER PRIMARY KEY,"
        " question BLOB NOT NULL, whole BLOB NOT NULL) STRICT"
    )


_FORGETS = (
    # What was asked to be forgotten, without its text: hashes, and what became of it.
    """
    CREATE TABLE forgets (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        at TEXT NOT NULL,
        actor TEXT NOT NULL,
        reason TEXT NOT NULL,
        asked TEXT NOT NULL,
        status TEXT NOT NULL CHECK (status IN ('erasing', 'relearning', 'done')),
        examples TEXT NOT NULL,
        checkpoints TEXT NOT NULL,
        before TEXT,
        since TEXT,
        queued_again TEXT NOT NULL,
        likelihood TEXT,
        finished_at TEXT
    ) STRICT
    """,
    # Checkpoints that have learned what was forgotten: never served again.
    """
    CREATE TABLE withdrawn (
        checkpoint_id TEXT PRIMARY KEY REFERENCES checkpoints (id),
        forget INTEGER NOT NULL REFERENCES forgets (number)
    ) STRICT, WITHOUT ROWID
    """,
)


def m015_forgets(connection: Connection) -> None:
    """What was forgotten on request, and the checkpoints that must not serve since."""
    for statement in _FORGETS:
        connection.execute(statement)


def m016_bare_vectors(connection: Connection) -> None:
    """A third vector of each key: of its question without names. Derived, so made anew."""
    connection.execute("DROP TABLE memory_vectors")
    connection.execute(
        "CREATE TABLE memory_vectors (number INTEGER PRIMARY KEY, vectors BLOB NOT NULL) STRICT"
    )


def m017_voters(connection: Connection) -> None:
    """Whose key a vote was sent with, and which answer that was given it is about."""
    connection.execute("ALTER TABLE feedback ADD COLUMN caller TEXT NOT NULL DEFAULT ''")
    connection.execute("ALTER TABLE feedback ADD COLUMN answer TEXT")


def m018_senders(connection: Connection) -> None:
    """Whose key an update was sent with."""
    connection.execute("ALTER TABLE jobs ADD COLUMN sender TEXT NOT NULL DEFAULT ''")


def m019_labels(connection: Connection) -> None:
    """What people call checkpoints is found in the audit log without reading all of it."""
    connection.execute("CREATE INDEX audit_of_labels ON audit (number) WHERE action = 'label'")


_DOCUMENTS = (
    # What was sent is not kept; its text is, in passages.
    """
    CREATE TABLE documents (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL,
        title TEXT NOT NULL,
        format TEXT NOT NULL,
        content_hash TEXT NOT NULL,
        size_bytes INTEGER NOT NULL,
        pages INTEGER,
        added_at TEXT NOT NULL,
        tags TEXT NOT NULL
    ) STRICT
    """,
    "CREATE INDEX documents_by_name ON documents (name, number)",
    """
    CREATE TABLE passages (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        document INTEGER NOT NULL REFERENCES documents (number),
        place INTEGER NOT NULL,
        headings TEXT NOT NULL,
        page INTEGER,
        line INTEGER,
        text TEXT NOT NULL,
        UNIQUE (document, place)
    ) STRICT
    """,
    # What a passage is found by, as memory_keys for examples. Derived.
    """
    CREATE TABLE passage_keys (
        number INTEGER PRIMARY KEY REFERENCES passages (number),
        about TEXT NOT NULL,
        said TEXT NOT NULL
    ) STRICT
    """,
    """
    CREATE VIRTUAL TABLE passage_words USING fts5 (
        about, said, content = 'passage_keys', content_rowid = 'number',
        tokenize = 'unicode61 remove_diacritics 0'
    )
    """,
    "ALTER TABLE forgets ADD COLUMN passages TEXT NOT NULL DEFAULT '{}'",
)


def m020_documents(connection: Connection) -> None:
    """Documents as passages, the index by which these are found, and which were forgotten."""
    for statement in _DOCUMENTS:
        connection.execute(statement)


def m021_passage_vectors(connection: Connection) -> None:
    """The vectors of passages' sentences. Derived."""
    connection.execute(
        "CREATE TABLE passage_vectors (number INTEGER PRIMARY KEY, vectors BLOB NOT NULL) STRICT"
    )


def m022_pruned(connection: Connection) -> None:
    """When a checkpoint's weights were given up; NULL: they are there."""
    connection.execute("ALTER TABLE checkpoints ADD COLUMN pruned_at TEXT")
    connection.execute(
        "CREATE INDEX checkpoints_pruned ON checkpoints (id) WHERE pruned_at IS NOT NULL"
    )


def m023_job_times(connection: Connection) -> None:
    """What came in the last day is found without reading all jobs."""
    connection.execute("CREATE INDEX jobs_by_time ON jobs (created_at)")


def m024_passage_questions(connection: Connection) -> None:
    """Which bases can make questions, of which passages they were asked to, and what came of it."""
    connection.execute("CREATE TABLE passages_asked (number INTEGER PRIMARY KEY) STRICT")
    connection.execute(
        "CREATE TABLE question_writers (base TEXT PRIMARY KEY, can_write INTEGER NOT NULL) STRICT"
    )
    # Texts are here while a question waits for somebody to look; then its example has them.
    connection.execute(
        """
        CREATE TABLE passage_questions (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            passage INTEGER NOT NULL,
            question TEXT NOT NULL,
            answer TEXT NOT NULL,
            status TEXT NOT NULL,
            example TEXT
        ) STRICT
        """
    )
    connection.execute("CREATE INDEX questions_by_passage ON passage_questions (passage)")
    connection.execute(
        "CREATE INDEX questions_by_example ON passage_questions (example) WHERE example IS NOT NULL"
    )


def m025_intended(connection: Connection) -> None:
    """Updates that said that they mean to replace what stands."""
    connection.execute("ALTER TABLE jobs ADD COLUMN supersede INTEGER NOT NULL DEFAULT 0")


def m026_forgotten_words(connection: Connection) -> None:
    """Words by which passages were forgotten, as hashes, and how many each document is without."""
    connection.execute(
        """
        CREATE TABLE forgotten_words (
            hash TEXT PRIMARY KEY,
            length INTEGER NOT NULL,
            forget INTEGER NOT NULL REFERENCES forgets (number)
        ) STRICT, WITHOUT ROWID
        """
    )
    connection.execute("ALTER TABLE documents ADD COLUMN left_out INTEGER NOT NULL DEFAULT 0")


_TEXTS = (
    # What a plain text is found by, a row for some sentences of it. Derived.
    """
    CREATE TABLE text_keys (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        example TEXT NOT NULL REFERENCES examples (id),
        question_hash TEXT NOT NULL,
        text TEXT NOT NULL,
        said TEXT NOT NULL
    ) STRICT
    """,
    "CREATE INDEX text_keys_by_example ON text_keys (example)",
    """
    CREATE VIRTUAL TABLE text_words USING fts5 (
        said, content = 'text_keys', content_rowid = 'number',
        tokenize = 'unicode61 remove_diacritics 0'
    )
    """,
)


def m027_texts(connection: Connection) -> None:
    """The index by which plain texts are found."""
    for statement in _TEXTS:
        connection.execute(statement)


ALL: tuple[Callable[[Connection], None], ...] = (
    m001_initial,
    m002_audit,
    m003_rejections,
    m004_evaluations,
    m005_feedback,
    m006_questions,
    m007_pauses,
    m008_fine_tuning,
    m009_experiments,
    m010_lineages,
    m011_outcome_trials,
    m012_acceptances,
    m013_memory,
    m014_vectors,
    m015_forgets,
    m016_bare_vectors,
    m017_voters,
    m018_senders,
    m019_labels,
    m020_documents,
    m021_passage_vectors,
    m022_pruned,
    m023_job_times,
    m024_passage_questions,
    m025_intended,
    m026_forgotten_words,
    m027_texts,
)


def apply(connection: Connection, path: Path) -> None:
    """Bring the schema up to date, in the open transaction.

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
    for migration in ALL:
        if migration.__name__ not in applied:
            migration(connection)
            connection.execute(
                "INSERT INTO migrations VALUES (?, ?)",
                (migration.__name__, datetime.now(UTC).isoformat(timespec="microseconds")),
            )
