"""What is asked of a server: workloads, each with its prompts by round.

The n-th round of any side has the same prompts, and no round has another's.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from bench.streams import make_stream

Messages = Sequence[dict[str, Any]]
Adapter = Literal["noise", "taught", "none"]

SYSTEM = (
    "You are the assistant of the Tarn depot. You help the people at the desk to keep the list of "
    "parcels. Be brief and friendly. Say what is on the list, where each parcel goes and which bay "
    "it waits in. Where something is not on the list, say so and ask for the number of the parcel. "
    "Never make up a parcel, a bay or a name."
)
_GOODS = [
    "lamps",
    "pumps",
    "valves",
    "chairs",
    "hinges",
    "bottles",
    "cables",
    "filters",
    "tiles",
    "brushes",
]
_TOWNS = [
    "Skell",
    "Ostrey",
    "Brenn",
    "Halden",
    "Ferrin",
    "Moorgate",
    "Velden",
    "Arrel",
    "Corvane",
    "Sennick",
]


@dataclass(frozen=True)
class Workload:
    """A kind of traffic.

    Attributes:
        name: As tables have it.
        streams: How many requests are answered at a time; None: as many as the size says.
        prompts: Of a round: its number, how many, and how many streams there are.
        adapter: What both sides answer with.
    """

    name: str
    streams: tuple[int, ...] | None
    prompts: Callable[[int, int, int], list[Messages]]
    adapter: Adapter


def _unrelated(number: int, count: int, streams: int) -> list[Messages]:
    """Short questions that share nothing but the template."""
    return [_asked(f"Tell me what you know of place {number}-{i}-{streams}.") for i in range(count)]


def _chats(number: int, count: int, streams: int) -> list[Messages]:
    """Chats as people have them: one system prompt for all, a list that is repeated and changed."""
    found: list[Messages] = []
    for place in range(count):
        draw = random.Random(f"{number}-{place}-{streams}")
        lines = [
            f"{draw.randint(2, 40)} {good} to {town}, bay {draw.randint(1, 19)}"
            for good, town in zip(draw.sample(_GOODS, 3), draw.sample(_TOWNS, 3), strict=True)
        ]
        listed = "\n".join(f"{n}. {line}" for n, line in enumerate(lines, start=1))
        found.append(
            [
                {"role": "system", "content": SYSTEM},
                {"role": "user", "content": f"Put these on the list: {'; '.join(lines)}."},
                {"role": "assistant", "content": f"They are on the list:\n{listed}"},
                {"role": "user", "content": "Repeat the list, please."},
            ]
        )
    return found


def _taught(number: int, count: int, streams: int) -> list[Messages]:
    """Questions whose answers were taught, in the words that were taught."""
    questions = [question for question, _ in taught_facts()]
    first = number * count
    return [_asked(questions[(first + place) % len(questions)]) for place in range(count)]


def taught_facts() -> list[tuple[str, str]]:
    """What both sides know: ours learned it by its API, theirs has the same adapter."""
    return [(fact.question, fact.answer) for fact in make_stream(5)[0].facts]


def _asked(prompt: str) -> Messages:
    return [{"role": "user", "content": prompt}]


UNRELATED = Workload("questions that share nothing", None, _unrelated, "noise")
CHATS = Workload("chats: one system prompt, some repetition", None, _chats, "taught")
TAUGHT = Workload("taught answers", (1, 8), _taught, "taught")
BURST = Workload("a burst after silence", (8,), _chats, "taught")
BARE = Workload("questions that share nothing, no adapter", None, _unrelated, "none")
WORKLOADS = {
    "unrelated": UNRELATED,
    "chats": CHATS,
    "taught": TAUGHT,
    "burst": BURST,
}
