"""Texts continued and measured; the inputs that kill or wedge other servers; errors in one form."""

import json
import socket
import time
from operator import itemgetter
from typing import Any
from urllib.parse import urlsplit

import openai
import pytest

from radiance.engine.requests import BASE, Scoring
from tests.support import ApiError, Running

MODEL = "radiance:base"
SEA = "The sea is"


def complete(client: openai.OpenAI, prompt: Any, **more: Any) -> Any:
    return client.completions.create(model=MODEL, prompt=prompt, temperature=0, **more)


def refused(client: openai.OpenAI, **parameters: Any) -> str | None:
    given: Any = {"model": MODEL, "prompt": "x", **parameters}
    with pytest.raises(openai.BadRequestError) as caught:
        client.completions.create(**given)
    body: Any = caught.value.body
    assert set(body) == {"message", "type", "param", "code"}
    return caught.value.param


# ------------------------------------------------------------------- prompts


def test_a_prompt_has_four_forms(client: openai.OpenAI, service: Running) -> None:
    encoder = service.service.services.engine.encoder
    texts = [SEA, "Zorbel Labs"]
    tokens = [encoder.text(text) for text in texts]
    singles = [complete(client, text, max_tokens=6).choices[0].text for text in texts]
    for form in (texts, tokens):
        answer = complete(client, form, max_tokens=6)
        assert [choice.index for choice in answer.choices] == [0, 1]
        assert [choice.text for choice in answer.choices] == singles
        assert answer.usage.prompt_tokens == sum(map(len, tokens))
    assert complete(client, tokens[0], max_tokens=6).choices[0].text == singles[0]
    twice = complete(client, texts, max_tokens=6, n=2)
    assert [c.text for c in twice.choices] == [singles[0], singles[0], singles[1], singles[1]]
    assert twice.usage.prompt_tokens == sum(map(len, tokens))


@pytest.mark.parametrize("prompt", ["", None, ["", ""]])
def test_an_empty_prompt_begins_a_text(client: openai.OpenAI, prompt: Any) -> None:
    answer = complete(client, prompt, max_tokens=3)
    assert {choice.finish_reason for choice in answer.choices} <= {"length", "stop"}


def test_the_same_prompt_again_and_one_that_an_answer_continues(client: openai.OpenAI) -> None:
    first = complete(client, SEA, max_tokens=8)
    again = complete(client, SEA, max_tokens=8)  # an exact cache hit
    assert again.choices[0].text == first.choices[0].text
    longer = SEA + first.choices[0].text  # prompt and completion of an earlier request
    after = complete(client, longer, max_tokens=4)
    assert (
        after.choices[0].text
        == complete(client, SEA, max_tokens=12).choices[0].text[len(first.choices[0].text) :]
    )


@pytest.mark.parametrize(
    ("parameters", "param"),
    [
        ({"prompt": []}, "prompt"),
        ({"prompt": [[]]}, "prompt[0]"),
        ({"prompt": [1, "x"]}, "prompt"),
        ({"prompt": [1, 99999]}, "prompt[1]"),
        ({"prompt": [[1], [4096]]}, "prompt[1][0]"),
        ({"prompt": [-1]}, "prompt[0]"),
        ({"prompt": "word " * 2000}, "prompt"),
        ({"stop": [1]}, "stop[0]"),
        ({"logit_bias": {"999999": 1}}, "logit_bias"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"suffix": "x"}, "suffix"),
        ({"best_of": 2}, "best_of"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"extra_body": {"wings": 2}}, "wings"),
        ({"model": "radiance:training", "n": 2}, "n"),
    ],
)
def test_bad_input_is_refused_by_name(
    client: openai.OpenAI, parameters: dict[str, Any], param: str
) -> None:
    assert refused(client, **parameters) == param


# ------------------------------------------------------------------- echo and log-probabilities


def test_a_stream_says_what_the_whole_answer_says(client: openai.OpenAI) -> None:
    options: Any = {"echo": True, "logprobs": 2, "max_tokens": 5, "n": 2}
    whole = complete(client, [SEA, "Zorbel"], **options)
    stream = complete(
        client, [SEA, "Zorbel"], **options, stream=True, stream_options={"include_usage": True}
    )
    *told, last = list(stream)
    for choice in whole.choices:
        parts = [c.choices[0] for c in told if c.choices[0].index == choice.index]
        assert "".join(part.text for part in parts) == choice.text
        assert parts[-1].finish_reason == choice.finish_reason
        for name in ("tokens", "token_logprobs", "text_offset"):
            joined = [x for part in parts if part.logprobs for x in getattr(part.logprobs, name)]
            assert joined == pytest.approx(getattr(choice.logprobs, name), abs=1e-4)
        tops = [top for part in parts if part.logprobs for top in part.logprobs.top_logprobs]
        assert list(map(list, tops[1:])) == list(map(list, choice.logprobs.top_logprobs[1:]))
    assert last.usage.completion_tokens == whole.usage.completion_tokens


def test_echoed_tokens_lie_where_their_offsets_say(client: openai.OpenAI) -> None:
    text = "A café in Tørn, at 14 €."
    (choice,) = complete(client, text, echo=True, logprobs=0, max_tokens=3).choices
    found = choice.logprobs
    assert choice.text.startswith(text)
    assert found.token_logprobs[0] is None
    assert found.top_logprobs[0] is None
    for place, token in enumerate(found.tokens):
        start = found.text_offset[place]
        if not token.startswith("bytes:"):
            assert choice.text[start : start + len(token)] == token
    assert all(len(top) == 1 for top in found.top_logprobs[1:])


def test_a_prompt_can_be_measured_alone(client: openai.OpenAI, service: Running) -> None:
    engine = service.service.services.engine
    tokens = engine.encoder.text("The sea is salt and wide.")
    (score,) = engine.score([Scoring(tokens, BASE)], 1).result
    answer = complete(client, tokens, echo=True, logprobs=1, max_tokens=0)
    (choice,) = answer.choices
    assert choice.logprobs.token_logprobs[1:] == pytest.approx([t.logprob for t in score.logprobs])
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (len(tokens), 0)


def test_harness_requests_get_what_harnesses_read(client: openai.OpenAI, service: Running) -> None:
    """Exactly what lm_eval's local-completions sends and how it reads the answer (0.4.13)."""
    engine = service.service.services.engine
    encode = engine.encoder.text
    question = "<|user|>Who are you?<|end|><|assistant|>"
    answer = complete(client, encode(question), max_tokens=40)
    known = question + answer.choices[0].text
    texts = [(question, known), (question, question + "Purple rain."), (SEA, f"{SEA} wide")]
    prompts = [encode(whole) for _, whole in texts]
    contexts = [len(encode(context)) for context, _ in texts]
    out = service.client.post(
        "/v1/completions",
        {
            "model": MODEL,
            "prompt": prompts,
            "temperature": 0,
            "max_tokens": 1,
            "logprobs": 1,
            "seed": 1234,
            "echo": True,
        },
    )
    scores = engine.score([Scoring(tokens, BASE) for tokens in prompts], 1).result
    read = []
    choices = sorted(out["choices"], key=itemgetter("index"))
    for choice, context, score in zip(choices, contexts, scores, strict=True):
        logprobs = choice["logprobs"]["token_logprobs"][context:-1]
        tops = choice["logprobs"]["top_logprobs"][context:-1]
        assert logprobs == pytest.approx([t.logprob for t in score.logprobs[context - 1 :]])
        is_greedy = all(p == max(top.values()) for p, top in zip(logprobs, tops, strict=True))
        read.append((sum(logprobs), is_greedy))
    assert read[0][1]
    assert not read[1][1]
    assert read[0][0] > read[1][0]
    generated = service.client.post(
        "/v1/completions",
        {
            "prompt": [question],
            "model": MODEL,
            "max_tokens": 256,
            "temperature": 0,
            "stop": ["\n\n", "<|end|>"],
            "seed": 1234,
        },
    )
    assert known == question + generated["choices"][0]["text"]


# ------------------------------------------------------------------- going away


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("prompts", [1, 3])
def test_a_client_that_goes_away_frees_its_rows(
    service: Running, stream: bool, prompts: int
) -> None:
    parts = urlsplit(service.client.url)
    ban = {str(end): -100 for end in service.service.services.engine.encoder.end_tokens}
    body = json.dumps(
        {"prompt": ["On and on"] * prompts, "max_tokens": 900, "stream": stream, "logit_bias": ban}
    ).encode()
    head = (
        f"POST /v1/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode()
    engine = service.service.services.engine
    with socket.create_connection((parts.hostname or "", parts.port or 0)) as connection:
        connection.sendall(head + body)
        while engine.call(lambda: len(engine._decoder)) < prompts:
            time.sleep(0.01)
    while engine.call(lambda: len(engine._decoder)):
        time.sleep(0.01)  # a row that stays would time the test out long before 900 tokens


# ------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("method", "path", "raw", "status", "code"),
    [
        ("GET", "/v1/nothing", None, 404, "not_found"),
        ("GET", "/v1/chat/completions", None, 405, "method_not_allowed"),
        ("GET", "/v1/models/gpt-4o", None, 404, "model_not_found"),
        ("POST", "/v1/chat/completions", b"{", 400, "invalid_request"),
        ("POST", "/v1/chat/completions", b"[]", 400, "invalid_request"),
        ("POST", "/v1/completions", b" " * (9 << 20), 413, "too_large"),
        ("GET", "/v1/fine_tuning/jobs/ftjob-1", None, 404, "not_found"),
        ("GET", "/v1/fine_tuning/jobs?wings=2", None, 400, "invalid_request"),
        ("GET", "/v1/files?limit=0", None, 400, "invalid_request"),
        ("GET", "/v1/files?after=x", None, 400, "invalid_request"),
    ],
)
def test_every_error_has_one_form(
    service: Running, method: str, path: str, raw: bytes | None, status: int, code: str
) -> None:
    with pytest.raises(ApiError) as caught:
        service.client.call(method, path, raw=raw)
    assert caught.value.status == status
    assert set(caught.value.body) == {"error"}
    assert set(caught.value.error) == {"message", "type", "param", "code"}
    assert caught.value.error["code"] == code


def test_an_unknown_model_and_a_full_context_have_openais_codes(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "x"}])
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")
    long = "word " * 2000
    for send in (
        lambda: client.completions.create(model=MODEL, prompt=long),
        lambda: client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": long}]
        ),
    ):
        with pytest.raises(openai.BadRequestError) as full:
            send()
        assert full.value.code == "context_length_exceeded"
