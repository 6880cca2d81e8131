"""The processes that ``mlx.launch`` started, on MLX's own distributed engine.

The ring backend is TCP without encryption or authentication: for a network you trust. Collectives
run on the CPU stream, as Metal ends command buffers that wait for long.
"""

import secrets
from typing import Any, cast

import mlx.core as mx
import numpy as np

from radiance.engine.sharding import doorbell
from radiance.engine.sharding.doorbell import Doorbell
from radiance.errors import ConfigError, LostRank

_TOKEN_BITS = 62  # in what is summed


class Ranks:
    """The group of processes. Belongs to the engine thread, from its making on.

    Raises:
        ConfigError: This process was not started by ``mlx.launch``.
    """

    def __init__(self) -> None:
        try:
            self._group = mx.distributed.init(strict=True)
        except (RuntimeError, ValueError) as error:
            raise ConfigError(
                f"--distributed: MLX finds no group of processes ({error}). Start it by "
                "mlx.launch, as in: mlx.launch -n 2 -- radiance train --distributed."
            ) from None
        self.rank, self.size = self._group.rank(), self._group.size()
        self.is_whole = True
        self._doorbell: Doorbell | None = None

    @property
    def group(self) -> Any:
        """MLX's own."""
        return self._group

    def sum(self, array: mx.array) -> mx.array:
        """The sum over all ranks, evaluated. All must call it, with the same shape and dtype.

        Raises:
            LostRank: One of them is gone, now or earlier.
        """
        if not self.is_whole:
            raise LostRank("another rank was lost")
        try:
            found = mx.distributed.all_sum(array, group=self._group, stream=mx.cpu)
            mx.eval(found)
        except RuntimeError as error:
            self.is_whole = False
            if self._doorbell is not None:
                self._doorbell.close()  # whoever sleeps learns of it, too
            raise LostRank(f"another rank was lost ({error})") from None
        return found

    def send(self, data: bytes = b"") -> bytes:
        """From rank 0 to all: what it gives is returned on every rank.

        Until rank 0 calls it the others sleep.

        Raises:
            LostRank: A rank is gone.
        """
        if self._doorbell is None:
            self._doorbell = self._connect_doorbell()
        if self.rank == 0:
            self._doorbell.ring()
        elif self.is_whole and not self._doorbell.wait():
            self.is_whole = False
        size = self.total(len(data) if self.rank == 0 else 0)
        mine = np.frombuffer(data, dtype=np.uint8) if self.rank == 0 else np.zeros(size, np.uint8)
        return np.array(self.sum(mx.array(mine))).tobytes() if size else b""

    def total(self, number: int) -> int:
        """The sum of every rank's number.

        Raises:
            LostRank: A rank is gone.
        """
        return int(cast(int, self.sum(mx.array(number, dtype=mx.int64)).item()))

    def agree(self, mine: bytes) -> bool:
        """Whether every rank has the same bytes.

        Raises:
            LostRank: A rank is gone.
        """
        return self.total(int(self.send(mine) != mine)) == 0

    def _connect_doorbell(self) -> Doorbell:
        """Connect the others to rank 0, all of them or none. All ranks call it at once."""
        host, others, found = doorbell.host_of_first(), self.size - 1, []
        server = doorbell.listen(host) if self.rank == 0 and host else None
        port = self.total(server.getsockname()[1] if server is not None else 0)
        token = self.total(secrets.randbits(_TOKEN_BITS) if self.rank == 0 else 0)
        if self.rank and port and (connection := doorbell.connect(host, port, token)) is not None:
            found = [connection]
        are_connected = self.total(len(found)) == others
        if server is not None:
            found = doorbell.accept(server, others, token) if are_connected else []
            server.close()
        is_complete = self.total(len(found)) == 2 * others
        made = Doorbell(found)
        if not is_complete:
            made.close()
        return made if is_complete else Doorbell([])
