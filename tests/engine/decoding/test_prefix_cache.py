"""Known beginnings are computed once, and never by another adapter's weights."""

from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

import mlx.core as mx
import pytest

from radiance import config, ember
from radiance.engine.decoding.kv_budget import prompt_cache_bytes
from radiance.engine.decoding.prefix_cache import PrefixCache
from radiance.engine.requests import Answer, Delta, Event, Request
from radiance.engine.worker import Engine
from radiance.records import CheckpointStatus, Message
from tests.engine.adapters.test_slots import random_adapter
from tests.engine.decoding.test_generation import ask

LONG = "Please tell me everything that you know about the following city and its river: Paris."


@pytest.fixture(scope="module")
def fresh() -> Iterator[Engine]:
    engine = Engine("ember", ember.MODEL_PATH, "cpu", config.EngineSettings(), max_waiting=100)
    engine.start()
    yield engine
    engine.stop()


def test_the_same_prompt_again_is_known_but_for_its_last_token(fresh: Engine) -> None:
    request = ask(fresh, "Nobody has asked this before. " + LONG)
    first = fresh.submit(request).result()
    second = fresh.submit(request).result()
    assert first.cached_tokens < second.cached_tokens == len(request.tokens) - 1
    assert first.tokens == second.tokens


def test_an_answer_is_a_beginning_too(fresh: Engine) -> None:
    """A prompt that equals an earlier prompt and its answer leaves one token to process."""
    request = ask(fresh, LONG + " Now.")
    answer = fresh.submit(request).result()
    whole = Request([*request.tokens, *answer.tokens], 8)
    again = fresh.submit(whole).result()
    assert again.cached_tokens == len(whole.tokens) - 1
    assert fresh.submit(whole).result().tokens == again.tokens


def test_another_adapter_takes_nothing_up(fresh: Engine) -> None:
    request = ask(fresh, LONG)
    base = fresh.submit(request).result()
    adapter = random_adapter(fresh, 41)
    fresh.swap(adapter, "A_41", CheckpointStatus.STABLE, "hash41")
    first = fresh.submit(request).result()
    second = fresh.submit(request).result()
    fresh.swap(None, None, CheckpointStatus.BASE)
    assert first.cached_tokens == 0
    assert second.cached_tokens == len(request.tokens) - 1
    assert first.tokens == second.tokens != base.tokens
    # The same contents under another name are the same weights.
    fresh.swap(adapter, "A_42", CheckpointStatus.STABLE, "hash41")
    third = fresh.submit(request).result()
    fresh.swap(None, None, CheckpointStatus.BASE)
    assert (third.cached_tokens, third.tokens) == (second.cached_tokens, second.tokens)


def test_rows_with_and_without_a_known_beginning_share_a_batch(fresh: Engine) -> None:
    texts = [LONG, "Hello!", LONG + " And of Rome?", "Who are you?", LONG]
    alone = [fresh.submit(ask(fresh, text)).result().tokens for text in texts]
    together = [fresh.submit(ask(fresh, text)) for text in texts]
    assert [future.result().tokens for future in together] == alone


def test_what_is_kept_is_bounded_and_counted(fresh: Engine) -> None:
    hits = fresh.stats.prompt_cache_hits
    for _ in range(2):
        fresh.submit(ask(fresh, LONG)).result()
    stats = fresh.stats
    assert stats.prompt_cache_hits > hits
    assert 0 < stats.prompt_cache_bytes <= 512 << 20
    small = PrefixCache(max_bytes=5_000_000)

    def fill() -> tuple[int, int]:
        for start in range(20):
            tokens = [start + 5, *range(30, 60)]
            cache = fresh._model.make_row_cache(0)
            fresh._model(mx.array([tokens]), cache)
            small.store("base", tokens, cache[:-1])
        return small.stats.size_bytes, small.stats.entries

    size, entries = fresh.call(fill)
    assert 0 < size <= 5_000_000
    assert 0 < entries < 20


def test_no_bytes_keep_nothing() -> None:
    cache = PrefixCache(max_bytes=0)
    cache.store("base", [1, 2], [])
    assert cache.fetch("base", [1, 2]) == (None, 0)
    assert cache.stats.misses == 0


def test_prompts_that_come_together_compute_their_beginning_once(fresh: Engine) -> None:
    system = "You are asked about cities, and you answer in one short sentence without an example."
    asked = [
        Request(fresh.encoder.prompt([Message("system", system), Message("user", text)]), 12)
        for text in ("What is the capital of France?", "What is the capital of Italy?", "Hello!")
    ]
    common = next(
        n
        for n, tokens in enumerate(zip(*(r.tokens for r in asked), strict=False))
        if len(set(tokens)) > 1
    )
    together = [
        future.result()
        for future in fresh.call(lambda: [fresh.submit(request) for request in asked])
    ]
    assert [answer.cached_tokens for answer in together] == [common] * 3
    for request, answer in zip(asked, together, strict=True):
        fresh.call(lambda: fresh._made.prompt_cache._store.trim_to(n_sequences=0))
        alone = fresh.submit(request).result()
        assert (alone.cached_tokens, alone.tokens) == (0, answer.tokens)


def test_a_prompt_is_known_while_its_answer_is_given(fresh: Engine) -> None:
    first: list[int] = []
    request = ask(fresh, 2 * ("Say it at length. " + LONG), 60, ignore_end=True)

    def listen(event: Event) -> None:
        if isinstance(event, Delta) and not first:
            first.append(0)
            later.append(fresh.submit(request))

    later: list[Future[Answer]] = []
    one = fresh.submit(request, listen).result()
    assert later[0].result().cached_tokens == len(request.tokens) - 1
    assert later[0].result().tokens == one.tokens


def test_other_adapters_share_no_beginning(fresh: Engine) -> None:
    request = ask(fresh, "Nobody asked this. It was not asked by anyone before today. " + LONG)

    def both() -> list[Future[Answer]]:
        futures = [fresh.submit(request), fresh.submit(request)]
        serve = fresh._sources.serve_adapter
        fresh._inbox.put(lambda: serve(adapter, "A_43", CheckpointStatus.STABLE, "hash43"))
        return [*futures, fresh.submit(request)]

    adapter = random_adapter(fresh, 43)
    answers = [future.result() for future in fresh.call(both)]
    fresh.swap(None, None, CheckpointStatus.BASE)
    assert [answer.cached_tokens > 20 for answer in answers] == [True, True, False]
    assert answers[0].tokens == answers[1].tokens != answers[2].tokens


@pytest.mark.parametrize(
    ("asked", "gigabytes", "megabytes"),
    [("auto", 4, 128), ("auto", 64, 512), (7 << 20, 4, 7), (0, 4, 0)],
)
def test_its_share_of_a_small_machine_is_small(asked: Any, gigabytes: int, megabytes: int) -> None:
    settings = config.EngineSettings(prompt_cache_bytes=asked)
    assert prompt_cache_bytes(settings, gigabytes << 30) == megabytes << 20
