"""Room that is set aside for what must be possible on a full disk."""

from pathlib import Path

import pytest

from radiance.errors import StorageError
from radiance.storage.reserve import Reserve, spend_nothing


def test_it_is_given_up_where_the_disk_is_full_and_made_again(tmp_path: Path) -> None:
    path = tmp_path / ".reserve"
    reserve = Reserve(path)
    reserve.keep()
    assert path.stat().st_size == 2 << 20
    calls: list[bool] = []

    def move() -> str:
        calls.append(path.exists())
        if path.exists():
            raise StorageError("no room", is_full=True)
        return "moved"

    assert reserve.spend(move) == "moved"
    assert calls == [True, False]
    reserve.keep()
    assert path.exists()


def test_it_is_not_given_up_for_anything_else(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path / ".reserve")
    reserve.keep()

    def fail() -> None:
        raise StorageError("the disk is broken")

    with pytest.raises(StorageError):
        reserve.spend(fail)
    assert (tmp_path / ".reserve").exists()


def test_nothing_is_set_aside_of_the_last_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("radiance.storage.reserve._LEAST_FREE_BYTES", 1 << 62)
    Reserve(tmp_path / ".reserve").keep()
    assert not (tmp_path / ".reserve").exists()
    assert spend_nothing(lambda: "done") == "done"
