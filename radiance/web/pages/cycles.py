"""The cycles of training: which there were, and one of them step by step."""

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from radiance.api.route import get
from radiance.api.services import Services, services_of
from radiance.errors import CorruptCheckpoint, NotFound, RequestError
from radiance.jobs.cycles import PastCycle
from radiance.records import Checkpoint, JobStatus
from radiance.web.charts import cycle as cycle_charts
from radiance.web.decided import endings
from radiance.web.named import firsts, names
from radiance.web.page import Data, Page, number_below, page_url
from radiance.web.pages.training import held_up, progress_of
from radiance.web.reports import cycle as cycle_report

_PER_PAGE = 30
_MOST_RELEASES = 1000
_MOST_OFFERED, _MOST_BESIDE = 8, 4


def describe(services: Services, request: Request) -> Data:
    """The running cycle, and a page of all there were, newest first."""
    before = number_below(request, "before")
    found = services.cycles.recent(_PER_PAGE + 1, before)
    listed, has_more = found[:_PER_PAGE], len(found) > _PER_PAGE
    return {
        "progress": progress_of(services),
        "preparing": services.pipeline.preparing,
        "held_up": held_up(services),
        "cycles": [_row(services, cycle) for cycle in listed],
        "names": names(services),
        "newer": page_url(request, before=None) if before is not None else None,
        "older": page_url(request, before=listed[-1].id) if has_more else None,
    }


def _row(services: Services, cycle: PastCycle) -> Data:
    checkpoint = services.registry.find(cycle.candidate_id)
    return {
        "cycle_id": cycle.id,
        "status": cycle.status,
        "created_at": cycle.created_at.isoformat(),
        "checkpoint": checkpoint.checkpoint_id if checkpoint else None,
        "became": checkpoint.status if checkpoint else None,
        "updates": len(cycle.jobs),
        "examples": sum(job.example_count for job in cycle.jobs),
        "loss": checkpoint.report.finetune_loss if checkpoint else None,
        "error": None if checkpoint else next((j.error for j in cycle.jobs if j.error), None),
    }


def _cycle_of(services: Services, request: Request) -> PastCycle:
    given = request.path_params["cycle_id"]
    if not given.isdecimal() or len(given) > 18:
        raise NotFound.named(
            "cycle", given, "cycle_id", "Use a number that the page of cycles lists."
        )
    return services.cycles.get(int(given))


def describe_one(services: Services, request: Request) -> Data:
    """All curves of one cycle; those of the running one as far as they were saved."""
    cycle = _cycle_of(services, request)
    progress = progress_of(services)
    checkpoint = services.registry.find(cycle.candidate_id)
    manifest = evaluation = None
    if checkpoint is not None:
        try:
            manifest = services.registry.manifest(checkpoint.checkpoint_id)
            evaluation = services.registry.evaluation(checkpoint.checkpoint_id)
        except CorruptCheckpoint:
            pass  # the checkpoint's own page says what is wrong with its files
    curves = services.curves.all_of(cycle.id)
    shown, others = _others(services, request, cycle.id)
    is_held_back = services.config.evaluation.holdout_ratio > 0
    has_held_back = bool(evaluation.held_back) if evaluation else is_held_back
    return {
        "cycle_id": cycle.id,
        "status": cycle.status,
        "progress": progress if progress and progress["cycle_id"] == cycle.id else None,
        "jobs": [msgspec.to_builtins(job) for job in cycle.jobs],
        "endings": endings(services, cycle.jobs),
        "checkpoint": checkpoint.checkpoint_id if checkpoint else None,
        "why": None if checkpoint else _why_nothing(services, cycle),
        "held_up": held_up(services),
        "manifest": msgspec.to_builtins(manifest),
        "steps": cycle_charts.steps(curves),
        "projected_ratio": cycle_charts.projected_ratio(curves),
        "resources": cycle_report.resources(cycle, curves, evaluation),
        "others": others,
        "charts": cycle_charts.draw(
            curves,
            has_held_back,
            {f"Cycle {number}": services.curves.all_of(number) for number in shown},
        ),
    }


def _others(services: Services, request: Request, shown: int) -> tuple[list[int], list[Data]]:
    """The cycles that ``?with=`` asks for, and those that may be chosen, the newest first."""
    asked = request.query_params.getlist("with")
    wanted = {int(given) for given in asked if given.isdecimal() and len(given) <= 18} - {shown}
    chosen = sorted(wanted, reverse=True)[:_MOST_BESIDE]
    found = services.registry.all(_MOST_OFFERED + 1)
    numbers = [c.cycle_id for c in found if c.cycle_id is not None and c.cycle_id != shown]
    called = {c.cycle_id: first for c, first in _called(services, found)}
    offered = sorted({*numbers[:_MOST_OFFERED], *chosen}, reverse=True)
    return chosen, [
        {"cycle_id": number, "called": called.get(number, ""), "is_shown": number in chosen}
        for number in offered
    ]


def _called(services: Services, checkpoints: list[Checkpoint]) -> list[tuple[Checkpoint, str]]:
    given, first = names(services), firsts(services, checkpoints)
    return [
        (c, given.get(c.checkpoint_id) or first.get(c.checkpoint_id, {"turns": [""]})["turns"][0])
        for c in checkpoints
    ]


def _why_nothing(services: Services, cycle: PastCycle) -> str:
    """Why no checkpoint came of a cycle that has ended, as a sentence."""
    if cycle.status == "open":
        return ""
    errors = {job.error for job in cycle.jobs if job.error and job.cycle_id == cycle.id}
    if errors:
        return " ".join(sorted(errors))
    cycles = {job.cycle_id for job in cycle.jobs if job.cycle_id is not None}
    later = sorted(number for number in cycles if number > cycle.id)
    again = f" Its updates were learned again in cycle {later[0]}." if later else ""
    if any(job.status == JobStatus.QUEUED for job in cycle.jobs):
        again = " Its updates wait to be learned again."
    if all(job.status == JobStatus.CANCELLED for job in cycle.jobs):
        return "Its updates were cancelled."
    for release in services.registry.releases(_MOST_RELEASES):
        if release.at < cycle.created_at:
            break
        if release.action == "rollback":
            target = release.checkpoint_id or "the base model"
            return (
                f"{release.actor} rolled back to {target} while it trained, so what it continued no"
                f" longer served.{again}"
            )
    return f"What it continued no longer served, or the settings changed.{again}"


def report(request: Request) -> Response:
    """Everything on record of a cycle, as one file that needs nothing else.

    HTML, or JSON with ``format=json``; the texts of examples are left out.
    """
    services = services_of(request)
    form = request.query_params.get("format", "html")
    if form not in ("html", "json"):
        raise RequestError.of(
            "format", f"{form!r} is not a known format", form, "Send html or json."
        )
    cycle, config = _cycle_of(services, request), services.config
    found = cycle_report.read(config.database_path, config.adapters_path, cycle.id)
    named = f'attachment; filename="cycle-{cycle.id}.{form}"'
    headers = {"Content-Disposition": named, "Cache-Control": "no-store"}
    if form == "json":
        return JSONResponse(found, headers=headers)
    return Response(cycle_report.render(found), media_type="text/html", headers=headers)


LIST = Page(
    path="/cycles",
    title="Cycles",
    template="cycles.html",
    describe=describe,
    topics=("cycle", "checkpoints", "pause"),
    nav="Cycles",
)
ONE = Page(
    path="/cycles/{cycle_id}",
    title="Cycle",
    template="cycle.html",
    describe=describe_one,
    topics=("cycle", "queue", "pause"),
    section="/cycles",
)
ROUTES = [
    get(
        "/cycles/{cycle_id}/report",
        report,
        "update",
        gives="text/html",
        queries={"format": {"type": "string", "enum": ["html", "json"]}},
    )
]
