"""Examples as pages show them: on one line, each turn by itself. Pure."""

from collections.abc import Iterable

from radiance.api.lineage import shown_turns
from radiance.records import Example
from radiance.web.page import Data


def told(example: Example) -> Data:
    """One example."""
    turns = shown_turns(example)
    return {"id": example.id, "text": " → ".join(turns), "turns": turns}


def all_told(examples: Iterable[Example]) -> list[Data]:
    """Several, in their order."""
    return [told(example) for example in examples]
