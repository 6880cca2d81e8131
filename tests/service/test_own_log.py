"""The log of a process that a service manager starts: bounded, and without a line lost."""

import subprocess
import sys

from radiance.service import own_log

_WRITER = """
import os, sys
from pathlib import Path
from radiance.service import own_log
path, most = Path(sys.argv[1]), int(sys.argv[2])
begun = 0
for number in range(4000):
    os.write(2 if number % 2 else 1, b"%06d is a line of the log\\n" % number)
    if number % 50 == 0:
        begun += own_log.keep_within(path, most)
os.write(2, b"begun anew %d times\\n" % begun)
"""


def written(path, most):
    with path.open("ab") as log:
        command = [sys.executable, "-c", _WRITER, str(path), str(most)]
        subprocess.run(command, stdout=log, stderr=log, check=True)
    return path.read_text().splitlines()


def test_a_log_stays_within_its_bound_and_loses_no_line(tmp_path):
    path = tmp_path / own_log.NAME
    most = 20_000
    lines = written(path, most)
    before = (tmp_path / own_log.BEFORE).read_text().splitlines()
    assert int(lines[-1].split()[2]) > 5
    numbers = [int(line.split()[0]) for line in [*before, *lines[:-1]]]
    assert numbers == list(range(numbers[0], 4000))
    size = path.stat().st_size + (tmp_path / own_log.BEFORE).stat().st_size
    assert size <= most + 2 * 50 * 28


def test_without_a_bound_or_beside_another_file_nothing_is_moved(tmp_path):
    path = tmp_path / own_log.NAME
    assert len(written(path, 0)) == 4001
    assert own_log.keep_within(path, 100) is False  # this process writes elsewhere
    assert own_log.keep_within(tmp_path / "missing", 100) is False
    assert not (tmp_path / own_log.BEFORE).exists()
