"""From one row of outside data to one anchor, or what is wrong with it."""

from collections.abc import Mapping
from typing import Any

from radiance.anchors.sets import GENERAL, Anchor
from radiance.records import Example, Message
from radiance.records.text import forbidden, normal
from radiance.records.turns import UNTAUGHT_REMEDY, Untaught, plain_chat

PAIRS = (("input", "output"), ("prompt", "completion"), ("question", "answer"))
MESSAGES, TEXT, CONTEXT, ID = "messages", "text", "context", "id"
FORMS = '{"input", "output"}, {"messages": […]} or {"text"}'
_MOST_LABEL_CHARACTERS = 100
_ID_HASH_CHARACTERS = 12
_MOST_CONTEXT_WORDS = 8
_ROLES = ("system", "user", "assistant")


class BadRow(ValueError):
    """A row is no anchor; the message is the reason, without a full stop."""


def to_anchor(
    row: Any, default_id: str | None, text_field: str = "", *, passes_over: bool = False
) -> Anchor:
    """Make an anchor of a row.

    Args:
        row: ``{"input", "output"}`` (or prompt and completion, question and answer),
            ``{"messages"}`` or ``{"text"}``, each with an optional "context" and "id". A field that
            is null is none.
        default_id: Its id where it names none; None makes one of its content.
        text_field: The field that is the text, whatever else there is; "": by the names above.
        passes_over: Whether other fields are passed over, as in datasets that are not ours.

    Raises:
        BadRow: It is none of these, has a field besides, or something in it is blank or no text.
    """
    if not isinstance(row, Mapping):
        raise BadRow("is not an object")
    if not passes_over:
        try:
            row = plain_chat(row)
        except Untaught as error:
            raise BadRow(f"{error.field} {error}. {UNTAUGHT_REMEDY[:-1]}") from None
        _refuse_unknown(row)
    if default_id is None:
        default_id = f"own.{_example('', row, text_field).content_hash[:_ID_HASH_CHARACTERS]}"
    example = _example(_label(row, ID, default_id), row, text_field)
    if not passes_over:
        _refuse_others(row)
    context = _label(row, CONTEXT, GENERAL)
    if context[-1] in ".!?" or len(context.split()) > _MOST_CONTEXT_WORDS:
        raise BadRow(
            f"context ({context!r}) is a sentence; it names a kind of anchor in a few words, and a "
            "passage belongs into what is asked"
        )
    return Anchor(example, context)


def _refuse_unknown(row: Mapping[str, Any]) -> None:
    """Raise BadRow for a field that no anchor has, before what it stood for is missed."""
    known = {MESSAGES, TEXT, CONTEXT, ID, *(name for pair in PAIRS for name in pair)}
    for name, value in row.items():
        if value is not None and name not in known:
            raise BadRow(f"{name} is not a known field")


def _refuse_others(row: Mapping[str, Any]) -> None:
    """Raise BadRow for a field that is no part of the anchor: it would be lost."""
    forms: list[tuple[str, ...]] = [(MESSAGES,), *PAIRS, (TEXT,)]
    form = next(f for f in forms if all(row.get(name) is not None for name in f))
    for name, value in row.items():
        if name not in (*form, CONTEXT, ID) and value is not None:
            raise BadRow(f"{name} is not a known field")


def _example(label: str, row: Mapping[str, Any], text_field: str) -> Example:
    if text_field:
        return Example(label, text=_text(row, text_field))
    if row.get(MESSAGES) is not None:
        return Example(label, _chat(row[MESSAGES]))
    for question, answer in PAIRS:
        if row.get(question) is not None and row.get(answer) is not None:
            asked, told = _text(row, question), _text(row, answer)
            return Example(label, (Message("user", asked), Message("assistant", told)))
    if row.get(TEXT) is not None:
        return Example(label, text=_text(row, TEXT))
    raise BadRow(f"has none of {FORMS}")


def to_label(value: Any, field: str) -> str:
    """An id or the name of a context, cleaned.

    Raises:
        BadRow: It is blank, too long, more than one line, or neither text nor a whole number.
    """
    label = _checked(str(value) if isinstance(value, int) else value, field).strip()
    if "\n" in label or len(label) > _MOST_LABEL_CHARACTERS:
        raise BadRow(f"{field} is not one line of at most {_MOST_LABEL_CHARACTERS} characters")
    return label


def _label(row: Mapping[str, Any], field: str, default: str) -> str:
    value = row.get(field)
    return default if value is None or value == "" else to_label(value, field)


def _text(row: Mapping[str, Any], field: str) -> str:
    return _checked(row.get(field), field)


def _checked(value: Any, field: str) -> str:
    if not isinstance(value, str):
        raise BadRow(f"{field} is not text")
    if found := forbidden(value):
        raise BadRow(f"{field} holds the character {found}, which is not text")
    text = normal(value)
    if not text:
        raise BadRow(f"{field} is blank")
    return text


def _chat(turns: Any) -> tuple[Message, ...]:
    if not isinstance(turns, list | tuple):
        raise BadRow("messages is not a list")
    messages = []
    before = None
    for place, turn in enumerate(turns):
        field = f"messages[{place}]"
        if not isinstance(turn, Mapping) or turn.get("role") not in _ROLES:
            raise BadRow(f"{field} has no role of {', '.join(_ROLES)}")
        for name, value in turn.items():
            if name not in ("role", "content") and value is not None:
                raise BadRow(f"{field}.{name} is not a known field")
        role = turn["role"]
        if role in (before, "assistant" if place == 0 else "system"):
            raise BadRow(f"{field}.role ({role}) is not the role that comes next")
        messages.append(Message(role, _checked(turn.get("content"), f"{field}.content")))
        before = role
    if before != "assistant":
        raise BadRow("messages does not end with the assistant's answer")
    return tuple(messages)
