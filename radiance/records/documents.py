"""Documents that people send, and the passages that they are kept as."""

from datetime import datetime
from typing import Literal

import msgspec

from radiance.records.canonical import content_hash

Format = Literal["pdf", "word", "html", "markdown", "text"]


class Passage(msgspec.Struct, frozen=True):
    """A few sentences of a document that stand together.

    Attributes:
        id: ``doc_000012.3``: its document and its place there, counted from 0.
        headings: What it stands under, the outermost first.
        page: Of a PDF, counted from 1.
        line: In which it begins in a text or in Markdown, counted from 1.
    """

    id: str
    text: str
    headings: tuple[str, ...] = ()
    page: int | None = None
    line: int | None = None

    @property
    def document_id(self) -> str:
        """The document that it is of."""
        return self.id.partition(".")[0]

    @property
    def content_hash(self) -> str:
        """Identity of its text."""
        return content_hash(self.text)

    @property
    def place(self) -> str:
        """Where it stands in its document, for people: "Prices › Rent, page 3"; "" for nowhere."""
        parts = [" › ".join(self.headings)] if self.headings else []
        if self.page is not None:
            parts.append(f"page {self.page}")
        elif self.line is not None:
            parts.append(f"line {self.line}")
        return ", ".join(parts)


class Document(msgspec.Struct, frozen=True):
    """A document that memory answers from.

    Attributes:
        id: ``doc_000012``.
        name: As it was sent: a file's name, or its path within a folder.
        title: As it names itself; "" where it does not.
        format: What it was read as.
        content_hash: SHA-256 of the bytes that were sent, which are not kept.
        size_bytes: How many these were.
        pages: Of a PDF.
        passages: How many are kept.
        left_out: How many are not, as they have words that were forgotten.
        tags: The tags that it was sent with.
        replaced_by: The newer document of the same name; memory answers from that one alone.
    """

    id: str
    name: str
    title: str
    format: Format
    content_hash: str
    size_bytes: int
    pages: int | None
    passages: int
    added_at: datetime
    left_out: int = 0
    tags: tuple[str, ...] = ()
    replaced_by: str | None = None


class PassageQuestion(msgspec.Struct, frozen=True):
    """A question that the base model made of a passage, and answers right beside it.

    Attributes:
        number: Its own.
        question: Empty once it waits no more; so is ``answer``, a sentence of the passage.
        status: waiting: for somebody to look at it. taught: its example is in the queue, or was
            learned. refused: it is not taught.
        example_id: Of what was taught; None where another example says the same.
    """

    number: int
    passage_id: str
    question: str
    answer: str
    status: Literal["waiting", "taught", "refused"]
    example_id: str | None = None
