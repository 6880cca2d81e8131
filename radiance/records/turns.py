"""Turns of a chat as files and clients write them, as what is taught or held has them. Pure."""

from collections.abc import Mapping
from typing import Any

UNTAUGHT_REMEDY = "Leave out tools, calls and results, and let the answer follow its question."
# What chats of other places have beside roles and contents, and cannot be learned here.
_TOOLS = {"tools": "describes tools", "functions": "describes tools"}
_CALLS = {"tool_calls": "calls a tool", "function_call": "calls a tool"}
_RESULTS = ("tool", "function")
_OLD_TOOLS = {"functions": "describes tools in OpenAI's old way"}
_OLD_CALLS = {"function_call": "calls a tool in OpenAI's old way"}


class Untaught(ValueError):
    """A part of a chat cannot be learned; the message is the reason.

    Attributes:
        field: Where in the chat, as "messages[1].tool_calls".
        value: What stands there.
    """

    def __init__(self, field: str, value: Any, reason: str) -> None:
        super().__init__(f"{reason}, and only what is said is learned")
        self.field, self.value = field, value


def plain_chat(row: Mapping[str, Any], *, takes_tools: bool = False) -> dict[str, Any]:
    """A row without what says nothing, and its turns as a role and a text each.

    Null is not given, and an empty list of tools or calls is none. A developer's turn is a system
    turn, parts of text are one text, and a weight of 1 is what every answer has.

    Args:
        row: The fields.
        takes_tools: Whether tools, calls and their results stay as they are.

    Raises:
        Untaught: It has tools, a call of one or its result, and may not.
    """
    kept = _without(row, _OLD_TOOLS if takes_tools else _TOOLS, "")
    if not kept.get("tools"):
        kept.pop("tools", None)
    turns = kept.get("messages")
    if isinstance(turns, list | tuple):
        kept["messages"] = [
            _plain_turn(turn, f"messages[{place}]", takes_tools)
            if isinstance(turn, Mapping)
            else turn
            for place, turn in enumerate(turns)
        ]
    return kept


def _plain_turn(turn: Mapping[str, Any], field: str, takes_tools: bool) -> dict[str, Any]:
    if turn.get("role") in (("function",) if takes_tools else _RESULTS):
        raise Untaught(f"{field}.role", turn["role"], "is of a tool's result")
    kept = _without(turn, _OLD_CALLS if takes_tools else _CALLS, f"{field}.")
    if not kept.get("tool_calls"):
        kept.pop("tool_calls", None)
    if kept.get("role") == "developer":
        kept["role"] = "system"
    if kept.get("weight") == 1 and kept.get("role") == "assistant":
        del kept["weight"]
    parts = kept.get("content")
    if isinstance(parts, list) and parts and all(map(_is_text_part, parts)):
        kept["content"] = "".join(part["text"] for part in parts)
    return kept


def _is_text_part(part: Any) -> bool:
    return (
        isinstance(part, Mapping)
        and part.keys() == {"type", "text"}
        and part["type"] == "text"
        and isinstance(part["text"], str)
    )


def _without(value: Mapping[str, Any], refused: Mapping[str, str], field: str) -> dict[str, Any]:
    for name, reason in refused.items():
        if value.get(name):
            raise Untaught(f"{field}{name}", value[name], reason)
    return {n: item for n, item in value.items() if item is not None and n not in refused}
