"""In the sandbox: read one file. Damaged and hostile files stay within its limits."""

import base64
import codecs
import contextlib
import io
import logging
import zipfile
from typing import Any

import msgspec

from radiance.documents import formats
from radiance.errors import RequestError, TooLarge
from radiance.platform import sandbox

# All files are closed to it once it is confined, and so are modules that are loaded late.
_ENCODINGS = (
    *("ascii", "latin-1", "cp1252", "utf-8", "utf-16", "utf-16-be", "utf-16-le", "utf-32"),
    *("iso8859-2", "iso8859-15", "cp1250", "cp1251", "koi8-r", "mac-roman", "charmap"),
    *("gbk", "gb18030", "big5", "big5hkscs", "shift_jis", "euc_jp", "euc_kr", "cp949", "cp932"),
)


def main() -> None:
    """Read the task's file, and answer what it says."""
    task = sandbox.receive()
    name, content = task["name"], base64.b64decode(task["content"])
    logging.disable()
    _load_all()
    if sandbox.is_available():
        sandbox.confine()
    else:
        sandbox.limit()
    try:
        sandbox.answer(_read(name, content))
    except (MemoryError, RecursionError) as error:
        sandbox.fail(error)


def _read(name: str, content: bytes) -> Any:
    try:
        format, said = formats.read(name, content)
    except RequestError as error:
        return {
            "refused": str(error),
            "value": error.value if isinstance(error.value, str | int) else None,
            "remedy": error.remedy,
            "is_too_large": isinstance(error, TooLarge),
        }
    return {"format": format, "said": msgspec.to_builtins(said)}


def _load_all() -> None:
    for encoding in _ENCODINGS:
        codecs.lookup(encoding)
    with contextlib.suppress(RequestError):
        formats.read("x.pdf", _small_pdf())
        formats.read("x.docx", _small_word())
    formats.read("x.html", b"<p>x</p>")
    formats.read("x.md", b"# x\n\nx")


def _small_pdf() -> bytes:
    """A page with a font, compressed, as most have them."""
    from pypdf import PdfReader, PdfWriter
    from pypdf.generic import (
        DecodedStreamObject,
        DictionaryObject,
        NameObject,
    )

    writer = PdfWriter()
    page = writer.add_blank_page(72, 72)
    font = DictionaryObject(
        {
            NameObject("/Type"): NameObject("/Font"),
            NameObject("/Subtype"): NameObject("/Type1"),
            NameObject("/BaseFont"): NameObject("/Helvetica"),
        }
    )
    page[NameObject("/Resources")] = DictionaryObject(
        {NameObject("/Font"): DictionaryObject({NameObject("/F1"): font})}
    )
    stream = DecodedStreamObject()
    stream.set_data(b"BT /F1 12 Tf 5 5 Td (x) Tj ET")
    page[NameObject("/Contents")] = writer._add_object(stream.flate_encode())
    written = io.BytesIO()
    writer.write(written)
    PdfReader(io.BytesIO(written.getvalue()))
    return written.getvalue()


def _small_word() -> bytes:
    """A document of one paragraph, compressed."""
    space = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
    text = f"<w:document {space}><w:body><w:p><w:r><w:t>x</w:t></w:r></w:p></w:body></w:document>"
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", text)
    return written.getvalue()


if __name__ == "__main__":
    main()
