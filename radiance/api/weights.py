"""Which weights a request names: nothing, "base", "stable", "training" or a checkpoint's id."""

from starlette.concurrency import run_in_threadpool

from radiance.api.rooms import Rooms
from radiance.engine.requests import BASE, SERVING, TRAINING, Weights
from radiance.errors import CorruptCheckpoint, NotFound
from radiance.pipeline import weights_of as weights_of_checkpoint

_NAMED = {"base": BASE, "stable": SERVING, "training": TRAINING}


async def weights_of(rooms: Rooms, name: str | None, field: str = "checkpoint") -> Weights:
    """The weights of a name; None is whatever serves.

    Args:
        rooms: The running service's.
        name: As the request has it.
        field: Where it stood, for the error.

    Raises:
        NotFound: There is no such checkpoint.
        CorruptCheckpoint: Its files are gone.
    """
    if name is None:
        return SERVING
    if name in _NAMED:
        return _NAMED[name]
    try:
        checkpoint = await run_in_threadpool(rooms.registry.get, name)
    except NotFound:
        raise NotFound(
            f'{field}: there is no checkpoint "{name}".',
            field=field,
            value=name,
            remedy='Send "base", "stable", "training", or an id of GET /checkpoints.',
        ) from None
    weights = weights_of_checkpoint(checkpoint, rooms.registry)
    if weights.path is None or not weights.path.is_dir():
        raise CorruptCheckpoint(f"{name}: its files are gone from adapters/")
    return weights
