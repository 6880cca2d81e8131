"""Rows: events, stop strings, log-probabilities, seeds, penalties, time and room."""

import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from radiance import config, ember
from radiance.engine.adapters.files import adapter_config, save_adapter
from radiance.engine.requests import (
    BASE,
    GREEDY,
    Answer,
    Delta,
    Event,
    Request,
    Sampling,
    Scoring,
    Started,
    Weights,
)
from radiance.engine.worker import Engine
from radiance.errors import Cancelled, CorruptCheckpoint, EngineFailed, TimedOut, TooLarge
from radiance.records import CheckpointStatus, Message
from radiance.training.lora import LoraModel
from tests.engine.adapters.test_slots import random_adapter

QUESTION = "What is the capital of France?"
WARM = Sampling(temperature=1.5)


def ask(engine: Engine, text: str = QUESTION, max_tokens: int = 24, **options: object) -> Request:
    tokens = engine.encoder.prompt([Message("user", text)])
    return replace(Request(tokens, max_tokens), **options)  # type: ignore[arg-type]


def listen(engine: Engine, request: Request) -> tuple[list[Event], Answer]:
    events: list[Event] = []
    answer = engine.submit(request, events.append).result(timeout=60)
    return events, answer


@pytest.fixture
def on_disk(engine: Engine, tmp_path: Path) -> Callable[[int], Weights]:
    """Checkpoints in a directory, as a request names them."""

    def make(seed: int) -> Weights:
        directory = tmp_path / f"A_{seed}"
        directory.mkdir()
        adapter = random_adapter(engine, seed)
        lora = engine.call(lambda: LoraModel(engine.base, config.TrainingSettings(r=4)))
        engine.call(
            lambda: save_adapter(
                adapter, adapter_config(adapter, len(lora.model.layers)), directory
            )
        )
        return Weights("checkpoint", f"A_{seed}", CheckpointStatus.RISKY, f"hash{seed}", directory)

    return make


def test_events_tell_the_whole_answer(engine: Engine) -> None:
    events, answer = listen(engine, ask(engine))
    assert events[0] == Started(None, "base", "", events[0].cached_tokens)  # type: ignore[union-attr]
    deltas = [event for event in events if isinstance(event, Delta)]
    assert "".join(delta.text for delta in deltas) == answer.text
    assert tuple(token for delta in deltas for token in delta.tokens) == answer.tokens
    assert answer.finish_reason == "stop"
    assert 0 < answer.first_token_s <= answer.latency_s


def test_a_stop_string_ends_the_answer_between_tokens(engine: Engine) -> None:
    whole = listen(engine, ask(engine))[1].text
    for start in range(1, len(whole) - 3):
        stop = whole[start : start + 3]
        events, answer = listen(engine, ask(engine, stop=(stop,)))
        assert answer.text == whole[: whole.index(stop)]
        assert (answer.finish_reason, answer.stop_string) == ("stop", stop)
        told = "".join(event.text for event in events if isinstance(event, Delta))
        assert told == answer.text
    assert engine.call(lambda: len(engine._decoder)) == 0


def test_log_probabilities_are_those_of_the_text(engine: Engine) -> None:
    """What decoding says of its own answer, scoring says of the same text."""
    request = ask(engine, top_logprobs=3)
    answer = listen(engine, request)[1]
    assert [told.token for told in answer.logprobs] == list(answer.tokens)
    whole = [*request.tokens, *answer.tokens]
    (scored,) = engine.score([Scoring(whole)], top=3).result
    assert len(scored.logprobs) == len(whole) - 1
    for told, read in zip(answer.logprobs, scored.logprobs[-len(answer.tokens) :], strict=True):
        assert told.logprob == pytest.approx(read.logprob, abs=1e-3)
        assert told.top[0][0] == told.token, "greedy takes the likeliest"
        assert [token for token, _ in told.top] == [token for token, _ in read.top]
        values = [value for _, value in told.top]
        assert values == sorted(values, reverse=True)


def test_scores_of_many_texts_are_each_its_own(engine: Engine) -> None:
    texts = [[5, 6, 7], [8], [9, 10, 11, 12, 13, 14], [5, 6, 7, 8, 9]]
    together = engine.score([Scoring(text) for text in texts]).result
    for text, scored in zip(texts, together, strict=True):
        (alone,) = engine.score([Scoring(text)]).result
        assert [told.token for told in scored.logprobs] == text[1:]
        np.testing.assert_allclose(
            [told.logprob for told in scored.logprobs],
            [told.logprob for told in alone.logprobs],
            atol=1e-4,
        )


def test_a_seed_gives_the_same_whoever_else_is_answered(engine: Engine) -> None:
    seeded = ask(engine, "Tell me a story.", 20, sampling=replace(WARM, seed=7, top_p=0.9))
    alone = engine.submit(seeded).result().tokens
    others = [engine.submit(ask(engine, "Hello!", 30, sampling=WARM)) for _ in range(5)]
    among = engine.submit(seeded).result().tokens
    other = engine.submit(replace(seeded, sampling=replace(WARM, seed=8))).result().tokens
    assert all(future.result().tokens for future in others)
    assert alone == among
    assert alone != other


def test_filters_that_leave_one_token_are_greedy(engine: Engine) -> None:
    greedy = engine.submit(ask(engine)).result().tokens
    for narrow in (
        replace(WARM, top_k=1),
        replace(WARM, top_p=1e-6),
        replace(WARM, min_p=1.0),
        replace(WARM, top_k=1, seed=3),
    ):
        assert engine.submit(ask(engine, sampling=narrow)).result().tokens == greedy
    vast = replace(GREEDY, top_k=10**6)
    assert engine.submit(ask(engine, sampling=vast)).result().tokens == greedy


def test_penalties_and_bias_change_what_is_said(engine: Engine) -> None:
    plain = engine.submit(ask(engine, "Hello!", 30, ignore_end=True)).result().tokens
    assert len(set(plain)) < len(plain), "the plain answer repeats tokens"
    for penalty in (
        replace(GREEDY, presence_penalty=1000.0),
        replace(GREEDY, frequency_penalty=1000.0),
    ):
        request = ask(engine, "Hello!", 30, ignore_end=True, sampling=penalty)
        tokens = engine.submit(request).result().tokens
        assert len(set(tokens)) == len(tokens), "no token may come twice"
    prompt = set(ask(engine, "Hello!").tokens)
    shy = replace(GREEDY, repetition_penalty=1e6)
    tokens = engine.submit(ask(engine, "Hello!", 20, ignore_end=True, sampling=shy)).result().tokens
    assert not prompt & set(tokens)
    forced = replace(GREEDY, logit_bias=((77, 1000.0),))
    tokens = engine.submit(ask(engine, max_tokens=4, sampling=forced)).result().tokens
    assert tokens == (77,) * 4


def test_a_late_answer_is_given_up(engine: Engine) -> None:
    request = ask(engine, "Tell me a story.", 900, ignore_end=True, timeout_s=0.2)
    with pytest.raises(TimedOut, match="no complete answer within"):
        engine.submit(request).result(timeout=60)
    assert engine.call(lambda: len(engine._decoder)) == 0


def test_a_checkpoint_by_name_beside_what_serves(
    engine: Engine, on_disk: Callable[[int], Weights]
) -> None:
    names = [on_disk(seed) for seed in (31, 32)]
    pending: list[tuple[Weights, Future[Answer]]] = [
        (weights, engine.submit(ask(engine, weights=weights)))
        for weights in [BASE, *names, BASE, *names]
    ]
    answers = [(weights, future.result()) for weights, future in pending]
    assert len({answer.tokens for _, answer in answers}) == 3
    for weights, answer in answers:
        assert answer.checkpoint_id == weights.checkpoint_id
        assert answer.adapter_hash == weights.content_hash
        assert answer.checkpoint_status == ("risky" if weights.path else "base")
    # Kept in memory for the next who asks, until they are too many.
    assert engine.stats.slots >= 2
    assert engine.stats.slots_in_use == 0


def test_a_checkpoint_whose_files_are_gone_fails_its_request_only(
    engine: Engine, tmp_path: Path
) -> None:
    gone = Weights("checkpoint", "A_9", CheckpointStatus.STABLE, "nothing", tmp_path / "A_9")
    with pytest.raises(CorruptCheckpoint, match="A_9"):
        engine.submit(ask(engine, weights=gone)).result(timeout=60)
    assert engine.submit(ask(engine)).result(timeout=60).tokens


def test_requests_wait_for_room_and_the_impossible_is_refused() -> None:
    """Memory for one long answer at a time: the second waits, the third is refused at once."""
    per_token = 4 * 2 * 2 * 64 * 4  # layers, keys and values, heads, width, bytes
    settings = config.EngineSettings(kv_cache_bytes=per_token * 200, prompt_cache_bytes=0)
    engine = Engine("ember", ember.MODEL_PATH, "cpu", settings, max_waiting=10)
    engine.start()
    try:
        requests = [ask(engine, max_tokens=150, ignore_end=True) for _ in range(3)]
        futures = [engine.submit(request) for request in requests]
        most = 0
        while not all(future.done() for future in futures):
            most = max(most, engine.call(lambda: len(engine._decoder._rows)))
            time.sleep(0.001)
        assert most == 1
        assert all(len(future.result().tokens) == 150 for future in futures)
        with pytest.raises(TooLarge, match="kv_cache_bytes allows"):
            engine.submit(ask(engine, max_tokens=300))
    finally:
        engine.stop()


def test_whoever_finds_the_engine_hanging_can_fail_what_it_holds(engine: Engine) -> None:
    while len(engine._requests) or len(engine._calls):  # what other tests gave up
        time.sleep(0.001)
    futures = [engine.submit(ask(engine, max_tokens=900, ignore_end=True)) for _ in range(2)]
    assert engine.fail_in_flight(EngineFailed("it hangs")) == 2
    for future in futures:
        with pytest.raises(EngineFailed, match="it hangs"):
            future.result()
    assert engine.submit(ask(engine)).result(timeout=60).tokens
    assert engine.call(lambda: len(engine._decoder)) == 0


def test_waiting_requests_are_given_up_too(engine: Engine) -> None:
    def both() -> tuple[Future[Answer], Future[Answer]]:
        first, second = (engine.submit(ask(engine)) for _ in range(2))
        engine.cancel(second)
        return first, second

    first, second = engine.call(both)
    assert first.result(timeout=60).tokens
    with pytest.raises(Cancelled):
        second.result(timeout=60)


def test_after_rows_together_the_first_of_a_wave_waits_for_the_rest(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    late: list[Future[Answer]] = []

    def the_rest_comes(_: float) -> None:
        late.append(engine.submit(ask(engine)))

    clock = SimpleNamespace(
        sleep=the_rest_comes, monotonic=time.monotonic, perf_counter=time.perf_counter
    )
    monkeypatch.setattr("radiance.engine.worker.time", clock)
    engine.submit(ask(engine)).result(timeout=60)
    alone = engine.submit(ask(engine)).result(timeout=60)
    late.clear()
    assert engine.submit(ask(engine)).result(timeout=60).tokens == alone.tokens
    assert not late
    for future in engine.call(lambda: [engine.submit(ask(engine)) for _ in range(2)]):
        future.result(timeout=60)
    assert not late
    before = engine.stats.batch_rows
    assert engine.submit(ask(engine)).result(timeout=60).tokens == alone.tokens
    assert [future.result(timeout=60).tokens for future in late] == [alone.tokens]
    # Both went together from the first token to the last.
    after = engine.stats.batch_rows
    assert after.total - before.total == 2 * (after.count - before.count)
