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
import threading
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec

from radiance import records
from radiance.anchors import own
from radiance.config import Config
from radiance.documents import forgotten_words
from radiance.documents import removal as passage_removal
from radiance.engine.worker import Engine
from radiance.errors import Conflict, EngineFailed, StorageError
from radiance.jobs import relearning, removal
from radiance.jobs.queue import JobQueue
from radiance.jobs.uploads import Uploads
from radiance.learning.forget_plan import ForgetPlanner, Preview, SoughtTexts
from radiance.learning.forget_requests import ForgetRequests
from radiance.learning.forgotten_likelihood import ForgottenLikelihood
from radiance.learning.pipeline import Pipeline
from radiance.memory.memory import Memory
from radiance.periodic import PeriodicThread
from radiance.records import Asked, Example, ForgetRequest, ForgetStatus, content_hash
from radiance.registry import bodies
from radiance.registry.audit import append
from radiance.registry.rows import insert_release
from radiance.registry.store import Registry
from radiance.release.canary import CanaryRouter
from radiance.release.pointer import StablePointer
from radiance.storage import files
from radiance.storage.scanning import Scan
from radiance.storage.sqlite import Connection, Database, to_text
from radiance.telemetry import get_logger
from radiance.training.untaught import value_of

_TICK_S = 2.0
_log = get_logger(__name__)


class _Traces(NamedTuple):
    """Where else the texts of a plan stand, as far as it was found before the transaction."""

    preview: Preview
    votes: removal.VotesOnForgotten
    uploads: Scan


class _MoreCame(Exception):
    """Something that fits was accepted since its traces were looked for."""


class Forgetting:
    """Forgets what somebody asks to be forgotten. Safe to use from several threads.

    Args:
        forget_drafts: Has the engine draft nothing any more that was answered until now.

    Attributes:
        requests: Those that were answered, with what became of them.
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
    ) -> None:
        self._config, self._db = config, db
        self._jobs, self._registry, self._memory = jobs, registry, memory
        self._pointer, self._pipeline = pointer, pipeline
        self._canary, self._uploads = canary, uploads
        self._forget_drafts = forget_drafts
        self.requests = ForgetRequests(db)
        self._planner = ForgetPlanner(db, registry)
        self._likelihood = ForgottenLikelihood(engine, registry)
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
            return self._planner.preview(self._planner.seek(asked))

    def forget(self, asked: Asked, actor: str, reason: str) -> tuple[ForgetRequest, Preview]:
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
        return self.requests.get(number), preview

    def _forget_all(self, asked: Asked, actor: str, reason: str) -> tuple[Preview, int]:
        """What was forgotten, and the number of the request. Searching holds up nobody else."""
        while True:
            sought = self._planner.seek(asked)
            planned = self._planner.preview(sought)  # or it is refused: change nothing
            passages = [kept.passage for kept in planned.passages]
            forgotten = removal.ForgottenTexts(planned.examples, passages)
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

    def _forget(
        self, connection: Connection, sought: SoughtTexts, traces: _Traces, actor: str, reason: str
    ) -> tuple[Preview, int]:
        """All of it, in the open transaction; what was done, and the number of the request."""
        at = records.now()
        plan = self._planner.plan(connection, sought)
        examples, passages = plan.preview.examples, plan.preview.passages
        looked_for = {*traces.preview.examples, *traces.preview.passages}
        if not looked_for.issuperset((*examples, *passages)):
            raise _MoreCame
        if examples:
            self._jobs.interrupt(connection, self._registry.accepted())
            plan = self._planner.plan(connection, sought)
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
        # What was forgotten of documents does not come back with the next sending of one.
        held = asked.value if asked.kind == "text" and preview.passages else None
        if asked.kind in ("tag", "text"):
            asked = Asked(asked.kind, content_hash(asked.value))
        hashes = {example.id: example.content_hash for example in preview.examples}
        number = self.requests.insert(
            connection,
            ForgetRequest(
                number=0,
                at=at,
                actor=actor,
                reason=reason,
                asked=asked,
                status="erasing",
                examples=hashes,
                passages=passages,
                checkpoints=preview.checkpoints,
                before=before,
                since=preview.serves,
                queued_again=preview.queued_again,
            ),
        )
        if held is not None:
            forgotten_words.hold(connection, held, number)
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

    # ── Cleaning up ─────────────────────────────────────────────────────────────────────────────

    def tick(self) -> None:
        """Go on with every request that is not done."""
        with self._cleaning_up:  # two at once would write the database anew twice
            with self._one_at_a_time:  # whose texts are kept by then
                unfinished = self.requests.unfinished()
            failed: StorageError | None = None
            for forget in unfinished:
                try:
                    if forget.status == "erasing":
                        self._erase(forget)
                    else:
                        self._look_after(forget)
                except StorageError as error:  # of this one: the others do not wait for it
                    failed = failed or error
            if failed is not None:
                raise failed

    def _erase(self, forget: ForgetRequest) -> None:
        """Off the disk; repeating it is harmless."""
        texts = self._texts.get(forget.number)
        if texts and forget.likelihood is None and forget.before in forget.checkpoints:
            measured = self._likelihood.before_and_since(
                forget.number, texts, forget.before, forget.since
            )
            if measured is not None:
                self.requests.set_likelihood(forget.number, measured)
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

    def _look_after(self, forget: ForgetRequest) -> None:
        """Once all is learned again, see whether the weights know what was forgotten."""
        jobs = [self._jobs.get(job_id) for job_id in forget.queued_again]
        if any(job.status in ("queued", "running") for job in jobs):
            return
        texts = self._texts.get(forget.number)
        if texts is not None and forget.likelihood is not None:
            current = self._registry.current()
            serves = None if current is None else current.checkpoint_id
            measured = self._likelihood.now(forget.number, texts, forget.likelihood, serves)
            if measured is not None:
                self.requests.set_likelihood(forget.number, measured)
        self._set(forget, "done")

    def _set(self, forget: ForgetRequest, status: ForgetStatus) -> None:
        self.requests.set_status(forget.number, status)
        if status == "done":
            self._texts.pop(forget.number, None)
        _log.info("forgetting", number=forget.number, status=status)
