"""Documents as they are kept: once, under their names, the newest first; and taken out for good."""

from pathlib import Path
from typing import Any

import pytest

from radiance import limits
from radiance.documents import forgotten_words, reading, removal, store
from radiance.documents.removal import SoughtPassages
from radiance.documents.store import Documents
from radiance.errors import Conflict, NotFound, RequestError
from radiance.records import Asked
from radiance.storage.sqlite import Database


@pytest.fixture
def db(tmp_path: Path) -> Database:
    return Database(tmp_path / "radiance.db")


@pytest.fixture
def documents(db: Database) -> Documents:
    return Documents(db)


def sought(db: Database, kind: str, value: str) -> list[str]:
    found = SoughtPassages(db, Asked(kind, value))  # type: ignore[arg-type]
    with db.transaction() as connection:
        return [kept.passage.id for kept in found.find(connection)]


def test_the_same_is_kept_once_and_the_newest_of_a_name_holds(documents: Documents) -> None:
    first = documents.add("a/notes.md", b"# House\n\nThe code is KV-1.", [" home ", "home"])
    assert (first.is_new, first.replaces) == (True, None)
    document = first.document
    assert (document.id, document.name, document.title) == ("doc_000001", "a/notes.md", "House")
    assert (document.tags, document.passages) == (("home",), 1)
    again = documents.add("a/notes.md", b"# House\n\nThe code is KV-1.")
    assert (again.is_new, again.document) == (False, document)
    newer = documents.add("./a/notes.md", b"# House\n\nThe code is KV-2.")
    assert (newer.is_new, newer.replaces) == (True, "doc_000001")
    assert documents.get("doc_000001").replaced_by == "doc_000002"
    other = documents.add("notes.md", b"Else.").document
    assert [each.id for each in documents.recent(2)] == [other.id, "doc_000002"]
    assert [each.id for each in documents.recent(9, before="doc_000002")] == ["doc_000001"]
    (passage,) = documents.passages("doc_000002", 0, 10)
    assert (passage.text, passage.place) == ("The code is KV-2.", "House, line 3")
    assert documents.count() == 3


def test_what_is_sent_again_has_the_tags_of_both(db: Database, documents: Documents) -> None:
    documents.add("notes.md", b"The code is KV-1.", ["home"])
    again = documents.add("notes.md", b"The code is KV-1.", ["user:ann", "home"])
    assert (again.is_new, again.document.tags) == (False, ("home", "user:ann"))
    assert sought(db, "tag", "user:ann") == ["doc_000001.0"]
    with pytest.raises(RequestError, match="tags: cannot be used as tags"):
        documents.add("notes.md", b"The code is KV-1.", [str(n) for n in range(63)])
    assert documents.get("doc_000001").tags == ("home", "user:ann")


def test_two_who_send_the_same_at_once_keep_it_once(
    documents: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_beside_another(name: str, content: bytes) -> Any:
        monkeypatch.undo()
        assert documents.add(name, content, ["first"]).is_new
        return reading.read(name, content)

    monkeypatch.setattr("radiance.documents.store.reading.read", read_beside_another)
    sent = documents.add("notes.md", b"The code is KV-1.", ["second"])
    assert (sent.is_new, sent.document.tags) == (False, ("first", "second"))
    assert documents.count() == 1


def test_names_tags_and_ids_are_checked(documents: Documents) -> None:
    assert store.checked_name("/home/../ann\\notes.md") == "home/ann/notes.md"
    for name in ("", " ", "/", "a\nb", "x" * 256, "a\x00"):
        with pytest.raises(RequestError, match="name: cannot be the name"):
            documents.add(name, b"x")
    for tags in ([" "], ["x" * 257], [str(n) for n in range(65)]):
        with pytest.raises(RequestError, match="tags: cannot be used as tags"):
            documents.add("a.md", b"x", tags)
    for id in ("doc_1", "doc_000009", "job_000001", ""):
        with pytest.raises(NotFound, match="no document"):
            documents.get(id)
    assert documents.count() == 0


def test_too_many_are_refused(documents: Documents, monkeypatch: pytest.MonkeyPatch) -> None:
    documents.add("a.md", b"One.")
    for name in ("DOCUMENTS", "PASSAGES"):
        with monkeypatch.context() as patch:
            patch.setattr(store, name, getattr(limits, name)._replace(value=1))
            with pytest.raises(Conflict, match="the limit is 1"):
                documents.add("b.md", b"Two.")
    assert documents.count() == 1


def test_what_is_forgotten_is_found_by_document_tag_and_words(
    db: Database, documents: Documents
) -> None:
    paragraphs = b"# A\n\nThe code is KV-1.\n\n# B\n\nAnn lives in Annapolis."
    documents.add("a.md", paragraphs, ["home"])
    documents.add("a.md", b"Nothing.")
    documents.add("b.md", b"The code is not KV-1.")
    every = ["doc_000001.0", "doc_000001.1", "doc_000002.0"]
    assert sought(db, "document", "doc_000001") == every
    assert sought(db, "document", "doc_000002") == every  # all of its name
    assert sought(db, "tag", "home") == every
    assert sought(db, "text", "kv-1") == ["doc_000001.0", "doc_000003.0"]
    assert sought(db, "text", "anna") == sought(db, "text", "") == sought(db, "example", "x") == []
    assert removal.mentioning(db, ["Annapolis", ""]) == ["doc_000001.1"]
    with pytest.raises(NotFound):
        sought(db, "document", "nothing")


def test_a_document_goes_with_its_last_passage(db: Database, documents: Documents) -> None:
    documents.add("a.md", b"# A\n\nThe code is KV-1.\n\n# B\n\nAnn.")
    whole = documents.add("b.md", b"The code is KV-1.").document
    found = SoughtPassages(db, Asked("text", "KV-1"))
    documents.add("c.md", b"It is still KV-1.")  # while it was looked for
    with db.transaction() as connection:
        passages = found.find(connection)
        gone = removal.remove(connection, passages)
    assert set(gone) == {"doc_000001.0", "doc_000002", "doc_000003"}
    assert gone["doc_000002"] == whole.content_hash
    assert [(each.name, each.passages) for each in documents.recent(9)] == [("a.md", 1)]
    assert documents.add("d.md", b"x").document.id == "doc_000004"  # ids never come again


def forget_words(db: Database, words: str) -> None:
    """As a request to forget does, in one transaction."""
    found = SoughtPassages(db, Asked("text", words))
    with db.transaction() as connection:
        removal.remove(connection, found.find(connection))
        connection.execute(
            "INSERT INTO forgets (at, actor, reason, asked, status, examples, checkpoints,"
            " queued_again) VALUES ('', '', '', '', 'done', '', '', '')"
        )
        forgotten_words.hold(connection, words, 1)


def said(documents: Documents, id: str) -> list[str]:
    return [passage.text for passage in documents.passages(id, 0, 10)]


def test_what_was_forgotten_by_its_words_comes_back_only_where_that_is_meant(
    db: Database, documents: Documents
) -> None:
    notes = b"# A\n\nThe code is KV-1.\n\n# B\n\nAnn is here."
    mended = b"# A\n\nSince May the code is (kv-1), as it was.\n\n# B\n\nAnn is here, too."
    first = documents.add("a.md", notes).document
    forget_words(db, "KV-1")
    assert (documents.get(first.id).passages, documents.get(first.id).left_out) == (1, 1)
    same = documents.add("a.md", notes)
    assert (same.is_new, said(documents, same.document.id)) == (False, ["Ann is here."])
    changed = documents.add("a.md", mended).document
    assert (said(documents, changed.id), changed.left_out) == (["Ann is here, too."], 1)
    copied = documents.add("copy.md", notes).document
    assert (said(documents, copied.id), copied.left_out) == (["Ann is here."], 1)
    with pytest.raises(Conflict, match="every passage of it has words that were forgotten"):
        documents.add("b.md", b"The code is KV-1.")
    assert documents.add("c.md", b"The code is KV-12.").document.left_out == 0
    whole = documents.add("a.md", mended, again=True)
    assert (whole.is_new, whole.replaces, whole.document.left_out) == (True, changed.id, 0)
    assert len(said(documents, whole.document.id)) == 2
    assert not documents.add("a.md", mended, again=True).is_new  # it is whole
    with db.transaction() as connection:  # as an older Radiance left it, which counted nothing
        connection.execute("DELETE FROM passages WHERE document = 4 AND place = 0")
    assert len(said(documents, documents.add("a.md", mended, again=True).document.id)) == 2
    assert documents.add("b.md", b"The code is KV-1.").document.passages == 1


def test_what_is_forgotten_while_a_document_is_read_is_left_out(
    db: Database, documents: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    documents.add("a.md", b"The code is KV-1.")
    read = reading.read

    def forgotten_meanwhile(name: str, content: bytes) -> Any:
        forget_words(db, "KV-1")
        return read(name, content)

    monkeypatch.setattr(reading, "read", forgotten_meanwhile)
    added = documents.add("a.md", b"# A\n\nThe code is KV-1.\n\n# B\n\nAnn.").document
    assert said(documents, added.id) == ["Ann."]
