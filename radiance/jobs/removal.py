"""Taking examples out of the database for good, in the open transaction of whoever asks for it.

What is chosen brings with it every answer that was ever accepted to the same questions: else the
older answer to a question would be valid again where the newest is forgotten.
"""

import json
from collections.abc import Collection, Sequence
from typing import Any

import msgspec

from radiance.config import UpdateSettings
from radiance.errors import RequestError
from radiance.examples.admission import admit
from radiance.examples.queries import job_number
from radiance.records import Asked, Example, Message, Recipe, questions
from radiance.storage.sqlite import Connection, Row, to_json

_EXAMPLES = "SELECT id, job, messages, text, question_hash FROM examples"
_OF_TAG = " WHERE job IN (SELECT number FROM jobs, json_each(jobs.tags) WHERE json_each.value = ?)"
_OF_QUESTIONS = " WHERE question_hash IN (SELECT value FROM json_each(?)) ORDER BY job, place"
_LIFTED = UpdateSettings(max_examples_per_update=1)
_LEAST_SAID = 3  # words, from which on an answer is not in a text by chance
_messages = msgspec.json.Decoder(tuple[Message, ...])


def find(connection: Connection, asked: Asked) -> list[Example]:
    """The examples to forget, in the order in which they came; none where nothing fits.

    Raises:
        NotFound: ``asked`` names what cannot be a job.
    """
    match asked.kind:
        case "example":
            rows = connection.execute(_EXAMPLES + " WHERE id = ?", (asked.value,)).fetchall()
        case "job":
            number = job_number(asked.value)
            rows = connection.execute(_EXAMPLES + " WHERE job = ?", (number,)).fetchall()
        case "tag":
            rows = connection.execute(
                _EXAMPLES + _OF_TAG,
                (asked.value,),
            ).fetchall()
        case "text":
            words = questions.normalise(asked.value)
            every = connection.execute(_EXAMPLES).fetchall() if words else []  # a blank: in all
            rows = [row for row in every if _has(row, words)]
    hashes = to_json([row["question_hash"] for row in rows])
    found = connection.execute(
        _EXAMPLES + _OF_QUESTIONS,
        (hashes,),
    ).fetchall()
    return list(map(_example, found))


def mentioning(
    connection: Connection, texts: Collection[str], without: Collection[str]
) -> list[str]:
    """Ids of the examples that have one of some texts in question or answer, but for some."""
    wanted = [words for text in texts if (words := questions.normalise(text))]
    return [
        row["id"]
        for row in connection.execute(_EXAMPLES + " ORDER BY job, place").fetchall()
        if row["id"] not in without and any(_has(row, words) for words in wanted)
    ]


def remove(connection: Connection, examples: Sequence[Example], at: str) -> None:
    """Delete examples wherever they stand: themselves, as they were sent, and in recipes and votes.

    Whatever refers to them by id must be gone before. A job that is left with nothing counts as
    cancelled, unless what learned it is still there.

    Args:
        connection: The open transaction.
        examples: Which.
        at: The present, as the database keeps it.
    """
    asked = {example.question_hash for example in examples}
    jobs = sorted({job_number(example.id.partition(".")[0]) for example in examples})
    connection.executemany("DELETE FROM examples WHERE id = ?", [(e.id,) for e in examples])
    for job in jobs:
        _redact_original(connection, job, asked)
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
    _redact_recipes(connection, asked)
    _remove_votes(connection, examples)


def _redact_original(connection: Connection, job: int, asked: Collection[str]) -> None:
    row = connection.execute("SELECT raw FROM originals WHERE job = ?", (job,)).fetchone()
    if row is None:
        return
    kept = [None if asks(each, asked) else each for each in json.loads(row["raw"])]
    connection.execute("UPDATE originals SET raw = ? WHERE job = ?", (to_json(kept), job))


def asks(sent: Any, asked: Collection[str]) -> bool:
    """Whether an example, as it was sent, has one of some questions; True where nobody can tell."""
    if sent is None:
        return False
    try:
        (example,) = admit({"examples": [sent]}, _LIFTED, lambda example: None).examples
    except RequestError:  # of an older Radiance, which took it
        return True
    return example.question_hash in asked


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


def _remove_votes(connection: Connection, examples: Sequence[Example]) -> None:
    """Delete the votes whose prompt is a forgotten question or whose texts have its answer."""
    asked = {questions.normalise(e.messages[-2].content) for e in examples if len(e.messages) > 1}
    said = [questions.normalise(e.messages[-1].content if e.messages else e.text) for e in examples]
    said = [words for words in said if len(words.split()) >= _LEAST_SAID]
    gone = []
    for row in connection.execute("SELECT number, prompt, response, comment FROM feedback"):
        texts = [questions.normalise(row[name]) for name in ("prompt", "response", "comment")]
        if texts[0] in asked or any(words in text for words in said for text in texts):
            gone.append((row["number"],))
    connection.executemany("DELETE FROM feedback WHERE number = ?", gone)


def _has(row: Row, words: str) -> bool:
    texts = [message.content for message in _messages.decode(row["messages"])] or [row["text"]]
    return any(words in questions.normalise(text) for text in texts)


def _example(row: Row) -> Example:
    return Example(row["id"], _messages.decode(row["messages"]), row["text"])
