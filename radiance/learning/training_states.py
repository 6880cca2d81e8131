"""Saved training states: what an interrupted training goes on from. They only spare work.

One file a cycle. Where the disk fails or a file is damaged, training goes on, or begins, without.
"""

import contextlib
import io
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

from radiance.errors import StorageError
from radiance.records import Cycle
from radiance.storage import files
from radiance.telemetry import get_logger
from radiance.training.reference_cache import UNREADABLE
from radiance.training.trainer import own_samples_of

_log = get_logger(__name__)


class TrainingStates:
    """The saved states of a root.

    Args:
        directory: Where; made if it is missing.

    Raises:
        StorageError: The directory cannot be made.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        files.make_directory(directory)

    def read(self, cycle: Cycle) -> bytes | None:
        """The state to go on from; None where there is none that can be read."""
        try:
            state = self._path(cycle).read_bytes()
            with zipfile.ZipFile(io.BytesIO(state)) as arrays:
                if damaged := arrays.testzip():
                    raise zipfile.BadZipFile(f"{damaged} is damaged")
            own_samples_of(state)
        except FileNotFoundError:
            return None
        except UNREADABLE as error:  # damaged, or of an earlier version
            self.discard(cycle, error)
            return None
        return state

    def write(self, cycle: Cycle, state: bytes) -> None:
        """Save a state in place of the one before.

        Raises:
            StorageError: The disk failed; the one before stands.
        """
        files.write_durably(self._path(cycle), state)

    def discard(self, cycle: Cycle, error: Exception) -> None:
        """Delete a state that cannot be gone on from."""
        _log.warning("training_state_unreadable", cycle=cycle.id, error=str(error))
        self.delete(cycle)

    def delete(self, cycle: Cycle) -> None:
        """Delete a cycle's state, whatever stands in its place."""
        path = self._path(cycle)
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        with unless_the_disk_fails("training_state_not_deleted"):
            path.unlink(missing_ok=True)

    def sweep(self, kept: str | None) -> None:
        """Delete all states but one candidate's."""
        for path in self._directory.glob("*.npz"):
            if path.stem != kept:
                with unless_the_disk_fails("training_state_not_deleted"):
                    path.unlink(missing_ok=True)

    def _path(self, cycle: Cycle) -> Path:
        return self._directory / f"{cycle.candidate_id}.npz"


@contextlib.contextmanager
def unless_the_disk_fails(event: str) -> Iterator[None]:
    """Around what only spares work or shows it: where it cannot be kept, work goes on without."""
    try:
        yield
    except (StorageError, OSError) as error:
        _log.warning(event, error=str(error))
