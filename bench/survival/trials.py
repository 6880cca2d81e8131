"""A row of the table, as trials of which each holds or does not, and is kept once it was made."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.processes import Figures


class Skipped(Exception):
    """A trial cannot be made on this machine; the message says why."""


@dataclass(frozen=True)
class Plan:
    """How much is to be tried, and on what.

    Attributes:
        base: A base model that knows nothing.
        kills: SIGKILLs of row 1.
        minutes: Of the soak in row 14.
        step_count: How many durable steps, or calls on the disk, the work of rows 2 and 3 takes.
    """

    base: Path
    kills: int = 20
    minutes: float = 2.0
    step_count: Callable[[str], int] = field(default=lambda name: 0)


@dataclass(frozen=True)
class Trial:
    """One thing that is tried.

    Attributes:
        name: The same in every call.
        run: Tries it in an empty folder; returns figures. ``held`` is among them, and ``why`` where
            it did not hold.
        limit_s: After so long it does not hold.
    """

    name: str
    run: Callable[[Path], Figures]
    limit_s: float = 600


@dataclass(frozen=True)
class Row:
    """A row of the table.

    Attributes:
        number: As in the table of what must hold.
        what: Is tried.
        trials: All there are, in the order in which a stop leaves the widest view.
        tell: What the figures of those that were made come to, beside how many held.
        judge: What is wrong with all of them together, which one alone is too short to show.
    """

    number: int
    what: str
    trials: Callable[[Plan], Sequence[Trial]]
    tell: Callable[[Sequence[Figures]], str] = lambda figures: ""
    judge: Callable[[Sequence[Figures]], list[str]] = lambda figures: []


def verdict(wrong: Sequence[str], **figures: object) -> Figures:
    """What a trial found: it holds where nothing is wrong."""
    return {"held": not wrong, "why": "; ".join(wrong)[:400], **figures}


def spread(count: int) -> list[int]:
    """1 to ``count``, so ordered that any beginning of it lies evenly over the whole."""
    ratio = 0.6180339887498949
    return sorted(range(1, count + 1), key=lambda n: (n * ratio) % 1)
