"""What a page's form sends, bounded and as text."""

from collections.abc import Iterable

from starlette.datastructures import ImmutableMultiDict, UploadFile
from starlette.requests import Request

from radiance.api.auth.keys import Scope
from radiance.api.route import Handler, Route
from radiance.errors import RequestError, TooLarge

Fields = ImmutableMultiDict[str, str]
"""By name the last value; ``getlist`` has every one of a name."""

_MOST_FIELDS = 1000


def form_route(path: str, handler: Handler, scope: Scope | None) -> Route:
    """A route that takes the fields of a page's form and sends the browser on."""
    return Route(
        path,
        handler,
        scope,
        method="POST",
        takes=dict[str, str],
        takes_media="application/x-www-form-urlencoded",
        gives="text/html",
        is_documented=False,
    )


async def read_form(request: Request, max_bytes: int) -> Fields:
    """The fields of a form; a file counts as its text.

    Raises:
        TooLarge: It has more than ``max_bytes``.
        RequestError: A file is not text.
    """
    declared = request.headers.get("content-length", "")
    if not declared.isdigit() or int(declared) > max_bytes:
        raise TooLarge(
            f"The form has more than {max_bytes} bytes.",
            remedy="Split it, or raise server.max_body_bytes in radiance.toml.",
        )
    async with request.form(max_files=4, max_fields=_MOST_FIELDS, max_part_size=max_bytes) as form:
        return ImmutableMultiDict(
            [
                (name, await _text(name, value) if isinstance(value, UploadFile) else value)
                for name, value in form.multi_items()
            ]
        )


def chosen_action(fields: Fields, known: Iterable[str]) -> str:
    """Which of a page's actions the pressed button names.

    Raises:
        RequestError: None of them.
    """
    action, names = fields.get("do", ""), list(known)
    if action not in names:
        raise RequestError(
            f"do: {action!r} is not a known action.",
            field="do",
            value=action,
            remedy=f"One of {', '.join(names)}.",
        )
    return action


async def _text(name: str, file: UploadFile) -> str:
    try:
        return (await file.read()).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise RequestError(
            f"{file.filename}: is not text in UTF-8.",
            field=name,
            value=file.filename,
            remedy="Save it as UTF-8 and send it again.",
        ) from None
