"""The signal lab in the dashboard: its knobs, the run under way, a result.

It works without JavaScript, by forms and links; ``static/lab.js`` follows a run and fills the knobs
from a preset, over the lab's routes in the API.
"""

from urllib.parse import urlencode

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from radiance.api.services import Services, services_of
from radiance.labs.signals import store
from radiance.labs.signals.knobs import knobs
from radiance.labs.signals.presets import PRESETS, read_start
from radiance.labs.signals.routes import earlier_than, name_kept
from radiance.labs.signals.runs import Runs
from radiance.labs.signals.view import page
from radiance.web.forms import Fields, form_route, read_form
from radiance.web.page import Data, Page


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
        "names": store.given_names(services.extension(Runs).folder),
        "most_name": store.MOST_NAME,
        "shown": shown or None,
        "result": result,
    }
    return msgspec.to_builtins(found, str_keys=True)


def draw(services: Services, request: Request) -> Data:
    """The form as it stands, and the result as tables and charts."""
    lab = services.extension(Runs)
    name = request.query_params.get("run", "") or next(iter(lab.kept()), "")
    if not name:
        return {**page.form(PRESETS["default"]), "shown": None}
    result = store.load(lab.folder, name)
    return {**page.form(result.study), "shown": page.view(result, earlier_than(lab.folder, name))}


def act(services: Services, request: Request, fields: Fields) -> str:
    """Start a run, for browsers without JavaScript; name or delete one that is kept."""
    lab, run_id = services.extension(Runs), fields.get("run_id", "")
    match fields.get("do"):
        case "name":
            name_kept(lab, run_id, fields.get("name", "")[: store.MOST_NAME])
            return f"{PAGE.path}?{urlencode({'run': run_id})}#kept"
        case "delete":
            store.remove(lab.folder, run_id)
        case _:
            given = {**page.study_of(fields), "approver": fields.get("approver", "")}
            lab.start(*read_start(given))
    return PAGE.path


async def send_cancel(request: Request) -> Response:
    """The page's cancel button, for browsers without JavaScript."""
    services = services_of(request)
    fields = await read_form(request, services.config.server.max_body_bytes)
    await run_in_threadpool(services.extension(Runs).cancel, fields.get("run_id", ""))
    return RedirectResponse(PAGE.path, 303)


PAGE = Page(
    path="/signals",
    title="Signal lab",
    template="signals/page.html",
    describe=describe,
    draw=draw,
    act=act,
    nav="Signal lab",
    scripts=("signals/lab.js",),
)
ROUTES = [
    form_route(f"{PAGE.path}/cancel", send_cancel, "admin"),
]
