"""How fast answers come, beside mlx_lm.server: tokens per second, and time to the first token.

    python -m bench.serving [--model smollm2] [--workload chats] [--beside rapid-mlx]

Both serve Ember (or ``--model``) with the same adapter, each in a process of its own, and take
turns; a round sends the same prompts to both, streamed and greedy, so many at a time. Speed is of
all completion tokens over the time from the first request to the last answer. Workloads: questions
that share nothing; chats as people have them, with one system prompt and a list to be repeated;
answers that were taught to our service by its API, theirs with its adapter; a burst after silence.
Other servers have no such adapters: beside them all answer as the bare base.
"""

import argparse
import functools
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bench.harness import Bench, Figures, Progress, Size, Table, alternate
from bench.intervals import Interval, median, quantile, ratio
from bench.other_servers import OTHERS
from bench.servers import ONLY_SERVING, Server, Servers, run_streams, save_random_adapter
from bench.workloads import BARE, WORKLOADS, Workload, taught_facts
from tests.support import as_input

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
_SILENCE_S = 1.0
_RATIOS = ("tokens_per_s", "first_s", "first_p99_s")
Measured = dict[str, list[Figures]]


class Sides:
    """The servers of a workload's sides, started when they are first asked for.

    Args:
        others: Names of other servers, for workloads without an adapter.

    Attributes:
        absent: Servers that did not run, and why.
    """

    def __init__(self, bench: Bench, servers: Servers, others: Sequence[str]) -> None:
        self._bench, self._servers, self._others = bench, servers, others
        self.absent: dict[str, str] = {}

    def of(self, workload: Workload) -> dict[str, Server]:
        """By name."""
        if workload.adapter == "noise":
            return self._with_noise
        return self._taught if workload.adapter == "taught" else self._bare

    @functools.cached_property
    def _with_noise(self) -> dict[str, Server]:
        model, servers = self._bench.model, self._servers
        adapter = save_random_adapter(model, servers.folder / "adapter", seed=1)
        return {
            THEIRS: servers.mlx_lm(model, adapter),
            OURS: servers.radiance(model, adapter, *ONLY_SERVING),
        }

    @functools.cached_property
    def _taught(self) -> dict[str, Server]:
        model, servers = self._bench.model, self._servers
        # Both sides are to answer with the adapter, also what is about nothing that was taught.
        naive, everything = 'anchor.method="naive"', 'memory.scope="all"'
        flags = ("--set", naive, "--set", everything, *ONLY_SERVING)
        if self._bench.size == "tiny":
            flags += ("--set", "training.max_steps=2")
        ours = servers.radiance(model, None, *flags)
        examples = {"examples": as_input(taught_facts())}
        job = ours.call("POST", "/update", examples)[1]
        while job.get("finished_at") is None:
            time.sleep(0.2)
            job = ours.call("GET", f"/jobs/{job['job_id']}")[1]
        assert job["status"] == "succeeded", job
        assert ours.root is not None
        adapter = ours.root / "adapters" / job["checkpoint"]
        return {THEIRS: servers.mlx_lm(model, adapter), OURS: ours}

    @functools.cached_property
    def _bare(self) -> dict[str, Server]:
        model, servers = self._bench.model, self._servers
        found = {
            THEIRS: servers.mlx_lm(model),
            OURS: servers.radiance(model, None, *ONLY_SERVING),
        }
        for name in self._others:
            try:
                found[name] = servers.other(OTHERS[name], model)
            except (OSError, RuntimeError) as error:
                self.absent[name] = str(error).strip().splitlines()[-1]
        return found


def side(
    server: Server, workload: Workload, streams: int, requests: int, max_tokens: int
) -> Callable[[], Figures]:
    """A round of one server; the n-th round of either has the same prompts."""
    rounds = 0

    def run() -> Figures:
        nonlocal rounds
        rounds += 1
        prompts = workload.prompts(rounds, max(streams, requests), streams)
        bodies = [server.chat(prompt, max_tokens) for prompt in prompts]
        if workload is WORKLOADS["burst"]:
            time.sleep(_SILENCE_S)
        began = time.perf_counter()
        answers = run_streams(server.port, bodies, streams)
        seconds = time.perf_counter() - began
        assert all(answer.status == 200 for answer in answers)
        first = [a.first_s for a in answers if a.arrivals] or [seconds]  # an answer may be empty
        return {
            "tokens_per_s": sum(answer.tokens for answer in answers) / seconds,
            "first_s": quantile(first, 0.5),
            "first_p99_s": quantile(first, 0.99),
            "texts": [answer.text for answer in answers],
        }

    return run


def measure(bench: Bench, sides: Sides, workload: Workload, streams: int, sizes: Sizes) -> Measured:
    """All sides of a workload, alternating; how many of their texts are as mlx_lm.server's."""
    _, requests, max_tokens, rounds = sizes
    running = {
        name: side(server, workload, streams, requests, max_tokens)
        for name, server in sides.of(workload).items()
    }
    progress = Progress(f"{bench.name}: {workload.name}, {streams}", rounds + 1)
    found = alternate(running, rounds, 1, progress)
    theirs = [text for figures in found[THEIRS] for text in figures["texts"]]
    for name, measured in found.items():
        texts = [text for figures in measured for text in figures["texts"]]
        same = [one == other for one, other in zip(texts, theirs, strict=True)]
        for figures in measured if name != THEIRS else ():
            figures["same_text"] = sum(same) / len(same)
    for figures in (figures for measured in found.values() for figures in measured):
        del figures["texts"]
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--workload", action="append", choices=WORKLOADS)
    parser.add_argument("--beside", action="append", choices=OTHERS, default=[])
    own, rest = parser.parse_known_args(arguments)
    bench = Bench.from_command_line("serving", __doc__, rest, model="ember")
    sizes = bench.sized(SIZES, OTHER_SIZES)
    workloads = [WORKLOADS[name] for name in own.workload or WORKLOADS]
    workloads += [BARE] if own.beside else []
    found: dict[tuple[str, int], Measured] = {}
    with Servers() as servers:
        sides = Sides(bench, servers, own.beside)
        for workload in workloads:
            for streams in _streams(bench, workload, sizes):
                found[workload.name, streams] = bench.cell(
                    _cell(workload, streams, sizes, own.beside),
                    lambda w=workload, n=streams: measure(bench, sides, w, n, sizes),
                )
    rows, ratios = _compared(found)
    table = Table(
        f"{bench.model.title}: streamed answers; ratios are to {THEIRS} on the same prompts",
        (
            *("asked", "streams", "server", "tokens/s", "ratio"),
            *("first token ms", "ratio", "p99 ratio", "same text"),
        ),
        rows,
    )
    missing = [
        Table("Did not run", ("server", "why"), list(sides.absent.items())),
    ]
    tables = [table, *(missing if sides.absent else [])]
    bench.finish(tables, lambda figure: _draw(figure, found), ratios=ratios, absent=sides.absent)


def _streams(bench: Bench, workload: Workload, sizes: Sizes) -> tuple[int, ...]:
    return sizes[0] if bench.size == "tiny" else workload.streams or sizes[0]


def _cell(workload: Workload, streams: int, sizes: Sizes, beside: Sequence[str]) -> Figures:
    _, requests, tokens, rounds = sizes
    cell = {"streams": streams, "requests": requests, "tokens": tokens, "rounds": rounds}
    if workload is WORKLOADS["unrelated"]:
        return cell
    return {"asked": workload.name, **cell, **({"beside": beside} if workload is BARE else {})}


def _compared(
    found: Mapping[tuple[str, int], Measured],
) -> tuple[list[tuple[object, ...]], dict[str, dict[str, Interval]]]:
    """Rows for a person, and the ratios by workload, streams and server."""
    rows: list[tuple[object, ...]] = []
    ratios: dict[str, dict[str, Interval]] = {}
    for (asked, streams), sides in found.items():
        theirs = sides[THEIRS]
        for name, measured in sides.items():
            own = {
                key: ratio([f[key] for f in measured], [f[key] for f in theirs]) for key in _RATIOS
            }
            if name != THEIRS:
                ratios[f"{asked}, {streams}, {name}"] = own
            rows.append(
                (
                    *(asked, streams, name),
                    median([figures["tokens_per_s"] for figures in measured]),
                    own["tokens_per_s"] if name != THEIRS else "",
                    median([1000 * figures["first_s"] for figures in measured]),
                    own["first_s"] if name != THEIRS else "",
                    own["first_p99_s"] if name != THEIRS else "",
                    f"{measured[0].get('same_text', 1):.0%}",
                )
            )
    return rows, ratios


def _draw(figure: Any, found: Mapping[tuple[str, int], Measured]) -> None:
    left, right = figure.subplots(1, 2)
    labels = [f"{asked[:24]}, {streams}" for asked, streams in found]
    for axes, key, label in (
        (left, "tokens_per_s", "tokens per second"),
        (right, "first_s", "seconds to the first token"),
    ):
        names = list(dict.fromkeys(name for sides in found.values() for name in sides))
        for offset, name in enumerate(names):
            for place, sides in enumerate(found.values()):
                if name in sides:
                    height = median([figures[key] for figures in sides[name]]).value
                    axes.bar(place + 0.25 * offset, height, 0.25, color=f"C{offset}")
        axes.set_xticks(range(len(labels)), labels, rotation=90, fontsize=6)
        axes.set_ylabel(f"{label}, median of rounds")
        axes.set_title(" · ".join(f"C{n}: {name}" for n, name in enumerate(names)), fontsize=6)


if __name__ == "__main__":
    main()
