"""Which API key a caller holds: those that are valid now.

The file is looked at again with each request, so that adding or removing a line needs no restart.
"""

import hmac
from pathlib import Path

from radiance import config
from radiance.api.auth import keys
from radiance.errors import ConfigError
from radiance.telemetry import get_logger

_log = get_logger(__name__)


class Keyring:
    """The keys that are valid now: those of a file, followed as it changes, and fixed ones.

    A file that has become unusable leaves the last good keys valid, with an error in the log; one
    that was deleted leaves none. Used from one thread.

    Args:
        path: The file; it need not exist.
        fixed: Keys beside those of the file.

    Raises:
        ConfigError: The file cannot be used.
    """

    def __init__(self, path: Path, fixed: list[keys.Key] | None = None) -> None:
        self._path = path
        self._fixed = fixed or []
        self._seen = self._state()
        self._keys = keys.read_file(path)

    def __len__(self) -> int:
        self._follow()
        return len(self._fixed) + len(self._keys)

    def find(self, secret: str) -> keys.Key | None:
        """The key that ``secret`` is; every known one is compared, each in constant time."""
        return self.of_digest(keys.digest(secret))

    def of_digest(self, digest: str) -> keys.Key | None:
        """The key of that digest, if it is still valid."""
        self._follow()
        found = None
        for key in (*self._fixed, *self._keys):
            if hmac.compare_digest(key.digest, digest):
                found = key
        return found

    def _follow(self) -> None:
        state = self._state()
        if state == self._seen:
            return
        self._seen = state
        try:
            self._keys = keys.read_file(self._path)
        except ConfigError as error:
            _log.error("keys_not_followed", error=str(error), effect="The last good keys hold.")
        else:
            _log.info("keys_followed", path=str(self._path), keys=len(self._keys))

    def _state(self) -> tuple[int, ...] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def open_keyring(settings: config.Config) -> Keyring:
    """The keys of the file and of the environment.

    Raises:
        ConfigError: One of them cannot be used.
    """
    fixed = keys.parse(config.service_keys(), "RADIANCE_API_KEYS", clear_allowed=True)
    return Keyring(settings.keys_path, fixed)
