"""Which weights a request names: nothing, "base", "stable", "training" or a checkpoint's id."""

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from radiance.api.auth.keys import Key
from radiance.api.services import Services
from radiance.engine.requests import SERVING, Weights
from radiance.errors import NotFound
from radiance.release.pointer import NAMED


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


def key_of(request: Request) -> str:
    """The digest of the API key that a request came with; "" where it came without one."""
    key: Key | None = getattr(request.state, "key", None)
    return "" if key is None else key.digest


async def weights_of(
    services: Services, name: str | None, field: str = "checkpoint", caller: str | None = None
) -> Weights:
    """The weights of a name; None is whatever serves, or what a canary has for the caller.

    Args:
        services: The running service's.
        name: As the request has it.
        field: Where it stood, for the error.
        caller: Who asks, see ``caller_of``; None: no canary answers.

    Raises:
        NotFound: There is no such checkpoint.
        CorruptCheckpoint: Its files are gone.
    """
    if name is None:
        return SERVING if caller is None else services.canary.route(caller)
    if name in NAMED:  # what needs no disk needs no thread
        return NAMED[name]
    try:
        return await run_in_threadpool(services.pointer.weights, name)
    except NotFound:
        raise NotFound(
            f'{field}: there is no checkpoint "{name}".',
            field=field,
            value=name,
            remedy='Send "base", "stable", "training", or an id of GET /checkpoints.',
        ) from None
