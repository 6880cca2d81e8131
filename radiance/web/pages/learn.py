"""Teach it from the page, follow the job, and search what was accepted."""

import msgspec
from starlette.requests import Request

from radiance.api.lineage import shown
from radiance.api.services import Services
from radiance.api.training import training_progress
from radiance.api.update import accept, supersedes
from radiance.errors import RequestError
from radiance.records import JobStatus
from radiance.web.forms import Fields
from radiance.web.page import Data, Page, page_url
from radiance.web.pages import pasted_examples

_JOBS = 15
_PER_PAGE = 25
_MOST_QUERY = 200


def describe(services: Services, request: Request) -> Data:
    """The form, the newest jobs, and accepted examples that match ``?q=`` and ``?tag=``."""
    query = request.query_params.get("q", "")[:_MOST_QUERY].strip()
    tag = request.query_params.get("tag", "")[:_MOST_QUERY].strip()
    found = services.examples.search(query, tag, _PER_PAGE + 1, request.query_params.get("before"))
    listed = found[:_PER_PAGE]
    has_more = len(found) > _PER_PAGE
    status = request.query_params.get("status")
    wanted = JobStatus(status) if status in set(JobStatus) else None
    return {
        "q": query,
        "tag": tag,
        "jobs": [msgspec.to_builtins(job) for job in services.jobs.recent(_JOBS, wanted)],
        "progress": training_progress(services),
        "mode": services.config.update.mode,
        "waiting": services.jobs.waiting_examples(),
        "most_examples": services.config.update.max_examples_per_update,
        "accepted": [
            {"id": e.id, "text": shown(e), "tags": e.tags, "job": msgspec.to_builtins(job)}
            for e, job in listed
        ],
        "older": page_url(request, before=listed[-1][0].id, done=None) if has_more else None,
        "newer": page_url(request, before=None) if request.query_params.get("before") else None,
    }


def act(services: Services, request: Request, fields: Fields) -> str:
    """Accept what was typed, pasted or sent as a file, as POST /update would."""
    question, answer = fields.get("question", ""), fields.get("answer", "")
    text = fields.get("file", "") or fields.get("pasted", "")
    if text.strip() and (question.strip() or answer.strip()):
        raise RequestError(
            "There are examples in the two boxes and in the text below.",
            field="examples",
            remedy="Send one after the other.",
        )
    lines: list[int] = []
    if text.strip():
        examples, lines = pasted_examples.read(text)
    elif question.strip() and answer.strip():
        examples = [{"input": question, "output": answer}]
    else:
        raise RequestError(
            "There is nothing to learn yet.",
            field="examples",
            remedy="Fill in both boxes, or paste or choose examples.",
        )
    tags = [tag.strip() for tag in fields.get("tags", "").split(",") if tag.strip()]
    try:
        answered = accept(services, {"examples": examples, "tags": tags}, None)
    except RequestError as error:
        raise pasted_examples.locate(error, lines) from None
    services.pipeline.wake()
    return f"/learn/{answered.job_id}?done=taught"


def describe_job(services: Services, request: Request) -> Data:
    """One job, from the queue to what it became."""
    job = services.jobs.get(request.path_params["job_id"])
    examples = services.examples.of_jobs([job.job_id])
    checkpoint = job.checkpoint or job.rejected_checkpoint
    decision = services.registry.decision(checkpoint) if checkpoint else None
    current = services.registry.current()
    return {
        "job": msgspec.to_builtins(job),
        "progress": training_progress(services, job.job_id),
        "preparing": services.pipeline.preparing,
        "mode": services.config.update.mode,
        "ahead": sum(
            1 for j in services.jobs.recent(200, JobStatus.QUEUED) if j.job_id < job.job_id
        ),
        "examples": [{"id": e.id, "text": shown(e)} for e in examples[:100]],
        "question": next((e.messages[0].content for e in examples if e.messages), None),
        "decision": msgspec.to_builtins(decision),
        "supersedes": supersedes(services, job),
        "is_served": bool(
            job.checkpoint
            and current
            and services.registry.is_ancestor(job.checkpoint, current.checkpoint_id)
        ),
    }


LIST = Page(
    path="/learn",
    title="Learn",
    template="learn.html",
    describe=describe,
    topics=("queue", "cycle"),
    nav="Learn",
    act=act,
    scope="update",
    act_scope="update",
    scripts=("learn.js",),
)
JOB = Page(
    path="/learn/{job_id}",
    title="Job",
    template="job.html",
    describe=describe_job,
    topics=("queue", "cycle", "serving"),
    section="/learn",
    scope="update",
    notices={"taught": "Accepted, and on disk. Below is what becomes of it."},
)
