"""Teach it from the page, and follow what becomes of each update."""

import msgspec
from starlette.requests import Request

from radiance.api.auth.access import sender_of
from radiance.api.auth.keys import Key
from radiance.api.jobs import learns_a_task, was_known
from radiance.api.services import Services
from radiance.api.update import (
    accept,
    known_already,
    may_replace_anchors,
    may_supersede,
    supersedes,
)
from radiance.documents.kinds import SUFFIXES
from radiance.errors import RequestError
from radiance.records import Job, JobStatus, Supersession
from radiance.web.decided import decided, endings
from radiance.web.forms import Fields, chosen_action
from radiance.web.page import Data, Page, page_url
from radiance.web.pages import pasted_examples
from radiance.web.pages.training import held_up, progress_of
from radiance.web.told import all_told, told

_JOBS = 15
_EXAMPLES = 50


def describe(services: Services, request: Request) -> Data:
    """The form and a page of jobs; ``?example=`` fills the form with what is to be corrected."""
    asked = request.query_params
    status = asked.get("status")
    wanted = JobStatus(status) if status in set(JobStatus) else None
    found = services.jobs.recent(_JOBS + 1, wanted, asked.get("before"))
    listed = found[:_JOBS]
    counts = services.jobs.counts()
    more = listed[-1].job_id if len(found) > _JOBS else None
    return {
        "corrects": _corrects(services, asked.get("example"))
        or _taught_again(services, asked.get("anchor")),
        "jobs": msgspec.to_builtins(listed),
        "first": _firsts(services, listed),
        "endings": endings(services, listed),
        "status": wanted,
        "statuses": [
            {"status": each, "count": count, "url": page_url(request, status=each, before=None)}
            for each, count in counts.items()
            if count
        ],
        "total": sum(counts.values()),
        "progress": progress_of(services),
        "held_up": held_up(services),
        "mode": services.config.update.mode,
        "replaceable": _replaceable(services, sender_of(request)),
        "recalls": services.recalls,
        "most_examples": services.config.update.max_examples_per_update,
        "documents": services.documents.count(),
        "suffixes": ",".join(SUFFIXES),
        "older": page_url(request, before=more) if more else None,
        "newer": page_url(request, before=None) if asked.get("before") else None,
    }


def _replaceable(services: Services, sender: Key | None) -> str:
    """What an update replaces only where it says so; "" where it need not, or may not."""
    found = []
    if services.config.gate.gate == "strict" and may_replace_anchors(services, sender):
        found.append("anchors that say otherwise")
    if services.config.update.supersede == "ask":
        found.append("what other keys taught")
    return " and ".join(found)


def _firsts(services: Services, jobs: list[Job]) -> dict[str, str]:
    """By job what its first example asks, as far as it is there."""
    found = services.examples.by_ids([f"{job.job_id}.0" for job in jobs])
    return {example.id.partition(".")[0]: told(example)["turns"][0] for example in found}


def _corrects(services: Services, example_id: str | None) -> Data | None:
    """The question and the answer of an example that somebody wants to correct."""
    if not example_id:
        return None
    example = services.examples.get(example_id)
    if len(example.messages) != 2:
        raise RequestError(
            f"{example_id} is not a single question with its answer.",
            field="example",
            value=example_id,
            remedy="Send the corrected chat as a new update.",
        )
    asked, answered = example.messages
    return {"id": example.id, "question": asked.content, "answer": answered.content}


def _taught_again(services: Services, name: str | None) -> Data | None:
    """The question of an anchor that was overwritten, with the answer of the base model."""
    if not name:
        return None
    found = next((a.example for a in services.anchors.anchors if a.example.id == name), None)
    if found is None or len(found.messages) != 2:
        raise RequestError(
            f"{name!r} is no anchor with a single question.",
            field="anchor",
            value=name,
            remedy="Follow the links of the page of old facts.",
        )
    return {"id": name, "question": found.messages[0].content, "answer": found.messages[1].content}


def act(services: Services, request: Request, fields: Fields) -> str:
    """Accept what was typed, pasted or sent as a file, as POST /update would."""
    question, answer = fields.get("question", ""), fields.get("answer", "")
    ways = {
        "in the two boxes": question + answer,
        "in the text": fields.get("pasted", ""),
        "in the file": fields.get("file", ""),
    }
    given = [where for where, typed in ways.items() if typed.strip()]
    text = ways["in the file"] or ways["in the text"]
    if len(given) > 1:
        raise RequestError(
            f"There are examples {' and '.join(given)}.",
            field="examples",
            remedy="Send one after the other.",
        )
    lines: list[int] = []
    if text.strip():
        examples, lines = pasted_examples.read(text)
    elif question.strip() and answer.strip():
        examples = [{"input": question, "output": answer}]
    elif question.strip() or answer.strip():
        missing = "answer" if question.strip() else "question"
        raise RequestError(
            f"The {missing} is blank.", field="examples", remedy=f"Fill in the {missing}, too."
        )
    else:
        raise RequestError(
            "There is nothing to learn yet.",
            field="examples",
            remedy="Fill in both boxes, or paste or choose examples.",
        )
    tags = [tag.strip() for tag in fields.get("tags", "").split(",") if tag.strip()]
    body = {"examples": examples, "tags": tags, "supersede": "supersede" in fields}
    try:
        answered = accept(services, body, None, sender_of(request))
    except RequestError as error:
        raise pasted_examples.locate(error, lines) from None
    services.pipeline.wake()
    return f"/learn/{answered.job_id}?done=taught"


def describe_job(services: Services, request: Request) -> Data:
    """One job, from the queue to what it became."""
    job = services.jobs.get(request.path_params["job_id"])
    examples = services.examples.of_jobs([job.job_id])
    given = request.query_params.get("from", "")
    begin = min(int(given), len(examples)) if given.isdecimal() and len(given) < 10 else 0
    end = begin + _EXAMPLES
    checkpoint = job.checkpoint or job.rejected_checkpoint
    current = services.registry.current()
    asked = next((e for e in examples if len(e.messages) == 2), None)
    return {
        "job": msgspec.to_builtins(job),
        "progress": progress_of(services, job.job_id),
        "preparing": services.pipeline.preparing,
        "held_up": held_up(services),
        "recalls": services.recalls,
        "ahead": sum(
            1 for j in services.jobs.recent(200, JobStatus.QUEUED) if j.job_id < job.job_id
        ),
        "examples": all_told(examples[begin:end]),
        "begin": begin,
        "earlier": page_url(request, **{"from": max(0, begin - _EXAMPLES)}) if begin else None,
        "later": page_url(request, **{"from": end}) if end < len(examples) else None,
        "question": asked.id if asked else None,
        "decision": decided(services, checkpoint),
        "supersedes": _pairs(services, supersedes(services, job)),
        "superseded_by": _pairs(services, services.examples.superseded_by(job.job_id)),
        "may_supersede": _pairs(services, may_supersede(services, job)),
        "known_already": known_already(services, job),
        "echoes": sum(example.is_echo for example in examples),
        "was_known": was_known(services, job),
        "is_task": learns_a_task(services, job),
        "is_served": bool(
            job.checkpoint
            and current
            and services.registry.is_ancestor(job.checkpoint, current.checkpoint_id)
        ),
    }


def _pairs(services: Services, found: list[Supersession]) -> list[Data]:
    """What is corrected, old and new as they read."""
    ids = [id for pair in found for id in (pair.example_id, pair.by)]
    texts = {example.id: told(example) for example in services.examples.by_ids(ids)}
    return [
        {"old": texts[pair.example_id], "new": texts[pair.by]}
        for pair in found
        if pair.example_id in texts and pair.by in texts  # else it was forgotten just now
    ]


def act_on_job(services: Services, request: Request, fields: Fields) -> str:
    """Take a job out of the queue, or put it in again."""
    acts = {"cancel": services.jobs.cancel, "retry": services.jobs.retry}
    action = chosen_action(fields, acts)
    job: Job = acts[action](request.path_params["job_id"])
    services.pipeline.wake()
    return f"/learn/{job.job_id}?done={action}"


LIST = Page(
    path="/learn",
    title="Learn",
    template="learn.html",
    describe=describe,
    topics=("queue", "cycle", "pause"),
    nav="Learn",
    act=act,
    scope="update",
    act_scope="update",
    scripts=("learn.js",),
)
JOB = Page(
    path="/learn/{job_id}",
    title="Update",
    template="job.html",
    describe=describe_job,
    act=act_on_job,
    act_scope="update",
    topics=("queue", "cycle", "serving", "pause"),
    section="/learn",
    scope="update",
    notices={
        "taught": "Accepted. Below is what becomes of it.",
        "cancel": "Cancelled: it is not learned.",
        "retry": "Queued again.",
    },
)
