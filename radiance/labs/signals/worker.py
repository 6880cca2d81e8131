"""The process of one run: a study in on stdin, progress out on stdout, the result into its folder.

    python -m radiance.labs.signals.worker FOLDER RUN_ID

The line on stdin has the study and its approver. It ends as soon as its stdin does, so that it does
not outlive a service that was killed.
"""

import contextlib
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

from radiance.platform import load_fast_blas

_NICE = 10
_TELL_EVERY_S = 0.1


def main(folder: str, run_id: str) -> int:
    """Run the study on stdin; the exit code."""
    line = sys.stdin.readline()
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    with contextlib.suppress(OSError):
        os.nice(_NICE)
    load_fast_blas()
    from radiance.engine.model.device import select_device
    from radiance.errors import RadianceError
    from radiance.labs.signals import record, store
    from radiance.labs.signals.presets import read_study
    from radiance.labs.signals.study import run_study
    from radiance.labs.signals.view.exports import exports_of

    select_device("cpu")
    place = Path(folder)
    try:
        task = json.loads(line)
        result = run_study(read_study(task["study"]), _Teller())
        # From here on it is finished, not cancelled: results and records belong together.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        kept = store.names(place)
        earlier = store.load(place, kept[-1]) if kept else None
        store.save(result, place, run_id, exports_of(result, earlier))
        record.record(result, place, run_id, task["approver"])
    except RadianceError as error:
        _say({"error": str(error)})
        return 1
    return 0


class _Teller:
    """Says how far the run is, now and then."""

    def __init__(self) -> None:
        self._last = 0.0

    def __call__(self, stage: str, done: int, total: int) -> None:
        from radiance.labs.signals.stages import share

        now = time.monotonic()
        if done in (0, total) or now - self._last >= _TELL_EVERY_S:
            self._last = now
            _say({"stage": stage, "done": round(share(stage, done, total), 4)})


def _say(on_progress: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(on_progress) + "\n")
    sys.stdout.flush()


def _end_with_the_parent() -> None:
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
