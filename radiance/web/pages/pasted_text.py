"""Questions and answers as people write them down: with who speaks before each turn. Pure.

``Q:`` and ``A:`` are facts, each by itself. ``User:`` and ``Assistant:`` are one conversation, as
what one copies from the pages of other assistants is; a line of dashes begins another.
"""

import re
from typing import Any, NamedTuple

from radiance.errors import RequestError

_QUESTION = ("q", "question", "frage", "pregunta", "domanda", "问", "問")
_ANSWER = ("a", "answer", "antwort", "réponse", "respuesta", "risposta", "答")
_ROLES = {
    **dict.fromkeys(("user", "human", "me", "you", "you said"), "user"),
    **dict.fromkeys(("assistant", "ai", "bot", "model", "chatgpt said"), "assistant"),
    "system": "system",
    **dict.fromkeys(_QUESTION, "user"),
    **dict.fromkeys(_ANSWER, "assistant"),
}
_MARKS = r"[*_#>\s]*"  # of Markdown
# Facts may be numbered; "2. User:" is more likely of a list within an answer.
_NUMBER = rf"\s*\d+[.)](?={_MARKS}(?:{'|'.join(_QUESTION + _ANSWER)})[\s\d]*[:：])"
_SPEAKER = re.compile(
    rf"(?:{_NUMBER})?{_MARKS}({'|'.join(sorted(_ROLES, key=len, reverse=True))})"
    rf"\s*\d*{_MARKS}[:：]{_MARKS}(.*)",
    re.IGNORECASE,
)
_RULE = re.compile(r"\s*(-{3,}|={3,}|\*{3,})\s*")


class _Turn(NamedTuple):
    line: int
    name: str
    said: list[str]

    @property
    def message(self) -> dict[str, str]:
        return {"role": _ROLES[self.name], "content": "\n".join(self.said).strip()}


def is_spoken(text: str) -> bool:
    """Whether a text begins with who speaks."""
    return _SPEAKER.match(text.lstrip()) is not None


def read(text: str) -> tuple[list[Any], list[int]]:
    """The examples in a text for which ``is_spoken`` holds, and the line that each begins in.

    Raises:
        RequestError: A question has no answer; it names the line.
    """
    examples: list[Any] = []
    lines: list[int] = []
    for turns in _conversations(text):
        facts = all(turn.name in (*_QUESTION, *_ANSWER) for turn in turns)
        for part in _pairs(turns) if facts else [turns]:
            if _ROLES[part[-1].name] != "assistant":
                raise RequestError(
                    f"Line {part[-1].line} has no answer below it.",
                    field="examples",
                    remedy=f"Put one there: a line that begins with {_answers(part[-1].name)}:",
                )
            examples.append({"messages": [turn.message for turn in part]})
            lines.append(part[0].line)
    return examples, lines


def _answers(name: str) -> str:
    return "A" if name in _QUESTION else "Assistant"


def _conversations(text: str) -> list[list[_Turn]]:
    """The turns of each, in order; a line that names nobody goes on with the turn before it."""
    found: list[list[_Turn]] = [[]]
    for number, line in enumerate(text.split("\n"), start=1):
        if spoken := _SPEAKER.fullmatch(line):
            found[-1].append(_Turn(number, spoken[1].lower(), [spoken[2]]))
        elif _RULE.fullmatch(line) and found[-1]:
            found.append([])
        elif found[-1]:
            found[-1][-1].said.append(line)
    return [turns for turns in found if turns]


def _pairs(turns: list[_Turn]) -> list[list[_Turn]]:
    """Turns of a list of facts, cut before each question."""
    found: list[list[_Turn]] = []
    for turn in turns:
        if turn.name in _QUESTION or not found:
            found.append([])
        found[-1].append(turn)
    return found
