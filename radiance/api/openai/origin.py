"""Who gave an answer, as /v1 names them: weights of this service, or an upstream."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from starlette.requests import Request

from radiance.api.memory_notes import SOURCE, Recollection
from radiance.api.openai.models import SERVING
from radiance.api.openai.running import Event, answers_of, begin
from radiance.api.openai.shapes import Signature, Stamp
from radiance.api.services import Services
from radiance.engine import requests as engine
from radiance.engine.requests import Answer
from radiance.fallback.chain import LOCAL
from radiance.fallback.providers import UpstreamRequest
from radiance.records import CheckpointStatus

PROVIDER = "X-Radiance-Provider"


class OfWeights(Protocol):
    """What says which weights it is of: ``Started``, ``Answer``, ``Scored``."""

    @property
    def checkpoint_id(self) -> str | None: ...
    @property
    def checkpoint_status(self) -> str: ...
    @property
    def adapter_hash(self) -> str: ...


@dataclass(frozen=True)
class Origin:
    """Who answers.

    Attributes:
        model: Exact name, as a ``model`` that means them again.
        system_fingerprint: Content hashes of the base and of the adapter on it.
        headers: The response headers that say the same.
    """

    model: str
    system_fingerprint: str
    headers: dict[str, str]

    def sign(self, stamp: Stamp) -> Signature:
        """What every part of an answer begins with."""
        return Signature(stamp.id, stamp.created, self.model, self.system_fingerprint)


def of_weights(services: Services, given: OfWeights) -> Origin:
    """The weights that gave something."""
    checkpoint, adapter = given.checkpoint_id or "base", given.adapter_hash or "none"
    is_live = given.checkpoint_status == CheckpointStatus.TRAINING
    return Origin(
        model=f"{SERVING}:{'training' if is_live else checkpoint}",
        system_fingerprint=f"base:{services.engine.base.content_hash}+adapter:{adapter}",
        headers={
            PROVIDER: LOCAL,
            SOURCE: "weights",
            "X-Radiance-Checkpoint": checkpoint,
            "X-Radiance-Adapter": adapter,
        },
    )


def of_upstream(provider: str) -> Origin:
    """An upstream of the fallback chain."""
    name = f"upstream:{provider}"
    return Origin(name, name, {PROVIDER: provider, SOURCE: "upstream"})


def of_memory(recalled: Recollection) -> Origin:
    """The text of an accepted example or of a document, or what a question could mean."""
    note = recalled.note
    ids = [match.example_id for match in note.matches] if note else []
    if note is not None and note.passage is not None:
        ids.append(note.passage.passage_id)
    name = f"memory:{'+'.join(ids)}"
    return Origin(name, name, {PROVIDER: LOCAL, **recalled.headers})


async def whole(
    request: Request,
    services: Services,
    wanted: Sequence[engine.Request],
    asked: UpstreamRequest | None,
    recalled: Recollection | None = None,
) -> tuple[Origin, list[Answer] | str]:
    """The answers and who gave them; a text where it was an upstream.

    Args:
        request: The HTTP request.
        services: The running service's.
        wanted: What the engine is asked.
        asked: The same for an upstream; None where it cannot be asked that.
        recalled: What memory has to say; a text of it is the answer.
    """
    if recalled is not None and recalled.text is not None:
        return of_memory(recalled), recalled.text
    given = await services.chain.answer(lambda: answers_of(request, services, wanted), asked)
    if isinstance(given.value, str):
        return of_upstream(given.provider), given.value
    return _noting(of_weights(services, given.value[0]), recalled), given.value


async def begun(
    request: Request,
    services: Services,
    wanted: Sequence[engine.Request],
    asked: UpstreamRequest | None,
    recalled: Recollection | None = None,
) -> tuple[Origin, AsyncGenerator[tuple[int, Event], None] | str]:
    """As ``whole``, while the answers come: what happens to each request, by its place."""
    if recalled is not None and recalled.text is not None:
        return of_memory(recalled), recalled.text
    given = await services.chain.answer(lambda: begin(request, services, wanted), asked)
    if isinstance(given.value, str):
        return of_upstream(given.provider), given.value
    started, events = given.value
    return _noting(of_weights(services, started), recalled), events


def _noting(origin: Origin, recalled: Recollection | None) -> Origin:
    """The weights, with the example in whose words they were asked."""
    if recalled is None:
        return origin
    return replace(origin, headers={**origin.headers, **recalled.headers})
