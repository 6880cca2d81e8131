"""What files say, with its place; and that no file brings anything down."""

import contextlib
import io
import threading
import zipfile
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pypdf import PdfReader, PdfWriter
from pypdf.errors import DependencyError
from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

from radiance import limits
from radiance.documents import formats, reading
from radiance.documents.passages import MOST_CHARACTERS, TextBlock, split
from radiance.errors import Overloaded, RequestError, TooLarge, Unavailable
from radiance.platform import sandbox

MARKDOWN = b"""---
author: Ann
---
# Zorbel House

The door code of *Zorbel House* is
**KV-1234**.

## Rent

| who | pays |
|-----|------|
| Mira | 300 |

- a [list](http://example.org) item

```
# no heading
```

<p>Raw <b>HTML</b>.</p>

# Garden
It is green.
"""
HTML = """<!doctype html><html><head><title>Zorbel  House</title><style>p {x: y}</style></head>
<body><nav><a href="/">Home</a></nav><h1>The house</h1><p>The door&nbsp;code is <b>KV-1234</b>.</p>
loose<h2>Rent</h2><ul><li>Mira pays 300<li>Ann pays nothing</ul>
<table><tr><th>a<th>b<tr><td>1<td>2</table><script>var bad = "<p>no</p>"</script></body>"""


def pdf(*pages: str, title: str = "", password: str = "", bookmark: str = "") -> bytes:
    """A PDF with lines of text on its pages."""
    writer = PdfWriter()
    font = DictionaryObject(
        {
            NameObject("/Type"): NameObject("/Font"),
            NameObject("/Subtype"): NameObject("/Type1"),
            NameObject("/BaseFont"): NameObject("/Helvetica"),
        }
    )
    for text in pages:
        page: Any = writer.add_blank_page(612, 792)
        page[NameObject("/Resources")] = DictionaryObject(
            {NameObject("/Font"): DictionaryObject({NameObject("/F1"): font})}
        )
        lines = "".join(f"({line}) Tj 0 -14 Td " for line in text.split("\n"))
        stream = DecodedStreamObject()
        stream.set_data(f"BT /F1 12 Tf 72 720 Td {lines}ET".encode("latin-1"))
        page[NameObject("/Contents")] = writer._add_object(stream.flate_encode())
    if title:
        writer.add_metadata({"/Title": title})
    if bookmark:
        writer.add_outline_item(title=bookmark, page_number=0)
    if password:
        writer.encrypt(password, algorithm="RC4-128")
    written = io.BytesIO()
    writer.write(written)
    return written.getvalue()


_WORD_SPACE = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
_STYLES = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/styles"


def word(body: str) -> bytes:
    """A Word document with that body and a style for titles, deflated."""
    space = f'xmlns:w="{_WORD_SPACE}"'
    title = '<w:style w:type="paragraph" w:styleId="Title"><w:name w:val="Title"/></w:style>'
    relation = f'<Relationship Id="r1" Type="{_STYLES}" Target="styles.xml"/>'
    parts = {
        "document.xml": f"<w:document {space}><w:body>{body}</w:body></w:document>",
        "styles.xml": f"<w:styles {space}>{title}</w:styles>",
        "_rels/document.xml.rels": (
            f'<Relationships xmlns="{_RELATIONS}">{relation}</Relationships>'
        ),
    }
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(f"word/{name}", text)
    return written.getvalue()


def paragraph(text: str, style: str = "") -> str:
    of_style = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
    return f"<w:p>{of_style}<w:r><w:t>{text}</w:t></w:r></w:p>"


_ROW = "".join(f"<w:tc>{paragraph(text)}</w:tc>" for text in ("Mira", "300"))
WORD = word(
    paragraph("Zorbel House", "Title")
    + "<w:p><w:r><w:t>The door code is </w:t></w:r>"
    + "<w:del><w:r><w:delText>KV-9999</w:delText></w:r></w:del>"
    + "<w:ins><w:r><w:t>KV-1234 &amp; no other.</w:t></w:r></w:ins></w:p>"
    + paragraph("Rent", "Heading1")
    + f"<w:tbl><w:tr>{_ROW}</w:tr></w:tbl>"
)


def test_markdown_is_split_by_its_headings_with_lines() -> None:
    format, said = reading.read("notes.md", MARKDOWN)
    assert (format, said.title) == ("markdown", "Zorbel House")
    assert [(b.text, b.headings, b.line) for b in said.blocks] == [
        ("The door code of Zorbel House is KV-1234.", ("Zorbel House",), 6),
        ("who | pays", ("Zorbel House", "Rent"), 11),
        ("Mira | 300", ("Zorbel House", "Rent"), 13),
        ("a list item", ("Zorbel House", "Rent"), 15),
        ("# no heading", ("Zorbel House", "Rent"), 17),
        ("Raw HTML.", ("Zorbel House", "Rent"), 21),
        ("It is green.", ("Garden",), 24),
    ]


def test_html_is_split_by_its_headings_without_what_serves_the_browser() -> None:
    format, said = reading.read("page", HTML.encode())
    assert (format, said.title) == ("html", "Zorbel House")
    assert [(b.text, b.headings) for b in said.blocks] == [
        ("The door code is KV-1234.", ("The house",)),
        ("loose", ("The house",)),
        ("Mira pays 300", ("The house", "Rent")),
        ("Ann pays nothing", ("The house", "Rent")),
        ("a | b", ("The house", "Rent")),
        ("1 | 2", ("The house", "Rent")),
    ]
    latin = '<meta charset="iso-8859-1"><p>Café</p>'.encode("latin-1")
    assert reading.read("page.html", latin)[1].blocks[0].text == "Café"


def test_a_pdf_is_split_by_its_pages_and_bookmarks() -> None:
    content = pdf("The door code\nis KV-1234.", "The rent is 300.", title="House", bookmark="One")
    format, said = reading.read("paper.pdf", content)
    assert (format, said.title, said.pages) == ("pdf", "House", 2)
    assert [(" ".join(b.text.split()), b.headings, b.page) for b in said.blocks] == [
        ("The door code is KV-1234.", ("One",), 1),
        ("The rent is 300.", ("One",), 2),
    ]


@pytest.mark.parametrize("name", ["notes.docx", "notes.md", "notes"])
def test_a_word_document_is_split_by_its_headings_as_it_stands_with_its_changes(name: str) -> None:
    format, said = reading.read(name, WORD)
    assert (format, said.title) == ("word", "Zorbel House")
    assert said.blocks == (
        TextBlock("The door code is KV-1234 & no other.", ("Zorbel House",)),
        TextBlock("Mira | 300", ("Zorbel House", "Rent")),
    )


@pytest.mark.slow
def test_a_word_document_that_grows_past_its_memory_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    less = limits.DOCUMENT_MEMORY_BYTES._replace(value=192 << 20)
    monkeypatch.setattr(reading, "DOCUMENT_MEMORY_BYTES", less)
    bomb = word(paragraph("Again. ") * 100_000)
    assert len(bomb) < 1 << 17
    with pytest.raises(RequestError, match="takes more memory to read"):
        reading.read("notes.docx", bomb)


@pytest.mark.parametrize("last", ["MemoryError", "SystemError: error return without exception set"])
def test_whoever_has_no_memory_left_to_say_so_is_understood(last: str) -> None:
    told = f"Traceback (most recent call last):\n{last}\n".encode()
    assert sandbox._outcome(1, b"", told, None, 1.0).status == "memory"
    assert sandbox._outcome(1, b"", b"ValueError: no\n", None, 1.0).status == "exited"


def test_text_is_split_at_blank_lines() -> None:
    _, said = reading.read("a.txt", "\ufeffOne\r\ntwo.\r\n \r\n\r\nThree.\r\n".encode())
    assert [(b.text, b.line) for b in said.blocks] == [("One\ntwo.", 1), ("Three.", 5)]
    assert reading.read("a.txt", "Öl\n".encode("utf-16"))[1].blocks[0].text == "Öl"


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.md", b"", "a.md: is empty"),
        ("a.md", b" \n", "a.md: is empty"),
        ("a.md", b"# \n", "has no text"),
        ("a.html", b"<script>x</script>", "has no text"),
        ("a.txt", b"one\ntwo\x00", "line 2 holds the character U\\+0000"),
        ("a.txt", b"one\ntw\xff", r"not text in UTF-8 \(line 2, byte 7\)"),
        ("a.odt", b"PK\x03\x04rest", "a.odt: is an OpenDocument text"),
        ("a.docx", WORD[:200], "a.docx: is a damaged Word document"),
        ("a.png", b"\x89PNGrest", "is a picture"),
        ("a.pdf", b"<!doctype html><p>Please sign in.", "a.pdf: is no PDF: it holds a web page"),
        ("a.pdf", b"502 Bad Gateway", "a.pdf: is no PDF: it holds something else"),
        ("a.pdf", b"\x89PNGrest", "is a picture"),
        ("a.docx", b"<html>Gone", "a.docx: is no Word document: it holds a web page"),
        ("a.pdf", b"%PDF-1.4 nothing", "cannot be read as PDF"),
        ("a.pdf", pdf("x")[:400], "cannot be read as PDF"),
        ("a.pdf", pdf("A secret.", password="x"), "is encrypted"),
        ("a.pdf", pdf(""), "has no text on its 1 page: it may"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(
    name: str, content: bytes, told: str
) -> None:
    with pytest.raises(RequestError, match=told) as caught:
        reading.read(name, content)
    assert caught.value.field == "file"
    assert caught.value.remedy


def owned(algorithm: str) -> bytes:
    """A PDF that asks for a password to be changed, and for none to be read."""
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(pdf("It may be read."))))
    writer.encrypt("", "owner", algorithm=algorithm)
    written = io.BytesIO()
    writer.write(written)
    return written.getvalue()


def test_ligatures_of_a_pdf_are_letters() -> None:
    content = pdf("The \xaerst \xafat is 300.")  # fi and fl in the font's encoding
    (block,) = reading.read("a.pdf", content)[1].blocks
    assert block.text.startswith("The first flat is 300.")


@pytest.mark.parametrize("algorithm", ["RC4-128", "AES-128", "AES-256-R5", "AES-256"])
def test_a_pdf_without_a_password_to_open_it_is_read(algorithm: str) -> None:
    (block,) = reading.read("a.pdf", owned(algorithm))[1].blocks
    assert block.text == "It may be read."


def test_a_pdf_whose_encryption_cannot_be_undone_here_is_called_encrypted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """AES wants a package that may not load on a machine."""

    def unable(*_: object, **__: object) -> None:
        raise DependencyError("cryptography>=3.1 is required for AES algorithm")

    monkeypatch.setattr(PdfReader, "decrypt", unable)
    monkeypatch.setattr("pypdf._encryption.Encryption.verify", unable)
    with pytest.raises(RequestError, match="is encrypted") as caught:
        formats.read("a.pdf", owned("RC4-128"))
    assert "without a password" in caught.value.remedy


def test_what_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value, content in (
        ("DOCUMENT_CHARACTERS", 10, b"Twelve chars"),
        ("DOCUMENT_PAGES", 1, pdf("One.", "Two.")),
    ):
        limit = getattr(limits, name)._replace(value=value)
        monkeypatch.setattr(formats, name, limit)
        with pytest.raises(TooLarge, match=f"the limit is {value}"):
            formats.read("a", content)
    monkeypatch.setattr(reading, "DOCUMENT_BYTES", limits.DOCUMENT_BYTES._replace(value=3))
    with pytest.raises(TooLarge, match="has 4 bytes; the limit is 3"):
        reading.read("a.txt", b"four")


def test_a_file_that_takes_too_long_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reading, "DOCUMENT_SECONDS", limits.DOCUMENT_SECONDS._replace(value=0))
    with pytest.raises(RequestError, match="takes longer to read"):
        reading.read("a.html", b"<p>x</p>" * 100_000)


def test_so_many_are_read_at_a_time_and_no_process_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    places = threading.BoundedSemaphore(1)
    monkeypatch.setattr(reading, "_PLACES", places)

    def start(*_: object) -> None:
        with pytest.raises(Overloaded, match="are being read"):
            reading.read("b.html", b"<p>x</p>")
        raise OSError("no room")

    monkeypatch.setattr(reading.sandbox, "run", start)
    with pytest.raises(Unavailable, match=r"could be started \(no room\)"):
        reading.read("a.html", b"<p>x</p>")
    assert places.acquire(blocking=False)  # its place is free again
    assert reading.read("a.md", b"One.")[0] == "markdown"  # short texts need none


@given(st.binary(max_size=300), st.sampled_from(["a.md", "a.txt", "a.html", "a.pdf", "a"]))
def test_any_bytes_are_read_or_refused(content: bytes, name: str) -> None:
    try:
        _, said = formats.read(name, content)
    except RequestError:
        return
    assert all(block.text.strip() for block in said.blocks)


@given(st.integers(0, 2000), st.integers(0, 255))
def test_a_damaged_pdf_is_read_or_refused(place: int, byte: int) -> None:
    content = bytearray(pdf("The door code is KV-1234."))
    content[place % len(content)] = byte
    with contextlib.suppress(RequestError):
        formats.read("a.pdf", bytes(content))


@given(st.integers(0, 2000), st.integers(0, 255))
def test_a_damaged_word_document_is_read_or_refused(place: int, byte: int) -> None:
    content = bytearray(WORD)
    content[place % len(content)] = byte
    with contextlib.suppress(RequestError):
        formats.read("a.docx", bytes(content))


_HEADINGS = st.sampled_from([(), ("A",), ("A", "B")])
_BLOCKS = st.lists(
    st.builds(TextBlock, st.text("ab. \n?", min_size=1, max_size=2000), _HEADINGS), max_size=8
)


@given(_BLOCKS)
def test_passages_hold_every_word_once_and_in_order(blocks: list[TextBlock]) -> None:
    found = split(blocks)
    assert all(0 < len(each.text) <= MOST_CHARACTERS for each in found)
    assert "".join("".join(each.text.split()) for each in found) == "".join(
        "".join(each.text.split()) for each in blocks
    )
    for headings in ((), ("A",), ("A", "B")):
        kept = "".join("".join(e.text.split()) for e in found if e.headings == headings)
        assert kept == "".join("".join(e.text.split()) for e in blocks if e.headings == headings)
