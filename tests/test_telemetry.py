"""Events and what is bound to them; counts by bounds."""

import asyncio
import io
import json
import logging
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radiance import config
from radiance.telemetry import Histogram, bound, configure_logging, get_logger


def written_as(
    form: Literal["json", "human"], level: Literal["debug", "info", "warning"] = "debug"
) -> io.StringIO:
    """Where events go from now on; tests/fixtures.py puts the loggers back."""
    configure_logging(config.LogSettings(format=form, level=level))
    (handler,) = logging.getLogger("radiance").handlers
    assert isinstance(handler, logging.StreamHandler)
    written = io.StringIO()
    handler.setStream(written)
    return written


@pytest.fixture
def logged() -> Callable[[], list[dict[str, Any]]]:
    """Events as JSON, read back."""
    written = written_as("json")
    return lambda: [json.loads(line) for line in written.getvalue().splitlines()]


def test_a_warning_of_a_library_comes_in_the_same_form(
    logged: Callable[[], list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a form that was sent with a bad header, say: a line of bare text in a log of JSON."""
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # as a service has it
    library = logging.getLogger("python_multipart.multipart")
    library.warning("Found invalid character %r in header at %d", 13, 76)
    library.info("Opening a file on disk")
    [event] = logged()
    assert (event["level"], event["event"]) == (
        "warning",
        "Found invalid character 13 in header at 76",
    )


def test_what_is_bound_stands_in_every_event_of_the_task_and_of_its_threads(
    logged: Callable[[], list[dict[str, Any]]],
) -> None:
    log = get_logger("radiance.test")

    async def request(name: str) -> None:
        with bound(request_id=name, step=1):
            await asyncio.sleep(0)
            log.info("asked", step=2)
            await asyncio.to_thread(log.warning, "worked")

    async def both() -> None:
        await asyncio.gather(request("a"), request("b"))

    asyncio.run(both())
    log.info("after")
    events = logged()
    assert sorted((e["event"], e.get("request_id"), e.get("step")) for e in events[:-1]) == [
        *(("asked", name, 2) for name in "ab"),
        *(("worked", name, 1) for name in "ab"),
    ]
    assert "request_id" not in events[-1]


def fail() -> None:
    raise ZeroDivisionError("by nought")


def test_json_has_time_level_event_fields_and_traceback(
    logged: Callable[[], list[dict[str, Any]]],
) -> None:
    get_logger("radiance.test").info("moved", path=Path("/tmp/x"), steps=3, share=0.5, reason=None)
    try:
        fail()
    except ZeroDivisionError:
        get_logger("radiance.test").exception("failed", cycle="C_1")
    moved, failed = logged()
    assert list(moved) == ["at", "level", "event", "path", "steps", "share", "reason"]
    assert datetime.fromisoformat(moved["at"]).utcoffset() == timedelta(0)
    assert re.fullmatch(r".{10}T.{8}\.\d{3}\+00:00", moved["at"])
    assert (moved["level"], moved["event"], moved["path"]) == ("info", "moved", "/tmp/x")
    assert (moved["steps"], moved["share"], moved["reason"]) == (3, 0.5, None)
    assert (failed["level"], failed["cycle"]) == ("error", "C_1")
    assert failed["traceback"].startswith("Traceback (most recent call last):\n")
    assert failed["traceback"].endswith("\nZeroDivisionError: by nought")


def test_people_read_a_line_an_event() -> None:
    written = written_as("human")
    with bound(request_id="r1"):
        get_logger("radiance.test").warning("kept_waiting", seconds=1.5, why="no room", by=None)
    try:
        fail()
    except ZeroDivisionError:
        get_logger("radiance.test").exception("failed")
    line, failed, *traceback = written.getvalue().splitlines()
    shown = r"\d\d:\d\d:\d\d warning kept_waiting request_id=r1 seconds=1\.5 why=no room by=None"
    assert re.fullmatch(shown, line)
    assert re.fullmatch(r"\d\d:\d\d:\d\d error   failed", failed)
    assert (traceback[0], traceback[-1]) == (
        "Traceback (most recent call last):",
        "ZeroDivisionError: by nought",
    )


def test_uvicorn_s_records_come_out_in_the_same_form(
    logged: Callable[[], list[dict[str, Any]]],
) -> None:
    logging.getLogger("uvicorn.error").error("port %d is taken", 80)
    (event,) = logged()
    assert list(event) == ["at", "level", "event"]
    assert (event["level"], event["event"]) == ("error", "port 80 is taken")


def test_the_tokenizer_writes_no_lines_of_its_own_form() -> None:
    from transformers.utils import logging as theirs

    configure_logging(config.LogSettings(format="json", level="debug"))
    logger = theirs.get_logger("transformers.tokenization_utils_base")
    assert not logger.isEnabledFor(logging.WARNING)


def test_the_level_can_be_set_while_it_runs() -> None:
    log = get_logger("radiance.test")
    wanted_at: dict[Literal["debug", "info", "warning"], list[str]] = {
        "warning": ["c"],
        "debug": ["a", "b", "c"],
        "info": ["b", "c"],
    }
    for level, wanted in wanted_at.items():
        written = written_as("json", level)
        log.debug("a")
        log.info("b")
        log.warning("c")
        assert [json.loads(line)["event"] for line in written.getvalue().splitlines()] == wanted


@given(st.lists(st.floats(0, 20)), st.lists(st.floats(0.1, 10), min_size=1, unique=True))
def test_a_histogram_counts_each_value_once_below_its_bound(
    values: list[float], bounds: list[float]
) -> None:
    histogram = Histogram(sorted(bounds))
    for value in values:
        histogram.observe(value)
    assert histogram.count == len(values)
    assert histogram.total == pytest.approx(sum(values))
    for place, bound_ in enumerate(histogram.bounds):
        assert sum(histogram.counts[: place + 1]) == sum(value <= bound_ for value in values)
