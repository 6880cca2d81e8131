"""What a file says, by its format: PDF, Word, HTML, Markdown, plain text. Pure.

pypdf reads PDF, mammoth Word (``word``), markdown-it-py Markdown, Python's own html.parser HTML;
each is kept by many. What is no document of these is refused with its place and a remedy.
"""

import io
import re
import unicodedata
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

from radiance.documents import word
from radiance.documents.kinds import (
    BEGINNING_BYTES,
    FORMATS,
    format_of,
    refuse_binary,
    refuse_other_than_named,
    refused,
)
from radiance.documents.passages import Content, TextBlock
from radiance.errors import RequestError, TooLarge
from radiance.limits import DOCUMENT_CHARACTERS, DOCUMENT_PAGES
from radiance.records.documents import Format
from radiance.records.text import forbidden, normal

_CHARSET = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([\w.:-]{1,40})""", re.I)
_FRONT_MATTER = re.compile(r"---[ \t]*\n.*?\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.S)
# How PDFs are set, not how words are written: nobody who looks for "first" types one.
_LIGATURES = {ord(c): unicodedata.normalize("NFKC", c) for c in "ﬀﬁﬂﬃﬄﬅﬆ"}
_HYPHENATED = re.compile(r"(?<=[a-zà-ÿ])-\n(?=[a-zà-ÿ])")
_BLOCKS = frozenset(
    """
    address article aside blockquote body br caption center dd details dialog div dl dt fieldset
    figcaption figure footer form h1 h2 h3 h4 h5 h6 header hr html legend li main menu nav ol
    option p pre section select summary table tbody tfoot thead tr ul
    """.split()  # noqa: SIM905 - as a list it would take a screen
)
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
# What is not said to a reader. Those without an end tag cannot be among them.
_SILENT = frozenset("head script style template noscript svg math nav form button".split())  # noqa: SIM905
_MOST_HEADING = 200


def read(name: str, content: bytes) -> tuple[Format, Content]:
    """What a file says, and its format.

    Raises:
        RequestError: It is no document that can be read; TooLarge where it says too much.
    """
    found = format_of(name, content)
    if not content.strip():
        raise refused(name, "is empty", "Send a file that says something.")
    refuse_other_than_named(name, content, found)
    if found == "pdf":
        said = _read_pdf(name, content)
    elif found == "word":
        said = _read_word(name, content)
    else:
        text = _text(name, content, is_html=found == "html")
        reader = {"html": _read_html, "markdown": _read_markdown, "text": _read_text}[found]
        said = reader(text)
    if not said.blocks:
        raise refused(name, "has no text", "Send a document that says something.")
    characters = sum(len(block.text) for block in said.blocks)
    if characters > DOCUMENT_CHARACTERS.value:
        raise TooLarge(
            f"{name}: has {characters} characters of text; the limit is"
            f" {DOCUMENT_CHARACTERS.value}.",
            field="file",
            value=characters,
            remedy="Split it into several documents.",
        )
    return found, said


def _text(name: str, content: bytes, is_html: bool) -> str:
    """The text of a file that is none but text."""
    refuse_binary(name, content)
    text = _decoded(name, content, is_html)
    text = normal(text.removeprefix("\ufeff")).replace("\f", "\n")
    if (bad := forbidden(text)) is not None:
        line = text.count("\n", 0, text.index(chr(int(bad[2:], 16)))) + 1
        raise refused(
            name,
            f"is not text: line {line} holds the character {bad}",
            f"Send {FORMATS}.",
        )
    return text


def _decoded(name: str, content: bytes, is_html: bool) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "utf-16"
    else:
        declared = _CHARSET.search(content[:BEGINNING_BYTES]) if is_html else None
        encoding = declared[1].decode("ascii").lower() if declared else "utf-8"
    try:
        return content.decode(encoding)
    except (LookupError, UnicodeError):
        pass
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise refused(
            name,
            f"is not text in UTF-8 (line {line}, byte {error.start + 1})",
            f"Save it as UTF-8. {FORMATS} are read.",
        ) from None


class _Outline:
    """The headings that the present place stands under."""

    def __init__(self) -> None:
        self._open: list[tuple[int, str]] = []

    def enter(self, level: int, title: str) -> None:
        """A heading begins; it ends those of its level and below."""
        self._open = [each for each in self._open if each[0] < level]
        if title := " ".join(title.split())[:_MOST_HEADING]:
            self._open.append((level, title))

    @property
    def headings(self) -> tuple[str, ...]:
        """The outermost first."""
        return tuple(title for _, title in self._open)


# ── Plain text ──────────────────────────────────────────────────────────────────────────────────


def _read_text(text: str) -> Content:
    return Content("", tuple(_paragraphs(text)))


def _paragraphs(text: str) -> Iterator[TextBlock]:
    """What stands between blank lines."""
    held: list[str] = []
    begins = 1
    for number, line in enumerate([*text.split("\n"), ""], start=1):
        if line.strip():
            begins = begins if held else number
            held.append(line.strip())
        elif held:
            yield TextBlock("\n".join(held), line=begins)
            held = []


# ── Markdown ────────────────────────────────────────────────────────────────────────────────────


def _read_markdown(text: str) -> Content:
    from markdown_it import MarkdownIt

    first_line = 1
    if (front := _FRONT_MATTER.match(text)) is not None:
        first_line += front[0].count("\n")
        text = text[front.end() :]
    outline, blocks, title = _Outline(), [], ""
    level = 0  # of the heading that is open
    cells: list[str] | None = None  # of the row that is open
    row_line = 0
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        line = first_line + token.map[0] if token.map else row_line
        match token.type:
            case "heading_open":
                level = int(token.tag[1:])
            case "heading_close":
                level = 0
            case "tr_open":
                cells, row_line = [], line
            case "tr_close" if cells is not None:
                said, cells = " | ".join(cells).strip(), None
                blocks.append(TextBlock(said, outline.headings, line=row_line))
            case "inline":
                said = _plain_markdown(token)
                if level:
                    outline.enter(level, said)
                    title = title or (said if level == 1 else "")
                elif cells is not None:
                    cells.append(said)
                else:
                    blocks.append(TextBlock(said, outline.headings, line=line))
            case "fence" | "code_block":
                blocks.append(TextBlock(token.content.strip(), outline.headings, line=line))
            case "html_block":
                within = _read_html(token.content).blocks
                blocks += [TextBlock(block.text, outline.headings, line=line) for block in within]
    return Content(title, tuple(block for block in blocks if block.text.strip(" |")))


def _plain_markdown(token: Any) -> str:
    """What a line of Markdown says, without its marks."""
    said = []
    for child in token.children or ():
        if child.type in ("softbreak", "hardbreak"):
            said.append(" ")
        elif child.type in ("text", "code_inline", "image"):
            said.append(child.content)
    return "".join(said).strip()


# ── HTML ────────────────────────────────────────────────────────────────────────────────────────


def _read_html(text: str) -> Content:
    reader = _HtmlReader()
    reader.feed(text)
    reader.close()
    reader.end_block()
    return Content(" ".join(reader.title.split())[:_MOST_HEADING], tuple(reader.blocks))


class _HtmlReader(HTMLParser):
    """The text of a page in blocks, without what only serves the browser or leads elsewhere."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.title = ""
        self.blocks: list[TextBlock] = []
        self._outline = _Outline()
        self._held: list[str] = []
        self._level = 0  # of the heading that is open
        self._silent: list[str] = []
        self._is_title = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "title" and "svg" not in self._silent:
            self._is_title = True
        if tag in _SILENT:
            self._silent.append(tag)
        elif tag == "body":  # a head without an end
            self._silent = []
        if tag in _BLOCKS:
            self.end_block()
            self._level = _HEADINGS.get(tag, self._level)
        elif tag in ("td", "th"):
            self._held.append(" | " if self._held else "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "title":
            self._is_title = False
        if tag in self._silent:
            del self._silent[self._silent.index(tag) :]
        if tag in _BLOCKS:
            self.end_block()

    def handle_data(self, data: str) -> None:
        if self._is_title:
            self.title += data
        elif not self._silent:
            self._held.append(data)

    def end_block(self) -> None:
        """What was held is a block, or the heading of those that follow."""
        said = " ".join("".join(self._held).split()).strip(" |")
        self._held = []
        level, self._level = self._level, 0
        if level:
            self._outline.enter(level, said)
        elif said:
            self.blocks.append(TextBlock(said, self._outline.headings))


# ── Word ────────────────────────────────────────────────────────────────────────────────────────


def _read_word(name: str, content: bytes) -> Content:
    try:
        html = word.to_html(content)
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a damaged file makes a reader stumble over
        raise _damaged(name, "cannot be read as a Word document", error) from None
    said = _read_html(_without_forbidden(normal(html)))
    first = next((block.headings[:1] for block in said.blocks if block.headings), ("",))
    return Content(first[0], said.blocks)


# ── PDF ─────────────────────────────────────────────────────────────────────────────────────────


def _read_pdf(name: str, content: bytes) -> Content:
    from pypdf import PdfReader
    from pypdf.errors import DependencyError

    page = 0
    try:
        reader = PdfReader(io.BytesIO(content))
        if reader.is_encrypted and not reader.decrypt(""):
            raise _encrypted(name)
        pages = len(reader.pages)
        if pages > DOCUMENT_PAGES.value:
            raise TooLarge(
                f"{name}: has {pages} pages; the limit is {DOCUMENT_PAGES.value}.",
                field="file",
                value=pages,
                remedy="Split it into several documents.",
            )
        begins = _bookmarks(reader)
        outline, blocks = _Outline(), []
        for page, each in enumerate(reader.pages, start=1):
            said = normal(_without_forbidden(each.extract_text())).translate(_LIGATURES)
            for level, title in begins.get(page, ()):
                outline.enter(level, _without_forbidden(title))
            blocks += [
                TextBlock(_HYPHENATED.sub("", block.text), outline.headings, page=page)
                for block in _paragraphs(said)
            ]
        title = _without_forbidden(str((reader.metadata and reader.metadata.title) or ""))
    except (RequestError, MemoryError):
        raise
    except DependencyError:  # AES, the encryption of newer PDFs, even where no password is asked
        raise _encrypted(name) from None
    except Exception as error:  # noqa: BLE001 - whatever a damaged file makes a reader stumble over
        raise _damaged(name, _unread(page), error) from None
    if not blocks:
        raise refused(
            name,
            f"has no text on its {pages} page{'s' * (pages != 1)}: it may be pictures of pages",
            "Have a program recognise the text, and send what that makes.",
        )
    return Content(title.strip()[:_MOST_HEADING], tuple(blocks), pages)


def _encrypted(name: str) -> RequestError:
    return refused(name, "is encrypted", "Save it without a password, and send that.")


def _unread(page: int) -> str:
    return f"page {page} cannot be read" if page else "cannot be read as PDF"


def _damaged(name: str, where: str, error: Exception) -> RequestError:
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    return refused(name, f"{where} ({reason})", "Save it again, as PDF or as text.")


def _bookmarks(reader: Any) -> dict[int, list[tuple[int, str]]]:
    """By page, the bookmarks that lead there: level and title. None where these are damaged."""
    found: dict[int, list[tuple[int, str]]] = {}
    try:
        waiting = [(1, reader.outline)]
        while waiting:
            level, entries = waiting.pop()
            for entry in entries:
                if isinstance(entry, list):
                    waiting.append((level + 1, entry))
                elif (page := reader.get_destination_page_number(entry)) is not None:
                    found.setdefault(page + 1, []).append((level, str(entry.title)))
    except Exception:  # noqa: BLE001 - a document without bookmarks can be read as well
        return {}
    return {page: sorted(each, key=lambda one: one[0]) for page, each in found.items()}


def _without_forbidden(text: str) -> str:
    """A text without what no text may hold: fonts of PDFs map to such characters."""
    return "".join(" " if forbidden(c) else c for c in text) if forbidden(text) else text
