"""What a Word document says, as HTML: its paragraphs, headings, lists, tables and notes. Pure.

mammoth reads it. What was deleted under tracked changes, comments and pictures are no part of it.
"""

import io
import re
import zipfile
from pathlib import PurePath
from xml.parsers.expat import ExpatError, errors

_MAIN_PART = "word/document.xml"
# The title stands above all headings, so that passages under these keep its names.
_STYLES = "\n".join(
    [
        "p[style-name='Title'] => h1:fresh",
        *(
            f"{paragraph} => h{min(level + 1, 6)}:fresh"
            for level in range(1, 7)
            for paragraph in (f"p[style-name='Heading {level}']", f"p.Heading{level}")
        ),
    ]
)
# A cell of one paragraph says it like any cell, so that its row stays a line.
_CELL = re.compile(r"<(t[dh][^>]*)><p>((?:(?!</?p>).)*)</p></(t[dh])>", re.S)
SIGNATURE = b"PK\x03\x04"
_AS_CSV = "Save its cells as CSV and teach them as a table, or save it as PDF."
_OTHERS = {
    ".docx": ("a damaged Word document", "Open it in Word, save it again, and send that."),
    ".odt": ("an OpenDocument text", "Save it as Word (.docx) or PDF."),
    ".odp": ("OpenDocument slides", "Save them as PDF."),
    ".ods": ("an OpenDocument spreadsheet", _AS_CSV),
    ".xlsx": ("an Excel spreadsheet", _AS_CSV),
    ".pptx": ("PowerPoint slides", "Save them as PDF."),
    ".epub": ("an e-book (EPUB)", "Save it as PDF or HTML."),
}


def is_word(content: bytes) -> bool:
    """Whether these bytes are a Word document (.docx): an archive that has its main part."""
    if not content.startswith(SIGNATURE):
        return False
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return _MAIN_PART in archive.namelist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
        return False


def other_archive(name: str) -> tuple[str, str]:
    """What an archive is that is no Word document, as far as its name tells, and the remedy."""
    unknown = "a zip file", "Unpack it, and send the documents that are in it."
    what, remedy = _OTHERS.get(PurePath(name).suffix.lower(), unknown)
    return f"is {what}", remedy


def to_html(content: bytes) -> str:
    """The document as HTML without a head.

    Raises:
        MemoryError: It takes more than there is.
        Exception: Whatever a damaged file makes its reader stumble over.
    """
    import mammoth

    no_picture = mammoth.images.img_element(lambda image: {})
    made = None
    try:
        made = mammoth.convert_to_html(
            io.BytesIO(content),
            style_map=_STYLES,
            convert_image=no_picture,
            include_embedded_style_map=False,
            external_file_access=False,
        )
    except SystemError:  # expat's, where it gets no memory
        pass
    except ExpatError as error:
        if error.code != errors.codes[errors.XML_ERROR_NO_MEMORY]:
            raise
    if made is None:  # outside of the handlers, whose errors hold what took the memory
        raise MemoryError
    return _CELL.sub(r"<\1>\2</\3>", made.value)
