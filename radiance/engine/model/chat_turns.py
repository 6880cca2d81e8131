"""A chat as the model's own template writes it, and where each turn lies in that.

A template is a program: it may strip a message, move the system text into another turn, write
earlier turns otherwise than the last, or refuse. So what it does with a turn is not guessed from
its source or from single turns but seen: the chat is written with that one message replaced, and
what differs is the turn.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jinja2

from radiance.engine.model.control_tokens import PROBE, ControlTokens
from radiance.errors import RequestError
from radiance.records import Message

Turn = dict[str, Any]
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
    render: Render, turns: Sequence[Turn], controls: ControlTokens
) -> tuple[str, list[TaughtTurn]]:
    """What a template makes of a chat, and each assistant's turn in it.

    Args:
        render: Writes turns by the template.
        turns: User and assistant in turn, perhaps after a system turn.
        controls: The tokenizer's.

    Raises:
        RequestError: The template refuses the turns, or leaves one out.
    """
    text = render(turns)
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
    return text, found


def _bounds(render: Render, turns: Sequence[Turn], place: int, text: str) -> tuple[int, int]:
    """Where what a template makes of one message begins and ends in ``text``, the whole chat."""
    changed = list(turns)
    changed[place] = {**turns[place], "content": PROBE}
    other = render(changed)
    if PROBE not in other:
        raise RequestError(
            f"messages[{place}]: the model's chat template leaves this turn out of a chat.",
            field=f"messages[{place}].content",
            remedy="Send the chat without what the model cannot be told.",
        )
    start = _common(text, other)
    most = min(len(text), len(other)) - start
    return start, len(text) - _common(text[::-1], other[::-1], most)


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
    changed = [*asked[:-1], {**asked[-1], "content": PROBE}]
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


def as_turns(messages: Sequence[Message]) -> list[Turn]:
    """Messages as chat templates take them."""
    return [{"role": m.role, "content": m.content} for m in messages]


def refusals(render: Render) -> Render:
    """``render``, whose template's own errors become a RequestError with the field and why."""

    def write(turns: Sequence[Turn], **options: Any) -> str:
        try:
            return render(list(turns), **options)
        except (jinja2.TemplateError, TypeError, ValueError, KeyError) as error:
            place = _refused(render, turns, options)
            raise RequestError(
                f"{place}: the model's chat template refuses it: {error}.",
                field=place,
                remedy="Send turns of roles and in an order that the model knows.",
            ) from None

    return write


def _refused(render: Render, turns: Sequence[Turn], options: dict[str, Any]) -> str:
    """The field of what a template refuses: the system turn where it takes the chat without it."""
    if turns and turns[0]["role"] == "system":
        try:
            render(list(turns[1:]), **options)
        except (jinja2.TemplateError, TypeError, ValueError, KeyError):
            return "messages"
        return "messages[0].role"
    return "messages"
