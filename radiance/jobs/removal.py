"""Taking examples out of the database for good, in the open transaction of whoever asks for it.

What is chosen brings with it every answer that was ever accepted to the same questions: else the
older answer to a question would be valid again where the newest is forgotten. Texts are looked
through before the transaction (``Scan``): there may be many, and everybody would wait.
"""

import json
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import msgspec

from radiance.config import UpdateSettings
from radiance.documents import questions as made
from radiance.documents.passages import sentences
from radiance.documents.store import document_number
from radiance.errors import RequestError
from radiance.examples.admission import admit
from radiance.examples.queries import job_number
from radiance.records import Asked, Example, Message, Passage, Recipe, questions
from radiance.records.phrases import Phrase
from radiance.storage.scanning import Scan
from radiance.storage.sqlite import Connection, Database, Row, to_json

_EXAMPLES = "SELECT id, job, messages, text, question_hash FROM examples"
_OF_TAG = " WHERE job IN (SELECT number FROM jobs, json_each(jobs.tags) WHERE json_each.value = ?)"
# What was made of a document says what it says: it goes with it.
_OF_DOCUMENT = """
    WHERE id IN (
        SELECT example FROM passage_questions JOIN passages ON passages.number = passage
        JOIN documents ON documents.number = document
        WHERE name IN (SELECT name FROM documents WHERE number = ?)
    )
"""
_OF_QUESTIONS = " WHERE question_hash IN (SELECT value FROM json_each(?)) ORDER BY job, place"
_ALL_EXAMPLES = (
    "SELECT job AS major, place AS minor, id, messages, text, question_hash FROM examples"
    " WHERE (job, place) > (:major, :minor) ORDER BY job, place LIMIT :limit"
)
_ALL_VOTES = (
    "SELECT number AS major, 0 AS minor, prompt, response, comment FROM feedback"
    " WHERE (number, 0) > (:major, :minor) ORDER BY number LIMIT :limit"
)
_LIFTED = UpdateSettings(max_examples_per_update=1)
_LEAST_SAID = 3  # words, from which on an answer is not in a text by chance
_messages = msgspec.json.Decoder(tuple[Message, ...])


class Sought:
    """The examples that somebody wants forgotten.

    Args:
        db: Where they are.
        asked: By what they are chosen.
    """

    def __init__(self, db: Database, asked: Asked) -> None:
        self.asked = asked
        self._having: Scan | None = None
        if asked.kind == "text" and (phrase := Phrase(asked.value)):  # a blank: in all
            self._having = Scan(db, _ALL_EXAMPLES, lambda row: _has(row, [phrase]))

    def find(self, connection: Connection) -> list[Example]:
        """Them in the order in which they came, in the open transaction; none where nothing fits.

        Raises:
            NotFound: What was asked names what cannot be a job.
        """
        rows: list[Row] = []
        match self.asked.kind:
            case "example":
                rows = connection.execute(
                    _EXAMPLES + " WHERE id = ?", (self.asked.value,)
                ).fetchall()
            case "job":
                number = job_number(self.asked.value)
                rows = connection.execute(_EXAMPLES + " WHERE job = ?", (number,)).fetchall()
            case "tag":
                rows = connection.execute(_EXAMPLES + _OF_TAG, (self.asked.value,)).fetchall()
            case "document":
                rows = connection.execute(
                    _EXAMPLES + _OF_DOCUMENT, (document_number(self.asked.value),)
                ).fetchall()
            case "text" if self._having is not None:
                rows = self._having.finish(connection)
        hashes = to_json([row["question_hash"] for row in rows])
        return list(map(_example, connection.execute(_EXAMPLES + _OF_QUESTIONS, (hashes,))))


def mentioning(db: Database, texts: Collection[str], without: Collection[str]) -> list[str]:
    """Ids of the examples that have one of some texts in question or answer, but for some."""
    wanted = [phrase for text in texts if (phrase := Phrase(text))]
    if not wanted:
        return []
    return [
        row["id"]
        for row in Scan(db, _ALL_EXAMPLES, lambda row: _has(row, wanted)).found
        if row["id"] not in without
    ]


class ForgottenTexts:
    """What is forgotten, to be found wherever else it stands.

    Attributes:
        questions: Identities of what is asked.
    """

    def __init__(self, examples: Iterable[Example], passages: Iterable[Passage] = ()) -> None:
        examples, passages = list(examples), list(passages)
        self.questions = frozenset(example.question_hash for example in examples)
        self._asked = {
            questions.normalise(example.messages[-2].content)
            for example in examples
            if len(example.messages) > 1
        }
        said = [e.messages[-1].content if e.messages else e.text for e in examples]
        self._said = [p for text in said if len(p := Phrase(text)) >= _LEAST_SAID]
        self._told = [p for text in self._asked if len(p := Phrase(text)) >= _LEAST_SAID]
        self._sentences = {
            questions.normalise(sentence)
            for passage in passages
            for sentence in sentences(passage.text)
            if len(sentence.split()) >= _LEAST_SAID
        }

    def is_in(self, sent: Any) -> bool:
        """Whether an example, as it was sent, has one of the questions.

        What cannot be read as an example (of an older Radiance, which took it, or no example at
        all) has it where its text has a question or an answer.
        """
        if sent is None:
            return False
        if isinstance(sent, dict):
            try:
                (example,) = admit({"examples": [sent]}, _LIFTED, lambda example: None).examples
            except RequestError:
                pass
            else:
                return example.question_hash in self.questions
        text = questions.normalise(" ".join(_texts(sent)))
        return any(phrase.is_in(text) for phrase in (*self._told, *self._said))

    def is_in_vote(self, prompt: str, response: str, comment: str) -> bool:
        """Whether a vote's prompt is one of the questions, or its texts have an answer."""
        texts = [questions.normalise(text) for text in (prompt, response, comment)]
        if texts[0] in self._asked:
            return True
        if any(phrase.is_in(text) for phrase in self._said for text in texts):
            return True
        return bool(self._sentences) and any(
            questions.normalise(sentence) in self._sentences
            for text in (prompt, response, comment)
            for sentence in sentences(text)
        )


class VotesOnForgotten:
    """The votes that have something that is forgotten."""

    def __init__(self, db: Database, forgotten: ForgottenTexts) -> None:
        self._scan = Scan(
            db,
            _ALL_VOTES,
            lambda row: forgotten.is_in_vote(row["prompt"], row["response"], row["comment"]),
        )

    def remove(self, connection: Connection) -> None:
        """Delete them, in the open transaction."""
        gone = [(row["major"],) for row in self._scan.finish(connection)]
        connection.executemany("DELETE FROM feedback WHERE number = ?", gone)


def remove(connection: Connection, examples: Sequence[Example], at: str) -> None:
    """Delete examples: themselves, as sent, and in recipes. ``VotesOnForgotten`` does the votes.

    Whatever refers to them by id must be gone before. A job that is left with nothing counts as
    cancelled, unless what learned it is still there.

    Args:
        connection: The open transaction.
        examples: Which.
        at: The present, as the database keeps it.
    """
    forgotten = ForgottenTexts(examples)
    jobs = sorted({job_number(example.id.partition(".")[0]) for example in examples})
    connection.executemany("DELETE FROM examples WHERE id = ?", [(e.id,) for e in examples])
    made.remove(connection, examples=[example.id for example in examples])
    for job in jobs:
        _redact_original(connection, job, forgotten)
        (left,) = connection.execute(
            "SELECT COUNT(*) FROM examples WHERE job = ?", (job,)
        ).fetchone()
        if left:
            connection.execute("UPDATE jobs SET example_count = ? WHERE number = ?", (left, job))
            continue
        connection.execute(
            "UPDATE jobs SET tags = '[]', key = NULL,"
            " status = 'cancelled', checkpoint = NULL, rejected_checkpoint = NULL,"
            " error = 'What it taught was forgotten.', finished_at = COALESCE(finished_at, ?)"
            " WHERE number = ?",
            (at, job),
        )
    _redact_recipes(connection, forgotten.questions)


def _redact_original(connection: Connection, job: int, forgotten: ForgottenTexts) -> None:
    row = connection.execute("SELECT raw FROM originals WHERE job = ?", (job,)).fetchone()
    if row is None:
        return
    kept = [None if forgotten.is_in(each) else each for each in json.loads(row["raw"])]
    connection.execute("UPDATE originals SET raw = ? WHERE job = ?", (to_json(kept), job))


def _redact_recipes(connection: Connection, asked: Collection[str]) -> None:
    rows = connection.execute("SELECT number, recipe FROM jobs WHERE recipe IS NOT NULL").fetchall()
    for row in rows:
        recipe = msgspec.json.decode(row["recipe"], type=Recipe)
        kept = tuple(each for each in recipe.validation if each.question_hash not in asked)
        if kept != recipe.validation:
            recipe = msgspec.structs.replace(recipe, validation=kept)
            connection.execute(
                "UPDATE jobs SET recipe = ? WHERE number = ?", (to_json(recipe), row["number"])
            )


def _texts(value: Any) -> Iterable[str]:
    """Every text in plain data."""
    waiting = [value]
    while waiting:
        match waiting.pop():
            case str() as text:
                yield text
            case dict() as found:
                waiting += found.values()
            case list() as found:
                waiting += found


def _has(row: Row, phrases: Iterable[Phrase]) -> bool:
    texts = [message.content for message in _messages.decode(row["messages"])] or [row["text"]]
    normalised = [questions.normalise(text) for text in texts]
    return any(phrase.is_in(text) for phrase in phrases for text in normalised)


def _example(row: Row) -> Example:
    return Example(row["id"], _messages.decode(row["messages"]), row["text"])
