"""POST /import: an adapter made elsewhere becomes a checkpoint."""

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.requests import Request

from radiance.api.bodies import refuse_forbidden
from radiance.api.services import services_of
from radiance.errors import BadAdapter
from radiance.exchange.importing import import_adapter
from radiance.records import Checkpoint


class ImportBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /import: a directory on the service's machine, and what to call it."""

    path: Annotated[str, Meta(min_length=1, max_length=4096)]
    source: Annotated[str, Meta(max_length=500)] = ""


def import_checkpoint(request: Request, body: ImportBody) -> Checkpoint:
    """Read an adapter or a fused model, check all of it, and commit it; it is not served."""
    services = services_of(request)
    for field, text in (("path", body.path), ("source", body.source)):
        refuse_forbidden(text, field, BadAdapter)
    path = Path(body.path)
    return import_adapter(path, services.engine, services.registry, "api", body.source)
