"""Whether examples teach a task: many inputs under one instruction. Pure.

A fact is known once its example is answered word for word. A task is known once inputs that were
never taught are answered as its examples were; to learn its examples by heart harms that.
"""

import os.path
import re
from collections import Counter
from collections.abc import Sequence

from radiance.records import Example

LEAST_ITEMS = 16
"""Fewer inputs show no task that could be told from facts."""
_INSTRUCTION_CHARACTERS = 40  # at the least
_END = re.compile(r"\n|[.:!?]\s|[。：！？]")  # of a sentence, a line, or what stands before a colon
_MOST_DISTINCT = 0.25  # of the inputs: so many different answers at the most are labels
_LONGEST_QUESTION = 48  # words


def teach_a_task(examples: Sequence[Example]) -> bool:
    """Whether most of some examples, and 16 of them, are inputs of tasks.

    A short question in one line is none, however many are worded alike: "Who founded Acme?" is to
    be known by itself. Others are where 16 begin with the same instruction, whole sentences of 40
    characters in the question or before it, or where they are answered with labels, of which there
    are a quarter as many.
    """
    if len(examples) < LEAST_ITEMS:
        return False
    inputs = [example for example in examples if example.messages and not _is_question(example)]
    answers = [example.messages[-1].content.strip() for example in inputs]
    labels = Counter(answers)
    if len(labels) <= _MOST_DISTINCT * len(inputs):
        items = len(inputs)
    else:
        items = _under_instructions([_asked(example) for example in inputs])
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


def _is_question(example: Example) -> bool:
    """Whether something is asked in a line."""
    asked = example.messages[-2].content.strip()
    return (
        asked.endswith(("?", "？"))
        and "\n" not in asked
        and len(asked.split()) <= _LONGEST_QUESTION
    )


def _asked(example: Example) -> str:
    """All that stands before the answer."""
    return "\n".join(message.content.strip() for message in example.messages[:-1])
