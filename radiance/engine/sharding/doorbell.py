"""A rank that has nothing to do sleeps until rank 0 rings.

MLX's ring waits for other ranks by trying again and again, which takes a whole core for as long as
nothing is sent: hours, in a service that nobody asks. So each thing that rank 0 sends is announced
by a byte over a connection beside the ring, for which the others wait without computing.
"""

import contextlib
import json
import os
import socket
from pathlib import Path

_TOKEN_BYTES = 8
_TIMEOUT_S = 5.0


class Doorbell:
    """The connections from rank 0 to the others; of another rank, the one to rank 0.

    Without any it does nothing, and ranks wait as MLX does.
    """

    def __init__(self, connections: list[socket.socket]) -> None:
        self._connections = connections
        for connection in connections:
            connection.settimeout(None)
            # A byte is sent at once, also where the one before is not confirmed yet.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ring(self) -> None:
        """On rank 0: wake the others. One that is gone is noticed by what is sent then."""
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.sendall(b"!")

    def wait(self) -> bool:
        """On another rank: sleep until rank 0 rings; False if it is gone."""
        try:
            return all(connection.recv(1) for connection in self._connections)
        except OSError:
            return False

    def close(self) -> None:
        for connection in self._connections:
            connection.close()


def host_of_first() -> str:
    """The address of rank 0 as the ring has it; "" where ranks are connected in another way."""
    try:
        hosts = json.loads(Path(os.environ["MLX_HOSTFILE"]).read_text())
        return str(hosts[0][0]).rpartition(":")[0].strip("[]")
    except (OSError, KeyError, ValueError, LookupError, TypeError):
        return ""


def listen(host: str) -> socket.socket | None:
    """Where rank 0 takes the others' connections; None where it cannot."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, 0), family=family)
    except OSError:
        return None


def accept(server: socket.socket, others: int, token: int) -> list[socket.socket]:
    """On rank 0: the connections of so many others, which know the token."""
    found: list[socket.socket] = []
    server.settimeout(_TIMEOUT_S)
    with contextlib.suppress(OSError):
        while len(found) < others:
            connection, _ = server.accept()
            connection.settimeout(_TIMEOUT_S)
            if _read(connection) == token.to_bytes(_TOKEN_BYTES, "big"):
                found.append(connection)
            else:
                connection.close()
    return found


def connect(host: str, port: int, token: int) -> socket.socket | None:
    """On another rank: the connection to rank 0; None where there is none."""
    try:
        connection = socket.create_connection((host, port), timeout=_TIMEOUT_S)
        connection.sendall(token.to_bytes(_TOKEN_BYTES, "big"))
    except OSError:
        return None
    return connection


def _read(connection: socket.socket) -> bytes:
    found = b""
    with contextlib.suppress(OSError):
        while len(found) < _TOKEN_BYTES and (more := connection.recv(_TOKEN_BYTES - len(found))):
            found += more
    return found
