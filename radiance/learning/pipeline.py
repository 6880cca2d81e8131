"""One learning cycle, top to bottom, and the thread that runs them.

The order (lease, train, evaluate, decide, commit, swap, acknowledge) is also the recovery protocol.
A process killed anywhere in it starts again with the lease: the same jobs, parent and settings make
the same cycle, which meets what its earlier run left (a saved training state, a published
candidate, a release) and goes on from there. Jobs count as done only after the swap, so whoever
sees a job succeeded is answered by the checkpoint that holds it. A candidate that the gate refuses
is committed for the record; nothing is swapped, and its jobs have failed.
"""

import threading
import time
from collections.abc import Callable, Collection
from pathlib import Path

import msgspec

from radiance import records
from radiance.config import Config, TrainingSettings
from radiance.engine.worker import Engine
from radiance.errors import Cancelled, Conflict, Diverged, LostRank, Unavailable
from radiance.examples.store import ExampleStore
from radiance.gate.rules import decide
from radiance.jobs.queue import JobQueue
from radiance.jobs.selection import diverged_reason, out_of_memory_reason
from radiance.learning.candidate import CandidateBuilder, CycleProgress, LearningStats
from radiance.learning.holding import Hold, passing_reason
from radiance.learning.shortage import what_never_fits
from radiance.learning.training_states import unless_the_disk_fails
from radiance.periodic import PeriodicThread
from radiance.records import (
    CheckpointStatus,
    Cycle,
    Evaluation,
    Evidence,
    Job,
    JobStatus,
    Manifest,
    MetricPoint,
)
from radiance.registry.curves import MetricCurves
from radiance.registry.store import Registry
from radiance.release.pointer import StablePointer
from radiance.telemetry import bound, get_logger

_CALLING_OFF_S, _CALLING_OFF_POLL_S = 10.0, 0.05
_POLL_S = 1.0  # how often the age of waiting examples is looked at
_log = get_logger(__name__)


class Pipeline:
    """Runs cycles on its own thread, one after another. All computing is the engine's.

    Args:
        pointer: Follows a committed promotion.
        objection: Why no cycle may begin now; None where one may.
        make_more: Makes what else there is time for while nothing is due, and leaves off where what
            it is given says so.
    """

    def __init__(
        self,
        config: Config,
        engine: Engine,
        builder: CandidateBuilder,
        jobs: JobQueue,
        examples: ExampleStore,
        registry: Registry,
        curves: MetricCurves,
        pointer: StablePointer,
        objection: Callable[[], str | None] = lambda: None,
        make_more: Callable[[Callable[[], bool]], object] = lambda is_due: None,
    ) -> None:
        self._config, self._objection, self._make_more = config, objection, make_more
        self._engine, self._builder = engine, builder
        self._jobs, self._examples = jobs, examples
        self._registry, self._curves = registry, curves
        self._pointer = pointer
        self._called_off: set[str] = set()  # jobs that train and are to be cancelled
        self._held: Hold | None = None
        self._is_prepared = False
        self._is_awaited = threading.Event()  # by a job that may be due
        self._thread = PeriodicThread("pipeline", self._run_due_cycles, _POLL_S, at_once=True)

    # ── Life ────────────────────────────────────────────────────────────────────────────────────

    def start(self) -> None:
        """Begin to run cycles as they become due."""
        self._thread.start()

    def stop(self) -> None:
        """Save the state of a cycle in training, put its jobs back, and end the thread."""
        self._thread.ask_to_stop()
        self._builder.stop()
        self._thread.stop()

    def wake(self) -> None:
        """Look at once whether a cycle is due: something was queued."""
        self._is_awaited.set()
        self._thread.wake()

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive

    @property
    def progress(self) -> CycleProgress | None:
        """How far the running cycle is; None if none runs."""
        return self._builder.progress

    def training_settings(self, task_inputs: int) -> TrainingSettings:
        """What a training of so many inputs of a task goes by, or of facts if there are none."""
        return self._builder.training_settings(task_inputs)

    @property
    def stats(self) -> LearningStats:
        """What was trained since the start."""
        return self._builder.stats

    @property
    def preparing(self) -> str | None:
        """What is made while nothing is to be learned, and how much of it is there."""
        return self._builder.preparing

    @property
    def held(self) -> Hold | None:
        """What holds up jobs that wait, though nothing is wrong with them; None: nothing does."""
        return self._held

    def _run_due_cycles(self) -> None:
        self._is_awaited.clear()
        while not self._thread.is_stopping and not self._objection():
            if (held := self._held) is not None and held.lasts(records.now()):
                break
            try:
                has_run = self.run_cycle()
            except Exception as error:
                if (reason := passing_reason(error)) is None:
                    raise
                self._hold(reason)
                _log.warning("cycle_could_not_run", reason=str(error))
                break
            if not has_run:
                self._held = None
                self._prepare()
                break

    def _hold(self, reason: str) -> None:
        """Learn nothing for a while that grows; what waits is told why."""
        self._held = Hold.after(self._held, reason, records.now())

    def _prepare(self) -> None:
        """Use the time in which nothing is due for what later cycles want, and for more."""
        looked_at = time.monotonic()

        def is_due() -> bool:
            nonlocal looked_at
            if self._is_awaited.is_set():
                return True
            if (now := time.monotonic()) - looked_at < _POLL_S:
                return False
            looked_at = now
            return self._jobs.is_due(self._config.update, records.now())

        try:
            self._is_prepared = self._is_prepared or self._builder.prepare(is_due)
        except Cancelled:
            raise
        except Exception:
            self._is_prepared = True  # cycles go without, and say what is wrong
            raise
        if self._is_prepared:
            self._make_more(is_due)

    # ── One cycle ───────────────────────────────────────────────────────────────────────────────

    def run_cycle(self) -> bool:
        """Lease, train, evaluate, decide, commit, swap, acknowledge. False if no job is due."""
        cycle = self._lease()
        if cycle is None:
            return False
        with bound(cycle=cycle.id):
            self._run(cycle)
        return True

    def _run(self, cycle: Cycle) -> None:
        try:
            staging, manifest, evaluation = self._candidate(cycle)
            decision = msgspec.structs.replace(
                decide(evaluation, self._config.gate), scaled_to=manifest.scaled_to
            )
            evidence = self._evidence(cycle, manifest)
            checkpoint = self._registry.commit(
                cycle, staging, manifest, evaluation, decision, evidence
            )
        except (Cancelled, LostRank, Unavailable) as error:
            if called_off := self._called_off.intersection(cycle.job_ids):
                self._settle(cycle, lambda: self._jobs.call_off(cycle.id, called_off))
                self._builder.forget_state(cycle)
                _log.info("cycle_called_off", jobs=sorted(called_off))
            else:
                # Stopping, somebody rolled back, or another machine died: the jobs wait again.
                self._settle(cycle, lambda: self._jobs.release(cycle.id))
                self._builder.sweep_states()
                _log.info("cycle_released", reason=str(error))
        except Exception as error:  # noqa: BLE001 - the boundary of a cycle: serving goes on
            if (why := what_never_fits(self._engine, error)) is not None:
                self._settle(cycle, lambda: self._try_alone(cycle, why, out_of_memory_reason))
            elif (why := passing_reason(error)) is not None:
                self._hold(why)  # not the jobs' fault: they wait until this has passed
                _log.warning("cycle_held", reason=why, error=str(error), jobs=cycle.job_ids)
                self._settle(cycle, lambda: self._jobs.release(cycle.id))
            elif isinstance(error, Diverged):
                self._builder.forget_state(cycle)  # else the next try goes on where it exploded
                why = str(error)
                self._settle(cycle, lambda: self._try_alone(cycle, why, diverged_reason))
            else:
                _log.exception("cycle_failed", jobs=cycle.job_ids)
                reason = str(error) or type(error).__name__
                self._settle(cycle, lambda: self._fail(cycle, reason))
                self._builder.forget_state(cycle)
        else:
            # The decision is committed: from here on there is no way back.
            refused = checkpoint.status == CheckpointStatus.REJECTED
            end = self._refuse if refused else self._finish
            self._settle(cycle, lambda: end(cycle, manifest))
            self._held = None
        finally:
            self._called_off.difference_update(cycle.job_ids)
            self._registry.discard_staged(cycle.candidate_id)

    def call_off(self, job_id: str) -> Job:
        """Cancel a job in the queue or in training; the job as it is then.

        Others that train with it wait again. One whose candidate is finished meanwhile has ended
        so. While training is paused it stays as it is.

        Raises:
            NotFound: There is no such job.
            Conflict: It has ended already.
        """
        try:
            return self._jobs.cancel(job_id)
        except Conflict:
            progress = self.progress
            if progress is None or job_id not in progress.cycle.job_ids:
                raise
        self._called_off.add(job_id)
        self._builder.call_off()
        until = time.monotonic() + _CALLING_OFF_S
        while (job := self._jobs.get(job_id)).status == JobStatus.RUNNING:
            if time.monotonic() > until or self._thread.wait_for_stop(_CALLING_OFF_POLL_S):
                break  # paused, perhaps: it ends when training goes on
        return job

    def interrupt(self) -> None:
        """Have the cycle under way come to nothing, as something was forgotten."""
        self._builder.call_off()

    def leave_anchors(self, question_hashes: Collection[str]) -> None:
        """Hold no anchors of these questions any more."""
        self._builder.leave_anchors(question_hashes)

    def sweep_states(self) -> None:
        """Delete the saved states of cycles that have ended."""
        self._builder.sweep_states()

    def _candidate(self, cycle: Cycle) -> tuple[Path, Manifest, Evaluation]:
        """Where the candidate's files are and what is known of it; trained unless published."""
        published = self._registry.find_candidate(cycle)
        if published is not None:
            return self._registry.path(cycle.candidate_id), *published
        return self._builder.make(cycle, lambda: self._continues_what_serves(cycle))

    def _continues_what_serves(self, cycle: Cycle) -> bool:
        """Whether a cycle's candidate could be served: the pointer has not moved meanwhile."""
        with unless_the_disk_fails("pointer_not_read"):
            return cycle.parent_id == self._registry.current_id()
        return True

    def _evidence(self, cycle: Cycle, manifest: Manifest) -> Evidence:
        """What the audit log keeps beside the manifest, so that anybody can check it afterwards."""
        replayed = self._examples.by_ids(manifest.replayed_ids)
        lineage = self._registry.ancestors(cycle.parent_id)
        jobs = [self._jobs.get(job_id) for job_id in cycle.job_ids]
        settings = {
            name: msgspec.to_builtins(getattr(self._config, name))
            for name in ("training", "evaluation", "gate")
        }
        # These follow from the examples where they teach a task.
        settings["training"] |= {name: manifest.training[name] for name in ("lr", "max_steps")}
        return Evidence(
            examples={e.id: e.content_hash for e in self._examples.of_jobs(cycle.job_ids)},
            replayed={e.id: e.content_hash for e in replayed},
            jobs={job.job_id: job.origin_hash for job in jobs},
            superseded=tuple(s for job in jobs for s in self._examples.supersedes(job, lineage)),
            settings=settings | {"anchor": manifest.anchor},
        )

    def _fail(self, cycle: Cycle, reason: str) -> None:
        """End a cycle that made nothing, and say so in the audit log."""
        with self._registry.audit.sealed():
            self._jobs.fail(
                cycle.id,
                reason,
                lambda connection: self._registry.record_failure(connection, cycle, reason),
            )

    def _try_alone(self, cycle: Cycle, why: str, told: Callable[[int, str], str]) -> None:
        """Have what is wrong in one of a cycle's jobs harm that one alone."""
        _log.warning("cycle_tried_alone", reason=told(1, why), jobs=cycle.job_ids)
        with self._registry.audit.sealed():
            self._jobs.try_alone(
                cycle.id,
                self._config.training.max_deaths,
                lambda times: told(times, why),
                lambda connection: self._registry.record_failure(connection, cycle, why),
            )

    def _finish(self, cycle: Cycle, manifest: Manifest) -> None:
        """Swap and acknowledge; repeating it is harmless.

        While the stable pointer is pinned there is nothing to swap: the jobs have succeeded, in a
        checkpoint that a person may promote.
        """
        self._pointer.follow()
        is_served = self._engine.source.checkpoint_id == cycle.candidate_id
        if is_served:  # the pointer has the engine draft what is acknowledged, which this is not
            encoder, taught = self._engine.encoder, self._examples.of_jobs(cycle.job_ids)
            self._engine.expect([encoder.example(each) for each in encoder.taken(taught)])
        self._record_report(cycle, manifest)
        loss = manifest.report.finetune_loss
        self._jobs.acknowledge(cycle.id, cycle.candidate_id, records.now())
        self._builder.forget_state(cycle)
        _log.info(
            "checkpoint_committed",
            checkpoint=cycle.candidate_id,
            is_served=is_served,
            jobs=len(cycle.job_ids),
            steps=manifest.steps,
            finetune_loss=None if loss is None else round(loss, 4),
        )

    def _refuse(self, cycle: Cycle, manifest: Manifest) -> None:
        """Fail the jobs of a candidate that the gate rejected; repeating it is harmless."""
        # The decision of the commit, which may be that of an earlier run under another policy.
        decision = self._registry.decision(cycle.candidate_id)
        assert decision is not None
        self._record_report(cycle, manifest)
        reason = f"{cycle.candidate_id} was rejected. {decision.reason}"
        self._jobs.fail(cycle.id, reason, rejected=cycle.candidate_id)
        self._builder.forget_state(cycle)
        _log.warning("checkpoint_rejected", checkpoint=cycle.candidate_id, reason=decision.reason)

    def _settle(self, cycle: Cycle, end: Callable[[], None]) -> None:
        """End a cycle, again and again while the disk or the engine will not have it.

        Its jobs stay leased until then: nothing else may train before it is known how this ended.
        Where the service stops first, the next start puts them in order.
        """
        while True:
            try:
                return end()
            except Exception as error:  # noqa: BLE001 - whatever it was, the cycle must end
                self._hold(passing_reason(error) or str(error))
                _log.exception("cycle_not_ended", error=str(error))
                if self._thread.wait_for_stop(_POLL_S):
                    return None

    def _lease(self) -> Cycle | None:
        parent = self._registry.current()
        today = records.now()
        return self._jobs.lease(
            self._config.update,
            parent.checkpoint_id if parent else None,
            self._builder.settings_hash(),
            lambda connection: self._registry.new_checkpoint_id(connection, today.date()),
            today,
        )

    def _record_report(self, cycle: Cycle, manifest: Manifest) -> None:
        """The cycle's final measurements, as the points after its last step."""
        step, report = manifest.steps + 1, manifest.report
        named = {
            "finetune_loss": report.finetune_loss,
            "eval_loss": report.eval_loss,
            "forgetting_loss": report.forgetting_loss,
            "retention_score": report.retention_score,
            "recall_exact": report.recall_exact,
            "drift_loss": report.drift_loss,
            "bleeding": report.bleeding,
        }
        self._curves.record(
            MetricPoint(cycle.id, step, name, value)
            for name, value in named.items()
            if value is not None
        )
