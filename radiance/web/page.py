"""What a page is: plain data of the running service, a template that shows it, its JSON twin.

A page that changes something has ``act`` too: it takes the fields of its form, and the browser is
sent on to where the change can be seen. What ``act`` refuses is said on the same form, with what
was typed. Nothing here needs JavaScript.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import quote, urlencode

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import ImmutableMultiDict
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Match
from starlette.types import Scope as Connection

from radiance.api.auth.access import Access
from radiance.api.auth.keys import Key, Scope
from radiance.api.errors import response_to
from radiance.api.route import JSON, Route
from radiance.api.services import Services, services_of
from radiance.errors import RequestError
from radiance.registry import audit
from radiance.web import events, sheets
from radiance.web.forms import Fields, UnreadableFile, form_route, read_form
from radiance.web.rendering import Data, environment

Describe = Callable[[Services, Request], Data]
Act = Callable[[Services, Request, Fields], str]

_HTML = "text/html"


@dataclass(frozen=True)
class Page:
    """One page.

    Attributes:
        path: Its URL, with parameters as Starlette has them: ``/cycles/{cycle_id}``. Its JSON is at
            the same with ``.json`` behind it.
        title: Of the window.
        template: Name of its template.
        describe: Everything it shows, as JSON could hold it. Runs on a thread; may block.
        topics: What it follows while it is open; see ``events.py``.
        nav: What it is called in the navigation; "" for a page below another.
        section: The path in the navigation that it belongs to; its own where it is "".
        draw: What its template shows besides as ``drawn`` and its JSON does not need: tables and
            charts of what ``describe`` tells.
        act: Does what its form asks for, and says where to go then. Runs on a thread.
        scope: What a key must allow to see it.
        act_scope: What a key must allow to send its form.
        shares_path: Whether the API answers under the same URL those who do not ask for HTML.
        scripts: Static files that it loads besides the ones every page has.
        notices: What it says after a change, by the word in ``?done=`` that brought the browser
            here.
    """

    path: str
    title: str
    template: str
    describe: Describe
    topics: tuple[str, ...] = ()
    nav: str = ""
    section: str = ""
    draw: Describe | None = None
    act: Act | None = None
    scope: Scope | None = "infer"
    act_scope: Scope | None = "admin"
    shares_path: bool = False
    scripts: tuple[str, ...] = ()
    notices: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def routes(self) -> list[BaseRoute]:
        """The page, its JSON twin, and what its form sends."""
        twin = "/overview.json" if self.path == "/" else f"{self.path}.json"
        found: list[BaseRoute] = [
            Route(twin, self._json, self.scope, method="GET", gives=JSON, is_documented=False),
            _PageRoute(self),
        ]
        if self.act is not None:
            found.append(form_route(self.path, self._change, self.act_scope))
        return found

    def _json(self, request: Request) -> Response:
        return JSONResponse(audit.plain(self.describe(services_of(request), request)))

    def _answer(self, request: Request) -> Response:
        if not accepts_html(request.scope) and accepts_json(request.scope):
            return self._json(request)
        if name := request.query_params.get("csv"):
            return self._csv(request, name)
        return self.show(request)

    def _csv(self, request: Request, name: str) -> Response:
        services = services_of(request)
        data = audit.plain(self.describe(services, request))
        drawn = self.draw(services, request) if self.draw else {}
        called = f"{request.url.path.strip('/').replace('/', '-') or 'overview'}-{name}.csv"
        disposition = f"attachment; filename*=UTF-8''{quote(called, safe='')}"
        return Response(
            sheets.to_csv(name, data, drawn),
            media_type="text/csv",
            headers={"Content-Disposition": disposition, "Cache-Control": "no-store"},
        )

    def _links(self, request: Request, name: str) -> dict[str, str]:
        """Where a table of the page is, with the rows in sight."""
        asked = request.query_params.multi_items()
        query = urlencode([pair for pair in asked if pair[0] != "done"])
        twin = "/overview" if self.path == "/" else request.url.path
        return {
            "csv": page_url(request, csv=name, done=None),
            "json": f"{twin}.json{'?' if query else ''}{query}",
        }

    def show(
        self,
        request: Request,
        refusal: RequestError | None = None,
        fields: Fields | None = None,
    ) -> Response:
        """The page as HTML; on a thread, it may block.

        Args:
            request: Of the page or of its form.
            refusal: Why the form was not accepted, and ``fields``, what was typed.
            fields: See above.
        """
        services = services_of(request)
        state = events.state_of(services)  # before the data: what changes meanwhile is told again
        with sheets.linked(partial(self._links, request)):
            return render(
                request,
                self.template,
                page=self,
                notice=self.notices.get(request.query_params.get("done", "")),
                state=state,
                topics=" ".join(self.topics),
                data=self.describe(services, request),
                drawn=self.draw(services, request) if self.draw else {},
                refusal=refusal,
                fields=fields or ImmutableMultiDict(),
            )

    async def _change(self, request: Request) -> Response:
        assert self.act is not None
        services = services_of(request)
        fields: Fields = ImmutableMultiDict()
        try:
            fields = await read_form(request, services.config.server.max_body_bytes)
            target = await run_in_threadpool(self.act, services, request, fields)
        except RequestError as error:
            if isinstance(error, UnreadableFile):
                fields = error.fields
            return await self.refuse(request, request.url.path, error, fields)
        return RedirectResponse(target, 303)

    async def refuse(
        self, request: Request, path: str, error: RequestError, fields: Fields
    ) -> Response:
        """The page again, with why its form was not accepted.

        Args:
            request: Of the form, which may have been sent to another path than the page's.
            path: The page's own, which its links lead to and the browser is to show.
            error: Why; it makes the status.
            fields: What was typed.
        """
        if path != request.url.path:
            own = {"path": path, "raw_path": path.encode(), "query_string": b""}
            request = Request({**request.scope, **own})
        status = response_to(error, path).status_code
        shown = await run_in_threadpool(self.show, request, error, fields)
        shown.status_code = status
        return shown


class _PageRoute(Route):
    """A route for those who read HTML, where the API has the same URL for those who do not."""

    def __init__(self, page: Page) -> None:
        super().__init__(
            page.path, page._answer, page.scope, method="GET", gives=_HTML, is_documented=False
        )
        self._shares_path = page.shares_path

    def matches(self, scope: Connection) -> tuple[Match, Connection]:
        if self._shares_path and not accepts_html(scope):
            return Match.NONE, {}
        return super().matches(scope)


def accepts_html(scope: Connection) -> bool:
    """Whether a browser asks for a page to show."""
    return b"text/html" in _accept(scope)


def accepts_json(scope: Connection) -> bool:
    """Whether JSON was asked for by name."""
    return b"application/json" in _accept(scope)


def _accept(scope: Connection) -> bytes:
    return next((value for name, value in scope.get("headers", ()) if name == b"accept"), b"")


# ── Rendering ───────────────────────────────────────────────────────────────────────────────────


def render(request: Request, template: str, status: int = 200, **context: Any) -> HTMLResponse:
    """A template as a response, with what every page has: navigation, who looks, what they may."""
    key: Key | None = getattr(request.state, "key", None)
    access: Access = request.app.state.access

    def may(scope: Scope | None) -> bool:
        return not access.needs_key or scope is None or (key is not None and key.allows(scope))

    site = request.app.state.site
    shown = {
        "request": request,
        "navigation": [
            (label, [(path, name) for path, name, scope in linked if may(scope)])
            for label, linked in (("Pages", site.navigation), ("Labs", site.labs))
        ],
        "notice": None,
        "may": may,
        "reader": key.name if key is not None else None,
        "needs_key": access.needs_key,
        "is_entry": False,
        **context,
    }
    html = environment().get_template(template).render(shown)
    headers = {"Cache-Control": "no-store", "Vary": "Accept, Cookie"}
    return HTMLResponse(html, status, headers)


def page_url(request: Request, **changed: Any) -> str:
    """The page's own URL with some query parameters changed; None takes one away."""
    asked = [pair for pair in request.query_params.multi_items() if pair[0] not in changed]
    kept = [*asked, *(pair for pair in changed.items() if pair[1] is not None)]
    return f"{request.url.path}?{urlencode(kept)}" if kept else request.url.path


def number_below(request: Request, name: str) -> int | None:
    """The number in a query parameter of a pager; None where it has none.

    Raises:
        RequestError: It is no number.
    """
    given = request.query_params.get(name)
    if given is None:
        return None
    if not given.isdecimal() or len(given) > 18:
        raise RequestError.of(name, "is not a number", given, "Follow the links of the page.")
    return int(given)
