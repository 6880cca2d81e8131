"""What the bench of reliability says of its trials, and what it expects of access."""

from pathlib import Path

import pytest

from bench.survival import access, page
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


def test_a_soak_is_judged_by_what_grew() -> None:
    flat = {"rss_mb": 0.1, "arrays_mb": -0.4, "descriptors": 0.0, "threads": -0.2}
    assert too_steep(flat) == []
    assert too_steep({**flat, "rss_mb": 3.95}) == ["rss_mb grew by 3.95 a minute"]


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
