"""Ports for processes that listen a while after their port was chosen."""

import fcntl
import itertools
import os
import socket
from collections import deque
from pathlib import Path

# Below what Linux (32768) and macOS (49152) hand out themselves: a port that the system gave would
# be given again, to any connection of another process, before anything listens on it.
_FIRST_PORT, _PORTS_PER_WORKER = 20_000, 1_000
# Not below TMPDIR: each run of the tests has one of its own, and another may run beside it.
_LOCKS = Path("/tmp", f"radiance-ports-{os.getuid()}")
_offset = itertools.count(os.getpid())
_held: deque[int] = deque()  # descriptors of locks
_MOST_HELD = 100  # whoever has listened on the oldest has ended, or is seen to listen


def free_ports(count: int) -> list[int]:
    """``count`` consecutive ports on which nothing listens.

    No other worker of pytest is given one, nor for a while any other process that asks here.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 12
    while True:
        first = _FIRST_PORT + worker * _PORTS_PER_WORKER
        first += next(_offset) * count % (_PORTS_PER_WORKER - count)
        ports = list(range(first, first + count))
        if all(_is_free(port) and _is_ours(port) for port in ports):
            return ports


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _is_ours(port: int) -> bool:
    """Whether a port is this process's from now on, as the lock of a file says."""
    _LOCKS.mkdir(exist_ok=True)
    descriptor = os.open(_LOCKS / str(port), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return False
    _held.append(descriptor)
    if len(_held) > _MOST_HELD:
        os.close(_held.popleft())
    return True
