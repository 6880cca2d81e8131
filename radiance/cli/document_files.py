"""Documents from files and folders, sent to a service one after the other."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import click

from radiance.cli.client import Answer, ServiceClient
from radiance.cli.output import describe, note, one_line, printed_as_json
from radiance.documents.kinds import SUFFIXES
from radiance.errors import RequestError
from radiance.limits import DOCUMENT_BYTES

_TIMEOUT_S = 180.0
_SHOWN = 5
_MAY_HOLD_EXAMPLES = (".txt", ".text", ".log")


def is_document(path: str) -> bool:
    """Whether a path is a document or a folder of them, and no file of examples."""
    if path == "-":
        return False
    found = Path(path)
    if found.is_dir():
        return True
    suffix = found.suffix.lower()
    if suffix not in SUFFIXES:
        return False
    return suffix not in _MAY_HOLD_EXAMPLES or not _begins_with_an_object(found)


def _begins_with_an_object(path: Path) -> bool:
    with path.open("rb") as opened:
        return opened.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{")


def send(
    client: ServiceClient, path: Path, name: str | None, tags: Sequence[str], again: bool = False
) -> bool:
    """Send a document, or those of a folder; whether all were taken.

    One that cannot be read does not keep the others.

    Args:
        client: Where to.
        path: The file, or the folder.
        name: What a single file is called; None is its own name.
        tags: Tags of each.
        again: Whether what was forgotten of them is to be known again.

    Raises:
        RequestError: The only one cannot be read, or the folder has none.
    """
    if not path.is_dir():
        _tell(_send(client, path, name or path.name, tags, again))
        return True
    found = _look(path)
    files = [file for file in found.files if file.suffix.lower() in SUFFIXES]
    if not files:
        raise RequestError(
            f"{path}: there are no documents in it.",
            field="file",
            value=str(path),
            remedy=f"Documents end in {', '.join(SUFFIXES)}.",
        )
    kept, sent = 0, 0
    try:
        for file in files:
            name = (Path(path.resolve().name) / file.relative_to(path)).as_posix()
            try:
                _tell(_send(client, file, name, tags, again))
                kept += 1
            except RequestError as error:
                note(f"Not taken: {_naming(file, name, error)}")
            sent += 1
    finally:
        rest = len(files) - sent
        note(f"{kept} of {len(files)} documents are kept.")
        if rest:
            were = "was" if rest == 1 else "were"
            note(f"{rest} {were} not sent. Send the folder again: what is kept is known already.")
    _list("Left out, as they are no documents", [f for f in found.files if f not in files], path)
    _list("Left out, as they are links to folders", found.links, path)
    _list("Left out, as they cannot be read", found.unread, path)
    return kept == len(files) and not found.unread


@dataclass
class _Found:
    """What is in a folder and below it, but for what is hidden.

    Attributes:
        links: To folders; they are not followed, for they may lead out of what was meant.
        unread: Folders that cannot be looked into, and links that lead nowhere.
    """

    files: list[Path] = field(default_factory=list)
    links: list[Path] = field(default_factory=list)
    unread: list[Path] = field(default_factory=list)


def _look(folder: Path) -> _Found:
    found = _Found()
    walked = os.walk(folder, onerror=lambda error: found.unread.append(Path(error.filename)))
    for above, folders, names in walked:
        folders[:] = [name for name in folders if not name.startswith(".")]
        found.links += [path for name in folders if (path := Path(above, name)).is_symlink()]
        for path in (Path(above, name) for name in names if not name.startswith(".")):
            if path.is_file():
                found.files.append(path)
            elif path.is_symlink():
                found.unread.append(path)
    found.files.sort()
    return found


def _list(what: str, found: Sequence[Path], folder: Path) -> None:
    if found:
        names = [path.relative_to(folder).as_posix() for path in found]
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        note(one_line(f"{what}: {', '.join(names[:_SHOWN])}{more}."))


def _naming(path: Path, name: str, error: RequestError) -> str:
    """The refusal of a document, with its remedy; it begins with the document."""
    told = describe(error)
    return told if told.startswith((str(path), name)) else one_line(f"{path}: {told}")


def _send(client: ServiceClient, path: Path, name: str, tags: Sequence[str], again: bool) -> Answer:
    try:
        size = path.stat().st_size
        content = path.read_bytes() if size <= DOCUMENT_BYTES.value else b""
    except OSError as error:
        raise RequestError(
            f"{path}: cannot be read ({error.strerror}).",
            field="file",
            value=str(path),
            remedy="Look at its permissions.",
        ) from None
    if size > DOCUMENT_BYTES.value or not content:
        reason = f"has {size} bytes; the limit is {DOCUMENT_BYTES.value}" if size else "is empty"
        raise RequestError(
            f"{path}: {reason}.",
            field="file",
            value=str(path),
            remedy="Split it." if size else "Send a document that says something.",
        )
    # A name that is no text on this system has marks in the place of what cannot be read.
    told = name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    fields = [("name", told), *(("tags", tag) for tag in tags)]
    if again:
        fields.append(("again", "true"))
    return client.post_file("/documents", fields, content, timeout_s=_TIMEOUT_S)


def _tell(answer: Answer) -> None:
    if printed_as_json(answer):
        return
    document = answer["document"]
    count = document["passages"]
    told = f"{document['id']}: {document['name']}, {count} passage{'s' * (count != 1)}"
    if not answer["is_new"]:
        told += ", known already"
    if answer["replaces"]:
        told += f", in the place of {answer['replaces']}"
    note(one_line(f"{told}. {answer['learned']}"))
    if left_out := document.get("left_out"):
        are = "s of it are" if left_out > 1 else " of it is"
        note(
            f"{left_out} passage{are} left out, for words that were forgotten. To have all of it"
            " known again, send it with --again."
        )
    if alike := answer.get("alike"):
        note(
            f"Some of it stands word for word in {', '.join(alike)}, under another name, and is"
            " answered from there as well. To replace one, send this with its name (--name)."
        )
    click.echo(document["id"])
