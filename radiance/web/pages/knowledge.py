"""What it knows: every fact as it stands now, with what can be done about it."""

import msgspec
from starlette.requests import Request

from radiance.api.knowledge import VIEWS, knowledge
from radiance.api.services import Services
from radiance.web.page import Data, Page, page_url
from radiance.web.pages.anchors import described

_PER_PAGE = 25
_ALWAYS = ("known", "all")  # views that are offered though nothing stands so


def describe(services: Services, request: Request) -> Data:
    """A page of facts that match ``?q=``, ``?tag=`` and ``?view=``."""
    found = knowledge(services, request, _PER_PAGE)
    counts = {**found.counts, "all": sum(found.counts[state] for state in VIEWS[2:-1])}
    shown = [view for view in VIEWS if counts[view] or view in (*_ALWAYS, found.view)]
    facts = [
        {**msgspec.to_builtins(fact), "overwrote": described(services, fact.overwrote)}
        for fact in found.facts
    ]
    return {
        **msgspec.to_builtins(found),
        "facts": facts,
        "sent": counts["all"],
        "recalls": services.recalls,
        "q": request.query_params.get("q", ""),
        "tag": request.query_params.get("tag", ""),
        "views": [
            {"view": view, "count": counts[view], "url": page_url(request, view=view, before=None)}
            for view in shown
        ],
        "everywhere": page_url(request, view="all", before=None),
        "older": page_url(request, before=found.before) if found.before else None,
        "newer": page_url(request, before=None) if request.query_params.get("before") else None,
    }


PAGE = Page(
    path="/knowledge",
    title="What it knows",
    template="knowledge.html",
    describe=describe,
    topics=("queue", "serving"),
    nav="What it knows",
    shares_path=True,
)
