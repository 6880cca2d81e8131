"""Which weights a request names: nothing, "base", "stable", "training" or a checkpoint's id."""

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from radiance.api.rooms import Rooms
from radiance.engine.requests import BASE, SERVING, TRAINING, Weights
from radiance.errors import CorruptCheckpoint, NotFound
from radiance.keys import Key
from radiance.pipeline import weights_of as weights_of_checkpoint

_NAMED = {"base": BASE, "stable": SERVING, "training": TRAINING}


def caller_of(request: Request, named: str | None = None) -> str:
    """Who asks, as a canary tells callers apart: the same for all requests of one.

    Args:
        request: X-Radiance-Key counts most, then ``named``, the API key and the address.
        named: What the body says of its user.
    """
    if given := request.headers.get("x-radiance-key"):
        return f"key:{given}"
    if named:
        return f"user:{named}"
    key: Key | None = getattr(request.state, "key", None)
    if key is not None:
        return f"api:{key.digest}"
    return f"from:{request.client.host if request.client else ''}"


async def weights_of(
    rooms: Rooms, name: str | None, field: str = "checkpoint", caller: str | None = None
) -> Weights:
    """The weights of a name; None is whatever serves, or what a canary has for the caller.

    Args:
        rooms: The running service's.
        name: As the request has it.
        field: Where it stood, for the error.
        caller: Who asks, see ``caller_of``; None: no canary answers.

    Raises:
        NotFound: There is no such checkpoint.
        CorruptCheckpoint: Its files are gone.
    """
    if name is None:
        return SERVING if caller is None else rooms.traffic.route(caller)
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
