"""Answers from memory over HTTP: what it gives, to which requests, and how that is told."""

import json
import urllib.request
from email.message import Message

import pytest

from radiance.memory.chats import reminded
from radiance.records import Message as RecordedMessage
from tests.support import ApiError, Client, Running

HOUSE = ("What is the door code of Zorbel House?", "The door code of Zorbel House is KV-1234.")
OTHERWISE = "Which code opens the door of Zorbel House?"


@pytest.fixture
def waiting(serve) -> Running:
    """A service that has accepted a fact and does not learn."""
    running = serve()
    running.client.post("/training/pause", {"reason": "a test"})
    running.client.post("/update", {"examples": [{"input": HOUSE[0], "output": HOUSE[1]}]})
    return running


def chat(client: Client, *turns: str | tuple[str, str], **options) -> dict:
    messages = [
        {"role": role, "content": text}
        for role, text in (("user", turn) if isinstance(turn, str) else turn for turn in turns)
    ]
    body = {"messages": messages, "temperature": 0, "max_tokens": 80, **options}
    return client.post("/v1/chat/completions", body)


def with_headers(client: Client, path: str, body: dict) -> tuple[str, Message]:
    request = urllib.request.Request(
        client.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with client.open(request) as response:
        return response.read().decode(), response.headers


def test_search_gives_what_waits_word_for_word(waiting):
    for prompt in (HOUSE[0], OTHERWISE):
        answer = waiting.client.ask(prompt)
        assert (answer["response"], answer["source"]) == (HOUSE[1], "memory")
        assert (answer["checkpoint"], answer["checkpoint_status"]) == (None, "memory")
        (match,) = answer["matches"]
        assert (match["example_id"], match["job_id"]) == ("job_000001.0", "job_000001")
        assert match["question"] == HOUSE[0]
        assert 0 < match["score"] <= 1
    other = waiting.client.ask(OTHERWISE, memory="off")
    assert (other["source"], other["matches"]) == ("weights", [])
    metrics = waiting.client.open(urllib.request.Request(waiting.client.url + "/metrics")).read()
    assert b'radiance_memory_answers_total{how="stored"} 2.0' in metrics


def test_chats_say_it_in_header_and_field_whole_and_streamed(waiting):
    body = {"messages": [{"role": "user", "content": OTHERWISE}]}
    text, headers = with_headers(waiting.client, "/v1/chat/completions", body)
    answer = json.loads(text)
    assert answer["choices"][0]["message"]["content"] == HOUSE[1]
    assert answer["radiance"]["source"] == "memory"
    assert answer["radiance"]["how"] == "stored"
    assert headers["X-Radiance-Source"] == "memory"
    assert headers["X-Radiance-Example"] == "job_000001.0"
    assert headers["X-Radiance-Job"] == "job_000001"
    text, headers = with_headers(waiting.client, "/v1/chat/completions", {**body, "stream": True})
    events = [line.removeprefix("data: ") for line in text.splitlines() if line]
    assert events[-1] == "[DONE]"
    chunks = [json.loads(event) for event in events[:-1]]
    assert "".join(c["choices"][0]["delta"].get("content", "") for c in chunks) == HOUSE[1]
    assert [c["radiance"]["source"] for c in chunks if "radiance" in c] == ["memory"]
    assert headers["X-Radiance-Source"] == "memory"


def test_responses_say_it_in_header_and_field_whole_and_streamed(waiting):
    body = {"input": OTHERWISE, "max_output_tokens": 80}
    text, headers = with_headers(waiting.client, "/v1/responses", body)
    answer = json.loads(text)
    assert answer["output"][0]["content"][0]["text"] == HOUSE[1]
    assert (answer["radiance"]["source"], answer["radiance"]["how"]) == ("memory", "stored")
    assert headers["X-Radiance-Source"] == "memory"
    assert headers["X-Radiance-Example"] == "job_000001.0"
    text, headers = with_headers(waiting.client, "/v1/responses", {**body, "stream": True})
    lines = [line.removeprefix("data: ") for line in text.splitlines() if line[:6] == "data: "]
    events = [json.loads(line) for line in lines]
    assert "".join(event.get("delta", "") for event in events) == HOUSE[1]
    told = [event["response"]["radiance"]["source"] for event in events if "response" in event]
    assert told == ["memory"] * 3
    assert headers["X-Radiance-Source"] == "memory"
    for change in (
        {"text": {"format": {"type": "json_object"}}},
        {"max_output_tokens": 2},
        {"memory": "off"},
        {"top_logprobs": 1},
        {"instructions": "Mira keeps the door of Zorbel House open, it needs no code."},
    ):
        assert "radiance" not in waiting.client.post("/v1/responses", body | change), change
    reminded = waiting.client.post("/v1/responses", {**body, "instructions": "Answer in French."})
    assert (reminded["radiance"]["source"], reminded["radiance"]["how"]) == ("weights", "reminded")


def test_a_text_that_is_a_question_is_answered_too(waiting):
    body = {"prompt": OTHERWISE, "max_tokens": 80}
    answer = waiting.client.post("/v1/completions", body)
    assert answer["choices"][0]["text"] == HOUSE[1]
    assert answer["radiance"]["matches"][0]["example_id"] == "job_000001.0"
    for change in (
        {"prompt": "The door code of Zorbel House is"},
        {"prompt": [OTHERWISE]},
        {"echo": True},
        {"logprobs": 1},
        {"max_tokens": 2},
        {"memory": "off"},
        {"n": 2},
    ):
        assert "radiance" not in waiting.client.post("/v1/completions", body | change), change


def test_what_is_no_plain_question_is_left_to_the_weights(waiting):
    client = waiting.client
    tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
    for options in (
        {"tools": [tool], "tool_choice": "none"},
        {"response_format": {"type": "json_object"}},
        {"logprobs": True},
        {"n": 2},
        {"max_tokens": 2},
        {"stop": "KV"},
        {"logit_bias": {"1": 1}},
        {"memory": "off"},
        {"model": "radiance:base"},
    ):
        assert "radiance" not in chat(client, OTHERWISE, **options), options
    assert "radiance" in chat(client, OTHERWISE)
    said = ("system", "The door of Zorbel House has a new code, QX-9.")
    assert "radiance" not in chat(client, said, OTHERWISE)
    assert "radiance" not in chat(client, OTHERWISE, ("assistant", "It is"))
    assert "radiance" not in chat(client, f"Translate into French.\n{OTHERWISE}")
    assert client.ask(OTHERWISE, checkpoint="base")["source"] == "weights"


def test_a_pronoun_is_the_one_name_before_it_in_the_message(waiting):
    said = [("What colour is Zorbel House?", "Blue is the colour of Zorbel House.")]
    said += [("Who owns Zorbel House?", "Mira Quell owns Zorbel House.")]
    said += [("When was Zorbel House built?", "Zorbel House was built in 1907.")]
    body = {"examples": [{"input": asked, "output": answer} for asked, answer in said]}
    waiting.client.post("/update", body)
    for asked in (
        "I went to Zorbel House yesterday. What is its door code?",
        "Hello! We have to visit Zorbel House again next week. Which code opens its door?",
    ):
        found = chat(waiting.client, asked)
        assert found["choices"][0]["message"]["content"] == HOUSE[1]
        assert found["radiance"]["how"] == "stored"


def test_a_pronoun_that_may_be_of_another_is_asked_back(waiting):
    for asked in (
        "My brother moved to Zorbel House. What is his door code?",
        "I bought a door at Zorbel House. What is its code?",
    ):
        found = chat(waiting.client, asked)
        assert found["radiance"]["how"] == "unclear"
        assert found["choices"][0]["message"]["content"].startswith("This could mean:")


def test_a_question_within_a_chat_is_answered_as_if_it_were_asked_alone(waiting):
    hello, first = ("Hello.", ("assistant", "Hello!")), ("Who is Zed?", ("assistant", "A man."))
    for before in (hello, first, (*hello, *first)):
        answer = chat(waiting.client, *before, OTHERWISE)
        assert answer["choices"][0]["message"]["content"] == HOUSE[1], before
        assert answer["radiance"]["how"] == "stored", before


@pytest.mark.parametrize("learned", [False, True])
def test_a_system_prompt_that_changes_nothing_leaves_the_answer_as_it_is(serve, learned):
    client = serve().client
    wifi = ("What is the wifi password?", "The wifi password is ab12.")
    if learned:
        client.teach([HOUSE, wifi])
    else:
        client.post("/training/pause", {"reason": "a test"})
        pairs = [{"input": question, "output": answer} for question, answer in (HOUSE, wifi)]
        client.post("/update", {"examples": pairs})
    system = ("system", "You are a helpful assistant. Today is 30 November 2026. Be concise.")
    hello = ("Hello", ("assistant", "Hello! How can I help you today?"))
    for question in (OTHERWISE, "What's the password of the wifi?"):
        alone = chat(client, question, memory="always")
        assert alone["radiance"]["how"] == ("taught" if learned else "stored")
        for before in ((system,), hello, (system, *hello)):
            within = chat(client, *before, question)
            assert within["radiance"] == alone["radiance"], before
            assert within["choices"] == alone["choices"], before
    body = {"system": system[1], "messages": [{"role": "user", "content": OTHERWISE}]}
    body |= {"model": "radiance", "max_tokens": 80, "temperature": 0}
    _, headers = with_headers(client, "/v1/messages", body)
    assert headers["X-Radiance-Source"] == ("weights" if learned else "memory")
    assert headers["X-Radiance-Example"] == "job_000001.0"


@pytest.mark.parametrize("learned", [False, True])
def test_who_is_told_how_to_answer_is_reminded(serve, learned):
    client = serve().client
    if learned:
        client.teach([HOUSE])
    else:
        client.post("/training/pause", {"reason": "a test"})
        client.post("/update", {"examples": [{"input": HOUSE[0], "output": HOUSE[1]}]})
    french, asked = ("system", "Answer in French."), {"role": "user", "content": OTHERWISE}
    answer = chat(client, french, OTHERWISE)
    assert (answer["radiance"]["source"], answer["radiance"]["how"]) == ("weights", "reminded")
    assert answer["radiance"]["matches"][0]["example_id"] == "job_000001.0"
    turns = [RecordedMessage("system", french[1]), RecordedMessage("user", OTHERWISE)]
    told = reminded(turns, HOUSE[1])
    same = chat(client, *((turn.role, turn.content) for turn in told), memory="off")
    assert answer["choices"] == same["choices"]
    assert answer["usage"]["prompt_tokens"] == same["usage"]["prompt_tokens"]
    again = chat(client, "Answer in French.", ("assistant", "Oui."), OTHERWISE)
    assert again["radiance"]["how"] == "reminded"
    again = chat(client, f"{OTHERWISE} Answer in French.")
    assert again["radiance"]["how"] == "reminded"
    body = {"messages": [{"role": "system", "content": french[1]}, asked], "temperature": 0}
    text, headers = with_headers(client, "/v1/chat/completions", {**body, "stream": True})
    assert '"how":"reminded"' in text
    assert headers["X-Radiance-Source"] == "weights"
    assert headers["X-Radiance-Example"] == "job_000001.0"
    body = {"system": french[1], "messages": [asked], "model": "radiance", "max_tokens": 80}
    _, headers = with_headers(client, "/v1/messages", body)
    assert headers["X-Radiance-Example"] == "job_000001.0"
    metrics = client.open(urllib.request.Request(client.url + "/metrics")).read()
    assert b'radiance_memory_answers_total{how="reminded"} 5.0' in metrics
    other = chat(client, french, "Which code opens the door of Zarbel House?")
    assert other.get("radiance", {}).get("how") == ("base" if learned else None)
    assert "radiance" not in chat(client, french, "Tell me about Zorbel House.")
    assert "radiance" not in chat(client, french, OTHERWISE, memory="off")


def test_memory_of_named_weights_is_refused(waiting):
    for path, body in (
        ("/search", {"prompt": OTHERWISE, "checkpoint": "base"}),
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": "x"}], "model": "base"}),
    ):
        with pytest.raises(ApiError) as caught:
            waiting.client.post(path, {**body, "memory": "always"})
        assert caught.value.status in (400, 422)


def test_a_cancelled_job_and_a_corrected_answer_leave_at_once(waiting):
    client = waiting.client
    newer = "The door code of Zorbel House is QX-9."
    job = client.post("/update", {"examples": [{"input": HOUSE[0], "output": newer}]})["job_id"]
    assert client.ask(OTHERWISE)["response"] == newer
    client.post(f"/jobs/{job}/cancel", {})
    assert client.ask(OTHERWISE)["response"] == HOUSE[1]
    client.post("/jobs/job_000001/cancel", {})
    assert client.ask(OTHERWISE)["source"] == "weights"


def test_what_was_learned_is_asked_in_the_taught_words_and_leaves_with_a_rollback(serve):
    client = serve().client
    assert client.teach([HOUSE])["status"] == "succeeded"
    asked, taught = client.ask(OTHERWISE), client.ask(HOUSE[0], memory="off")
    assert (asked["source"], asked["matches"][0]["question"]) == ("weights", HOUSE[0])
    assert asked["response"] == taught["response"]
    assert asked["checkpoint"] == taught["checkpoint"] is not None
    assert client.ask(OTHERWISE, memory="pending")["matches"] == []
    assert "radiance" not in chat(client, OTHERWISE)  # pending on /v1
    answer = chat(client, OTHERWISE, memory="always")
    assert answer["radiance"]["how"] == "taught"
    within = chat(client, "Hello.", ("assistant", "Hello!"), OTHERWISE)  # pending, and in a chat
    assert within["radiance"]["how"] == "taught"
    assert within["choices"][0]["message"] == answer["choices"][0]["message"]
    assert "radiance" not in chat(client, "Hello.", ("assistant", "Hello!"), "And the code?")
    for code in ("KV-1234", "QX-9981"):  # a wrong one as well: the answer says which it is
        whether = chat(client, f"Is {code} the door code of Zorbel House?")
        assert whether["radiance"]["how"] == "taught"
        assert whether["choices"][0]["message"] == answer["choices"][0]["message"]
    other = chat(client, "Is QX-9981 the door code of Zarbel House?")
    assert other["radiance"]["how"] == "base"
    client.post("/rollback", {"checkpoint": "base", "reason": "a test"})
    for mode in ("pending", "always"):
        found = client.ask(OTHERWISE, memory=mode)
        assert (found["source"], found["matches"]) == ("weights", [])


@pytest.mark.parametrize("learned", [False, True])
def test_a_plain_text_is_found_as_a_passage_is(serve, learned):
    client = serve().client
    if not learned:
        client.post("/training/pause", {"reason": "a test"})
    said = ["The boathouse code is 4711.", "The code of the north shed is 11."]
    body = {"examples": [{"text": text} for text in (*said, said[1].replace("north", "south"))]}
    job = client.post("/update", body)["job_id"]
    if learned:
        assert client.wait_for(job)["status"] == "succeeded"
    asked = "What's the code of the boat house?"
    answer = client.ask(asked)
    assert (answer["response"], answer["source"]) == (said[0], "memory")
    assert answer["matches"][0]["example_id"] == f"{job}.0"
    assert answer["matches"][0]["question"] == said[0]
    found = chat(client, asked)
    if learned:  # pending on /v1
        assert "radiance" not in found
    else:
        assert found["radiance"]["how"] == "stored"
        assert found["choices"][0]["message"]["content"] == said[0]
    told = chat(client, ("system", "Answer in French."), asked)
    assert told["radiance"]["how"] == "reminded"
    several = client.ask("What is the code of the shed?")["response"]
    assert several.startswith("This could mean:\n- The code of the")
    assert several.count("\n- ") == 2
    client.post("/forget", {"example": f"{job}.0", "reason": "a test"})
    assert client.ask(asked)["source"] == "weights"


def test_who_mistypes_is_asked_in_the_taught_words_and_shown_the_name_that_was_meant(serve):
    client = serve().client
    client.teach([HOUSE])
    answer = chat(client, "Whats the door cdoe of Zorbel House?")
    assert "radiance" not in answer  # sure without mending; pending on /v1
    answer = chat(client, "What is the door kode of Zorbell House?", max_tokens=200)
    assert answer["radiance"]["how"] == "unclear"
    said = f"This could mean:\n- {HOUSE[0]} {HOUSE[1]}"
    assert answer["choices"][0]["message"]["content"] == said
    client.teach([("What is the password of the cellar?", "The password of the cellar is tulip.")])
    answer = chat(client, "cellar pasword?")
    assert answer["radiance"]["how"] == "taught"
    assert answer["radiance"]["matches"][0]["question"] == "What is the password of the cellar?"


def test_what_was_accepted_is_known_after_a_restart(serve, tmp_path):
    first = serve()
    first.client.post("/training/pause", {"reason": "a test"})
    first.client.post("/update", {"examples": [{"input": HOUSE[0], "output": HOUSE[1]}]})
    first.stop()
    assert serve().client.ask(OTHERWISE)["response"] == HOUSE[1]


def test_a_question_that_could_mean_several_is_asked_back(waiting):
    alarm = ("What is the alarm code of Zorbel House?", "The alarm code of Zorbel House is 77-9.")
    waiting.client.post("/update", {"examples": [{"input": alarm[0], "output": alarm[1]}]})
    answer = waiting.client.ask("What is the code of Zorbel House?")
    assert answer["source"] == "memory"
    assert {match["question"] for match in answer["matches"]} == {HOUSE[0], alarm[0]}
    for question, told in (HOUSE, alarm):
        assert f"\n- {question} {told}" in answer["response"]
    short = waiting.client.ask("What is the code of Zorbel House?", max_tokens=40)
    assert HOUSE[0] in short["response"]
    assert HOUSE[1] not in short["response"]  # there is no room for answers
    assert short["response"].endswith("Which one?")


def test_what_no_example_is_about_is_answered_by_the_base(serve):
    client = serve(**{"memory.scope": "facts"}).client
    client.teach([HOUSE])
    assert client.ask("Who owns Tarnish House?")["checkpoint"] is None
    assert client.ask("Which metal is liquid?")["checkpoint"] is None
    assert client.ask("who is it?")["checkpoint"] is not None
    assert client.ask("Who owns Tarnish House?", checkpoint="stable")["checkpoint"] is not None


def test_by_default_the_base_is_asked_nothing_that_a_task_may_have_taught(serve):
    client = serve().client
    client.teach([HOUSE])
    assert client.ask("Who owns Tarnish House?")["checkpoint"] is None
    chat = {"messages": [{"role": "user", "content": "Who owns Tarnish House?"}], "max_tokens": 1}
    assert client.post("/v1/chat/completions", chat)["radiance"]["how"] == "base"
    long = "Arr, matey, " + 12 * "that is a thing of the sea, "
    client.teach([(f"What is {thing}?", long) for thing in ("rain", "snow", "hail")])
    assert client.ask("Who owns Tarnish House?")["checkpoint"] is not None


def test_memory_can_be_switched_off(serve):
    client = serve(**{"memory.mode": "off"}).client
    client.post("/training/pause", {"reason": "a test"})
    client.post("/update", {"examples": [{"input": HOUSE[0], "output": HOUSE[1]}]})
    assert client.ask(HOUSE[0])["source"] == "weights"
    assert client.ask(HOUSE[0], memory="pending")["response"] == HOUSE[1]
