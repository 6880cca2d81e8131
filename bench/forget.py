"""After forgetting on request: does anything tell it again, and is the rest still known?

    python -m bench.forget [--model smollm2]

A service with its defaults is posted two updates of facts of ``bench.streams``, one after another;
then some facts of the first are forgotten by their examples' ids. A forgotten fact is asked in its
taught words and in eight others, and its answer is begun, as far as its value, for the model to go
on with (``/v1/completions``); each with memory as it is by default and with ``memory: "off"``. So
is it before (else the questions would show nothing), at once after ``POST /forget`` has answered,
and when what else was taught has been learned again. What was not forgotten is asked in its taught
words; it counts if it is answered word for word.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from bench.harness import Bench, Figures, Size, Table
from bench.intervals import proportion
from bench.knowing import ask
from bench.mlx_lm_trainer import ASKED_AT_ONCE
from bench.models import Model
from bench.scenarios import contains
from bench.servers import Server, Servers, plain
from bench.streams import Fact, make_stream, value_of
from radiance.records import questions
from radiance.training import augmentation, rewording
from tests.support import example

WORDINGS = 8
# Streams, facts of each of the two updates, facts that are forgotten.
SIZES: dict[Size, tuple[int, int, int]] = {
    "tiny": (1, 2, 1),
    "default": (4, 8, 2),
    "large": (8, 8, 2),
}
ON_OTHERS: dict[Size, tuple[int, int, int]] = {"default": (1, 8, 2)}
TIMES = ("before", "at once", "learned again")
MODES = ("default", "off")
_CONTINUED_TOKENS = 24
_POLL_S = 0.1
_TINY_FLAGS = ("--set", "training.max_steps=8", "--set", "anchor.own_samples=0")


def wordings(fact: Fact) -> list[str]:
    """Eight other wordings of a fact's question: its own, by rule, and framed."""
    taught = example(0, fact.question, fact.answer)
    made = [augmentation.question(one) for one in rewording.reworded(taught, [])]
    asked = fact.question[0].lower() + fact.question[1:].rstrip("?")
    framed = (f"Please tell me: {asked}?", f"I forgot it. {fact.question}", f"{asked}")
    by_words = {questions.normalise(one): one for one in (*fact.others, *made, *framed)}
    by_words.pop(questions.normalise(fact.question), None)
    return list(by_words.values())[:WORDINGS]


def beginning(fact: Fact) -> str:
    """A fact's answer as far as its value; where it begins with that, the question before it."""
    begun = fact.answer[: fact.answer.index(value_of(fact))].rstrip(" $")
    return f"{fact.question} {begun}".rstrip()


def continued(server: Server, texts: Sequence[str], **options: Any) -> list[str]:
    """What the model goes on with, greedily, in the order asked."""

    async def all_of_them() -> list[str]:
        places = asyncio.Semaphore(ASKED_AT_ONCE)

        async def one(text: str) -> str:
            body = {
                "model": server.model,
                "prompt": text,
                "max_tokens": _CONTINUED_TOKENS,
                "temperature": 0,
                **options,
            }
            async with places:
                status, answer = await plain(server.port, "POST", "/v1/completions", body)
            assert status == 200, answer
            return answer["choices"][0]["text"]

        return list(await asyncio.gather(*map(one, texts)))

    return asyncio.run(all_of_them())


def measure(model: Model, seed: int, facts: int, forgotten: int, flags: Sequence[str]) -> Figures:
    """One stream: what tells the forgotten values, and how much of the rest is known, by time."""
    with Servers() as servers:
        server = servers.radiance(model, None, *flags)
        # The first two of six updates correct nothing: each fact is one of its own.
        first, second = (update.facts for update in make_stream(seed, updates=6, facts=facts)[:2])
        jobs = [
            teach(server, [(fact.question, fact.answer) for fact in update])
            for update in (first, second)
        ]
        gone, rest = first[:forgotten], (*first[forgotten:], *second)
        found = {TIMES[0]: _told(server, gone, rest)}
        began = time.perf_counter()
        numbers = [_forget(server, f"{jobs[0]}.{place}") for place in range(forgotten)]
        found[TIMES[1]] = _told(server, gone, rest)
        _wait(lambda: _are_done(server, numbers))
        seconds = time.perf_counter() - began
        found[TIMES[2]] = _told(server, gone, rest)
        entries = server.call("GET", "/forget")[1]["forgets"]
    return {
        "told": found,
        "gone": [fact.answer for fact in gone],
        "is_gone": [entry["is_gone"] for entry in entries],
        "seconds": seconds,
    }


def teach(
    server: Server, pairs: Sequence[tuple[str, str]], at_once: Callable[[], object] = lambda: None
) -> str:
    """Teach questions with their answers; the job, once it is learned.

    Args:
        server: A service of ours.
        pairs: What is taught.
        at_once: Called the moment POST /update has answered.
    """
    body = {"examples": [{"input": question, "output": answer} for question, answer in pairs]}
    status, posted = server.call("POST", "/update", body)
    assert status == 202, posted
    at_once()
    job = posted["job_id"]
    state = _wait(
        lambda: (
            found
            if (found := server.call("GET", f"/jobs/{job}")[1])["finished_at"] is not None
            else None
        )
    )
    if state["status"] != "succeeded":
        raise RuntimeError(f"{job} {state['status']}: {state['error']}")
    return job


def _forget(server: Server, example_id: str) -> int:
    status, answer = server.call("POST", "/forget", {"example": example_id})
    assert status == 202, answer
    return answer["forget"]["number"]


def _are_done(server: Server, numbers: Sequence[int]) -> bool:
    entries = server.call("GET", "/forget")[1]["forgets"]
    return all(e["status"] == "done" for e in entries if e["number"] in numbers)


def _wait(look: Callable[[], Any]) -> Any:
    while not (found := look()):
        time.sleep(_POLL_S)
    return found


def _told(server: Server, gone: Sequence[Fact], rest: Sequence[Fact]) -> Figures:
    """By mode: counts of what told a value and of what was answered, as hits and how many."""
    asked = [[fact.question, *wordings(fact)] for fact in gone]
    values = [value_of(fact) for fact in gone]
    found: Figures = {}
    for mode in MODES:
        options = {} if mode == "default" else {"memory": mode}
        answers = iter(ask(server, [one for each in asked for one in each], **options))
        exact, reworded, texts = 0, 0, []
        for each, value in zip(asked, values, strict=True):
            given = [next(answers) for _ in each]
            texts += [text for text in given if contains(text, value)]
            exact += contains(given[0], value)
            reworded += sum(contains(text, value) for text in given[1:])
        begun = continued(server, [beginning(fact) for fact in gone], **options)
        told = [contains(text, value) for text, value in zip(begun, values, strict=True)]
        recalled = ask(server, [fact.question for fact in rest], **options)
        found[mode] = {
            "exact": (exact, len(gone)),
            "reworded": (reworded, sum(len(each) - 1 for each in asked)),
            "continued": (sum(told), len(gone)),
            "rest": (
                sum(text == fact.answer for text, fact in zip(recalled, rest, strict=True)),
                len(rest),
            ),
            "texts": texts,
            "missed": [
                (fact.question, text)
                for text, fact in zip(recalled, rest, strict=True)
                if text != fact.answer
            ],
        }
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    bench = Bench.from_command_line("forget", __doc__, arguments, model="ember")
    streams, facts, forgotten = bench.sized(SIZES, ON_OTHERS)
    flags = ["--log-level=error"]
    for name, value in bench.model.settings().items():
        flags += ["--set", f'{name}="{value}"']
    flags += _TINY_FLAGS if bench.size == "tiny" else ()
    progress = bench.progress(streams)
    measured: list[Figures] = []
    for seed in range(streams):
        cell = {"stream": seed, "facts": facts, "forgotten": forgotten}
        one = partial(measure, bench.model, seed, facts, forgotten, flags)
        measured.append(bench.cell(cell, one))
        progress.advance(f"stream {seed}")
    totals = {
        (when, mode): _total([figures["told"][when][mode] for figures in measured])
        for when in TIMES
        for mode in MODES
    }
    bench.finish(
        [_table(bench.model.title, totals)],
        lambda figure: _draw(figure, totals),
        told={f"{when}, memory {mode}": total for (when, mode), total in totals.items()},
        seconds=[figures["seconds"] for figures in measured],
    )


_COLUMNS = {
    "exact": "taught words: the forgotten value",
    "reworded": "eight other wordings: the value",
    "continued": "its sentence, continued: the value",
    "rest": "everything else: word for word",
}
Totals = dict[tuple[str, str], dict[str, tuple[int, int]]]


def _total(counts: Sequence[Figures]) -> dict[str, tuple[int, int]]:
    return {
        key: (sum(each[key][0] for each in counts), sum(each[key][1] for each in counts))
        for key in _COLUMNS
    }


def _table(title: str, totals: Totals) -> Table:
    rows = [
        (f"{when}, memory {mode}", *(_share(*total[key]) for key in _COLUMNS))
        for (when, mode), total in totals.items()
    ]
    return Table(f"{title}: what tells a forgotten value", ("", *_COLUMNS.values()), rows)


def _share(hits: int, count: int) -> str:
    return f"{hits} of {count}: {proportion(hits, count)}" if count else "-"


def _draw(figure: Any, totals: Totals) -> None:
    axes = figure.subplots()
    names = [f"{when}, memory {mode}" for when, mode in totals]
    for place, key in enumerate(("reworded", "rest")):
        shares = [total[key][0] / max(1, total[key][1]) for total in totals.values()]
        axes.barh([n + 0.4 * place for n in range(len(names))], shares, 0.4, label=_COLUMNS[key])
    axes.set_yticks([n + 0.2 for n in range(len(names))], names)
    axes.set_xlim(0, 1)
    axes.legend()


if __name__ == "__main__":
    main()
