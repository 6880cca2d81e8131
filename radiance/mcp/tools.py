"""The tools: what each takes, and what it asks of the service's HTTP API.

Every tool is a call of that API with the caller's own key: scopes, limits, the audit log and errors
are those that it has there.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from radiance import validation
from radiance.client import AsyncClient
from radiance.client.wire import segment
from radiance.errors import RequestError

Answer = dict[str, Any]

_Words = Annotated[str, Meta(min_length=1, max_length=4000)]
_Question = Annotated[
    str, Meta(min_length=1, description="The question, as somebody would ask it.")
]
_Reply = Annotated[str, Meta(min_length=1, description="Its answer, as it is to be given.")]
_Tags = Annotated[list[_Words], Meta(description="Kept with it; it can be found by them.")]


class Ask(msgspec.Struct, forbid_unknown_fields=True):
    """Ask the local model a question. What it was taught it answers as it was taught."""

    question: _Question
    max_tokens: Annotated[int, Meta(ge=1, description="Longest answer, in tokens.")] = 256
    temperature: Annotated[float, Meta(ge=0, le=10, description="0: the likeliest words.")] = 0.2
    checkpoint: (
        Annotated[_Words, Meta(description="A checkpoint's id or base; by default what serves.")]
        | UnsetType
    ) = UNSET
    memory: (
        Annotated[
            Literal["off", "pending", "always"],
            Meta(description="Whether accepted examples answer: none, those not learned yet, all."),
        ]
        | UnsetType
    ) = UNSET


class Remember(msgspec.Struct, forbid_unknown_fields=True):
    """Teach the local model the answer to a question. It is on disk when this returns.

    Memory answers with it at once, and the model learns it in its turn; `status` with the job's id
    says how far that is.
    """

    question: _Question
    answer: _Reply
    tags: _Tags = []


class Correct(Remember, forbid_unknown_fields=True):
    """Replace the answer to a question that was taught before: ask it in the same words.

    `supersedes` lists the answers that no longer stand, `may_supersede` those to questions that are
    alike, which stay until they are forgotten.
    """


class Forget(msgspec.Struct, forbid_unknown_fields=True):
    """Forget taught examples for good: one of example, job, tag and text says which."""

    example: Annotated[_Words, Meta(description="An example's id.")] | UnsetType = UNSET
    job: Annotated[_Words, Meta(description="A job's id: all of its examples.")] | UnsetType = UNSET
    tag: Annotated[_Words, Meta(description="All examples that have it.")] | UnsetType = UNSET
    text: (
        Annotated[_Words, Meta(description="All whose question or answer has these words.")]
        | UnsetType
    ) = UNSET
    reason: Annotated[str, Meta(max_length=1000, description="Kept in the audit log.")] = ""
    dry_run: Annotated[bool, Meta(description="Only tell what would be forgotten.")] = False


class WhatDoYouKnow(msgspec.Struct, forbid_unknown_fields=True):
    """List what the local model was taught, the newest first, and whether that stands."""

    words: Annotated[_Words, Meta(description="Only what has these words.")] | UnsetType = UNSET
    tag: Annotated[_Words, Meta(description="Only what has this tag.")] | UnsetType = UNSET
    view: Annotated[
        Literal["known", "corrected", "overwrote", "all"],
        Meta(description="What stands, what was corrected, what displaced an anchor, or all."),
    ] = "known"
    limit: Annotated[int, Meta(ge=1, le=100, description="Most facts.")] = 20
    before: Annotated[_Words, Meta(description="Go on after this example's id.")] | UnsetType = (
        UNSET
    )


class Status(msgspec.Struct, forbid_unknown_fields=True):
    """What the service runs on, what serves, and how its learning stands; or how one job does."""

    job: Annotated[_Words, Meta(description="A job's id, of remember or correct.")] | UnsetType = (
        UNSET
    )


@dataclass(frozen=True)
class McpTool:
    """A tool.

    Attributes:
        takes: Its arguments; the docstring describes it.
        run: Does it.
        reads_only: Whether nothing is changed by it.
        destroys: Whether what it does cannot be taken back.
        fields: The API's names of arguments that have others here.
    """

    name: str
    title: str
    takes: type[Any]
    run: Callable[[AsyncClient, Any], Awaitable[Answer]]
    reads_only: bool = False
    destroys: bool = False
    fields: Mapping[str, str] = field(default_factory=dict)

    @property
    def description(self) -> str:
        """What it does, for the model that may use it."""
        return " ".join((self.takes.__doc__ or "").split())

    @property
    def schema(self) -> dict[str, Any]:
        """JSON schema of its arguments."""
        found = msgspec.json.schema(self.takes)["$defs"][self.takes.__name__]
        return {name: found[name] for name in found if name not in ("title", "description")}

    async def call(self, client: AsyncClient, arguments: Mapping[str, Any] | None) -> Answer:
        """Do it.

        Raises:
            RequestError: An argument is wrong, by its name here, or the key lacks the scope.
            RadianceError: The service did not do it.
        """
        given = {name: value for name, value in (arguments or {}).items() if value is not None}
        try:
            checked = validation.check(given, self.takes)
        except validation.Problem as problem:
            raise RequestError(
                f"{problem}.", field=problem.field, value=problem.value, remedy=problem.remedy
            ) from None
        try:
            return await self.run(client, checked)
        except RequestError as error:
            if error.field is not None and (name := self.fields.get(error.field)):
                error.args = (str(error).replace(error.field, name), *error.args[1:])
                error.field = name
            raise


async def _ask(client: AsyncClient, given: Ask) -> Answer:
    body = _given(given)
    return await client.call("POST", "/search", body={"prompt": body.pop("question"), **body})


async def _remember(client: AsyncClient, given: Remember) -> Answer:
    example = {"input": given.question, "output": given.answer}
    is_meant = isinstance(given, Correct)  # whoever corrects says that the other answer is to go
    receipt = await client.update([example], tags=given.tags, supersede=is_meant)
    return msgspec.to_builtins(receipt)


async def _correct(client: AsyncClient, given: Correct) -> Answer:
    receipt = await _remember(client, given)
    if not receipt["supersedes"]:
        receipt["note"] = "No other answer to this question stood; this one was added."
    return receipt


async def _forget(client: AsyncClient, given: Forget) -> Answer:
    return await client.call("POST", "/forget", body=_given(given))


async def _know(client: AsyncClient, given: WhatDoYouKnow) -> Answer:
    query = _given(given)
    return await client.call("GET", "/knowledge", query={"q": query.pop("words", None), **query})


async def _status(client: AsyncClient, given: Status) -> Answer:
    if given.job is not UNSET:
        return await client.call("GET", f"/jobs/{segment(given.job)}")
    info = await client.call("GET", "/info")
    return {
        name: value for name, value in info.items() if name not in ("loss_curves", "overwritten")
    }


def _given(arguments: msgspec.Struct) -> Answer:
    return msgspec.to_builtins(arguments)


_TAUGHT = {"examples[0].input": "question", "examples[0].output": "answer"}
TOOLS = (
    McpTool("ask", "Ask", Ask, _ask, reads_only=True, fields={"prompt": "question"}),
    McpTool("remember", "Remember", Remember, _remember, fields=_TAUGHT),
    McpTool("correct", "Correct", Correct, _correct, fields=_TAUGHT),
    McpTool("forget", "Forget", Forget, _forget, destroys=True),
    McpTool(
        "what_do_you_know",
        "What do you know?",
        WhatDoYouKnow,
        _know,
        reads_only=True,
        fields={"q": "words"},
    ),
    McpTool("status", "Status", Status, _status, reads_only=True, fields={"job_id": "job"}),
)
