"""The service, killed by itself before the n-th durable step after a file was laid down.

    python -m bench.survival.stepped run --root …

RADIANCE_KILL_FILE names that file, whose content is n; beside it, ``.steps`` grows by a byte with
each step that was counted.
"""

import os
import signal
import sys
import threading
from pathlib import Path

from radiance.cli import main
from radiance.storage import steps


def kill_before(file: Path) -> None:
    """Have the process killed before the step that ``file`` names, once it is there."""
    taken, turn = 0, threading.Lock()
    counted = file.with_suffix(".steps")

    def count(name: str) -> None:
        nonlocal taken
        if not file.exists():
            return
        with turn:
            taken += 1
            with counted.open("ab") as steps_taken:
                steps_taken.write(b".")
            if taken == int(file.read_text() or 0):
                os.kill(os.getpid(), signal.SIGKILL)

    steps.set_hook(count)


if __name__ == "__main__":
    kill_before(Path(os.environ["RADIANCE_KILL_FILE"]))
    main(sys.argv[1:])
