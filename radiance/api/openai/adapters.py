"""vLLM's POST /v1/load_lora_adapter and /v1/unload_lora_adapter: adapters made elsewhere, by name.

One that is loaded is imported as a checkpoint for good, checked in full; the name is what comes and
goes. It serves whoever asks for it by that name, and nobody else.
"""

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from radiance.api.auth.access import actor_of
from radiance.api.bodies import refuse_forbidden
from radiance.api.openai.models import SERVING
from radiance.api.services import services_of
from radiance.errors import BadAdapter, RequestError
from radiance.exchange.importing import import_adapter
from radiance.registry.names import refuse_taken

_Name = Annotated[str, Meta(min_length=1, max_length=256, pattern=r"^[\w./-]+$")]


class LoadBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /v1/load_lora_adapter.

    Attributes:
        lora_name: What to send as ``model`` from then on.
        lora_path: A directory on the service's machine, of mlx-lm or PEFT.
        load_inplace: Whether a name that is taken may mean this one from now on.
    """

    lora_name: _Name
    lora_path: Annotated[str, Meta(min_length=1, max_length=4096)]
    load_inplace: bool = False


class UnloadBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /v1/unload_lora_adapter."""

    lora_name: _Name
    lora_int_id: None = None


def load_adapter(request: Request, body: LoadBody) -> Response:
    """Import an adapter under a name; text as vLLM answers."""
    services = services_of(request)
    if body.lora_name == SERVING or body.lora_name.startswith("A_"):
        raise RequestError.of(
            "lora_name",
            f"{body.lora_name!r} means something here",
            body.lora_name,
            "Choose another name.",
        )
    refuse_forbidden(body.lora_path, "lora_path", BadAdapter)
    if not body.load_inplace:
        refuse_taken(body.lora_name, services.names.get(body.lora_name))
    try:
        found = import_adapter(
            Path(body.lora_path), services.engine, services.registry, actor_of(request)
        )
    except BadAdapter as error:
        raise BadAdapter(
            str(error), field="lora_path", value=body.lora_path, remedy=error.remedy
        ) from None
    services.names.give(body.lora_name, found.checkpoint_id, replace=body.load_inplace)
    return PlainTextResponse(f"Success: LoRA adapter '{body.lora_name}' added successfully.")


def unload_adapter(request: Request, body: UnloadBody) -> Response:
    """Forget a name; the checkpoint stays, and requests in flight finish on it."""
    services_of(request).names.take(body.lora_name)
    return PlainTextResponse(f"Success: LoRA adapter '{body.lora_name}' removed successfully.")
