"""Whether a question is about what an example is about: scope, before any score. Pure.

Every name and code of the question stands in the example, and the example's own name in the
question. What is not in scope is about something else, however alike it sounds. Where the two have
no name in common and an embedder compares them, nouns are as good as names: of "the summer house"
nothing is answered that is known of the office.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from radiance.memory.analysis import RANK_STEMS, Words, take_apart
from radiance.memory.nouns import telling

SAME_MEANING = 0.5
"""A similarity that is as good as a word in common."""
_LEAST_NAMELESS_MEANING = 0.55
_WHOLE_NAME = 2  # words
_NONE: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Candidate:
    """An example that may answer a question.

    Attributes:
        example: Its id.
        job: The number of its job.
        question: The wording by which it was found, as taught or another of it.
        answer: What it answers.
        asked: Stems of the question; ``said``: of the answer.
        names: Names and codes of the question.
        name: The one of them that tells it from others; "" for none.
        question_hash: Identity of the taught question.
        answer_hash: Identity of the answer.
        frame: Identity of the question without its name; of a task, of its instruction.
        is_exact: Whether it may only be found by the very same question.
        similarity: The embedder's, in [0, 1]; None without one.
        contrast: How much more alike it is than what else is in scope, in [-2, 2].
        number: Of its key in the index.
    """

    example: str
    job: int
    question: str
    answer: str
    asked: frozenset[str]
    said: frozenset[str]
    names: frozenset[str]
    name: str
    question_hash: str
    answer_hash: str
    frame: str = ""
    is_exact: bool = False
    similarity: float | None = None
    contrast: float = 0.0
    number: int = 0

    @property
    def senses(self) -> Mapping[str, frozenset[int]]:
        """Groups of synonyms of the question's words, by their stems."""
        return take_apart(self.question).senses

    @property
    def every_name(self) -> frozenset[str]:
        """Names and codes of question and answer."""
        own = frozenset((self.name,)) if self.name else frozenset()
        return own | self.names | take_apart(self.answer).names

    @property
    def groups(self) -> frozenset[int]:
        """All groups of synonyms of question and answer."""
        return take_apart(self.question).groups | take_apart(self.answer).groups


def in_scope(
    question: str, asked: Words, candidate: Candidate, knows: Callable[[str], bool]
) -> bool:
    """Whether a question is about what an example is about.

    Args:
        question: What somebody asks.
        asked: The same, taken apart.
        candidate: The example.
        knows: Whether any example has a word.
    """
    words = set(asked.content)
    missing = asked.names - candidate.asked - candidate.said
    means_same = candidate.similarity is not None and candidate.similarity >= SAME_MEANING
    # What is asked of a known name may have names of its own: "the Canadian writer Xin Lee".
    may_miss = means_same and candidate.name in words and all(map(knows, missing))
    if missing and not may_miss:
        return False
    if candidate.name and candidate.name not in words and not asked.names & candidate.names:
        return False
    if not is_named(asked, candidate) and candidate.similarity is not None:
        is_alike = candidate.similarity >= _LEAST_NAMELESS_MEANING
        return is_alike and all(_has(stem, asked, candidate) for stem in telling(question))
    if means_same or is_about(asked, candidate):
        return True
    # Nothing but the name: a whole one of several words says enough, "Zorbel" alone does not.
    whole = candidate.names | _belonging(asked, candidate)
    return len(whole) >= _WHOLE_NAME and candidate.names <= words


def _has(stem: str, asked: Words, candidate: Candidate) -> bool:
    """Whether an example has a word of a question, or a synonym of it."""
    if stem in candidate.asked or stem in candidate.said:
        return True
    return bool(asked.senses.get(stem, _NONE) & candidate.groups)


def is_named(asked: Words, candidate: Candidate) -> bool:
    """Whether a question and an example share a name or a code; a mere number is of anything."""
    shared = {candidate.name} & set(asked.content) | asked.names & candidate.names
    return not all(name.isdecimal() for name in shared)


def is_about(asked: Words, candidate: Candidate) -> bool:
    """Whether a question asks of a name what an example says of it, as far as words tell.

    It shares more with the example than the name and what belongs to it ("the Kestrel lamp"): a
    word, or a synonym of one. Where neither asks for more than what the name is, it is the same.
    The vice president is not the president.
    """
    if is_of_other_rank(asked, candidate):
        return False
    belonging = _belonging(asked, candidate)
    by_form = {stem for stem, kind in asked.kinds.items() if kind in asked.forms}
    relation = asked.relation - candidate.names - belonging - by_form
    # "In which year was it founded?" asks for more than a time; "Which city is it in?" does not.
    relation = relation - asked.kinds.keys() or relation
    if relation & (candidate.asked | candidate.said):
        return True
    # "When was it opened?" asks for more than a time; "Where is it?" for nothing but a place.
    meant = relation or asked.senses.keys() - frozenset(asked.content)
    groups = frozenset().union(*(asked.senses.get(stem, _NONE) for stem in meant))
    if groups & candidate.groups:
        return True
    return not relation and not take_apart(candidate.question).relation - belonging


def is_of_other_rank(asked: Words, candidate: Candidate) -> bool:
    """Whether a question is about another one of a kind: of the president, the vice president."""
    if not asked.ranks and not candidate.asked & RANK_STEMS:
        return False  # taking texts apart takes most of a look-up
    taught, answer = take_apart(candidate.question), take_apart(candidate.answer)

    def has(words: Words, kind: str, groups: frozenset[int]) -> bool:
        return kind in words.content or bool(groups & words.groups)

    more, less = asked.ranks - taught.ranks - answer.ranks, taught.ranks - asked.ranks
    return any(has(taught, kind, asked.senses.get(kind, _NONE)) for _, kind in more) or any(
        has(asked, kind, taught.senses.get(kind, _NONE)) for _, kind in less
    )


def is_asked_whole(asked: Words, candidate: Candidate) -> bool:
    """Whether a question whether something is so is about an example.

    It shares a word with it, or has a synonym of all that it asks: "Is Ana Ruiz married?" is about
    her husband, and "Is Ana Ruiz tall?" is not about the size of her shoes.
    """
    belonging = _belonging(asked, candidate)
    if not is_about(asked, candidate):
        return False
    if (asked.relation - candidate.names - belonging) & (candidate.asked | candidate.said):
        return True
    taught = take_apart(candidate.question)
    rest = taught.relation - belonging - asked.names
    return all(taught.senses.get(stem, _NONE) & asked.groups for stem in rest)


def _belonging(asked: Words, candidate: Candidate) -> set[str]:
    """What stands beside a name in both questions: "lamp" of "the Kestrel lamp"."""
    return {
        word
        for pair in asked.pairs & take_apart(candidate.question).pairs
        for word, other in (pair, pair[::-1])
        if other in candidate.names
    }
