"""Taking passages of documents out for good, in the open transaction of whoever asks for it.

By document, all documents of its name go: an older version says much the same. By tag, too. By
text, the passages that have the words, and a document with the last of them; what is sent later is
kept without such passages (``forgotten_words``).
"""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from radiance.documents import questions as made
from radiance.documents.store import document_id, document_number, to_passage
from radiance.records import Asked, Passage, questions
from radiance.records.phrases import Phrase
from radiance.storage.scanning import Scan
from radiance.storage.sqlite import Connection, Database, Row, to_json

_PASSAGES = "SELECT passages.*, name FROM passages JOIN documents ON documents.number = document"
_OF_DOCUMENT = " WHERE name IN (SELECT name FROM documents WHERE number = ?)"
_OF_TAG = """
    WHERE name IN (SELECT name FROM documents, json_each(documents.tags) WHERE json_each.value = ?)
"""
_IN_ORDER = " ORDER BY passages.number"
_HAVING = """
    SELECT passages.number AS major, 0 AS minor, passages.*, name
    FROM passages JOIN documents ON documents.number = document
    WHERE (passages.number, 0) > (:major, :minor) ORDER BY passages.number LIMIT :limit
"""


class Kept(NamedTuple):
    """A passage, with its number in the database and the name of its document."""

    number: int
    passage: Passage
    document: str


class SoughtPassages:
    """The passages that somebody wants forgotten.

    Args:
        db: Where they are.
        asked: By what they are chosen.
    """

    def __init__(self, db: Database, asked: Asked) -> None:
        self._asked = asked
        self._having: Scan | None = None
        if asked.kind == "text" and (phrase := Phrase(asked.value)):
            self._having = Scan(
                db, _HAVING, lambda row: phrase.is_in(questions.normalise(row["text"]))
            )

    def find(self, connection: Connection) -> list[Kept]:
        """Them, in the open transaction; none where nothing fits.

        Raises:
            NotFound: What was asked names what cannot be a document.
        """
        rows: list[Row] = []
        match self._asked.kind:
            case "document":
                number = document_number(self._asked.value)
                rows = connection.execute(
                    _PASSAGES + _OF_DOCUMENT + _IN_ORDER, (number,)
                ).fetchall()
            case "tag":
                rows = connection.execute(
                    _PASSAGES + _OF_TAG + _IN_ORDER, (self._asked.value,)
                ).fetchall()
            case "text" if self._having is not None:
                rows = self._having.finish(connection)
        return [Kept(row["number"], to_passage(row), row["name"]) for row in rows]


def mentioning(db: Database, texts: Sequence[str]) -> list[str]:
    """Ids of the passages that have one of some texts."""
    wanted = [phrase for text in texts if (phrase := Phrase(text))]
    if not wanted:
        return []

    def has(row: Row) -> bool:
        normalised = questions.normalise(row["text"])
        return any(phrase.is_in(normalised) for phrase in wanted)

    return [to_passage(row).id for row in Scan(db, _HAVING, has).found]


def saying_the_same(db: Database, texts: Sequence[str]) -> list[str]:
    """Ids of the passages that are one of some texts, word for word."""
    rows = db.read(
        "SELECT * FROM passages WHERE text IN (SELECT value FROM json_each(?)) ORDER BY number",
        (to_json(list(texts)),),
    )
    return [to_passage(row).id for row in rows]


def remove(connection: Connection, passages: Sequence[Kept]) -> dict[str, str]:
    """Delete passages, whose keys must be gone before, and documents that have none left.

    Returns:
        Content hashes of what is gone, by the ids of documents and of passages of others.
    """
    numbers = to_json([kept.number for kept in passages])
    touched = Counter(kept.passage.document_id for kept in passages)
    made.remove(connection, passages=[kept.number for kept in passages])
    connection.execute(
        "DELETE FROM passages WHERE number IN (SELECT value FROM json_each(?))", (numbers,)
    )
    gone = connection.execute(
        "SELECT number, content_hash FROM documents WHERE number IN"
        " (SELECT value FROM json_each(?))"
        " AND number NOT IN (SELECT document FROM passages)",
        (to_json(sorted(map(document_number, touched))),),
    ).fetchall()
    whole = {document_id(row["number"]): row["content_hash"] for row in gone}
    connection.executemany(
        "DELETE FROM documents WHERE number = ?", [(row["number"],) for row in gone]
    )
    connection.executemany(
        "UPDATE documents SET left_out = left_out + ? WHERE number = ?",
        [(count, document_number(id)) for id, count in touched.items() if id not in whole],
    )
    rest = {
        kept.passage.id: kept.passage.content_hash
        for kept in passages
        if kept.passage.document_id not in whole
    }
    return whole | rest
