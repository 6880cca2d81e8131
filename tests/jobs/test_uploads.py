"""Kept files: whole, until they are deleted; nothing else stays."""

import json
from pathlib import Path

import pytest

from radiance.config import UpdateSettings
from radiance.errors import NotFound, RequestError, StorageError, TooLarge
from radiance.examples.admission import Admitted
from radiance.jobs import fine_tuning
from radiance.jobs.removal import ForgottenTexts
from radiance.jobs.uploads import Uploads
from radiance.records import Example, Message
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


def test_a_file_that_asks_what_is_forgotten_goes_with_it(db: Database, tmp_path: Path) -> None:
    def line(question: str) -> bytes:
        return json.dumps({"input": question, "output": "K7-204."}).encode() + b"\n"

    uploads = Uploads(db, tmp_path / "files")
    asked = uploads.add(
        "a.jsonl", "fine-tune", line("Who leads?") + b"\n" + line("What is the code?")
    )
    other = uploads.add("b.jsonl", "fine-tune", line("Who leads?"))
    no_json = uploads.add("c.jsonl", "fine-tune", b"no JSON\n")
    says_it = uploads.add("e.jsonl", "fine-tune", b'{"odd": "Tell me, what is the code?"}\n')
    # Decoders keep one of two values of a name: what the other says is on the disk all the same.
    twice = b'{"input": "What is th\\u0065 code?", "input": "Who leads?", "output": "Ann."}\n'
    says_both = uploads.add("g.jsonl", "fine-tune", twice)
    missing = uploads.add("d.jsonl", "fine-tune", line("What is the code?"))
    (tmp_path / "files" / missing.id).unlink()
    turns = (Message("user", "what is the code"), Message("assistant", "K7-204."))
    asking = uploads.asking(ForgottenTexts([Example("x", turns)]))
    late = uploads.add("f.jsonl", "fine-tune", line("What is the code?"))
    with db.transaction() as connection:
        uploads.remove_found(connection, asking)
    left = {each.id for each in uploads.all()}
    assert left == {other.id, no_json.id, missing.id}
    assert not left & {asked.id, says_it.id, says_both.id, late.id}


def test_a_file_to_learn_from_names_its_bad_line() -> None:
    def read(content: bytes) -> Admitted:
        return fine_tuning.examples_of(content, "a.jsonl", UpdateSettings(), lambda _: None)

    assert len(read(b'{"input": "a", "output": "b"}\n\n').examples) == 1
    for content, reason in (
        (b"\xff", "is not UTF-8"),
        (b"\n{\n", "line 2 is not JSON"),
        (b"\n \n", "has no lines"),
        (b'{"input": "a", "output": "b"}\n\n{"input": "c"}\n', "3"),
    ):
        with pytest.raises(RequestError, match=reason):
            read(content)
