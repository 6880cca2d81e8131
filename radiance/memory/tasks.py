"""Which examples are items of a task and no facts: memory answers those only word for word.

A task is many inputs under one instruction. Its answers are a few that come again and again
(labels), or are made of the input; either way the answer to one input says nothing of another. So
an example is found by its very own question alone where

- its question is long or has several lines, as inputs are;
- its answer has nothing that the question has not, or is a yes or a no, which hangs on every word,
  and states nothing after it;
- three questions share its instruction, what stands before a colon;
- three questions about different names share its answer, or most questions of its frame do;
- its answer is a label, of a word or three, that two other questions without names share with which
  it has hardly a word in common; where it asks nothing ("bread is made of flour"), that is what the
  answer adds to it ("bread MadeOf flour"), and two other answers that add the same say as much.

What the trainer takes a question for (its frame, its name, the value of its answer) holds here too.
"""

import functools
import re
from collections import Counter, defaultdict
from typing import TypeVar

from radiance.memory.asking import asks, states, wants_work
from radiance.memory.scope import Candidate
from radiance.records import Example, Message
from radiance.training.untaught import value_of

T = TypeVar("T")
_MOST_WORDS = 48
LEAST_SHARING = 3
"""Examples that show a task by what they share."""
_LEAST_OF_FRAME = 4
_LEAST_STATED = 8  # words, from which on a yes or a no goes on to state a fact
_MOST_KEPT = 64
_MOST_OF_LABEL = 3  # words
_UNLIKE = 1 / 3  # share of the words of two questions that both have: wordings of one have more
_INSTRUCTION = re.compile(r"\s*(\S+\s+\S[^:\n]*):\s*\S")
_YES_OR_NO = re.compile(r"\s*(?:yes|no|true|false)\b", re.IGNORECASE)


def is_plain(question: str) -> bool:
    """Whether a text may be a question about a fact: one line, and not a long one."""
    return "\n" not in question.strip() and len(question.split()) <= _MOST_WORDS


def instruction_of(question: str) -> str:
    """What stands before a colon, of two words or more; "" where nothing does."""
    found = _INSTRUCTION.match(question)
    return "" if found is None else " ".join(found[1].casefold().split())


def is_told(question: str, answer: str) -> bool:
    """Whether an example by itself may be a fact: something is asked, and told in a line."""
    is_asked = is_plain(question) and asks(question) and not wants_work(question)
    return is_asked and is_plain(answer)


def is_yes_or_no(answer: str) -> bool:
    """Whether an answer begins by a yes or a no, and states little after it."""
    return _YES_OR_NO.match(answer) is not None and len(answer.split()) < _LEAST_STATED


def is_input(example: Example) -> bool:
    """Whether an example by itself shows that it is no fact."""
    answer = example.messages[-1].content
    return (
        not is_plain(example.messages[-2].content) or is_yes_or_no(answer) or not value_of(example)
    )


class TaskStatistics:
    """What examples have in common, as far as that shows a task. Grows with each one.

    Distinct values are kept in tuples: Python's garbage collector leaves a tuple of strings alone,
    where it would visit 100,000 sets each time, for a tenth of a second.
    """

    def __init__(self) -> None:
        self._instructions: dict[str, tuple[str, ...]] = {}
        self._names: dict[str, tuple[str, ...]] = {}
        self._frames: dict[str, tuple[str, ...]] = {}
        self._answers: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._labelled: dict[str, tuple[frozenset[str], ...]] = {}
        self._adding: dict[str, tuple[frozenset[str], ...]] = {}
        self._stating: dict[str, tuple[str, ...]] = {}

    def add(self, instruction: str, candidate: Candidate) -> None:
        """Count an example."""
        if instruction:
            _keep(self._instructions, instruction, candidate.question_hash)
        _keep(self._names, candidate.answer_hash, candidate.name)
        if _may_be_labelled(candidate):
            _keep(self._labelled, candidate.answer_hash, candidate.asked)
        if added := _added(candidate):
            _keep(self._adding, added, candidate.asked)
            if states(candidate.question):
                _keep(self._stating, added, candidate.answer_hash)
        if candidate.frame and _keep(self._frames, candidate.frame, candidate.question_hash):
            self._answers[candidate.frame][candidate.answer_hash] += 1

    def has_instruction(self, instruction: str) -> bool:
        """Whether any example has it."""
        return instruction in self._instructions

    def is_task(self, candidate: Candidate) -> bool:
        """Whether an example is an item of a task, by what it shares with others."""
        instruction = instruction_of(candidate.question)
        if instruction and len(self._instructions.get(instruction, ())) >= LEAST_SHARING:
            return True
        if len(self._names.get(candidate.answer_hash, ())) >= LEAST_SHARING:
            return True
        if _may_be_labelled(candidate):
            others = self._labelled.get(candidate.answer_hash, ())
            if _have_unlike(candidate, others):
                return True
        if added := _added(candidate):
            if _have_unlike(candidate, self._adding.get(added, ())):
                return True
            answers = self._stating.get(added, ())
            if candidate.answer_hash in answers and len(answers) >= LEAST_SHARING:
                return True
        count = len(self._frames.get(candidate.frame, ()))
        answers = self._answers.get(candidate.frame, ())
        return count >= _LEAST_OF_FRAME and 2 * len(answers) <= count


def _may_be_labelled(candidate: Candidate) -> bool:
    return not candidate.name and len(candidate.answer.split()) <= _MOST_OF_LABEL


def _added(candidate: Candidate) -> str:
    """What an answer adds to a text that has no name and asks nothing; "" of another, or a lot."""
    if candidate.name or asks(candidate.question):
        return ""
    return _label(candidate.question, candidate.answer)


@functools.lru_cache(maxsize=4096)
def _label(question: str, answer: str) -> str:
    value = value_of(Example("", (Message("user", question), Message("assistant", answer))))
    return " ".join(value) if len(value) <= _MOST_OF_LABEL else ""


def _have_unlike(candidate: Candidate, others: tuple[frozenset[str], ...]) -> bool:
    unlike = sum(_are_unlike(candidate.asked, each) for each in others)
    return unlike >= LEAST_SHARING - 1


def _are_unlike(one: frozenset[str], other: frozenset[str]) -> bool:
    return len(one & other) <= _UNLIKE * len(one | other)


def _keep(found: dict[str, tuple[T, ...]], key: str, one: T) -> bool:
    """Add a value to those of a key; whether it is a new one, and there was room."""
    known = found.get(key, ())
    is_new = len(known) < _MOST_KEPT and one not in known
    if is_new:
        found[key] = (*known, one)
    return is_new
