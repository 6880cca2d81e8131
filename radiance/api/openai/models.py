"""GET /v1/models, and which weights a ``model`` means."""

import time

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from radiance.api.openai.shapes import Model, ModelList
from radiance.api.services import Services, services_of
from radiance.api.weights import weights_of
from radiance.engine.requests import Weights
from radiance.errors import NotFound
from radiance.records import Checkpoint

SERVING = "radiance"
_BASE, _STABLE, _TRAINING = "base", "stable", "training"
_MOST_CHECKPOINTS = 1000


class ModelNotFound(NotFound):
    """There are no weights of that name."""

    code = "model_not_found"


def list_models(request: Request) -> ModelList:
    """What serves, the base, and every checkpoint, the newest first."""
    return ModelList(_models(services_of(request)))


def show_model(request: Request) -> Model:
    """One of them."""
    name = request.path_params["model_id"]
    for model in _models(services_of(request)):
        if model.id == name:
            return model
    raise not_found(name)


async def model_weights(services: Services, name: str | None, caller: str) -> Weights:
    """The weights that a ``model`` means; none given: those that serve the caller.

    Raises:
        ModelNotFound: There are none of that name.
    """
    if name is None or name == SERVING:
        return await weights_of(services, None, caller=caller)
    inner = name.removeprefix(f"{SERVING}:")
    named = await run_in_threadpool(services.names.get, name)
    if named is not None:
        inner = named.checkpoint_id
    elif ":" in inner:
        tuned = await run_in_threadpool(_tuned, services)
        inner = tuned[name].parent or "" if name in tuned else ""
    try:
        return await weights_of(services, inner, "model")
    except NotFound:
        raise not_found(name) from None


def not_found(name: str) -> ModelNotFound:
    """The error for a model that does not exist."""
    return ModelNotFound(
        f"There is no model {name!r}.",
        field="model",
        value=name,
        remedy=f"Send {SERVING!r}, or one that GET /v1/models lists.",
    )


def tuned_name(checkpoint_id: str, suffix: str | None) -> str:
    """The name of a model that came of a fine-tuning job: its checkpoint's, with the suffix."""
    name = f"{SERVING}:{checkpoint_id}"
    return name if suffix is None else f"{name}:{suffix}"


def _models(services: Services) -> list[Model]:
    parent = services.registry.current_id()
    started = int(services.started_at.timestamp())
    return [
        _model(services, SERVING, int(time.time()), parent),
        _model(services, f"{SERVING}:{_STABLE}", started, parent),
        _model(services, f"{SERVING}:{_BASE}", started, None),
        *(
            [_model(services, f"{SERVING}:{_TRAINING}", started, parent)]
            if services.pipeline.progress
            else []
        ),
        *_tuned(services).values(),
        *(
            _model(services, named.name, int(named.at.timestamp()), named.checkpoint_id)
            for named in services.names.all()
        ),
        *(
            _checkpoint(services, found)
            for found in services.registry.all(_MOST_CHECKPOINTS)
            if not found.is_pruned
        ),
    ]


def _tuned(services: Services) -> dict[str, Model]:
    """Other names of checkpoints: those that fine-tuning jobs with a suffix made, by name."""
    found = {}
    for job, asked in services.tunings.all():
        if job.checkpoint is not None and asked.suffix is not None and job.finished_at is not None:
            name = tuned_name(job.checkpoint, asked.suffix)
            created = int(job.finished_at.timestamp())
            found[name] = _model(services, name, created, job.checkpoint)
    return found


def _checkpoint(services: Services, found: Checkpoint) -> Model:
    created = int(found.created_at.timestamp())
    return _model(services, f"{SERVING}:{found.checkpoint_id}", created, found.parent_id)


def _model(services: Services, name: str, created: int, parent: str | None) -> Model:
    return Model(
        id=name,
        created=created,
        root=services.config.base_model,
        parent=parent,
        max_model_len=services.engine.encoder.context_tokens,
    )
