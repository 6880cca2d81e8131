"""What is said of memory's part in an answer: in the body, in headers, and to the handlers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from radiance.engine.requests import Weights
from radiance.records import Message

SOURCE = "X-Radiance-Source"
Source = Literal["memory", "weights", "upstream"]
How = Literal["stored", "taught", "reminded", "unclear", "passage", "base"]


class MemoryMatch(msgspec.Struct, frozen=True):
    """An example that answers, or may be meant.

    Attributes:
        score: How alike the question and the example are; 1 is the very same question.
        question: As it was taught; of a plain text the sentence that answers.
    """

    example_id: str
    job_id: str
    score: float
    question: str


class DocumentMatch(msgspec.Struct, frozen=True):
    """A passage of a document that answers, or that an example which answers was made of.

    Attributes:
        document: The name of its document.
        place: Headings, page or line, for people.
        score: How much of the question it covers.
        text: All of it; the answer may be its best sentence alone.
    """

    passage_id: str
    document_id: str
    document: str
    place: str
    headings: tuple[str, ...]
    page: int | None
    line: int | None
    score: float
    text: str


class MemoryNote(msgspec.Struct, frozen=True):
    """Where an answer comes from.

    Attributes:
        source: "memory" is the text of an example or of a document; "weights" were asked.
        how: stored: an example's answer, word for word. taught: the weights, in the words of an
            example. reminded: the weights, with what an example or a document says put before the
            question, where a turn before it says how to answer. unclear: the question could mean
            several. passage: what a document says, word for word, with its place. base: the base
            model, as the question is about nothing that was taught.
        matches: The example, or those that could be meant.
        passage: Of a document, where it answers, or where the example was made of it.
    """

    source: Literal["memory", "weights"]
    how: How
    matches: tuple[MemoryMatch, ...] = ()
    passage: DocumentMatch | None = None


@dataclass(frozen=True)
class Recollection:
    """What a request becomes.

    Attributes:
        turns: What the weights are to be asked.
        weights: Which.
        text: The answer, where it is memory's own.
        note: What is said of it; None where memory had no part.
    """

    turns: Sequence[Message]
    weights: Weights
    text: str | None = None
    note: MemoryNote | None = None

    @property
    def headers(self) -> dict[str, str]:
        """The response headers that say the same."""
        note = self.note
        found = {SOURCE: note.source if note else "weights"}
        if note is not None and len(note.matches) == 1:
            match = note.matches[0]
            found["X-Radiance-Example"] = match.example_id
            found["X-Radiance-Job"] = match.job_id
            found["X-Radiance-Score"] = f"{match.score:.3f}"
        if note is not None and note.passage is not None:
            found["X-Radiance-Passage"] = note.passage.passage_id
            found["X-Radiance-Score"] = f"{note.passage.score:.3f}"
        return found
