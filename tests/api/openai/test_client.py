"""OpenAI's own client, unchanged, against a real service: files, fine-tuning, chat, tools, JSON."""

import json
import time
from collections.abc import Iterator
from typing import Any, cast

import jsonschema
import openai
import pytest
from openai.types.fine_tuning import FineTuningJob

from tests.support import FACTS, Running

WEATHER = "What is the weather in Tarn?"
CALL = '<tool_call>{"name": "get_weather", "arguments": {"city": "Tarn"}}</tool_call>'
DOUBT, THOUGHT, SURE = "Do you think so?", "Let me see.", "Yes, I do."
LEARNED = [*FACTS[:3], (WEATHER, CALL), (DOUBT, f"<think>{THOUGHT}</think>{SURE}")]
TOOL: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"enum": ["Tarn", "Oslo"]}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}
OTHER_TOOL: Any = {"type": "function", "function": {"name": "stop_pump"}}


def lines(facts: list[tuple[str, str]]) -> bytes:
    """Facts as OpenAI's training files have them."""
    chats = (
        [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
        for question, answer in facts
    )
    return "\n".join(json.dumps({"messages": chat}) for chat in chats).encode()


def ask(question: str) -> Any:
    return [{"role": "user", "content": question}]


def finished(client: openai.OpenAI, job_id: str) -> FineTuningJob:
    while (job := client.fine_tuning.jobs.retrieve(job_id)).status in ("queued", "running"):
        time.sleep(0.05)
    return job


@pytest.fixture(scope="module")
def tuned(client: openai.OpenAI) -> FineTuningJob:
    """A job that has learned some facts, one call and one thought: what needs it is slow."""
    training = client.files.create(file=("facts.jsonl", lines(LEARNED)), purpose="fine-tune")
    held = client.files.create(file=("held.jsonl", lines(LEARNED[:1])), purpose="fine-tune")
    job = client.fine_tuning.jobs.create(
        training_file=training.id,
        validation_file=held.id,
        model="radiance",
        suffix="zorbel",
        seed=3,
        metadata={"team": "pumps"},
        method={"type": "supervised", "supervised": {"hyperparameters": {"batch_size": 4}}},
    )
    assert job.status == "queued"
    assert job.fine_tuned_model is None
    return finished(client, job.id)


# ------------------------------------------------------------------- files and fine-tuning


def test_files_are_kept_as_sent_until_deleted(client: openai.OpenAI) -> None:
    content = lines(FACTS) + b"\n\n"
    file = client.files.create(file=("a b.jsonl", content), purpose="fine-tune")
    assert (file.object, file.bytes, file.filename) == ("file", len(content), "a b.jsonl")
    assert client.files.content(file.id).read() == content
    assert client.files.retrieve(file.id) == file
    second = client.files.create(file=("b.jsonl", b"x"), purpose="fine-tune")
    listed = client.files.list(limit=1)
    assert [one.id for one in listed.data] == [second.id]
    assert listed.has_more
    assert file.id in [one.id for one in client.files.list(purpose="fine-tune")]
    assert file.id in [one.id for one in client.files.list(order="asc", limit=1)]
    assert client.files.delete(file.id).deleted
    for gone in (client.files.retrieve, client.files.content, client.files.delete):
        with pytest.raises(openai.NotFoundError):
            gone(file.id)


@pytest.mark.slow
def test_a_job_trains_here_and_its_model_serves(
    client: openai.OpenAI, tuned: FineTuningJob
) -> None:
    assert (tuned.status, tuned.error, tuned.seed) == ("succeeded", None, 3)
    assert tuned.metadata == {"team": "pumps"}
    assert tuned.hyperparameters.batch_size == 4
    assert tuned.hyperparameters.n_epochs == "auto"
    model = tuned.fine_tuned_model or ""
    assert model.endswith(":zorbel")
    assert client.models.retrieve(model).id == model
    for name in (model, model.removesuffix(":zorbel"), "radiance", "radiance:stable"):
        answer = client.chat.completions.create(
            model=name, messages=ask(FACTS[1][0]), temperature=0
        )
        assert answer.choices[0].message.content == FACTS[1][1]
        assert answer.model == model.removesuffix(":zorbel")
    base = client.chat.completions.create(
        model="radiance:base", messages=ask(FACTS[1][0]), temperature=0
    )
    assert base.choices[0].message.content != FACTS[1][1]
    assert base.system_fingerprint != answer.system_fingerprint
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model=model[:-1], messages=ask("?"))


@pytest.mark.slow
def test_events_and_checkpoints_tell_of_a_job(client: openai.OpenAI, tuned: FineTuningJob) -> None:
    events = list(client.fine_tuning.jobs.list_events(tuned.id, limit=7))
    assert len(events) > 7  # several pages
    assert len({event.id for event in events}) == len(events)
    assert tuned.fine_tuned_model
    assert tuned.fine_tuned_model in events[0].message
    assert tuned.id in events[-1].message
    steps = [cast(Any, event.data) for event in events if event.type == "metrics"]
    assert [data["step"] for data in reversed(steps)] == list(range(1, len(steps) + 1))
    assert steps[0]["train_loss"] < steps[-1]["train_loss"]
    (checkpoint,) = client.fine_tuning.jobs.checkpoints.list(tuned.id)
    assert checkpoint.fine_tuned_model_checkpoint == tuned.fine_tuned_model
    assert checkpoint.step_number == len(steps)
    assert checkpoint.metrics.full_valid_loss is not None
    assert checkpoint.metrics.full_valid_loss < 0.5  # the held fact is among the learned
    found = client.fine_tuning.jobs.list(metadata={"team": "pumps"}, limit=1)
    assert [job.id for job in found.data] == [tuned.id]
    assert not client.fine_tuning.jobs.list(metadata={"team": "none"}).data


def test_epochs_and_rate_are_honoured_and_a_running_job_is_called_off(
    client: openai.OpenAI, service: Running
) -> None:
    serving = service.client.get("/info")["current_checkpoint"]
    file = client.files.create(file=("f.jsonl", lines(FACTS)), purpose="fine-tune")
    short = client.fine_tuning.jobs.create(
        training_file=file.id,
        model="radiance",
        hyperparameters={"n_epochs": 2, "batch_size": 2, "learning_rate_multiplier": 0.5},
    )
    long = client.fine_tuning.jobs.create(
        training_file=file.id, model="radiance", hyperparameters={"n_epochs": 1000}
    )
    short = finished(client, short.id)
    assert short.status == "succeeded"
    checkpoint = (short.fine_tuned_model or "").removeprefix("radiance:")
    made = service.client.get(f"/checkpoints/{checkpoint}")["manifest"]
    assert made["steps"] == 5  # two passes over five examples, two at a time
    assert made["training"]["lr"] == pytest.approx(0.5 * 1.5e-3)
    assert made["training"]["batch_size"] == 2
    while client.fine_tuning.jobs.retrieve(long.id).status == "queued":
        time.sleep(0.02)
    assert client.fine_tuning.jobs.cancel(long.id).status == "cancelled"
    assert client.fine_tuning.jobs.retrieve(long.id).finished_at is not None
    with pytest.raises(openai.ConflictError):
        client.fine_tuning.jobs.cancel(short.id)
    client.files.delete(file.id)
    service.client.post("/rollback", {"checkpoint": serving or "base"})


@pytest.mark.parametrize(
    ("parameters", "param"),
    [
        ({"training_file": "file-none"}, "training_file"),
        ({"model": "gpt-4o"}, "model"),
        ({"method": {"type": "dpo", "dpo": {}}}, "method.type"),
        ({"hyperparameters": {"n_epochs": 0}}, "hyperparameters.n_epochs"),
        ({"hyperparameters": {"learning_rate_multiplier": 999}}, "hyperparameters"),
        ({"integrations": [{"type": "wandb", "wandb": {"project": "x"}}]}, "integrations"),
        ({"suffix": "a b"}, "suffix"),
        ({"extra_body": {"wings": 2}}, "wings"),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_name(
    client: openai.OpenAI, parameters: dict[str, Any], param: str
) -> None:
    file = client.files.create(file=("f.jsonl", lines(FACTS[:1])), purpose="fine-tune")
    given: Any = {"training_file": file.id, "model": "radiance", **parameters}
    with pytest.raises(openai.APIStatusError) as caught:
        client.fine_tuning.jobs.create(**given)
    assert caught.value.status_code in (400, 404)
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"{}", "line 1 is none of the known forms"),
        (b'\n{"text": "a"}\n{"text": ', "line 3 is not JSON"),
        (b'{"text": "a"}\n{"text": "a", "text": "b"}', "line 2 has a fault: text stands twice"),
        (b"\xff\xfe", "is not UTF-8"),
        (b"\n \n", "has no lines"),
        (lines([("a", "b")]) + b"\n" + lines([("a", "c")]), "line 2 answers the question"),
    ],
)
def test_a_file_that_cannot_be_learned_is_refused_with_its_line(
    client: openai.OpenAI, content: bytes, part: str
) -> None:
    file = client.files.create(file=("bad.jsonl", content), purpose="fine-tune")
    with pytest.raises(openai.BadRequestError, match=part) as caught:
        client.fine_tuning.jobs.create(training_file=file.id, model="radiance")
    assert caught.value.param == "training_file"


def test_forms_that_are_no_file_are_refused(client: openai.OpenAI, service: Running) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.files.create(file=("a.jsonl", b"x"), purpose="batch")
    assert caught.value.param == "purpose"
    with pytest.raises(openai.BadRequestError) as caught:
        client.files.create(file=("a.jsonl", b""), purpose="fine-tune")
    assert caught.value.param == "file"
    with pytest.raises(openai.BadRequestError) as caught:
        client.files.create(
            file=("a.jsonl", b"x"),
            purpose="fine-tune",
            expires_after={"anchor": "created_at", "seconds": 3600},
        )
    assert (caught.value.param or "").startswith("expires_after")
    for kind in ("application/json", "multipart/form-data", "multipart/form-data; boundary=x"):
        status, body = 0, {}
        try:
            service.client.call("POST", "/v1/files", raw=b"{}", headers={"Content-Type": kind})
        except Exception as error:  # noqa: BLE001 - ApiError of the plain client
            status, body = cast(Any, error).status, cast(Any, error).body
        assert status == 400
        assert set(body["error"]) == {"message", "type", "param", "code"}


# ------------------------------------------------------------------- chat


def test_a_stream_says_what_the_whole_answer_says(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(
        model="radiance:base", messages=ask("Who are you?"), temperature=0, logprobs=True
    )
    stream = client.chat.completions.create(
        model="radiance:base",
        messages=ask("Who are you?"),
        temperature=0,
        logprobs=True,
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    *told, last = chunks
    assert "".join(c.choices[0].delta.content or "" for c in told) == (
        whole.choices[0].message.content
    )
    assert told[0].choices[0].delta.role == "assistant"
    assert [c.choices[0].finish_reason for c in told if c.choices[0].finish_reason] == ["stop"]
    assert all(c.usage is None for c in told)
    assert (last.choices, last.usage and last.usage.total_tokens) == (
        [], whole.usage and whole.usage.total_tokens
    )  # fmt: skip
    assert whole.choices[0].logprobs is not None
    assert whole.choices[0].logprobs.content is not None
    parts = [c.choices[0].logprobs for c in told]
    tokens = [t.token for part in parts if part and part.content for t in part.content]
    assert tokens == [t.token for t in whole.choices[0].logprobs.content]
    assert {c.id for c in chunks} == {chunks[0].id}
    assert {c.system_fingerprint for c in chunks} == {whole.system_fingerprint}


def test_logprobs_are_those_of_the_tokens(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        model="radiance:base",
        messages=ask("Who are you?"),
        temperature=0,
        logprobs=True,
        top_logprobs=3,
    )
    logprobs = answer.choices[0].logprobs
    assert logprobs is not None
    assert logprobs.content is not None
    assert b"".join(bytes(t.bytes or []) for t in logprobs.content).decode() == (
        answer.choices[0].message.content
    )
    for token in logprobs.content:
        assert len(token.top_logprobs) == 3
        assert token.top_logprobs[0].token == token.token  # greedy
        assert token.logprob == pytest.approx(token.top_logprobs[0].logprob)
        assert token.logprob <= 0


@pytest.mark.slow
def test_headers_name_the_weights_by_content(client: openai.OpenAI, tuned: FineTuningJob) -> None:
    for stream in (False, True):
        with client.chat.completions.with_streaming_response.create(
            model="radiance",
            messages=ask("Hi"),
            max_tokens=1,
            stream=cast(Any, stream),
            extra_body={"memory": "off"},  # else the base answers what nobody taught
        ) as response:
            adapter = response.headers["x-radiance-adapter"]
            assert f"radiance:{response.headers['x-radiance-checkpoint']}:zorbel" == (
                tuned.fine_tuned_model
            )
            assert len(adapter) == 64
            assert f"adapter:{adapter}" in "".join(response.iter_text())


def test_n_answers_are_their_own_and_a_seed_repeats_them(client: openai.OpenAI) -> None:
    def several(**more: Any) -> list[str | None]:
        answer = client.chat.completions.create(
            model="radiance:base",
            messages=ask("Tell me a story."),
            temperature=1.5,
            n=3,
            max_completion_tokens=12,
            seed=5,
            **more,
        )
        assert [choice.index for choice in answer.choices] == [0, 1, 2]
        return [choice.message.content for choice in answer.choices]

    first = several()
    assert len(set(first)) == 3
    assert several() == first
    assert several(top_p=0)[0] == several(extra_body={"top_k": 1})[2]


def test_biases_and_penalties_reach_the_tokens(client: openai.OpenAI, service: Running) -> None:
    token = service.service.services.engine.encoder.plain("sea")[0]

    def said(**more: Any) -> str:
        answer = client.chat.completions.create(
            model="radiance:base", messages=ask("Who are you?"), temperature=0, max_tokens=6, **more
        )
        return answer.choices[0].message.content or ""

    assert said(logit_bias={str(token): 100}).count("se") == 6
    penalised = said(logit_bias={str(token): 10}, frequency_penalty=2, presence_penalty=2)
    assert penalised.count("se") < 6


@pytest.mark.parametrize("stream", [False, True])
def test_stop_strings_are_found_across_tokens(client: openai.OpenAI, stream: bool) -> None:
    whole = client.chat.completions.create(
        model="radiance:base", messages=ask("Who are you?"), temperature=0, logprobs=True
    )
    text = whole.choices[0].message.content or ""
    assert whole.choices[0].logprobs
    tokens = [t.token for t in whole.choices[0].logprobs.content or ()]
    stop = tokens[2][-2:] + tokens[3][:3]  # begins in one token and ends in another
    assert stop not in tokens
    answer: Any = client.chat.completions.create(
        model="radiance:base",
        messages=ask("Who are you?"),
        temperature=0,
        stop=["nowhere", stop],
        stream=stream,
    )
    if stream:
        answer = list(answer)
        said = "".join(c.choices[0].delta.content or "" for c in answer)
        reason = answer[-1].choices[0].finish_reason
    else:
        said, reason = answer.choices[0].message.content, answer.choices[0].finish_reason
    assert said == text[: text.index(stop)]
    assert reason == "stop"


# ------------------------------------------------------------------- JSON


@pytest.mark.parametrize("temperature", [0, 1.5])
def test_answers_have_the_form_of_a_schema(client: openai.OpenAI, temperature: float) -> None:
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {
            "city": {"enum": ["Tarn", "Oslo"]},
            "pumps": {"type": "array", "items": {"type": "integer", "maximum": 99, "minimum": 0},
                      "minItems": 1, "maxItems": 3},
        },
        "required": ["city", "pumps"],
        "additionalProperties": False,
    }  # fmt: skip
    answer = client.chat.completions.create(
        model="radiance:base",
        messages=ask("Where are the pumps?"),
        temperature=temperature,
        n=4,
        seed=1,
        response_format={"type": "json_schema", "json_schema": {"name": "pumps", "schema": schema}},
    )
    for choice in answer.choices:
        jsonschema.validate(json.loads(choice.message.content or ""), schema)
        assert choice.finish_reason == "stop"


def test_any_object_and_a_schema_that_is_none(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        model="radiance:base",
        messages=ask("Who are you?"),
        seed=2,
        response_format={"type": "json_object"},
        max_tokens=200,
    )
    if answer.choices[0].finish_reason == "stop":
        assert isinstance(json.loads(answer.choices[0].message.content or ""), dict)
    assert (answer.choices[0].message.content or "").startswith("{")
    bad: Any = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "wing"}}}
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(
            model="radiance", messages=ask("?"), response_format=bad, stream=True
        )
    assert caught.value.param == "response_format"


# ------------------------------------------------------------------- thoughts


@pytest.mark.slow
@pytest.mark.parametrize("stream", [False, True])
def test_thoughts_are_told_apart_from_the_answer(
    client: openai.OpenAI, tuned: FineTuningJob, stream: bool
) -> None:
    answer: Any = client.chat.completions.create(
        model=tuned.fine_tuned_model or "", messages=ask(DOUBT), temperature=0, stream=stream
    )
    if stream:
        deltas = [chunk.choices[0].delta for chunk in answer]
        thought = "".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas)
        said = "".join(delta.content or "" for delta in deltas)
    else:
        message = answer.choices[0].message
        thought, said = message.reasoning_content, message.content
        follow_up: Any = [*ask(DOUBT), message.model_dump(), *ask("Sure?")]
        client.chat.completions.create(model="radiance", messages=follow_up, max_tokens=1)
    assert (thought, said) == (THOUGHT, SURE)


# ------------------------------------------------------------------- tools


def calls_of(answer: Any) -> list[tuple[str, Any]]:
    calls = answer.choices[0].message.tool_calls or ()
    return [(call.function.name, json.loads(call.function.arguments)) for call in calls]


@pytest.mark.slow
@pytest.mark.parametrize("strict", [False, True])
def test_a_call_that_the_model_makes_is_read(
    client: openai.OpenAI, tuned: FineTuningJob, strict: bool
) -> None:
    tool: Any = {**TOOL, "function": {**TOOL["function"], "strict": strict}}
    answer = client.chat.completions.create(
        model=tuned.fine_tuned_model or "", messages=ask(WEATHER), temperature=0, tools=[tool]
    )
    assert calls_of(answer) == [("get_weather", {"city": "Tarn"})]
    assert answer.choices[0].finish_reason == "tool_calls"
    assert answer.choices[0].message.content is None
    # The turn goes back as it came, with the tool's answer.
    message = answer.choices[0].message
    assert message.tool_calls
    follow_up: Any = [
        *ask(WEATHER),
        message.model_dump(),
        {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "Rain."},
    ]
    again = client.chat.completions.create(
        model="radiance", messages=follow_up, tools=[TOOL], max_tokens=4
    )
    assert again.usage is not None
    assert answer.usage is not None
    assert again.usage.prompt_tokens > answer.usage.prompt_tokens
    plain = client.chat.completions.create(
        model="radiance", messages=ask(WEATHER), temperature=0, tools=[TOOL], tool_choice="none"
    )
    assert plain.choices[0].message.content == CALL


@pytest.mark.slow
def test_streamed_calls_are_whole(client: openai.OpenAI, tuned: FineTuningJob) -> None:
    chunks = list(
        client.chat.completions.create(
            model=tuned.fine_tuned_model or "",
            messages=ask(WEATHER),
            temperature=0,
            tools=[TOOL],
            stream=True,
        )
    )
    calls = [call for c in chunks for call in c.choices[0].delta.tool_calls or ()]
    assert [(call.index, call.type) for call in calls] == [(0, "function")]
    assert calls[0].function is not None
    assert calls[0].function.name == "get_weather"
    assert json.loads(calls[0].function.arguments or "") == {"city": "Tarn"}
    assert not "".join(c.choices[0].delta.content or "" for c in chunks)
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("tools", "choice", "reason"),
    [
        ([TOOL], "required", "tool_calls"),
        ([TOOL, OTHER_TOOL], "required", "tool_calls"),
        ([OTHER_TOOL, TOOL], {"type": "function", "function": {"name": "get_weather"}}, "stop"),
    ],
)
def test_a_call_can_be_forced(
    client: openai.OpenAI, stream: bool, tools: list[Any], choice: Any, reason: str
) -> None:
    answer: Any = client.chat.completions.create(
        model="radiance:base",
        messages=ask("Hello"),
        tools=tools,
        tool_choice=choice,
        seed=4,
        stream=stream,
    )
    if stream:
        chunks = list(answer)
        (call,) = [call for c in chunks for call in c.choices[0].delta.tool_calls or ()]
        assert chunks[-1].choices[0].finish_reason == reason
    else:
        (call,) = answer.choices[0].message.tool_calls
        assert answer.choices[0].finish_reason == reason
    expected = {"get_weather": {"city"}, "stop_pump": set()}
    assert set(json.loads(call.function.arguments)) == expected[call.function.name]


def test_a_tool_whose_parameters_cannot_be_held_is_refused(client: openai.OpenAI) -> None:
    bad: Any = {"type": "function", "function": {"name": "f", "parameters": {"type": "wing"}}}
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(
            model="radiance", messages=ask("?"), tools=[bad], tool_choice="required"
        )
    assert caught.value.param == "tools"


@pytest.fixture(scope="module", autouse=True)
def _rolled_back(service: Running) -> Iterator[None]:
    yield
    assert service.service.services.engine.is_ready  # nothing above has hurt the engine
