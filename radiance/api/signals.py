"""The signal lab over HTTP: its page at /signals, and /signals/runs and what lies below."""

from typing import Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from radiance.api.bodies import read_form, read_json
from radiance.api.rooms import rooms_of
from radiance.errors import Conflict, NotFound, RequestError
from radiance.signals import latex, page, report, store, tables
from radiance.signals.results import Finding, StudyResult, encode
from radiance.signals.runs import Runs, RunState
from radiance.signals.settings import PRESETS, Knob, Study, knobs, read_study


class RunList(msgspec.Struct):
    """What GET /signals/runs answers."""

    latest: RunState | None
    kept: list[str]


class ShownRun(RunState, frozen=True):
    """What GET /signals/runs/{run_id} answers: by method its means by measure, and the findings."""

    methods: dict[str, dict[str, float | None]] | None = None
    findings: list[Finding] | None = None


class PageAnswer(msgspec.Struct):
    """What GET /signals.json answers."""

    presets: dict[str, Study]
    knobs: dict[str, list[Knob]]
    latest: RunState | None
    kept: list[str]
    shown: str | None
    result: StudyResult | None


class KnobsAnswer(msgspec.Struct):
    """What GET /signals/knobs answers."""

    presets: dict[str, Study]
    knobs: dict[str, list[Knob]]


# A page may load and be loaded only from here.
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


async def show_page(request: Request) -> Response:
    """The lab's page: knobs, the run under way, a result, exports."""
    rooms = rooms_of(request)
    run_id = request.query_params.get("run", "")
    return await run_in_threadpool(_page, rooms.lab, run_id, PRESETS["default"], None)


async def send_form(request: Request) -> Response:
    """The page's form, for browsers without JavaScript: starts a run."""
    rooms = rooms_of(request)
    fields = await read_form(request, rooms.config.server.max_body_bytes)
    study = PRESETS["default"]
    try:
        study = read_study(page.read_form(fields))
        await run_in_threadpool(rooms.lab.start, study)
    except RequestError as error:
        answer = await run_in_threadpool(_page, rooms.lab, "", study, error)
        answer.status_code = 409 if isinstance(error, Conflict) else 400
        return answer
    return RedirectResponse("/signals", 303)


async def send_cancel(request: Request) -> Response:
    """The page's cancel button, for browsers without JavaScript."""
    rooms = rooms_of(request)
    fields = await read_form(request, rooms.config.server.max_body_bytes)
    await run_in_threadpool(rooms.lab.cancel, fields.get("run_id", [""])[0])
    return RedirectResponse("/signals", 303)


async def show_progress(request: Request) -> Response:
    """The run that was started last, as a part of the page."""
    return HTMLResponse(page.progress(rooms_of(request).lab.latest), headers=_HEADERS)


async def show_asset(request: Request) -> Response:
    """The page's style and script."""
    name = request.path_params["name"]
    if name not in page.ASSETS:
        raise NotFound(f"There is no file {name!r}.", field="name", value=name, remedy="Reload.")
    headers = {**_HEADERS, "Cache-Control": "no-cache"}
    return Response(page.asset(name), media_type=page.ASSETS[name], headers=headers)


async def show_twin(request: Request) -> Response:
    """The page's numbers as JSON: knobs, presets, the run under way, what is kept, the result."""
    lab, run_id = rooms_of(request).lab, request.query_params.get("run", "")
    kept = await run_in_threadpool(lab.kept)
    shown = run_id or (kept[0] if kept else "")
    result = await run_in_threadpool(store.load, lab.folder, shown) if shown else None
    found = {
        "presets": PRESETS,
        "knobs": knobs(),
        "latest": lab.latest,
        "kept": kept,
        "shown": shown or None,
        "result": result,
    }
    return JSONResponse(msgspec.to_builtins(found, str_keys=True))


def _page(lab: Runs, run_id: str, study: Study, refusal: RequestError | None) -> HTMLResponse:
    kept = lab.kept()
    name = run_id or (kept[0] if kept else "")
    shown = None
    if name:
        result = store.load(lab.folder, name)
        shown = (name, result, earlier_than(lab.folder, name))
        study = study if refusal else result.study
    text = page.render(study, lab.latest, kept, shown, refusal)
    return HTMLResponse(text, headers=_HEADERS)


async def list_runs(request: Request) -> Response:
    """The run that was started last, and the results that are kept, newest first."""
    lab = rooms_of(request).lab
    kept = await run_in_threadpool(lab.kept)
    return JSONResponse({"latest": state_of(lab.latest), "kept": kept})


async def start_run(request: Request) -> Response:
    """Start a study: a preset, and by section the knobs that differ from it."""
    rooms = rooms_of(request)
    data = await read_json(request, rooms.config.server.max_body_bytes)
    if not isinstance(data, dict):
        raise RequestError("The body is not an object.", remedy='Send {"preset": "quick"}.')
    state = await run_in_threadpool(rooms.lab.start, read_study(data))
    return JSONResponse(state_of(state), 202)


async def show_run(request: Request) -> Response:
    """A run as it stands: its stage and share done; once it has ended, what every method scored."""
    lab, run_id = rooms_of(request).lab, request.path_params["run_id"]
    state = await run_in_threadpool(lab.get, run_id)
    found: dict[str, Any] = {**(state_of(state) or {}), "methods": None, "findings": None}
    if state.status == "succeeded":
        result = await run_in_threadpool(store.load, lab.folder, run_id)
        found["methods"] = {m.name: tables.means_of(m) for m in result.methods}
        found["findings"] = msgspec.to_builtins(result.findings)
    return JSONResponse(found)


async def cancel_run(request: Request) -> Response:
    """End a run that is under way; nothing of it is kept."""
    lab = rooms_of(request).lab
    return JSONResponse(
        state_of(await run_in_threadpool(lab.cancel, request.path_params["run_id"]))
    )


async def export_run(request: Request) -> Response:
    """A result whole: result.json, report.html (needs nothing else) or macros.tex."""
    lab, run_id = rooms_of(request).lab, request.path_params["run_id"]
    kind = request.path_params["file"].rpartition(".")[2]
    if request.path_params["file"] not in (store.RESULT, store.REPORT, store.MACROS):
        raise NotFound(
            "There is no such export.",
            field="file",
            value=request.path_params["file"],
            remedy=f"Ask for {store.RESULT}, {store.REPORT} or {store.MACROS}.",
        )
    result = await run_in_threadpool(store.load, lab.folder, run_id)
    earlier = await run_in_threadpool(earlier_than, lab.folder, run_id)
    media = {"json": "application/json", "html": "text/html", "tex": "application/x-tex"}[kind]
    content: Any = {
        "json": lambda: encode(result),
        "html": lambda: report.render(result, earlier),
        "tex": lambda: latex.render(result),
    }[kind]
    name = f"{run_id}-{request.path_params['file']}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    text = await run_in_threadpool(content)
    return Response(text, media_type=media, headers=headers)


async def show_knobs(request: Request) -> Response:
    """Every knob by section, with default, range and meaning, and the presets."""
    rooms_of(request)
    return JSONResponse(msgspec.to_builtins({"presets": PRESETS, "knobs": knobs()}))


def state_of(state: RunState | None) -> dict[str, Any] | None:
    """A run as JSON has it."""
    return None if state is None else msgspec.to_builtins(state)


def earlier_than(folder: Any, run_id: str) -> Any:
    """The result before one, of the same kind; None where there is none."""
    kind = store.load(folder, run_id).kind
    before = [name for name in store.names(folder) if name < run_id]
    earlier = (store.load(folder, name) for name in reversed(before))
    return next((result for result in earlier if result.kind == kind), None)
