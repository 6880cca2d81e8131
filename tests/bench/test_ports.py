"""Ports that are given out are given to one process."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from bench import ports

# As where process numbers are near one another: each begins to look where the others do.
_ASKS = """
import itertools
from bench import ports
ports._offset = itertools.count(500)
print(*(port for _ in range(20) for port in ports.free_ports(2)), flush=True)
input()
"""


def test_no_two_processes_are_given_the_same_port(tmp_path: Path) -> None:
    def ask(number: int) -> "subprocess.Popen[str]":
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        (own := tmp_path / str(number)).mkdir()  # as two runs of the tests have
        environment = {**os.environ, "PYTEST_XDIST_WORKER": "gw11", "TMPDIR": str(own)}
        return subprocess.Popen([sys.executable, "-c", _ASKS], env=environment, text=True, **pipes)

    with ThreadPoolExecutor(3) as pool:
        processes = list(pool.map(ask, range(3)))
    given = []
    for process in processes:
        assert process.stdout is not None
        given += process.stdout.readline().split()
    for process in processes:
        process.communicate("\n")
    assert len(set(given)) == len(given) == 120


def test_ports_do_not_run_out() -> None:
    for _ in range(3 * ports._PORTS_PER_WORKER):
        ports.free_ports(1)
