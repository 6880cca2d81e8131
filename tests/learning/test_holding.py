"""What holds a cycle up without ending it, and for how long."""

import errno
import sqlite3
from datetime import UTC, datetime, timedelta

import pytest

from radiance.errors import CorruptCheckpoint, Diverged, EngineFailed, RequestError, StorageError
from radiance.learning.holding import Hold, passing_reason

NOW = datetime(2026, 2, 9, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (
            StorageError("/srv/radiance/x: no room", reason="no room", is_full=True),
            "storage: no room",
        ),
        (
            OSError(errno.EIO, "Input/output error", "/srv/radiance/x"),
            "storage: Input/output error",
        ),
        (
            FileNotFoundError(errno.ENOENT, "No such file", "/srv/radiance/x"),
            "storage: No such file",
        ),
        (OSError(errno.ENOMEM, "Cannot allocate"), "memory: Cannot allocate"),
        (sqlite3.OperationalError("disk I/O error"), "storage: disk I/O error"),
        (MemoryError(), "memory: there is none left"),
        (RuntimeError("[malloc] Unable to allocate 99 bytes"), "memory: there is none left"),
        (CorruptCheckpoint("/srv/radiance/adapters/A_1: gone"), "a checkpoint's files"),
        (EngineFailed("stuck"), "the engine does not answer"),
    ],
)
def test_what_passes_is_told_without_paths(error: Exception, reason: str) -> None:
    told = passing_reason(error)
    assert told is not None
    assert told.startswith(reason)
    assert "/srv" not in told


@pytest.mark.parametrize(
    "error", [Diverged("nan"), RuntimeError("x"), RequestError("x"), KeyError()]
)
def test_what_is_of_a_job_s_own_making_does_not_pass(error: Exception) -> None:
    assert passing_reason(error) is None


def test_pauses_grow_up_to_a_minute() -> None:
    held, now, pauses = None, NOW, []
    for _ in range(20):
        held = Hold.after(held, "storage: full", now)
        pauses.append((held.until - now).total_seconds())
        now = held.until
    assert pauses[:4] == [1, 2, 4, 8]
    assert pauses[-1] == 60
    assert held is not None
    assert (held.since, held.tries) == (NOW, 20)
    assert Hold.after(None, "x", now).until == now + timedelta(seconds=1)


def test_a_clock_that_is_set_back_makes_no_pause_longer() -> None:
    held = Hold.after(None, "storage: full", NOW)
    assert held.lasts(NOW)
    assert not held.lasts(held.until)
    assert not held.lasts(NOW - timedelta(days=1))
    assert not held.lasts(NOW + timedelta(days=1))
