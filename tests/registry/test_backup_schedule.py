"""Backups that a service makes by itself: when one is due, how many are kept, what goes wrong."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from radiance import config
from radiance.config import BackupSettings
from radiance.errors import ConfigError
from radiance.registry.backup_folder import snapshots
from radiance.registry.backup_schedule import BackupSchedule
from radiance.registry.restoring import check
from tests.support import Running


class Clocks:
    """Both clocks, moved by hand."""

    def __init__(self) -> None:
        self.at, self.seconds = datetime.fromisoformat("2100-01-01T00:00:00Z"), 0.0

    def now(self) -> datetime:
        return self.at

    def rising(self) -> float:
        return self.seconds

    def pass_(self, hours: float) -> None:
        self.at += timedelta(hours=hours)
        self.seconds += 3600 * hours


@pytest.fixture
def root(workshop, tmp_path: Path) -> Path:
    workshop.commit()
    return tmp_path


def schedule(root: Path, folder: Path, clocks: Clocks, **settings: float) -> BackupSchedule:
    wanted = msgspec.structs.replace(BackupSettings(folder=str(folder), keep=2), **settings)
    return BackupSchedule(config.Config(root=root, backup=wanted), clocks.now, clocks.rising)


def count(folder: Path) -> int:
    return len(snapshots(folder))


def test_one_is_made_at_once_and_then_as_often_as_is_set(root: Path, tmp_path_factory) -> None:
    folder, clocks = tmp_path_factory.mktemp("backup"), Clocks()
    backups = schedule(root, folder, clocks, every_hours=24.0)
    made = []
    for hours in (0, 1, 22, 2, 24, 24):
        clocks.pass_(hours)
        backups.look()
        made.append(snapshots(folder)[0].name)
    assert len(set(made)) == 4  # none after 1 and 23 hours
    assert (count(folder), backups.fault) == (2, None)
    assert check(folder).name == made[-1]


def test_a_new_start_looks_at_how_old_the_newest_is(root: Path, tmp_path_factory) -> None:
    folder, clocks = tmp_path_factory.mktemp("backup"), Clocks()
    schedule(root, folder, clocks).look()
    clocks.at = snapshots(folder)[0].created_at + timedelta(hours=23)
    schedule(root, folder, clocks).look()
    assert count(folder) == 1
    clocks.pass_(2)
    schedule(root, folder, clocks).look()
    assert count(folder) == 2
    clocks.at = datetime.fromisoformat("1971-01-01T00:00:00Z")  # a clock that was set back
    again = schedule(root, folder, clocks, keep=9)
    again.look()
    again.look()
    assert count(folder) == 3


def test_one_that_fails_is_told_and_tried_again(root: Path, tmp_path_factory) -> None:
    folder, clocks = tmp_path_factory.mktemp("backup"), Clocks()
    (folder / "objects").write_text("in the way")
    backups = schedule(root, folder, clocks)
    backups.look()
    assert backups.fault
    (folder / "objects").unlink()
    backups.look()
    assert backups.fault  # not every minute
    clocks.pass_(0.2)
    backups.look()
    assert (backups.fault, count(folder)) == (None, 1)


def test_a_folder_in_the_root_is_refused(root: Path) -> None:
    with pytest.raises(ConfigError, match=r"backup\.folder: .* is in the root"):
        schedule(root, root / "runs" / "backup", Clocks())


def test_a_service_makes_them(serve: Callable[..., Running], tmp_path_factory) -> None:
    folder = tmp_path_factory.mktemp("backup") / "there"
    running = serve(**{"backup.folder": str(folder)})
    running.stop()  # lets the one under way be made
    assert check(folder)
