"""Questions that the base model made of passages: which wait for somebody, and what became of them.

A question that waits has its texts here. Once it is taught its example has them, and once it is
refused nobody needs them: they are here no more, so that forgetting an example leaves nothing.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from radiance.documents.store import document_id, document_number, to_passage
from radiance.errors import Conflict, RequestError
from radiance.records import Passage, PassageQuestion
from radiance.storage.sqlite import Connection, Database, Row, to_json

_NEWEST = (
    " documents.number = (SELECT MAX(number) FROM documents AS newer"
    " WHERE newer.name = documents.name)"
)
_UNASKED = f"""
    SELECT passages.* FROM passages JOIN documents ON documents.number = document
    WHERE passages.number NOT IN (SELECT number FROM passages_asked) AND {_NEWEST}
    ORDER BY document, place LIMIT 1
"""  # noqa: S608 - put together from constants
_QUESTIONS = """
    SELECT passage_questions.*, passages.document, passages.place
    FROM passage_questions JOIN passages ON passages.number = passage
    WHERE passages.document = ? ORDER BY passage_questions.number
"""
_SOURCE = """
    SELECT passages.*, documents.name FROM passage_questions
    JOIN passages ON passages.number = passage JOIN documents ON documents.number = document
    WHERE example = ?
"""


class Unasked(NamedTuple):
    """A passage of which no questions were made yet, with its number in the database."""

    number: int
    passage: Passage


class Source(NamedTuple):
    """The passage that an example was made of, and the name of its document."""

    passage: Passage
    document: str


class PassageQuestions:
    """All of them. Safe to use from several threads.

    Args:
        db: Where they are kept, beside the passages.
    """

    def __init__(self, db: Database) -> None:
        self._db = db

    def next_unasked(self) -> Unasked | None:
        """The first passage of a document that holds of which no questions were made yet."""
        rows = self._db.read(_UNASKED)
        return Unasked(rows[0]["number"], to_passage(rows[0])) if rows else None

    def newest_passage(self) -> int:
        """The number of the passage that came last, of those that there are; 0 where none are."""
        return self._db.read("SELECT COALESCE(MAX(number), 0) FROM passages")[0][0]

    def keep(self, number: int, made: Sequence[tuple[str, str]]) -> None:
        """Keep what was made of a passage, questions with their answers; none if it is gone."""
        with self._db.transaction() as connection:
            found = connection.execute("SELECT 1 FROM passages WHERE number = ?", (number,))
            if found.fetchone() is None:
                return
            connection.execute("INSERT OR IGNORE INTO passages_asked VALUES (?)", (number,))
            connection.executemany(
                "INSERT INTO passage_questions (passage, question, answer, status)"
                " VALUES (?, ?, ?, 'waiting')",
                [(number, question, answer) for question, answer in made],
            )

    def of(self, document_id: str) -> list[PassageQuestion]:
        """What was made of a document, in its order; texts of those alone that wait.

        Raises:
            NotFound: It is no id of a document.
        """
        return list(map(_question, self._db.read(_QUESTIONS, (document_number(document_id),))))

    def asked(self, document_id: str) -> int:
        """Of how many passages of a document the base was asked to make questions.

        Raises:
            NotFound: It is no id of a document.
        """
        return self._db.read(
            "SELECT COUNT(*) FROM passages_asked JOIN passages USING (number) WHERE document = ?",
            (document_number(document_id),),
        )[0][0]

    def waiting(self, document_id: str, numbers: Collection[int] | None) -> list[PassageQuestion]:
        """Those that wait, of some numbers or all.

        Raises:
            NotFound: It is no id of a document.
            RequestError: One is none of the document's that wait.
        """
        found = {q.number: q for q in self.of(document_id) if q.status == "waiting"}
        if numbers is None:
            return list(found.values())
        if strange := [number for number in numbers if number not in found]:
            raise RequestError(
                f"{document_id} has no waiting question {strange[0]}.",
                field="questions",
                value=strange[0],
                remedy=f"GET /documents/{document_id}/questions lists them.",
            )
        return [found[number] for number in dict.fromkeys(numbers)]

    def documents_waiting(self) -> list[str]:
        """Ids of the documents that have questions that wait."""
        rows = self._db.read(
            "SELECT DISTINCT document FROM passage_questions"
            " JOIN passages ON passages.number = passage WHERE status = 'waiting'"
            " ORDER BY document"
        )
        return [document_id(row["document"]) for row in rows]

    def can_write(self, base_hash: str) -> bool | None:
        """Whether a base can make questions; None where that was not measured yet."""
        rows = self._db.read("SELECT can_write FROM question_writers WHERE base = ?", (base_hash,))
        return bool(rows[0]["can_write"]) if rows else None

    def note_can_write(self, base_hash: str, *, can: bool) -> None:
        """Keep what was measured of a base."""
        with self._db.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO question_writers VALUES (?, ?)", (base_hash, int(can))
            )

    def refuse(self, questions: Sequence[PassageQuestion]) -> None:
        """Teach none of these, and drop their texts."""
        with self._db.transaction() as connection:
            for question in questions:
                _settle(connection, question, "refused", None)

    def source(self, example_id: str) -> Source | None:
        """The passage that an example was made of; None: it was made of none, or that is gone."""
        rows = self._db.read(_SOURCE, (example_id,))
        return Source(to_passage(rows[0]), rows[0]["name"]) if rows else None


def teach(
    connection: Connection, questions: Sequence[PassageQuestion], example_ids: Sequence[str | None]
) -> None:
    """In the open transaction that keeps their examples: note which each has become.

    Args:
        connection: The transaction's.
        questions: What is taught.
        example_ids: Theirs; None of one that says what another says.

    Raises:
        Conflict: Somebody has taught or refused one meanwhile.
    """
    for question, example_id in zip(questions, example_ids, strict=True):
        _settle(connection, question, "taught", example_id)


def remove(
    connection: Connection, *, passages: Sequence[int] = (), examples: Sequence[str] = ()
) -> None:
    """Take out, in the open transaction that deletes these, what was made of or is one of them."""
    numbers = to_json(list(passages))
    for statement in (
        "DELETE FROM passage_questions WHERE passage IN (SELECT value FROM json_each(?))",
        "DELETE FROM passages_asked WHERE number IN (SELECT value FROM json_each(?))",
    ):
        connection.execute(statement, (numbers,))
    connection.execute(
        "DELETE FROM passage_questions WHERE example IN (SELECT value FROM json_each(?))",
        (to_json(list(examples)),),
    )


def _settle(
    connection: Connection, question: PassageQuestion, status: str, example_id: str | None
) -> None:
    changed = connection.execute(
        "UPDATE passage_questions SET status = ?, example = ?, question = '', answer = ''"
        " WHERE number = ? AND status = 'waiting'",
        (status, example_id, question.number),
    ).rowcount
    if not changed:
        raise Conflict(
            f"Question {question.number} was taught or refused already.",
            field="questions",
            value=question.number,
            remedy="List them again.",
        )


def _question(row: Row) -> PassageQuestion:
    return PassageQuestion(
        number=row["number"],
        passage_id=_passage_id(row),
        question=row["question"],
        answer=row["answer"],
        status=row["status"],
        example_id=row["example"],
    )


def _passage_id(row: Row) -> str:
    """``doc_000012.3`` of a row with ``document`` and ``place``."""
    return f"{document_id(row['document'])}.{row['place']}"
