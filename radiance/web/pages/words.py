"""The words of the trade, each in a sentence; other pages link to it where they use one."""

from starlette.requests import Request

from radiance.api.services import Services
from radiance.web.glossary import TERMS
from radiance.web.page import Data, Page

_NATS = (
    "How surprised a model is by a text: 0 is certain, 0.7 a toss of a coin at each word, more is"
    " worse."
)


def describe(_: Services, __: Request) -> Data:
    """Every word, in the order of the alphabet."""
    known = {**{term.name: term.meaning for term in TERMS}, "nats per token": _NATS}
    found = sorted(known.items(), key=lambda term: term[0].lower())
    return {"words": [{"word": word, "meaning": meaning} for word, meaning in found]}


PAGE = Page(path="/words", title="Words", template="words.html", describe=describe)
