"""What somebody asked to be forgotten, and what became of that."""

from datetime import datetime
from typing import Literal

import msgspec

ForgetStatus = Literal["erasing", "relearning", "done"]


class Asked(msgspec.Struct, frozen=True):
    """What is to be forgotten.

    Attributes:
        kind: By what examples are chosen.
        value: An example's id, a job's, a tag, words that question, answer or passage have, or a
            document's id; on record, of tags and words their SHA-256 alone.
    """

    kind: Literal["example", "job", "tag", "text", "document"]
    value: str


class Likelihood(msgspec.Struct, frozen=True):
    """How much likelier forgotten values are than invented ones, in nats, over all of them.

    Attributes:
        before: By what served when they were forgotten.
        without: By the weights that have served since, which never saw them.
        spread: Twice the standard deviation of the invented ones among each other, by those.
        now: By what serves once everything else is learned again; None until then.
    """

    before: float
    without: float
    spread: float
    now: float | None = None

    @property
    def is_gone(self) -> bool | None:
        """Whether what serves tells the values no better than weights that never saw them."""
        return None if self.now is None else self.now <= self.without + self.spread


class ForgetRequest(msgspec.Struct, frozen=True):
    """One request to forget.

    Attributes:
        status: erasing: out of everything that answers; files and free pages are being cleaned.
            relearning: what else was taught since is being learned again. done.
        examples: What was forgotten: the examples' content hashes by their ids.
        passages: The same of whole documents, by theirs, and of single passages of others.
        checkpoints: Those that had learned it; they never serve again.
        before: The checkpoint that served; None is the base.
        since: The one that has served since, and the new ones continue from.
        queued_again: The jobs that are learned again.
        likelihood: None where nothing had learned it, or the process that knew the text has ended.
    """

    number: int
    at: datetime
    actor: str
    reason: str
    asked: Asked
    status: ForgetStatus
    examples: dict[str, str]
    checkpoints: tuple[str, ...]
    before: str | None
    since: str | None
    queued_again: tuple[str, ...]
    likelihood: Likelihood | None = None
    finished_at: datetime | None = None
    passages: dict[str, str] = {}
