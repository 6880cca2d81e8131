"""Ports for processes that listen a while after their port was chosen."""

import itertools
import os
import socket

# Below what Linux (32768) and macOS (49152) hand out themselves: a port that the system gave would
# be given again, to any connection of another process, before anything listens on it.
_FIRST_PORT, _PORTS_PER_WORKER = 20_000, 1_000
_offset = itertools.count(os.getpid())


def free_ports(count: int) -> list[int]:
    """``count`` consecutive ports on which nothing listens and no other worker of pytest will."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 12
    while True:
        first = _FIRST_PORT + worker * _PORTS_PER_WORKER
        first += next(_offset) * count % (_PORTS_PER_WORKER - count)
        ports = list(range(first, first + count))
        if all(_is_free(port) for port in ports):
            return ports


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
