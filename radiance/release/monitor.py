"""Watches what serves after its promotion, and takes it back where its signs of health are bad.

A gate sees a candidate before it serves; this sees what comes after: how people vote, whether
requests fail, whether answers drift from the checkpoint before, and whether the weights in memory
still give the anchors the loss they had when they were measured.

What serves is watched from its release on; another release starts all signs afresh. One rollback a
promotion: where the monitor itself has put what serves in place, it only warns, because then it was
not the checkpoint's fault, and going on would take back everything that was ever learned. Nor does
it act while the pointer is pinned, or on the base model, behind which there is nothing.

Clients must not be able to bring about a rollback. So what is a caller's own doing does not count
(refused requests, answers bent or cut short by the request), a vote sent with an API key counts
only for an answer that was given, and what only one key brought about is no sign.
"""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TypeVar

import msgspec

from radiance import records
from radiance.config import Config
from radiance.engine.model.encoding import EncodedExample
from radiance.engine.requests import Answer, Request
from radiance.engine.worker import Engine
from radiance.errors import (
    Cancelled,
    Conflict,
    CorruptCheckpoint,
    Overloaded,
    RequestError,
    TimedOut,
    Unavailable,
)
from radiance.gate import health
from radiance.gate.health import Tally
from radiance.periodic import PeriodicThread
from radiance.records import Example, GateRow, Release, Votes
from radiance.registry.rows import BASE
from radiance.registry.store import Registry
from radiance.release.feedback import FeedbackLog
from radiance.release.pointer import StablePointer
from radiance.telemetry import get_logger

# What no checkpoint brings about: the caller's own, or that of how much is going on.
_NOT_ITS_DOING = (RequestError, Cancelled, Unavailable, Overloaded, TimedOut)
_MOST_GIVEN = 100_000  # answers that may be voted on
_LOOK_S = 5.0  # how often the signs are looked at when nobody wakes the monitor
T = TypeVar("T")
_log = get_logger(__name__)


class MonitorState(msgspec.Struct, frozen=True):
    """What the monitor saw when it last looked.

    Attributes:
        action: As configured: "off", "warn" or "rollback".
        checkpoint: What it watches; None is the base, which it leaves alone.
        since: Since when; None before anything was promoted.
        last_probe_at: When the anchors were last read; None if they have not been.
        rows: Every rule with what it saw.
        held: Why it would not act, as a sentence; None where it would.
    """

    action: str
    checkpoint: str | None = None
    since: datetime | None = None
    last_probe_at: datetime | None = None
    rows: tuple[GateRow, ...] = ()
    held: str | None = None


Tallies = Mapping[str, Tally]
"""By the digest of the API key that requests came with; "" is who came without one."""


@dataclass
class _Watch:
    """One release, watched.

    Attributes:
        release: None before the first one.
        before: What was tallied of the checkpoint that served before, by the caller's key.
        at_promotion: Loss of the probed anchors when they were measured, by id.
        probe: The row of the last probe.
        told: Rules whose failure was logged.
    """

    release: Release | None = None
    before: Tallies = field(default_factory=dict)
    at_promotion: dict[str, float] | None = None
    last_probe_at: datetime | None = None
    probe: GateRow | None = None
    told: set[str] = field(default_factory=set)

    @property
    def checkpoint_id(self) -> str | None:
        return self.release.checkpoint_id if self.release else None


class Monitor:
    """Watches the checkpoint that serves, on a thread of its own.

    Args:
        config: All settings.
        engine: Asked for the loss of anchors; tells how requests ended.
        registry: Says what serves, since when and why.
        pointer: Rolls back.
        feedback: The votes.
        anchors: What is probed; may be empty.
        clock: The present; aware, UTC.
        windows: An anchor's sequences, the first of which is read; none where it cannot be asked
            yet. None: as the engine encodes it.
    """

    def __init__(
        self,
        config: Config,
        engine: Engine,
        registry: Registry,
        pointer: StablePointer,
        feedback: FeedbackLog,
        anchors: Sequence[Example],
        clock: Callable[[], datetime] = records.now,
        windows: Callable[[Example], Sequence[EncodedExample]] | None = None,
    ) -> None:
        self._settings, self._confidence = config.monitor, config.gate.confidence
        self._engine, self._registry, self._pointer = engine, registry, pointer
        self._feedback, self._clock = feedback, clock
        self._anchors = {anchor.id: anchor for anchor in anchors}
        self._windows = windows or engine.encoder.windows
        self._tallies: dict[str | None, dict[str, Tally]] = {}
        self._given: OrderedDict[str, None] = OrderedDict()  # the newest answers, hashed
        self._tallies_lock = threading.Lock()
        self._watch = _Watch()
        self._state = MonitorState(self._settings.action)
        self._thread = PeriodicThread("monitor", self.look, _LOOK_S, at_once=True)
        if self._settings.action != "off":
            engine.observe(self._note_end)

    # ── Life ────────────────────────────────────────────────────────────────────────────────────

    def start(self) -> None:
        """Begin to watch, unless it is off."""
        if self._settings.action != "off":
            self._thread.start()

    def stop(self) -> None:
        """End the thread; a look under way is finished."""
        self._thread.stop()

    def wake(self) -> None:
        """Look at once: something has come in."""
        self._thread.wake()

    @property
    def state(self) -> MonitorState:
        """What was seen at the last look."""
        return self._state

    # ── One look ────────────────────────────────────────────────────────────────────────────────

    def look(self) -> None:
        """Take the signs of what serves, and act on them once if they are bad."""
        watch = self._follow()
        if watch.checkpoint_id is None:
            self._state = MonitorState(self._settings.action)
            return
        rows = [*self._live_rows(watch)]
        if self._is_probe_due(watch):
            self._probe(watch)
        if watch.probe is not None:
            rows.append(watch.probe)
        held = self._held(watch)
        self._state = self._describe(watch, rows, held)
        failed = [row for row in rows if row.verdict == "fail"]
        for row in failed:
            if row.rule not in watch.told:
                watch.told.add(row.rule)
                _log.warning(
                    "monitor_signal", checkpoint=watch.checkpoint_id, signal=health.explain(row)
                )
        if failed and held is None and self._settings.action == "rollback":
            self._roll_back(watch, failed)

    def _follow(self) -> _Watch:
        """The watch over what serves now; a new one if that has changed."""
        newest = self._registry.releases(1)
        release = newest[0] if newest else None
        if release != self._watch.release:
            with self._tallies_lock:
                before = self._tallies.pop(self._watch.checkpoint_id, {})
            self._watch = _Watch(release, before)
        return self._watch

    def _live_rows(self, watch: _Watch) -> list[GateRow]:
        assert watch.release is not None
        votes = self._feedback.counted(watch.checkpoint_id, watch.release.at)
        with self._tallies_lock:
            found = self._tallies.get(watch.checkpoint_id, {})
            now = {key: replace(tally) for key, tally in found.items()}
        keys = {*votes, *now} - {""}
        whole = self._rows_of(votes, now, watch.before)
        parts = [
            self._rows_of(_without(key, votes), _without(key, now), _without(key, watch.before))
            for key in keys
        ]
        return [
            health.not_by_one(row, [part[place] for part in parts])
            for place, row in enumerate(whole)
        ]

    def _rows_of(self, votes: Mapping[str, Votes], now: Tallies, before: Tallies) -> list[GateRow]:
        settings, confidence = self._settings, self._confidence
        tally, tally_before = sum(now.values(), Tally()), sum(before.values(), Tally())
        all_votes = Votes(
            sum(one.up for one in votes.values()), sum(one.down for one in votes.values())
        )
        return [
            health.thumbs_down(all_votes, settings, confidence),
            health.errors(tally, settings, confidence),
            *health.output_drift(tally, tally_before, settings, confidence),
        ]

    def _describe(self, watch: _Watch, rows: list[GateRow], held: str | None) -> MonitorState:
        assert watch.release is not None
        return MonitorState(
            action=self._settings.action,
            checkpoint=watch.checkpoint_id,
            since=watch.release.at,
            last_probe_at=watch.last_probe_at,
            rows=tuple(rows),
            held=held,
        )

    def _note_end(
        self, checkpoint_id: str | None, request: Request, outcome: Answer | BaseException
    ) -> None:
        """Tally a request that has ended; on the engine's thread."""
        if isinstance(outcome, _NOT_ITS_DOING):
            return
        is_answer = isinstance(outcome, Answer)
        with self._tallies_lock:
            tallies = self._tallies.setdefault(checkpoint_id, {})
            tally = tallies.setdefault(request.caller, Tally())
            if not is_answer:
                tally.failures += 1
            elif _is_bent(request):
                tally.others += 1
            else:
                cut_off = outcome.finish_reason == "length"
                tally.add_answer(outcome.tokens, is_cut_off=cut_off)
            if is_answer:
                self._given[_hash(checkpoint_id, outcome.text)] = None
                while len(self._given) > _MOST_GIVEN:
                    self._given.popitem(last=False)

    def answer_given(self, checkpoint_id: str | None, text: str) -> str | None:
        """What an answer is called that a checkpoint gave since the start; None: it did not."""
        found = _hash(checkpoint_id, text)
        with self._tallies_lock:
            return found if text and found in self._given else None

    # ── Probing ─────────────────────────────────────────────────────────────────────────────────

    def _is_probe_due(self, watch: _Watch) -> bool:
        """At once after a release, to see that what serves is what was measured; then in turn."""
        if not self._anchors or not self._settings.probe_minutes or not self._engine.is_ready:
            return False
        if watch.last_probe_at is None:
            return True
        wait = timedelta(minutes=self._settings.probe_minutes)
        return self._clock() - watch.last_probe_at >= wait

    def _probe(self, watch: _Watch) -> None:
        """Read the anchors' loss off what serves; nothing is kept if that was another checkpoint's.

        Where no evaluation tells what they had at promotion, the first reading stands for it.
        """
        measured = self._measured_at_promotion(watch)
        # Of a long text the first window carries its id.
        known = [a for a in measured or self._anchors if self._windows(self._anchors[a])]
        count = min(self._settings.probe_anchors, len(known))
        if not count:
            return
        chosen = [known[place * len(known) // count] for place in range(count)]
        texts = [self._windows(self._anchors[anchor])[0] for anchor in chosen]
        reading = self._engine.read_losses(texts).result
        if reading.checkpoint_id != watch.checkpoint_id:
            return
        losses = dict(zip(chosen, reading.losses, strict=True))
        if watch.at_promotion is None:
            watch.at_promotion = {a: measured[a] for a in chosen} if measured else losses
        watch.last_probe_at = self._clock()
        watch.probe = health.probe_loss(losses, watch.at_promotion, self._settings.max_probe_loss)

    def _measured_at_promotion(self, watch: _Watch) -> dict[str, float] | None:
        """Loss of the anchors when the checkpoint was evaluated, by id; None if nothing tells."""
        if watch.at_promotion is not None:
            return watch.at_promotion
        assert watch.checkpoint_id is not None
        try:
            evaluation = self._registry.evaluation(watch.checkpoint_id)
        except CorruptCheckpoint:
            return None
        return {p.id: p.loss for p in evaluation.anchors if p.id in self._anchors} or None

    # ── Acting ──────────────────────────────────────────────────────────────────────────────────

    def _held(self, watch: _Watch) -> str | None:
        """Why nothing would be rolled back whatever the signs, as a sentence."""
        assert watch.release is not None
        if watch.release.actor == "monitor":
            return "The monitor itself rolled back to it; it does that once a promotion."
        if (pin := self._registry.pinned()) is not None:
            return f"The stable pointer is pinned by {pin.actor}: {pin.reason}"
        return None

    def _roll_back(self, watch: _Watch, failed: Sequence[GateRow]) -> None:
        if self._registry.history()[-1] != watch.checkpoint_id:
            return  # it was replaced while we looked
        why = "; ".join(map(health.explain, failed))
        reason = f"{watch.checkpoint_id} was taken back by the monitor: {why}."
        # By name: should another cycle commit just now, its checkpoint continues from this one and
        # goes with it.
        try:
            self._pointer.rollback(self._registry.served_before() or BASE, "monitor", reason)
        except (Conflict, CorruptCheckpoint) as error:
            if "rollback" not in watch.told:
                watch.told.add("rollback")
                _log.error("monitor_could_not_roll_back", error=str(error), reason=reason)
        else:
            self.wake()


def _without(key: str, given: Mapping[str, T]) -> dict[str, T]:
    return {one: value for one, value in given.items() if one != key}


def _is_bent(request: Request) -> bool:
    """Whether the request itself shapes the answer, so that it tells nothing of the weights."""
    sampling = request.sampling
    return (
        request.constraint is not None
        or request.ignore_end
        or bool(sampling.logit_bias or sampling.presence_penalty or sampling.frequency_penalty)
        or sampling.repetition_penalty != 1.0
    )


def _hash(checkpoint_id: str | None, text: str) -> str:
    """The identity of an answer, whatever white space is around it."""
    return hashlib.sha256(f"{checkpoint_id}\0{text.strip()}".encode()).hexdigest()[:32]
