"""How long does memory look for an answer, with 10,000 examples to look through?

    python -m bench.lookup

Taught are facts of ``bench.streams``, of as many seeds as it takes; nothing is trained and no model
answers. Looked up are, in turn, taught questions as they are, their other wordings, the same in
lower case, what may be asked of any name, and names that were never taught; each once, on one
thread. The time of the thread itself stands beside what the clock says: on a busy machine the
latter is mostly waiting for a core. Beside ``words`` stands an index with vectors of minilm's size.
These are sums of random vectors of words: what is compared, and how, hangs on their number and
length alone, and making ten thousand real ones takes a quarter of an hour. The time that minilm
takes for a question's own vectors, which a look-up waits for, is a row of its own, where it was
fetched; so is a second look, which is taken only where several facts may be meant.
"""

import hashlib
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bench.harness import Bench, Figures, Size, Table
from bench.streams import make_stream, untaught
from bench.wording import OF_ANYTHING, Direct, name_of
from radiance.config import UpdateSettings
from radiance.engine.model import fetching
from radiance.engine.model.named import NAMED
from radiance.examples.admission import admit
from radiance.examples.store import ExampleStore
from radiance.jobs.queue import JobQueue
from radiance.memory import analysis
from radiance.memory.closer import LOOKED_AT
from radiance.memory.embedders import Embedder, NoEmbedder, Tokens
from radiance.memory.memory import Memory
from radiance.records import Message
from radiance.storage.sqlite import Database

BAR_MS = 5.0
_SHOWN = {"median": 50, "99 %": 99, "slowest": 100}
# Examples, and questions of each kind.
SIZES: dict[Size, tuple[int, int]] = {
    "tiny": (200, 10),
    "default": (10_000, 500),
    "large": (10_000, 2000),
}
Times = dict[str, list[tuple[float, float]]]
_PART = 500  # examples of an update
_WARM_UP = 50


class OfWords:
    """Sums of words' vectors, which are random, and the same for the same word."""

    identity, dimensions = "sums of words", 384

    def __init__(self) -> None:
        self._known: dict[str, np.ndarray] = {}

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Unit vectors, (texts, dimensions) float32."""
        return np.stack([self._of(text) for text in texts])

    def tokens(self, texts: Sequence[str]) -> Sequence[Tokens]:
        """A token for each word."""
        return [self._tokens_of(text) for text in texts]

    def _of(self, text: str) -> np.ndarray:
        total = np.sum([self._word(word) for word in _words(text)], axis=0)
        return (total / np.linalg.norm(total)).astype(np.float32)

    def _tokens_of(self, text: str) -> Tokens:
        rows = np.stack([self._word(word) for word in _words(text)]).astype(np.float32)
        ids = [hash(word) for word in _words(text)]
        return Tokens(ids, rows / np.linalg.norm(rows, axis=1, keepdims=True))

    def _word(self, word: str) -> np.ndarray:
        if word not in self._known:
            seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8])
            self._known[word] = np.random.default_rng(seed).normal(size=self.dimensions)
        return self._known[word]


def _words(text: str) -> list[str]:
    return [word.strip("?.,!") for word in text.casefold().split()] or [""]


def facts(count: int) -> tuple[list[tuple[str, str]], list[str]]:
    """So many questions with their answers, and the other wordings of each."""
    found: dict[str, tuple[str, tuple[str, str]]] = {}
    seed = 0
    while len(found) < count:
        for update in make_stream(seed, updates=40):
            for fact in update.facts:
                found.setdefault(fact.question, (fact.answer, fact.others))
        seed += 1
    kept = list(found.items())[:count]
    return [(q, a) for q, (a, _) in kept], [one for _, (_, others) in kept for one in others]


def measure(embedder: Embedder, count: int, asked: int) -> Figures:
    """Milliseconds of every look-up, by what was asked."""
    taught, others = facts(count)
    with tempfile.TemporaryDirectory() as folder:
        db = Database(Path(folder) / "radiance.db")
        memory = Memory(db, ExampleStore(db), lambda tip: [], lambda: None, 0.02, embedder)
        memory.open()
        jobs = JobQueue(db, index=memory.add)
        settings = UpdateSettings(max_examples_per_update=_PART)
        for start in range(0, count, _PART):
            body = {
                "examples": [{"input": q, "output": a} for q, a in taught[start : start + _PART]]
            }
            jobs.add(admit(body, settings, lambda example: None), f"body {start}")
        memory.embed_missing()
        chance = random.Random(0)
        names = [name_of(question) for question, _ in chance.sample(taught, asked)]
        kinds = {
            "taught words": [q for q, _ in chance.sample(taught, asked)],
            "other words": chance.sample(others, asked),
            "in lower case": [one.casefold() for one in chance.sample(others, asked)],
            "of any name": [chance.choice(OF_ANYTHING).format(name) for name in names],
            "untaught names": untaught(0, asked),
        }
        for question in kinds["other words"][:_WARM_UP]:
            memory.look_up([Message("user", question)], None)
        turns = [(kind, question) for kind, every in kinds.items() for question in every]
        chance.shuffle(turns)
        times: Times = {kind: [] for kind in kinds}
        for kind, question in turns:
            began, computed = time.perf_counter(), time.thread_time()
            memory.look_up([Message("user", question)], None)
            times[kind].append(_since(began, computed))
        db.close()
    return {"examples": count, "ms": times}


def _since(began: float, computed: float) -> tuple[float, float]:
    """Milliseconds by the clock, and of this thread."""
    return 1000 * (time.perf_counter() - began), 1000 * (time.thread_time() - computed)


def embedding(asked: int) -> Figures:
    """Milliseconds that minilm takes for a question and for it without names, on this thread."""
    embedder = Direct()
    return _timed(asked, lambda q, _: embedder.embed([q, analysis.without_names(q)]))


def second_look(asked: int) -> Figures:
    """Milliseconds that it takes for a question and the few that it may mean, token by token."""
    embedder = Direct()
    return _timed(asked, lambda q, others: embedder.tokens([q, *others]))


def _timed(asked: int, work: Callable[[str, Sequence[str]], object]) -> Figures:
    """Milliseconds of some work on each question and on those after it, which nobody saw before."""
    _, others = facts(asked)
    times = []
    step = 1 + LOOKED_AT
    for place in range(0, step * asked, step):
        question, *rest = (f"{others[n % len(others)]} {n}" for n in range(place, place + step))
        began, computed = time.perf_counter(), time.thread_time()
        work(question, rest)
        times.append(_since(began, computed))
    return {"ms": {"other words": times[1:]}}  # the first one reads the weights


def main(arguments: Sequence[str] | None = None) -> None:
    bench = Bench.from_command_line("lookup", __doc__, arguments)
    count, asked = SIZES[bench.size]
    cells: dict[str, Any] = {
        "words": partial(measure, NoEmbedder(), count, asked),
        "vectors": partial(measure, OfWords(), count, asked),
    }
    wheel = NAMED["minilm"].wheel
    if wheel is not None and fetching.is_here(wheel) and bench.size != "tiny":
        cells["minilm, for the question's own vectors"] = partial(embedding, asked)
        cells["minilm, for a second look at three"] = partial(second_look, asked)
    progress = bench.progress(len(cells))
    found: dict[str, Figures] = {}
    for name, run in cells.items():
        found[name] = bench.cell({"of": name, "examples": count, "asked": asked}, run)
        progress.advance(name)
    rows = [
        (name, kind, len(times), *_percentiles(times))
        for name, figures in found.items()
        for kind, times in (*figures["ms"].items(), ("all", _all(figures)))
        if kind != "all" or len(figures["ms"]) > 1
    ]
    bench.finish(
        [
            Table(
                f"Milliseconds of a look-up, {count} examples (bar: 99 % below {BAR_MS:g})",
                ("by", "asked", "n", *(f"{p}, {of}" for of in ("clock", "thread") for p in _SHOWN)),
                rows,
            )
        ],
        lambda figure: _draw(figure, found),
    )


def _all(figures: Figures) -> list[tuple[float, float]]:
    return [value for times in figures["ms"].values() for value in times]


def _percentiles(times: Sequence[tuple[float, float]]) -> list[str]:
    by_clock, of_thread = zip(*times, strict=True)
    return [f"{np.percentile(of, p):.2f}" for of in (by_clock, of_thread) for p in _SHOWN.values()]


def _draw(figure: Any, found: dict[str, Figures]) -> None:
    axes = figure.subplots()
    for name, figures in found.items():
        values = np.sort([by_clock for by_clock, _ in _all(figures)])
        axes.step(values, np.arange(1, len(values) + 1) / len(values), label=name)
    axes.axvline(BAR_MS, linestyle="--", color="black", linewidth=0.8)
    axes.set_xscale("log")
    axes.set_xlabel("milliseconds")
    axes.set_ylabel("share of look-ups that take no longer")
    axes.legend()


if __name__ == "__main__":
    main()
