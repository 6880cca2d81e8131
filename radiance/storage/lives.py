"""How often the process died soon after its start, so that a crash loop is noticed.

A life begins, is settled once it has lasted, and ends when the service is stopped. One that neither
settled nor ended was a quick death, whoever killed it: a defect, or a system out of memory.
"""

from pathlib import Path

import msgspec

from radiance.storage import files

SETTLED_AFTER_S = 60.0


class _Life(msgspec.Struct):
    deaths: int = 0
    is_open: bool = False


class Lives:
    """Counts quick deaths in a row. One process at a time has the file.

    Args:
        path: Where the count is kept.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def begin(self) -> int:
        """Note a start; how many quick deaths in a row came before it.

        Raises:
            StorageError: The file cannot be written.
        """
        life = self._read()
        deaths = life.deaths + 1 if life.is_open else life.deaths
        self._write(_Life(deaths, is_open=True))
        return deaths

    def settle(self) -> None:
        """It has lasted, or was stopped as asked: what comes later is no quick death."""
        self._write(_Life())

    def _read(self) -> _Life:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=_Life)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return _Life()  # none yet; a damaged count must not keep the service from starting

    def _write(self, life: _Life) -> None:
        files.write_durably(self._path, msgspec.json.encode(life))
