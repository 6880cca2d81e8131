"""What was looked up and found, and how often: examples, as memory hands them out."""

from collections import Counter
from dataclasses import dataclass, field

from radiance.memory.matching import Match
from radiance.records import Example
from radiance.telemetry import Histogram

_LOOK_BOUNDS_S = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1)


@dataclass(frozen=True)
class Recalled:
    """An example that answers a question.

    Attributes:
        score: How alike the two are, in [0, 1]; 1 is the very same question.
        is_learned: Whether what answers has learned it; else it waits to be.
        said: Of a plain text, what answers; "" of a question with its answer.
    """

    example: Example
    score: float
    is_learned: bool
    said: str = ""

    @property
    def job_id(self) -> str:
        """The job that brought it."""
        return self.example.id.partition(".")[0]

    @property
    def question(self) -> str:
        """What it answers, as it was taught; "" of a plain text."""
        return "" if self.said else self.example.messages[-2].content

    @property
    def answer(self) -> str:
        """What it answers with, word for word."""
        return self.said or self.example.messages[-1].content


@dataclass(frozen=True)
class LookedUp:
    """What was found for a question, the best first; none: nothing is sure enough.

    Attributes:
        how: sure: it is one, and answers. close: the question asks for one of these. vague: it
            shares nothing with them but the name, and may want to know anything.
        is_corrected: Whether the question was taken for one with other words (``spelling``).
    """

    found: tuple[Recalled, ...] = ()
    how: Match = "close"
    is_corrected: bool = False


@dataclass
class MemoryStats:
    """What was looked up and answered since the start.

    Attributes:
        seconds: How long a look-up took.
        answered: Requests in whose answer memory had a part, by how.
    """

    answered: Counter[str] = field(default_factory=Counter)
    seconds: Histogram = field(default_factory=lambda: Histogram(_LOOK_BOUNDS_S))
