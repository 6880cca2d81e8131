"""Prompts are read and answers decoded by turns, in chunks of bounded size."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radiance import config
from radiance.engine.decoding.batch import BatchEntry, DecodeBatch
from radiance.engine.worker import Engine

CHUNK = 32


@pytest.fixture(scope="module", params=[True, False], ids=["drafting", "plain"])
def slow_reader(request: pytest.FixtureRequest, tiny_base: Path) -> Iterator[Engine]:
    settings = config.EngineSettings(prefill_tokens=CHUNK, speculation=request.param)
    engine = Engine("base", tiny_base, "cpu", settings, max_waiting=10)
    engine.start()
    yield engine
    engine.stop()


def decode(
    engine: Engine, lengths: Sequence[int], look: Callable[[int, Sequence[Any]], None]
) -> list[int]:
    """Answer prompts of so many tokens; ``look`` sees how many were read in a turn, and what came.

    Returns:
        The rows' numbers.
    """

    def run() -> list[int]:
        batch: DecodeBatch = engine._made.batch
        batch.clear()
        rows = [
            batch.insert(BatchEntry([2, *[70 + row] * (length - 1)], 3, 0, "", True, _greedy))[0]
            for row, length in enumerate(lengths)
        ]
        counters, read = batch._generator._counters, 0
        while batch._rows.uids or batch._unread:
            _, responses = batch.step()
            look(counters.prompt_tokens - read, responses)
            read = counters.prompt_tokens
        return rows

    return engine.call(run)


def _greedy(logprobs: mx.array) -> mx.array:
    return mx.argmax(logprobs, axis=-1)


@given(lengths=st.lists(st.integers(2, 100), min_size=1, max_size=6))
def test_no_turn_reads_more_than_a_chunk_and_all_is_read_and_said(slow_reader, lengths) -> None:
    said: list[int] = []
    reads: list[int] = []

    def look(read: int, responses: Sequence[Any]) -> None:
        reads.append(read)
        said.extend(response.uid for response in responses)
        assert not (read and responses), "tokens wait for nobody's prompt"

    rows = decode(slow_reader, lengths, look)
    assert max(reads) <= CHUNK
    assert sum(reads) == sum(length - 1 for length in lengths), "the last one comes with the answer"
    assert sorted(said) == sorted(rows * 3)


def test_a_first_token_is_told_before_the_next_prompt_is_read(slow_reader) -> None:
    order: list[str] = []

    def look(read: int, responses: Sequence[Any]) -> None:
        order.extend(["read"] * bool(read) + [f"said {r.uid}" for r in responses])

    first, second = decode(slow_reader, [30, 30], look)
    assert order.index(f"said {first}") < len(order) - order[::-1].index("read")
    assert order[:3] == ["read", f"said {first}", "read"]
    assert order.count(f"said {second}") == 3


def test_prompts_are_read_as_many_together_as_fit_whoever_came_first(slow_reader) -> None:
    reads: list[int] = []

    def look(read: int, _: Sequence[Any]) -> None:
        reads.append(read)

    decode(slow_reader, [31, *[9] * 6], look)  # the first one fills a chunk, then three fit
    assert [read for read in reads if read] == [30, 24, 24]
