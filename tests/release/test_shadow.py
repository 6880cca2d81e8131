"""What is looked at after an answer was given, on a real tiny_engine."""

import dataclasses
import threading
from typing import Any

import pytest

from radiance import records
from radiance.engine.requests import BASE, Answer, Request
from radiance.engine.worker import Engine
from radiance.errors import Cancelled, EngineFailed
from radiance.records import Message
from radiance.release.shadow import EndedRequest, RoutedWeights, ShadowReplay, tally_of, trial_of


@pytest.fixture
def replay(tiny_engine: Engine) -> ShadowReplay:
    return ShadowReplay(tiny_engine, lambda _: BASE, lambda _: False)


def ended(tiny_engine: Engine, outcome: Answer | BaseException | None = None) -> EndedRequest:
    """A routed request that the base has answered, or that ended otherwise."""
    tokens = tiny_engine.encoder.prompt([Message("user", "Who are you?")])
    routed = RoutedWeights(**_fields(BASE), experiment=1, arm="champion", caller="c")
    request = Request(tokens, 6, weights=routed, ignore_end=True)
    outcome = outcome or tiny_engine.submit(request).result()
    return EndedRequest(request, routed, None, True, records.now(), 0.0, outcome)


def _fields(weights: Any) -> dict[str, Any]:
    return {field.name: getattr(weights, field.name) for field in dataclasses.fields(weights)}


def test_an_answer_is_read_under_the_weights_that_gave_it(
    tiny_engine: Engine, replay: ShadowReplay
) -> None:
    end = ended(tiny_engine)
    assert isinstance(end.outcome, Answer)
    asked = dataclasses.replace(end.request, top_logprobs=0)
    told = tiny_engine.submit(asked).result()
    assert told.tokens == end.outcome.tokens
    read = replay.read(end)
    assert read.mean_logprob is not None
    assert read.mean_logprob < 0
    assert (read.tokens, read.outcome, read.arm, read.caller) == (6, "length", "champion", "c")


def test_the_same_weights_agree_with_themselves(tiny_engine: Engine, replay: ShadowReplay) -> None:
    """A repetition is a pair: equal tokens, equal log-probabilities, one mark."""
    champion, candidate = replay.repeat(ended(tiny_engine), BASE)
    assert candidate.agrees
    assert champion.agrees is None
    assert champion.pair == candidate.pair is not None
    assert (champion.arm, candidate.arm) == ("champion", "candidate")
    assert champion.mean_logprob == pytest.approx(candidate.mean_logprob, abs=1e-5)
    assert replay.repeat(ended(tiny_engine), BASE)[0].pair != champion.pair


def test_a_service_that_stops_gives_the_repetition_up(tiny_engine: Engine) -> None:
    end, release = ended(tiny_engine), threading.Event()
    holding = threading.Thread(target=lambda: tiny_engine.call(release.wait))
    holding.start()
    try:
        with pytest.raises(Cancelled, match="the service stops"):
            ShadowReplay(tiny_engine, lambda _: BASE, lambda _: True).repeat(end, BASE)
    finally:
        release.set()
        holding.join()


@pytest.mark.parametrize("error", [EngineFailed("x"), ValueError("x")])
def test_what_failed_is_kept_by_the_name_of_its_error(
    tiny_engine: Engine, error: Exception
) -> None:
    trial = trial_of(ended(tiny_engine, error))
    assert (trial.outcome, trial.tokens, trial.is_answer) == (type(error).__name__, 0, False)
    assert trial.checkpoint is None
    tally = tally_of([trial, trial_of(ended(tiny_engine))])
    assert (tally.answers, tally.cut_off, tally.failures) == (1, 1, 1)
