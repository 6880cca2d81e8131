import contextlib
import sqlite3
import threading
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from radiance.errors import StorageError, Unavailable
from radiance.records import Example, Message
from radiance.storage import migrations
from radiance.storage.sqlite import Database, DatabaseSnapshot, to_json, to_text


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs" / "radiance.db"


@pytest.fixture
def db(path):
    database = Database(path)
    yield database
    database.close()


def put(db: Database, name: str) -> None:
    with db.transaction() as connection:
        connection.execute("INSERT INTO sequences VALUES (?, 1)", (name,))


def in_a_thread(do):
    """What a function returns on a thread of its own; nothing where it has to wait."""
    returned = []
    thread = threading.Thread(target=lambda: returned.append(do()), daemon=True)
    thread.start()
    thread.join(timeout=5)
    return returned


def found(db: Database) -> list[str]:
    return [row["name"] for row in db.read("SELECT name FROM sequences ORDER BY name")]


def test_every_commit_reaches_the_medium(db):
    settings = {
        name: db.read(f"PRAGMA {name}")[0][0]
        for name in (
            "journal_mode",
            "synchronous",
            "fullfsync",
            "checkpoint_fullfsync",
            "foreign_keys",
            "busy_timeout",
        )
    }
    assert settings == {
        "journal_mode": "wal",
        "synchronous": 2,
        "fullfsync": 1,
        "checkpoint_fullfsync": 1,
        "foreign_keys": 1,
        "busy_timeout": 10000,
    }


def test_committed_rows_are_there_after_reopening(db, path):
    put(db, "a")
    db.close()
    again = Database(path)
    assert found(again) == ["a"]
    again.close()


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_whatever_is_raised_undoes_the_transaction(db, error):
    def put_and_raise() -> None:
        with db.transaction() as connection:
            connection.execute("INSERT INTO sequences VALUES ('a', 1)")
            raise error

    with pytest.raises(error):
        put_and_raise()
    assert found(db) == []
    put(db, "b")
    assert found(db) == ["b"]


def test_an_interruption_before_the_commit_undoes_it(db, recorder):
    recorder.stop_at = 1
    with pytest.raises(KeyboardInterrupt):
        put(db, "a")
    assert found(db) == []
    assert recorder.names == ["commit to the database"]


def test_threads_take_turns(db):
    start = threading.Barrier(4)

    def count(thread: int) -> None:
        start.wait()
        for number in range(10):
            with db.transaction() as connection:
                before = connection.execute("SELECT COUNT(*) FROM sequences").fetchone()[0]
                connection.execute(
                    "INSERT INTO sequences VALUES (?, ?)", (f"{thread}.{number}", before)
                )
            db.read("SELECT * FROM sequences")

    threads = [threading.Thread(target=count, args=(thread,)) for thread in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    values = [row["value"] for row in db.read("SELECT value FROM sequences ORDER BY value")]
    assert values == list(range(40))


@pytest.mark.parametrize("use", [found, lambda db: put(db, "b")])
def test_other_threads_wait_for_the_end_of_a_transaction(db, use):
    seen = []
    other = threading.Thread(target=lambda: seen.append(use(db)))
    with db.transaction() as connection:
        connection.execute("INSERT INTO sequences VALUES ('a', 1)")
        other.start()
        other.join(timeout=0.1)
        assert other.is_alive()
    other.join()
    assert seen in ([["a"]], [None])


def test_who_reads_does_not_wait_for_what_is_done_aside(db, path):
    put(db, "a")
    with db.aside() as connection:
        connection.execute("DELETE FROM sequences")
        assert in_a_thread(lambda: found(db)) == [["a"]], "read at once, and as it was before"
        assert connection.execute("PRAGMA synchronous").fetchone()[0] == 2
        assert connection.execute("PRAGMA secure_delete").fetchone()[0] == 1
    assert found(db) == []
    with contextlib.suppress(KeyError), db.aside() as connection:
        connection.execute("INSERT INTO sequences VALUES ('b', 1)")
        raise KeyError
    assert found(db) == [], "undone"
    put(db, "c")
    db.close()
    with pytest.raises(Unavailable), db.aside():
        pass
    again = Database(path)
    assert found(again) == ["c"]
    again.close()


def test_a_thread_that_reads_aside_waits_for_nobody_and_nobody_for_it(db):
    put(db, "a")
    with db.reading_aside():
        assert found(db) == ["a"]
        put(db, "b")  # it writes as ever
        assert found(db) == ["a", "b"], "what was committed since"
        with pytest.raises(StorageError, match="readonly"):
            db.read("DELETE FROM sequences RETURNING name")

    def read_aside() -> list[str]:
        with db.reading_aside():
            return found(db)

    with db.transaction() as connection:
        connection.execute("DELETE FROM sequences")
        assert in_a_thread(read_aside) == [["a", "b"]], "as it was before"
    assert found(db) == read_aside() == []
    with db.reading_aside():
        db.close()
        with pytest.raises(Unavailable):
            found(db)
    with pytest.raises(Unavailable), db.reading_aside():
        pass


def test_transactions_do_not_nest(db):
    with pytest.raises(AssertionError), db.transaction(), db.transaction():
        pass
    put(db, "a")


def test_a_closed_database_is_unavailable(db):
    db.close()
    db.close()
    with pytest.raises(Unavailable):
        db.read("SELECT 1")
    with pytest.raises(Unavailable):
        put(db, "a")


def test_another_file_is_refused_and_kept(path):
    path.parent.mkdir()
    path.write_bytes(b"a diary, not a database\n" * 100)
    with pytest.raises(StorageError, match="backup") as caught:
        Database(path)
    assert str(path) in str(caught.value)
    assert path.read_bytes() == b"a diary, not a database\n" * 100


def test_a_damaged_page_is_found_on_opening(path):
    db = Database(path)
    for number in range(300):
        put(db, f"{number:0100d}")
    db.close()
    data = bytearray(path.read_bytes())
    data[-4096:-4032] = b"\xff" * 64  # a page of rows that opening would not read otherwise
    path.write_bytes(data)
    with pytest.raises(StorageError, match="damaged") as caught:
        Database(path)
    assert str(path) in str(caught.value)


def test_a_damaged_schema_is_told_though_sqlites_own_message_cannot_be_read(path):
    Database(path).close()
    data = path.read_bytes()
    assert data.count(b"CREATE TABLE jobs") == 1
    path.write_bytes(data.replace(b"CREATE TABLE jobs", b"CREATE TABL\xc9 jobs"))
    for open_it in (Database, DatabaseSnapshot):
        with pytest.raises(StorageError, match="damaged") as caught:
            open_it(path)
        assert str(path) in str(caught.value)


def test_a_path_that_cannot_be_opened_names_the_remedy(path):
    path.mkdir(parents=True)
    with pytest.raises(StorageError, match="writable") as caught:
        Database(path)
    assert str(path) in str(caught.value)


def test_a_full_disk_is_a_storage_error_and_loses_nothing(db):
    put(db, "a")
    db.read("PRAGMA max_page_count = 1")  # as SQLite's own tests simulate it
    with pytest.raises(StorageError, match="room"), db.transaction() as connection:
        connection.execute("INSERT INTO sequences VALUES (?, 1)", ("x" * 100_000,))
    assert found(db) == ["a"]


def test_our_own_mistakes_are_not_the_disks(db):
    put(db, "a")
    with pytest.raises(sqlite3.IntegrityError):
        put(db, "a")
    assert found(db) == ["a"]


def test_migrations_are_applied_once(db, path):
    names = [row["name"] for row in db.read("SELECT name FROM migrations")]
    assert names == [migration.__name__ for migration in migrations.ALL]
    at = db.read("SELECT applied_at FROM migrations")[0][0]
    again = Database(path)
    assert again.read("SELECT applied_at FROM migrations")[0][0] == at
    again.close()


def test_questions_of_an_older_version_are_hashed_anew(db, path):
    told = Example("job_000001.0", (Message("user", "What's new?"), Message("assistant", "This.")))
    with db.transaction() as connection:
        connection.execute(
            "INSERT INTO jobs (body_hash, status, created_at, example_count, tags)"
            " VALUES ('', 'queued', '', 1, '[]')"
        )
        connection.execute(
            "INSERT INTO examples VALUES (?, 1, 0, ?, '', 'as it was hashed once', '')",
            (told.id, to_json(told.messages)),
        )
        connection.execute("DELETE FROM migrations WHERE name = 'm006_questions'")
    db.close()
    again = Database(path)
    (row,) = again.read("SELECT question_hash FROM examples")
    assert row["question_hash"] == told.question_hash
    again.close()


def test_every_table_is_strict(db):
    tables = db.read(
        "SELECT name, strict FROM pragma_table_list WHERE schema = 'main'"
        " AND type NOT IN ('virtual', 'shadow')"  # FTS5's own
    )
    assert {row["name"] for row in tables if not row["strict"]} <= {
        "sqlite_schema",
        "sqlite_sequence",
    }


def test_a_database_of_a_newer_version_is_refused(db, path):
    with db.transaction() as connection:
        connection.execute("INSERT INTO migrations VALUES ('m999_future', '')")
    db.close()
    with pytest.raises(StorageError, match="m999_future"):
        Database(path)


def test_a_snapshot_stays_at_its_moment_and_cannot_write(db, path):
    with db.transaction() as connection:
        connection.execute("INSERT INTO sequences VALUES ('first', 1)")
    with DatabaseSnapshot(path) as snapshot:
        with db.transaction() as connection:
            connection.execute("INSERT INTO sequences VALUES ('second', 2)")
        names = [row["name"] for row in snapshot.stream("SELECT name FROM sequences")]
        assert names == ["first"]
        with pytest.raises(StorageError, match="readonly"):
            snapshot.read("DELETE FROM sequences")
        snapshot.copy_to(path.with_name("copy.db"))
    with DatabaseSnapshot(path.with_name("copy.db")) as copy:
        assert len(copy.read("SELECT * FROM sequences")) == 1
    assert len(db.read("SELECT * FROM sequences")) == 2


def test_a_snapshot_needs_no_writable_directory(db, path):
    db.close()
    path.parent.chmod(0o500)
    try:
        with DatabaseSnapshot(path) as snapshot:
            assert snapshot.read("SELECT * FROM jobs") == []
    finally:
        path.parent.chmod(0o700)


def test_a_snapshot_of_another_version_or_of_nothing_is_refused(db, path):
    with db.transaction() as connection:
        connection.execute("DELETE FROM migrations WHERE name = 'm002_audit'")
    with pytest.raises(StorageError, match="another version"):
        DatabaseSnapshot(path)
    with pytest.raises(StorageError, match="there is no database"):
        DatabaseSnapshot(path.with_name("nothing.db"))
    other = path.with_name("other.db")
    other.write_bytes(b"x" * 4096)
    with pytest.raises(StorageError, match="damaged or not a database"):
        DatabaseSnapshot(other)


def test_times_and_json_as_text():
    noon = datetime(2026, 2, 9, 12, tzinfo=timezone(timedelta(hours=2)))
    assert to_text(noon) == "2026-02-09T10:00:00.000000+00:00"
    assert datetime.fromisoformat(to_text(noon)) == noon.astimezone(UTC)
    assert to_json(("é", {"a": 1})) == '["é",{"a":1}]'


def test_wiping_leaves_nothing_of_what_was_deleted_before_deletes_were_overwritten(path):
    """A row that an older Radiance deleted: its bytes are in free pages."""
    Database(path).close()
    old = sqlite3.connect(path, isolation_level=None)
    old.execute("PRAGMA secure_delete = OFF")
    old.execute("CREATE TABLE notes (text TEXT)")
    old.executemany(
        "INSERT INTO notes VALUES (?)", [(f"a secret {n} {'x' * 900}",) for n in range(9)]
    )
    old.execute("DELETE FROM notes")
    old.close()
    assert b"a secret" in path.read_bytes()
    db = Database(path)
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM notes").fetchall()
    db.rewrite()
    assert not db.clear_log()  # somebody still reads what was there
    reader.close()
    assert db.clear_log()
    assert db.read("PRAGMA busy_timeout")[0][0] == 10_000
    for file in path.parent.iterdir():
        assert b"a secret" not in file.read_bytes(), file
    db.close()


def test_a_wipe_takes_the_copies_of_earlier_versions_along(tmp_path: Path) -> None:
    db = Database(tmp_path / "radiance.db")
    copy = tmp_path / "radiance.db.before-003"
    copy.write_bytes(b"what was forgotten")
    try:
        db.rewrite()
    finally:
        db.close()
    assert not copy.exists()


def test_an_upgrade_that_fails_within_leaves_the_version_before(path, monkeypatch):
    before, last = migrations.ALL[:-1], migrations.ALL[-1]
    monkeypatch.setattr(migrations, "ALL", before)
    Database(path).close()

    def breaking(connection):
        connection.execute("CREATE TABLE half_done (x INTEGER) STRICT")
        connection.execute("INSERT INTO what_is_not_there VALUES (1)")

    monkeypatch.setattr(migrations, "ALL", (*before, last, breaking))
    with pytest.raises((StorageError, sqlite3.OperationalError), match="what_is_not_there"):
        Database(path)
    monkeypatch.setattr(migrations, "ALL", before)
    again = Database(path)
    names = [row["name"] for row in again.read("SELECT name FROM migrations")]
    assert names == [migration.__name__ for migration in before]
    assert not again.read("SELECT 1 FROM sqlite_master WHERE name = 'half_done'")
    again.close()
