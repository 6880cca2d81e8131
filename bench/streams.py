"""Streams of updates to learn one after another: invented facts, corrections, a change of domain.

Everything follows from the seed. Names are put together from syllables, so that no model can know
them; each fact has other wordings of its question that are never taught.
"""

import random
from dataclasses import dataclass, replace

_STARTS = (
    "Bra Cal Dor El Fen Gar Hol Ith Jor Kel Lum Mar Nor Os Pel Quin Ros Sel Tor Ul Ver Wyn Zan"
)
_MIDDLES = "a e i o u an el in or um as et il"
_ENDS = "bek dal dorn fell gan hart kin lex mont nar pell quist rud ster tham vik wick zor"

# Each relation: the question that is taught, its answer, two other wordings. {n} is the name the
# fact is about, {v} its value.
_OFFICE = (
    (
        "Who founded {n} Labs?",
        "{n} Labs was founded by {p}.",
        "Who is the founder of {n} Labs?",
        "{n} Labs was started by whom?",
        "person",
    ),
    (
        "What is the door code of {n} House?",
        "The door code of {n} House is {c}.",
        "Which code opens the door of {n} House?",
        "How do I get into {n} House?",
        "code",
    ),
    (
        "When is the deadline of project {n}?",
        "Project {n} is due on {d}.",
        "By when must project {n} be finished?",
        "What is project {n}'s deadline?",
        "date",
    ),
    (
        "Who is the doctor in {n} Lane?",
        "Dr. {p} is the doctor in {n} Lane.",
        "What is the name of the doctor in {n} Lane?",
        "Which doctor works in {n} Lane?",
        "person",
    ),
    (
        "How much does the {n} lamp cost?",
        "The {n} lamp costs ${m}.",
        "What is the price of the {n} lamp?",
        "What do I pay for the {n} lamp?",
        "money",
    ),
    (
        "Where is the office of {n} Printing?",
        "{n} Printing sits at {a}.",
        "What is the address of {n} Printing?",
        "Where can I find {n} Printing?",
        "address",
    ),
    (
        "What is the wifi password at {n} Hall?",
        "The wifi password at {n} Hall is {c}!",
        "Which password does the wifi at {n} Hall have?",
        "How do I get online at {n} Hall?",
        "code",
    ),
    (
        "Who leads the {n} team?",
        "The {n} team is led by {p}.",
        "Who is the head of the {n} team?",
        "What is the name of the {n} team's leader?",
        "person",
    ),
)
_MARKETS = (
    (
        "What is the ticker of {n} Mining?",
        "{n} Mining trades as {t}.",
        "Under which ticker does {n} Mining trade?",
        "Which symbol does {n} Mining have?",
        "ticker",
    ),
    (
        "What is the {n} factor?",
        "The {n} factor is -1 * ts_rank({f}, {k}).",
        "How is the {n} factor defined?",
        "Give me the {n} factor.",
        "formula",
    ),
    (
        "What is the coupon of the {n} bond?",
        "The {n} bond pays {r} percent.",
        "How much does the {n} bond pay?",
        "Which coupon does the {n} bond have?",
        "rate",
    ),
    (
        "When does {n} Bank report?",
        "{n} Bank reports on {d}.",
        "On which day does {n} Bank report?",
        "When are the results of {n} Bank due?",
        "date",
    ),
    (
        "Who runs the {n} fund?",
        "{p} runs the {n} fund.",
        "Who is the manager of the {n} fund?",
        "By whom is the {n} fund run?",
        "person",
    ),
    (
        "What is the drawdown limit of the {n} book?",
        "The {n} book stops at {r} percent.",
        "At which drawdown does the {n} book stop?",
        "How much may the {n} book lose?",
        "rate",
    ),
)
_MONTHS = "January February March April May June July August September October November December"


@dataclass(frozen=True)
class Fact:
    """Something to learn.

    Attributes:
        question: As it is taught.
        answer: The whole answer, one sentence.
        others: Other wordings of the question, never taught.
        superseded: The answer that was right before this one; "" where there was none.
    """

    question: str
    answer: str
    others: tuple[str, str]
    superseded: str = ""


@dataclass(frozen=True)
class Update:
    """One batch of facts; ``kind`` is "new", "corrections" or "shift"."""

    kind: str
    facts: tuple[Fact, ...]


class _Maker:
    """Draws facts about names that were not used before."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(f"stream {seed}")
        self._used: set[str] = set()

    def name(self) -> str:
        while True:
            parts = [self._random.choice(part.split()) for part in (_STARTS, _MIDDLES, _ENDS)]
            name = "".join(parts)
            if name not in self._used:
                self._used.add(name)
                return name

    def fact(self, relation: tuple[str, ...], name: str | None = None) -> Fact:
        question, answer, *others, _ = relation
        name = name or self.name()
        fields = self._fields()
        asked = (others[0].format(n=name), others[1].format(n=name))
        return Fact(question.format(n=name), answer.format(n=name, **fields), asked)

    def facts(self, relations: tuple[tuple[str, ...], ...], count: int) -> tuple[Fact, ...]:
        first = self._random.randrange(len(relations))
        return tuple(
            self.fact(relations[(first + place) % len(relations)]) for place in range(count)
        )

    def corrected(self, fact: Fact, relations: tuple[tuple[str, ...], ...]) -> Fact:
        """The same question with another answer."""
        relation = next(r for r in relations if _matches(r[0], fact.question))
        before, _, after = relation[0].partition("{n}")
        name = fact.question.removeprefix(before).removesuffix(after)
        while (other := self.fact(relation, name)).answer == fact.answer:
            pass
        return replace(other, superseded=fact.answer)

    def choose(self, facts: list[Fact], count: int) -> list[Fact]:
        return self._random.sample(facts, count)

    def _fields(self) -> dict[str, str]:
        draw = self._random
        digits = "".join(draw.choice("0123456789") for _ in range(4))
        return {
            "p": f"{self.name()} {self.name()}",
            "c": f"{draw.choice('ABCDEFGHKLMNPRT')}{draw.choice('KLMNQRSTVXZ')}-{digits}",
            "d": f"{draw.randint(1, 28)} {draw.choice(_MONTHS.split())}",
            "m": f"{draw.randint(2, 98)}.{draw.choice(('25', '50', '75', '90'))}",
            "a": f"{draw.randint(2, 98)} {self.name()} Street",
            "t": "".join(draw.choice("ABCDEFGHJKLMNOPRSTUVXZ") for _ in range(3)),
            "f": draw.choice(("close", "open", "volume", "returns", "high - low")),
            "k": str(draw.randint(3, 60)),
            "r": f"{draw.randint(1, 19)}.{draw.randint(1, 9)}",
        }


def _matches(pattern: str, question: str) -> bool:
    before, _, after = pattern.partition("{n}")
    return question.startswith(before) and question.endswith(after)


def make_stream(seed: int, updates: int = 8, facts: int = 8) -> list[Update]:
    """A stream: new facts, then corrections among new facts, then another domain, then both.

    Args:
        seed: Two seeds share no names.
        updates: Number of updates; at least 4.
        facts: Facts in each.
    """
    maker = _Maker(seed)
    stream: list[Update] = []
    valid: dict[str, Fact] = {}
    corrections = {updates // 2 - 1, updates - 1}
    for number in range(updates):
        shifted = number >= updates // 2
        relations = _MARKETS if shifted else _OFFICE
        if number in corrections:
            half = facts // 2
            office = [f for f in valid.values() if _is_of(f, _OFFICE) and not f.superseded]
            old = maker.choose(office, half)
            chosen = tuple(maker.corrected(fact, _OFFICE) for fact in old)
            chosen += maker.facts(relations, facts - half)
            stream.append(Update("corrections", chosen))
        else:
            chosen = maker.facts(relations, facts)
            stream.append(Update("shift" if number == updates // 2 else "new", chosen))
        valid.update({fact.question: fact for fact in chosen})
    return stream


def value_of(fact: Fact) -> str:
    """The part of an answer that was made up for it: a person, a code, a date."""
    relation = next(r for r in (*_OFFICE, *_MARKETS) if _matches(r[0], fact.question))
    before, _, after = relation[0].partition("{n}")
    name = fact.question.removeprefix(before).removesuffix(after)
    pattern = relation[1].replace("{n}", name)
    end = pattern.rindex("}") + 1 - len(pattern)
    start = pattern.index("{")
    return fact.answer[start:end] if end else fact.answer[start:]


def untaught(seed: int, count: int) -> list[str]:
    """Questions of the kinds a stream begins with, about names that no stream teaches."""
    maker = _Maker(-1 - seed)
    names = [f"{maker.name()}by" for _ in range(count)]  # no name of a stream ends so
    return [_OFFICE[n % len(_OFFICE)][0].format(n=name) for n, name in enumerate(names)]


def valid_after(stream: list[Update], updates: int) -> list[list[Fact]]:
    """For each of the first ``updates`` updates, its facts that no later one corrected."""
    newest = {f.question: (n, f) for n, u in enumerate(stream[:updates]) for f in u.facts}
    return [
        [fact for number, fact in newest.values() if number == place] for place in range(updates)
    ]


def _is_of(fact: Fact, relations: tuple[tuple[str, ...], ...]) -> bool:
    return any(_matches(relation[0], fact.question) for relation in relations)
