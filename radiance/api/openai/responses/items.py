"""What POST /v1/responses takes as input: items, and the chat that they are."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from radiance.api.openai import messages
from radiance.api.openai.responses.shapes import OutputText, Reasoning, ResponseCall, Status
from radiance.errors import RequestError


class InputText(
    msgspec.Struct, tag_field="type", tag="input_text", forbid_unknown_fields=True, kw_only=True
):
    """A part of what is said; there is no other kind than text."""

    text: str


_Texts = Annotated[list[InputText | OutputText], Meta(min_length=1)]


class InputMessage(
    msgspec.Struct, tag_field="type", tag="message", forbid_unknown_fields=True, kw_only=True
):
    """A turn of the chat, the assistant's as it was told.

    Attributes:
        phase: Changes nothing.
    """

    role: Literal["user", "assistant", "system", "developer"]
    content: str | _Texts
    id: str = ""
    status: Status = "completed"
    phase: Literal["commentary", "final_answer"] | None = None


class FunctionCallOutput(
    msgspec.Struct,
    tag_field="type",
    tag="function_call_output",
    forbid_unknown_fields=True,
    kw_only=True,
):
    """What a function answered to a call."""

    call_id: str
    output: str | _Texts
    id: str = ""
    status: Status = "completed"


InputItem = InputMessage | ResponseCall | FunctionCallOutput | Reasoning


def with_types(data: Any) -> Any:
    """Items of which a turn need not say that it is a message, each with its type."""
    if not isinstance(data, list):
        return data
    return [
        {"type": "message", **item} if isinstance(item, dict) and "role" in item else item
        for item in data
    ]


class Chat:
    """The chat that items are.

    Attributes:
        messages: Its turns; an assistant's thoughts, words and calls are one.
    """

    def __init__(self, instructions: str | None, given: str | Sequence[InputItem]) -> None:
        self.messages: list[messages.Message] = []
        self._fields: list[str] = []
        self._may_go_on = False
        if instructions is not None:
            self._add(messages.System(content=instructions), "instructions")
        if isinstance(given, str):
            self._add(messages.User(content=given), "input")
        else:
            for place, item in enumerate(given):
                self._take(item, f"input[{place}]")
            self._refuse_lone_thought()

    def field_of(self, field: str) -> str:
        """The field of the request that a field of ``messages`` was made of."""
        found = field.removeprefix("messages")
        if not found.startswith("["):
            return f"input{found}"
        place, _, rest = found[1:].partition("]")
        return self._fields[int(place)] + rest.removeprefix(".tool_calls")

    def _take(self, item: InputItem, field: str) -> None:
        match item:
            case InputMessage(role="assistant"):
                turn = self._assistant(field)
                if turn.content is not None or turn.tool_calls:
                    self._may_go_on = False
                    turn = self._assistant(field)
                turn.content = _text(item.content)
            case InputMessage():
                kinds = {"user": messages.User, "developer": messages.Developer}
                kind = kinds.get(item.role, messages.System)
                self._add(kind(content=_text(item.content)), field)
            case Reasoning(content=content):
                if content:
                    self._may_go_on = False
                    thought = "".join(part.text for part in content)
                    self._assistant(field).reasoning_content = thought
            case ResponseCall():
                turn = self._assistant(field)
                turn.tool_calls = [*(turn.tool_calls or []), _call(item, field)]
            case FunctionCallOutput():
                told = messages.Tool(content=_text(item.output), tool_call_id=item.call_id)
                self._add(told, field)

    def _add(self, message: messages.Message, field: str) -> None:
        self._refuse_lone_thought()
        self._may_go_on = isinstance(message, messages.Assistant)
        self.messages.append(message)
        self._fields.append(field)

    def _assistant(self, field: str) -> messages.Assistant:
        """The assistant's turn that the next item is of."""
        if not self._may_go_on:
            self._add(messages.Assistant(), field)
        last = self.messages[-1]
        assert isinstance(last, messages.Assistant)
        return last

    def _refuse_lone_thought(self) -> None:
        last = self.messages[-1] if self.messages else None
        is_answer = isinstance(last, messages.Assistant)
        if is_answer and last.content is None and not last.tool_calls:
            raise RequestError(
                f"{self._fields[-1]}: is a thought without what was said or called after it.",
                field=self._fields[-1],
                remedy="Send the rest of the answer's output after it, or leave it out.",
            )


def _text(content: str | Sequence[InputText | OutputText]) -> str:
    return content if isinstance(content, str) else "".join(part.text for part in content)


def _call(item: ResponseCall, field: str) -> messages.CalledTool:
    try:
        msgspec.json.decode(item.arguments or "{}", type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError) as error:
        raise RequestError.of(
            f"{field}.arguments",
            f"is not a JSON object ({error})",
            item.arguments,
            "Send back what the answer had there.",
        ) from None
    function = messages.CalledFunction(name=item.name, arguments=item.arguments)
    return messages.CalledTool(id=item.call_id, function=function)
