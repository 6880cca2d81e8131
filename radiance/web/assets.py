"""The files that pages load, of extensions too: a handful, read once, their hash in the URL.

A URL with the right hash may be kept for ever; a changed file has another URL. ``VENDORED`` lists
what others wrote, with its origin and SHA-256; a test holds the files against it.
"""

import hashlib
import mimetypes
from functools import cache
from pathlib import Path
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from radiance import extensions
from radiance.errors import NotFound

FOLDER = Path(__file__).parent / "static"
_FOR_EVER = "public, max-age=31536000, immutable"

# uPlot 1.6.32, MIT: the npm package's archive `uplot-1.6.32.tgz`, files from dist/ as they are.
VENDORED = {
    "vendor/uPlot-1.6.32/LICENSE": (
        "8f989229699b4fe2f1a0432d0e9edc338a8a911e250e2d1b01ecd770a5f5b1bd"
    ),
    "vendor/uPlot-1.6.32/uPlot.iife.min.js": (
        "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f"
    ),
    "vendor/uPlot-1.6.32/uPlot.min.css": (
        "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04"
    ),
}


class _File(NamedTuple):
    data: bytes
    media_type: str
    version: str


@cache
def _files() -> dict[str, _File]:
    found = {}
    others = {f"{one.name}/": one.static for one in extensions.installed() if one.static}
    for prefix, folder in {"": FOLDER, **others}.items():
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                data = path.read_bytes()
                kind = mimetypes.guess_type(path.name)[0] or "text/plain"
                version = hashlib.sha256(data).hexdigest()[:12]
                name = prefix + path.relative_to(folder).as_posix()
                found[name] = _File(data, kind, version)
    return found


def url(name: str) -> str:
    """Where a file is served: ``/static/0f3c…/site.css``.

    Raises:
        KeyError: There is no such file.
    """
    return f"/static/{_files()[name].version}/{name}"


def text(name: str) -> str:
    """A file's text, for pages that must stand alone."""
    return _files()[name].data.decode()


async def serve(request: Request) -> Response:
    """GET /static/{version}/{name}: kept for ever where the version is the present one."""
    name, version = request.path_params["name"], request.path_params["version"]
    file = _files().get(name)
    if file is None:
        raise NotFound.named("file", name, "name", "Reload.")
    keep = _FOR_EVER if version == file.version else "no-cache"
    return Response(file.data, media_type=file.media_type, headers={"Cache-Control": keep})


async def favicon(_: Request) -> Response:
    """Where browsers look that show something else than a page of ours."""
    return RedirectResponse(url("favicon.svg"))
