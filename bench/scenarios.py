"""What does it remember? Five scenarios of updates through the HTTP API, each on a fresh root.

    python -m bench.scenarios

(a) five facts at once; (b) 24 in three updates; (c) 12, then six corrections and four new ones;
(d) four domains in three updates; (e) five updates: 12, 12, six corrections and two new ones, 12 of
another domain, eight repeats. Defaults throughout, so without the strict gate; on Ember, or
``--model``. At the end every
question is asked once more, greedily: *exact* counts answers that are the taught one word for
word, *value* those in which everything that matters appears. A value that was corrected must be in
no answer, not even when the corrected question is asked in words that were never taught.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench.harness import Bench, Figures, Table
from bench.learning import service, teach
from bench.scenario_facts import Fact, Scenario, scenarios
from tests.support import Client

TINY: dict[str, Any] = {"training.max_steps": 3, "anchor.own_samples": 0}
_TINY_FACTS = 2
_SHOWN_CHARACTERS = 160
_SEEDS = {"tiny": 1, "default": 1, "large": 3}


def contains(answer: str, value: str) -> bool:
    """Whether a value stands in an answer, not as a part of a longer word or number."""
    found = re.search(rf"(?<!\w){re.escape(_folded(value))}(?!\w)", _folded(answer))
    return found is not None


def _folded(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


def run(scenario: Scenario, settings: dict[str, Any]) -> Figures:
    """Teach a scenario's updates to a fresh service and ask it about them."""
    updates: list[Figures] = []
    with service(**settings) as running:
        for number, facts in enumerate(scenario.updates, start=1):
            taught = teach(running, [(fact.question, fact.answer) for fact in facts])
            so_far = _known(running.client, scenario.updates[:number])
            updates.append(
                {"seconds": taught["seconds"], "steps": taught["steps"], "exact": so_far}
            )
        return {"updates": updates, "answers": _asked(running.client, scenario)}


def _known(client: Client, updates: Sequence[Sequence[Fact]]) -> list[int]:
    """How many facts of each update are answered as it taught them and still right."""
    valid = {fact.question: fact.answer for facts in updates for fact in facts}
    got = {question: client.ask(question)["response"] for question in valid}
    return [
        sum(got[f.question] == f.answer == valid[f.question] for f in facts) for facts in updates
    ]


def _asked(client: Client, scenario: Scenario) -> list[Figures]:
    """Every answer at the end, judged."""
    valid = scenario.valid()
    facts = [fact for fact, _ in valid.values()]
    stale = scenario.superseded()
    found: list[Figures] = []
    for fact, group in valid.values():
        foreign = {
            value
            for other in (*facts, *stale.values())
            for value in other.values
            if other.domain != fact.domain and not contains(fact.answer, value)
        }
        for question in filter(None, (fact.question, fact.otherwise)):
            answer = client.ask(question)["response"]
            found.append(
                {
                    "question": question,
                    "expected": fact.answer,
                    "got": answer,
                    "group": group if question == fact.question else None,
                    "exact": answer == fact.answer,
                    "value": all(contains(answer, value) for value in fact.values),
                    "superseded": sorted(v for v in stale if contains(answer, v)),
                    "foreign": sorted(v for v in foreign if contains(answer, v)),
                }
            )
    return found


@dataclass(frozen=True)
class Score:
    """What one scenario came to.

    Attributes:
        rows: One a group: scenario, group, exact, value, number of facts, least exact, verdict.
        shares: Of each group the share that is exact.
    """

    rows: list[tuple[object, ...]]
    shares: dict[str, float]


def score(name: str, scenario: Scenario, answers: Sequence[Figures]) -> Score:
    """Count a scenario's answers by group, and what must be in none of them."""
    groups: dict[str, list[Figures]] = defaultdict(list)
    for answer in answers:
        groups[answer["group"] or "other wordings"].append(answer)
    rows: list[tuple[object, ...]] = []
    shares: dict[str, float] = {}
    for group, members in groups.items():
        exact, value = (sum(member[key] for member in members) for key in ("exact", "value"))
        if group == "other wordings":
            rows.append((name, group, exact, value, len(members), "-", "-"))
            continue
        bar = scenario.bars.get(group, scenario.bars[""])
        shares[group] = exact / len(members)
        verdict = "holds" if shares[group] >= bar else "MISSED"
        rows.append((name, group, exact, value, len(members), f"{bar:.3g}", verdict))
    for key, title in (("superseded", "superseded values"), ("foreign", "of other domains")):
        count = sum(bool(answer[key]) for answer in answers)
        rows.append((name, title, count, count, len(answers), "none", _none(count)))
    return Score(rows, shares)


def _none(count: int) -> str:
    return "MISSED" if count else "holds"


def main(arguments: Sequence[str] | None = None) -> None:
    bench = Bench.from_command_line("scenarios", __doc__, arguments, model="ember")
    is_tiny = bench.size == "tiny"
    chosen = [scenarios()[2].shortened(_TINY_FACTS)] if is_tiny else scenarios()
    cells = [(scenario, seed) for seed in range(_SEEDS[bench.size]) for scenario in chosen]
    progress = bench.progress(len(cells))
    results: dict[str, tuple[Scenario, Figures]] = {}
    for scenario, seed in cells:
        settings = {**bench.model.settings(), "training.seed": seed, **(TINY if is_tiny else {})}
        figures = bench.cell(
            {"scenario": scenario.name, "seed": seed},
            lambda scenario=scenario, settings=settings: run(scenario, settings),
        )
        results[f"{scenario.name}, seed {seed}"] = scenario, figures
        progress.advance(scenario.name)

    scores = {
        name: score(name, scenario, figures["answers"])
        for name, (scenario, figures) in results.items()
    }
    columns = ("scenario", "group", "exact", "value", "of", "least exact", "verdict")
    rows = [row for found in scores.values() for row in found.rows]

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        bars = [(f"{n} {g}", share) for n, s in scores.items() for g, share in s.shares.items()]
        places = range(len(bars))
        axes.barh(places, [share for _, share in bars])
        axes.set_yticks(places, [label for label, _ in bars])
        axes.invert_yaxis()
        axes.set_xlim(0, 1)
        axes.set_xlabel("share of the facts answered word for word")

    bench.finish(
        [
            Table(f"{bench.model.title}: what is known at the end", columns, rows),
            _course(results),
            _wrong(results),
        ],
        draw,
        missed=[row[:2] for row in rows if row[-1] == "MISSED"],
    )


def _course(results: dict[str, tuple[Scenario, Figures]]) -> Table:
    return Table(
        "Update by update: what is known word for word of each update so far",
        ("scenario", "update", "facts", "exact", "steps", "seconds"),
        [
            (
                name,
                number,
                len(scenario.updates[number - 1]),
                ", ".join(map(str, update["exact"])),
                update["steps"],
                round(update["seconds"], 1),
            )
            for name, (scenario, figures) in results.items()
            for number, update in enumerate(figures["updates"], start=1)
        ],
    )


def _wrong(results: dict[str, tuple[Scenario, Figures]]) -> Table:
    return Table(
        "Every answer that is not word for word the taught one",
        ("scenario", "question", "expected", "got", "with its values"),
        [
            (
                name,
                *(_inline(answer[key]) for key in ("question", "expected", "got")),
                "yes" if answer["value"] else "no",
            )
            for name, (_, figures) in results.items()
            for answer in figures["answers"]
            if not answer["exact"]
        ],
    )


def _inline(text: str) -> str:
    """A text as a table's cell, without the end of a long one."""
    if len(text) > _SHOWN_CHARACTERS:
        text = text[:_SHOWN_CHARACTERS] + "…"
    return text.replace("\n", " ⏎ ").replace("|", "\\|")


if __name__ == "__main__":
    main()
