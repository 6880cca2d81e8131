"""The signal lab over HTTP: its page at /signals, and /signals/runs and what lies below."""

import tempfile
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from msgspec.structs import asdict
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from radiance.api.bodies import checked_text, read_json
from radiance.api.route import delete, get, post
from radiance.api.services import services_of
from radiance.errors import ConfigError, NotFound, RequestError
from radiance.labs.signals import own_runs, store
from radiance.labs.signals.knobs import Knob, knobs
from radiance.labs.signals.own import Judgement, judge
from radiance.labs.signals.presets import PRESETS, read_replay, read_start, read_study
from radiance.labs.signals.results import Finding, StudyResult, encode
from radiance.labs.signals.runs import Runs, RunState
from radiance.labs.signals.settings import StudySettings
from radiance.labs.signals.view import latex, own_memo, report, tables
from radiance.labs.splits import Treatment
from radiance.web.rendering import environment


class RunList(msgspec.Struct):
    """What GET /signals/runs answers; ``names`` are those that people gave, by run."""

    latest: RunState | None
    kept: list[str]
    names: dict[str, str]


class NameBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /signals/runs/{run_id}/name; "" takes the name away."""

    name: Annotated[str, Meta(max_length=store.MOST_NAME)]


class ShownRun(RunState, frozen=True):
    """What GET /signals/runs/{run_id} answers: by method its means by measure, and the findings."""

    methods: dict[str, dict[str, float | None]] | None = None
    findings: list[Finding] | None = None


class StartBody(StudySettings, frozen=True):
    """What POST /signals/runs takes: a study, and who answers for its decisions."""

    approver: str | None = None


class JudgeBody(msgspec.Struct, forbid_unknown_fields=True):
    """What POST /signals/judge takes.

    Attributes:
        bars: Daily bars as the text of a CSV file: date, symbol, open, high, low, close, volume.
        predictions: Two signals as one: date, symbol, deployed, candidate.
        stress: Stress windows, as "2008-09-01:2009-03-31"; none: found by a rule.
        splits: Treatment of splits that prices were not adjusted for.
        study: A preset and the knobs that differ from it; ``policy`` and ``portfolio`` count.
        approver: Who answers for the decision.
    """

    bars: str
    predictions: str
    stress: list[str] = []
    horizon_days: int | None = None
    symbols: int | None = None
    splits: Treatment = "refuse"
    study: dict[str, Any] = {}
    approver: str | None = None


class JudgeAnswer(msgspec.Struct):
    """A judgement, the name under which it is kept, and its memo in Markdown."""

    run_id: str
    judgement: Judgement
    memo: str


class KnobsAnswer(msgspec.Struct):
    """What GET /signals/knobs answers."""

    presets: dict[str, StudySettings]
    knobs: dict[str, list[Knob]]


async def show_progress(request: Request) -> Response:
    """The run that was started last, as a part of the page."""
    template = environment().get_template("signals/progress.html")
    html = template.render(latest=services_of(request).extension(Runs).latest)
    return HTMLResponse(html, headers={"Cache-Control": "no-store"})


def list_runs(request: Request) -> RunList:
    """The run that was started last, and the results that are kept, newest first."""
    lab = services_of(request).extension(Runs)
    return RunList(lab.latest, lab.kept(), store.given_names(lab.folder))


async def start_run(request: Request) -> RunState:
    """Start a study: a preset, by section the knobs that differ from it, and an approver."""
    services = services_of(request)
    data = await read_json(request, services.config.server.max_body_bytes)
    if not isinstance(data, dict):
        raise RequestError("The body is not an object.", remedy='Send {"preset": "quick"}.')
    study, approver = read_start(data)
    return await run_in_threadpool(services.extension(Runs).start, study, approver)


def show_run(request: Request) -> ShownRun:
    """A run as it stands: its stage and share done; once it has ended, what every method scored."""
    lab, run_id = services_of(request).extension(Runs), request.path_params["run_id"]
    state = lab.get(run_id)
    if state.status != "succeeded":
        return ShownRun(**asdict(state))
    result = store.load(lab.folder, run_id)
    methods = {m.name: tables.means_of(m) for m in result.methods}
    return ShownRun(**asdict(state), methods=methods, findings=result.findings)


def cancel_run(request: Request) -> RunState:
    """End a run that is under way; nothing of it is kept."""
    return services_of(request).extension(Runs).cancel(request.path_params["run_id"])


def name_run(request: Request, body: NameBody) -> RunList:
    """Call a run that is kept by a name."""
    name_kept(services_of(request).extension(Runs), request.path_params["run_id"], body.name)
    return list_runs(request)


def delete_run(request: Request) -> RunList:
    """Delete a run that is kept; what is on record of its decisions stays."""
    store.remove(services_of(request).extension(Runs).folder, request.path_params["run_id"])
    return list_runs(request)


def name_kept(lab: Runs, run_id: str, name: str) -> None:
    """Give a run a name, on one line.

    Raises:
        NotFound: There is no such run.
        RequestError: The name holds what is not text.
    """
    store.give_name(lab.folder, run_id, " ".join(checked_text(name, "name").split()))


def export_run(request: Request) -> Response:
    """A result whole: result.json, report.html (needs nothing else) or macros.tex."""
    lab, run_id = services_of(request).extension(Runs), request.path_params["run_id"]
    kind = request.path_params["file"].rpartition(".")[2]
    if request.path_params["file"] not in (store.RESULT, store.REPORT, store.MACROS):
        raise NotFound(
            "There is no such export.",
            field="file",
            value=request.path_params["file"],
            remedy=f"Ask for {store.RESULT}, {store.REPORT} or {store.MACROS}.",
        )
    result = store.load(lab.folder, run_id)
    media = {"json": "application/json", "html": "text/html", "tex": "application/x-tex"}[kind]
    content: Any = {
        "json": lambda: encode(result),
        "html": lambda: report.render(result, earlier_than(lab.folder, run_id)),
        "tex": lambda: latex.render(result),
    }[kind]
    name = f"{run_id}-{request.path_params['file']}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content(), media_type=media, headers=headers)


def judge_own(request: Request, body: JudgeBody) -> JudgeAnswer:
    """Take two signals of your own through gate, shadow and monitors, and keep what was found."""
    given = {
        "stress": body.stress,
        "horizon_days": body.horizon_days,
        "symbols": body.symbols,
        "splits": body.splits,
    }
    settings = read_replay({name: value for name, value in given.items() if value})
    study = read_study(body.study)
    with tempfile.TemporaryDirectory() as name:
        bars, predictions = Path(name) / "bars", Path(name) / "predictions"
        bars.write_text(body.bars, encoding="utf-8")
        predictions.write_text(body.predictions, encoding="utf-8")
        try:
            found = judge(study, settings, bars, predictions, body.approver)
        except ConfigError as error:  # of the files that were sent, not of this service
            raise RequestError(str(error).replace(f"{name}/", "")) from None
    path, _ = own_runs.keep(found, services_of(request).extension(Runs).folder)
    return JudgeAnswer(path.name, found, own_memo.render(found))


async def show_knobs(request: Request) -> KnobsAnswer:
    """Every knob by section, with default, range and meaning, and the presets."""
    services_of(request)
    return KnobsAnswer(PRESETS, knobs())


def earlier_than(folder: Any, run_id: str) -> Any:
    """The result before one, of the same kind; None where there is none."""
    kind = store.load(folder, run_id).kind
    before = [name for name in store.names(folder) if name < run_id]
    earlier = (store.load(folder, name) for name in reversed(before))
    return next((result for result in earlier if result.kind == kind), None)


ROUTES = [
    get("/signals/progress", show_progress, "infer", gives="text/html"),
    get("/signals/runs", list_runs, "infer"),
    post("/signals/runs", start_run, "admin", takes=StartBody, status=202),
    get("/signals/runs/{run_id}", show_run, "infer"),
    post("/signals/runs/{run_id}/cancel", cancel_run, "admin", takes=None),
    post("/signals/runs/{run_id}/name", name_run, "admin"),
    delete("/signals/runs/{run_id}", delete_run, "admin"),
    get("/signals/runs/{run_id}/{file}", export_run, "infer", gives=StudyResult),
    post("/signals/judge", judge_own, "admin"),
    get("/signals/knobs", show_knobs, "infer"),
]
