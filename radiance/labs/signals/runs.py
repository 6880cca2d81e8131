"""Runs of the lab behind the service: one at a time, each in a process of its own.

A process of its own, and a nice one: MLX belongs to the engine's thread, and a run must neither
hold up decoding nor be held up by it, and can be ended at once. It writes what it has found itself,
whole or not at all; over a pipe it only tells how far it is. It ends when the service does.
"""

import contextlib
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import msgspec

from radiance import records
from radiance.errors import Conflict, StorageError, Unavailable
from radiance.labs.signals import store
from radiance.labs.signals.settings import StudySettings
from radiance.storage import files
from radiance.telemetry import get_logger

_log = get_logger(__name__)
_PATIENCE_S = 5.0
Status = Literal["running", "succeeded", "failed", "cancelled"]


class RunState(msgspec.Struct, frozen=True):
    """A run, as it stands.

    Attributes:
        stage: What it is at: markets, backbone, adapters, portfolios, gate.
        done: How much of the whole is done, in [0, 1].
        error: Why it failed, as a sentence.
        approver: Who answers for its decisions; None: nobody, or the run is not of this process.
    """

    run_id: str
    status: Status
    study: StudySettings
    started_at: str
    stage: str = ""
    done: float = 0.0
    error: str | None = None
    finished_at: str | None = None
    approver: str | None = None


class Runs:
    """Starts, follows and ends runs. Safe to use from several threads.

    Args:
        folder: Where results are kept, ``runs/signals``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._state: RunState | None = None
        self._child: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self._is_stopping = False
        self._observers: list[Callable[[], None]] = []

    @property
    def latest(self) -> RunState | None:
        """The run that was started last by this process."""
        return self._state

    def start(self, study: StudySettings, approver: str | None = None) -> RunState:
        """Begin a run; each of its decisions is kept with the name of the approver.

        Raises:
            Conflict: One is under way.
            Unavailable: The service is stopping.
        """
        with self._lock:
            if self._is_stopping:
                raise Unavailable("the service is stopping")
            if self._state is not None and self._state.status == "running":
                raise Conflict(
                    f"{self._state.run_id} is under way.",
                    value=self._state.run_id,
                    remedy="Wait for it, or cancel it first.",
                )
            run_id = store.new_id(self.folder)
            self._child = subprocess.Popen(
                [sys.executable, "-m", "radiance.labs.signals.worker", str(self.folder), run_id],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,  # Ctrl-C at the service's terminal is the service's affair
            )
            assert self._child.stdin is not None
            with contextlib.suppress(BrokenPipeError):  # it died; the reader will tell
                task = msgspec.json.encode({"study": study, "approver": approver})
                self._child.stdin.write(task.decode() + "\n")
                self._child.stdin.flush()
            self._state = RunState(run_id, "running", study, _now(), approver=approver)
            self._reader = threading.Thread(
                target=self._follow, args=(self._child,), name="signals", daemon=True
            )
            self._reader.start()
        _log.info("signals_run_started", run=run_id, preset=study.preset, seeds=study.seeds)
        return self._state

    def get(self, run_id: str) -> RunState:
        """A run of this process, or a kept one as a finished run.

        Raises:
            NotFound: There is none.
        """
        state = self._state
        if state is not None and state.run_id == run_id:
            return state
        result = store.load(self.folder, run_id)
        return RunState(run_id, "succeeded", result.study, result.created_at, done=1.0)

    def cancel(self, run_id: str) -> RunState:
        """End a run that is under way; nothing of it is kept.

        Raises:
            NotFound: There is none of that name under way or kept.
            Conflict: It has ended already.
        """
        with self._lock:
            state, child = self._state, self._child
            if state is None or state.run_id != run_id or state.status != "running":
                ended = self.get(run_id)
                raise Conflict(
                    f"{run_id} is not under way: it has {ended.status}.",
                    value=run_id,
                    remedy="Only a run that is under way can be cancelled.",
                )
            self._become(status="cancelled", finished_at=_now())
        assert child is not None
        _end(child)
        if self._reader is not None:
            self._reader.join(_PATIENCE_S)
        return self.get(run_id)

    def stop(self) -> None:
        """End what is under way, with the service."""
        with self._lock:
            self._is_stopping = True
            child, state = self._child, self._state
            if state is not None and state.status == "running":
                self._become(status="cancelled", finished_at=_now())
        if child is not None:
            _end(child)
        if self._reader is not None:
            self._reader.join(_PATIENCE_S)

    def kept(self) -> list[str]:
        """Results that are kept, newest first."""
        return store.names(self.folder)[::-1]

    def _follow(self, child: "subprocess.Popen[str]") -> None:
        assert child.stdout is not None
        assert child.stderr is not None
        assert child.stdin is not None
        said: list[str] = []
        drain = threading.Thread(target=lambda: said.extend(child.stderr or ()), daemon=True)
        drain.start()  # a full pipe would hold the child up
        error = None
        for line in child.stdout:
            with contextlib.suppress(ValueError):
                told = json.loads(line)
                error = told.get("error", error)
                if "stage" in told:
                    with self._lock:
                        self._become(stage=told["stage"], done=told["done"])
        code = child.wait()
        drain.join(_PATIENCE_S)
        for pipe in (child.stdin, child.stdout, child.stderr):
            with contextlib.suppress(OSError):
                pipe.close()
        with self._lock:
            assert self._state is not None
            if self._state.status == "cancelled" and code == 0:  # it was being written already
                self._state = msgspec.structs.replace(self._state, status="succeeded", done=1.0)
            if self._state.status != "running":
                self._sweep(self._state.run_id)
                return
            if code == 0 and error is None:
                self._become(status="succeeded", done=1.0, finished_at=_now())
                return
            last = said[-1].strip() if said else f"the process ended with code {code}"
            self._become(status="failed", error=error or last, finished_at=_now())
        _log.error("signals_run_failed", run=self._state.run_id, error=self._state.error)

    def _sweep(self, run_id: str) -> None:
        """Remove what a run that was ended had begun to write."""
        for path in self.folder.glob(f"{files.TEMPORARY_PREFIX}{run_id}-*"):
            with contextlib.suppress(StorageError):
                files.remove_directory(path)

    def _become(self, **changes: object) -> None:
        assert self._state is not None
        if self._state.status == "running":
            self._state = msgspec.structs.replace(self._state, **changes)


def _end(child: "subprocess.Popen[str]") -> None:
    """Ask it to end, and make it."""
    if child.poll() is not None:
        return
    child.send_signal(signal.SIGTERM)
    try:
        child.wait(_PATIENCE_S)
    except subprocess.TimeoutExpired:
        child.kill()


def _now() -> str:
    return records.now().isoformat(timespec="seconds")
