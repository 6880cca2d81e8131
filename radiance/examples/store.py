"""The examples in the database: by job, by id, by lineage.

A lineage is a checkpoint and its ancestors. What it has learned, and what of that is still valid,
follows from which of its checkpoints each job went into; nothing of it is stored.
"""

from collections.abc import Collection

from radiance.errors import NotFound
from radiance.examples import corrections, ownership, replay
from radiance.examples.corrections import AnsweredQuestion, Standing
from radiance.examples.queries import job_number, to_example
from radiance.examples.replay import Learned
from radiance.records import Example, Job, JobStatus, Supersession
from radiance.storage.sqlite import Readable, to_json

# Within the lineage, the example learned last is the valid one among those with one question.
_NEWEST_PER_QUESTION = """
    SELECT id, question_hash, checkpoint FROM (
        SELECT examples.id, examples.question_hash, examples.place,
            jobs.cycle_id, jobs.number, jobs.checkpoint,
            ROW_NUMBER() OVER (
                PARTITION BY examples.question_hash
                ORDER BY jobs.cycle_id DESC, jobs.number DESC, examples.place DESC
            ) AS age
        FROM jobs JOIN examples ON examples.job = jobs.number
        WHERE jobs.status = 'succeeded'
            AND jobs.checkpoint IN (SELECT value FROM json_each(?))
    )
    WHERE age = 1
    ORDER BY cycle_id, number, place
"""

# What a lineage has learned, in the order in which it learned it.
_LEARNED = """
    SELECT examples.id, examples.question_hash, examples.content_hash, examples.job
    FROM jobs JOIN examples ON examples.job = jobs.number
    WHERE jobs.status = 'succeeded' AND jobs.checkpoint IN (SELECT value FROM json_each(:lineage))
    ORDER BY jobs.cycle_id, jobs.number, examples.place
"""

# The same, of the questions that some checkpoints learned.
_LEARNED_OF = """
    WITH asked AS (
        SELECT DISTINCT examples.question_hash
        FROM jobs JOIN examples ON examples.job = jobs.number
        WHERE jobs.checkpoint IN (SELECT value FROM json_each(:checkpoints))
    )
    SELECT examples.id, examples.question_hash, examples.content_hash, examples.job
    FROM asked CROSS JOIN examples INDEXED BY examples_by_question USING (question_hash)
        CROSS JOIN jobs ON jobs.number = examples.job
    WHERE jobs.status = 'succeeded' AND jobs.checkpoint IN (SELECT value FROM json_each(:lineage))
    ORDER BY jobs.cycle_id, jobs.number, examples.place
"""

_INTENDED = """
    SELECT examples.id FROM jobs JOIN examples ON examples.job = jobs.number
    WHERE jobs.supersede AND jobs.number IN (SELECT value FROM json_each(?))
"""

_NEWEST_LEARNED = """
    SELECT examples.id, examples.messages
    FROM jobs JOIN examples ON examples.job = jobs.number
    WHERE jobs.status = 'succeeded' AND jobs.checkpoint IN (SELECT value FROM json_each(:lineage))
    ORDER BY jobs.cycle_id DESC, jobs.number DESC, examples.place DESC
    LIMIT :most
"""

# What a job meets that has the questions of its examples: what its lineage had learned when it was
# learned itself; while it waits, what is learned and what waits before it.
_MET = """
    SELECT examples.id, examples.question_hash, examples.content_hash, examples.job
    FROM jobs JOIN examples ON examples.job = jobs.number, jobs AS own
    WHERE own.number = :job AND examples.question_hash IN
            (SELECT question_hash FROM examples WHERE job = :job)
        AND (
            jobs.number = own.number
            OR jobs.status = 'succeeded'
                AND jobs.checkpoint IN (SELECT value FROM json_each(:lineage))
                AND (own.status != 'succeeded'
                    OR (jobs.cycle_id, jobs.number) < (own.cycle_id, own.number))
            OR own.status = 'queued' AND jobs.status IN ('queued', 'running')
                AND (jobs.status = 'running' OR jobs.number < own.number)
        )
    ORDER BY jobs.number = own.number, jobs.status != 'succeeded', jobs.status != 'running',
        jobs.cycle_id, jobs.number, examples.place
"""

# What some questions were answered with, by what a lineage has learned and by what waits. Running
# jobs are learned before queued ones. What came to nothing by no fault of its own counts as well,
# where nothing newer was learned; what the gate refused does not.
_ACCEPTED = """
    SELECT examples.id, examples.question_hash, examples.content_hash, examples.job,
        jobs.status = 'succeeded' AS is_learned,
        jobs.status IN ('failed', 'quarantined') AS is_stranded
    FROM examples INDEXED BY examples_by_question
    CROSS JOIN jobs ON jobs.number = examples.job  -- else all examples of the jobs are read
    WHERE examples.question_hash IN (SELECT value FROM json_each(:asked))
        AND (jobs.status IN ('queued', 'running')
            OR jobs.status IN ('failed', 'quarantined') AND jobs.rejected_checkpoint IS NULL
            OR jobs.status = 'succeeded'
                AND jobs.checkpoint IN (SELECT value FROM json_each(:lineage)))
    ORDER BY jobs.status != 'succeeded', jobs.status = 'queued',
        CASE jobs.status WHEN 'succeeded' THEN jobs.cycle_id END, jobs.number, examples.place
"""


class ExampleStore:
    """All curated examples, to read. Safe to use from several threads where the database is."""

    def __init__(self, db: Readable) -> None:
        self._db = db

    def of_jobs(self, job_ids: Collection[str]) -> list[Example]:
        """The examples of these jobs, in the order of the jobs and then as sent."""
        found = []
        for number in map(job_number, job_ids):
            rows = self._db.read("SELECT id FROM examples WHERE job = ? ORDER BY place", (number,))
            found += [row["id"] for row in rows]
        return self.by_ids(found)

    def intended(self, job_ids: Collection[str]) -> set[str]:
        """Ids of the examples of these jobs that are meant to replace what stands, anchors too."""
        numbers = to_json([job_number(job) for job in job_ids])
        return {row["id"] for row in self._db.read(_INTENDED, (numbers,))}

    def by_ids(self, ids: Collection[str]) -> list[Example]:
        """The examples of these ids that exist, in the order given."""
        rows = self._db.read(
            "SELECT examples.*, jobs.tags FROM examples JOIN jobs ON jobs.number = examples.job"
            " WHERE examples.id IN (SELECT value FROM json_each(?))",
            (to_json(list(ids)),),
        )
        found = {row["id"]: to_example(row) for row in rows}
        return [found[id] for id in ids if id in found]

    def get(self, example_id: str) -> Example:
        """The example of that id.

        Raises:
            NotFound: There is none.
        """
        found = self.by_ids([example_id])
        if not found:
            raise NotFound.named(
                "example", example_id, "example_id", "Use an id from a checkpoint's manifest."
            )
        return found[0]

    def replay(
        self,
        limit: int,
        exclude_questions: Collection[str],
        seed: int,
        lineage: Collection[str],
    ) -> list[Example]:
        """Earlier examples that a lineage has learned, to be kept by learning them again.

        Of several with the same question only the one learned last is valid. The choice depends on
        ``seed`` and on nothing else that changes.

        Args:
            limit: Most examples.
            exclude_questions: ``question_hash`` of the examples that are learned now.
            seed: Seed of the choice where there are more.
            lineage: The served checkpoint and its ancestors.

        Returns:
            The examples in the order in which they were learned.
        """
        return self.by_ids(replay.choose(self._valid(exclude_questions, lineage), limit, seed))

    def earlier(
        self,
        limit: int,
        exclude_questions: Collection[str],
        seed: int,
        lineage: Collection[str],
    ) -> list[tuple[Example, str]]:
        """Earlier examples to be asked again, spread evenly over the checkpoints that taught them.

        Valid ones only, as for ``replay``, and with the same arguments.

        Returns:
            The examples in the order in which they were learned, each with its checkpoint.
        """
        chosen = dict(replay.spread(self._valid(exclude_questions, lineage), limit, seed))
        return [(example, chosen[example.id]) for example in self.by_ids(chosen)]

    def answers(self, question_hashes: Collection[str], lineage: Collection[str]) -> list[Example]:
        """The valid examples of a lineage that ask one of these questions."""
        return [example for example, _ in self.answers_with_origin(question_hashes, lineage)]

    def answers_with_origin(
        self, question_hashes: Collection[str], lineage: Collection[str]
    ) -> list[tuple[Example, str]]:
        """``answers``, each with the checkpoint that learned it."""
        asked = set(question_hashes)
        rows = self._db.read(_NEWEST_PER_QUESTION, (to_json(list(lineage)),))
        origins = {r["id"]: r["checkpoint"] for r in rows if r["question_hash"] in asked}
        return [(example, origins[example.id]) for example in self.by_ids(origins)]

    def standing(
        self, question_hashes: Collection[str], lineage: Collection[str]
    ) -> dict[str, Standing]:
        """What holds for each of these questions, by what a lineage learned and what waits.

        What failed or is in quarantine counts as waiting, but for what the gate refused.
        """
        rows = self._db.read(
            _ACCEPTED, {"asked": to_json(list(question_hashes)), "lineage": to_json(list(lineage))}
        )
        learned = [row for row in rows if row["is_learned"]]
        newest = {row["question_hash"]: row["job"] for row in learned}
        waiting = [
            row
            for row in rows
            if not row["is_learned"]
            and not (row["is_stranded"] and row["job"] < newest.get(row["question_hash"], 0))
        ]
        return corrections.standing(
            [AnsweredQuestion(*row[:4]) for row in learned],
            [AnsweredQuestion(*row[:4]) for row in waiting],
        )

    def superseded(
        self, lineage: Collection[str], asked_by: Collection[str] | None = None
    ) -> list[Supersession]:
        """Every example that a lineage learned and then corrected.

        They stay in the database, and leave replay and everything measured on earlier examples.

        Args:
            lineage: A checkpoint and its ancestors.
            asked_by: Only questions that these checkpoints learned; None: all. Quick for a few,
                however much the lineage learned.
        """
        given = {"lineage": to_json(list(lineage))}
        if asked_by is None:
            rows = self._db.read(_LEARNED, given)
        else:
            rows = self._db.read(_LEARNED_OF, {**given, "checkpoints": to_json(list(asked_by))})
        return corrections.superseded([AnsweredQuestion(*row) for row in rows])

    def supersedes(self, job: Job, lineage: Collection[str]) -> list[Supersession]:
        """What a job's examples correct, or will correct once it is learned.

        Args:
            job: The job; one that failed or was cancelled corrects nothing.
            lineage: Its checkpoint and that one's ancestors; the served ones while it has none.
        """
        if job.status not in (JobStatus.QUEUED, JobStatus.RUNNING, JobStatus.SUCCEEDED):
            return []
        number = job_number(job.job_id)
        rows = self._db.read(_MET, {"job": number, "lineage": to_json(list(lineage))})
        return corrections.superseded_by_job([AnsweredQuestion(*row) for row in rows], number)

    def superseded_by(self, job: str) -> list[Supersession]:
        """Which examples of a job newer accepted ones answer otherwise, each with the newest.

        Raises:
            NotFound: It is the id of no job.
        """
        return ownership.superseded_by(self._db, job)

    def is_asked_elsewhere(self, job: Job) -> bool:
        """Whether another job has a question of this one: only then can it correct anything.

        Quick, however much was learned.
        """
        return bool(
            self._db.read(
                "SELECT 1 FROM examples AS own JOIN examples AS other USING (question_hash)"
                " WHERE own.job = ? AND other.job != own.job LIMIT 1",
                (job_number(job.job_id),),
            )
        )

    def may_supersede(self, job: Job, lineage: Collection[str]) -> list[Supersession]:
        """Learned examples that a job seems to correct in other words; none of them is dropped.

        Args:
            job: The job; one that failed or was cancelled contradicts nothing.
            lineage: What was learned before it: its own checkpoint is not in it.
        """
        if job.status not in (JobStatus.QUEUED, JobStatus.RUNNING, JobStatus.SUCCEEDED):
            return []
        new = self.of_jobs([job.job_id])
        most = corrections.most_compared(len(new))
        rows = self._db.read(_NEWEST_LEARNED, {"lineage": to_json(list(lineage)), "most": most})
        return corrections.near_misses(new, [(row["id"], row["messages"]) for row in rows])

    def _valid(self, exclude_questions: Collection[str], lineage: Collection[str]) -> list[Learned]:
        """The newest answer to each question of a lineage, in the order they were learned."""
        rows = self._db.read(_NEWEST_PER_QUESTION, (to_json(list(lineage)),))
        excluded = set(exclude_questions)
        return [
            Learned(row["id"], row["checkpoint"])
            for row in rows
            if row["question_hash"] not in excluded
        ]
