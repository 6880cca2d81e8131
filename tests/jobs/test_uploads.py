"""Kept files: whole, until they are deleted; nothing else stays."""

from pathlib import Path

import pytest

from radiance.errors import NotFound, StorageError, TooLarge
from radiance.jobs.uploads import Uploads
from radiance.storage.sqlite import Database


def test_a_file_outlives_the_process_and_strays_do_not(db: Database, tmp_path: Path) -> None:
    directory = tmp_path / "files"
    uploads = Uploads(db, directory)
    kept = uploads.add("a.jsonl", "fine-tune", b"one\n")
    gone = uploads.add("b.jsonl", "fine-tune", b"two\n")
    uploads.remove(gone.id)
    (directory / "file-of-a-crash").write_bytes(b"x")
    again = Uploads(db, directory)
    assert again.all() == [kept]
    assert again.content(kept.id) == b"one\n"
    assert [path.name for path in directory.iterdir()] == [kept.id]
    with pytest.raises(NotFound):
        again.content(gone.id)


def test_a_file_that_changed_on_the_disk_is_not_given_out(db: Database, tmp_path: Path) -> None:
    uploads = Uploads(db, tmp_path / "files")
    kept = uploads.add("a.jsonl", "fine-tune", b"one\n")
    (tmp_path / "files" / kept.id).write_bytes(b"two\n")
    with pytest.raises(StorageError, match="is not what was kept"):
        uploads.content(kept.id)
    (tmp_path / "files" / kept.id).unlink()
    with pytest.raises(StorageError):
        uploads.content(kept.id)


def test_all_files_together_have_a_limit(db: Database, tmp_path: Path) -> None:
    uploads = Uploads(db, tmp_path / "files", most_bytes=100)
    first = uploads.add("a.jsonl", "fine-tune", b"x" * 60)
    with pytest.raises(TooLarge, match="over 100"):
        uploads.add("b.jsonl", "fine-tune", b"x" * 41)
    assert len([*(tmp_path / "files").iterdir()]) == 1
    uploads.remove(first.id)
    uploads.add("b.jsonl", "fine-tune", b"x" * 41)
