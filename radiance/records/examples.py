"""What is taught, and what people say of the answers."""

from datetime import datetime
from typing import Literal

import msgspec

from radiance.records import questions
from radiance.records.canonical import content_hash

Role = Literal["system", "user", "assistant"]


class Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One turn of a chat."""

    role: Role
    content: str


class Example(msgspec.Struct, frozen=True):
    """Something to learn, after curation: either a chat whose assistant turns are learned, or text.

    Attributes:
        id: ``job_000128.3``: the job that brought it and its place there; unique for ever.
        messages: The chat, ending with an assistant turn; empty for plain text.
        text: The plain text, learned whole; empty for a chat.
        tags: The tags of the update that brought it.
    """

    id: str
    messages: tuple[Message, ...] = ()
    text: str = ""
    tags: tuple[str, ...] = ()

    @property
    def content_hash(self) -> str:
        """Identity of what is learned, whoever sent it: two equal examples have equal hashes."""
        return content_hash([[m.role, m.content] for m in self.messages] or self.text)

    @property
    def question_hash(self) -> str:
        """Identity of what is asked: the newest of two examples that share it is the valid one.

        Letter case, space, the punctuation of sentences and contractions do not make another
        question; see ``wording.normalise``. A plain text asks nothing and is its own question.
        """
        if not self.messages:
            return content_hash(self.text)
        return content_hash([[m.role, questions.normalise(m.content)] for m in self.messages[:-1]])


class Supersession(msgspec.Struct, frozen=True):
    """An example that is no longer valid because a newer one answers its question differently.

    Attributes:
        example_id: The old one. It stays in the database, and is valid again wherever the newer
            one is not part of the lineage that is served.
        by: The newer one.
    """

    example_id: str
    by: str


class Votes(msgspec.Struct, frozen=True):
    """How often answers were voted up and down."""

    up: int = 0
    down: int = 0


class Feedback(msgspec.Struct, frozen=True):
    """One vote on an answer.

    Attributes:
        number: Rising for ever.
        checkpoint: The checkpoint that answered; None is the base.
        prompt: What was asked; "" where it was not told.
        response: What was answered; "" where it was not told.
    """

    number: int
    at: datetime
    checkpoint: str | None
    vote: Literal["up", "down"]
    prompt: str = ""
    response: str = ""
    comment: str = ""
    tags: tuple[str, ...] = ()
