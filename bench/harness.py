"""What every bench is run with: sizes, alternating sides, intervals, cells that survive a stop.

A bench is one question. Its ``main`` makes a ``Bench`` of the command line, computes *cells* (one
measurement each, kept on disk as soon as it is finished, so that a second call goes on where the
first was stopped) and ends with ``finish``, which writes NAME.json, NAME.md and NAME.png under
``--out``. What compares two sides is their ratio, round by round, measured alternating in one
call: other work on the machine then meets both alike. Sides whose memory counts, or which would
disturb one another, each run in a process of their own (``processes.Process``). This module
imports no MLX.
"""

import argparse
import contextlib
import json
import os
import platform as _platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal, Self, TextIO, TypeVar

from bench.intervals import Interval
from bench.models import Model
from bench.processes import REPOSITORY as REPOSITORY
from bench.processes import Figures as Figures
from radiance.platform import load_fast_blas, processor_name

Size = Literal["tiny", "default", "large"]
SIZES: tuple[Size, ...] = ("tiny", "default", "large")
RESULTS = Path(__file__).parent / "results"
T = TypeVar("T")


# ── Sides ─────────────────────────────────────────────────────────────────────────────────────


Side = Callable[[], Figures]


def alternate(
    sides: Mapping[str, Side], rounds: int, warm_up: int, progress: "Progress"
) -> dict[str, list[Figures]]:
    """Run every side once a round, in an order that turns from round to round.

    Args:
        sides: What runs one round of a side and returns its figures.
        rounds: Rounds that count.
        warm_up: Rounds before them that do not: compiling, filling caches.
        progress: Told after every round.

    Returns:
        The figures of each side, one entry a round.
    """
    measured: dict[str, list[Figures]] = {name: [] for name in sides}
    names = list(sides)
    for number in range(-warm_up, rounds):
        turn = number % len(names)
        latest: dict[str, Figures] = {}
        for name in names[turn:] + names[:turn]:
            latest[name] = sides[name]()
            if number >= 0:
                measured[name].append(latest[name])
        progress.advance(_headline(latest))
    return measured


def _headline(latest: Mapping[str, Figures]) -> str:
    """The first figure of every side that has a number."""
    numbers = {
        name: next(((k, v) for k, v in figures.items() if isinstance(v, int | float)), None)
        for name, figures in latest.items()
    }
    known = {name: number for name, number in numbers.items() if number}
    of_key: dict[str, list[str]] = {}
    for name, (key, value) in known.items():
        of_key.setdefault(key, []).append(f"{name} {value:.4g}")
    return "; ".join(f"{key}: {', '.join(sides)}" for key, sides in of_key.items())


# ── Progress ──────────────────────────────────────────────────────────────────────────────────


_SILENT_S = 5.0


class Progress:
    """How far a bench is, on stderr: a bar on a terminal, else lines.

    A line comes at every tenth, and at every round of a bench whose rounds take some seconds.
    """

    def __init__(self, name: str, total: int, stream: TextIO | None = None) -> None:
        self._name, self._total, self._done = name, total, 0
        self._stream = stream or sys.stderr
        self._began = time.monotonic()
        self._said, self._said_at = -1, self._began

    def advance(self, note: str = "") -> None:
        """One more of the total is done."""
        self._done += 1
        ratio_done = min(1.0, self._done / self._total)
        seconds = time.monotonic() - self._began
        left = seconds / ratio_done - seconds
        text = f"{self._name} {self._done}/{self._total} · {left:.0f} s left {note}".rstrip()
        if self._stream.isatty():
            bar = ("█" * round(24 * ratio_done)).ljust(24, "░")
            end = "\n" if self._done == self._total else ""
            print(f"\r\x1b[K{bar} {text}", end=end, file=self._stream, flush=True)
        elif int(10 * ratio_done) > self._said or time.monotonic() - self._said_at > _SILENT_S:
            self._said, self._said_at = int(10 * ratio_done), time.monotonic()
            print(text, file=self._stream, flush=True)

    def say(self, text: str) -> None:
        """Something that happened between two steps."""
        start = "\r\x1b[K" if self._stream.isatty() else ""
        print(f"{start}{self._name}: {text}", file=self._stream, flush=True)


# ── The machine ───────────────────────────────────────────────────────────────────────────────


def machine() -> Figures:
    """What the figures were measured on, and how busy it was with other work."""
    blas = load_fast_blas()  # before MLX is first imported
    import mlx.core as mx

    status = _git("status", "--porcelain", "--", "radiance", "bench")
    return {
        "processor": processor_name(),
        "system": f"{_platform.system()} {_platform.machine()}",
        "cores": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "load_average": round(os.getloadavg()[0], 2),
        "backend": "metal" if mx.metal.is_available() else "cpu" if not _has_cuda(mx) else "cuda",
        "blas": blas.name,
        "blas_threads": os.environ.get("OPENBLAS_NUM_THREADS", "half the cores"),
        "python": _platform.python_version(),
        "versions": {name: _version(name) for name in ("radiance", "mlx", "mlx-lm", "numpy")},
        "commit": _git("rev-parse", "--short", "HEAD") + ("+changes" if status else ""),
    }


def _has_cuda(mx: Any) -> bool:
    return bool(mx.cuda.is_available())


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _git(*arguments: str) -> str:
    """What git says; empty outside a repository."""
    done = subprocess.run(
        ["git", *arguments], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    return done.stdout.strip()


# ── A bench ───────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Table:
    """Rows for a person; every row has a cell for each column."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[Sequence[object]]

    def markdown(self) -> str:
        lines = [[*self.columns], ["---"] * len(self.columns), *([*row] for row in self.rows)]
        body = "\n".join("| " + " | ".join(map(_shown, line)) + " |" for line in lines)
        return f"**{self.title}**\n\n{body}\n"


def _shown(cell: object) -> str:
    return f"{cell:.4g}" if isinstance(cell, float) else str(cell)


class Bench:
    """One bench under way.

    Attributes:
        size: As asked for.
        out: Folder of the results.
        model: The base model it runs on; Ember in benches that take no ``--model``.
    """

    def __init__(
        self, name: str, size: Size, out: Path, fresh: bool = False, model: Model | None = None
    ) -> None:
        self.name, self.size, self.out = name, size, out
        self.model, self._has_model = model or Model(), model is not None
        out.mkdir(parents=True, exist_ok=True)
        self._cells_path = out / f"{name}.{size}.cells.jsonl"
        if fresh:
            self._cells_path.unlink(missing_ok=True)
        self._finished = {_key(cell["cell"]): cell for cell in _read_lines(self._cells_path)}
        self._used: list[Figures] = []
        self._machine = machine()

    @classmethod
    def from_command_line(
        cls,
        name: str,
        question: str | None,
        arguments: Sequence[str] | None = None,
        model: str | None = None,
    ) -> Self:
        """Read ``--size``, ``--out`` and ``--fresh``, and ``--model`` where the bench takes one.

        Args:
            name: Of the bench.
            question: What ``--help`` shows.
            arguments: Instead of the command line's.
            model: The base model unless another is named; None: the bench takes none.
        """
        parser = argparse.ArgumentParser(
            f"python -m bench.{name}",
            description=question,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        parser.add_argument("--size", choices=SIZES, default="default", help="how much is measured")
        parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")
        parser.add_argument(
            "--fresh", action="store_true", help="measure anew what an earlier call has measured"
        )
        if model is None:
            options = parser.parse_args(arguments)
            return cls(name, options.size, options.out, options.fresh)
        parser.add_argument(
            "--model",
            default=model,
            help='as base_model: "ember", "smollm2", an mlx-lm directory, a GGUF file, a Hub id '
            f"(default: {model}); its results have a folder of their own",
        )
        options = parser.parse_args(arguments)
        chosen = Model(options.model)
        return cls(name, options.size, options.out / chosen.label, options.fresh, chosen)

    def sized(self, on_ember: Mapping[Size, T], on_others: Mapping[Size, T] | None = None) -> T:
        """How much is measured, at the size asked for.

        Args:
            on_ember: By size.
            on_others: By size on other base models, which are slower; a size that is missing is
                that of Ember.
        """
        if self.model.is_ember or on_others is None:
            return on_ember[self.size]
        return on_others.get(self.size, on_ember[self.size])

    @property
    def has_cells(self) -> bool:
        """Whether an earlier call has measured anything."""
        return bool(self._finished)

    def has_cell(self, parameters: Figures) -> bool:
        """Whether an earlier call has measured this."""
        return _key(parameters) in self._finished

    def cell(self, parameters: Figures, compute: Callable[[], Figures]) -> Figures:
        """The figures of one measurement: those of an earlier call, or computed and kept.

        Args:
            parameters: What tells this cell from the others of the bench.
            compute: Measures it; returns what JSON can carry.
        """
        found = self._finished.get(_key(parameters))
        if found is None:
            figures = json.loads(json.dumps(compute()))
            found = {"cell": parameters, "figures": figures, "commit": self._machine["commit"]}
            with self._cells_path.open("a") as file:
                # The line break comes first: the line before may have been cut short by a kill.
                file.write("\n" + json.dumps(found))
            self._finished[_key(parameters)] = found
        self._used.append(found)
        return found["figures"]

    @property
    def told(self) -> str:
        """What it is measured on, as a sentence."""
        return _describe(self._machine)

    def progress(self, total: int) -> Progress:
        return Progress(self.name, total)

    def finish(
        self, tables: Iterable[Table], draw: Callable[[Any], None], **figures: object
    ) -> None:
        """Print the tables and write them, all cells and the picture.

        Args:
            tables: What a person reads.
            draw: Draws on an empty matplotlib ``Figure``.
            figures: The bench's headline figures, for programs.
        """
        text = "\n".join(table.markdown() for table in tables)
        result = {
            "bench": self.name,
            "size": self.size,
            **({"model": self.model.label} if self._has_model else {}),
            "machine": self._machine,
            "commits": sorted({cell["commit"] for cell in self._used}),
            "figures": figures,
            "cells": [{"cell": cell["cell"], "figures": cell["figures"]} for cell in self._used],
        }
        stem = self.out / (self.name if self.size == "default" else f"{self.name}.{self.size}")
        stem.with_name(f"{stem.name}.json").write_text(
            json.dumps(result, indent=1, default=_as_json) + "\n"
        )
        title = f"bench.{self.name}" + (f", {self.model.title}" if self._has_model else "")
        heading = f"# {title}, {self.size}\n\n{_describe(self._machine)}\n\n"
        stem.with_name(f"{stem.name}.md").write_text(heading + text)
        self._draw(draw, stem.with_name(f"{stem.name}.png"))
        print(text)

    def _draw(self, draw: Callable[[Any], None], path: Path) -> None:
        from matplotlib.figure import Figure  # without pyplot: no display, no global state

        figure = Figure(figsize=(8, 5), layout="constrained")
        draw(figure)
        figure.savefig(path, dpi=120)


def _key(parameters: Figures) -> str:
    return json.dumps(parameters, sort_keys=True)


def _read_lines(path: Path) -> Iterator[Figures]:
    """The cells of a file; one cut short by a kill is measured again."""
    if not path.exists():
        return
    for line in path.read_text().splitlines():
        with contextlib.suppress(json.JSONDecodeError):
            yield json.loads(line)


def _as_json(value: object) -> object:
    if isinstance(value, Interval):
        return value.as_json()
    raise TypeError(f"{value!r} is not for JSON")


def _describe(found: Figures) -> str:
    memory = found["memory_bytes"] / 2**30
    names = ", ".join(f"{name} {number}" for name, number in found["versions"].items())
    return (
        f"{found['processor']}, {found['cores']} cores, {memory:.0f} GiB, {found['system']}, "
        f"MLX on {found['backend']} (BLAS: {found['blas']}, threads: {found['blas_threads']}), "
        f"{names}, commit {found['commit']}; load average at the start {found['load_average']}."
    )
