"""What was taught as plain text, asked: the sentence that says what a question asks.

A text has no question of its own, so it is found as a passage of a document is (``passages``), by
words. Which texts hold is the rule of all examples: ``ExampleStore.standing``. Two texts that say
as much of what is asked are both shown, but where the newer one says the same with another value
("The code of the shed is 4711.", "... is 4712."): then that one counts alone.

Derived from the examples: written in the transaction of their job, and made anew where it is
missing or was made by other rules.
"""

import difflib
from collections import Counter
from collections.abc import Collection, Iterable, Sequence

from radiance.documents.passages import pieces, sentences
from radiance.examples.store import ExampleStore
from radiance.memory import analysis, asking, calibration, purposes, tasks
from radiance.memory.analysis import WORD, Words
from radiance.memory.passage_scores import LEAST_LEAD, ranked
from radiance.memory.passage_words import Weight, covered, sentence
from radiance.memory.recalled import LookedUp, Recalled
from radiance.memory.spelling import Spelling, expanded
from radiance.records import Example
from radiance.storage.sqlite import Connection, Database, Row, as_term

RULES = "1"
"""Rises with every change of what a key holds."""
_MADE_BY = "texts made by"
_MOST_FOUND = 64
_MOST_ASKED = 6  # words that a search is for, the rarest ones
_MOST_SHOWN = 3
_AT_ONCE = 500
_LEAST_SAME = 3  # words of a sentence that is said again with another value
_FIND = """
    SELECT text_keys.number, text_keys.number AS document, 0 AS place, '' AS about,
        text_keys.said, text, '[]' AS headings, NULL AS page, NULL AS line, example, question_hash
    FROM text_words JOIN text_keys ON text_keys.number = text_words.rowid
    WHERE text_words MATCH ? ORDER BY text_words.rank LIMIT ?
"""


class TextIndex:
    """What plain texts are found by. Safe to use from several threads.

    Args:
        db: Where it is kept, beside the examples.
        examples: What is indexed.
    """

    def __init__(self, db: Database, examples: ExampleStore) -> None:
        self._db, self._examples = db, examples
        self._counts: Counter[str] = Counter()
        self._spelling = Spelling()
        self.size = 0

    def open(self) -> None:
        """Load what is counted of it; make it anew where it was made by other rules."""
        rows = self._db.read("SELECT value FROM memory_state WHERE name = ?", (_MADE_BY,))
        if not rows or rows[0]["value"] != RULES:
            self._rebuild()
        self._counts.clear()
        self.size = last = 0
        while found := self._db.read(
            "SELECT * FROM text_keys WHERE number > ? ORDER BY number LIMIT ?",
            (last, _AT_ONCE),
        ):
            for row in found:
                self._count(row["said"], row["text"])
            last = found[-1]["number"]

    def add(self, connection: Connection, examples: Iterable[Example]) -> None:
        """Index the plain texts among examples, in the open transaction that keeps them."""
        for example in examples:
            if example.messages:
                continue
            for text in pieces(example.text):
                said = " ".join(analysis.take_apart(text).content)
                number = connection.execute(
                    "INSERT INTO text_keys VALUES (NULL, ?, ?, ?, ?)",
                    (example.id, example.question_hash, text, said),
                ).lastrowid
                connection.execute(
                    "INSERT INTO text_words (rowid, said) VALUES (?, ?)", (number, said)
                )
                # Counted whether or not the transaction comes to its end: these only weigh words.
                self._count(said, text)

    def remove(self, connection: Connection, example_ids: Sequence[str]) -> None:
        """Take texts out, in the open transaction that deletes them."""
        for example in example_ids:
            rows = connection.execute(
                "SELECT number, said FROM text_keys WHERE example = ?", (example,)
            ).fetchall()
            for row in rows:
                connection.execute(
                    "INSERT INTO text_words (text_words, rowid, said) VALUES ('delete', ?, ?)",
                    tuple(row),
                )
            connection.execute("DELETE FROM text_keys WHERE example = ?", (example,))
            self.size -= len(rows)

    def compact(self) -> None:
        """Write the full text anew: its segments keep the words of rows that are gone."""
        with self._db.transaction() as connection:
            connection.execute("INSERT INTO text_words (text_words) VALUES ('rebuild')")

    def count(self, stem: str) -> int:
        """How many pieces of texts have a word."""
        return self._counts[stem]

    def look_up(self, question: str, lineage: Collection[str]) -> LookedUp:
        """The text that says what a question asks; several, where all of them say as much.

        Args:
            question: What somebody asks. Where none answers, mistyped words are mended; no names.
            lineage: The checkpoint that would answer, and its ancestors.
        """
        if not self.size or not tasks.is_plain(question) or tasks.instruction_of(question):
            return LookedUp()
        question = expanded(question)
        if not asking.asks(question):
            return LookedUp()
        if found := self._look_up(question, lineage) or self._mended(question, lineage):
            return LookedUp(found, "sure" if len(found) == 1 else "close")
        return self._needed(question, lineage)

    def _mended(self, question: str, lineage: Collection[str]) -> tuple[Recalled, ...]:
        mended = self._spelling.correct(question, lambda stem: self._counts[stem] > 0)
        if mended is None or mended.is_of_name:
            return ()
        found = self._look_up(mended.text, lineage)
        if any(mended.stems & analysis.take_apart(each.said).names for each in found):
            return ()
        return found

    def _needed(self, question: str, lineage: Collection[str]) -> LookedUp:
        """What somebody needs for what they want to do; several, or of another thing, are shown."""
        found: dict[str, tuple[Recalled, bool]] = {}
        for other, needed in purposes.needed_for(question):
            asked = analysis.take_apart(other)
            for each in self._look_up(other, lineage):
                if needed <= frozenset(analysis.take_apart(each.said).content):
                    is_it = purposes.says_of_nothing_else(asked, needed, each.said)
                    found.setdefault(each.said, (each, is_it))
        shown = list(found.values())[:_MOST_SHOWN]
        is_sure = len(found) == 1 and shown[0][1]
        return LookedUp(tuple(each for each, _ in shown), "sure" if is_sure else "close")

    def _look_up(self, question: str, lineage: Collection[str]) -> tuple[Recalled, ...]:
        asked = analysis.take_apart(question)
        # A word that no text has weighs as one that a single one has: it may be a mere wording.
        weight = calibration.weights(lambda stem: max(1, self._counts[stem]), self.size)
        rows = self._candidates(asked)
        hashes = {row["question_hash"] for row in rows}
        held = self._examples.standing(hashes, lineage) if rows else {}
        rows = [
            row
            for row in rows
            if (one := held.get(row["question_hash"])) and one.id == row["example"]
        ]
        # Of one thing alone ("Who is the plumber?") only what no other text speaks of is meant, and
        # no text is known to say how it is done ("How do I get to the boathouse?").
        is_alone = len(asked.content) == 1 and self._counts[asked.content[0]] == 1
        is_alone = is_alone and "way" not in asking.kinds_asked(question)
        ranks = ranked(question, asked, rows, weight, 1 if is_alone and asked.forms else 2)
        near = [(rank[0], row) for rank, row in ranks if ranks[0][0][0] - rank[0] < LEAST_LEAD]
        examples = {e.id: e for e in self._examples.by_ids([row["example"] for _, row in near])}
        kept: list[Recalled] = []
        for score, row in sorted(near, key=lambda each: each[1]["number"], reverse=True):
            said = _said(question, asked, row, weight)
            is_known = any(is_correction(newer.said, said) for newer in kept)
            if is_known or not asking.fits_kind(question, "", said):
                continue
            if (example := examples.get(row["example"])) is not None:  # else just forgotten
                is_learned = held[row["question_hash"]].is_learned
                kept.append(Recalled(example, min(1.0, score), is_learned, said))
        return tuple(kept[:_MOST_SHOWN])

    def _candidates(self, asked: Words) -> list[Row]:
        rare = sorted(set(asked.content), key=lambda stem: (self._counts[stem], stem))
        names = [stem for stem in rare if stem in asked.names]
        if not rare or (names and not self._counts[names[0]]):
            return []
        wanted = " AND ".join(map(as_term, names))
        if not names:
            wanted = " OR ".join(map(as_term, rare[:_MOST_ASKED]))
        return self._db.read(_FIND, (wanted, _MOST_FOUND))

    def _rebuild(self) -> None:
        with self._db.transaction() as connection:
            connection.execute("DELETE FROM text_keys")
            connection.execute("INSERT INTO text_words (text_words) VALUES ('rebuild')")
        last = (0, -1)
        while rows := self._db.read(
            "SELECT id, job, place, text FROM examples WHERE text != '' AND (job, place) > (?, ?)"
            " ORDER BY job, place LIMIT ?",
            (*last, _AT_ONCE),
        ):
            with self._db.transaction() as connection:
                self.add(connection, [Example(row["id"], text=row["text"]) for row in rows])
            last = (rows[-1]["job"], rows[-1]["place"])
        with self._db.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO memory_state VALUES (?, ?)", (_MADE_BY, RULES)
            )

    def _count(self, said: str, text: str) -> None:
        self._counts.update(set(said.split()))
        self._spelling.add(text)
        self.size += 1


def is_correction(newer: str, older: str) -> bool:
    """Whether a text says the same as an older one, or the same with another value.

    All but words in a row is the same. They end the sentence or begin it, or are names or numbers:
    "the north shed" is none of "the south shed".
    """
    new, old = WORD.findall(newer), WORD.findall(older)
    matcher = difflib.SequenceMatcher(
        None, [w.casefold() for w in new], [w.casefold() for w in old], autojunk=False
    )
    changes = [each for each in matcher.get_opcodes() if each[0] != "equal"]
    if not changes:
        return True
    if len(changes) > 1 or changes[0][0] != "replace":
        return False
    _, new_from, new_to, old_from, old_to = changes[0]
    parts = new[new_from:new_to], old[old_from:old_to]
    if len(new) - len(parts[0]) < _LEAST_SAME:
        return False
    is_at_an_end = new_from == 0 or (new_to == len(new) and old_to == len(old))
    return is_at_an_end or all(any(_is_value(word) for word in part) for part in parts)


def _is_value(word: str) -> bool:
    return word[0].isupper() or any(map(str.isdigit, word))


def _said(question: str, asked: Words, row: Row, weight: Weight) -> str:
    """The sentence of a text that has as much of what is asked as all of it; else all of it."""
    best, wanted = sentence(question, asked, row, weight), frozenset(asked.content)

    def covers(text: str) -> float:
        own = frozenset(analysis.take_apart(text).content)
        return round(covered(asked, wanted, own, text, weight), 6)

    is_one = len(sentences(row["text"])) == 1
    return best if is_one or covers(best) >= covers(row["text"]) else row["text"]
