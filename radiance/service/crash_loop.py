"""How often the process died soon after its start, so that a crash loop is noticed.

A life begins, is settled once it has lasted, and ends when the service is stopped. One that neither
settled nor ended was a quick death, whoever killed it: a defect, or a system out of memory.
"""

import faulthandler
import re
import threading
from contextlib import ExitStack
from pathlib import Path

import msgspec

from radiance.engine.watchdog import OF_REQUESTS
from radiance.errors import StorageError
from radiance.storage import files
from radiance.telemetry import get_logger

CRASH_LOG = "crash.log"
_TRAINING = re.compile(r"radiance/(training|learning|evaluation)/")
_log = get_logger(__name__)

SETTLED_AFTER_S = 60.0


class _Life(msgspec.Struct):
    deaths: int = 0
    is_open: bool = False


class CrashCounter:
    """Counts quick deaths in a row. One process at a time has the file.

    Args:
        path: Where the count is kept.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def begin(self) -> int:
        """Note a start; how many quick deaths in a row came before it.

        Raises:
            StorageError: The file cannot be written.
        """
        life = self._read()
        deaths = life.deaths + 1 if life.is_open else life.deaths
        self._write(_Life(deaths, is_open=True))
        return deaths

    def settle(self) -> None:
        """It has lasted, or was stopped as asked: what comes later is no quick death."""
        self._write(_Life())

    def _read(self) -> _Life:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=_Life)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return _Life()  # none yet; a damaged count must not keep the service from starting

    def _write(self, life: _Life) -> None:
        files.write_durably(self._path, msgspec.json.encode(life))


def count_deaths(path: Path, on_stop: ExitStack) -> int:
    """Quick deaths in a row before this start; this one counts until it has lasted.

    Args:
        path: Where the count is kept.
        on_stop: Unwound when the service stops as asked.
    """
    counter = CrashCounter(path)
    deaths = counter.begin()
    timer = threading.Timer(SETTLED_AFTER_S, counter.settle)
    timer.daemon = True
    timer.start()
    on_stop.callback(counter.settle)
    on_stop.callback(timer.cancel)
    return deaths


def is_crash_loop(deaths: int, limit: int) -> bool:
    """Whether to start in safe mode: serve what was promoted last, and train nothing.

    Args:
        deaths: Quick deaths in a row before this start.
        limit: ``server.safe_mode_deaths``; 0 switches safe mode off.
    """
    if not limit or deaths < limit:
        return False
    remedy = "Look at the log and at runs/crash.last.log; then: radiance training resume."
    _log.error("safe_mode", quick_deaths=deaths, remedy=remedy)
    return True


def record_crashes(runs_path: Path, on_stop: ExitStack) -> bool:
    """Have a fatal signal leave a trace; say whether the last process left one by its training.

    A Metal out-of-memory aborts the process and cannot be caught; a kill from outside leaves
    nothing. The difference decides how soon a job is put in quarantine.

    Args:
        runs_path: Where the trace goes.
        on_stop: Unwound when the service stops as asked.
    """
    path = runs_path / CRASH_LOG
    try:
        trace = path.read_text(errors="replace") if path.exists() else ""
        if trace:
            _log.error("last_process_crashed", trace=trace[-2000:])
            files.write_durably(path.with_name("crash.last.log"), trace.encode())
        stream = on_stop.enter_context(path.open("w"))
    except StorageError:
        raise
    except OSError as error:
        raise StorageError(
            f"{path}: {error.strerror}. It has to be a file that can be written; move away what "
            "stands there.",
            reason=error.strerror or "",
        ) from error
    faulthandler.enable(stream)
    on_stop.callback(faulthandler.disable)
    return bool(trace) and is_of_training(trace)


def is_of_training(trace: str) -> bool:
    """Whether a job that trained when the process died may have had a part in it.

    Of a fatal signal that is not known, and it may. Where the watchdog ended a process that stood
    still, the engine's thread was in a piece of training or it was not.
    """
    if OF_REQUESTS in trace:
        return False
    if not trace.startswith("Timeout ("):
        return True
    threads = trace.split("\n\n")
    return any("task_queue.py" in one and _TRAINING.search(one) for one in threads)
