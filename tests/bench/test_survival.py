"""What the bench of reliability says of its trials, and what it expects of access."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.survival import access, operation, page, power
from bench.survival.access import documented, expected
from bench.survival.operation import too_steep
from bench.survival.trials import Row, Trial, verdict


def row(number: int) -> Row:
    return Row(number, f"what {number}", lambda plan: [Trial("one", lambda root: {})])


def test_the_page_tells_what_held_what_did_not_and_what_was_not_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "RELIABILITY.md"
    target.write_text(f"before\n{page._BEGIN}\nstale\n{page._END}\nafter\n")
    monkeypatch.setattr(page, "PAGE", target)
    found = {
        1: [("one", verdict([])), ("two", verdict(["a | b"]))],
        2: [("", {"skipped": "no compiler"})],
    }
    page.write([row(1), row(2), row(3)], found, {1: 50, 2: 0}, "Measured here.")
    text = target.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "stale" not in text
    lines = text.splitlines()
    (first,) = [line for line in lines if line.startswith("| 1 ")]
    assert "| 1 of 2, of 50 there are [" in first
    (second,) = [line for line in lines if line.startswith("| 2 ")]
    assert "| no compiler |" in second
    (third,) = [line for line in lines if line.startswith("| 3 ")]
    assert "| not tried |" in third
    assert "- 1, two: a / b" in lines


def test_backups_of_all_roots_are_judged_together() -> None:
    (backups,) = [row for row in operation.ROWS if row.number == 18]
    quick = {**verdict([]), "backups": 10, "beside_s": [0.1] * 200, "alone_s": [0.1] * 200}
    late = {**quick, "beside_s": [0.1] * 190 + [2.0] * 10}
    assert backups.judge([quick] * 5) == []
    assert backups.judge([late, *[quick] * 9]) == []  # 10 of 2,000 are less than one in a hundred
    assert "p99 is 2.00 s" in backups.judge([late, late, quick])[0]
    assert "50 backups of 5 roots" in backups.tell([quick] * 5)


def test_a_soak_is_judged_by_what_grew() -> None:
    flat = {"rss_mb": 0.1, "arrays_mb": -0.4, "descriptors": 0.0, "threads": -0.2}
    assert too_steep(flat) == []
    assert too_steep({**flat, "rss_mb": 3.95}) == ["rss_mb grew by 3.95 a minute"]


_WRITER = """
import os, pathlib, sys
root = pathlib.Path(sys.argv[1])
def sync(path):
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)
(root / "kept").mkdir()
(root / "kept" / "whole").write_bytes(b"a" * 10_000)
(root / "kept" / "empty").write_bytes(b"its name alone is synced")
os.symlink("whole", root / "kept" / "link")
sync(root / "kept" / "whole")
sync(root / "kept")
sync(root)
(root / "kept" / "whole").write_bytes(b"b" * 20_000)
(root / "kept" / "whole").rename(root / "kept" / "renamed")
(root / "lost").write_bytes(b"its name is not")
sync(root / "lost")
sync(root / "lost")
"""


def _wait_until_held(switch: power.Power, writer: "subprocess.Popen[bytes]") -> None:
    while not switch.held:
        assert writer.poll() is None, "it ended, and no sync was held back"
        time.sleep(0.01)


def test_after_a_power_cut_only_what_was_synced_is_sure(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    with power.power(root) as switch:
        switch.hold_before(2, every=3)
        command = [sys.executable, "-c", _WRITER, root]
        with subprocess.Popen(command, env={**os.environ, **switch.variables}) as writer:
            _wait_until_held(switch, writer)
            assert switch.held == switch.syncs == 2
            switch.release()
            _wait_until_held(switch, writer)
            assert switch.held == switch.syncs == 5
            cut = switch.cut(tmp_path / "cut")
            switch.release()
        assert writer.returncode == 0
        left = tmp_path / "dropped"
        left.mkdir()
        cut.leave(left, "dropped", random.Random(0))
        assert [path.name for path in left.iterdir()] == ["kept"]
        assert (left / "kept" / "whole").read_bytes() == b"a" * 10_000
        assert (left / "kept" / "empty").read_bytes() == b""
        assert os.readlink(left / "kept" / "link") == "whole"
        assert not (left / "kept" / "renamed").exists()
        mixed, names = set[bytes](), set[str]()
        for seed in range(40):
            some = tmp_path / f"reordered {seed}"
            some.mkdir()
            cut.leave(some, "reordered", random.Random(seed))
            names |= {path.relative_to(some).as_posix() for path in some.rglob("*")}
            for path in some.rglob("renamed"):
                content = path.read_bytes()
                mixed.add(content[:1] + content[5000:5001])
    assert names >= {"lost", "kept/whole", "kept/renamed"}
    assert mixed >= {b"ab", b"ba", b"aa", b"bb"}  # blocks, old and new


def test_every_row_has_a_bar() -> None:
    from bench import reliability

    assert {one.number for one in reliability._ROWS} <= page.BARS.keys()


@pytest.mark.parametrize(
    ("method", "scope", "key", "is_session", "host", "origin", "status"),
    [
        ("GET", "infer", "infer", False, "foreign", "none", 421),
        ("GET", "none", "", False, "own", "none", 0),
        ("POST", "none", "", False, "own", "foreign", 403),
        ("GET", "infer", "", False, "own", "foreign", 401),
        ("GET", "update", "infer", False, "own", "none", 403),
        ("GET", "any", "infer", False, "own", "none", 0),
        ("GET", "any", "", False, "own", "none", 401),
        ("GET", "update", "admin", False, "own", "foreign", 0),
        ("POST", "update", "update", True, "own", "none", 403),
        ("POST", "update", "update", True, "own", "own", 0),
        ("GET", "update", "update", True, "own", "none", 0),
    ],
)
def test_what_is_expected_of_access(method, scope, key, is_session, host, origin, status) -> None:
    caller = access._Caller("x", key, {}, is_session)
    assert expected(method, scope, caller, host, origin, True) == status
    if status == 401:
        assert expected(method, scope, caller, host, origin, False) == 0


def test_the_page_of_access_is_read_whole() -> None:
    found = documented()
    assert ("POST", "/prune", "admin") in found
    assert ("GET", "/health", "none") in found
    assert len(found) == len({(method, path) for method, path, _ in found}) > 100
