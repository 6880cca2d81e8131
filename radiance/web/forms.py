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
_ZIP = b"PK\x03\x04"  # as spreadsheets and word processors save


class UnreadableFile(RequestError):
    """A file of a form is not text.

    Attributes:
        fields: The other fields, so that what was typed can be shown again.
    """

    fields: Fields = ImmutableMultiDict()


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
        UnreadableFile: A file is not text.
    """
    declared = request.headers.get("content-length", "")
    if not declared.isdigit() or int(declared) > max_bytes:
        raise TooLarge(
            f"The form has more than {max_bytes} bytes.",
            remedy="Split it, or raise server.max_body_bytes in radiance.toml.",
        )
    async with request.form(max_files=4, max_fields=_MOST_FIELDS, max_part_size=max_bytes) as form:
        given, sent = [], []
        for name, value in form.multi_items():
            if isinstance(value, UploadFile):
                sent.append((name, value))
            else:
                given.append((name, value))
        try:
            texts = [(name, await _text(name, file)) for name, file in sent]
        except UnreadableFile as error:
            error.fields = ImmutableMultiDict(given)
            raise
        return ImmutableMultiDict([*given, *texts])


def chosen_action(fields: Fields, known: Iterable[str]) -> str:
    """Which of a page's actions the pressed button names.

    Raises:
        RequestError: None of them.
    """
    action, names = fields.get("do", ""), list(known)
    if action not in names:
        raise RequestError.of(
            "do", f"{action!r} is not a known action", action, f"Send one of {', '.join(names)}."
        )
    return action


async def _text(name: str, file: UploadFile) -> str:
    content = await file.read()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        is_packed = content.startswith(_ZIP)
        raise UnreadableFile(
            f"{file.filename} is {'no text, but packed' if is_packed else 'not text in UTF-8'}.",
            field=name,
            value=file.filename,
            remedy="Save a spreadsheet as CSV, or copy its cells and paste them."
            if is_packed
            else "Save it as UTF-8 and send it again.",
        ) from None
