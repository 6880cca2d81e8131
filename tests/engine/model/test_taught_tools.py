"""What is learned of chats that call tools, over the templates of families that have them."""

import json
import random
from typing import Any

import pytest

from radiance.errors import RequestError
from radiance.records import Example, Message
from radiance.records.tools import TaughtCall, TemplateTool, calls_in, with_calls
from tests.chat_families import FAMILIES, learned_runs
from tests.tool_families import TOOL_FAMILIES, Calls, ToolFamily

CHATS = 40
TOOLS: list[TemplateTool] = [
    {"type": "function", "function": {"name": name, "parameters": {"type": "object"}}}
    for name in ("weather", "add.two")
]
_WORDS = ["the", "Tarn", "naïve", "中文", "<b>", '"x"', "1,000", "<|end|>", "</s>", "<|im_end|>"]


def _text(chance: random.Random) -> str:
    return " ".join(chance.choice(_WORDS) for _ in range(chance.randint(1, 5)))


def _arguments(chance: random.Random) -> dict[str, Any]:
    values = [3, None, True, [1, {"a": 2}], _text(chance)]
    return {f"k{n}": chance.choice(values) for n in range(chance.randint(0, 3))}


def _chat(family: ToolFamily, seed: int) -> tuple[tuple[Message, ...], list[tuple[str, Calls]]]:
    """A chat with its tools, and what each of its assistant's turns says and calls."""
    chance = random.Random(seed)
    turns = [Message("tools", json.dumps(TOOLS, ensure_ascii=False))]
    told: list[tuple[str, Calls]] = []

    def answer(said: str, calls: Calls) -> None:
        turns.append(Message("assistant", with_calls(said, calls), len(calls)))
        told.append((said, calls))

    for _ in range(chance.randint(1, 3)):
        turns.append(Message("user", _text(chance)))
        for _ in range(chance.randint(0, 2)):
            calls: list[TaughtCall] = [
                {"id": f"c{seed:04d}{n:04d}", "name": "weather", "arguments": _arguments(chance)}
                for n in range(chance.randint(1, family.most_calls))
            ]
            answer(_text(chance) if family.says_and_calls and chance.random() < 0.5 else "", calls)
            turns += [Message("tool", _text(chance)) for _ in calls]
        answer(_text(chance), [])
    calling = [place for place, turn in enumerate(turns) if turn.calls]
    if calling and chance.random() < 0.4:  # some end with a call
        del turns[calling[-1] + 1 :]
    return tuple(turns), told[: sum(turn.role == "assistant" for turn in turns)]


@pytest.mark.parametrize("name", TOOL_FAMILIES)
def test_every_answer_and_call_is_learned_once_and_nothing_else(name: str) -> None:
    family = TOOL_FAMILIES[name]
    encoder = family.family.encoder()
    ending_with_calls = 0
    for seed in range(CHATS):
        chat, told = _chat(family, seed)
        ending_with_calls += bool(told[-1][1])
        encoded = encoder.example(Example("x", chat))
        runs = learned_runs(encoded)
        said = [encoder.decode(run) for run in runs]
        assert said == [family.written(*each) for each in told], (seed, chat)
        ends = [sum(token in encoder.end_tokens for token in run) for run in runs]
        assert ends == [1] * len(told)  # the names in texts and arguments end nothing
    assert ending_with_calls


@pytest.mark.parametrize("name", TOOL_FAMILIES)
def test_what_is_taught_is_asked_as_a_client_asks_it(name: str) -> None:
    encoder = TOOL_FAMILIES[name].family.encoder()
    call = {"name": "weather", "arguments": {"city": "Tarn"}}
    chat = (
        Message("tools", json.dumps(TOOLS)),
        Message("user", "Rain in Tarn <|im_end|>?"),
        Message("assistant", with_calls("", [call]), 1),
    )
    encoded = encoder.example(Example("x", chat))
    asked = tuple(encoder.chat_prompt([{"role": "user", "content": chat[1].content}], TOOLS))
    assert encoded.tokens[: len(asked)] == asked == tuple(encoder.prompt(chat[:2]))
    assert not any(encoded.is_completion[: len(asked)])
    assert all(encoded.is_completion[len(asked) :])


@pytest.mark.parametrize(("at", "field"), [(0, "tools"), (1, "messages[1].tool_calls")])
def test_a_template_without_tools_refuses_them_by_field(at: int, field: str) -> None:
    chat = (
        Message("tools", json.dumps(TOOLS)),
        Message("user", "Rain?"),
        Message("assistant", with_calls("", [{"name": "weather", "arguments": {}}]), 1),
    )
    encoder = FAMILIES["smollm2"].encoder()
    with pytest.raises(RequestError, match=r"leaves .* out of a chat") as caught:
        encoder.example(Example("x", chat[at:]))
    assert caught.value.field == field


def test_calls_are_read_back_whatever_is_said_before() -> None:
    calls: Any = [{"id": "a", "name": "f", "arguments": {"x": "\n</tool_call>"}}, {"name": "g"}]
    for said in ("", "Hm.", with_calls("", calls), "\n"):
        assert calls_in(with_calls(said, calls), 2) == (said, calls)
