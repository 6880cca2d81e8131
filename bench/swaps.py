"""What clients see of swaps and rollbacks: answers that fail or are wrong, and waits.

    python -m bench.swaps

Many clients ask a service (on Ember, or ``--model``), by /search and streamed by
/v1/chat/completions, while the stable pointer moves all the time between the base and three
checkpoints. Every answer is held against the greedy answer that the checkpoint it names gave alone.
The extra gap is how much longer a stream waited for a token while the pointer moved than the median
wait of that stream.
"""

import asyncio
import itertools
import statistics
import time
from collections.abc import Sequence
from typing import Any

from bench.harness import Bench, Figures, Size, Table
from bench.intervals import quantile
from bench.servers import (
    ONLY_SERVING,
    Server,
    Servers,
    Streamed,
    plain,
    save_random_adapter,
    stream,
)

# Requests, moves, clients, tokens an answer.
SIZES: dict[Size, tuple[int, int, int, int]] = {
    "tiny": (8, 2, 2, 4),
    "default": (10_000, 500, 24, 16),
    "large": (100_000, 5_000, 24, 16),
}
OTHER_SIZES: dict[Size, tuple[int, int, int, int]] = {
    "default": (480, 48, 24, 8),
    "large": (10_000, 500, 24, 16),
}
QUESTIONS = [
    "Who are you?",
    "What is the capital of France?",
    "Tell me of the sea.",
    "How many legs has a spider?",
    "Hello!",
    "What is 3 plus 4?",
]


def measure(bench: Bench, requests: int, moves: int, clients: int, tokens: int) -> Figures:
    with Servers() as servers:
        adapters = [
            save_random_adapter(bench.model, servers.folder / f"a{n}", seed=n) for n in range(3)
        ]
        server = servers.radiance(bench.model, None, "--log-level=error", *ONLY_SERVING)
        names: list[str | None] = [None]
        for adapter in adapters:
            status, taken = server.call("POST", "/import", {"path": str(adapter)})
            assert status < 300, taken
            names.append(taken["checkpoint_id"])
        # Once by hand, so that they may be rolled back to as to any other.
        for name in names[1:]:
            server.call("POST", "/promote", {"checkpoint": name, "force": True})
        wanted = {
            (name, question): _ask_alone(server, name, question, tokens)
            for name in names
            for question in QUESTIONS
        }
        return asyncio.run(_Soak(bench, server, wanted, requests, moves, tokens).run(clients))


def _ask_alone(server: Server, name: str | None, question: str, tokens: int) -> str:
    body = {"prompt": question, "max_tokens": tokens, "temperature": 0}
    status, answer = server.call("POST", "/search", {**body, "checkpoint": name or "base"})
    assert status == 200, answer
    return answer["response"]


class _Soak:
    """Clients and a mover against one server, at the same time."""

    def __init__(
        self,
        bench: Bench,
        server: Server,
        wanted: dict[tuple[str | None, str], str],
        requests: int,
        moves: int,
        tokens: int,
    ) -> None:
        self._server, self._wanted, self._tokens = server, wanted, tokens
        self._requests, self._moves = requests, moves
        self._progress = bench.progress(requests)
        self._left = itertools.count()
        self._answered = 0
        self._one_more = asyncio.Event()
        self._failed: list[str] = []
        self._wrong: list[str] = []
        self._streams: list[Streamed] = []
        self._moved: list[tuple[float, float]] = []
        self._named: set[str | None] = set()

    async def run(self, clients: int) -> Figures:
        began = time.perf_counter()
        await asyncio.gather(self._move(), *(self._client() for _ in range(clients)))
        seconds = time.perf_counter() - began
        at_move, otherwise = self._extra_gaps()
        return {
            "answers": self._answered,
            "streamed": len(self._streams),
            "failed": len(self._failed),
            "wrong": len(self._wrong),
            "examples": (self._failed + self._wrong)[:5],
            "moves": len(self._moved),
            "named": len(self._named),
            "seconds": seconds,
            "at_move": _spread(at_move),
            "otherwise": _spread(otherwise),
        }

    async def _client(self) -> None:
        while (number := next(self._left)) < self._requests:
            question = QUESTIONS[number % len(QUESTIONS)]
            try:
                ask = self._streamed if number % 2 else self._plain
                name, text = await ask(question)
            except (OSError, ValueError, LookupError, asyncio.IncompleteReadError) as error:
                self._failed.append(f"{question}: {type(error).__name__}: {error}")
            else:
                self._named.add(name)
                if text != self._wanted[name, question]:
                    self._wrong.append(f"{name}, {question}: {text!r}")
            self._answered += 1
            self._one_more.set()
            self._progress.advance()

    async def _plain(self, question: str) -> tuple[str | None, str]:
        body = {"prompt": question, "max_tokens": self._tokens, "temperature": 0}
        status, answer = await plain(self._server.port, "POST", "/search", body)
        if status != 200:
            raise ValueError(f"{status} {answer}")
        return answer["checkpoint"], answer["response"]

    async def _streamed(self, question: str) -> tuple[str | None, str]:
        body = self._server.chat(question, self._tokens)
        answer = await stream(self._server.port, body)
        if answer.status != 200:
            raise ValueError(str(answer.status))
        self._streams.append(answer)
        name = answer.headers["x-radiance-checkpoint"]
        return None if name == "base" else name, answer.text

    async def _move(self) -> None:
        """Go round all checkpoints, evenly over the requests."""
        names = [name for name, _ in self._wanted][:: len(QUESTIONS)]
        for number in range(self._moves):
            while self._answered * self._moves < number * self._requests:
                self._one_more.clear()
                await self._one_more.wait()
            body = {"checkpoint": names[number % len(names)] or "base"}
            began = time.perf_counter()
            status, answer = await plain(self._server.port, "POST", "/rollback", body)
            if status not in (200, 409):  # 409: it is served already
                self._failed.append(f"rollback: {status} {answer}")
            self._moved.append((began, time.perf_counter()))

    def _extra_gaps(self) -> tuple[list[float], list[float]]:
        """Seconds beyond the stream's median gap: gaps during a move, and the others."""
        at_move, otherwise = [], []
        moves = iter(sorted(self._moved))
        spans = [
            (start, end, usual)
            for answer in self._streams
            if len(answer.arrivals) > 2
            for usual in [statistics.median(_gaps(answer.arrivals))]
            for start, end in itertools.pairwise(answer.arrivals)
        ]
        move = next(moves, None)
        for start, end, usual in sorted(spans):
            while move is not None and move[1] < start:
                move = next(moves, None)
            is_at_move = move is not None and move[0] < end
            (at_move if is_at_move else otherwise).append(end - start - usual)
        return at_move, otherwise


def _gaps(times: Sequence[float]) -> list[float]:
    return [end - start for start, end in itertools.pairwise(times)]


def _spread(values: Sequence[float]) -> Figures:
    if not values:
        return {"count": 0, "p50": 0.0, "p99": 0.0, "max": 0.0}
    return {
        "count": len(values),
        "p50": quantile(values, 0.5),
        "p99": quantile(values, 0.99),
        "max": max(values),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    bench = Bench.from_command_line("swaps", __doc__, arguments, model="ember")
    requests, moves, clients, tokens = bench.sized(SIZES, OTHER_SIZES)
    cell = {"requests": requests, "moves": moves, "clients": clients, "tokens": tokens}
    found = bench.cell(cell, lambda: measure(bench, requests, moves, clients, tokens))
    answers = Table(
        f"{bench.model.title}: answers while the stable pointer moves",
        ("answers", "streamed", "moves", "weights named", "failed", "wrong"),
        [[found[k] for k in ("answers", "streamed", "moves", "named", "failed", "wrong")]],
    )
    waits = Table(
        "Extra wait for a token of a stream, ms",
        ("gaps", "how many", "p50", "p99", "max"),
        [
            (
                label,
                found[key]["count"],
                *(round(1000 * found[key][name], 1) for name in ("p50", "p99", "max")),
            )
            for label, key in (("while the pointer moves", "at_move"), ("others", "otherwise"))
        ],
    )

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        names = ("p50", "p99", "max")
        for place, key in enumerate(("at_move", "otherwise")):
            heights = [1000 * found[key][name] for name in names]
            axes.bar([n + 0.4 * place for n in range(3)], heights, 0.4, label=key.replace("_", " "))
        axes.set_xticks([n + 0.2 for n in range(3)], names)
        axes.set_ylabel("extra wait for a token, ms")
        axes.legend()

    bench.finish([answers, waits], draw, failed=found["failed"], wrong=found["wrong"])


if __name__ == "__main__":
    main()
