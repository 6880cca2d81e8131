"""Which questions the base knows as much of as weights that have learned more.

They are about nothing that was taught. An adapter that has learned facts alone has nothing to say
to them; what it learned of a task, a style or a text is meant for more than its examples.
"""

import re
from collections.abc import Callable, Sequence

from radiance.memory import asking, scope, tasks
from radiance.memory.analysis import Words, of_groups, take_apart
from radiance.memory.chats import leans_on_chat
from radiance.memory.index import MemoryIndex, context_of
from radiance.memory.scope import Candidate
from radiance.records import Message

_OWN = re.compile(r"\b(?:(?<!how do )(?<!how can )i|my|mine|we|us|our|ours)\b")
_NO_GROUPS: frozenset[int] = frozenset()


class Untaught:
    """Tells what nobody taught. Safe to use from several threads.

    Args:
        index: Of all examples.
        is_known: Whether an example that holds for a checkpoint has all of some words.
        read: How many passages of documents, or of texts, have a word.
    """

    def __init__(
        self,
        index: MemoryIndex,
        is_known: Callable[[Sequence[str], str | None], bool],
        read: Callable[[str], int],
    ) -> None:
        self._index, self._is_known, self._read = index, is_known, read

    def names_nothing_known(self, question: str, tip: str | None) -> bool:
        """Whether a plain question has a name that no example has, and is of no known task."""
        asked = take_apart(question)
        if not asked.names or not self._is_plain(question):
            return False
        if all(map(self._read, asked.names)):
            return False
        if not all(self._is_known((name,), tip) for name in asked.names):
            return True
        pairs = [pair for pair in asked.pairs if asked.names.issuperset(pair)]
        # Where Tom Li and Bob Ray are known, Bob Li is not.
        return bool(pairs) and not any(self._is_known(pair, tip) for pair in pairs)

    def asks_nothing_taught(self, turns: Sequence[Message], tip: str | None) -> bool:
        """Whether the base knows as much of a plain question as weights that have learned more.

        It has a name that no example has. Or all examples are facts, it leans on no earlier turn,
        asks about nothing of the user's own, and none of its words, nor a synonym of one, is in any
        of them. Where all of them are about names, it has no name of theirs, and at most half of
        its words are in any one of them: "Which metal is liquid at room temperature?" Or it asks
        whether something is so of a name of theirs, and none is about that: "Is Ana Ruiz married?"
        """
        question = turns[-1].content
        if self.names_nothing_known(question, tip):
            return True
        asked = take_apart(question)
        if asked.names and all(map(self._read, asked.names)):
            return False
        is_leaning = leans_on_chat(question) and (len(turns) > 1 or not asked.content)
        if is_leaning or not self._is_plain(question) or self.may_be_of_a_task(question):
            return False
        if not self._index.is_about_names:
            if _OWN.search(question.casefold()):
                return False  # "Who repairs our tap?": the base does not know what is the user's
            return not any(self._is_said(asked, stem) for stem in asked.content)
        near = self._index.find(asked, context_of(()))
        # A number alone is no name: "What is half of 50?" is not about what costs $50.
        names = [name for name in asked.names if not name.isdecimal()]
        if any(map(self._index.count, names)):
            is_about = any(scope.is_about(asked, each) for each in near)
            return "whether" in asking.kinds_asked(question) and not is_about
        content = {stem for stem in asked.content if not stem.isdecimal()}
        if any(each.name in content for each in near):
            return False  # "what does zorbel make": a name, though in small letters
        return all(2 * _shared(asked, content, each) <= len(content) for each in near)

    def may_be_of_a_task(self, question: str) -> bool:
        """Whether examples that are no facts may have taught how a question is to be answered.

        A question may, if some of them are asked as one; any other text, if some are not.
        """
        return self._index.has_other_than_facts(asked=asking.is_question(question))

    def _is_said(self, asked: Words, stem: str) -> bool:
        """Whether any example or document has a word of a question, or a synonym of it."""
        alike = of_groups(asked.senses.get(stem, _NO_GROUPS))
        return any(self._index.count(each) or self._read(each) for each in (stem, *alike))

    def _is_plain(self, question: str) -> bool:
        instruction = tasks.instruction_of(question)
        return tasks.is_plain(question) and not self._index.knows_instruction(instruction)


def _shared(asked: Words, content: set[str], candidate: Candidate) -> int:
    """How many words of a question an example has, or synonyms of them."""
    known = candidate.asked | candidate.said
    return sum(
        stem in known or bool(asked.senses.get(stem, _NO_GROUPS) & candidate.groups)
        for stem in content
    )
