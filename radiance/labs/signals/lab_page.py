"""The signal lab in the dashboard: its knobs, the run under way, a result.

What is drawn comes from ``signals/page.py``; its script talks to the lab's routes in the API.
"""

from typing import Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from radiance.api.bodies import read_form
from radiance.api.services import Services, services_of
from radiance.errors import Conflict, RequestError
from radiance.labs.signals import store
from radiance.labs.signals.routes import earlier_than
from radiance.labs.signals.runs import Runs
from radiance.labs.signals.settings import PRESETS, Study, knobs, read_study
from radiance.labs.signals.view import page
from radiance.web.pages import Data, Page, form_route


def describe(services: Services, request: Request) -> Data:
    """Presets, knobs, the run under way, what is kept, and the result that is shown."""
    kept = services.extension(Runs).kept()
    shown = request.query_params.get("run", "") or (kept[0] if kept else "")
    result = store.load(services.extension(Runs).folder, shown) if shown else None
    found = {
        "presets": PRESETS,
        "knobs": knobs(),
        "latest": services.extension(Runs).latest,
        "kept": kept,
        "shown": shown or None,
        "result": result,
    }
    return msgspec.to_builtins(found, str_keys=True)


def draw(services: Services, request: Request) -> Data:
    """The same as HTML of the lab's own."""
    return _drawn(services, request.query_params.get("run", ""), None, None)


def _drawn(
    services: Services, run_id: str, study: Study | None, refusal: RequestError | None
) -> Data:
    lab = services.extension(Runs)
    kept = lab.kept()
    name = run_id or (kept[0] if kept else "")
    shown = None
    if name:
        result = store.load(lab.folder, name)
        shown = (name, result, earlier_than(lab.folder, name))
        study = study or result.study
    return {"body": page.body(study or PRESETS["default"], lab.latest, kept, shown, refusal)}


async def send_form(request: Request) -> Response:
    """The page's form, for browsers without JavaScript: starts a run."""
    services = services_of(request)
    fields = await read_form(request, services.config.server.max_body_bytes)
    study = PRESETS["default"]
    try:
        study = read_study(page.read_form(fields))
        await run_in_threadpool(services.extension(Runs).start, study)
    except RequestError as error:
        drawn: Any = await run_in_threadpool(_drawn, services, "", study, error)
        answer = await run_in_threadpool(PAGE.show, request, drawn=drawn)
        answer.status_code = 409 if isinstance(error, Conflict) else 400
        return answer
    return RedirectResponse(PAGE.path, 303)


async def send_cancel(request: Request) -> Response:
    """The page's cancel button, for browsers without JavaScript."""
    services = services_of(request)
    fields = await read_form(request, services.config.server.max_body_bytes)
    await run_in_threadpool(services.extension(Runs).cancel, fields.get("run_id", [""])[0])
    return RedirectResponse(PAGE.path, 303)


PAGE = Page(
    path="/signals",
    title="Signal lab",
    template="signals/page.html",
    describe=describe,
    draw=draw,
    nav="Signal lab",
)
ROUTES = [
    form_route(PAGE.path, send_form, "admin"),
    form_route(f"{PAGE.path}/cancel", send_cancel, "admin"),
]
