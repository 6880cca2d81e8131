"""Does it survive? Kills, a failing disk, a moved clock, hostile clients, lost roots, a long day.

    python -m bench.reliability
    python -m bench.reliability --row 3 --minutes 30

Every trial is the real service as a real process on a base that knows nothing, put through one
thing; then it must be whole: every acknowledged update learned once, the audit log sound, files,
link and answers in agreement. ``--row N`` (again for more) tries these rows alone, ``--minutes M``
ends after so long, each row having had its share; a further call goes on where it ended.
``--kills N`` is how often row 1 kills, ``--soak M`` how many minutes row 14 lasts. ``--page`` tries
nothing and writes docs/RELIABILITY.md from what was kept. With
``--peer mlx_lm`` the rows that apply are tried on mlx_lm.server. Disk and clock are failed below
Python by a library that is compiled for it: that takes Linux and a C compiler.
"""

import argparse
import contextlib
import functools
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from bench.harness import Bench, Figures, Size, Table
from bench.intervals import proportion
from bench.survival import (
    access,
    clients,
    disk,
    kills,
    operation,
    page,
    poison,
    record,
    room,
    steps,
)
from bench.survival.service import kill_started
from bench.survival.trials import Plan, Row, Skipped, Trial, verdict
from radiance.errors import RadianceError
from tests.support import ApiError
from tests.tiny_base import write_tiny_base

_MODULES = (access, clients, disk, kills, operation, poison, record, room, steps)
_ROWS = sorted((row for module in _MODULES for row in module.ROWS), key=lambda row: row.number)
_COUNTS: dict[str, Callable[[Plan, Path], int]] = {
    "durable steps": steps.count_steps,
    "syncs": steps.count_syncs,
    "calls on the disk": disk.count_calls,
}
# Minutes of a call, kills, minutes of the soak, trials of a row at most.
SIZES: dict[Size, tuple[float, int, float, int]] = {
    "tiny": (5, 1, 0.05, 1),
    "default": (60, 100, 5, 10_000),
    "large": (600, 500, 60, 10_000),
}
_TINY_ROWS = (7, 12)


# A service that is gone, or says something that it should not: this trial did not hold.
_DID_NOT_HOLD = (
    *(AssertionError, LookupError, OSError, RuntimeError, TypeError, ValueError),
    *(ApiError, subprocess.SubprocessError, RadianceError),
)


class _Run:
    """A call under way.

    Args:
        bench: Keeps what was tried.
        plan: How much, on what.
        peer: The name of what is tried in place of ours; "" is ours.
        most: Trials of a row at most.
        only_kept: Try nothing that an earlier call has not tried.
    """

    def __init__(
        self, bench: Bench, plan: Plan, peer: str, most: int, *, only_kept: bool = False
    ) -> None:
        self._bench, self._plan, self._peer, self._most = bench, plan, peer, most
        self._only_kept = only_kept
        self.figures: dict[int, list[tuple[str, Figures]]] = {}
        self.totals: dict[int, int] = {}

    def row(self, row: Row, seconds: float) -> None:
        """Try a row for so long; what an earlier call has tried costs no time."""
        try:
            self._try_row(row, seconds)
        except Skipped as skipped:
            self.figures[row.number] = [("", {"skipped": str(skipped)})]
            self.totals[row.number] = 0

    def _try_row(self, row: Row, seconds: float) -> None:
        trials = list(row.trials(self._plan))
        found = self.figures.setdefault(row.number, [])
        self.totals[row.number] = len(trials)
        trials = trials[: self._most]
        progress = self._bench.progress(len(trials))
        until = time.monotonic() + seconds
        for trial in trials:
            cell = {"row": row.number, "trial": trial.name, **self._of_peer()}
            is_late = self._only_kept or (found and time.monotonic() > until)
            if not self._bench.has_cell(cell) and is_late:
                continue
            tried = self._bench.cell(cell, functools.partial(_try, trial))
            found.append((trial.name, tried))
            says = "holds" if tried["held"] else f"DOES NOT HOLD: {tried['why']}"
            progress.advance(f"(row {row.number}) {trial.name}: {says}")

    def count(self, name: str) -> int:
        """How many steps or calls there are to fail, counted once."""

        def compute() -> Figures:
            with tempfile.TemporaryDirectory() as folder:
                return {"count": _COUNTS[name](self._plan, Path(folder))}

        cell = {"count of": name}
        if self._only_kept and not self._bench.has_cell(cell):
            return 0
        return self._bench.cell(cell, compute)["count"]

    def _of_peer(self) -> Figures:
        return {"peer": self._peer} if self._peer else {}


def _try(trial: Trial) -> Figures:
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        _limited(trial.limit_s) as has_ended,
    ):
        began = time.monotonic()
        try:
            found = trial.run(Path(folder))
        except _DID_NOT_HOLD as error:
            late = f"not over after {trial.limit_s:g} s; " if has_ended() else ""
            found = verdict([f"{late}{type(error).__name__}: {error}"])
        return {**found, "seconds": time.monotonic() - began}


@contextlib.contextmanager
def _limited(seconds: float) -> Iterator[Callable[[], bool]]:
    """Kill the services of a trial in the end, and once it has lasted too long: it fails then.

    Yields whether it has lasted too long.
    """
    is_over, until = threading.Event(), time.monotonic() + seconds

    def watch() -> None:
        while not is_over.wait(max(1.0, until - time.monotonic())):
            kill_started()

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield lambda: time.monotonic() > until
    finally:
        is_over.set()
        thread.join()
        kill_started()


def table(rows: Sequence[Row], run: _Run, title: str) -> Table:
    """A line for each row that was tried."""
    lines = []
    for row in rows:
        found = [figures for _, figures in run.figures.get(row.number, ())]
        if found and "skipped" in found[0]:
            lines.append((row.number, row.what, f"skipped: {found[0]['skipped']}", ""))
            continue
        held = sum(one["held"] for one in found)
        total = run.totals[row.number]
        tried = f"{held} of {len(found)}" + (f" (of {total})" if len(found) < total else "")
        lines.append((row.number, row.what, tried, row.tell(found)))
    return Table(title, ("#", "what", "held", "figures"), lines)


def failures(rows: Sequence[Row], run: _Run) -> Table:
    """Every trial that did not hold, and every row that does not with all of them, and why."""
    lines = [
        (number, name, figures["why"])
        for number, found in run.figures.items()
        for name, figures in found
        if not figures.get("held", True)
    ]
    for row in rows:
        found = [one for _, one in run.figures.get(row.number, ()) if "held" in one]
        lines += [(row.number, "all together", why) for why in row.judge(found)]
    return Table("Did not hold", ("#", "trial", "why"), lines)


def draw(rows: Sequence[Row], run: _Run, figure: Any) -> None:
    """The share of each row's trials that held, with its interval."""
    axes = figure.subplots()
    for row in rows:
        found = [one for _, one in run.figures.get(row.number, ()) if "held" in one]
        if not found:
            continue
        share = proportion(sum(one["held"] for one in found), len(found))
        axes.plot([share.low, share.high], [row.number, row.number], color="tab:blue")
        axes.plot([share.value], [row.number], "o", color="tab:blue")
    axes.set(xlim=(0, 1.02), xlabel="share of trials that held", ylabel="row")
    axes.invert_yaxis()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--row", type=int, action="append", choices=[r.number for r in _ROWS])
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--kills", type=int)
    parser.add_argument("--soak", type=float)
    parser.add_argument("--page", action="store_true")
    parser.add_argument("--peer", choices=("mlx_lm",), default="")
    options, others = parser.parse_known_args(arguments)
    bench = Bench.from_command_line("reliability", __doc__, others)
    minutes, kill_count, soak, most = SIZES[bench.size]
    minutes = options.minutes or minutes
    numbers = tuple(options.row or (_TINY_ROWS if bench.size == "tiny" else ()))
    rows = list(_ROWS)
    if options.peer:
        from bench.survival import peer

        rows = list(peer.ROWS)
    rows = [row for row in rows if not numbers or row.number in numbers]
    with tempfile.TemporaryDirectory() as folder:
        base = write_tiny_base(Path(folder, "base"))
        plan = Plan(
            base,
            options.kills or kill_count,
            options.soak or soak,
            lambda name: run.count(name),
        )
        run = _Run(bench, plan, options.peer, most, only_kept=options.page)
        ends_at = time.monotonic() + 60 * minutes
        for place, row in enumerate(rows):
            left = max(0.0, ends_at - time.monotonic())
            run.row(row, left / (len(rows) - place))
    if options.page:
        page.write(rows, run.figures, run.totals, bench.told)
    title = "What it was put through" + (f", {options.peer}.server" if options.peer else "")
    bench.finish(
        [table(rows, run, title), failures(rows, run)],
        lambda figure: draw(rows, run, figure),
        held={row.number: _held(run, row) for row in rows},
    )


def _held(run: _Run, row: Row) -> list[int]:
    found = [one for _, one in run.figures.get(row.number, ()) if "held" in one]
    return [sum(one["held"] for one in found), len(found)]


if __name__ == "__main__":
    main()
