"""Backups of a root, beside whoever writes it, and roots made of them."""

import contextlib
import errno
import json
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from radiance import config, records
from radiance.cli import main
from radiance.errors import Conflict, NotFound, StorageError, Unavailable
from radiance.registry.audit import HEAD_FILE
from radiance.registry.backup import back_up
from radiance.registry.backup_folder import have_alone, snapshots
from radiance.registry.restoring import check, restore
from radiance.registry.verification import verify
from radiance.storage.sqlite import DatabaseSnapshot, to_text
from tests.support import FACTS, Running


@pytest.fixture
def root(workshop, tmp_path: Path) -> Path:
    """A root with two checkpoints."""
    workshop.commit()
    workshop.commit()
    (tmp_path / "radiance.toml").write_text("[update]\n")
    return tmp_path


def contents(root: Path) -> dict[str, bytes]:
    kept = ("adapters/", "anchors/", "radiance.toml")
    found = {path.relative_to(root).as_posix(): path for path in root.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in found.items() if name.startswith(kept)}


def test_what_is_restored_is_what_was_backed_up(root: Path, tmp_path_factory) -> None:
    target, new = tmp_path_factory.mktemp("backup"), tmp_path_factory.mktemp("new") / "root"
    made = back_up(config.Config(root=root), target)
    restored = restore(target, new)
    assert restored == made.snapshot
    assert contents(new) == contents(root)
    assert (new / "runs" / HEAD_FILE).read_bytes() == (root / "runs" / HEAD_FILE).read_bytes()
    assert (new / "adapters" / "stable").readlink() == (root / "adapters" / "stable").readlink()
    found = verify(new / "runs" / "radiance.db", new / "adapters")
    assert (found.is_sound, found.head) == (True, made.snapshot.head)


def test_what_has_not_changed_is_kept_once(root: Path, workshop, tmp_path_factory) -> None:
    target = tmp_path_factory.mktemp("backup")
    first = back_up(config.Config(root=root), target)
    workshop.commit()
    second = back_up(config.Config(root=root), target)
    assert second.copied_bytes < second.size_bytes
    names = [snapshot.name for snapshot in snapshots(target)]
    assert names == [second.snapshot.name, first.snapshot.name]
    for name in names:
        assert check(target, name).name == name
    third = back_up(config.Config(root=root), target, keep=1)
    assert [snapshot.name for snapshot in snapshots(target)] == [third.snapshot.name]
    kept = {path.name for path in target.glob("objects/*/*")}
    assert kept == {file.hash for file in third.snapshot.files}


def test_whoever_stands_in_an_empty_folder_finds_the_root_there(
    root: Path, tmp_path_factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, new = tmp_path_factory.mktemp("backup"), tmp_path_factory.mktemp("new")
    made = back_up(config.Config(root=root), target).snapshot
    monkeypatch.chdir(new)
    assert restore(target, new) == made
    here = Path()
    assert contents(here) == contents(root)
    assert sorted(path.name for path in here.iterdir()) == sorted(
        {file.path.partition("/")[0] for file in made.files} | {"adapters", "anchors", "runs"}
    )
    assert verify(Path("runs/radiance.db"), Path("adapters")).head == made.head
    damaged = target / "objects" / made.files[0].hash[:2] / made.files[0].hash
    damaged.write_bytes(b"")
    empty = tmp_path_factory.mktemp("empty")
    with pytest.raises(StorageError):
        restore(target, empty)
    assert [*empty.iterdir()] == []


@pytest.mark.parametrize("how", ["changed", "gone", "another log"])
def test_a_damaged_backup_makes_no_root(root: Path, tmp_path_factory, how: str) -> None:
    target, new = tmp_path_factory.mktemp("backup"), tmp_path_factory.mktemp("new") / "root"
    made = back_up(config.Config(root=root), target).snapshot
    weights = next(file for file in made.files if file.path.endswith(".safetensors"))
    kept = target / "objects" / weights.hash[:2] / weights.hash
    if how == "changed":
        kept.write_bytes(kept.read_bytes()[:-1] + b"!")
    elif how == "gone":
        kept.unlink()
    else:
        path = target / "snapshots" / f"{made.name}.json"
        path.write_text(path.read_text().replace(made.head, "0" * 64))
    with pytest.raises(StorageError):
        restore(target, new)
    assert not new.exists()
    assert [*new.parent.iterdir()] == []


def test_no_root_is_overwritten_and_no_file_written_outside(root: Path, tmp_path_factory) -> None:
    target, new = tmp_path_factory.mktemp("backup"), tmp_path_factory.mktemp("new") / "root"
    made = back_up(config.Config(root=root), target).snapshot
    with pytest.raises(Conflict, match="not empty"):
        restore(target, root)
    with pytest.raises(NotFound):
        restore(target, new, "another")
    path = target / "snapshots" / f"{made.name}.json"
    path.write_text(path.read_text().replace("radiance.toml", "../outside"))
    with pytest.raises(StorageError, match="outside"):
        restore(target, new)
    assert not (new.parent / "outside").exists()


def test_a_running_service_is_backed_up_while_it_writes(
    serve: Callable[..., Running], tmp_path: Path, tmp_path_factory
) -> None:
    running = serve()
    running.client.teach(FACTS[:1])
    running.client.post("/training/pause", {})
    target, stopped = tmp_path_factory.mktemp("backup"), threading.Event()

    def write() -> None:
        while not stopped.is_set():
            running.client.post("/feedback", {"vote": "up", "comment": "x" * 2000})

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(5):
            made = back_up(config.Config(root=tmp_path), target)
            check(target, made.snapshot.name)
    finally:
        stopped.set()
        writer.join()


def test_both_commands(root: Path, tmp_path_factory) -> None:
    target, new = tmp_path_factory.mktemp("backup"), tmp_path_factory.mktemp("new") / "root"
    words = ["backup", str(target), "--check", "--json", "--root", str(root)]
    made = CliRunner().invoke(main, words, catch_exceptions=False)
    assert made.exit_code == 0, made.output
    name = json.loads(made.stdout)["snapshot"]
    words = ["restore", str(target), "--root", str(new)]
    restored = CliRunner().invoke(main, words, catch_exceptions=False)
    assert (restored.exit_code, restored.stdout.strip()) == (0, name)
    again = CliRunner().invoke(main, words)
    assert again.exit_code != 0


def test_who_is_asked_goes_before_a_backup(root: Path, tmp_path: Path) -> None:
    words = ["backup", str(tmp_path / "kept"), "--root", str(root)]
    code = (
        "import os; from radiance.cli import main;"
        f"main({words!r}, standalone_mode=False); print(os.getpriority(os.PRIO_PROCESS, 0))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout.split()[-1]) == max(10, os.getpriority(os.PRIO_PROCESS, 0))


def test_a_restore_says_what_was_forgotten_since(root: Path, tmp_path_factory) -> None:
    target, new = tmp_path_factory.mktemp("backup"), tmp_path_factory.mktemp("new")
    settings = config.load(root)
    first = back_up(settings, target).snapshot
    with contextlib.closing(sqlite3.connect(settings.database_path)) as connection:
        connection.execute(
            "INSERT INTO forgets (at, actor, reason, asked, status, examples, checkpoints,"
            " queued_again, passages) VALUES (?, 'a', 'b', '{}', 'done', ?, '[]', '[]', ?)",
            (to_text(datetime.now(UTC)), '{"job_000001.0": "x"}', '{"doc_000002": "y"}'),
        )
        connection.commit()
    back_up(settings, target)
    for words, told in (
        (["--snapshot", first.name], ["job_000001.0", "doc_000002"]),
        ([], []),
    ):
        made = new / str(len(told))
        command = ["restore", str(target), "--root", str(made), "--json", *words]
        restored = CliRunner().invoke(main, command, catch_exceptions=False)
        assert json.loads(restored.stdout)["forgotten_since"] == told
        assert "What was forgotten since then is in it again" in restored.stderr
        assert all(each in restored.stderr for each in told)


def test_two_at_once_and_what_a_killed_one_left(root: Path, tmp_path_factory) -> None:
    # Who deletes what no snapshot has would delete what another backup had just copied.
    target, settings = tmp_path_factory.mktemp("backup"), config.Config(root=root)
    with have_alone(target):
        with pytest.raises(Unavailable, match="Another backup"):
            back_up(settings, target, keep=1)
        with pytest.raises(Unavailable):
            check(target)
    (target / ".tmp-left").mkdir()
    (target / ".tmp-left" / "radiance.db").write_bytes(b"all that was taught")
    back_up(settings, target)
    assert [path.name for path in target.iterdir() if path.name.startswith(".tmp-")] == []


def test_where_the_file_system_has_no_locks_it_is_made_all_the_same(
    root: Path, tmp_path_factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(descriptor: int, how: int) -> None:
        raise OSError(errno.ENOTSUP, "Operation not supported")

    monkeypatch.setattr("fcntl.flock", refuse)
    target = tmp_path_factory.mktemp("share")
    with have_alone(target):
        pass
    monkeypatch.undo()
    assert back_up(config.Config(root=root), target).snapshot.files


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_a_disk_that_is_full_is_the_backup_s(
    root: Path, tmp_path_factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It named the database of the root, which has room enough."""
    target, copy_to = tmp_path_factory.mktemp("backup"), DatabaseSnapshot.copy_to
    with monkeypatch.context() as patch:
        patch.setattr(DatabaseSnapshot, "copy_to", lambda db, _: copy_to(db, Path("/dev/full")))
        with pytest.raises(StorageError) as full:
            back_up(config.Config(root=root), target)
    assert str(full.value).startswith(f"{target}: no room is left")
    assert full.value.is_full
    assert not snapshots(target)


def test_the_newest_is_the_last_that_was_made_wherever_the_clock_stood(
    root: Path, workshop, tmp_path_factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, settings = tmp_path_factory.mktemp("backup"), config.Config(root=root)
    with monkeypatch.context() as clock:
        clock.setattr(records, "now", lambda: datetime(2100, 1, 1, tzinfo=UTC))
        early = back_up(settings, target).snapshot
    workshop.commit()
    late = back_up(settings, target, keep=2).snapshot
    assert [each.name for each in snapshots(target)] == [late.name, early.name]
    assert late.created_at < early.created_at
    new = tmp_path_factory.mktemp("new") / "root"
    assert restore(target, new) == late
    assert back_up(settings, target, keep=1).snapshot == snapshots(target)[0]


def test_a_restore_that_was_killed_is_done_again(root: Path, tmp_path_factory) -> None:
    target, new = tmp_path_factory.mktemp("backup"), tmp_path_factory.mktemp("new")
    made = back_up(config.Config(root=root), target).snapshot
    (new / f".tmp-{new.name}" / "adapters").mkdir(parents=True)
    (new / ".DS_Store").write_bytes(b"as the Finder leaves it in a folder that is empty")
    assert restore(target, new) == made
    assert not [path for path in new.iterdir() if path.name.startswith(".tmp-")]


@pytest.mark.parametrize("folder", ["runs", "runs/kept", "anchors/kept"])
def test_a_backup_is_no_part_of_itself(root: Path, folder: str) -> None:
    with pytest.raises(Conflict, match="part of itself"):
        back_up(config.Config(root=root), root / folder)


def test_a_restore_says_that_revoked_keys_are_valid_again(root: Path, tmp_path_factory) -> None:
    target, new = tmp_path_factory.mktemp("backup"), tmp_path_factory.mktemp("new") / "root"
    made = CliRunner().invoke(
        main, ["keys", "new", "--scope", "infer", "--name", "phone", "--root", str(root)]
    )
    assert made.exit_code == 0
    back_up(config.load(root), target)
    restored = CliRunner().invoke(main, ["restore", str(target), "--root", str(new)])
    assert restored.exit_code == 0
    assert "API keys that were revoked since then are valid again" in restored.stderr
