"""Of which format a file is, by its first bytes and its name, and what is refused for them."""

import re
from pathlib import PurePath

from radiance.documents import word
from radiance.errors import RequestError
from radiance.records.documents import Format

_SUFFIXES: dict[str, Format] = {
    ".pdf": "pdf",
    ".docx": "word",
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
    ".md": "markdown",
    ".markdown": "markdown",
}
TEXT_SUFFIXES = (".txt", ".text", ".rst", ".org", ".adoc", ".tex", ".log")
SUFFIXES = (*_SUFFIXES, *TEXT_SUFFIXES)
"""How the names of documents end."""
FORMATS = "PDF, Word (.docx), HTML, Markdown and plain text"
_PDF = b"%PDF-"
_PDF_WITHIN = 1024  # bytes, in which its signature stands
_HTML = re.compile(rb"\s*(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body)\b", re.I | re.S)
BEGINNING_BYTES = 4096
_KNOWN_BINARY = {
    b"\xd0\xcf\x11\xe0": "a file of an old Microsoft Office",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"GIF8": "a picture",
    b"\x1f\x8b": "compressed by gzip",
}


def format_of(name: str, content: bytes) -> Format:
    """What a file is, by what it begins with and by its name."""
    if _PDF in content[:_PDF_WITHIN]:
        return "pdf"
    if word.is_word(content):
        return "word"
    named = _SUFFIXES.get(PurePath(name).suffix.lower())
    if named is not None and named not in ("pdf", "word"):  # which their bytes tell
        return named
    return "html" if _HTML.match(content[:BEGINNING_BYTES]) else "text"


def refused(name: str, reason: str, remedy: str) -> RequestError:
    """A file that cannot be read."""
    return RequestError(f"{name}: {reason}.", field="file", value=name, remedy=remedy)


def refuse_binary(name: str, content: bytes) -> None:
    """Refuse what is known to be no text by how it begins.

    Raises:
        RequestError: It is an archive, a picture, or the like.
    """
    if content.startswith(word.SIGNATURE):
        raise refused(name, *word.other_archive(name))
    for begin, what in _KNOWN_BINARY.items():
        if content.startswith(begin):
            raise refused(name, f"is {what}", f"Save it as one of {FORMATS}.")


def refuse_other_than_named(name: str, content: bytes, found: Format) -> None:
    """Refuse what is no PDF or Word document and is called so: most often a download that failed.

    It would stand in the place of the document that it should have been.

    Raises:
        RequestError: It is none, and what it is instead.
    """
    named = _SUFFIXES.get(PurePath(name).suffix.lower())
    if named not in ("pdf", "word") or found not in ("html", "text"):
        return
    refuse_binary(name, content)
    kind = "a web page" if _HTML.match(content[:BEGINNING_BYTES]) else "something else"
    wanted = "PDF" if named == "pdf" else "Word document"
    suffix = ".html" if kind == "a web page" else ".txt"
    raise refused(
        name,
        f"is no {wanted}: it holds {kind}",
        f"Download or save it again; if that is what it should be, give it a name in {suffix}.",
    )
