"""Tries a checkpoint beside the one that serves: as a canary for some callers, or as a shadow.

A canary answers a share of the callers; who is among them is decided by a hash of the caller, so
that nobody is thrown back and forth. A shadow is unseen: once a request is answered, the candidate
is asked the same, when the engine has nothing else to do; what would have to wait too long is
dropped and counted. So is the reading of answers for their mean log-probability.

An experiment ends by itself where its candidate comes to serve, and where a checkpoint that the
candidate continues from is taken back. With ``monitor.action = "rollback"`` it also ends where the
candidate's votes, failures or answers are as bad as would take back what serves.
"""

import contextlib
import queue
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

import msgspec
from msgspec import structs

from radiance import records
from radiance.config import Config
from radiance.engine.requests import SERVING, Answer, OnEvent, Request, Weights
from radiance.engine.worker import Engine
from radiance.errors import Cancelled, Conflict, RadianceError, RequestError, Unavailable
from radiance.gate import health
from radiance.periodic import PeriodicThread
from radiance.records import CheckpointStatus, Votes
from radiance.registry.rows import BASE as BASE_NAME
from radiance.registry.store import Registry
from radiance.release.assignment import assign
from radiance.release.comparison import Arms, ExperimentReport, compare, summarise
from radiance.release.experiments import Arm, ArmAnswer, Experiment, Experiments, Mode
from radiance.release.feedback import FeedbackLog
from radiance.release.pointer import weights_named
from radiance.release.shadow import EndedRequest, RoutedWeights, ShadowReplay, tally_of, trial_of
from radiance.telemetry import get_logger

_TICK_S = 0.25
_SAVE_S = 1.0
_GUARD_S = 5.0
_REPORTED_S = 2.0  # for so long a report is not made anew
_MOST_WAITING = 64  # answers that wait to be repeated or read
_LONGEST_WAIT_S = 10.0
_log = get_logger(__name__)


@dataclass(frozen=True)
class _RunningExperiment:
    """The experiment under way, as requests are routed by it."""

    experiment: Experiment
    weights: Weights


class CanaryRouter:
    """Routes requests by the experiment under way and keeps what they showed.

    Args:
        config: All settings.
        engine: Answers.
        registry: Says what serves, and has the candidates.
        experiments: Where it is kept.
        feedback: The votes.
    """

    def __init__(
        self,
        config: Config,
        engine: Engine,
        registry: Registry,
        experiments: Experiments,
        feedback: FeedbackLog,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings, self._confidence = config.monitor, config.gate.confidence
        self._engine, self._registry = engine, registry
        self._experiments, self._feedback, self._clock = experiments, feedback, clock
        self._plan: _RunningExperiment | None = None
        self._champion: str | None = None
        self._ended: queue.SimpleQueue[EndedRequest] = queue.SimpleQueue()
        self._waiting: deque[EndedRequest] = deque()
        self._unsaved: list[ArmAnswer] = []
        self._dropped = 0
        self._saved_at = self._guarded_at = clock()
        self._reported: tuple[float, ExperimentReport] | None = None
        self._lock = threading.RLock()  # of whoever begins, ends or saves
        self._told = False
        self._thread = PeriodicThread("canary", self.tick, _TICK_S, at_once=True)
        self._shadow_replay = ShadowReplay(
            engine, lambda id: weights_named(id, registry), self._thread.wait_for_stop
        )

    # ── Life ────────────────────────────────────────────────────────────────────────────────────

    def start(self) -> None:
        """Take up the experiment that was under way, and begin to look after it."""
        experiment = self._experiments.running()
        self._champion = self._engine.source.checkpoint_id
        if experiment is not None:
            self._plan = _RunningExperiment(
                experiment, weights_named(experiment.candidate, self._registry)
            )
            if experiment.candidate and self._registry.other_base(experiment.candidate):
                self._end_by_itself("It was trained on another base model.")
            self._follow_pointer()
        self._thread.start()

    def stop(self) -> None:
        """Save what is known, and end the thread; the experiment goes on with the next start."""
        self._thread.stop()
        self._take_ended()
        self._give_up_waiting()
        self._save()

    # ── Requests ────────────────────────────────────────────────────────────────────────────────

    def route(self, caller: str) -> Weights:
        """The weights for a caller who names none; always the same while an experiment runs."""
        plan = self._plan
        if plan is None:
            return SERVING
        number = plan.experiment.number
        given = assign(str(number), caller, plan.experiment.share)
        is_among = plan.experiment.mode == "canary" and given.is_candidate
        weights, arm = (plan.weights, "candidate") if is_among else (SERVING, "champion")
        return RoutedWeights(
            weights.kind,
            weights.checkpoint_id,
            weights.status,
            weights.content_hash,
            weights.path,
            number,
            arm,
            given.caller,
        )

    def submit(self, request: Request, on_event: OnEvent | None = None) -> "Future[Answer]":
        """Queue a request with the engine, and note how it ends if an experiment routed it.

        Raises:
            RadianceError: As ``Engine.submit``.
        """
        routed = request.weights
        if not isinstance(routed, RoutedWeights):
            return self._engine.submit(request, on_event)
        was_alone, serving = self._is_idle(), self._engine.source.checkpoint_id
        future = self._engine.submit(request, on_event)

        def note(done: "Future[Answer]") -> None:  # on the engine's thread
            outcome = Cancelled("given up") if done.cancelled() else done.exception()
            end = EndedRequest(
                request,
                routed,
                routed.checkpoint_id if routed.arm == "candidate" else serving,
                was_alone,
                records.now(),
                self._clock(),
                done.result() if outcome is None else outcome,
            )
            self._ended.put(end)

        future.add_done_callback(note)
        return future

    # ── Experiments ─────────────────────────────────────────────────────────────────────────────

    @property
    def running(self) -> Experiment | None:
        """The experiment under way."""
        return None if self._plan is None else self._plan.experiment

    def running_and_last(self) -> tuple[Experiment | None, Experiment | None]:
        """The experiment under way, and the one that ended last: both of one moment."""
        with self._lock:  # one that is ending is on record once this is free
            return self.running, self._experiments.last()

    def begin(
        self, mode: Mode, checkpoint: str, share: float, actor: str, reason: str, *, force: bool
    ) -> Experiment:
        """Begin to try a checkpoint ("base": the bare base model).

        Args:
            mode: Whether callers see its answers.
            checkpoint: The candidate.
            share: Of the callers (canary) or of the requests (shadow), in (0, 1].
            actor: Who asks for it.
            reason: Why, as a sentence.
            force: Show callers also what the gate rejected.

        Raises:
            NotFound: There is no such checkpoint.
            Conflict: It serves already, or was rejected and is to be seen, or has learned what was
                forgotten, or another one is tried.
            CorruptCheckpoint: Its files are not the ones that were committed.
        """
        candidate = None if checkpoint == BASE_NAME else checkpoint
        weights = weights_named(candidate, self._registry)
        if weights.status == CheckpointStatus.REJECTED and mode == "canary" and not force:
            raise Conflict(
                f"{checkpoint} was rejected, so a canary must not serve its answers.",
                field="checkpoint",
                value=checkpoint,
                remedy='Try it with mode "shadow", or with force.',
            )
        if candidate is not None:
            self._registry.check_can_serve(candidate)
            self._registry.verify(candidate)
        with self._lock:
            if candidate == self._engine.source.checkpoint_id:
                raise Conflict(
                    f"{checkpoint} serves already.",
                    field="checkpoint",
                    value=checkpoint,
                    remedy="Name another checkpoint.",
                )
            experiment = self._experiments.start(mode, candidate, share, actor, reason)
            self._champion = self._engine.source.checkpoint_id
            self._told = False
            self._plan = _RunningExperiment(experiment, weights)
        _log.info("canary_started", mode=mode, checkpoint=checkpoint, share=share, actor=actor)
        return experiment

    def end(self, actor: str, reason: str) -> Experiment:
        """End the experiment; callers are answered by what serves from now on.

        Raises:
            Conflict: None is under way.
        """
        with self._lock:
            plan = self._plan
            if plan is None:
                raise Conflict("No canary is under way.", remedy="There is nothing to do.")
            self._plan = None
            try:
                self._take_ended()
                self._give_up_waiting()
                self._save(plan.experiment.number)
                shown = self.report(plan.experiment)
                summary = {
                    "arms": msgspec.to_builtins(shown.arms),
                    "comparison": msgspec.to_builtins(shown.comparison),
                    "dropped": shown.dropped,
                }
                ended = self._experiments.stop(plan.experiment.number, actor, reason, summary)
            except BaseException:
                self._plan = plan
                raise
        _log.info("canary_ended", checkpoint=ended.candidate or BASE_NAME, reason=reason)
        return ended

    def report(self, experiment: Experiment) -> ExperimentReport:
        """An experiment, both arms and their comparison; of trials at most some seconds old."""
        self._save()
        now, known = self._clock(), self._reported
        if known is None or known[1].number != experiment.number or now - known[0] >= _REPORTED_S:
            known = self._reported = now, self._make_report(experiment)
        now_of_it = {**structs.asdict(experiment), "dropped": known[1].dropped}
        return structs.replace(known[1], **now_of_it)

    def candidate_of(self, caller: str) -> tuple[bool, str | None]:
        """Whether the canary answers a caller, and with which checkpoint (None: the base)."""
        routed = self.route(caller)
        is_candidate = isinstance(routed, RoutedWeights) and routed.arm == "candidate"
        return is_candidate, routed.checkpoint_id if is_candidate else None

    def _make_report(self, experiment: Experiment) -> ExperimentReport:
        """What its trials show; of the champion only what serves now, or served at the end."""
        trials = self._experiments.trials(experiment.number)
        champions = [trial.checkpoint for trial in trials if trial.arm == "champion"]
        champion = self._champion if experiment.ended_at is None or not champions else champions[-1]
        left_out = {t.pair for t in trials if t.arm == "champion" and t.checkpoint != champion}
        left_out -= {None}
        trials = [
            trial
            for trial in trials
            if (trial.arm == "candidate" or trial.checkpoint == champion)
            and trial.pair not in left_out
        ]
        since = experiment.started_at
        votes: dict[Arm, Votes] = {
            "champion": self._feedback.votes(champion, since),
            "candidate": self._feedback.votes(experiment.candidate, since),
        }
        arms = Arms(
            champion=summarise(
                [t for t in trials if t.arm == "champion"], champion, votes["champion"]
            ),
            candidate=summarise(
                [t for t in trials if t.arm == "candidate"],
                experiment.candidate,
                votes["candidate"],
            ),
        )
        rows = compare(trials, votes, self._confidence, is_paired=experiment.mode == "shadow")
        now = self._experiments.running()
        dropped = now.dropped if now and now.number == experiment.number else experiment.dropped
        return ExperimentReport(
            **structs.asdict(structs.replace(experiment, dropped=dropped)),
            arms=arms,
            comparison=rows,
            confidence=self._confidence,
        )

    # ── On the thread of its own ────────────────────────────────────────────────────────────────

    def tick(self) -> None:
        """Take in what has ended, look at what waits, save, and see whether it goes on."""
        self._follow_pointer()
        self._take_ended()
        self._look_at_one()
        if self._clock() - self._saved_at >= _SAVE_S:
            self._save()
        if self._clock() - self._guarded_at >= _GUARD_S:
            self._guarded_at = self._clock()
            self._guard()

    def _follow_pointer(self) -> None:
        """End what has become pointless since what serves was moved."""
        plan, serving = self._plan, self._engine.source.checkpoint_id
        before, self._champion = self._champion, serving
        if plan is None:
            return
        candidate = plan.experiment.candidate
        if candidate == serving:
            self._end_by_itself("It serves now.")
        elif before != serving and before is not None and candidate is not None:
            newest = self._registry.releases(1)
            was_taken_back = bool(newest) and newest[0].action == "rollback"
            if was_taken_back and before in self._registry.ancestors(candidate):
                self._end_by_itself(
                    f"{before}, which it continues from, was taken back by {newest[0].actor}:"
                    f" {newest[0].reason}"
                )

    def _end_by_itself(self, reason: str) -> None:
        with contextlib.suppress(Conflict):  # somebody was quicker
            self.end("canary", reason)

    def _take_ended(self) -> None:
        """Make trials of what has ended; what is to be repeated or read waits for its turn."""
        while True:
            try:
                end = self._ended.get_nowait()
            except queue.Empty:
                return
            if isinstance(end.outcome, Cancelled | Unavailable | RequestError):
                continue  # says nothing of the checkpoint
            plan = self._plan
            if plan is None or plan.experiment.number != end.routed.experiment:
                continue
            is_shadow, share = plan.experiment.mode == "shadow", plan.experiment.share
            has_text = isinstance(end.outcome, Answer) and bool(end.outcome.tokens)
            if not has_text or (is_shadow and secrets.SystemRandom().random() >= share):
                self._keep(trial_of(end))
            elif len(self._waiting) >= _MOST_WAITING:
                self._drop(end)
            else:
                self._waiting.append(end)

    def _look_at_one(self) -> None:
        """Repeat or read the oldest answer that waits, if the engine has nothing else to do."""
        while self._waiting and self._clock() - self._waiting[0].ended_at > _LONGEST_WAIT_S:
            self._drop(self._waiting.popleft())
        plan = self._plan
        if not self._waiting or plan is None or not self._is_idle():
            return
        end = self._waiting.popleft()
        try:
            if plan.experiment.mode == "shadow":
                for trial in self._shadow_replay.repeat(end, plan.weights):
                    self._keep(trial)
            else:
                self._keep(self._shadow_replay.read(end))
        except (RadianceError, OSError) as error:
            self._drop(end)
            _log.debug("canary_not_read", error=str(error))

    def _is_idle(self) -> bool:
        stats = self._engine.stats
        return not stats.rows_decoding and not stats.rows_waiting

    def _keep(self, trial: ArmAnswer) -> None:
        self._unsaved.append(trial)

    def _drop(self, end: EndedRequest) -> None:
        self._dropped += 1
        self._keep(trial_of(end))

    def _give_up_waiting(self) -> None:
        while self._waiting:
            self._drop(self._waiting.popleft())

    def _save(self, number: int | None = None) -> None:
        """Put on disk what is known; by ``number`` of an experiment that is about to end."""
        with self._lock:
            self._saved_at = self._clock()
            plan = self._plan
            if number is None and plan is not None:
                number = plan.experiment.number
            trials, self._unsaved = self._unsaved, []
            dropped, self._dropped = self._dropped, 0
            if number is not None and (trials or dropped):
                self._experiments.add(number, trials, dropped)

    # ── The candidate's signs of health ─────────────────────────────────────────────────────────

    def _guard(self) -> None:
        """Hold what callers see of the candidate against the monitor's limits."""
        plan, settings = self._plan, self._settings
        if plan is None or plan.experiment.mode != "canary" or settings.action == "off":
            return
        experiment, confidence = plan.experiment, self._confidence
        trials = self._experiments.trials(experiment.number)
        tallies = {
            arm: tally_of([t for t in trials if t.arm == arm]) for arm in ("champion", "candidate")
        }
        votes = self._feedback.votes(experiment.candidate, experiment.started_at)
        rows = (
            health.thumbs_down(votes, settings, confidence),
            health.errors(tallies["candidate"], settings, confidence),
            *health.output_drift(tallies["candidate"], tallies["champion"], settings, confidence),
        )
        failed = [health.explain(row) for row in rows if row.verdict == "fail"]
        if failed and settings.action == "rollback":
            self._end_by_itself(f"Its signs are bad: {'; '.join(failed)}.")
        elif failed and not self._told:
            self._told = True
            _log.warning("canary_signal", checkpoint=experiment.candidate, signal="; ".join(failed))
