"""What a request to forget would do: to examples, passages, checkpoints, jobs, and what serves."""

from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from radiance.documents import removal as passage_removal
from radiance.documents.removal import Kept, SoughtPassages
from radiance.errors import Conflict, NotFound
from radiance.jobs import relearning, removal
from radiance.records import Asked, Example
from radiance.registry import withdrawal
from radiance.registry.rows import current_id, why_held
from radiance.registry.store import Registry
from radiance.storage.sqlite import Connection, Database
from radiance.training.untaught import value_of

_MOST_ALIKE = 20


class Preview(msgspec.Struct, frozen=True):
    """What a request forgets, or would forget.

    Attributes:
        examples: The examples, which nothing knows any more once they are forgotten.
        checkpoints: Those that had learned one of them.
        serves: What serves without them; None is the base.
        queued_again: The jobs that must be learned again.
        cancelled: Jobs that only checkpoints aside from what served had learned (rolled back, held
            by a pin): a retry has them learned.
        alike: Ids of other examples, and of passages, that have a value of theirs, and of passages
            that are the same as one of these word for word: they stay.
        passages: Passages of documents that are forgotten.
    """

    examples: tuple[Example, ...]
    passages: tuple[Kept, ...]
    checkpoints: tuple[str, ...]
    serves: str | None
    queued_again: tuple[str, ...]
    cancelled: tuple[str, ...]
    alike: tuple[str, ...] = ()


class SoughtTexts(NamedTuple):
    """What somebody wants forgotten, as far as it was found before the transaction."""

    asked: Asked
    examples: removal.Sought
    passages: SoughtPassages


@dataclass(frozen=True)
class ForgetPlan:
    """What a request would do, as of the open transaction.

    Attributes:
        before: What serves now; None is the base.
        left: Checkpoints that serve no more and whose jobs are to be learned again.
    """

    preview: Preview
    before: str | None
    left: tuple[str, ...]


class ForgetPlanner:
    """Plans what is to be forgotten; changes nothing."""

    def __init__(self, db: Database, registry: Registry) -> None:
        self._db, self._registry = db, registry

    def seek(self, asked: Asked) -> SoughtTexts:
        """What fits, as far as it can be found before the transaction."""
        return SoughtTexts(asked, removal.Sought(self._db, asked), SoughtPassages(self._db, asked))

    def preview(self, sought: SoughtTexts) -> Preview:
        """What forgetting it would do, and what has the same values and stays.

        Raises:
            NotFound, Conflict: As ``plan`` has it.
        """
        with self._db.transaction() as connection:
            preview = self.plan(connection, sought).preview
        values = [" ".join(value_of(each)) for each in preview.examples if each.messages]
        alike = removal.mentioning(self._db, values, {each.id for each in preview.examples})
        gone = {kept.passage.id for kept in preview.passages}
        texts = [kept.passage.text for kept in preview.passages]
        found = passage_removal.mentioning(self._db, values)
        found += passage_removal.saying_the_same(self._db, texts)
        alike += [id for id in dict.fromkeys(found) if id not in gone]
        return msgspec.structs.replace(preview, alike=tuple(alike[:_MOST_ALIKE]))

    def plan(self, connection: Connection, sought: SoughtTexts) -> ForgetPlan:
        """What forgetting it would do, in an open transaction.

        Raises:
            NotFound: No example and no passage fits.
            Conflict: The stable pointer is pinned to what has learned one.
        """
        asked = sought.asked
        examples, passages = sought.examples.find(connection), sought.passages.find(connection)
        if not examples and not passages:
            raise NotFound(
                f"There is nothing to forget by {asked.kind} {asked.value!r}.",
                field=asked.kind,
                value=asked.value,
                remedy="GET /jobs lists the jobs, and GET /documents the documents; an example's id"
                " is in the answers of memory.",
            )
        ids = [example.id for example in examples]
        held = withdrawal.holders(connection, {id.partition(".")[0] for id in ids})
        before = serves = current_id(connection)
        left: list[str] = []
        if before in held:
            if (why := why_held(connection)) is not None:
                raise Conflict(
                    f"{why}, to {before}, which has learned what is to be forgotten.",
                    remedy="Unpin it first: POST /unpin.",
                )
            serves, left = withdrawal.newest_without(self._registry, before, held)
        again = relearning.learned_in(connection, left)
        aside = relearning.learned_in(connection, set(held) - set(left))
        preview = Preview(
            tuple(examples), tuple(passages), tuple(held), serves, tuple(again), tuple(aside)
        )
        return ForgetPlan(preview, before, tuple(left))
