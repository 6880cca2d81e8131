"""The docs that Radiance comes with, to be read where it runs."""

from collections.abc import Mapping

from markupsafe import Markup
from starlette.requests import Request

from radiance.api.services import Services
from radiance.errors import NotFound
from radiance.web import handbook
from radiance.web.handbook import Chapter
from radiance.web.page import Data, Page

_PARTS: Mapping[str, tuple[str, ...]] = {
    "Teach and ask": ("DASHBOARD", "MEMORY", "COMMANDS", "MODELS"),
    "From programs": ("API", "OPENAI", "CLIENTS", "CLIENT", "MCP"),
    "Run it": ("OPERATING", "SETTINGS", "ACCESS", "LIMITS", "METRICS"),
    "Finance labs": ("ALPHAS", "YOUR_SIGNAL", "DEPLOYMENT_PLAYBOOK"),
}
_REST = "How it works"


def describe(_: Services, __: Request) -> Data:
    """Every chapter by the part that it belongs to, with its first sentence."""
    left = dict(handbook.chapters())
    parts: list[tuple[str, list[Chapter]]] = []
    for name, wanted in _PARTS.items():
        parts.append((name, [left.pop(each) for each in wanted if each in left]))
    parts.append((_REST, list(left.values())))
    return {
        "parts": [
            {"name": name, "chapters": [_told(each) for each in held]}
            for name, held in parts
            if held
        ]
    }


def _told(chapter: Chapter) -> Data:
    return {"name": chapter.name, "title": chapter.title, "about": chapter.about}


def _chapter(request: Request) -> Chapter:
    name = request.path_params["chapter"]
    found = handbook.chapters().get(name)
    if found is None:
        raise NotFound(
            f"There is no chapter {name!r} of the docs.",
            field="chapter",
            value=name,
            remedy="Use one that the page of the docs lists.",
        )
    return found


def describe_one(_: Services, request: Request) -> Data:
    """One chapter as Markdown."""
    chapter = _chapter(request)
    return {**_told(chapter), "text": chapter.text}


def draw_one(_: Services, request: Request) -> Data:
    """The same as HTML: of our own files, in which no markup but Markdown's is let through."""
    chapter = _chapter(request)
    return {
        "html": Markup(handbook.to_html(chapter)),
        "headings": handbook.headings(chapter),
    }


LIST = Page(path="/docs", title="Docs", template="docs.html", describe=describe)
ONE = Page(
    path="/docs/{chapter}",
    title="Docs",
    template="chapter.html",
    describe=describe_one,
    draw=draw_one,
    section="/docs",
)
