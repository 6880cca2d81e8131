"""The words of the trade, each in a sentence; other pages link to it where they use one."""

from starlette.requests import Request

from radiance.api.services import Services
from radiance.web.glossary import TERMS
from radiance.web.page import Data, Page


def describe(_: Services, __: Request) -> Data:
    """Every word, in the order of the alphabet."""
    found = sorted(TERMS, key=lambda term: term.name.lower())
    return {"words": [{"word": term.name, "meaning": term.meaning} for term in found]}


PAGE = Page(path="/words", title="Words", template="words.html", describe=describe)
