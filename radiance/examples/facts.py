"""Every accepted example as it stands now: known, waiting, corrected, refused, not served.

Nothing of that is stored: it follows from the jobs and from the lineage that serves, as what was
corrected does (``corrections``). After a rollback the same rows stand otherwise.
"""

import re
from collections.abc import Collection
from typing import Literal, NamedTuple, get_args

from radiance.examples.queries import job_number, to_example, to_job
from radiance.records import Example, Job
from radiance.storage.sqlite import Readable, to_json

State = Literal[
    "waiting", "learned", "corrected", "repeated", "unserved", "refused", "failed", "cancelled"
]
"""How an example stands.

waiting: accepted, to be learned. learned: what serves has it. corrected: a newer answer to the same
question stands. repeated: the same was taught again; what was learned stands, and while all of it
waits, the newest. unserved: the checkpoint that learned it does not serve. refused: the gate
refused what it was learned into. failed: its training failed.
"""
STATES: tuple[State, ...] = get_args(State)
KNOWN: tuple[State, ...] = ("waiting", "learned")

# When an example is learned, or will be: what waits comes after everything that was learned.
_ORDER = "(COALESCE({job}.cycle_id, 1 << 62), {job}.number, {example}.place)"
_COUNTS = """
    {job}.status IN ('queued', 'running')
    OR {job}.status = 'succeeded'
        AND {job}.checkpoint NOT IN (SELECT value FROM json_each(:outside))
"""
_OTHERS = f"""
    FROM examples AS other INDEXED BY examples_by_question
    CROSS JOIN jobs AS theirs ON theirs.number = other.job
    WHERE other.question_hash = examples.question_hash AND other.rowid != examples.rowid
        AND ({_COUNTS.format(job="theirs")})
"""
# What was learned stands while the newest that waits says the same, and that does not wait then:
# it is known. Else the newest stands.
_SUPERSEDED = f"""
    EXISTS (
        SELECT 1 {_OTHERS} AND (theirs.status = 'succeeded') = (jobs.status = 'succeeded')
            AND {_ORDER.format(job="theirs", example="other")}
                > {_ORDER.format(job="jobs", example="examples")}
    ) OR COALESCE((jobs.status = 'succeeded') = (examples.content_hash != (
        SELECT other.content_hash {_OTHERS}
            AND (theirs.status = 'succeeded') != (jobs.status = 'succeeded')
        ORDER BY COALESCE(theirs.cycle_id, 1 << 62) DESC, theirs.number DESC, other.place DESC
        LIMIT 1
    )), FALSE)
"""
_SUPERSEDED_STATES: frozenset[State] = frozenset({"corrected", "repeated"})
_ASIDE_STATES: frozenset[State] = frozenset({"unserved", "refused", "failed", "cancelled"})
_ID = re.compile(r"job_\d+\.\d+")
_STATE = """
    CASE
        WHEN jobs.status = 'cancelled' THEN 'cancelled'
        WHEN jobs.rejected_checkpoint IS NOT NULL THEN 'refused'
        WHEN jobs.status IN ('failed', 'quarantined') THEN 'failed'
        WHEN jobs.status = 'succeeded'
            AND jobs.checkpoint IN (SELECT value FROM json_each(:outside)) THEN 'unserved'
        WHEN {is_superseded} THEN 'corrected'
        WHEN jobs.status = 'succeeded' THEN 'learned'
        ELSE 'waiting'
    END
"""
_JOBS_OF: dict[State, tuple[str, ...]] = {  # where examples of a state can be
    "waiting": ("queued", "running"),
    "learned": ("succeeded",),
    "corrected": ("queued", "running", "succeeded"),
    "repeated": ("queued", "running", "succeeded"),
    "unserved": ("succeeded",),
    "refused": ("queued", "failed"),
    "failed": ("failed", "quarantined"),
    "cancelled": ("cancelled",),
}
_OUTSIDE = """
    SELECT DISTINCT checkpoint FROM jobs WHERE checkpoint IS NOT NULL
        AND checkpoint NOT IN (SELECT value FROM json_each(:lineage))
"""
# Where a list begins: at the newest job, which stops early; or at the few rows that can be meant.
_FROM_JOBS = "jobs CROSS JOIN examples ON examples.job = jobs.number"
_FROM_IDS = """
    (SELECT value FROM json_each(:only)) AS wanted
    CROSS JOIN examples ON examples.id = wanted.value
    CROSS JOIN jobs ON jobs.number = examples.job
"""
_FROM_QUESTIONS = """
    (SELECT value FROM json_each(:only)) AS wanted
    CROSS JOIN examples INDEXED BY examples_by_question ON examples.question_hash = wanted.value
    CROSS JOIN jobs ON jobs.number = examples.job
"""
_LIST = """
    SELECT examples.*, jobs.tags, {state} AS state
    FROM {source}
    WHERE jobs.number <= COALESCE(:job, 1 << 62)
        AND (:job IS NULL OR (examples.job, -examples.place) < (:job, -:place))
        -- What is not in the JSON is not in what it says; parsing takes ten times as long.
        AND (:words = '' OR examples.text LIKE :pattern ESCAPE '|'
            OR examples.messages LIKE :raw ESCAPE '|' AND EXISTS (
                SELECT 1 FROM json_each(examples.messages)
                WHERE json_extract(value, '$.content') LIKE :pattern ESCAPE '|'))
        AND (:tag = '' OR EXISTS (SELECT 1 FROM json_each(jobs.tags) WHERE value = :tag))
        AND (:statuses IS NULL OR jobs.status IN (SELECT value FROM json_each(:statuses)))
        AND (:states IS NULL OR state IN (SELECT value FROM json_each(:states)))
    ORDER BY jobs.number DESC, examples.place LIMIT :limit
"""
# Only what was asked twice can be superseded; found in the index.
_ASKED_TWICE = """
    SELECT question_hash FROM examples GROUP BY question_hash HAVING COUNT(*) > 1 LIMIT ?
"""
_MOST_ASKED_TWICE = 2000  # of more, the newest that fit are found sooner by the jobs
# Counted without reading every job: what does not count for a lineage is mostly little.
_QUESTIONS = """
    SELECT (SELECT COUNT(*) FROM (SELECT DISTINCT question_hash FROM examples)) AS questions,
        (SELECT COUNT(*) FROM examples) AS examples
"""
_WAITING = f"""
    SELECT COUNT(*) AS questions FROM jobs CROSS JOIN examples ON examples.job = jobs.number
    WHERE jobs.status IN ('queued', 'running') AND NOT ({_SUPERSEDED})
"""  # noqa: S608 - of constants alone
_ASIDE = f"""
    SELECT {_STATE.format(is_superseded="FALSE")} AS state, COUNT(*) AS examples
    FROM jobs CROSS JOIN examples ON examples.job = jobs.number
    WHERE NOT ({_COUNTS.format(job="jobs")}) GROUP BY state
"""  # noqa: S608 - of constants alone
_ASIDE_ALONE = f"""
    SELECT COUNT(DISTINCT question_hash) AS questions
    FROM jobs CROSS JOIN examples ON examples.job = jobs.number
    WHERE NOT ({_COUNTS.format(job="jobs")}) AND NOT EXISTS (
        SELECT 1 FROM examples AS other INDEXED BY examples_by_question
        CROSS JOIN jobs AS theirs ON theirs.number = other.job
        WHERE other.question_hash = examples.question_hash AND other.rowid != examples.rowid
            AND ({_COUNTS.format(job="theirs")})
    )
"""  # noqa: S608 - of constants alone
# The example that stands for each of some questions.
_STANDING = f"""
    SELECT examples.id, examples.question_hash, examples.content_hash
    FROM examples INDEXED BY examples_by_question CROSS JOIN jobs ON jobs.number = examples.job
    WHERE examples.question_hash IN (SELECT value FROM json_each(:asked))
        AND ({_COUNTS.format(job="jobs")}) AND NOT ({_SUPERSEDED})
"""  # noqa: S608 - of constants alone


class TaughtFact(NamedTuple):
    """An accepted example as it stands.

    Attributes:
        by: The example that corrected or repeated it.
    """

    example: Example
    job: Job
    state: State
    by: str | None


class Facts:
    """Every accepted example, to read. Safe to use from several threads where the database is."""

    def __init__(self, db: Readable) -> None:
        self._db = db
        self._counted: tuple[object, dict[State, int]] | None = None

    def find(
        self,
        lineage: Collection[str],
        limit: int,
        *,
        words: str = "",
        tag: str = "",
        states: Collection[State] | None = None,
        only: Collection[str] | None = None,
        before: str | None = None,
    ) -> list[TaughtFact]:
        """The facts that fit, those of the newest job first.

        Args:
            lineage: The checkpoint that serves and its ancestors.
            limit: Most facts.
            words: What they contain, or the id of one; "" fits all.
            tag: A tag of their job; "" fits all.
            states: How they stand; None fits all.
            only: Ids; None fits all.
            before: Only those listed after the one of this id.

        Raises:
            NotFound: ``before`` is no id of an example.
        """
        job, _, place = (before or "").partition(".")
        outside = self._outside(lineage)
        statuses = {status for state in states or () for status in _JOBS_OF[state]}
        if only is None and _ID.fullmatch(words) and self._is_there(words):
            words, only = "", [words]
        source, wanted = _FROM_JOBS, None
        if only is not None:
            source, wanted = _FROM_IDS, list(only)
        elif states is not None and {*states} <= _SUPERSEDED_STATES:
            rows = self._db.read(_ASKED_TWICE, (_MOST_ASKED_TWICE + 1,))
            if len(rows) <= _MOST_ASKED_TWICE:
                source, wanted = _FROM_QUESTIONS, [row["question_hash"] for row in rows]
        is_superseded = "FALSE" if states and {*states} <= _ASIDE_STATES else _SUPERSEDED
        state = _STATE.format(is_superseded=is_superseded)
        rows = self._db.read(
            _LIST.format(state=state, source=source),  # of constants alone
            {
                "outside": outside,
                "job": job_number(job) if before else None,
                "place": int(place) if place.isdecimal() and len(place) < 10 else 0,
                "only": None if wanted is None else to_json(wanted),
                "words": words,
                "pattern": _containing(words),
                "raw": _containing(to_json(words)[1:-1]),
                "tag": tag,
                "statuses": None if states is None else to_json(list(statuses)),
                "states": None if states is None else to_json(list(states)),
                "limit": limit,
            },
        )
        numbers = to_json([row["job"] for row in rows])
        jobs = self._db.read(
            "SELECT * FROM jobs WHERE number IN (SELECT value FROM json_each(?))", (numbers,)
        )
        by_number = {row["number"]: to_job(row) for row in jobs}
        asked = to_json([row["question_hash"] for row in rows if row["state"] == "corrected"])
        standing = {
            row["question_hash"]: row
            for row in self._db.read(_STANDING, {"asked": asked, "outside": outside})
        }
        found = []
        for row in rows:
            state, by = row["state"], None
            stands = standing.get(row["question_hash"])  # None also where it was forgotten just now
            if state == "corrected" and stands is not None:
                by = stands["id"]
                if stands["content_hash"] == row["content_hash"]:
                    state = "repeated"
            found.append(TaughtFact(to_example(row), by_number[row["job"]], state, by))
        return found

    def _is_there(self, example_id: str) -> bool:
        return bool(self._db.read("SELECT 1 FROM examples WHERE id = ?", (example_id,)))

    def count(self, lineage: Collection[str], tip: str | None) -> dict[State, int]:
        """How many facts stand in each way; those repeated are among those corrected.

        Counted once for all who ask while nothing changes.

        Args:
            lineage: As for ``find``.
            tip: The checkpoint that serves.
        """
        rows = self._db.read(
            "SELECT status, COUNT(*), SUM(number), COUNT(rejected_checkpoint) FROM jobs"
            " GROUP BY status"
        )
        (all_of_them,) = self._db.read("SELECT COUNT(*), MAX(rowid) FROM examples")
        mark = (tip, [tuple(row) for row in rows], tuple(all_of_them))
        held = self._counted
        if held is None or held[0] != mark:
            held = self._counted = (mark, self._count(self._outside(lineage)))
        return held[1]

    def _count(self, outside: str) -> dict[State, int]:
        (every,) = self._db.read(_QUESTIONS)
        (waiting,) = self._db.read(_WAITING, {"outside": outside})
        (alone,) = self._db.read(_ASIDE_ALONE, {"outside": outside})
        aside = {r["state"]: r["examples"] for r in self._db.read(_ASIDE, {"outside": outside})}
        known = every["questions"] - alone["questions"]
        found = dict.fromkeys(STATES, 0) | aside
        found["waiting"] = waiting["questions"]
        found["learned"] = known - waiting["questions"]
        found["corrected"] = every["examples"] - sum(aside.values()) - known
        return found

    def _outside(self, lineage: Collection[str]) -> str:
        """The checkpoints that learned something and are not of a lineage: mostly few."""
        rows = self._db.read(_OUTSIDE, {"lineage": to_json(list(lineage))})
        return to_json([row["checkpoint"] for row in rows])


def _containing(text: str) -> str:
    """A pattern of LIKE, with ``|`` as its escape."""
    return "%" + re.sub(r"([%_|])", r"|\1", text) + "%"
