"""A document's blocks of text, put together and cut into passages of a few sentences. Pure."""

import re
from collections.abc import Iterable, Iterator

import msgspec

MOST_CHARACTERS = 700
"""Of a passage; a sentence that is longer is cut between words."""
_JOINED_CHARACTERS = 350  # a passage below this takes in the next block under the same headings
_NO_END = "".join(rf"(?<!\b{title}\.)" for title in ("Dr", "Mr", "Mrs", "Ms", "Prof", "St", "No"))
_SENTENCE_END = re.compile(rf"(?<=[.!?…]){_NO_END}[\"'”’)\]]*\s+(?=[^\s\d.,;:a-z])|\n")
_SPACE = re.compile(r"[^\S\n]+")


class TextBlock(msgspec.Struct, frozen=True):
    """A paragraph, an item of a list, a row of a table, a piece of code: what stands together.

    Attributes:
        headings: What it stands under, the outermost first.
        page: Of a PDF, counted from 1.
        line: In which it begins, counted from 1.
    """

    text: str
    headings: tuple[str, ...] = ()
    page: int | None = None
    line: int | None = None


class Content(msgspec.Struct, frozen=True):
    """What a document says.

    Attributes:
        title: As it names itself; "" where it does not.
        blocks: Its text, in order.
        pages: Of a PDF.
    """

    title: str
    blocks: tuple[TextBlock, ...]
    pages: int | None = None


def split(blocks: Iterable[TextBlock]) -> list[TextBlock]:
    """Blocks as passages: short ones under one heading together, long ones cut after sentences."""
    found: list[TextBlock] = []
    for block in blocks:
        for text in pieces(block.text):
            last = found[-1] if found else None
            if last is not None and _belong_together(last, block, text):
                found[-1] = msgspec.structs.replace(last, text=f"{last.text}\n{text}")
            else:
                found.append(msgspec.structs.replace(block, text=text))
    return found


def _belong_together(last: TextBlock, block: TextBlock, text: str) -> bool:
    return (
        (last.headings, last.page) == (block.headings, block.page)
        and len(last.text) < _JOINED_CHARACTERS
        and len(last.text) + 1 + len(text) <= MOST_CHARACTERS
    )


def pieces(text: str) -> Iterator[str]:
    """A text cut after sentences, each piece of at most ``MOST_CHARACTERS``."""
    held = ""
    for sentence in sentences(text):
        for part in _cut(sentence):
            if held and len(held) + 1 + len(part) > MOST_CHARACTERS:
                yield held
                held = ""
            held = f"{held} {part}" if held else part
    if held:
        yield held


def sentences(text: str) -> list[str]:
    """The sentences and lines of a text."""
    parts = _SENTENCE_END.split(_SPACE.sub(" ", text))
    return [part.strip() for part in parts if part.strip()]


def _cut(sentence: str) -> Iterator[str]:
    while len(sentence) > MOST_CHARACTERS:
        end = sentence.rfind(" ", 1, MOST_CHARACTERS + 1)
        end = MOST_CHARACTERS if end < 0 else end
        yield sentence[:end].strip()
        sentence = sentence[end:].strip()
    if sentence:
        yield sentence
