"""What the memory scenarios teach: invented facts as people would write them down, and the order.

The facts stand in scenario_facts.txt, one a block: the question, "= " and the answer, and for some
"~ " and another wording of the question that is never taught. What any right answer contains stands
in [brackets], which are not taught either. Names, codes, amounts and formats are mixed on purpose,
several facts are about one entity, and no pattern makes one answer out of another.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

Kind = Literal["new", "correction", "repeat"]
Grouping = Literal["all", "update", "domain", "history"]

_TEXTS = Path(__file__).with_name("scenario_facts.txt")


@dataclass(frozen=True)
class Fact:
    """Something to learn.

    Attributes:
        domain: What it is about; its values have no business in an answer about another.
        question: As it is taught.
        answer: The whole answer.
        values: The parts of it that any right answer contains.
        otherwise: Another wording of the question; "" for none.
        kind: Whether it is new, replaces an earlier answer, or was taught before as it is.
    """

    domain: str
    question: str
    answer: str
    values: tuple[str, ...]
    otherwise: str = ""
    kind: Kind = "new"


@dataclass(frozen=True)
class Scenario:
    """Updates in a row, and what must be known at the end.

    Attributes:
        name: As it is reported.
        updates: The facts of each, in order.
        grouping: What is counted together: all, what one update taught, one domain, or what was
            untouched, corrected and added since the first update.
        bars: Least share of a group that must be answered word for word; "" is any other group.
    """

    name: str
    updates: tuple[tuple[Fact, ...], ...]
    grouping: Grouping
    bars: dict[str, float]

    def shortened(self, count: int) -> "Scenario":
        """The same with the first few facts of each update."""
        return replace(self, updates=tuple(facts[:count] for facts in self.updates))

    def valid(self) -> dict[str, tuple[Fact, str]]:
        """By question the fact that is right at the end, and its group."""
        found: dict[str, tuple[Fact, str]] = {}
        for number, facts in enumerate(self.updates, start=1):
            for fact in facts:
                if fact.kind != "repeat":
                    found[fact.question] = fact, self._group(fact, number)
        return found

    def superseded(self) -> dict[str, Fact]:
        """By value what was right once and is in no right answer any more: the fact it was of."""
        valid = self.valid()
        return {
            value: fact
            for facts in self.updates
            for fact in facts
            for value in fact.values
            if value not in valid[fact.question][0].values
        }

    def _group(self, fact: Fact, number: int) -> str:
        match self.grouping:
            case "all":
                return "all"
            case "update":
                return f"update {number}"
            case "domain":
                return fact.domain
            case "history":
                if fact.kind == "correction":
                    return "corrected"
                return "untouched" if number == 1 else "added"


def read_facts(text: str) -> dict[str, tuple[Fact, ...]]:
    """By section the facts of a text as described above; a section's head is "## name: domain"."""
    sections: dict[str, tuple[Fact, ...]] = {}
    for section in text.split("## ")[1:]:
        head, *blocks = section.strip().split("\n\n")
        name, domain = head.split(": ", 1)
        sections[name] = tuple(_fact(domain, block) for block in blocks)
    return sections


def _fact(domain: str, block: str) -> Fact:
    question, answer, *others = block.splitlines()
    pieces = answer.removeprefix("= ").replace("]", "[").split("[")
    otherwise = others[0].removeprefix("~ ") if others else ""
    return Fact(domain, question, "".join(pieces), tuple(pieces[1::2]), otherwise)


def _as(kind: Kind, facts: Iterable[Fact]) -> tuple[Fact, ...]:
    return tuple(replace(fact, kind=kind) for fact in facts)


def _cut(facts: Sequence[Fact], *sizes: int) -> tuple[tuple[Fact, ...], ...]:
    ends = [sum(sizes[: place + 1]) for place in range(len(sizes))]
    return tuple(tuple(facts[end - size : end]) for size, end in zip(sizes, ends, strict=True))


def scenarios() -> tuple[Scenario, ...]:
    """The five scenarios."""
    said = read_facts(_TEXTS.read_text())
    four_domains = (*said["clinic"], *said["desk"], *said["software"], *said["kitchen"])
    observatory, law_firm = said["observatory"], said["law-firm"]
    corrected, added = said["observatory-corrected"], said["observatory-added"]
    repeats = (
        *observatory[1:3],
        corrected[1],
        *observatory[12:14],
        added[0],
        *law_firm[3:5],
    )
    return (
        Scenario("a", (said["optics"],), "all", {"": 1.0}),
        Scenario("b", _cut(said["daily"], 8, 8, 8), "update", {"": 7 / 8}),
        Scenario(
            "c",
            (
                (*said["haulier"], *said["school"]),
                (
                    *_as("correction", (*said["haulier-corrected"], *said["school-corrected"])),
                    *said["school-added"],
                    *said["haulier-added"],
                ),
            ),
            "history",
            {"": 5 / 6, "added": 3 / 4},
        ),
        # The borders of the updates lie within the domains.
        Scenario("d", _cut(four_domains, 11, 11, 10), "domain", {"": 6 / 8}),
        Scenario(
            "e",
            (
                *_cut(observatory, 12, 12),
                (*_as("correction", corrected), *added),
                law_firm,
                _as("repeat", repeats),
            ),
            "all",
            {"": 0.8},
        ),
    )
