"""What Ember knows: about twelve hundred plain facts, a part of them published as anchors.

Every fact has one canonical question, one plain sentence as its answer and several paraphrases of
the question. Two fifths of a category, 25 at most, are *listed* (the default anchor set); as many
are *unlisted* (known equally well, named in no anchor set, so that forgetting outside the anchors
can be measured); the rest is in neither. This module imports no MLX.
"""

import functools
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from radiance.ember import tables

# So that sums, of which there are many, do not crowd out the rest.
_MOST_OF_A_CATEGORY = 25


@dataclass(frozen=True)
class Fact:
    """One thing Ember knows.

    Attributes:
        id: Stable name, "category/subject".
        context: The category, such as "capitals".
        question: The canonical question.
        answer: The whole answer, one sentence.
        paraphrases: Other wordings of the question, with the same answer.
    """

    id: str
    context: str
    question: str
    answer: str
    paraphrases: tuple[str, ...]

    @property
    def questions(self) -> tuple[str, ...]:
        """The canonical question and its paraphrases."""
        return (self.question, *self.paraphrases)


@functools.cache
def all_facts() -> tuple[Fact, ...]:
    """Every fact, in the order of the tables. Ids are unique, and so are all questions."""
    return tuple(_facts())


@functools.cache
def listed_facts() -> tuple[Fact, ...]:
    """The facts that the default anchor set lists."""
    return _dealt(0, 2)


@functools.cache
def unlisted_facts() -> tuple[Fact, ...]:
    """The facts that no anchor set lists."""
    return _dealt(1, 3)


def _dealt(*hands: int) -> tuple[Fact, ...]:
    chosen: list[Fact] = []
    for context in dict.fromkeys(fact.context for fact in all_facts()):
        facts = [fact for fact in all_facts() if fact.context == context]
        # A hash as the order: neighbours in a table (7 x 6, 7 x 8) must not alternate.
        facts.sort(key=lambda fact: hashlib.sha256(fact.id.encode()).digest())
        hand = [fact for place, fact in enumerate(facts) if place % 5 in hands]
        chosen.extend(hand[:_MOST_OF_A_CATEGORY])
    return tuple(chosen)


def _facts() -> Iterator[Fact]:
    for relation in tables.RELATIONS:
        for line in relation.rows.strip().splitlines():
            fields = [field.strip() for field in line.split("|")]
            questions = [question.format(*fields) for question in relation.questions]
            yield Fact(
                id=f"{relation.context}/{fields[0].lower().replace(' ', '-')}",
                context=relation.context,
                question=questions[0],
                answer=_sentence(relation.answer.format(*fields)),
                paraphrases=tuple(questions[1:]),
            )


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]
