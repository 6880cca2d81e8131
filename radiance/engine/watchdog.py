"""Sees to it that tokens are delivered: where the engine hangs or has died, nothing may look well.

GET /ready asks here, so a load balancer learns it within seconds, and soon after requests in flight
are failed: under ten seconds after the engine stopped moving, unless what it does may take longer
(``Heartbeat``). What cannot mend itself ends: after ``engine.wedged_after_s`` the process exits
non-zero, so that launchd or systemd starts it anew; nothing accepted is lost by that.
"""

import faulthandler
import os
import sys
import time
import traceback
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import IO

from radiance.engine.requests import Answer, Request
from radiance.engine.worker import Engine
from radiance.errors import EngineFailed, RadianceError
from radiance.periodic import PeriodicThread
from radiance.telemetry import get_logger

_LOOK_S = 1.0
_REQUESTS_FAIL_S = 2.0  # once the fault has shown: time for one that was merely slow
_SUSPENDED_S = 5 * _LOOK_S  # between two looks: the whole process stood still, not the engine
_LAST_WORDS_S = 1.0  # for the answers to failed requests to leave
_FAILURES = 3  # in a row, until an engine counts as delivering nothing
OF_REQUESTS = "Not in a piece of training."
"""What a trace begins with where the job that trained meanwhile had no part in the death."""
_log = get_logger(__name__)


class EngineWatchdog:
    """Watches the engine on a thread of its own.

    Args:
        engine: Which one.
        wedged_after_s: How long it may deliver nothing, once that has shown, until it is given up.
        give_up: Called once, on the watchdog's thread, with the reason, and whether it was a piece
            of training that the engine did not come back from.
        on_look: Called at each look; a sign that the interpreter itself lives.
        clock: Seconds, rising.
    """

    def __init__(
        self,
        engine: Engine,
        wedged_after_s: float,
        give_up: Callable[[str, bool], None] = lambda reason, is_of_training: None,
        on_look: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine, self._wedged_after_s = engine, wedged_after_s
        self._give_up, self._on_look, self._clock = give_up, on_look, clock
        self._failures = 0
        self._since: float | None = None
        self._looked_at = clock()
        self._probe: Future[Answer] | None = None
        self._has_given_up = self._engine_may_end = False
        self._thread = PeriodicThread("engine_watchdog", self.look, _LOOK_S)
        engine.observe(self._note_end)

    # ── Life ────────────────────────────────────────────────────────────────────────────────────

    def start(self) -> None:
        """Begin to watch."""
        self._looked_at = self._clock()
        self._thread.start()

    def expect_end(self) -> None:
        """The engine is about to be stopped: that it ends is well, that it hangs is not."""
        self._engine_may_end = True

    def stop(self) -> None:
        """End the thread."""
        self._thread.stop()

    # ── One look ────────────────────────────────────────────────────────────────────────────────

    @property
    def fault(self) -> str | None:
        """Why no tokens are delivered, as a clause; None while they are."""
        if not self._engine.is_alive:
            return None if self._engine_may_end else "the engine has died"
        if self._failures >= _FAILURES:
            return f"the engine failed its last {self._failures} requests"
        if not self._engine.is_ready and not self._engine_may_end:
            return "the engine is stuck"
        if self._engine_may_end and self._engine.stale_s > self._wedged_after_s:
            return "the engine does not stop"
        return None

    def look(self) -> None:
        """Take one look; give up where there is no hope left."""
        self._on_look()
        now = self._clock()
        was_suspended = now - self._looked_at > _SUSPENDED_S
        self._looked_at = now
        if was_suspended:  # and the engine with it: it has until the next look to move
            self._since = None
            return
        fault = self.fault
        if fault is None:
            if self._since is not None:
                _log.info("engine_recovered", after_s=round(now - self._since, 1))
            self._since = None
            return
        if self._since is None:
            self._since = now
            _log.error("engine_faulty", reason=fault, engine_at=self._where())
        if self._failures >= _FAILURES:
            self._ask()  # where it answers at all, requests fail or succeed by themselves
        elif now - self._since >= _REQUESTS_FAIL_S:
            self._fail_requests(fault)
        is_over = not self._engine.is_alive or now - self._since >= self._wedged_after_s
        if is_over and not self._has_given_up:
            is_of_training = self._engine.is_at_training and self._failures < _FAILURES
            try:
                self._fail_requests(fault)
            finally:  # whatever that met: the process must not outlive its engine
                _log.error("engine_given_up", reason=fault)
                self._give_up(fault, is_of_training)
                self._has_given_up = True

    def _fail_requests(self, fault: str) -> None:
        failed = self._engine.fail_in_flight(EngineFailed(f"{fault}; the request was given up"))
        if failed:
            _log.error("requests_failed", reason=fault, failed_requests=failed)

    def _ask(self) -> None:
        """Ask for one token: nobody else may, once /ready says no."""
        if self._probe is not None and not self._probe.done():
            return
        try:
            question = Request(self._engine.encoder.plain("."), 1)
            self._probe = self._engine.submit(question, goes_first=True)
        except RadianceError as error:
            _log.debug("engine_not_asked", error=str(error))

    def _note_end(self, _: str | None, __: Request, outcome: Answer | BaseException) -> None:
        """A request has ended; on the engine's thread."""
        if isinstance(outcome, Answer):
            self._failures = 0
        elif not isinstance(outcome, RadianceError) or isinstance(outcome, EngineFailed):
            self._failures += 1

    def _where(self) -> str:
        """Where the engine's thread stands, innermost call last."""
        frame = sys._current_frames().get(self._engine.thread_id or 0)
        if frame is None:
            return "nowhere"
        calls = traceback.extract_stack(frame)[-6:]
        return " > ".join(f"{call.filename.rpartition('/')[2]}:{call.lineno}" for call in calls)


class ProcessWatchdog:
    """Ends a process that has become useless, with a trace for the next start to find.

    The trace makes it a death of its own: a job that brings it about again is quarantined, if it
    was a piece of its training that did not return.

    Args:
        path: Where the trace goes.
        limit_s: Longest time between two calls of ``stay_alive``.
    """

    def __init__(self, path: Path, limit_s: float) -> None:
        self._path, self._limit_s = path, limit_s
        self._stream: IO[str] | None = None

    def end_process(self, reason: str, is_of_training: bool) -> None:
        """End it now; what was accepted is on disk."""
        if not is_of_training:
            print(OF_REQUESTS, file=self._open(), flush=True)
        faulthandler.dump_traceback(self._open(), all_threads=True)
        time.sleep(_LAST_WORDS_S)
        _log.error("process_ends", reason=reason, exit_code=1)
        os._exit(1)

    def stay_alive(self) -> None:
        """Where this is not called again in time, the process ends, whoever holds it up."""
        faulthandler.dump_traceback_later(self._limit_s, exit=True, file=self._open())

    def close(self) -> None:
        """The process ends in order."""
        faulthandler.cancel_dump_traceback_later()
        if self._stream is not None:
            self._stream.close()

    def _open(self) -> IO[str]:
        if self._stream is None:
            self._stream = self._path.open("a")
        return self._stream
