"""What checkpoints are called on pages: the name that a person gave, else what was learned."""

from collections.abc import Iterable

from radiance.api.services import Services
from radiance.records import Checkpoint
from radiance.records.text import short
from radiance.registry.labels import labels
from radiance.web.page import Data
from radiance.web.told import told

_MOST_CHARACTERS = 50


def names(services: Services) -> dict[str, str]:
    """By checkpoint the name that a person gave it."""
    return {id: label.name for id, label in labels(services.registry.db).items() if label.name}


def firsts(services: Services, listed: Iterable[Checkpoint]) -> dict[str, Data]:
    """By checkpoint the first example that it learned, as far as it is there."""
    ids = {f"{c.job_ids[0]}.0": c.checkpoint_id for c in listed if c.job_ids}
    return {ids[example.id]: told(example) for example in services.examples.by_ids(list(ids))}


def that_may_serve(services: Services, listed: Iterable[Checkpoint]) -> list[str]:
    """The ids of those checkpoints that have their weights and learned nothing forgotten since."""
    never = services.registry.withdrawn()
    return [c.checkpoint_id for c in listed if c.checkpoint_id not in never and not c.is_pruned]


def choices(services: Services, listed: Iterable[Checkpoint]) -> dict[str, str]:
    """By checkpoint how it reads in a list to choose from: its id, and what it is known by."""
    checkpoints = list(listed)
    called = {id: first["turns"][0] for id, first in firsts(services, checkpoints).items()}
    called |= names(services)
    return {
        c.checkpoint_id: f"{c.checkpoint_id}: {short(called[c.checkpoint_id], _MOST_CHARACTERS)}"
        for c in checkpoints
        if called.get(c.checkpoint_id)
    }
