"""A chat as the model's own template writes it, and where each turn lies in that.

A template is a program: it may strip a message, move the system text into another turn, write
earlier turns otherwise than the last, or refuse. So what it does with a turn is not guessed from
its source or from single turns but seen: the chat is written with that one message replaced, and
what differs is the turn.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jinja2

from radiance.engine.model.control_tokens import PROBE, ControlTokens
from radiance.errors import RequestError
from radiance.records import Message
from radiance.records.tools import TemplateTool, calls_in

Turn = dict[str, Any]
"""A turn as chat templates take it: role, content, and calls where there are some."""
Render = Callable[..., str]  # turns and options in, what the template writes out


@dataclass(frozen=True)
class TaughtTurn:
    """Where an assistant's turn lies in a written chat, in characters: what a model has to write.

    Attributes:
        start: After what asks for it.
        end: After the token that ends it, or after its words where the template writes none.
    """

    start: int
    end: int


def taught_turns(
    render: Render,
    turns: Sequence[Turn],
    controls: ControlTokens,
    thought: tuple[str, str] | None = None,
) -> tuple[str, list[TaughtTurn]]:
    """What a template makes of a chat, and each assistant's turn in it.

    The last answer follows what asks for it, also where the template writes a prompt otherwise than
    the chat that it becomes: with the system text in its last turn, or a thought begun.

    Args:
        render: Writes turns by the template.
        turns: User and assistant in turn, perhaps after a system turn, and tools between.
        controls: The tokenizer's.
        thought: Texts before and after what the model thinks; None if it does not.

    Raises:
        RequestError: The template refuses the turns, or leaves one out.
    """
    text = render(turns)
    _check_calls(render, turns)
    bounds = [
        _bounds(render, turns, place, text) if turn["role"] != "system" else (0, 0)
        for place, turn in enumerate(turns)
    ]
    last_closing = text[bounds[-1][1] :]
    found = []
    for place, turn in enumerate(turns):
        if turn["role"] != "assistant":
            continue
        asked_end, (start, end) = bounds[place - 1][1], bounds[place]
        following = bounds[place + 1][0] if place + 1 < len(turns) else len(text)
        opening = _opening(render, turns[:place], text[asked_end:start])
        closing = _closing(text[end:following], last_closing, controls)
        found.append(TaughtTurn(asked_end + opening, end + closing))
    if turns[0]["role"] == "system":
        _check_system(render, turns)
    asked, last = render(turns[:-1], add_generation_prompt=True), found[-1]
    done = found[-2].end if len(found) > 1 else 0
    if text[: last.start] != asked and _common(text, asked) >= done:
        said = text[last.start : last.end]
        if thought is not None and asked.rfind(thought[0]) > asked.rfind(thought[1]):
            said = _thought_through(turns[-1]["content"], thought) + said
        text = asked + said
        found[-1] = TaughtTurn(len(asked), len(text))
    return text, found


def _check_system(render: Render, turns: Sequence[Turn]) -> None:
    """Refuse a system turn that a template leaves out of the chat and of the question for it."""
    changed = [{**turns[0], "content": PROBE}, *turns[1:]]
    if PROBE not in render(changed) + render(changed[:-1], add_generation_prompt=True):
        raise _left_out(0)


def _thought_through(content: str, thought: tuple[str, str]) -> str:
    """The rest of a thought that a prompt has begun: the answer's own, which is left out, or none.

    DeepSeek R1's template begins a thought for the model, and writes no answer's.
    """
    start, end = thought
    before, mark, _ = content.partition(end)
    own = before.partition(start)[2] if start in before else before
    return f"{own.strip(chr(10)) if mark else ''}\n{end}\n\n"


def _check_calls(render: Render, turns: Sequence[Turn]) -> None:
    """Refuse calls that a template leaves out of a chat."""
    for place, turn in enumerate(turns):
        if turn.get("tool_calls"):
            changed = list(turns)
            changed[place] = {**_replaced(turn), "content": turn["content"]}
            if PROBE not in render(changed):
                raise _left_out(place, "tool_calls")


def check_tools(render: Render, turns: Sequence[Turn], tools: Sequence[TemplateTool]) -> None:
    """Refuse tools that a template does not tell the model of.

    Raises:
        RequestError: It does not, or refuses them.
    """
    probed = [{**tool, "function": {**tool["function"], "name": PROBE}} for tool in tools]
    if PROBE not in render(turns, tools=probed):
        raise RequestError.of(
            "tools",
            "the model's chat template leaves them out of a chat",
            None,
            "Send the chat without tools.",
        )


def _replaced(turn: Turn) -> Turn:
    """A turn that says, and calls, something else."""
    calls = turn.get("tool_calls")
    if not calls:
        return {**turn, "content": PROBE}
    other = {"name": PROBE, "arguments": {PROBE: PROBE}}
    content = PROBE if turn["content"] else turn["content"]
    return {**turn, "content": content, "tool_calls": [{**c, "function": other} for c in calls]}


def _bounds(render: Render, turns: Sequence[Turn], place: int, text: str) -> tuple[int, int]:
    """Where what a template makes of one message begins and ends in ``text``, the whole chat."""
    changed = list(turns)
    changed[place] = _replaced(turns[place])
    other = render(changed)
    if PROBE not in other:
        raise _left_out(place)
    start = _common(text, other)
    most = min(len(text), len(other)) - start
    return start, len(text) - _common(text[::-1], other[::-1], most)


def _left_out(place: int, part: str = "content") -> RequestError:
    what = "this turn" if part == "content" else f"its {part}"
    return RequestError(
        f"messages[{place}]: the model's chat template leaves {what} out of a chat.",
        field=f"messages[{place}].{part}",
        remedy="Send the chat without what the model cannot be told.",
    )


def _opening(render: Render, asked: Sequence[Turn], between: str) -> int:
    """How much of what stands between a question and its answer asks for the answer.

    A prompt ends with it; so it is what a prompt of these turns has behind the question's words.
    """
    prompt = render(asked, add_generation_prompt=True)
    ending = prompt[_bounds_in_prompt(render, asked, prompt) :]
    if between.startswith(ending):
        return len(ending)
    # The template writes this turn otherwise once others follow: a reminder behind the last
    # question, a thought that is begun for the model. What both have in common asks for it.
    suffixes = (ending[cut:] for cut in range(len(ending)))
    tail = next((s for s in suffixes if s.strip() and s in between), "")
    behind = between.rfind(tail) + len(tail) if tail else 0
    return max(_common(between, ending), behind)


def _bounds_in_prompt(render: Render, asked: Sequence[Turn], prompt: str) -> int:
    """Where the words of the last turn end in a prompt."""
    changed = [*asked[:-1], _replaced(asked[-1])]
    other = render(changed, add_generation_prompt=True)
    most = min(len(prompt), len(other))
    return len(prompt) - _common(prompt[::-1], other[::-1], most)


def _closing(text: str, last: str, controls: ControlTokens) -> int:
    """How much of what stands behind an answer's words ends it.

    Args:
        text: What stands there, up to the next message's words.
        last: What stands behind the words of the last answer.
        controls: The tokenizer's.
    """
    ends = (match.end() for match in controls.pattern.finditer(text))
    tokens = [(end, text[:end]) for end in ends]
    for end, before in tokens:
        if any(before.endswith(name) for name in controls.end_names):
            return end
    return next((end for end, before in tokens if last.startswith(before)), 0)


def _common(a: str, b: str, most: int | None = None) -> int:
    """How many characters two texts begin with in common, at most ``most``."""
    most = min(len(a), len(b)) if most is None else most
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if a[:middle] == b[:middle] else (low, middle - 1)
    return low


def as_chat(messages: Sequence[Message]) -> tuple[list[Turn], list[TemplateTool]]:
    """Messages, and the tools that they have, as chat templates take them.

    A tool's result is of the call before it that has none yet.
    """
    told = [message for message in messages if message.role == "tools"]
    turns: list[Turn] = []
    ids: list[str] = []
    for message in messages:
        if message.role == "tools":
            continue
        turn: Turn = {"role": message.role, "content": message.content}
        if message.calls:
            turn["content"], calls = calls_in(message.content, message.calls)
            ids = [call.get("id") or f"call{place:05d}" for place, call in enumerate(calls)]
            turn["tool_calls"] = [
                {
                    "id": id,
                    "type": "function",
                    "function": {"name": call["name"], "arguments": call["arguments"]},
                }
                for id, call in zip(ids, calls, strict=True)
            ]
        elif message.role == "tool" and ids:
            turn["tool_call_id"] = ids.pop(0)
        turns.append(turn)
    return turns, [tool for message in told for tool in json.loads(message.content)]


def refusals(render: Render) -> Render:
    """``render``, whose template's own errors become a RequestError with the field and why."""

    def write(turns: Sequence[Turn], **options: Any) -> str:
        try:
            return render(list(turns), **options)
        except (jinja2.TemplateError, TypeError, ValueError, KeyError) as error:
            place = _refused(render, turns, options)
            raise RequestError.of(
                place,
                f"the model's chat template refuses it: {error}",
                None,
                "Send turns of roles and in an order that the model knows.",
            ) from None

    return write


def _refused(render: Render, turns: Sequence[Turn], options: Mapping[str, Any]) -> str:
    """The field of what a template refuses: the system turn where it takes the chat without it."""
    if turns and turns[0]["role"] == "system":
        try:
            render(list(turns[1:]), **options)
        except (jinja2.TemplateError, TypeError, ValueError, KeyError):
            return "messages"
        return "messages[0].role"
    return "messages"
