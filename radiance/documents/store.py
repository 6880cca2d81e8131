"""Documents in the database: their passages with their places, and what memory finds them by.

Of several documents of one name the newest holds, and memory answers from that one; all of them are
forgotten together. What was sent is not kept: the text is.
"""

import hashlib
import re
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import PurePosixPath
from typing import NamedTuple

import msgspec

from radiance import records
from radiance.documents import forgotten_words, reading
from radiance.documents.passages import TextBlock, split
from radiance.errors import Conflict, NotFound, RequestError
from radiance.limits import DOCUMENTS, PASSAGES
from radiance.records import Document, Passage
from radiance.records.text import clean, forbidden
from radiance.storage.sqlite import Connection, Database, Row, to_json, to_text

_ID = re.compile(r"doc_(\d{6,18})")
_MOST_NAME_CHARACTERS = 255
_MOST_TAGS, _MOST_TAG_CHARACTERS = 64, 256
_DOCUMENTS = """
    SELECT documents.*,
        (SELECT COUNT(*) FROM passages WHERE document = documents.number) AS passages,
        (SELECT MAX(number) FROM documents AS newer WHERE newer.name = documents.name) AS newest
    FROM documents
"""
_MOST_ALIKE = 20
_ALIKE = """
    SELECT DISTINCT others.number FROM passages JOIN documents AS others ON others.number = document
    WHERE text IN (SELECT text FROM passages AS own WHERE own.document = :number)
        AND others.name != (SELECT name FROM documents WHERE number = :number)
        AND others.number = (SELECT MAX(number) FROM documents WHERE name = others.name)
    ORDER BY others.number DESC LIMIT :limit
"""
_list = msgspec.json.Decoder(tuple[str, ...])
Index = Callable[[Connection, Sequence[tuple[int, Passage, str]]], object]


class Added(NamedTuple):
    """A document that was sent.

    Attributes:
        is_new: Whether it was kept by this; else the very same one was there.
        replaces: The document of the same name that held until then.
    """

    document: Document
    is_new: bool
    replaces: str | None


class Documents:
    """All documents. Safe to use from several threads.

    Args:
        db: Where they are kept.
        index: Told of every document's passages, with their numbers and its title, in the
            transaction that keeps them.
    """

    def __init__(self, db: Database, index: Index = lambda connection, passages: None) -> None:
        self._db, self._index = db, index

    def add(
        self, name: str, content: bytes, tags: Sequence[str] = (), *, again: bool = False
    ) -> Added:
        """Keep a document; durable on return, and memory answers from it.

        The same bytes under the same name are kept once, with the tags of every sending. Passages
        that have words by which some were forgotten are left out.

        Args:
            name: What it is called.
            content: Its bytes.
            tags: Kept with it.
            again: Whether what was forgotten of it is meant, too. Its words are held against no
                document any more.

        Raises:
            RequestError: It cannot be read; TooLarge where it is too much.
            Conflict: Too many documents or passages are kept, or all of it was forgotten.
        """
        name, labels = checked_name(name), _checked_tags(tags)
        content_hash = hashlib.sha256(content).hexdigest()
        with self._db.transaction() as connection:
            if not again and (known := _known(connection, name, content_hash, labels)) is not None:
                return known
            held = forgotten_words.held(connection)
        format, said = reading.read(name, content)
        every = split(said.blocks)
        found = forgotten_words.found_in(every, held)
        with self._db.transaction() as connection:
            # Again: it may have been sent twice at once, and reading takes a while.
            passages = len(every) if again else None
            if (known := _known(connection, name, content_hash, labels, passages)) is not None:
                return known
            if (now := forgotten_words.held(connection)) != held:
                found = forgotten_words.found_in(every, now)
            kept = every
            if again:
                forgotten_words.release(connection, frozenset().union(*found))
            else:
                kept = [each for each, words in zip(every, found, strict=True) if not words]
            if not kept:
                raise _all_forgotten(name)
            _check_room(connection, len(kept))
            newest = _newest(connection, name)
            number = connection.execute(
                "INSERT INTO documents (name, title, format, content_hash, size_bytes, pages,"
                " added_at, tags, left_out) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    name,
                    said.title,
                    format,
                    content_hash,
                    len(content),
                    said.pages,
                    to_text(records.now()),
                    to_json(labels),
                    len(every) - len(kept),
                ),
            ).lastrowid
            assert number is not None
            self._index(connection, _insert(connection, number, kept, said.title or name))
        replaces = None if newest is None else newest.id
        return Added(self.get(document_id(number)), is_new=True, replaces=replaces)

    def get(self, id: str) -> Document:
        """The document of that id.

        Raises:
            NotFound: There is none.
        """
        rows = self._db.read(_DOCUMENTS + " WHERE number = ?", (document_number(id),))
        if not rows:
            raise no_document(id)
        return _to_document(rows[0])

    def alike(self, id: str) -> list[Document]:
        """Documents of other names that have a passage of it word for word, and answer as well."""
        wanted = {"number": document_number(id), "limit": _MOST_ALIKE}
        return [self.get(document_id(row["number"])) for row in self._db.read(_ALIKE, wanted)]

    def recent(self, limit: int, before: str | None = None) -> list[Document]:
        """The newest documents, newest first.

        Raises:
            NotFound: ``before`` is no id of a document.
        """
        below = 1 << 62 if before is None else document_number(before)
        rows = self._db.read(
            _DOCUMENTS + " WHERE number < ? ORDER BY number DESC LIMIT ?", (below, limit)
        )
        return list(map(_to_document, rows))

    def count(self) -> int:
        """How many documents there are, older ones of one name among them."""
        return self._db.read("SELECT COUNT(*) FROM documents")[0][0]

    def passages(self, id: str, begin: int, limit: int) -> list[Passage]:
        """Passages of a document from a place on, in order; none where there is no such document.

        Raises:
            NotFound: It is no id of a document.
        """
        rows = self._db.read(
            "SELECT * FROM passages WHERE document = ? AND place >= ? ORDER BY place LIMIT ?",
            (document_number(id), begin, limit),
        )
        return list(map(to_passage, rows))


def checked_name(name: str) -> str:
    """A document's name, clean: a relative path of at most 255 characters.

    Raises:
        RequestError: It is none.
    """
    given = clean(name).replace("\\", "/")
    parts = [part for part in PurePosixPath(given).parts if part not in ("/", ".", "..")]
    found = "/".join(parts)
    if not found or forbidden(found) or "\n" in found or len(found) > _MOST_NAME_CHARACTERS:
        raise RequestError.of(
            "name",
            "cannot be the name of a document",
            name[:_MOST_NAME_CHARACTERS].encode("utf-8", "replace").decode(),
            f"Send 1 to {_MOST_NAME_CHARACTERS} characters, such as notes.md.",
        )
    return found


def _checked_tags(tags: Sequence[str]) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(clean(tag) for tag in tags))
    for tag in found:
        if not tag or forbidden(tag) or len(tag) > _MOST_TAG_CHARACTERS or len(found) > _MOST_TAGS:
            raise RequestError.of(
                "tags",
                "cannot be used as tags",
                [each[:40] for each in found[:3]],
                f"Send at most {_MOST_TAGS} of 1 to {_MOST_TAG_CHARACTERS} characters.",
            )
    return found


def _newest(connection: Connection, name: str) -> Document | None:
    """The document of a name that holds."""
    rows = connection.execute(
        _DOCUMENTS + " WHERE name = ? ORDER BY number DESC LIMIT 1", (name,)
    ).fetchall()
    return _to_document(rows[0]) if rows else None


def _known(
    connection: Connection,
    name: str,
    content_hash: str,
    tags: Sequence[str],
    passages: int | None = None,
) -> Added | None:
    """The very same document where it holds already; it has these tags as well from then on.

    Where a number of passages is given, only if it has so many: else something of it was forgotten.

    Raises:
        RequestError: They are too many with those that it has.
    """
    found = _newest(connection, name)
    if found is None or found.content_hash != content_hash:
        return None
    if passages is not None and found.passages != passages:
        return None
    all_tags = _checked_tags((*found.tags, *tags))
    if all_tags != found.tags:
        connection.execute(
            "UPDATE documents SET tags = ? WHERE number = ?",
            (to_json(all_tags), document_number(found.id)),
        )
        found = msgspec.structs.replace(found, tags=all_tags)
    return Added(found, is_new=False, replaces=None)


def _all_forgotten(name: str) -> Conflict:
    return Conflict(
        f"{name}: every passage of it has words that were forgotten.",
        field="file",
        value=name,
        remedy='Send it with "again" (radiance update --again) if it is to be known all the same.',
    )


def _check_room(connection: Connection, more: int) -> None:
    kept = connection.execute(
        "SELECT (SELECT COUNT(*) FROM documents), (SELECT COUNT(*) FROM passages)"
    ).fetchone()
    for limit, count in ((DOCUMENTS, kept[0] + 1), (PASSAGES, kept[1] + more)):
        if count > limit.value:
            raise Conflict(
                f"With this document {count} {limit.unit} would be kept; the limit is"
                f" {limit.value}.",
                field="file",
                value=count,
                remedy="Forget documents that are not needed.",
            )


def _insert(
    connection: Connection, document: int, blocks: Sequence[TextBlock], title: str
) -> list[tuple[int, Passage, str]]:
    found = []
    for place, block in enumerate(blocks):
        passage = Passage(
            f"{document_id(document)}.{place}", block.text, block.headings, block.page, block.line
        )
        number = connection.execute(
            "INSERT INTO passages (document, place, headings, page, line, text)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (document, place, to_json(block.headings), block.page, block.line, block.text),
        ).lastrowid
        assert number is not None
        found.append((number, passage, title))
    return found


def document_id(number: int) -> str:
    """``doc_000012``."""
    return f"doc_{number:06d}"


def document_number(id: str) -> int:
    """The number in a document's id.

    Raises:
        NotFound: It is not the id of any document there could be.
    """
    match = _ID.fullmatch(id)
    if match is None or document_id(int(match[1])) != id:
        raise no_document(id)
    return int(match[1])


def no_document(id: str) -> NotFound:
    """The error for a document that does not exist."""
    return NotFound.named("document", id, "document", "GET /documents lists them.")


def to_passage(row: Row) -> Passage:
    """A passage of its row."""
    return Passage(
        f"{document_id(row['document'])}.{row['place']}",
        row["text"],
        _list.decode(row["headings"]),
        row["page"],
        row["line"],
    )


def _to_document(row: Row) -> Document:
    newest = row["newest"]
    return Document(
        id=document_id(row["number"]),
        name=row["name"],
        title=row["title"],
        format=row["format"],
        content_hash=row["content_hash"],
        size_bytes=row["size_bytes"],
        pages=row["pages"],
        passages=row["passages"],
        added_at=datetime.fromisoformat(row["added_at"]),
        left_out=row["left_out"],
        tags=_list.decode(row["tags"]),
        replaced_by=None if newest == row["number"] else document_id(newest),
    )
