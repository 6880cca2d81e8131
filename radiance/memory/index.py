"""The index of accepted examples: which could answer a question, by their words.

One row (a key) for each wording by which an example is found, written in the transaction of its
job. All of it is derived from the examples, and made anew where what it was made by has changed.
Which of what is found still holds is not in it: ``ExampleStore.standing`` says.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from radiance.examples.queries import job_number
from radiance.memory import analysis, asking, tasks
from radiance.memory.analysis import Words
from radiance.memory.scope import Candidate
from radiance.memory.spelling import Spelling
from radiance.records import Example, Message, content_hash, questions
from radiance.storage.sqlite import Connection, Database, Row, as_term
from radiance.training.untaught import take_apart

RULES = "7"
"""Rises with every change of what a row holds."""
MOST_FOUND = 64
_MOST_READ = 2 * MOST_FOUND
_MOST_STEMS = 64  # of a question or an answer: a long text is no fact, and would cost much
_MOST_ASKED = 6  # words that a search is for, the rarest ones
_AT_ONCE = 500
_MADE_BY = "made by"
_COLUMNS = (
    "number, example, job, question, answer, context, question_hash, answer_hash, asked, said,"
    " names, name, frame, instruction, is_exact"
)
_INSERT = f"INSERT INTO memory_keys ({_COLUMNS}) VALUES ({', '.join('?' * 15)})"  # noqa: S608
_FIND = """
    SELECT memory_keys.* FROM memory_words
    JOIN memory_keys ON memory_keys.number = memory_words.rowid
    WHERE memory_words MATCH ? AND memory_keys.context = ? AND NOT memory_keys.is_exact
    LIMIT ?
"""
_LEAST_STYLED = 5  # examples that show a style by a word that two thirds of their answers have
_MOST_STATED = 320  # characters of a text that states a fact
_COUNT_STATED = """
    SELECT COUNT(*) AS count FROM examples
    WHERE text <> '' AND LENGTH(text) <= ? AND INSTR(TRIM(text, CHAR(10)), CHAR(10)) = 0
"""
_FIND_BEST = _FIND.replace("LIMIT", "ORDER BY memory_words.rank LIMIT")
_messages = msgspec.json.Decoder(tuple[Message, ...])


class MemoryIndex:
    """The keys of all examples that ask something. Safe to use from several threads.

    Args:
        db: Where they are kept.

    Attributes:
        spelling: The words that they have.
    """

    def __init__(self, db: Database) -> None:
        self._db = db
        self.spelling = Spelling()
        self._counts: Counter[str] = Counter()
        self._tasks = tasks.TaskStatistics()
        self._nameless = 0  # examples that are no question about a name
        self._texts = 0  # of no chat, or with tools
        self._lessons = 0  # those among them that state no fact in a line
        # Examples that are no facts: how many are asked as a question, and how many are not.
        self._others: Counter[bool] = Counter()
        self._added: Counter[str] = Counter()  # how many answers have a word of their own
        self._most_added = 0
        self.size = 0

    def open(self, made_by: str) -> bool:
        """Make it ready; whether it had to be made anew, because what it is made by has changed."""
        (*rows,) = self._db.read("SELECT value FROM memory_state WHERE name = ?", (_MADE_BY,))
        is_old = not rows or rows[0]["value"] != made_by
        if is_old:
            self._rebuild(made_by)
        self._counts.clear()
        self._tasks = tasks.TaskStatistics()
        self._others.clear()
        self._added.clear()
        self._most_added = 0
        self.size = self._nameless = 0
        last = 0
        while found := self._db.read(
            "SELECT * FROM memory_keys WHERE number > ? ORDER BY number LIMIT ?", (last, _AT_ONCE)
        ):
            for row in found:
                self._count(row)
            last = found[-1]["number"]
        (row,) = self._db.read("SELECT COUNT(*) AS count FROM examples")
        self._texts = row["count"] - self.size
        (row,) = self._db.read(_COUNT_STATED, (_MOST_STATED,))
        self._lessons = self._texts - row["count"]
        return is_old

    def add(self, connection: Connection, examples: Iterable[Example]) -> None:
        """Index examples, in the open transaction that keeps them."""
        for example in examples:
            if (values := _values(example)) is None:
                self._texts += 1
                self._lessons += not _is_stated(example.text)
                continue
            number = connection.execute(_INSERT, (None, *values)).lastrowid
            connection.execute(
                "INSERT INTO memory_words (rowid, asked, said)"
                " SELECT number, asked, said FROM memory_keys WHERE number = ?",
                (number,),
            )
            row = connection.execute(
                "SELECT * FROM memory_keys WHERE number = ?", (number,)
            ).fetchone()
            # Counted whether or not the transaction comes to its end: these only weigh words.
            self._count(row)

    def remove(self, connection: Connection, example_ids: Sequence[str]) -> list[int]:
        """Take examples out, in the transaction that deletes them; the numbers of their keys."""
        removed: list[int] = []
        for example in example_ids:
            rows = connection.execute(
                "SELECT number, asked, said FROM memory_keys WHERE example = ?", (example,)
            ).fetchall()
            for row in rows:
                connection.execute(
                    "INSERT INTO memory_words (memory_words, rowid, asked, said)"
                    " VALUES ('delete', ?, ?, ?)",
                    tuple(row),
                )
            connection.execute("DELETE FROM memory_keys WHERE example = ?", (example,))
            self.size -= len(rows)
            removed += [row["number"] for row in rows]
        return removed

    def compact(self) -> None:
        """Write the full text anew: its segments keep the words of rows that are gone."""
        with self._db.transaction() as connection:
            connection.execute("INSERT INTO memory_words (memory_words) VALUES ('rebuild')")

    def find(self, asked: Words, context: str) -> list[Candidate]:
        """What has the names of a question and, where it has none, its rare words.

        Of very many those that full text ranks best.

        Args:
            asked: The question.
            context: Identity of the turns before it, which are the same turns for an example.
        """
        rare = sorted(set(asked.content), key=lambda stem: (self._counts[stem], stem))
        names = [stem for stem in rare if stem in asked.names]
        if not rare or (names and not self._counts[names[0]]):
            return []
        others = " OR ".join(map(as_term, rare[:_MOST_ASKED]))
        wanted, find = " AND ".join(map(as_term, names)), _FIND
        if not names:
            few = [stem for stem in rare if self._counts[stem] <= MOST_FOUND]
            wanted = " OR ".join(map(as_term, few[:_MOST_ASKED])) or others
        if self._counts[(names or rare)[0]] > MOST_FOUND:
            # Ranking reads all rows of every word, so it is left out where few have the rarest.
            wanted, find = (f"({wanted}) AND ({others})" if names else others), _FIND_BEST
        rows = self._db.read(find, (wanted, context, _MOST_READ))
        found = map(_candidate, rows)
        return [candidate for candidate in found if not self._tasks.is_task(candidate)]

    def find_any(self, asked: Words, context: str) -> list[Candidate]:
        """What has some of the words of a question that few have, names or not; as ``find``."""
        few = [stem for stem in asked.content if 0 < self._counts[stem] <= MOST_FOUND]
        few = sorted(few, key=lambda stem: (self._counts[stem], stem))[:_MOST_ASKED]
        if not few:
            return []
        rows = self._db.read(_FIND, (" OR ".join(map(as_term, few)), context, _MOST_READ))
        found = map(_candidate, rows)
        return [candidate for candidate in found if not self._tasks.is_task(candidate)]

    def of(self, numbers: Sequence[int], context: str) -> list[Candidate]:
        """The keys of some numbers, as ``find`` has them."""
        if not numbers:
            return []
        marks = ", ".join("?" * len(numbers))
        rows = self._db.read(
            f"SELECT * FROM memory_keys WHERE number IN ({marks})"  # noqa: S608 - only marks
            " AND context = ? AND NOT is_exact",
            (*numbers, context),
        )
        found = map(_candidate, rows)
        return [candidate for candidate in found if not self._tasks.is_task(candidate)]

    def questions_having(self, stems: Sequence[str]) -> dict[str, set[str]]:
        """The examples that have all of some words, some if there are many, by their question."""
        rows = self._db.read(
            "SELECT example, question_hash FROM memory_words"
            " JOIN memory_keys ON number = memory_words.rowid"
            " WHERE memory_words MATCH ? LIMIT ?",
            (" ".join(map(as_term, stems)), MOST_FOUND),
        )
        found: dict[str, set[str]] = {}
        for row in rows:
            found.setdefault(row["question_hash"], set()).add(row["example"])
        return found

    def sample(self, count: int) -> list[Candidate]:
        """At most so many keys that may be found in other words, spread evenly over all."""
        rows = self._db.read(
            "SELECT * FROM memory_keys WHERE NOT is_exact AND context = ''"
            " AND number % (SELECT 1 + COUNT(*) / :count FROM memory_keys) = 0"
            " ORDER BY number LIMIT :count",
            {"count": count},
        )
        found = map(_candidate, rows)
        return [candidate for candidate in found if not self._tasks.is_task(candidate)]

    def count(self, stem: str) -> int:
        """How many keys have a word."""
        return self._counts[stem]

    @property
    def is_about_names(self) -> bool:
        """Whether all examples are questions about a name, asked alone."""
        return not self._nameless and not self._texts

    def knows_instruction(self, instruction: str) -> bool:
        """Whether any example has an instruction, which is not empty."""
        return self._tasks.has_instruction(instruction)

    def has_other_than_facts(self, *, asked: bool) -> bool:
        """Whether a task, a style or a text was taught, not facts alone.

        Args:
            asked: Whether examples count that are asked as a question, or those that are not; a
                text of several lines counts with both, and so does a style: a word of no question
                and of no relation that two thirds of the answers have, such as "Ahoy".
        """
        has_style = self.size >= _LEAST_STYLED and 3 * self._most_added > 2 * self.size
        return has_style or self._lessons > 0 or self._others[asked] >= tasks.LEAST_SHARING

    def _rebuild(self, made_by: str) -> None:
        """Make all rows anew. Killed within, the next start makes them anew again."""
        with self._db.transaction() as connection:
            connection.execute("DELETE FROM memory_state")
            connection.execute("DELETE FROM memory_keys")
            connection.execute("DELETE FROM memory_vectors")
            connection.execute("INSERT INTO memory_words (memory_words) VALUES ('rebuild')")
        last = (0, -1)
        while rows := self._db.read(
            "SELECT id, job, place, messages, text FROM examples WHERE (job, place) > (?, ?)"
            " ORDER BY job, place LIMIT ?",
            (*last, _AT_ONCE),
        ):
            examples = [Example(r["id"], _messages.decode(r["messages"]), r["text"]) for r in rows]
            with self._db.transaction() as connection:
                self.add(connection, examples)
            last = (rows[-1]["job"], rows[-1]["place"])
        with self._db.transaction() as connection:
            connection.execute("INSERT INTO memory_state VALUES (?, ?)", (_MADE_BY, made_by))

    def _count(self, row: Row) -> None:
        candidate = _candidate(row)
        self._counts.update(candidate.asked | candidate.said)
        self._tasks.add(row["instruction"], candidate)
        self.spelling.add(row["question"])
        self.spelling.add(row["answer"])
        self._nameless += not candidate.names or candidate.is_exact or row["context"] != ""
        self._others[asking.is_question(candidate.question)] += self._weight(
            candidate, row["context"]
        )
        for stem in candidate.said - candidate.asked:
            if not (analysis.is_of_relation(stem) or stem.isdecimal()):
                self._added[stem] += 1
                self._most_added = max(self._most_added, self._added[stem])
        self.size += 1

    def _weight(self, candidate: Candidate, context: str) -> int:
        """Of an example as one that is no fact; of one of a task, as much as shows one."""
        is_fact = tasks.is_told(candidate.question, candidate.answer)
        if tasks.is_yes_or_no(candidate.answer) and is_fact:
            return 0
        if self._tasks.is_task(candidate):
            return tasks.LEAST_SHARING
        return int(not is_fact or candidate.is_exact or context != "")


def context_of(turns: Sequence[Message]) -> str:
    """Identity of the turns before a question; "" for none."""
    if not turns:
        return ""
    return content_hash([[turn.role, questions.normalise(turn.content)] for turn in turns])


def _values(example: Example) -> tuple[object, ...] | None:
    """The columns of an example but for the number; None where it asks nothing."""
    if len(example.messages) < 2 or example.messages[-2].role != "user" or example.has_tools:
        return None  # what a tool is to be asked is no answer to a person
    question, answer = (message.content for message in example.messages[-2:])
    words, said = analysis.take_apart(question), analysis.take_apart(answer)
    taught = take_apart(example)
    return (
        example.id,
        job_number(example.id.partition(".")[0]),
        question,
        answer,
        context_of(example.messages[:-2]),
        example.question_hash,
        content_hash(questions.normalise(answer)),
        " ".join(words.content[:_MOST_STEMS]),
        " ".join(said.content[:_MOST_STEMS]),
        " ".join(sorted(words.names)),
        _name(taught.name) if taught is not None and taught.is_name else "",
        "" if taught is None else content_hash(taught.key),
        tasks.instruction_of(question),
        int(tasks.is_input(example)),
    )


def _is_stated(text: str) -> bool:
    """As ``_COUNT_STATED`` has it: a line, and not a long one."""
    return text != "" and len(text) <= _MOST_STATED and "\n" not in text.strip("\n")


def _name(word: str) -> str:
    """The part of a name that tells it from others: one with a digit, else the longest."""
    parts = analysis.take_apart(word).content
    return max(parts, key=lambda part: (any(c.isdigit() for c in part), len(part)), default="")


def _candidate(row: Row) -> Candidate:
    return Candidate(
        example=row["example"],
        job=row["job"],
        question=row["question"],
        answer=row["answer"],
        asked=frozenset(row["asked"].split()),
        said=frozenset(row["said"].split()),
        names=frozenset(row["names"].split()),
        name=row["name"],
        question_hash=row["question_hash"],
        answer_hash=row["answer_hash"],
        frame=row["frame"],
        is_exact=bool(row["is_exact"]),
        number=row["number"],
    )
