"""Checks an update's body and turns it into clean examples, or says what is wrong where.

Pure: nothing is read or written. What was sent is kept as sent beside what is learned, because
curation may improve and then starts again from the original.
"""

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from radiance import validation
from radiance.config import UpdateSettings
from radiance.errors import RequestError, TooLarge
from radiance.examples import taught_tools
from radiance.records import Example, Message
from radiance.records.examples import Role
from radiance.records.text import clean, forbidden, normal
from radiance.records.turns import UNTAUGHT_REMEDY, Untaught, plain_chat

T = TypeVar("T")
Measure = Callable[[Example], None]

_MAX_DEPTH = 40  # schemas of tools are nested; deeper ones would only cost stack
_ANY_FORM = {
    "type": "object",
    "oneOf": [
        {"required": ["input", "output"]},
        {"required": ["messages"]},
        {"required": ["prompt", "completion"]},
        {"required": ["text"]},
    ],
}
_FORMS_REMEDY = (
    'Send {"input", "output"}, {"messages": [...]}, {"prompt", "completion"} or {"text"}.'
)


class Admitted(msgspec.Struct, frozen=True):
    """An update that may be learned.

    Attributes:
        raw: The examples exactly as they were sent.
        examples: The curated ones. ``id`` is the place in ``raw``, as text; the job that takes them
            puts its own id in front of it.
        tags: Clean, without repetitions.
        key: The caller's ``job_key``.
        duplicates: How many examples were dropped because an earlier one is the same.
        supersede: Whether it says that it means to replace what other keys taught, and anchors.
    """

    raw: tuple[Any, ...]
    examples: tuple[Example, ...]
    tags: tuple[str, ...]
    key: str | None = None
    duplicates: int = 0
    supersede: bool = False


class UpdateBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of an update. Examples are checked one by one, so that errors name theirs."""

    examples: Annotated[list[Any], Meta(min_length=1, extra_json_schema={"items": _ANY_FORM})]
    tags: Annotated[list[Annotated[str, Meta(max_length=256)]], Meta(max_length=64)] = []
    job_key: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    supersede: bool = False


_Part = tuple[str, Role, str]  # its field, whose turn it is, and its text


class _InputOutput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    input: str
    output: str

    def parts(self) -> list[_Part]:
        return [("input", "user", self.input), ("output", "assistant", self.output)]


class _PromptCompletion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    prompt: str
    completion: str

    def parts(self) -> list[_Part]:
        return [("prompt", "user", self.prompt), ("completion", "assistant", self.completion)]


class _Chat(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    messages: Annotated[list[taught_tools.ExampleTurn], Meta(min_length=1)]
    tools: list[taught_tools.ExampleTool] | None = None

    def parts(self) -> list[_Part]:
        return [
            (f"messages[{index}].content", turn.role, turn.content or "")
            for index, turn in enumerate(self.messages)
        ]


class _Text(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    text: str

    def parts(self) -> list[_Part]:
        return [("text", "user", self.text)]


_FORMS = (_InputOutput, _Chat, _PromptCompletion, _Text)


def admit(
    body: Any, settings: UpdateSettings, measure: Measure, most_characters: int | None = None
) -> Admitted:
    """Check the body of an update and curate its examples.

    Args:
        body: The decoded JSON.
        settings: Its limits.
        measure: Raises TooLarge for an example that exceeds what the model can take in, and
            RequestError for one that its chat template refuses.
        most_characters: No longer text can be taken in: such a one is refused before it is looked
            through.

    Raises:
        RequestError: Something in it cannot be learned; nothing of it may be kept.
        TooLarge: Too many examples, or one that is too long.
    """
    # Line breaks of two characters become one.
    _refuse_bad_text(body, "", _MAX_DEPTH, None if most_characters is None else 2 * most_characters)
    checked = _check(body, UpdateBody, "")
    if checked.job_key is not None and not clean(checked.job_key):
        raise _fault("is blank", "job_key", checked.job_key, "Send a name, or leave it out.")
    limit = settings.max_examples_per_update
    if len(checked.examples) > limit:
        raise TooLarge(
            f"examples has {len(checked.examples)} entries; the limit is {limit}.",
            field="examples",
            value=len(checked.examples),
            remedy=f"Split it into updates of at most {limit} examples.",
        )
    tags = _clean_tags(checked.tags)
    candidates = [
        _curate(example, f"examples[{place}]", str(place), tags)
        for place, example in enumerate(checked.examples)
    ]
    examples = _without_duplicates(candidates)
    _refuse_contradictions(examples)
    for example in examples:
        _measure(example, measure)
    return Admitted(
        raw=tuple(checked.examples),
        examples=tuple(examples),
        tags=tags,
        key=checked.job_key,
        duplicates=len(candidates) - len(examples),
        supersede=checked.supersede,
    )


def _curate(value: Any, field: str, place: str, tags: tuple[str, ...]) -> Example:
    value = _given(value, field)
    form = _form_of(value, field)
    given = _check(value, form, field)
    cleaned: list[Message] = []
    for name, role, text in given.parts():
        content = normal(text)
        turn = given.messages[len(cleaned)] if isinstance(given, _Chat) else None
        if turn is not None and (turn.tool_calls or role == "tool"):
            content = normal(text) or text.strip()
        elif not content:
            raise _fault("is blank", f"{field}.{name}", text, "Send some text there.")
        cleaned.append(Message(role=role, content=content))
    if form is _Text:
        return Example(id=place, text=cleaned[0].content, tags=tags)
    messages = tuple(cleaned)
    if isinstance(given, _Chat):
        messages = _with_tools(given, messages, field)
    else:
        _refuse_disorder(messages, f"{field}.messages")
    return Example(id=place, messages=messages, tags=tags)


def _with_tools(chat: _Chat, messages: tuple[Message, ...], field: str) -> tuple[Message, ...]:
    """The turns with the calls and the tools that they have."""
    try:
        with_calls = taught_tools.with_calls(chat.messages, messages)
        told = taught_tools.told(chat.tools)
    except taught_tools.BadTool as error:
        raise _fault(str(error), f"{field}.{error.field}", error.value, error.remedy) from None
    _refuse_disorder(with_calls, f"{field}.messages")
    return told + with_calls


def _given(value: Any, field: str) -> Any:
    """An example without the fields that say nothing.

    Raises:
        RequestError: It has tools or calls of OpenAI's old form.
    """
    if not isinstance(value, dict):
        return value
    try:
        return plain_chat(value, takes_tools=True)
    except Untaught as error:
        raise _fault(str(error), f"{field}.{error.field}", error.value, UNTAUGHT_REMEDY) from None


def _form_of(value: Any, field: str) -> type[_InputOutput | _Chat | _PromptCompletion | _Text]:
    if not isinstance(value, dict):
        raise _fault("is not an object", field, value, _FORMS_REMEDY)
    found = [form for form in _FORMS if set(form.__struct_fields__) & set(value)]
    if not found:
        raise _fault("is none of the known forms", field, value, _FORMS_REMEDY)
    if len(found) > 1:
        names = [name for form in found for name in form.__struct_fields__ if name in value]
        raise _fault(f"mixes {' and '.join(names)}", field, value, _FORMS_REMEDY)
    return found[0]


def _refuse_disorder(messages: tuple[Message, ...], field: str) -> None:
    """A system turn comes first or not at all, then user and assistant turns alternate.

    Where an assistant's turn calls tools, their results come next, and then the assistant.
    """
    before: Message | None = None
    for index, message in enumerate(messages):
        if not _may_follow(before, message):
            remedy = "Start with system or user, then let user and assistant take turns."
            if message.role == "tool" or (before is not None and before.calls):
                remedy = "Let a tool's result follow the assistant's turn that called it."
            raise _fault(
                "is not the role that comes next", f"{field}[{index}].role", message.role, remedy
            )
        before = message
    if before is None or before.role != "assistant":
        raise _fault(
            "is not from the assistant",
            f"{field}[{len(messages) - 1}].role",
            before and before.role,
            "End with the assistant's answer; it is what is learned.",
        )


def _may_follow(before: Message | None, message: Message) -> bool:
    match message.role:
        case "system":
            return before is None
        case "user":
            return before is None or before.role == "system" or _has_answered(before)
        case "assistant":
            return before is not None and before.role in ("system", "user", "tool")
        case _:  # a tool's; what there is of tools is set before all turns, never sent as one
            return before is not None and (before.calls > 0 or before.role == "tool")


def _has_answered(message: Message) -> bool:
    return message.role == "assistant" and not message.calls


def _without_duplicates(examples: list[Example]) -> list[Example]:
    """Those that differ, be it in more than outer space."""
    first: dict[str, Example] = {}
    for example in examples:
        bare = [
            msgspec.structs.replace(turn, content=turn.content.strip()) for turn in example.messages
        ]
        same = Example("", tuple(bare), example.text.strip())
        first.setdefault(same.content_hash, example)
    return list(first.values())


def _refuse_contradictions(examples: list[Example]) -> None:
    """Two answers to one question in one update cannot both be learned, and neither is newer."""
    asked: dict[str, Example] = {}
    for example in examples:
        other = asked.setdefault(example.question_hash, example)
        if example.messages and other.messages[-1] != example.messages[-1]:
            raise _fault(
                f"answers the question of examples[{other.id}] differently",
                f"examples[{example.id}]",
                example.messages[-1].content,
                f"Keep one of examples[{other.id}] and examples[{example.id}].",
            )


def _measure(example: Example, measure: Measure) -> None:
    place = f"examples[{example.id}]"
    try:
        measure(example)
    except TooLarge as error:
        raise TooLarge(
            f"{place}: {error}", field=place, value=error.value, remedy=error.remedy
        ) from None
    except RequestError as error:
        field = f"{place}.{error.field}" if error.field else place
        raise RequestError(
            f"{place}: {error}", field=field, value=error.value, remedy=error.remedy
        ) from None


def _clean_tags(tags: list[str]) -> tuple[str, ...]:
    cleaned: list[str] = []
    for index, tag in enumerate(tags):
        cleaned.append(clean(tag))
        if not cleaned[-1]:
            raise _fault("is blank", f"tags[{index}]", tag, "Name the tag, or leave it out.")
    return tuple(dict.fromkeys(cleaned))


def _refuse_bad_text(value: Any, field: str, depth: int, most: int | None) -> None:
    """Refuse what no text may hold, wherever it stands, and nesting that nothing of ours has."""
    if isinstance(value, str):
        if most is not None and len(value) > most:
            raise TooLarge(
                f"{field} has {len(value)} characters, which the model's context cannot hold.",
                field=field,
                value=len(value),
                remedy="Shorten or split it.",
            )
        if bad := forbidden(value):
            raise _fault(
                f"holds the character {bad}, which is not text",
                field,
                value,
                "Remove it. Of control characters, only tab and newlines may stand in a text.",
            )
    elif isinstance(value, dict | list):
        if depth == 0:
            raise _fault("is nested too deeply", field, None, "Send examples as documented.")
        if isinstance(value, dict):
            for name, item in value.items():
                _refuse_bad_text(name, field, depth, most)
                _refuse_bad_text(item, f"{field}.{name}".lstrip("."), depth - 1, most)
        else:
            for index, item in enumerate(value):
                _refuse_bad_text(item, f"{field}[{index}]", depth - 1, most)


def _check(value: Any, kind: type[T], field: str) -> T:
    try:
        return validation.check(value, kind)
    except validation.Problem as problem:
        inner = problem.field if problem.field.startswith("[") else f".{problem.field}"
        path = f"{field}{inner}".strip(".")
        raise _fault(problem.reason, path, problem.value, problem.remedy) from None


def _fault(reason: str, field: str, value: Any, remedy: str) -> RequestError:
    if isinstance(value, str):
        # A lone surrogate cannot be sent back as it is.
        value = value[:200].encode("utf-8", "backslashreplace").decode("utf-8")
    elif isinstance(value, dict | list):
        value = validation.show(value)
    subject = field or "The body"
    return RequestError(f"{subject} {reason}.", field=field or None, value=value, remedy=remedy)
