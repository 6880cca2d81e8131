"""The docs that Radiance comes with, as pages: Markdown read from files, shown as HTML.

In a checkout they lie in ``docs/``; a wheel has them inside the package.
"""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # else imported once somebody reads
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

_PACKAGE = Path(__file__).resolve().parents[1]
_FOLDERS = (_PACKAGE / "docs", _PACKAGE.parent / "docs")
_WRITTEN_BY = re.compile(r"<!--.*?-->\n?", re.DOTALL)  # notes to whoever edits the file
_LINK = re.compile(r"(?:\./)?([A-Z_]+)\.md(#.*)?")
_SENTENCE = re.compile(r".+?\.(?=\s|$)", re.DOTALL)
# Characters of a cell that stay on one line where there is room: several words, and one.
_SHORT, _SHORT_WORD = 32, 48
_NO_WORD = re.compile(r"[^\w\- ]")


@dataclass(frozen=True)
class Chapter:
    """One file of the docs.

    Attributes:
        name: Of the file, without its suffix: ``OPERATING``.
        title: Its first heading.
        about: Its first sentence.
        text: Its Markdown, without its first heading.
    """

    name: str
    title: str
    about: str
    text: str


@cache
def chapters() -> dict[str, Chapter]:
    """By name every chapter, in the order of the alphabet; none where the docs were left out."""
    folder = next((folder for folder in _FOLDERS if folder.is_dir()), None)
    return {} if folder is None else {p.stem: _read(p) for p in sorted(folder.glob("[A-Z]*.md"))}


def _read(path: Path) -> Chapter:
    heading, _, text = _WRITTEN_BY.sub("", path.read_text(encoding="utf-8")).partition("\n")
    parser = _parser()
    blocks = text.split("\n\n")  # one by one: all would take a seventh of a second
    first = next((t for block in blocks for t in parser.parse(block) if t.type == "inline"), None)
    plain = "" if first is None else "".join(_spoken(child) for child in first.children or ())
    sentence = _SENTENCE.match(plain)
    about = (sentence[0] if sentence else plain).replace("\n", " ").rstrip(":")
    return Chapter(path.stem, heading.lstrip("# ").strip(), about, text.strip())


def _spoken(token: "Token") -> str:
    return "\n" if token.type == "softbreak" else token.content


def _parser() -> "MarkdownIt":
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": False}).enable("table")


def to_html(chapter: Chapter) -> str:
    """A chapter as HTML: headings can be linked, and links between chapters lead to their pages.

    What is linked besides and lies in a checkout is named only; pictures are left out. A row of a
    table names its columns, for screens on which it becomes a card.
    """
    parser = _parser()
    tokens = parser.parse(chapter.text)
    _label_cells(tokens)
    for place, token in enumerate(tokens):
        if token.type == "heading_open":
            token.attrSet("id", _slug(tokens[place + 1].content))
        elif token.type == "fence":
            token.type = "code_block"  # whose attributes are of the block itself
            token.attrSet("tabindex", "0")  # what scrolls can be scrolled by keys
        elif token.type == "inline":
            token.children = _linked(token.children or [])
    return parser.renderer.render(tokens, parser.options, {})


def _label_cells(tokens: "list[Token]") -> None:
    """Give every cell the name of its column, and mark those that are too short to be broken."""
    columns: list[str] = []
    at = 0
    for place, token in enumerate(tokens):
        if token.type == "table_open":
            token.attrSet("class", "cards")
            columns = []
        elif token.type == "tr_open":
            at = 0
        elif token.type == "th_open":
            columns.append("".join(map(_spoken, tokens[place + 1].children or ())))
        elif token.type == "td_open":
            if columns[at]:
                token.attrSet("data-label", columns[at])
            content = tokens[place + 1].content
            if len(content) <= (_SHORT if " " in content else _SHORT_WORD):
                token.attrSet("class", "short")
            at += 1


def headings(chapter: Chapter) -> list[tuple[str, str]]:
    """The marks and the words of a chapter's sections."""
    tokens = _parser().parse(chapter.text)
    return [
        (_slug(tokens[place + 1].content), "".join(map(_spoken, tokens[place + 1].children or ())))
        for place, token in enumerate(tokens)
        if token.type == "heading_open" and token.tag == "h2"
    ]


def _slug(heading: str) -> str:
    return _NO_WORD.sub("", heading.lower()).strip().replace(" ", "-")


def _linked(children: "list[Token]") -> "list[Token]":
    kept: list[Token] = []
    is_open: list[bool] = []  # links, as they are nested
    for token in children:
        if token.type == "image":
            continue
        if token.type == "link_open":
            target = _target(str(token.attrGet("href") or ""))
            is_open.append(target is not None)
            if target is None:
                continue
            token.attrSet("href", target)
        elif token.type == "link_close" and not is_open.pop():
            continue
        kept.append(token)
    return kept


def _target(href: str) -> str | None:
    """Where a link leads here; None where there is no page."""
    if found := _LINK.fullmatch(href):
        return f"/docs/{found[1]}{found[2] or ''}"
    return href if href.startswith(("#", "https://", "http://")) else None
