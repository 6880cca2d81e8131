"""The table of pages, and what hangs them on the application.

To add a page: a module with ``describe(services, request) -> dict`` in ``pages/``, a template that
extends ``layout.html``, and a line in ``PAGES``. docs/ARCHITECTURE.md tells the rest.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute

from radiance import extensions
from radiance.api.auth.keys import Scope
from radiance.api.errors import OPENAI
from radiance.api.route import OPEN, get
from radiance.api.routes import scoped
from radiance.web import assets, events
from radiance.web.page import Page, accepts_html, render
from radiance.web.pages import (
    anchors,
    ask,
    audit,
    checkpoints,
    compare,
    cycles,
    docs,
    documents,
    experiment,
    forgetting,
    gate,
    knowledge,
    learn,
    overview,
    pointer,
    settings,
    signing,
    training,
    words,
)
from radiance.web.rendering import Data, environment
from radiance.web.security import Headers

PAGES: tuple[Page, ...] = (
    overview.PAGE,
    knowledge.PAGE,
    forgetting.PAGE,
    ask.PAGE,
    learn.LIST,
    learn.JOB,
    documents.LIST,
    documents.ONE,
    cycles.LIST,
    cycles.ONE,
    training.PAGE,
    checkpoints.LIST,
    checkpoints.ONE,
    compare.PAGE,
    pointer.PAGE,
    experiment.PAGE,
    gate.LIST,
    gate.ONE,
    anchors.PAGE,
    audit.PAGE,
    settings.PAGE,
    words.PAGE,
    docs.LIST,
    docs.ONE,
)

_LINKS: list[BaseRoute] = [
    *ask.ROUTES,
    *pointer.ROUTES,
    *cycles.ROUTES,
    *documents.ROUTES,
    *signing.ROUTES,
    get("/events", events.stream, "infer", gives="text/event-stream", is_documented=False),
    get("/static/{version}/{name:path}", assets.serve, OPEN, gives="*/*", is_documented=False),
    get("/favicon.ico", assets.favicon, OPEN, gives="image/svg+xml", is_documented=False),
]
Linked = tuple[str, str, Scope | None]
"""Path, name and scope of a page that is linked on every page."""
ROUTES: list[BaseRoute] = [
    *documents.FIRST,
    *(route for page in PAGES for route in page.routes),
    *_LINKS,
]


def all_routes() -> list[BaseRoute]:
    """The routes of every page, of those of the extensions that are installed too."""
    found = list(ROUTES)
    for extension in extensions.installed():
        found += [route for page in extension.pages() for route in page.routes]
        found += scoped(extension.name, extension.page_routes())
    return found


@dataclass
class Site:
    """What the pages of one application share.

    Attributes:
        is_stopping: Whether the server was asked to stop: streams end then.
        navigation: What is linked on every page.
        labs: Likewise, of extensions: below the others.
        verified: What the last look through the audit log found, and when.
    """

    is_stopping: Callable[[], bool]
    navigation: list[Linked]
    labs: list[Linked]
    verified: Data | None = None
    follower: events.Follower = field(default_factory=events.Follower)


def install(app: Starlette, is_stopping: Callable[[], bool] = lambda: False) -> Starlette:
    """Hang the dashboard on an application, in front of its own routes.

    Args:
        app: The application, not yet asked anything.
        is_stopping: Whether the server was asked to stop; an open stream would hold it up.
    """
    added = [page for found in extensions.installed() for page in found.pages()]
    for page in (*PAGES, *added):  # before somebody waits for the first of them
        environment().get_template(page.template)
    app.state.site = Site(is_stopping, _linked(PAGES), _linked(added))
    app.router.routes[:0] = all_routes()
    app.add_middleware(Headers)
    for kind, handler in list(app.exception_handlers.items()):
        app.exception_handlers[kind] = _for_people(handler)
    return app


def _linked(pages: Iterable[Any]) -> list[Linked]:
    return [(page.path, page.nav, page.scope) for page in pages if page.nav]


def _for_people(handler: Any) -> Any:
    """An exception handler that answers browsers with a page that says the same."""

    async def handle(request: Request, error: Exception) -> Response:
        answer = await handler(request, error)
        # Clients of OpenAI's API read JSON, whatever they say that they accept.
        if not accepts_html(request.scope) or request.url.path.startswith(OPENAI):
            return answer
        if answer.status_code == 401:
            return _to_sign_in(request)
        told = json.loads(answer.body)["error"]
        if isinstance(error, HTTPException) and error.status_code == 404:
            told["remedy"] = "Go on from one of the pages in the navigation."
        page = render(request, "error.html", answer.status_code, told=told, page=None)
        page.headers.update({k: v for k, v in answer.headers.items() if k in _KEPT})
        return page

    return handle


def _to_sign_in(request: Request) -> Response:
    """Send a browser to sign in, and then back; where a form was sent, back to its page."""
    url = request.url
    if request.method != "GET":
        came_from = urlsplit(request.headers.get("referer", ""))
        return RedirectResponse(signing.location(came_from.path or "/", came_from.query), 303)
    return RedirectResponse(signing.location(url.path, url.query), 303)


_KEPT = ("retry-after", "allow", "www-authenticate")
