"""The same study at several values of its knobs: where a result holds, and where it stops."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from radiance.labs.signals import findings, store
from radiance.labs.signals.presets import with_values
from radiance.labs.signals.results import StudyResult, encode
from radiance.labs.signals.settings import StudySettings
from radiance.labs.signals.study import run_study
from radiance.records import content_hash
from radiance.storage import files


@dataclass(frozen=True)
class SweepPoint:
    """One study of a sweep."""

    values: Mapping[str, object]
    stress_ratio: float
    drift_ratio: float
    dominance: float | None
    drawdown: tuple[float, float, float] | None
    promoted: float | None
    columns: ClassVar[tuple[str, ...]] = (
        "naive's stress / ours",
        "our drift / naive's",
        "dominates the proposal",
        "max drawdown less naive's",
        "promoted",
    )

    def row(self) -> list[Any]:
        """As cells."""
        dominance = None if self.dominance is None else f"{self.dominance:.0%}"
        promoted = None if self.promoted is None else f"{self.promoted:.0%}"
        drawdown = None
        if self.drawdown is not None:
            value, low, high = self.drawdown
            drawdown = f"{value:+.4f} [{low:+.4f}, {high:+.4f}]"
        ratios = [self.stress_ratio, self.drift_ratio]
        return [*self.values.values(), *ratios, dominance, drawdown, promoted]


def run_sweep(
    study: StudySettings,
    grid: Mapping[str, Sequence[Any]],
    folder: Path,
    on_progress: Callable[[str, int, int], None],
) -> list[SweepPoint]:
    """Run every combination; those an earlier call has finished are read from ``folder``.

    Raises:
        ConfigError: A knob or a value cannot be used; before anything is computed.
    """
    combinations = [
        dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())
    ]
    studies = [with_values(study, values) for values in combinations]
    files.make_directory(folder)
    found = []
    for number, (values, one) in enumerate(zip(combinations, studies, strict=True)):
        path = folder / f"{content_hash(one)[:16]}.json"
        if path.exists():
            result = store.read(path)
        else:
            result = run_study(one)
            files.write_durably(path, encode(result))
        found.append(_point(values, result))
        on_progress("studies", number + 1, len(studies))
    return found


def _point(values: Mapping[str, object], result: StudyResult) -> SweepPoint:
    naive = result.method("naive")
    best = result.method(findings.BEST) or result.methods[-1]
    assert naive is not None
    proposal = result.method("projection")
    pair = next(
        (
            p.difference
            for p in result.paired
            if (p.method, p.against, p.measure) == (best.name, "naive", "max_drawdown")
        ),
        None,
    )
    return SweepPoint(
        values=values,
        stress_ratio=findings.stress_ratio(best, naive),
        drift_ratio=findings.drift_ratio(best, naive),
        dominance=findings.dominance(best, proposal) if proposal else None,
        drawdown=(pair.value, pair.low, pair.high) if pair else None,
        promoted=best.verdict.promoted if best.verdict else None,
    )
