"""Lists in OpenAI's way: newest first, cut after a limit, continued behind an id."""

from collections.abc import Callable, Collection, Sequence
from typing import TypeVar

from starlette.requests import Request

from radiance.api.bodies import list_limit
from radiance.errors import RequestError

T = TypeVar("T")


def refuse_unknown_queries(request: Request, known: Collection[str]) -> None:
    """Refuse what stands behind the "?" and is not known.

    Raises:
        RequestError: It names the first such parameter.
    """
    for name, value in request.query_params.items():
        if name not in known:
            raise RequestError.of(
                name,
                "is not a known parameter",
                value,
                f"Known here: {', '.join(sorted(known)) or 'none'}.",
            )


def page(
    request: Request, items: Sequence[T], id_of: Callable[[T], str], default: int, most: int
) -> tuple[list[T], bool]:
    """The items that ``after`` and ``limit`` ask for, and whether there are more.

    Raises:
        RequestError: One of the two cannot be used.
    """
    limit = list_limit(request, default, most)
    after, start = request.query_params.get("after"), 0
    if after is not None:
        start = next((n + 1 for n, item in enumerate(items) if id_of(item) == after), 0)
        if not start:
            raise RequestError.of(
                "after",
                "is not the id of anything in this list",
                after,
                "Send the last id of the page before.",
            )
    end = start + limit
    return list(items[start:end]), end < len(items)
