"""The service, stopped before durable steps for as long as its folder is copied.

    python -m bench.survival.stepped run --root …

RADIANCE_STEPS names a folder. Once it has a file ``every``, with "n k", steps are counted, by a
byte each in ``taken``; before the steps k, n + k, 2n + k, … the process stops, all of it, until the
file ``go`` holds that step's number.
"""

import os
import signal
import sys
import threading
import time
from pathlib import Path

from radiance.cli import main
from radiance.storage import steps


def stop_before(folder: Path) -> None:
    """Have the process stopped before the steps that ``folder`` names, once it names them."""
    taken, turn = 0, threading.Lock()
    every, go = folder / "every", folder / "go"

    def count(name: str) -> None:
        nonlocal taken
        if not every.exists():
            return
        with turn:
            taken += 1
            with (folder / "taken").open("ab") as steps_taken:
                steps_taken.write(b".")
            after, first = map(int, every.read_text().split())
            if not after or taken % after != first % after:
                return
            os.kill(os.getpid(), signal.SIGSTOP)
            # The signal may stop this thread a moment later: the step must not be taken by then.
            while not go.exists() or int(go.read_text() or 0) < taken:
                time.sleep(0.001)

    steps.set_hook(count)


if __name__ == "__main__":
    stop_before(Path(os.environ["RADIANCE_STEPS"]))
    main(sys.argv[1:])
