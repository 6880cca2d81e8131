"""The log that a service manager has the process write, kept within a bound.

launchd and systemd append what the process says to one file that nobody else cuts. The process
itself can begin another one without losing a line: it moves the file aside and has its own
descriptors write to a new one.
"""

import os
from pathlib import Path

from radiance.errors import StorageError
from radiance.storage import files

NAME, BEFORE = "service.log", "service.log.1"
_STREAMS = (1, 2)


def keep_within(path: Path, most_bytes: int) -> bool:
    """Begin the log anew once it has half of what it may take; the one before is kept beside it.

    Nothing is done where the process writes elsewhere, as to a terminal.

    Args:
        path: The log.
        most_bytes: Of it and the one before; 0: no limit.

    Returns:
        Whether it was begun anew.

    Raises:
        StorageError: The disk failed; the log goes on as before.
    """
    identity = files.identity_or_none(path)
    ours = [stream for stream in _STREAMS if identity is not None and _leads_to(stream, identity)]
    if not most_bytes or not ours or path.stat().st_size * 2 <= most_bytes:
        return False
    try:
        path.replace(path.with_name(BEFORE))
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror}.", reason=error.strerror or "") from error
    try:
        for stream in ours:
            os.dup2(descriptor, stream)
    finally:
        os.close(descriptor)
    return True


def _leads_to(stream: int, identity: tuple[int, int]) -> bool:
    try:
        found = os.fstat(stream)
    except OSError:  # closed
        return False
    return (found.st_dev, found.st_ino) == identity
