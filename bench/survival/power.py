"""A power cut: what a folder holds afterwards, if nothing but what was synced is sure to be there.

A preloaded library (``power.c``) keeps each file and each directory as it was at its last sync, and
all of the folder as it is in the moment of the cut. Either what was not synced is lost, or any part
of it came to the disk: each directory's names old or new, each file's blocks old or new.
"""

import contextlib
import mmap
import os
import random
import shutil
import struct
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bench.survival.preloaded import compile_library

_SOURCE = Path(__file__).with_name("power.c")
_FIELDS = struct.Struct("5q")
_NUMBER = struct.Struct("q")
_BLOCK_BYTES = 4096
_LEFT_OUT = ("service.log",)
Loss = Literal["dropped", "reordered"]
LOSSES: tuple[Loss, ...] = ("dropped", "reordered")


@dataclass
class Cut:
    """All that is known of a folder in the moment of a power cut.

    Attributes:
        kept: What the library kept of it, until then.
    """

    kept: Path

    def leave(self, into: Path, loss: Loss, dice: random.Random) -> None:
        """Write what the disk holds after the cut into an empty folder."""
        self._write_folder((self.kept / "r-root").read_text(), into, loss, dice)

    def _write_folder(self, key: str, into: Path, loss: Loss, dice: random.Random) -> None:
        for line in self._one_of("d", key, loss, dice).decode().splitlines():
            kind, below, name, target = line.split("\t")
            path = into / name
            if name in _LEFT_OUT:
                continue
            if kind == "d":
                path.mkdir()
                self._write_folder(below, path, loss, dice)
            elif kind == "l":
                path.symlink_to(target)
            else:
                path.write_bytes(self._content(below, loss, dice))

    def _one_of(self, letter: str, key: str, loss: Loss, dice: random.Random) -> bytes:
        """What was synced, or what was there."""
        synced, there = self._both(letter, key)
        return synced if loss == "dropped" or dice.random() < 0.5 else there

    def _content(self, key: str, loss: Loss, dice: random.Random) -> bytes:
        """Of a file: of each block what was synced, or what was there; as long as either."""
        synced, there = self._both("f", key)
        if loss == "dropped" or synced == there:
            return synced
        size = len(dice.choice((synced, there)))
        blocks = [
            dice.choice((synced, there))[at : at + _BLOCK_BYTES].ljust(_BLOCK_BYTES, b"\0")
            for at in range(0, size, _BLOCK_BYTES)
        ]
        return b"".join(blocks)[:size]

    def _both(self, letter: str, key: str) -> tuple[bytes, bytes]:
        synced = _read(self.kept / f"{letter}-{key}")
        there = self.kept / f"{letter.upper()}-{key}"
        return synced, _read(there) if there.exists() else synced


@dataclass
class Power:
    """The switch of the library in a process that preloads it."""

    variables: dict[str, str]
    _kept: Path
    _memory: mmap.mmap

    def hold_before(self, sync: int, every: int = 0) -> None:
        """Hold back the n-th sync from now on, and each ``every``-th after it; 0: none."""
        self._memory[:] = _FIELDS.pack(sync, every, 0, 0, 0)

    @property
    def syncs(self) -> int:
        """Syncs since ``hold_before``, with the one that is held back."""
        return self._fields[2]

    @property
    def held(self) -> int:
        """The number of the sync that is held back, and all others with it; 0: none."""
        _, _, _, held, released = self._fields
        return held if held > released else 0

    def cut(self, into: Path) -> Cut:
        """Keep, in a new folder, what a power cut would leave while a sync is held back."""
        return Cut(Path(shutil.copytree(self._kept, into)))

    def release(self) -> None:
        """Let the sync that is held back go on."""
        for path in self._kept.glob("[FD]-*"):
            path.unlink()
        self._release_up_to(self._fields[3])

    def let_go(self) -> None:
        """Hold back no sync any more."""
        self._memory[: _NUMBER.size] = _NUMBER.pack(0)
        self._release_up_to(sys.maxsize)

    def _release_up_to(self, sync: int) -> None:
        self._memory[_FIELDS.size - _NUMBER.size :] = _NUMBER.pack(sync)

    @property
    def _fields(self) -> tuple[int, ...]:
        return _FIELDS.unpack(self._memory)


def _read(path: Path) -> bytes:
    """Nothing of what was never synced."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


@contextlib.contextmanager
def power(root: Path) -> Iterator[Power]:
    """The library, compiled, for a process over ``root``, which is empty.

    Raises:
        Skipped: No compiler, or a system without LD_PRELOAD.
    """
    with tempfile.TemporaryDirectory() as folder:
        library, board, kept = (Path(folder, name) for name in ("power.so", "board", "kept"))
        kept.mkdir()
        compile_library(_SOURCE, library)
        board.write_bytes(bytes(_FIELDS.size))
        variables = {
            "LD_PRELOAD": os.fspath(library),
            "RADIANCE_POWER_ROOT": os.fspath(root),
            "RADIANCE_POWER_KEPT": os.fspath(kept),
            "RADIANCE_POWER_FILE": os.fspath(board),
        }
        with board.open("r+b") as file, mmap.mmap(file.fileno(), _FIELDS.size) as memory:
            yield Power(variables, kept, memory)
