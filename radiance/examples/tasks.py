"""Whether examples teach a task: many inputs under one instruction. Pure.

A fact is known once its example is answered word for word. A task is known once inputs that were
never taught are answered as its examples were; to learn its examples by heart harms that. What
could be either is taken for facts: facts that are learned as a task are not known.
"""

import os.path
import re
from collections import Counter
from collections.abc import Iterable, Sequence

from radiance.records import Example

LEAST_ITEMS = 16
"""Fewer inputs show no task that could be told from facts."""
_INSTRUCTION_CHARACTERS = 40  # at the least
_END = re.compile(r"\n|[.:!?]\s|[。：！？]")  # of a sentence, a line, or what stands before a colon
_MOST_DISTINCT = 0.25  # of the inputs: so many different answers at the most are labels
_LONGEST_QUESTION = 32  # words
_ASKED = ("?", "？", "؟", "か。")
_WORD = re.compile(r"[\u3040-\u9fff]|[^\W\u3040-\u9fff]+")
_MOST_COMMON = 0.1  # of the inputs: a word of more of them is none of an input's own
_LEAST_OWN_WORDS = 4  # of a text; a name, which a fact is about, has fewer
_LEAST_TAKEN = 0.75  # of an answer's own words, where it is made of the input


def teach_a_task(examples: Sequence[Example]) -> bool:
    """Whether most of some examples, and 16 of them, are inputs of tasks.

    A short question in one line is none, whatever stands before it: "Who founded Acme?" is to be
    known by itself. Nor are names in a wording that all share, "Department of Ann Lee". Others,
    texts of words of their own, are where they are answered with labels, of which there are a
    quarter as many, or where 16 begin with the same instruction, whole sentences of 40 characters.
    So are those whose answers are made of their words; of these the instruction may stand before
    the question.
    """
    if len(examples) < LEAST_ITEMS:
        return False
    chats = [example for example in examples if example.messages]
    owned = zip(chats, _own_lines([_question(example) for example in chats]), strict=True)
    found = [(example, lines) for example, lines in owned if not _is_question(lines)]
    inputs = [example for example, _ in found]
    answers = [example.messages[-1].content.strip() for example in inputs]
    own = _own_words([" ".join(lines) for _, lines in found])
    are_texts = _are_most(len(words) >= _LEAST_OWN_WORDS for words in own)
    are_taken = _are_most(map(_is_taken, _own_words(answers), own))
    items = 0
    if are_texts and 1 < len(set(answers)) <= _MOST_DISTINCT * len(inputs):
        items = len(inputs)
    elif are_taken:
        items = _under_instructions([_asked(example) for example in inputs])
    elif are_texts:
        items = _under_instructions([_question(example) for example in inputs])
    return items >= LEAST_ITEMS and 2 * items >= len(examples)


def _under_instructions(asked: Sequence[str]) -> int:
    """How many texts begin as others do: sorted, those stand side by side."""
    ordered = sorted(set(asked))
    count, items = 1, 0
    for place in range(1, len(ordered) + 1):
        if place < len(ordered) and _begin_alike(ordered[place - 1], ordered[place]):
            count += 1
            continue
        items += count if count >= LEAST_ITEMS else 0
        count = 1
    return items


def _begin_alike(one: str, other: str) -> bool:
    shared = os.path.commonprefix([one, other])  # noqa: RUF071 - of characters
    ends = [found.end() for found in _END.finditer(shared)]
    return bool(ends) and ends[-1] >= _INSTRUCTION_CHARACTERS


def _own_lines(texts: Sequence[str]) -> list[list[str]]:
    """The lines of each that most others do not have."""
    lines = [[line.strip() for line in text.splitlines() if line.strip()] for text in texts]
    counts = Counter(line for each in lines for line in set(each))
    return [[line for line in each if 2 * counts[line] <= len(texts)] for each in lines]


def _own_words(texts: Sequence[str]) -> list[set[str]]:
    """The words of each that few others have."""
    words = [set(_WORD.findall(text.casefold())) for text in texts]
    counts = Counter(word for each in words for word in each)
    most = max(1.0, _MOST_COMMON * len(texts))
    return [{word for word in each if counts[word] <= most} for each in words]


def _is_taken(answered: set[str], own: set[str]) -> bool:
    """Whether an answer is made of words of its input."""
    return bool(answered) and len(answered & own) >= _LEAST_TAKEN * len(answered)


def _are_most(each: Iterable[bool]) -> bool:
    found = list(each)
    return 2 * sum(found) >= len(found)


def _is_question(lines: Sequence[str]) -> bool:
    """Whether something is asked in a line."""
    if len(lines) != 1:
        return not lines
    [asked] = lines
    return asked.endswith(_ASKED) and len(asked.split()) <= _LONGEST_QUESTION


def _question(example: Example) -> str:
    return example.messages[-2].content.strip()


def _asked(example: Example) -> str:
    """All that stands before the answer."""
    return "\n".join(message.content.strip() for message in example.messages[:-1])
