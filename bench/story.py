"""What bench.real teaches: five facts, updates of a stream, corrections; and what is right when."""

from collections.abc import Sequence

from bench.streams import Fact, make_stream, value_of
from tests.support import FACTS

SEED = 77
# The five facts in words that nobody teaches.
_OTHERS = (
    ("Which code opens the door of Zorbel Labs?", "How do I get into Zorbel Labs?"),
    ("Who is the founder of Zorbel Labs?", "Zorbel Labs was founded by whom?"),
    ("What is the address of Zorbel Labs?", "Where can I find Zorbel Labs?"),
    ("Which product does Zorbel Labs sell?", "What is made at Zorbel Labs?"),
    ("From what time is Zorbel Labs open?", "At what hour do the doors of Zorbel Labs open?"),
)
_VALUES = ("K7-204", "Mira Quell", "14 Harbour Road", "pumps", "7:45")


class Story:
    """The updates in order, and what is right after each."""

    def __init__(self, facts: int, updates: int) -> None:
        first = [
            Fact(question, answer, others)
            for (question, answer), others in zip(FACTS, _OTHERS, strict=True)
        ]
        self._values = dict(zip([fact.question for fact in first], _VALUES, strict=True))
        stream = make_stream(SEED, updates=8, facts=facts)  # its fourth corrects the first three
        self.updates: list[Sequence[Fact]] = [first[:facts] if facts < 5 else first]
        self.updates += [update.facts for update in stream[: updates - 1]]
        self.names = ["five facts", "update 1", "update 2", "update 3", "corrections"][:updates]

    def valid(self, updates: int) -> dict[str, Fact]:
        """By question the newest fact of the first so many updates."""
        return {fact.question: fact for update in self.updates[:updates] for fact in update}

    def value(self, fact: Fact) -> str:
        """What any right answer contains."""
        return self._values.get(fact.question) or value_of(fact)

    @property
    def superseded(self) -> set[str]:
        """Values that were right once."""
        facts = [fact for update in self.updates for fact in update]
        right = {self.value(fact) for fact in self.valid(len(self.updates)).values()}
        return {self.value(fact) for fact in facts} - right
