"""The Modelfile that Ollama makes a model of: which file, how a chat is written, where it ends.

Ollama writes chats by templates of its own kind (Go's), so the model's is put into that, where it
be: what stands around each role's turns is seen in chats that the model's template has written, and
what comes of it is held against further ones. Pure.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Chat = Sequence[tuple[str, str]]  # roles and words
Render = Callable[[Chat, bool], str | None]
"""Writes a chat by the model's template, and asks for an answer or not; None: it refuses."""

_SYSTEM, _USER, _ANSWER, _LAST = "Xqsys.", "Xqask.", "Xqsay.", "Xqend."
_CHATS: tuple[Chat, ...] = (
    (("user", "What is it?"),),
    (("system", "Be brief."), ("user", "Who?"), ("assistant", "I."), ("user", "Why?")),
    (("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d"), ("user", "e")),
)


@dataclass(frozen=True)
class TurnForms:
    """What stands around the words of each role.

    Attributes:
        around: By role, what stands before and behind.
        asking: What asks for an answer.
        default_system: The system text of a chat that has none; None: it has none then.
        has_system: Whether a chat may have a system turn.
    """

    around: dict[str, tuple[str, str]]
    asking: str
    default_system: str | None
    has_system: bool

    def write(self, chat: Chat) -> str:
        """A chat that asks for an answer, as Ollama will write it."""
        if self.default_system is not None and chat[0][0] != "system":
            chat = [("system", self.default_system), *chat]
        turns = (self.around[role][0] + words + self.around[role][1] for role, words in chat)
        return "".join(turns) + self.asking


def turn_forms(render: Render, start: str) -> TurnForms | None:
    """How a model's template writes turns; None where that is more than text around each.

    Args:
        render: By the model's template.
        start: The text of the start token, which Ollama puts there itself; "" for none.
    """
    asked, plain = render([("user", _USER)], True), render([("user", _USER)], False)
    turns = [("user", _USER), ("assistant", _ANSWER), ("user", _LAST)]
    many, with_system = render(turns, True), render([("system", _SYSTEM), *turns], True)
    if asked is None or plain is None or many is None:
        return None
    asked, plain, many = (text.removeprefix(start) for text in (asked, plain, many))
    try:
        before, ending = asked.split(_USER)
        _, user_end = plain.split(_USER)
        _, between, behind, last = _cut(many, _USER, _ANSWER, _LAST)
    except ValueError:  # some words are not there, or more than once
        return None
    system, system_end, default = None, "", None
    if with_system is not None:
        try:
            system, opening, _, _, _ = _cut(
                with_system.removeprefix(start), _SYSTEM, _USER, _ANSWER, _LAST
            )
        except ValueError:
            return None
        if before.startswith(system) and before.endswith(opening) and before != opening:
            default = before[len(system) : len(before) - len(opening)]
            # What both turns before a user's end with; less what ended them.
            before = _common_end(opening, behind).removeprefix(user_end)
        system_end = opening.removesuffix(before)
    if last != ending or not behind.endswith(before):
        return None
    around = {
        "user": (before, user_end),
        "assistant": (between.removeprefix(user_end), behind.removesuffix(before)),
    }
    if system is not None:
        around["system"] = (system, system_end)
    forms = TurnForms(around, ending.removeprefix(user_end), default, system is not None)
    for chat in _CHATS:
        if chat[0][0] == "system" and not forms.has_system:
            continue
        written = render(chat, True)
        if written is None or written.removeprefix(start) != forms.write(chat):
            return None
    return forms


def modelfile(
    source: str, forms: TurnForms | None, stops: Sequence[str], *, is_adapter: bool
) -> str:
    """The Modelfile's text.

    Args:
        source: File of the model or of the adapter, beside it.
        forms: How chats are written; None: the file's own template is left to Ollama.
        stops: Texts of the tokens that end an answer.
        is_adapter: Whether the file is an adapter, so that a base has to be named.
    """
    lines = ["# ollama create NAME -f Modelfile"]
    if is_adapter:
        lines += [
            "# FROM is the base model that the adapter was trained on, as a GGUF file.",
            "FROM ./base.gguf",
            f"ADAPTER ./{source}",
        ]
    else:
        lines.append(f"FROM ./{source}")
    if forms is None or not _is_sayable(forms):
        lines += [
            "# How this model writes a chat could not be put into a template of Ollama's; it takes",
            "# one of its own if it knows the template that stands in the file. Otherwise add",
            "# TEMPLATE here.",
        ]
    else:
        lines.append(f'TEMPLATE """{_go(forms)}"""')
        if forms.default_system is not None:
            lines.append(f'SYSTEM """{forms.default_system}"""')
    lines += [f"PARAMETER stop {json.dumps(stop, ensure_ascii=False)}" for stop in stops]
    return "\n".join(lines) + "\n"


def _go(forms: TurnForms) -> str:
    """Go's template of the forms (text/template), over Ollama's ``.Messages``."""
    roles = [role for role in ("system", "user", "assistant") if role in forms.around]
    turns = "".join(
        f'{{{{ if eq .Role "{role}" }}}}{before}{{{{ .Content }}}}{behind}{{{{ end }}}}'
        for role in roles
        for before, behind in [forms.around[role]]
    )
    return f"{{{{ range .Messages }}}}{turns}{{{{ end }}}}{forms.asking}"


def _is_sayable(forms: TurnForms) -> bool:
    """Whether no text of it means something to Ollama."""
    texts = [forms.asking, forms.default_system or ""]
    texts += [text for pair in forms.around.values() for text in pair]
    return not any(mark in text for text in texts for mark in ("{{", "}}", '"""'))


def _cut(text: str, *words: str) -> list[str]:
    """What stands between some words that come in this order, each once.

    Raises:
        ValueError: They do not.
    """
    parts = []
    for word in words:
        if text.count(word) != 1:
            raise ValueError(word)
        part, _, text = text.partition(word)
        parts.append(part)
    return [*parts, text]


def _common_end(a: str, b: str) -> str:
    count = 0
    while count < min(len(a), len(b)) and a[-1 - count] == b[-1 - count]:
        count += 1
    return a[len(a) - count :]
