"""Which part is looked up, and which part is known: taught facts, asked in words nobody taught.

    python -m bench.knowing [--model smollm2]

A service with its defaults is posted eight facts of ``bench.streams``. Each fact is asked in its
taught words and in two others: the moment ``POST /update`` has answered, while it trains, and once
it has learned; then with ``memory: "off"``, so that the weights answer alone. Names that were never
taught are asked too. Beside it, on the same base:

- *plain LoRA*: ``mlx_lm.lora``'s trainer on the same facts, to the loss that ours came to;
- *plain retrieval*: nothing is trained; the three facts nearest to the question by BM25 stand in
  the system prompt of the base.

Counted apart are answers that are the taught answer word for word, those that have its value in
them, and those that say they do not know. Some of the other wordings are among those that the rules
of rewording make, which the trainer learns with: "unmade" counts those that are not.
"""

import asyncio
import re
import sqlite3
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from bench.harness import Bench, Figures, Size, Table
from bench.intervals import proportion
from bench.mlx_lm_trainer import ANSWER_TOKENS, ASKED_AT_ONCE
from bench.processes import Process
from bench.scenarios import contains
from bench.servers import Server, Servers, plain
from bench.streams import Fact, make_stream, untaught, value_of
from radiance.records import questions
from radiance.training import augmentation, rewording
from tests.support import example

# Streams, facts of each, untaught questions.
SIZES: dict[Size, tuple[int, int, int]] = {
    "tiny": (1, 2, 2),
    "default": (2, 8, 16),
    "large": (5, 8, 48),
}
ON_OTHERS: dict[Size, tuple[int, int, int]] = {"default": (1, 8, 16)}
SIDES = (
    "radiance, at once",
    "radiance, while it trains",
    "radiance, learned",
    "its weights alone",
    "plain LoRA",
    "plain retrieval",
    "base",
)
_MOST_STEPS, _BATCH_SIZE = 300, 8
_RETRIEVED = 3
_POLL_S = 0.05
_TINY_FLAGS = ("--set", "training.max_steps=8", "--set", "anchor.own_samples=0")
_UNKNOWING = re.compile(r"\b(do not|don't|cannot|can't|not) (know|sure|have)", re.IGNORECASE)


def ask(server: Server, questions: Sequence[str], **options: Any) -> list[str]:
    """Greedy answers of ``/search``, several at a time, in the order asked."""

    async def all_of_them() -> list[str]:
        places = asyncio.Semaphore(ASKED_AT_ONCE)

        async def one(question: str) -> str:
            body = {"prompt": question, "max_tokens": ANSWER_TOKENS, "temperature": 0, **options}
            async with places:
                status, answer = await plain(server.port, "POST", "/search", body)
            assert status == 200, answer
            return answer["response"]

        return list(await asyncio.gather(*map(one, questions)))

    return asyncio.run(all_of_them())


class Retrieval:
    """The facts nearest to a question by BM25, from a full-text index of SQLite's."""

    def __init__(self, facts: Sequence[Fact]) -> None:
        self._index = sqlite3.connect(":memory:")
        self._index.execute("CREATE VIRTUAL TABLE facts USING fts5(text)")
        texts = [(f"{fact.question} {fact.answer}",) for fact in facts]
        self._index.executemany("INSERT INTO facts VALUES (?)", texts)

    def prompt(self, question: str) -> list[Figures]:
        """What a model is asked: the facts, then the question."""
        words = " OR ".join(f'"{word}"' for word in re.findall(r"\w+", question))
        query = "SELECT text FROM facts WHERE facts MATCH ? ORDER BY rank LIMIT ?"
        found = [row[0] for row in self._index.execute(query, (words, _RETRIEVED))]
        told = "Answer from these facts:\n" + "\n".join(f"- {text}" for text in found)
        return [{"role": "system", "content": told}, {"role": "user", "content": question}]


def retrieved(server: Server, facts: Sequence[Fact], questions: Sequence[str]) -> list[str]:
    """The base's answers with the nearest facts in its prompt."""
    retrieval = Retrieval(facts)

    async def all_of_them() -> list[str]:
        places = asyncio.Semaphore(ASKED_AT_ONCE)

        async def one(question: str) -> str:
            body = {
                "model": "base",
                "messages": retrieval.prompt(question),
                "max_tokens": ANSWER_TOKENS,
                "temperature": 0,
                "memory": "off",
            }
            async with places:
                status, answer = await plain(server.port, "POST", "/v1/chat/completions", body)
            assert status == 200, answer
            return answer["choices"][0]["message"]["content"]

        return list(await asyncio.gather(*map(one, questions)))

    return asyncio.run(all_of_them())


def measure(bench: Bench, seed: int) -> Figures:
    """One stream's first update: every side's answers to every question."""
    with Servers() as servers:
        return _measure(bench, servers, seed)


def _measure(bench: Bench, servers: Servers, seed: int) -> Figures:
    _, count, others = bench.sized(SIZES, ON_OTHERS)
    facts = make_stream(seed, updates=4, facts=count)[0].facts
    asked = _questions(facts, untaught(seed, others))
    flags = ["--log-level=error"]
    for name, value in bench.model.settings().items():
        flags += ["--set", f'{name}="{value}"']
    server = servers.radiance(
        bench.model, None, *flags, *(_TINY_FLAGS if bench.size == "tiny" else ())
    )
    answers = {"base": ask(server, asked, memory="off")}
    answers["plain retrieval"] = retrieved(server, facts, asked)
    body = {"examples": [{"input": fact.question, "output": fact.answer} for fact in facts]}
    began = time.perf_counter()
    status, posted = server.call("POST", "/update", body)
    assert status == 202, posted
    answers[SIDES[0]] = ask(server, asked)
    job = posted["job_id"]
    while (state := server.call("GET", f"/jobs/{job}")[1])["finished_at"] is None:
        if (state["progress"] or {}).get("step") and SIDES[1] not in answers:
            answers[SIDES[1]] = ask(server, asked)
        time.sleep(_POLL_S)
    seconds = time.perf_counter() - began
    if state["status"] != "succeeded":
        raise RuntimeError(f"stream {seed}: the job {state['status']}: {state['error']}")
    answers[SIDES[2]] = ask(server, asked)
    answers[SIDES[3]] = ask(server, asked, memory="off")
    report = server.call("GET", f"/checkpoints/{state['checkpoint']}")[1]["report"]
    parameters = {
        "model": bench.model.name,
        "facts": [(fact.question, fact.answer) for fact in facts],
        "loss": report["finetune_loss"],
        "parent": None,
        "adapter": str(servers.folder / "plain.safetensors"),
        "asked": asked,
        "most_steps": 2 if bench.size == "tiny" else _MOST_STEPS,
        "batch_size": _BATCH_SIZE,
    }
    with Process("bench.mlx_lm_trainer:learn", parameters) as trainer:
        answers["plain LoRA"] = trainer()["answers"]
    return {
        "seconds": seconds,
        "asked": asked,
        "answers": answers,
        "judged": {side: judge(facts, given, answers["base"]) for side, given in answers.items()},
    }


def _questions(facts: Sequence[Fact], strangers: Sequence[str]) -> list[str]:
    taught = [fact.question for fact in facts]
    return [*taught, *(other for fact in facts for other in fact.others), *strangers]


def judge(facts: Sequence[Fact], answers: Sequence[str], base: Sequence[str]) -> Figures:
    """Counts, each as hits and how many there were.

    Args:
        facts: What was taught.
        answers: To ``_questions``: taught words, other words, untaught names.
        base: The base's to the same.
    """
    values = [value_of(fact) for fact in facts]
    taught, rest = answers[: len(facts)], answers[len(facts) :]
    others, strangers = rest[: 2 * len(facts)], rest[2 * len(facts) :]
    told = [(answer, facts[place // 2], values[place // 2]) for place, answer in enumerate(others)]
    bled = [any(contains(answer, value) for value in values) for answer in strangers]
    found: Counter[str] = Counter()
    for place, (answer, fact, value) in enumerate(told):
        has_value = contains(answer, value)
        is_unmade = not _is_made(fact, fact.others[place % 2])
        found["exact"] += answer == fact.answer
        found["value"] += has_value
        found["unknown"] += not has_value and bool(_UNKNOWING.search(answer))
        found["unmade"] += is_unmade
        found["unmade with value"] += is_unmade and has_value
    as_base = [a == b for a, b in zip(strangers, base[len(base) - len(strangers) :], strict=True)]
    return {
        "taught": (sum(a == f.answer for a, f in zip(taught, facts, strict=True)), len(facts)),
        "exact": (found["exact"], len(told)),
        "value": (found["value"], len(told)),
        "unmade": (found["unmade with value"], found["unmade"]),
        "unknown": (found["unknown"], len(told)),
        "bleeding": (sum(bled), len(strangers)),
        "as_base": (sum(as_base), len(strangers)),
    }


def _is_made(fact: Fact, wording: str) -> bool:
    """Whether a rule of rewording makes a wording of a fact's question."""
    taught = example(0, fact.question, fact.answer)
    made = rewording.reworded(taught, [])
    return questions.normalise(wording) in {
        questions.normalise(augmentation.question(one)) for one in made
    }


def main(arguments: Sequence[str] | None = None) -> None:
    bench = Bench.from_command_line("knowing", __doc__, arguments, model="ember")
    streams = bench.sized(SIZES, ON_OTHERS)[0]
    progress = bench.progress(streams)
    measured: list[Figures] = []
    for seed in range(streams):
        measured.append(bench.cell({"stream": seed}, lambda n=seed: measure(bench, n)))
        progress.advance(f"stream {seed}")
    totals = {side: _total(measured, side) for side in SIDES}
    bench.finish(
        [_table(bench.model.title, totals)],
        lambda figure: _draw(figure, totals),
        sides={side: total for side, total in totals.items() if total},
    )


def _total(measured: Sequence[Figures], side: str) -> dict[str, tuple[int, int]]:
    """The counts of all streams together; none where a side was never asked."""
    sums: dict[str, tuple[int, int]] = {}
    for figures in measured:
        for key, (hits, count) in figures["judged"].get(side, {}).items():
            before = sums.get(key, (0, 0))
            sums[key] = before[0] + hits, before[1] + count
    return sums


_COLUMNS = {
    "taught": "taught words: word for word",
    "exact": "other words: word for word",
    "value": "its value",
    "unmade": "its value, unmade wordings",
    "unknown": "does not know",
    "bleeding": "untaught names: a taught value",
    "as_base": "as the base",
}


def _table(title: str, totals: dict[str, dict[str, tuple[int, int]]]) -> Table:
    return Table(
        f"{title}: what answers, and how well",
        ("", *_COLUMNS.values()),
        [
            (side, *(_share(*total[key]) for key in _COLUMNS))
            for side, total in totals.items()
            if total
        ],
    )


def _share(hits: int, count: int) -> str:
    return f"{hits} of {count}: {proportion(hits, count)}" if count else "-"


def _draw(figure: Any, totals: dict[str, dict[str, tuple[int, int]]]) -> None:
    axes = figure.subplots()
    sides = [side for side, total in totals.items() if total]
    for place, key in enumerate(("exact", "value")):
        shares = [totals[side][key][0] / max(1, totals[side][key][1]) for side in sides]
        where = [n + 0.4 * place for n in range(len(sides))]
        axes.barh(where, shares, 0.4, label=_COLUMNS[key])
    axes.set_yticks([n + 0.2 for n in range(len(sides))], sides)
    axes.set_xlabel("share of questions in other words")
    axes.legend()


if __name__ == "__main__":
    main()
