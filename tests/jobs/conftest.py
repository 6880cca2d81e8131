from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from radiance.jobs.queue import JobQueue
from radiance.storage.sqlite import Database


class Clock:
    """A time that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 2, 9, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def move(self, minutes: float) -> None:
        self.now += timedelta(minutes=minutes)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "radiance.db")
    yield database
    database.close()


@pytest.fixture
def jobs(db: Database, clock: Clock) -> JobQueue:
    return JobQueue(db, clock)
