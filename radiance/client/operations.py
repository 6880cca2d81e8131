"""What the clients can do, written once for both: each operation is a flow.

A flow is a generator that yields steps (an ``ApiCall`` or a ``Sleep``), is sent each ``ApiReply``
or thrown the error, and returns the result. Repeating and waiting are decided here; nothing here
sleeps or touches the network.
"""

import math
import time
import uuid
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

from radiance.client.answers import (
    CheckpointInfo,
    CheckpointPage,
    DocumentInfo,
    DocumentPage,
    DocumentReceipt,
    ForgetInfo,
    ForgetPage,
    Forgotten,
    JobFailed,
    JobInfo,
    JobPage,
    Move,
    Receipt,
    SearchResult,
    ServiceInfo,
    Vote,
)
from radiance.client.wire import ApiCall, Form, NoConnection, decode, segment
from radiance.errors import Overloaded, RadianceError, RequestError, TimedOut, Unavailable

T = TypeVar("T")


@dataclass(frozen=True)
class Sleep:
    """Nothing is to be done for so long."""

    seconds: float


Step = ApiCall[Any] | Sleep
Flow = Generator[Step, Any, T]

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 2.0
_POLL_S = 0.5
_AWAY_S = 60.0  # a service that crashed comes back by itself, and so does the job


@dataclass(frozen=True)
class ClientLimits:
    """How long a client waits.

    Attributes:
        timeout_s: For an answer.
        patience_s: For a service that is starting, or has too much to do.
        connect_s: For something to listen at the address, where that is less.
    """

    timeout_s: float
    patience_s: float
    connect_s: float = math.inf


def search(
    limits: ClientLimits,
    prompt: str,
    *,
    max_tokens: int | None = None,
    temperature: float | None = None,
    checkpoint: str | None = None,
    use_training_adapter: bool = False,
    memory: Literal["off", "pending", "always"] | None = None,
    timeout_s: float | None = None,
) -> Flow[SearchResult]:
    """Ask a question.

    Args:
        prompt: The question.
        max_tokens: Longest answer in tokens; by default the service's, 256.
        temperature: 0 always takes the likeliest token; by default the service's, 0.2.
        checkpoint: Who is to answer: a checkpoint's id, "base", or None for what serves.
        use_training_adapter: Answer from the weights that are being trained.
        memory: Whether accepted examples answer: off, those not learned yet, or all; by default
            as the service is set.
        timeout_s: How long the answer may take; by default as long as the client allows.
    """
    body = {
        "prompt": prompt,
        "max_tokens": max_tokens,
        "temperature": temperature,
        "checkpoint": checkpoint,
        "use_training_adapter": use_training_adapter or None,
        "memory": memory,
    }
    call = ApiCall("POST", "/search", SearchResult, body=_given(body), timeout_s=timeout_s)
    return _ask(limits, replace(call, is_repeatable=True))


def update(
    limits: ClientLimits,
    examples: Iterable[Mapping[str, Any]],
    *,
    tags: Sequence[str] = (),
    job_key: str | None = None,
    supersede: bool = False,
) -> Flow[Receipt]:
    """Teach examples; they are on the service's disk when this returns.

    Args:
        examples: ``{"input", "output"}``, ``{"messages"}``, ``{"prompt", "completion"}`` or
            ``{"text"}`` each.
        tags: Kept with the job.
        job_key: Sending the same key and examples again makes no second job. By default a random
            key, so that a connection that breaks does not teach twice.
        supersede: Whether it means to replace what other API keys taught, where
            ``update.supersede`` is "ask", and anchors, where the gate is "strict".

    Raises:
        RequestError: An example cannot be accepted: ``field`` and ``value`` say which and why,
            ``remedy`` what to do. Nothing of the update was kept.
    """
    if isinstance(examples, str | Mapping):
        raise RequestError(
            "examples: is one, not a list of them.",
            field="examples",
            value=examples,
            remedy='Send a list, such as [{"input": "…", "output": "…"}].',
        )
    body = {
        "examples": list(examples),
        "tags": _listed(tags),
        "job_key": job_key or uuid.uuid4().hex,
        **({"supersede": True} if supersede else {}),
    }
    return _ask(limits, ApiCall("POST", "/update", Receipt, body=body, is_repeatable=True))


def update_document(
    limits: ClientLimits,
    document: str | Path | bytes,
    *,
    name: str | None = None,
    tags: Sequence[str] = (),
    again: bool = False,
) -> Flow[DocumentReceipt]:
    """Give memory a document to answer from: PDF, Word, HTML, Markdown or text.

    It is on the service's disk, and memory answers from it, when this returns.

    Args:
        document: Its path on this machine, or its content.
        name: What it is called; by default as its file. A newer document of a name takes the place
            of the one before.
        tags: Kept with it.
        again: Whether what was forgotten of it by its words is to be known again.

    Raises:
        RequestError: It cannot be read, here or by the service; TooLarge where it is too much.
    """
    if not isinstance(document, bytes):
        path = Path(document)
        try:
            name, document = name or path.name, path.read_bytes()
        except OSError as error:
            raise RequestError(
                f"{path}: cannot be read ({error.strerror}).",
                field="document",
                value=str(path),
                remedy="Look at the path and at its permissions.",
            ) from None
    if not name:
        raise RequestError.of(
            "name", "is missing", name, "Give a name: bytes have none of their own."
        )
    fields = [("name", name), *(("tags", tag) for tag in _listed(tags))]
    if again:
        fields.append(("again", "true"))
    form = Form(fields, document)
    call = ApiCall("POST", "/documents", DocumentReceipt, form=form, is_repeatable=True)
    return (yield from _ask(limits, call))


def _listed(tags: Sequence[str]) -> list[str]:
    """Tags as a list; a single text is none, for its letters would each be one.

    Raises:
        RequestError: It is a single text.
    """
    if isinstance(tags, str):
        raise RequestError(
            "tags: is a text, not a list of them.",
            field="tags",
            value=tags,
            remedy="Send a list, even of one tag.",
        )
    return list(tags)


def list_documents(limits: ClientLimits, *, limit: int = 100) -> Flow[list[DocumentInfo]]:
    """The newest documents that memory answers from, newest first."""
    call = ApiCall("GET", "/documents", DocumentPage, query={"limit": limit}, is_repeatable=True)
    found = yield from _ask(limits, call)
    return list(found.documents)


def wait(
    limits: ClientLimits,
    job: Receipt | JobInfo | str,
    *,
    timeout_s: float | None = None,
    on_progress: Callable[[JobInfo], None] | None = None,
    poll_s: float = _POLL_S,
) -> Flow[JobInfo]:
    """Wait until a job has succeeded; its checkpoint serves from then on.

    A service that is away for up to a minute is waited for.

    Args:
        job: What ``update`` returned, or a job's id.
        timeout_s: How long to wait; None waits for ever.
        on_progress: Called with the job at first and whenever it has changed.
        poll_s: How often to look, in seconds.

    Raises:
        JobFailed: It failed, was cancelled or quarantined, or the gate refused its checkpoint.
        TimedOut: It had not ended in time. It goes on in the service.
    """
    job_id = job if isinstance(job, str) else job.job_id
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    patient = replace(limits, patience_s=max(limits.patience_s, _AWAY_S), connect_s=math.inf)
    last = None
    while True:
        now = yield from show_job(patient, job_id)
        if now != last and on_progress is not None:
            on_progress(now)
        last = now
        if now.has_ended:
            break
        if deadline is not None and time.monotonic() + poll_s > deadline:
            raise TimedOut(
                f"{job_id} is {now.status} after {timeout_s:g} s, and goes on in the service."
            )
        yield Sleep(poll_s)
    if now.status != "succeeded":
        raise JobFailed(now)
    return now


def info(limits: ClientLimits) -> Flow[ServiceInfo]:
    """What the service runs on, and how its learning stands."""
    return _ask(limits, ApiCall("GET", "/info", ServiceInfo, is_repeatable=True))


def list_jobs(
    limits: ClientLimits, *, limit: int = 100, status: str | None = None
) -> Flow[list[JobInfo]]:
    """The newest jobs, newest first; with ``status`` only those."""
    query = {"limit": limit, "status": status}
    found = yield from _ask(
        limits, ApiCall("GET", "/jobs", JobPage, query=query, is_repeatable=True)
    )
    return list(found.jobs)


def show_job(limits: ClientLimits, job_id: str) -> Flow[JobInfo]:
    """One job as it stands.

    Raises:
        NotFound: There is no such job.
    """
    return _ask(limits, ApiCall("GET", f"/jobs/{segment(job_id)}", JobInfo, is_repeatable=True))


def list_checkpoints(limits: ClientLimits, *, limit: int = 100) -> Flow[list[CheckpointInfo]]:
    """The newest checkpoints, newest first."""
    call = ApiCall(
        "GET", "/checkpoints", CheckpointPage, query={"limit": limit}, is_repeatable=True
    )
    found = yield from _ask(limits, call)
    return list(found.checkpoints)


def rollback(
    limits: ClientLimits, checkpoint: str | None = None, *, reason: str = ""
) -> Flow[Move]:
    """Serve an earlier checkpoint again.

    Args:
        checkpoint: Its id, "base" for the bare base model, or None for the one served before.
        reason: Kept in the audit log.
    """
    body = {"checkpoint": checkpoint, "reason": reason}
    return _ask(limits, ApiCall("POST", "/rollback", Move, body=body))


def promote(
    limits: ClientLimits, checkpoint: str, *, reason: str = "", force: bool = False
) -> Flow[Move]:
    """Serve a checkpoint, whether or not it ever was.

    Args:
        checkpoint: Its id.
        reason: Kept in the audit log.
        force: Also serve what the gate rejected.
    """
    body = {"checkpoint": checkpoint, "reason": reason, "force": force}
    return _ask(limits, ApiCall("POST", "/promote", Move, body=body))


def forget(
    limits: ClientLimits,
    *,
    example: str | None = None,
    job: str | None = None,
    tag: str | None = None,
    text: str | None = None,
    document: str | None = None,
    reason: str = "",
    dry_run: bool = False,
) -> Flow[Forgotten]:
    """Forget examples, and every other answer to their questions; name one of the first five.

    When this returns, nothing that answers knows them, and a kill brings none back.

    Args:
        example: An example's id.
        job: A job's id: all of its examples.
        tag: A tag: all examples of the jobs that have it, and all documents.
        text: Whole words: all examples whose question or answer has them, and passages of
            documents.
        document: A document's id: it and all others of its name.
        reason: Kept in the audit log.
        dry_run: Only tell what would be forgotten.

    Raises:
        NotFound: No example fits.
        Conflict: The stable pointer is pinned to what has learned one.
    """
    named = _given({"example": example, "job": job, "tag": tag, "text": text, "document": document})
    body = {**named, "reason": reason, "dry_run": dry_run}
    return _ask(limits, ApiCall("POST", "/forget", Forgotten, body=body))


def list_forgets(limits: ClientLimits, *, limit: int = 100) -> Flow[list[ForgetInfo]]:
    """The newest requests to forget, newest first, and how far each is."""
    call = ApiCall("GET", "/forget", ForgetPage, query={"limit": limit}, is_repeatable=True)
    found = yield from _ask(limits, call)
    return list(found.forgets)


def vote(
    limits: ClientLimits,
    direction: Literal["up", "down"],
    *,
    checkpoint: str | None = None,
    prompt: str = "",
    response: str = "",
    comment: str = "",
    tags: Sequence[str] = (),
) -> Flow[Vote]:
    """Vote on an answer.

    Args:
        direction: "up" or "down".
        checkpoint: The checkpoint that gave it; None is the one that serves.
        prompt: What was asked.
        response: What was answered.
        comment: Kept with the vote.
        tags: Kept with the vote.
    """
    body = {"vote": direction, "prompt": prompt, "response": response, "comment": comment}
    body = {**body, **_given({"checkpoint": checkpoint, "tags": list(tags)})}
    return _ask(limits, ApiCall("POST", "/feedback", Vote, body=body))


def call(
    limits: ClientLimits,
    method: Literal["GET", "POST", "DELETE"],
    path: str,
    *,
    query: Mapping[str, Any] | None = None,
    body: Any = None,
) -> Flow[Any]:
    """Any call of the HTTP API; what it answers, as plain data.

    Args:
        method: As docs/API.md has it.
        path: As there, its parts encoded.
        query: What stands behind the "?"; values that are None are left out.
        body: Sent as JSON; None sends no body.
    """
    is_repeatable = method == "GET"
    asked = ApiCall(method, path, Any, query or {}, body, is_repeatable=is_repeatable)
    return _ask(limits, asked)


def _given(body: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if value is not None}


def _ask(limits: ClientLimits, call: ApiCall[T]) -> Flow[T]:
    """Send a call until it is answered, as long as sending it again is safe and worth it.

    Where nothing listens nothing has happened, so any call is sent again. Where the service is not
    ready, has too much to do, or the connection broke, only one that is repeatable.
    """
    call = replace(call, timeout_s=call.timeout_s or limits.timeout_s)
    began = time.monotonic()
    pause_s = _FIRST_PAUSE_S
    while True:
        try:
            return decode((yield call), call.gives)
        except (Unavailable, Overloaded) as error:
            if not (call.is_repeatable or isinstance(error, NoConnection)):
                raise
            pause_s = max(pause_s, _asked_for(error))
            patience_s = limits.patience_s
            if isinstance(error, NoConnection):
                patience_s = min(patience_s, limits.connect_s)
            if time.monotonic() + pause_s > began + patience_s:
                raise
        yield Sleep(pause_s)
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


def _asked_for(error: RadianceError) -> float:
    """The pause that the service asks for, in seconds."""
    return error.retry_after_s if isinstance(error, Overloaded) else 0.0
