"""How fast answers come, beside mlx_lm.server: tokens per second, and time to the first token.

    python -m bench.serving

Both serve Ember (or ``--model``) with the same adapter, each in a process of its own, and take
turns; a round sends the same prompts to both, which neither has seen, streamed and greedy, so many
at a time. Speed is of all completion tokens over the time from the first request to the last
answer.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

from bench.harness import Bench, Figures, Size, Table, alternate
from bench.intervals import median, quantile, ratio
from bench.servers import ONLY_SERVING, Server, Servers, run_streams, save_random_adapter

OURS, THEIRS = "radiance", "mlx_lm.server"
# Concurrent streams, least requests a round, tokens an answer, rounds.
Sizes = tuple[tuple[int, ...], int, int, int]
SIZES: dict[Size, Sizes] = {
    "tiny": ((2,), 2, 4, 1),
    "default": ((1, 8, 32), 8, 64, 20),
    "large": ((1, 8, 32), 64, 128, 30),
}
OTHER_SIZES: dict[Size, Sizes] = {
    "default": ((1, 8, 24), 4, 32, 6),
    "large": ((1, 8, 24), 16, 64, 20),
}


def side(server: Server, streams: int, requests: int, max_tokens: int) -> Callable[[], Figures]:
    """A round of one server; the n-th round of either has the same prompts."""
    rounds = 0

    def run() -> Figures:
        nonlocal rounds
        rounds += 1
        bodies = [
            server.chat(f"Tell me what you know of place {rounds}-{i}-{streams}.", max_tokens)
            for i in range(max(streams, requests))
        ]
        began = time.perf_counter()
        answers = run_streams(server.port, bodies, streams)
        seconds = time.perf_counter() - began
        assert all(answer.status == 200 and answer.arrivals for answer in answers)
        first = [answer.first_s for answer in answers]
        return {
            "tokens_per_s": sum(answer.tokens for answer in answers) / seconds,
            "first_s": quantile(first, 0.5),
            "first_p99_s": quantile(first, 0.99),
            "texts": [answer.text for answer in answers],
        }

    return run


def measure(
    bench: Bench, streams: int, requests: int, max_tokens: int, rounds: int
) -> dict[str, list[Figures]]:
    with Servers() as servers:
        adapter = save_random_adapter(bench.model, servers.folder / "adapter", seed=1)
        sides = {
            THEIRS: side(servers.mlx_lm(bench.model, adapter), streams, requests, max_tokens),
            OURS: side(
                servers.radiance(bench.model, adapter, *ONLY_SERVING), streams, requests, max_tokens
            ),
        }
        found = alternate(sides, rounds, 1, bench.progress(rounds + 1))
        pairs = zip(found[OURS], found[THEIRS], strict=True)
        same = [a == b for o, t in pairs for a, b in zip(o["texts"], t["texts"], strict=True)]
        for figures in (*found[OURS], *found[THEIRS]):
            del figures["texts"]
        for figures in found[OURS]:
            figures["same_text"] = sum(same) / len(same)
        return found


def main(arguments: Sequence[str] | None = None) -> None:
    bench = Bench.from_command_line("serving", __doc__, arguments, model="ember")
    concurrencies, requests, max_tokens, rounds = bench.sized(SIZES, OTHER_SIZES)
    found = {}
    for streams in concurrencies:
        cell = {"streams": streams, "requests": requests, "tokens": max_tokens, "rounds": rounds}
        found[streams] = bench.cell(
            cell, lambda n=streams: measure(bench, n, requests, max_tokens, rounds)
        )

    def column(streams: int, name: str, key: str) -> list[float]:
        return [figures[key] for figures in found[streams][name]]

    ratios = {
        streams: {
            key: ratio(column(streams, OURS, key), column(streams, THEIRS, key))
            for key in ("tokens_per_s", "first_s", "first_p99_s")
        }
        for streams in found
    }
    table = Table(
        f"{bench.model.title}: streamed answers with an adapter; ratios are ours to theirs",
        (
            "streams",
            "tokens/s, ours",
            "theirs",
            "ratio",
            "first token ms, ours",
            "theirs",
            "ratio",
            "p99 ratio",
            "same text",
        ),
        [
            (
                streams,
                median(column(streams, OURS, "tokens_per_s")),
                median(column(streams, THEIRS, "tokens_per_s")),
                ratios[streams]["tokens_per_s"],
                median([1000 * value for value in column(streams, OURS, "first_s")]),
                median([1000 * value for value in column(streams, THEIRS, "first_s")]),
                ratios[streams]["first_s"],
                ratios[streams]["first_p99_s"],
                f"{column(streams, OURS, 'same_text')[0]:.0%}",
            )
            for streams in found
        ],
    )

    def draw(figure: Any) -> None:
        left, right = figure.subplots(1, 2)
        for axes, key, label in (
            (left, "tokens_per_s", "tokens per second"),
            (right, "first_s", "seconds to the first token"),
        ):
            for name, style in ((OURS, "o-"), (THEIRS, "s--")):
                values = [median(column(streams, name, key)).value for streams in found]
                axes.plot(list(map(str, found)), values, style, label=name)
            axes.set_xlabel("concurrent streams")
            axes.set_ylabel(f"{label}, median of rounds")
            axes.set_ylim(bottom=0)
            axes.legend()

    bench.finish([table], draw, ratios={str(n): of_n for n, of_n in ratios.items()})


if __name__ == "__main__":
    main()
