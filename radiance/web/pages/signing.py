"""Signing in with an API key, where one is needed, and out again."""

from urllib.parse import urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from radiance.api.auth import sessions
from radiance.api.auth.access import Access
from radiance.api.route import OPEN, get
from radiance.web.forms import form_route, read_form
from radiance.web.page import render

PATH = "/sign-in"
_MOST_BYTES = 10_000


def location(path: str, query: str = "") -> str:
    """Where somebody signs in who then goes on to ``path``."""
    target = f"{path}?{query}" if query else path
    return PATH if target == "/" else f"{PATH}?{urlencode({'next': target})}"


def _target(request: Request) -> str:
    """The path of ours to go on to; whatever else was written there leads to the first page."""
    given = request.query_params.get("next", "/")
    try:
        parts = urlsplit(given)
    except ValueError:
        return "/"
    # A second slash, or a backslash, would make the next word the name of another host.
    is_ours = given.startswith("/") and given[1:2] not in ("/", "\\")
    return given if is_ours and not parts.netloc and not parts.scheme else "/"


async def show(request: Request) -> Response:
    """The form."""
    access: Access = request.app.state.access
    if not access.needs_key:
        return RedirectResponse(_target(request), 303)
    return _form(request, 200, "")


async def enter(request: Request) -> Response:
    """Take the key, and keep a session in the browser."""
    access: Access = request.app.state.access
    fields = await read_form(request, _MOST_BYTES)
    secret = fields.get("key", "").strip()
    session = access.sign_in(secret) if secret else None
    if session is None:
        refusal = "This key is not known here." if secret else "There is no key in the box."
        return _form(request, 403, refusal)
    response = RedirectResponse(_landing(request, access, secret), 303)
    sessions.keep(response, request, session)
    return response


def _landing(request: Request, access: Access, secret: str) -> str:
    """Where to go on: the page that was asked for, or the first that the key may see."""
    target, key = _target(request), access.key_of(secret)
    if target != "/" or key is None or key.allows("infer"):
        return target
    pages = request.app.state.site.navigation
    return next((path for path, _, scope in pages if scope is None or key.allows(scope)), target)


async def leave(request: Request) -> Response:
    """End the session."""
    access: Access = request.app.state.access
    if (secret := sessions.secret_in(request)) is not None:
        access.sessions.end(secret)
    response = RedirectResponse(PATH, 303)
    sessions.drop(response, request)
    return response


def _form(request: Request, status: int, refusal: str) -> Response:
    action = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return render(
        request, "sign_in.html", status, page=None, action=action, refused=refusal, is_entry=True
    )


ROUTES = [
    get(PATH, show, OPEN, gives="text/html", is_documented=False),
    form_route(PATH, enter, OPEN),
    form_route("/sign-out", leave, OPEN),
]
