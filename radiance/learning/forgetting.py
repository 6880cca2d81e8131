"""Forgetting on request: out of everything that answers at once, and then off the disk.

*At once*, in one transaction that is durable before anybody is told: the examples are deleted, with
every other answer to their questions; memory, replay and jobs have them no more; the checkpoints
that had learned one are withdrawn for ever; and where what serves is among them, the newest one
before them serves. What else was taught since then waits to be learned again from there, by cycles
and gate as ever, and memory answers it meanwhile. So no weights that serve have ever seen what was
forgotten, and nothing of it needs to be unlearned.

*Then*, on a thread of its own and after a kill at the next start: files of those checkpoints and
saved states of training are deleted, and the database is written anew without its free pages. The
texts live on in this process alone, until it has measured how likely they are to what serves.
"""

import contextlib
import statistics
import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from radiance import records
from radiance.anchors import own
from radiance.config import Config
from radiance.documents import removal as passage_removal
from radiance.documents.removal import Kept, SoughtPassages
from radiance.engine.requests import BASE, Scoring, Weights
from radiance.engine.worker import Engine
from radiance.errors import Conflict, EngineFailed, NotFound, RadianceError, StorageError
from radiance.jobs import relearning, removal
from radiance.jobs.queue import JobQueue
from radiance.jobs.uploads import Uploads
from radiance.learning.pipeline import Pipeline
from radiance.memory.memory import Memory
from radiance.periodic import PeriodicThread
from radiance.records import Asked, Example, Forget, ForgetStatus, Likelihood, content_hash
from radiance.registry import bodies, withdrawal
from radiance.registry.audit import append
from radiance.registry.rows import current_id, insert_release, why_held
from radiance.registry.store import Registry
from radiance.release.canary import CanaryRouter
from radiance.release.pointer import StablePointer, weights_of
from radiance.storage import files
from radiance.storage.scanning import Scan
from radiance.storage.sqlite import Connection, Database, Row, to_json, to_text
from radiance.telemetry import get_logger
from radiance.training.untaught import value_of, with_invented_values

_TICK_S = 2.0
_MOST_MEASURED = 4  # forgotten examples whose likelihood is read
_INVENTED = 8  # values beside each
_MOST_ALIKE = 20
_log = get_logger(__name__)


class Preview(msgspec.Struct, frozen=True):
    """What a request forgets, or would forget.

    Attributes:
        examples: The examples, which nothing knows any more once they are forgotten.
        checkpoints: Those that had learned one of them.
        serves: What serves without them; None is the base.
        queued_again: The jobs that must be learned again.
        cancelled: Jobs that only checkpoints aside from what served had learned (rolled back, held
            by a pin): a retry has them learned.
        alike: Ids of other examples, and of passages, that have a value of theirs: they stay.
        passages: Passages of documents that are forgotten.
    """

    examples: tuple[Example, ...]
    passages: tuple[Kept, ...]
    checkpoints: tuple[str, ...]
    serves: str | None
    queued_again: tuple[str, ...]
    cancelled: tuple[str, ...]
    alike: tuple[str, ...] = ()


class _Sought(NamedTuple):
    """What somebody wants forgotten, as far as it was found before the transaction."""

    asked: Asked
    examples: removal.Sought
    passages: SoughtPassages


class _Traces(NamedTuple):
    """Where else the texts of a plan stand, as far as it was found before the transaction."""

    preview: Preview
    votes: removal.VotesOnForgotten
    uploads: Scan


class _MoreCame(Exception):
    """Something that fits was accepted since its traces were looked for."""


@dataclass(frozen=True)
class _Plan:
    """What a request would do, as of the open transaction.

    Attributes:
        before: What serves now; None is the base.
        left: Checkpoints that serve no more and whose jobs are to be learned again.
    """

    preview: Preview
    before: str | None
    left: tuple[str, ...]


class Forgetting:
    """Forgets what somebody asks to be forgotten. Safe to use from several threads.

    Args:
        forget_drafts: Has the engine draft nothing any more that was answered until now.
    """

    def __init__(
        self,
        config: Config,
        db: Database,
        engine: Engine,
        jobs: JobQueue,
        registry: Registry,
        memory: Memory,
        pointer: StablePointer,
        pipeline: Pipeline,
        canary: CanaryRouter,
        uploads: Uploads,
        forget_drafts: Callable[[], object] = lambda: None,
        clock: Callable[[], datetime] = records.now,
    ) -> None:
        self._config, self._db, self._engine = config, db, engine
        self._jobs, self._registry, self._memory = jobs, registry, memory
        self._pointer, self._pipeline = pointer, pipeline
        self._canary, self._uploads, self._clock = canary, uploads, clock
        self._forget_drafts = forget_drafts
        self._one_at_a_time, self._cleaning_up = threading.Lock(), threading.Lock()
        self._texts: dict[int, list[Example]] = {}
        self._rewritten: set[int] = set()  # requests whose text is in the log at most
        self._thread = PeriodicThread("forgetting", self.tick, _TICK_S, at_once=True)

    def start(self) -> None:
        """Begin to clean up after requests, those that an earlier process left among them."""
        self._thread.start()

    def stop(self) -> None:
        """End that; what is left is done at the next start."""
        self._thread.stop()

    # ── Asking ──────────────────────────────────────────────────────────────────────────────────

    def preview(self, asked: Asked) -> Preview:
        """What ``forget`` would do; nothing is changed.

        Raises:
            NotFound: No example fits.
            Conflict: The stable pointer is pinned to what has learned one.
        """
        with self._one_at_a_time:
            return self._with_alike(self._planned(self._seek(asked)))

    def forget(self, asked: Asked, actor: str, reason: str) -> tuple[Forget, Preview]:
        """Forget; when this returns, nothing that answers knows it, whatever happens next.

        Raises:
            NotFound: No example fits.
            Conflict: The stable pointer is pinned to what has learned one.
            StorageError: The disk or the database failed; nothing was changed.
        """
        with self._one_at_a_time:
            preview, number = self._forget_all(asked, actor, reason)
            self._texts[number] = [e for e in preview.examples if e.messages and value_of(e)]
            self._end_trial(preview.checkpoints, actor, reason)  # one begun meanwhile
        if preview.examples:
            self._pipeline.interrupt()
        self._pointer.follow()
        with contextlib.suppress(EngineFailed):  # it hangs, and forgets them once it moves
            self._forget_drafts()
        self._pipeline.wake()
        self._thread.wake()
        _log.info(
            "forgotten",
            number=number,
            examples=len(preview.examples),
            passages=len(preview.passages),
            checkpoints=len(preview.checkpoints),
            queued_again=len(preview.queued_again),
            cancelled=len(preview.cancelled),
            actor=actor,
        )
        return self.get(number), preview

    def _forget_all(self, asked: Asked, actor: str, reason: str) -> tuple[Preview, int]:
        """What was forgotten, and the number of the request. Searching holds up nobody else."""
        while True:
            sought = self._seek(asked)
            planned = self._with_alike(self._planned(sought))  # or it is refused: change nothing
            passages = [kept.passage for kept in planned.passages]
            forgotten = removal.Forgotten(planned.examples, passages)
            traces = _Traces(
                planned,
                removal.VotesOnForgotten(self._db, forgotten),
                self._uploads.asking(forgotten),
            )
            self._end_trial(planned.checkpoints, actor, reason)
            if planned.examples:
                self._leave_anchors(planned.examples)
            try:
                with self._registry.audit.sealed(), self._db.transaction() as connection:
                    return self._forget(connection, sought, traces, actor, reason)
            except _MoreCame:
                continue
            except BaseException:
                self._memory.open()  # what it had taken out is there all the same
                raise

    def _seek(self, asked: Asked) -> _Sought:
        return _Sought(asked, removal.Sought(self._db, asked), SoughtPassages(self._db, asked))

    def _planned(self, sought: _Sought) -> Preview:
        with self._db.transaction() as connection:
            return self._plan(connection, sought).preview

    def _with_alike(self, preview: Preview) -> Preview:
        values = [" ".join(value_of(each)) for each in preview.examples if each.messages]
        alike = removal.mentioning(self._db, values, {each.id for each in preview.examples})
        gone = {kept.passage.id for kept in preview.passages}
        alike += [id for id in passage_removal.mentioning(self._db, values) if id not in gone]
        return msgspec.structs.replace(preview, alike=tuple(alike[:_MOST_ALIKE]))

    def _plan(self, connection: Connection, sought: _Sought) -> _Plan:
        asked = sought.asked
        examples, passages = sought.examples.find(connection), sought.passages.find(connection)
        if not examples and not passages:
            raise NotFound(
                f"There is nothing to forget by {asked.kind} {asked.value!r}.",
                field=asked.kind,
                value=asked.value,
                remedy="GET /jobs lists the jobs, and GET /documents the documents; an example's id"
                " is in the answers of memory.",
            )
        ids = [example.id for example in examples]
        held = withdrawal.holders(connection, {id.partition(".")[0] for id in ids})
        before = serves = current_id(connection)
        left: list[str] = []
        if before in held:
            if (why := why_held(connection)) is not None:
                raise Conflict(
                    f"{why}, to {before}, which has learned what is to be forgotten.",
                    remedy="Unpin it first: POST /unpin.",
                )
            serves, left = withdrawal.newest_without(self._registry, before, held)
        again = relearning.learned_in(connection, left)
        aside = relearning.learned_in(connection, set(held) - set(left))
        preview = Preview(
            tuple(examples), tuple(passages), tuple(held), serves, tuple(again), tuple(aside)
        )
        return _Plan(preview, before, tuple(left))

    def _forget(
        self, connection: Connection, sought: _Sought, traces: _Traces, actor: str, reason: str
    ) -> tuple[Preview, int]:
        """All of it, in the open transaction; what was done, and the number of the request."""
        at = self._clock()
        plan = self._plan(connection, sought)
        examples, passages = plan.preview.examples, plan.preview.passages
        looked_for = {*traces.preview.examples, *traces.preview.passages}
        if not looked_for.issuperset((*examples, *passages)):
            raise _MoreCame
        if examples:
            self._jobs.interrupt(connection, self._registry.accepted())
            plan = self._plan(connection, sought)
        self._memory.remove(connection, [example.id for example in examples])
        self._memory.passages.remove(connection, [kept.number for kept in passages])
        gone = passage_removal.remove(connection, passages)
        removal.remove(connection, examples, to_text(at))
        traces.votes.remove(connection)
        again = relearning.learn_again(connection, plan.left)
        self._uploads.remove_found(connection, traces.uploads)
        aside = relearning.cancel_learned_in(connection, plan.preview.checkpoints)
        preview = msgspec.structs.replace(
            plan.preview,
            queued_again=tuple(again),
            cancelled=tuple(aside),
            alike=traces.preview.alike,
        )
        number = self._record(
            connection, sought.asked, preview, gone, plan.before, actor, reason, at
        )
        return preview, number

    def _record(
        self,
        connection: Connection,
        asked: Asked,
        preview: Preview,
        passages: dict[str, str],
        before: str | None,
        actor: str,
        reason: str,
        at: datetime,
    ) -> int:
        """Write down what was done, but for the texts; the number of the request."""
        if asked.kind in ("tag", "text"):
            asked = Asked(asked.kind, content_hash(asked.value))
        hashes = {example.id: example.content_hash for example in preview.examples}
        number = connection.execute(
            "INSERT INTO forgets (at, actor, reason, asked, status, examples, checkpoints, before,"
            " since, queued_again, passages) VALUES (?, ?, ?, ?, 'erasing', ?, ?, ?, ?, ?, ?)",
            (
                to_text(at),
                actor,
                reason,
                *map(to_json, (asked, hashes, preview.checkpoints)),
                before,
                preview.serves,
                to_json(preview.queued_again),
                to_json(passages),
            ),
        ).lastrowid
        assert number is not None
        connection.executemany(
            "INSERT INTO withdrawn VALUES (?, ?)", [(id, number) for id in preview.checkpoints]
        )
        release = None
        if preview.serves != before:
            told = f"Forgetting ({number}): {reason}"
            release = insert_release(connection, preview.serves, "rollback", actor, told, at)
        body = bodies.forget(reason, asked, hashes, passages, preview.checkpoints, before, release)
        append(connection, "forget", actor, None, body, at)
        return number

    def _end_trial(self, held: Collection[str], actor: str, reason: str) -> None:
        """End the canary or shadow of a checkpoint that is withdrawn, or is about to be."""
        running = self._canary.running
        if running is not None and running.candidate in held:
            with contextlib.suppress(Conflict):  # it ended by itself
                self._canary.end(actor, f"It has learned what is to be forgotten: {reason}")

    def _leave_anchors(self, examples: Sequence[Example]) -> None:
        """Take the questions out of the user's own anchors."""
        hashes = {example.question_hash for example in examples}
        own.remove(self._config.anchors_path, hashes)
        self._pipeline.leave_anchors(hashes)

    # ── Asking what became of it ────────────────────────────────────────────────────────────────

    def get(self, number: int) -> Forget:
        """One request.

        Raises:
            NotFound: There is none of that number.
        """
        rows = self._db.read("SELECT * FROM forgets WHERE number = ?", (number,))
        if not rows:
            raise NotFound(
                f"There is no request {number} to forget.",
                field="number",
                value=number,
                remedy="GET /forget lists them.",
            )
        return _to_forget(rows[0])

    def recent(self, limit: int, before: int | None = None) -> list[Forget]:
        """The newest requests, newest first; only those below ``before`` where it is given."""
        rows = self._db.read(
            "SELECT * FROM forgets WHERE ? IS NULL OR number < ? ORDER BY number DESC LIMIT ?",
            (before, before, limit),
        )
        return list(map(_to_forget, rows))

    def counts(self) -> dict[str, int]:
        """How many requests there are of each status."""
        rows = self._db.read("SELECT status, COUNT(*) AS n FROM forgets GROUP BY status")
        return dict.fromkeys(("erasing", "relearning", "done"), 0) | {
            r["status"]: r["n"] for r in rows
        }

    # ── Cleaning up ─────────────────────────────────────────────────────────────────────────────

    def tick(self) -> None:
        """Go on with every request that is not done."""
        with self._cleaning_up:  # two at once would write the database anew twice
            with self._one_at_a_time:  # whose texts are kept by then
                rows = self._db.read("SELECT * FROM forgets WHERE status != 'done' ORDER BY number")
            failed: StorageError | None = None
            for forget in map(_to_forget, rows):
                try:
                    if forget.status == "erasing":
                        self._erase(forget)
                    else:
                        self._look_after(forget)
                except StorageError as error:  # of this one: the others do not wait for it
                    failed = failed or error
            if failed is not None:
                raise failed

    def _erase(self, forget: Forget) -> None:
        """Off the disk; repeating it is harmless."""
        if forget.likelihood is None and forget.before is not None:
            self._measure_before(forget)
        if self._config.memory.forgotten_checkpoints == "delete":
            for checkpoint_id in forget.checkpoints:
                files.remove_directory(self._registry.path(checkpoint_id))
        if forget.number not in self._rewritten:
            self._pipeline.sweep_states()
            self._uploads.sweep()
            self._memory.compact()
            self._db.rewrite()
            self._rewritten.add(forget.number)
        if not self._db.clear_log():
            return  # somebody reads the database as it was: the next turn tries again
        self._rewritten.discard(forget.number)
        self._set(forget, "relearning" if forget.queued_again else "done")

    def _look_after(self, forget: Forget) -> None:
        """Once all is learned again, see whether the weights know what was forgotten."""
        jobs = [self._jobs.get(job_id) for job_id in forget.queued_again]
        if any(job.status in ("queued", "running") for job in jobs):
            return
        current = self._registry.current()
        likelihood = forget.likelihood
        if likelihood is not None and forget.number in self._texts:
            weights = BASE if current is None else weights_of(current, self._registry)
            try:
                now, _ = self._advantage(self._texts[forget.number], weights)
            except RadianceError as error:  # it is forgotten all the same, and others wait
                _log.warning("forgetting_not_measured", number=forget.number, error=str(error))
            else:
                likelihood = msgspec.structs.replace(likelihood, now=now)
        self._set(forget, "done", likelihood)

    def _measure_before(self, forget: Forget) -> None:
        texts = self._texts.get(forget.number, [])[:_MOST_MEASURED]
        if not texts or forget.before not in forget.checkpoints:
            return
        try:
            before, _ = self._advantage(texts, self._weights(forget.before))
            without, spread = self._advantage(texts, self._weights(forget.since))
        except RadianceError as error:  # files are gone, the engine hangs: it is forgotten anyway
            _log.warning("forgetting_not_measured", number=forget.number, error=str(error))
            return
        self._save(forget, Likelihood(before, without, spread))

    def _advantage(self, texts: Sequence[Example], weights: Weights) -> tuple[float, float]:
        """By how much values are likelier than invented ones, and how far those are spread."""
        encode = self._engine.encoder.example
        advantage = variance = 0.0
        for example in texts[:_MOST_MEASURED]:
            told = [example, *with_invented_values(example, _INVENTED)]
            encoded = [encode(each) for each in told]
            task = self._engine.score([Scoring(each.tokens, weights) for each in encoded])
            sums = [
                sum(
                    token.logprob
                    for token, is_answer in zip(one.logprobs, each.is_completion[1:], strict=True)
                    if is_answer
                )
                for each, one in zip(encoded, task.result, strict=True)
            ]
            advantage += sums[0] - statistics.fmean(sums[1:])
            variance += statistics.pvariance(sums[1:])
        return round(advantage, 3), round(2 * variance**0.5, 3)

    def _weights(self, checkpoint_id: str | None) -> Weights:
        if checkpoint_id is None:
            return BASE
        return weights_of(self._registry.get(checkpoint_id), self._registry)

    def _save(self, forget: Forget, likelihood: Likelihood) -> None:
        with self._db.transaction() as connection:
            connection.execute(
                "UPDATE forgets SET likelihood = ? WHERE number = ?",
                (to_json(likelihood), forget.number),
            )

    def _set(
        self, forget: Forget, status: ForgetStatus, likelihood: Likelihood | None = None
    ) -> None:
        if likelihood is not None:
            self._save(forget, likelihood)
        is_done = status == "done"
        with self._db.transaction() as connection:
            connection.execute(
                "UPDATE forgets SET status = ?, finished_at = ? WHERE number = ?",
                (status, to_text(self._clock()) if is_done else None, forget.number),
            )
        if is_done:
            self._texts.pop(forget.number, None)
        _log.info("forgetting", number=forget.number, status=status)


def _to_forget(row: Row) -> Forget:
    def of(name: str, kind: Any) -> Any:
        return None if row[name] is None else msgspec.json.decode(row[name], type=kind)

    return Forget(
        number=row["number"],
        at=datetime.fromisoformat(row["at"]),
        actor=row["actor"],
        reason=row["reason"],
        asked=of("asked", Asked),
        status=row["status"],
        examples=of("examples", dict[str, str]),
        passages=of("passages", dict[str, str]),
        checkpoints=of("checkpoints", tuple[str, ...]),
        before=row["before"],
        since=row["since"],
        queued_again=of("queued_again", tuple[str, ...]),
        likelihood=of("likelihood", Likelihood),
        finished_at=None
        if row["finished_at"] is None
        else datetime.fromisoformat(row["finished_at"]),
    )
