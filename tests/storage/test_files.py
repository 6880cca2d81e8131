import hashlib
import os
from pathlib import Path

import pytest

from radiance.errors import StorageError
from radiance.storage import files


def names(directory: Path) -> list[str]:
    return sorted(os.listdir(directory))


def test_written_bytes_replace_what_stood_there(tmp_path):
    path = tmp_path / "state.json"
    files.write_durably(path, b"old")
    files.write_durably(path, b"new\x00")
    assert path.read_bytes() == b"new\x00"
    assert names(tmp_path) == ["state.json"]


def test_every_durable_change_of_a_write_is_a_step(tmp_path, recorder):
    files.write_durably(tmp_path / "x", b"1")
    assert recorder.names == ["write x", "sync x", "rename to x", "sync the directory of x"]


@pytest.mark.parametrize("stop_at", [1, 2, 3, 4])
def test_an_interrupted_write_leaves_old_or_new_and_nothing_else(tmp_path, recorder, stop_at):
    path = tmp_path / "x"
    path.write_bytes(b"old")
    recorder.stop_at = stop_at
    with pytest.raises(KeyboardInterrupt):
        files.write_durably(path, b"new")
    assert path.read_bytes() == (b"old" if stop_at < 4 else b"new")
    assert names(tmp_path) == ["x"]


def test_a_failed_write_names_the_path_and_leaves_no_temporary(tmp_path):
    (tmp_path / "taken").mkdir()
    with pytest.raises(StorageError, match="taken") as caught:
        files.write_durably(tmp_path / "taken", b"1")
    assert "writable" in str(caught.value)
    with pytest.raises(StorageError, match="No such file"):
        files.write_durably(tmp_path / "missing" / "x", b"1")
    assert names(tmp_path) == ["taken"]


def test_make_directory_makes_parents_once(tmp_path, recorder):
    files.make_directory(tmp_path / "a" / "b")
    files.make_directory(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    assert recorder.names == ["make directory a", "make directory b"]
    (tmp_path / "file").touch()
    with pytest.raises(StorageError):
        files.make_directory(tmp_path / "file" / "c")


def test_fresh_directory_is_empty(tmp_path):
    directory = files.fresh_directory(tmp_path / ".tmp-x")
    (directory / "left").touch()
    assert names(files.fresh_directory(tmp_path / ".tmp-x")) == []


def test_published_directory_is_whole_and_never_replaced(tmp_path):
    for content in ("first", "second"):
        directory = files.fresh_directory(tmp_path / f".tmp-{content}")
        (directory / "deep").mkdir()
        (directory / "deep" / "x").write_text(content)
    files.publish_directory(tmp_path / ".tmp-first", tmp_path / "final")
    with pytest.raises(StorageError, match="exists already"):
        files.publish_directory(tmp_path / ".tmp-second", tmp_path / "final")
    assert (tmp_path / "final" / "deep" / "x").read_text() == "first"
    assert names(tmp_path) == [".tmp-second", "final"]


@pytest.mark.parametrize("stop_at", [1, 2, 3])
def test_an_interrupted_publication_shows_all_or_nothing(tmp_path, recorder, stop_at):
    directory = files.fresh_directory(tmp_path / ".tmp-x")
    for name in ("one", "two"):
        (directory / name).touch()
    recorder.stop_at = stop_at
    with pytest.raises(KeyboardInterrupt):
        files.publish_directory(directory, tmp_path / "final")
    whole = tmp_path / ("final" if stop_at == 3 else ".tmp-x")
    assert [path.name for path in tmp_path.iterdir()] == [whole.name]
    assert names(whole) == ["one", "two"]


def test_publishing_refuses_even_a_dangling_link(tmp_path):
    (tmp_path / "final").symlink_to("nowhere")
    files.fresh_directory(tmp_path / ".tmp-x")
    with pytest.raises(StorageError, match="exists already"):
        files.publish_directory(tmp_path / ".tmp-x", tmp_path / "final")


def test_link_is_relative_and_moves(tmp_path):
    link = tmp_path / "stable"
    for target in ("one", "two", "two"):
        files.point_link(link, target)
        assert os.readlink(link) == target
        assert files.link_target(link) == target
    files.remove_link(link)
    files.remove_link(link)
    assert files.link_target(link) is None
    assert names(tmp_path) == []


@pytest.mark.parametrize("stop_at", [1, 2, 3])
def test_an_interrupted_link_points_at_old_or_new(tmp_path, recorder, stop_at):
    link = tmp_path / "stable"
    link.symlink_to("old")
    recorder.stop_at = stop_at
    with pytest.raises(KeyboardInterrupt):
        files.point_link(link, "new")
    assert os.readlink(link) == ("old" if stop_at < 3 else "new")
    assert names(tmp_path) == ["stable"]


@pytest.mark.parametrize("make", [Path.mkdir, Path.touch])
def test_a_link_never_replaces_a_real_thing(tmp_path, make):
    make(tmp_path / "stable")
    with pytest.raises(StorageError, match="Move it away"):
        files.point_link(tmp_path / "stable", "x")
    with pytest.raises(StorageError, match="Move it away"):
        files.remove_link(tmp_path / "stable")
    assert (tmp_path / "stable").exists()


@pytest.mark.parametrize("stop_at", [1, 2, 3])
def test_a_directory_is_removed_whole(tmp_path, recorder, stop_at):
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "x").touch()
    recorder.stop_at = stop_at
    with pytest.raises(KeyboardInterrupt):
        files.remove_directory(tmp_path / "old")
    assert (tmp_path / "old" / "x").exists() == (stop_at == 1)
    recorder.stop_at = 0
    files.sweep_temporaries(tmp_path)
    assert names(tmp_path) == (["old"] if stop_at == 1 else [])
    if stop_at == 1:
        files.remove_directory(tmp_path / "old")
        assert names(tmp_path) == []


def test_a_directory_that_is_gone_is_removed_once_more(tmp_path, recorder):
    files.remove_directory(tmp_path / "old")
    # Whoever was killed after the rename may have left it unsynced.
    assert recorder.names == ["rename old away", "sync the directory of old"]
    with pytest.raises(StorageError, match="No such file"):
        files.remove_directory(tmp_path / "nowhere" / "old")


def test_sweep_deletes_temporaries_only(tmp_path):
    (tmp_path / ".tmp-dir").mkdir()
    (tmp_path / ".tmp-dir" / "x").touch()
    (tmp_path / ".tmp-file").touch()
    (tmp_path / "kept").mkdir()
    (tmp_path / ".tmp-link").symlink_to("kept")
    (tmp_path / ".hidden").touch()
    assert files.sweep_temporaries(tmp_path) == [".tmp-dir", ".tmp-file", ".tmp-link"]
    assert names(tmp_path) == [".hidden", "kept"]


def test_hash_is_that_of_the_bytes(tmp_path):
    (tmp_path / "x").write_bytes(b"abc")
    assert files.hash_file(tmp_path / "x") == hashlib.sha256(b"abc").hexdigest()
    with pytest.raises(StorageError, match="No such file"):
        files.hash_file(tmp_path / "y")
