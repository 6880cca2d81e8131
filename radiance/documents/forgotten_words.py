"""Words by which passages were forgotten: held against documents until they are taught again.

A document is sent again and again, most of it as it was: by a script that sends a folder, by
somebody who has mended another line. That teaches what is new in it, and not what was forgotten of
it. So passages that have such words are left out of every document that is sent later, whatever
its name and however else it has changed, until somebody says that they are meant. The words are
kept as hashes alone.
"""

from collections.abc import Collection, Sequence

from radiance.documents.passages import TextBlock
from radiance.records import questions
from radiance.records.phrases import Phrase, PhraseKey, PhraseKeys
from radiance.storage.sqlite import Connection


def hold(connection: Connection, words: str, forget: int) -> None:
    """Hold words against documents, in the open transaction that forgets what has them.

    Args:
        connection: The transaction's.
        words: As they were asked for.
        forget: The number of the request.
    """
    key = Phrase(words).key
    connection.execute(
        "INSERT OR IGNORE INTO forgotten_words VALUES (?, ?, ?)", (key.hash, key.length, forget)
    )


def held(connection: Connection) -> PhraseKeys:
    """The words that are held."""
    rows = connection.execute("SELECT hash, length FROM forgotten_words").fetchall()
    return PhraseKeys([PhraseKey(row["hash"], row["length"]) for row in rows])


def release(connection: Connection, keys: Collection[PhraseKey]) -> None:
    """Hold words no longer, in the open transaction that keeps a document that has them."""
    connection.executemany(
        "DELETE FROM forgotten_words WHERE hash = ?", [(key.hash,) for key in keys]
    )


def found_in(passages: Sequence[TextBlock], words: PhraseKeys) -> list[frozenset[PhraseKey]]:
    """Which of some words each passage has."""
    if not words:
        return [frozenset()] * len(passages)
    return [words.found_in(questions.normalise(passage.text)) for passage in passages]
