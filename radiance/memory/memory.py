"""What was accepted, asked: the example that answers a question, from the moment it is accepted.

*What memory knows.* What serves has learned, and what waits to be learned; of several answers to
one question the newest (``examples.corrections``). So what is superseded, cancelled, failed or
rolled back is not in it, and comes back where the lineage that serves has it again.
"""

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np

from radiance.errors import Cancelled, EngineFailed, Unavailable
from radiance.examples.store import ExampleStore
from radiance.memory import (
    analysis,
    calibration,
    closer,
    given_values,
    matching,
    purposes,
    scope,
    spelling,
    tasks,
)
from radiance.memory.calibration import Calibration, KnownProbe
from radiance.memory.calibrator import Calibrator
from radiance.memory.embedders import Embedder, NoEmbedder
from radiance.memory.index import RULES, MemoryIndex, context_of
from radiance.memory.matching import Found, Ranked
from radiance.memory.otherwise import found_otherwise
from radiance.memory.passages import FoundPassage, PassageIndex
from radiance.memory.recalled import LookedUp, MemoryStats, Recalled
from radiance.memory.scope import Candidate
from radiance.memory.texts import TextIndex
from radiance.memory.untaught import Untaught
from radiance.memory.vectors import Vectors
from radiance.periodic import PeriodicThread
from radiance.records import Example, Message
from radiance.storage.sqlite import Connection, Database
from radiance.telemetry import get_logger

_TICK_S, _TICK_WITH_VECTORS_S = 5.0, 1.0
_BETWEEN_PROBES_S = 0.005  # calibration leaves the processor and the database to requests
_MOST_LINEAGES = 64
_NEAREST = 16  # keys that are looked at for what they mean alone
_EMBEDDED_AT_ONCE = 8
_log = get_logger(__name__)


class Memory:
    """Safe to use from several threads.

    Args:
        db: Where the index is kept, beside the examples.
        examples: What is indexed.
        ancestors: A checkpoint and its ancestors, by its id.
        served: The checkpoint that serves; None is the base.
        max_wrong: Share of questions of each kind that may be answered wrongly.
        max_near: The same of questions about a known name that nobody taught.
        embedder: Says how alike texts mean. A vector is made a moment after its example is
            accepted; until then words alone answer.

    Attributes:
        embedder: The same; one without dimensions where there is none.
        passages: What documents say.
        untaught: Tells questions about what no example says.
        texts: What plain texts say.
    """

    def __init__(
        self,
        db: Database,
        examples: ExampleStore,
        ancestors: Callable[[str], list[str]],
        served: Callable[[], str | None],
        max_wrong: float,
        embedder: Embedder | None = None,
        max_near: float = 0.2,
    ) -> None:
        self._db, self._examples = db, examples
        self._served = served
        self.embedder = embedder or NoEmbedder()
        self._ancestors = lru_cache(maxsize=_MOST_LINEAGES)(ancestors)  # they never change
        self._index = MemoryIndex(db)
        self.passages = PassageIndex(db, self.embedder)
        self.texts = TextIndex(db, examples)
        self._vectors = Vectors(db, self.embedder.dimensions)
        self.untaught = Untaught(self._index, self._is_known, self._read_in)
        self._last_asked: tuple[str, np.ndarray | None] = ("", None)
        self._calibrator = Calibrator(db, self.embedder, (max_wrong, max_near), matching.RULES)
        self.stats = MemoryStats()
        every_s = _TICK_WITH_VECTORS_S if self.embedder.dimensions else _TICK_S
        self._thread = PeriodicThread("memory", self.tick, every_s)

    @property
    def size(self) -> int:
        """How many wordings the index has."""
        return self._index.size

    @property
    def calibration(self) -> Calibration:
        """The limits in force, and what they were measured on."""
        return self._calibrator.found

    def open(self) -> None:
        """Load the index, or make it anew; examples can be added from here on.

        Raises:
            StorageError: The disk or the database failed.
        """
        made_by = f"{RULES} {self.embedder.identity}"
        if self._index.open(made_by) and self.size:
            _log.info("memory_indexed", keys=self.size, embedder=self.embedder.identity)
        self._vectors.open()
        self.passages.open()
        self.texts.open()
        self._calibrator.open()

    def start(self) -> None:
        """Begin to make vectors and to calibrate by itself as examples come."""
        self._thread.start()

    def stop(self) -> None:
        """End that."""
        self._thread.stop()

    def add(self, connection: Connection, examples: Sequence[Example]) -> None:
        """Index new examples, in the open transaction that keeps them."""
        self._index.add(connection, examples)
        self.texts.add(connection, examples)

    def remove(self, connection: Connection, example_ids: Sequence[str]) -> None:
        """Take examples out of the index, in the open transaction that deletes them."""
        self._vectors.remove(connection, self._index.remove(connection, example_ids))
        self.texts.remove(connection, example_ids)

    def compact(self) -> None:
        """Write the full text anew, without what was taken out of it."""
        self._index.compact()
        self.passages.compact()
        self.texts.compact()

    # ── Looking up ──────────────────────────────────────────────────────────────────────────────

    def look_up(self, turns: Sequence[Message], tip: str | None) -> LookedUp:
        """The example that answers a chat; those that it could mean; else none.

        Args:
            turns: The chat, which ends with what is asked. An example only answers the same turns
                before its question.
            tip: The checkpoint that would answer; None is the base.
        """
        began = time.perf_counter()
        found = self._look_up(turns, tip) if self.size else LookedUp()
        self.stats.seconds.observe(time.perf_counter() - began)
        return found

    def _look_up(self, turns: Sequence[Message], tip: str | None) -> LookedUp:
        if (same := self._same(turns, tip)) is not None:
            return same
        *earlier, last = turns
        text = spelling.expanded(last.content)
        if text != last.content and (same := self._same([*earlier, _asking(text)], tip)):
            return same

        def match(question: str) -> Found:
            return self.match([*earlier, _asking(question)], tip)

        found, other = match(text), None
        if found.candidates and purposes.wants_other(text, found.candidates[0]):
            found = Found()
        if found.how != "sure" or not found.candidates:
            other = found_otherwise(
                text, found, match, self._index.spelling, lambda stem: self._index.count(stem) > 0
            )
        found = other or found
        return LookedUp(self._recalled(found, tip), found.how, is_corrected=other is not None)

    def _same(self, turns: Sequence[Message], tip: str | None) -> LookedUp | None:
        """What was taught with the very same words."""
        same = Example("", (*turns, Message("assistant", ""))).question_hash
        if (held := self._examples.standing([same], self._lineage(tip)).get(same)) is None:
            return None
        examples = self._examples.by_ids([held.id])  # none where it was forgotten just now
        return LookedUp(tuple(Recalled(e, 1.0, held.is_learned) for e in examples), "sure")

    def match(
        self, turns: Sequence[Message], tip: str | None, without: Collection[str] = ()
    ) -> Found:
        """What surely answers a question in other words, or what it could mean; as ``rank``."""
        ranked = self.rank(turns, tip, without)
        by_words, limits = self.calibration.by_words, self.calibration.limits
        found = matching.decide(ranked, by_words if ranked.is_by_words else limits)
        question = turns[-1].content
        if found.candidates or not tasks.is_plain(question):
            return found
        near = self._index.find_any(analysis.take_apart(question), context_of(turns[:-1]))
        near = [candidate for candidate in near if candidate.answer_hash not in without]
        return given_values.answering(question, self._holding(near, tip))

    def look_up_text(self, question: str, tip: str | None) -> LookedUp:
        """The plain text that says what a question asks, or all that may be meant."""
        return self.texts.look_up(question, self._lineage(tip))

    def look_up_passage(self, question: str) -> FoundPassage | None:
        """The passage of a document that says what a question asks; None where none surely does."""
        return self.passages.look_up(question, self._vector)

    def rank(
        self,
        turns: Sequence[Message],
        tip: str | None,
        without: Collection[str] = (),
        embed: Callable[[str], np.ndarray | None] | None = None,
    ) -> Ranked:
        """What is in scope of a question, the best first.

        Args:
            turns: As for ``look_up``.
            tip: As for ``look_up``.
            without: Identities of answers that are taken not to be known.
            embed: The vectors of a question and of it without names, (2, dimensions), if it is to
                have some; by default the embedder's.
        """
        question = turns[-1].content
        if not tasks.is_plain(question):
            return Ranked()
        asked = analysis.take_apart(question)
        context = context_of(turns[:-1])

        def knows(stem: str) -> bool:
            return self._index.count(stem) > 0

        found = self._index.find(asked, context)
        if self._vectors and not self.untaught.names_nothing_known(question, tip):
            found = self._compared(question, context, found, embed or self._vector)
        found = [
            candidate
            for candidate in found
            if candidate.answer_hash not in without
            and scope.in_scope(question, asked, candidate, knows)
        ]
        held = self._holding(found, tip)
        if any(candidate.similarity is None for candidate in held):  # else they do not compare
            held = [replace(candidate, similarity=None) for candidate in held]
            held = [each for each in held if scope.in_scope(question, asked, each, knows)]
        elif held and (vector := (embed or self._vector)(question)) is not None:
            contrasts = self._vectors.contrasts(vector, [each.number for each in held])
            held = [replace(c, contrast=value) for c, value in zip(held, contrasts, strict=True)]
        weight = calibration.weights(self._index.count, self.size)
        ranked = matching.rank(question, asked, held, weight)
        return closer.look_again(ranked, question, asked, self.embedder)

    def _compared(
        self,
        question: str,
        context: str,
        found: Sequence[Candidate],
        embed: Callable[[str], np.ndarray | None],
    ) -> list[Candidate]:
        """What words have found, with how alike it means; and what only means the same."""
        if (vector := embed(question)) is None:
            return list(found)
        known = [candidate.number for candidate in found]
        near = self._vectors.nearest(vector, _NEAREST, scope.SAME_MEANING)
        alike: dict[int, float | None] = {**near}
        others = [number for number in known if number not in near]
        alike.update(zip(others, self._vectors.similarities(vector, others), strict=True))
        every = [*found, *self._index.of([n for n in near if n not in known], context)]
        return [replace(each, similarity=alike[each.number]) for each in every]

    def _vector(self, question: str) -> np.ndarray | None:
        """Of a question and of it without names; None where the engine cannot make them now."""
        last, vectors = self._last_asked  # passages are asked what no example has answered
        if last == question:
            return vectors
        try:
            vectors = self.embedder.embed([question, analysis.without_names(question)])
        except (Cancelled, EngineFailed, Unavailable):
            return None
        self._last_asked = question, vectors
        return vectors

    def _holding(self, candidates: Sequence[Candidate], tip: str | None) -> list[Candidate]:
        """Those whose examples hold, for the lineage of a checkpoint."""
        if not candidates:
            return []
        asked = {candidate.question_hash for candidate in candidates}
        held = self._examples.standing(asked, self._lineage(tip))
        return [
            candidate
            for candidate in candidates
            if (found := held.get(candidate.question_hash)) and found.id == candidate.example
        ]

    def _is_known(self, stems: Sequence[str], tip: str | None) -> bool:
        """Whether an example that holds has all of some words."""
        asked = self._index.questions_having(stems)
        held = self._examples.standing(asked.keys(), self._lineage(tip)) if asked else {}
        return any(found.id in asked[question] for question, found in held.items())

    def _read_in(self, stem: str) -> int:
        """How many passages of documents, or of texts, have a word."""
        return self.passages.count(stem) + self.texts.count(stem)

    def _recalled(self, found: Found, tip: str | None) -> tuple[Recalled, ...]:
        if not found.candidates:
            return ()
        asked = {candidate.question_hash for candidate in found.candidates}
        held = self._examples.standing(asked, self._lineage(tip))
        examples = {e.id: e for e in self._examples.by_ids([h.id for h in held.values()])}
        return tuple(
            Recalled(examples[candidate.example], score, held[candidate.question_hash].is_learned)
            for candidate, score in zip(found.candidates, found.scores, strict=True)
            if candidate.example in examples
        )

    def _lineage(self, tip: str | None) -> list[str]:
        return [] if tip is None else self._ancestors(tip)

    # ── Calibration ─────────────────────────────────────────────────────────────────────────────

    def tick(self) -> None:
        """Make the vectors that are missing; calibrate, if much is not measured on yet."""
        self.embed_missing(self._thread.wait_for_stop)
        size = self.size
        if self._calibrator.is_due(size):
            self.calibrate(lambda: self._thread.wait_for_stop(_BETWEEN_PROBES_S))

    def embed_missing(self, rest: Callable[[float], bool] = lambda seconds: False) -> None:
        """Give keys and passages their vectors; half of the time is left to requests.

        Args:
            rest: Waits so many seconds; whether to leave the others for later.
        """
        if not self.embedder.dimensions:
            return
        self._embed_keys(rest)
        self.passages.embed_missing(rest)

    def _embed_keys(self, rest: Callable[[float], bool]) -> None:
        if len(self._vectors) == self.size:
            return
        while keys := self._vectors.missing(_EMBEDDED_AT_ONCE):
            began = time.perf_counter()
            vectors = self.embedder.embed([text for key in keys for text in key.texts])
            self._vectors.put(keys, vectors)
            if rest(time.perf_counter() - began):
                return

    def calibrate(self, pause: Callable[[], object] = lambda: None) -> None:
        """Measure on the examples themselves from where on a match answers, and keep that.

        Args:
            pause: Called between two questions.
        """
        size, tip = self.size, self._served()

        def rank(
            question: str,
            without: Collection[str],
            embed: Callable[[str], np.ndarray | None],
        ) -> Ranked:
            return self.rank([Message("user", question)], tip, without, embed)

        with self._db.reading_aside():  # no request waits for what is read here
            known = self._holding(self._index.sample(calibration.MOST), tip)
            examples = {e.id: e for e in self._examples.by_ids([c.example for c in known])}
            measured = self._calibrator.measure(
                [(c, examples[c.example]) for c in known],
                size,
                rank,
                lambda probes: self._without_taught(probes, tip),
                pause,
                lambda: self._thread.is_stopping,
            )
        if measured is not None:
            self._calibrator.put(measured)

    def _without_taught(self, probes: Sequence[KnownProbe], tip: str | None) -> list[KnownProbe]:
        """Without foreign questions that were taught: only some examples were looked at."""
        hashes = {
            probe.question: Example(
                "", (Message("user", probe.question), Message("assistant", ""))
            ).question_hash
            for probe in probes
            if probe.kind == "foreign"
        }
        held = self._examples.standing(set(hashes.values()), self._lineage(tip))
        return [probe for probe in probes if hashes.get(probe.question) not in held]


def _asking(question: str) -> Message:
    return Message("user", question)
