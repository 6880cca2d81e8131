"""Which examples a newer answer to the same question has replaced. Pure.

Derived from what was learned in which order within a lineage of checkpoints, never stored: after a
rollback to before a correction the old example is valid again, and nothing needs to be undone.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from radiance.records import Example, Message, Supersession, questions
from radiance.records.questions import Sense, differs_in_one_value, normalise
from radiance.records.text import remembered
from radiance.storage.sqlite import to_json

_MOST_COMPARED = 5000  # newest examples that a new one is compared with, word by word
_MOST_PAIRS = 200_000  # comparisons for one update: a few tenths of a second
_messages = msgspec.json.Decoder(tuple[Message, ...])


class AnsweredQuestion(NamedTuple):
    """An example as far as corrections are concerned; ``job`` is the number of its job."""

    id: str
    question_hash: str
    content_hash: str
    job: int


def superseded(learned: Sequence[AnsweredQuestion]) -> list[Supersession]:
    """Every example that is not valid any more, each with the newest that is.

    Args:
        learned: What a lineage has learned, in the order in which it learned it.
    """
    newest = {example.question_hash: example for example in learned}
    return [
        Supersession(example.id, newest[example.question_hash].id)
        for example in learned
        if example.content_hash != newest[example.question_hash].content_hash
    ]


class Standing(NamedTuple):
    """What holds for a question: the example that answers it, and whether it was learned."""

    id: str
    is_learned: bool


def standing(
    learned: Sequence[AnsweredQuestion], waiting: Sequence[AnsweredQuestion]
) -> dict[str, Standing]:
    """The valid example of each question, by its hash, once all that waits is learned too.

    One that waits to be learned again, and says what is valid already, was learned.

    Args:
        learned: What a lineage has learned, in that order.
        waiting: What is to be learned after that, in the order in which it will be.
    """
    old = {each.example_id for each in superseded([*learned, *waiting])}
    before = {each.example_id for each in superseded(learned)}
    found: dict[str, Standing] = {}
    for example in learned:
        if example.id not in old:
            found[example.question_hash] = Standing(example.id, example.id not in before)
    for example in waiting:
        known = found.get(example.question_hash)
        if example.id not in old and (known is None or not known.is_learned):
            found[example.question_hash] = Standing(example.id, is_learned=False)
    return found


def superseded_by_job(met: Iterable[AnsweredQuestion], job: int) -> list[Supersession]:
    """What a job's examples replace, or will replace when it is learned.

    Only what was valid until then: of three answers to a question, the third replaces the second.

    Args:
        met: What the job meets that has the questions of its examples, and then its own.
        job: Its number.
    """
    valid: dict[str, list[AnsweredQuestion]] = defaultdict(list)
    found = []
    for example in met:
        before = valid[example.question_hash]
        if before and before[0].content_hash != example.content_hash:
            if example.job == job:
                found += [Supersession(old.id, example.id) for old in before]
            before.clear()
        before.append(example)
    return found


def most_compared(new: int) -> int:
    """With how many of the newest learned examples so many new ones are compared."""
    return min(_MOST_COMPARED, _MOST_PAIRS // max(1, new))


def near_misses(
    examples: Iterable[Example], learned: Iterable[tuple[str, str]]
) -> list[Supersession]:
    """What looks as if it were corrected in other words, and is not: it stays in replay.

    Near questions whose answers differ in one value. A suspicion, fit for a hint and no more, so an
    update does not wait long for it: a large one is compared with fewer of the newest examples.

    Args:
        examples: The new ones.
        learned: Ids and messages, as the database keeps them, of learned ones, the newest first.
    """
    new = [(example, *_question(to_json(example.messages))) for example in examples]
    old: dict[frozenset[str], dict[str, tuple[str, Sense, str]]] = defaultdict(dict)
    for id, messages in learned:  # the newest first: the valid one of those with one question
        asked, sense = _question(messages)
        old[sense.codes].setdefault(asked, (id, sense, messages))
    return [
        Supersession(id, example.id)
        for example, asked, sense in new
        for other, (id, others, messages) in old.get(sense.codes, {}).items()
        if other != asked
        and sense.is_near(others)
        and differs_in_one_value(example.messages[-1].content, _answer(messages))
    ]


@remembered(2 * _MOST_COMPARED)
def _question(messages: str) -> tuple[str, Sense]:
    """What a chat, as the database keeps it, asks; "" and no sense for a plain text."""
    asked = " ".join(normalise(message.content) for message in _messages.decode(messages)[:-1])
    return asked, questions.sense(asked)


def _answer(messages: str) -> str:
    return _messages.decode(messages)[-1].content
