"""What a model wrote, as it comes, separated into what it thought, said and called.

Text that may turn out to be a mark is held back, so that the result does not depend on how the
answer was cut into pieces.
"""

import json
from dataclasses import dataclass, field
from typing import Any

from radiance.api.openai.tools import ParsedCall, Toolbox
from radiance.engine.model.tool_format import ToolFormat


@dataclass
class AnswerPart:
    """What one more piece of an answer adds."""

    thought: str = ""
    said: str = ""
    calls: list[ParsedCall] = field(default_factory=list)

    def __add__(self, other: "AnswerPart") -> "AnswerPart":
        return AnswerPart(
            self.thought + other.thought, self.said + other.said, self.calls + other.calls
        )


class Reader:
    """Reads one answer: thoughts first, where the model has them, then calls within what it says.

    Args:
        marks: Texts before and after thoughts; None: all is said.
        is_thinking: Whether the prompt ends within thoughts already.
        form: How calls are written.
        box: The tools that may be called; None: none.
    """

    def __init__(
        self,
        marks: tuple[str, str] | None,
        is_thinking: bool,
        form: ToolFormat,
        box: Toolbox | None,
    ) -> None:
        self._thoughts = ThoughtReader(marks, is_thinking) if marks else None
        self._calls = CallReader(form, box) if box else None

    def feed(self, text: str) -> AnswerPart:
        """Take in more of the answer."""
        thought, said = self._thoughts.feed(text) if self._thoughts else ("", text)
        return AnswerPart(thought) + self._say(said)

    def finish(self) -> AnswerPart:
        """The answer has ended: what was held back."""
        thought, said = self._thoughts.finish() if self._thoughts else ("", "")
        last = AnswerPart(thought) + self._say(said)
        if self._calls:
            said, calls = self._calls.finish()
            last += AnswerPart("", said, calls)
        return last

    def _say(self, said: str) -> AnswerPart:
        if self._calls is None:
            return AnswerPart("", said)
        said, calls = self._calls.feed(said)
        return AnswerPart("", said, calls)


class ThoughtReader:
    """Separates the thoughts at the beginning of an answer from what is said after them."""

    def __init__(self, marks: tuple[str, str], is_thinking: bool) -> None:
        self._start, self._end = marks
        self._held = ""
        self._where = "thoughts" if is_thinking else "beginning"

    def feed(self, text: str) -> tuple[str, str]:
        """Take in more of the answer; what is thought and what is said."""
        if self._where == "speech":
            return "", text
        self._held += text
        if self._where == "beginning":
            seen = self._held.lstrip()
            if seen.startswith(self._start):
                self._where, self._held = "thoughts", seen[len(self._start) :]
            elif not self._start.startswith(seen):
                return "", self._speak()
        thought = ""
        if self._where == "thoughts":
            thought, mark, after = self._held.partition(self._end)
            if mark:
                self._where, self._held = "pause", after
            else:
                keep = overlap(self._held, self._end)
                thought, self._held = cut(self._held, keep)
        if self._where == "pause":  # empty lines after thoughts belong to neither
            self._held = self._held.lstrip()
            if self._held:
                return thought, self._speak()
        return thought, ""

    def finish(self) -> tuple[str, str]:
        """The answer has ended: what was held back."""
        is_thought = self._where == "thoughts"
        held = self._speak()
        return (held, "") if is_thought else ("", held)

    def _speak(self) -> str:
        self._where = "speech"
        held, self._held = self._held, ""
        return held


class CallReader:
    """Separates what is said from what is called. A call that cannot be read is said as it is."""

    def __init__(self, form: ToolFormat, box: Toolbox) -> None:
        self._form, self._box = form, box
        self._held = ""
        self._is_inside = False
        self.calls: list[ParsedCall] = []

    def feed(self, text: str) -> tuple[str, list[ParsedCall]]:
        """Take in more of the answer; what is said, and the calls that are complete."""
        self._held += text
        said, called = "", []
        while True:
            if self._is_inside:
                end = self._held.find(self._form.end) if self._form.end else -1
                if end < 0:
                    return said, called
                body, self._held = self._held[:end], self._held[end + len(self._form.end) :]
                self._is_inside = False
                more, calls = self._read(body, self._form.end)
                said += more
                called += calls
                continue
            before, mark, after = self._held.partition(self._form.start)
            if mark:
                said, self._held, self._is_inside = said + before, after, True
                continue
            free, self._held = cut(self._held, overlap(self._held, self._form.start))
            return said + free, called

    def finish(self) -> tuple[str, list[ParsedCall]]:
        """The answer has ended: what was held back."""
        held, self._held = self._held, ""
        if not self._is_inside:
            return held, []
        self._is_inside = False
        return self._read(held, "")

    def _read(self, body: str, end: str) -> tuple[str, list[ParsedCall]]:
        try:
            found = self._form.parse(body, self._box.tools)
            calls = [_call(one) for one in (found if isinstance(found, list) else [found])]
        except Exception:  # noqa: BLE001 - mlx-lm's parsers raise whatever their libraries do
            return f"{self._form.start}{body}{end}", []
        if not self._box.is_parallel:
            calls = [] if self.calls else calls[:1]
        self.calls += calls
        return "", calls


def _call(found: Any) -> ParsedCall:
    arguments = found["arguments"]
    if not isinstance(arguments, str):
        arguments = json.dumps(arguments, ensure_ascii=False)
    return ParsedCall(str(found["name"]), arguments)


def overlap(text: str, mark: str) -> int:
    """Characters at the end of ``text`` that ``mark`` begins with."""
    for size in range(min(len(text), len(mark) - 1), 0, -1):
        if text.endswith(mark[:size]):
            return size
    return 0


def cut(text: str, last: int) -> tuple[str, str]:
    """``text`` without its last characters, and those."""
    return text[: len(text) - last], text[len(text) - last :]
