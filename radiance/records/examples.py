"""What is taught, and what people say of the answers."""

from datetime import datetime
from typing import Literal

import msgspec

from radiance.records import questions
from radiance.records.canonical import content_hash

Role = Literal["system", "user", "assistant", "tool", "tools"]


class Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One turn of a chat.

    Attributes:
        role: "tool" has the result of a call; "tools", the first of all, the tools that may be
            called, as JSON.
        content: What is said, with the calls behind it where there are some (``records.tools``).
        calls: How many there are.
    """

    role: Role
    content: str
    calls: int = 0

    @property
    def identity(self) -> str:
        """The role for a hash: a call is not the same as its text."""
        return f"{self.role} calls" if self.calls else self.role


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
        return content_hash([[m.identity, m.content] for m in self.messages] or self.text)

    @property
    def question_hash(self) -> str:
        """Identity of what is asked: the newest of two examples that share it is the valid one.

        Letter case, space, the punctuation of sentences and contractions do not make another
        question; see ``wording.normalise``. A plain text asks nothing and is its own question.
        """
        if not self.messages:
            return content_hash(self.text)
        asked = self.messages[:-1]
        return content_hash([[m.identity, questions.normalise(m.content)] for m in asked])

    @property
    def is_echo(self) -> bool:
        """Whether its answer is its question, as where a column was pasted twice."""
        if len(self.messages) < 2 or self.has_tools:
            return False
        asked, answer = (m.content.strip().casefold() for m in self.messages[-2:])
        return asked == answer

    @property
    def has_tools(self) -> bool:
        """Whether tools are told of, called or answer in it."""
        return any(m.calls or m.role in ("tool", "tools") for m in self.messages)


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
