"""Passages of documents, asked: the one that says what a question asks, by words and by meaning.

*Scope.* Every name and code of the question stands in the passage or in what it stands under.
*Score.* How much of the question the passage covers, rare words counting more, and synonyms less.
What is asked of a name must be covered by itself, most of it where several passages have the name:
a passage about the same house says nothing of its landlord. A question without names must be
covered nearly whole. Where another passage of the document covers about as much, none of the two is
sure enough. So a passage answers less often than it could, and what it does not answer the weights
are asked as ever.
*Meaning.* Where there is an embedder, what is in scope is compared by it, sentence by sentence,
once what all of it has in common is taken off; the words that are asked for count beside it. The
best one answers where it is alike enough and leads by much, or where words say the same and no
other passage could be meant.
"""

import re
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from radiance.documents.store import to_passage
from radiance.memory import analysis, asking, calibration, tasks
from radiance.memory.analysis import Words
from radiance.memory.embedders import Embedder, NoEmbedder
from radiance.memory.passage_scores import Scored, best, share_a_name
from radiance.memory.passage_vectors import PassageVectors
from radiance.memory.passage_words import Weight, covered, sentence, stands_alone, words_of
from radiance.memory.spelling import Spelling, expanded
from radiance.records import Passage
from radiance.storage.sqlite import Connection, Database, Row, as_term

RULES = "5"
"""Rises with every change of what a key holds."""
_MADE_BY = "passages made by"
_MOST_FOUND = 64
_MOST_ASKED = 6  # words that a search is for, the rarest ones
_AT_ONCE = 500
# By meaning: fitted on 1,200 answers about 60 authors of TOFU, others than those it is judged on.
# Where nothing else could be meant there is no lead to tell by: it must be more alike.
_LEAST_ALIKE, _LEAST_LEAD_ALIKE, _OF_WORDS = 0.76, 0.42, 0.5
_LEAST_ALIKE_ALONE, _LEAST_BESIDE_WORDS = 0.88, 0.6
_LEAST_BESIDE_ALL_WORDS = 0.5  # of a question without names, of which words have nearly all
_ASKS_FOR_MORE = re.compile(r"\b(?:how(?! (?:many|much|old))|why|list|explain|tell me about)\b")
_FIND = """
    SELECT passages.*, passage_keys.about, passage_keys.said, documents.name
    FROM passage_words
    JOIN passage_keys ON passage_keys.number = passage_words.rowid
    JOIN passages ON passages.number = passage_words.rowid
    JOIN documents ON documents.number = passages.document
    WHERE passage_words MATCH ? AND documents.number =
        (SELECT MAX(number) FROM documents AS newer WHERE newer.name = documents.name)
    ORDER BY passage_words.rank LIMIT ?
"""


@dataclass(frozen=True)
class FoundPassage:
    """A passage that says what a question asks.

    Attributes:
        document: The name of its document.
        score: How much of the question it covers, in [0, 1].
        sentence: The sentence of it that covers most.
        said: What answers: that sentence, where it is a line of a list or a paragraph by itself and
            covers all that the passage does; else all of it.
    """

    passage: Passage
    document: str
    score: float
    sentence: str
    said: str

    @property
    def source(self) -> str:
        """Where it stands, for people: "notes.md, Prices › Rent, line 12"."""
        return ", ".join(filter(None, (self.document, self.passage.place)))


class PassageIndex:
    """What passages are found by. Safe to use from several threads.

    Args:
        db: Where it is kept, beside the passages.
        embedder: Says how alike texts mean. Vectors are made a moment after their passages; until
            then words alone answer.

    Attributes:
        spelling: The words that they have.
    """

    def __init__(self, db: Database, embedder: Embedder | None = None) -> None:
        self._db, self._embedder = db, embedder or NoEmbedder()
        self._vectors = PassageVectors(db, self._embedder.dimensions)
        self._counts: Counter[str] = Counter()
        self.spelling = Spelling()
        self.size = 0

    def open(self) -> None:
        """Load what is counted of it; make it anew where it was made by other rules."""
        rows = self._db.read("SELECT value FROM memory_state WHERE name = ?", (_MADE_BY,))
        if not rows or rows[0]["value"] != RULES:
            self._rebuild()
        self._vectors.open(self._embedder.identity)
        self._counts.clear()
        self.size = last = 0
        while found := self._db.read(
            "SELECT passage_keys.*, text FROM passage_keys JOIN passages USING (number)"
            " WHERE number > ? ORDER BY number LIMIT ?",
            (last, _AT_ONCE),
        ):
            for row in found:
                self._count(row["about"], row["said"], row["text"])
            last = found[-1]["number"]

    def add(self, connection: Connection, passages: Sequence[tuple[int, Passage, str]]) -> None:
        """Index the passages of documents, in the open transaction that keeps them.

        Args:
            connection: The transaction's.
            passages: All of each document, each with its number and the title of its document.
        """
        # A title that is a heading of the document stands above what is under that heading alone.
        headed = {each.document_id for _, each, title in passages if title in each.headings}
        for number, passage, title in passages:
            above = passage.headings
            if passage.document_id not in headed:
                above = (title, *above)
            about = " ".join(analysis.take_apart(" ; ".join(above)).content)
            said = " ".join(analysis.take_apart(passage.text).content)
            connection.execute("INSERT INTO passage_keys VALUES (?, ?, ?)", (number, about, said))
            connection.execute(
                "INSERT INTO passage_words (rowid, about, said) VALUES (?, ?, ?)",
                (number, about, said),
            )
            # Counted whether or not the transaction comes to its end: these only weigh words.
            self._count(about, said, passage.text)

    def remove(self, connection: Connection, numbers: Sequence[int]) -> None:
        """Take passages out, in the open transaction that deletes them."""
        for number in numbers:
            row = connection.execute(
                "SELECT * FROM passage_keys WHERE number = ?", (number,)
            ).fetchone()
            if row is None:
                continue
            connection.execute(
                "INSERT INTO passage_words (passage_words, rowid, about, said)"
                " VALUES ('delete', ?, ?, ?)",
                tuple(row),
            )
            connection.execute("DELETE FROM passage_keys WHERE number = ?", (number,))
            self._vectors.remove(connection, number)
            self.size -= 1

    def compact(self) -> None:
        """Write the full text anew: its segments keep the words of rows that are gone."""
        with self._db.transaction() as connection:
            connection.execute("INSERT INTO passage_words (passage_words) VALUES ('rebuild')")

    def embed_missing(self, rest: Callable[[float], bool] = lambda seconds: False) -> None:
        """Give each passage its vectors, one at a time: half of the time is left to requests.

        Args:
            rest: Waits so many seconds; whether to leave the others for later.
        """
        if not self._embedder.dimensions:
            return
        while passages := self._vectors.missing(1):
            began = time.perf_counter()
            for each in passages:
                self._vectors.put(each, self._embedder.embed(each.texts))
            if rest(time.perf_counter() - began):
                return

    def count(self, stem: str) -> int:
        """How many passages have a word, themselves or above them."""
        return self._counts[stem]

    def look_up(
        self, question: str, embed: Callable[[str], np.ndarray | None] = lambda question: None
    ) -> FoundPassage | None:
        """The passage that says what a question asks; None where none surely does.

        Args:
            question: What somebody asks. Where none answers, mistyped words are mended; no names.
            embed: Its vector first, (1 or more, dimensions); None: it is compared by words alone.
        """
        question = expanded(question)
        found = self._look_up(question, embed)
        if found is not None or not self.size or not tasks.is_plain(question):
            return found
        mended = self.spelling.correct(question, lambda stem: self._counts[stem] > 0)
        if mended is None or mended.is_of_name:
            return None
        found = self._look_up(mended.text, embed)
        if found is None or mended.stems & analysis.take_apart(found.passage.text).names:
            return None
        return found

    def _look_up(
        self, question: str, embed: Callable[[str], np.ndarray | None]
    ) -> FoundPassage | None:
        if not self.size or not tasks.is_plain(question) or tasks.instruction_of(question):
            return None
        asked = analysis.take_apart(question)
        # A word that no passage has weighs as one that a single one has: it may be a mere wording.
        weight = calibration.weights(lambda stem: max(1, self._counts[stem]), self.size)
        rows = self._candidates(asked)
        found = best(question, asked, rows, weight)
        if rows and self._embedder.dimensions:
            found = self._by_meaning(question, asked, rows, weight, found, embed)
        if found is None:
            return None
        score, row = found
        said_best = sentence(question, asked, row, weight)
        is_all = not _ASKS_FOR_MORE.search(question.casefold())
        is_all = is_all and stands_alone(question, asked, said_best, row, weight)
        said = said_best if is_all else row["text"]
        return FoundPassage(to_passage(row), row["name"], min(1.0, score), said_best, said)

    def _by_meaning(
        self,
        question: str,
        asked: Words,
        rows: Sequence[Row],
        weight: Weight,
        by_words: Scored | None,
        embed: Callable[[str], np.ndarray | None],
    ) -> Scored | None:
        """The one that is surely meant; what words have found where there are no vectors to say."""
        in_scope = [
            row
            for row in rows
            if asked.names <= words_of(row) and asking.fits_kind(question, "", row["text"])
        ]
        if not in_scope or (vector := embed(question)) is None:
            return by_words
        alike = self._vectors.compare(vector[0], [row["number"] for row in in_scope])
        if len(alike) < len(in_scope):  # some are not made yet
            return by_words
        values = {
            row["number"]: alike[row["number"]].contrast
            + _OF_WORDS * covered(asked, asked.relation, words_of(row), row["text"], weight)
            for row in in_scope
        }
        first, *others = sorted(
            in_scope,
            key=lambda row: (values[row["number"]], row["document"], -row["place"]),
            reverse=True,
        )
        how_alike = alike[first["number"]].whole
        is_said = by_words is not None and by_words[1]["number"] == first["number"]
        beside_words = _LEAST_BESIDE_WORDS if asked.names else _LEAST_BESIDE_ALL_WORDS
        if is_said and not share_a_name(asked, in_scope) and how_alike >= beside_words:
            return by_words
        if len({row["text"] for row in in_scope}) == 1:
            return (how_alike, first) if how_alike >= _LEAST_ALIKE_ALONE else None
        is_close = any(
            values[first["number"]] - values[other["number"]] < _LEAST_LEAD_ALIKE
            and other["document"] == first["document"]
            and other["text"] != first["text"]
            for other in others
        )
        return None if is_close or how_alike < _LEAST_ALIKE else (how_alike, first)

    def _candidates(self, asked: Words) -> list[Row]:
        rare = sorted(set(asked.content), key=lambda stem: (self._counts[stem], stem))
        names = [stem for stem in rare if stem in asked.names]
        if not rare or (names and not self._counts[names[0]]):
            return []
        wanted = " AND ".join(map(as_term, names))
        if not names:
            wanted = " OR ".join(map(as_term, rare[:_MOST_ASKED]))
        elif others := [stem for stem in rare if stem not in asked.names][:_MOST_ASKED]:
            # Full text ranks by all of them, and finds what has the names alone as well.
            wanted = f"{wanted} AND ({' OR '.join(map(as_term, [*names, *others]))})"
        return self._db.read(_FIND, (wanted, _MOST_FOUND))

    def _rebuild(self) -> None:
        with self._db.transaction() as connection:
            connection.execute("DELETE FROM passage_keys")
            connection.execute("INSERT INTO passage_words (passage_words) VALUES ('rebuild')")
        for document in self._db.read("SELECT number, title, name FROM documents ORDER BY number"):
            rows = self._db.read(
                "SELECT * FROM passages WHERE document = ? ORDER BY number", (document["number"],)
            )
            title = document["title"] or document["name"]
            with self._db.transaction() as connection:
                self.add(connection, [(row["number"], to_passage(row), title) for row in rows])
        with self._db.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO memory_state VALUES (?, ?)", (_MADE_BY, RULES)
            )

    def _count(self, about: str, said: str, text: str) -> None:
        self._counts.update({*about.split(), *said.split()})
        self.spelling.add(text)
        self.size += 1
