"""Events and what is bound to them; counts by bounds."""

import asyncio
import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radiance import config
from radiance.telemetry import Histogram, bound, configure_logging, get_logger


@pytest.fixture
def logged() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """Events as JSON, read back."""
    logger = logging.getLogger("radiance")
    before = logger.handlers, logger.propagate, logger.level
    configure_logging(config.LogSettings(format="json", level="debug"))
    (handler,) = logger.handlers
    assert isinstance(handler, logging.StreamHandler)
    written = io.StringIO()
    handler.setStream(written)
    yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]
    logger.handlers, logger.propagate = before[:2]
    logger.setLevel(before[2])


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
