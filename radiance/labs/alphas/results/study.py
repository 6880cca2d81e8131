"""Many alphas over one panel, judged together: the more were tried, the less the best is worth."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from radiance.labs.alphas.language.checker import check
from radiance.labs.alphas.language.semantics import DEFAULT as DEFAULT_READINGS
from radiance.labs.alphas.language.semantics import Readings
from radiance.labs.alphas.results.backtest import DEFAULT as DEFAULT_TRADING
from radiance.labs.alphas.results.backtest import Backtester, Trading
from radiance.labs.alphas.results.performance import Performance, deflated_sharpe
from radiance.labs.alphas.values.evaluator import Evaluator
from radiance.labs.alphas.values.panel import Panel


@dataclass(frozen=True)
class Done:
    """How far a study is."""

    done: int
    total: int


@dataclass(frozen=True)
class Result:
    """One alpha of a study.

    Attributes:
        coverage: Share of the panel's cells, after the alpha's lookback, in which it has a value.
        deflated: Probability that its true Sharpe ratio is above the luck of the best of all
            trials; None where there is no Sharpe ratio.
    """

    name: str
    text: str
    coverage: float
    performance: Performance
    deflated: float | None = None

    def as_json(self) -> dict[str, object]:
        return {
            "name": self.name,
            "alpha": self.text,
            "coverage": self.coverage,
            "deflated_sharpe": self.deflated,
            **asdict(self.performance),
        }


@dataclass(frozen=True)
class Study:
    """Alphas tried together.

    Attributes:
        trials: How many were tried, earlier ones that the caller knows of included.
    """

    results: tuple[Result, ...]
    trials: int


def coverage(values: np.ndarray, panel: Panel, lookback: int) -> float:
    """Share of the listed cells, from the day on which every window is full, that have a value."""
    listed = np.isfinite(panel.fields["close"])[lookback:]
    there = np.isfinite(values[lookback:]) & listed
    return float(there.sum() / listed.sum()) if listed.any() else 0.0


def run(
    panel: Panel,
    alphas: Sequence[tuple[str, str]],
    readings: Readings = DEFAULT_READINGS,
    trading: Trading = DEFAULT_TRADING,
    earlier_trials: int = 0,
    on_progress: Callable[[Done], None] = lambda done: None,
) -> Study:
    """Evaluate and backtest named expressions.

    ``alphas`` are names and texts, ``earlier_trials`` were made before on the same data and deflate
    too, ``on_progress`` is called after each alpha.

    Raises:
        AlphaError: One cannot be evaluated.
    """
    columns = panel.columns_of_its_own
    checked = [(name, check(text, readings, columns=columns)) for name, text in alphas]
    evaluator, market = Evaluator(panel, readings), Backtester(panel)
    found = []
    for number, (name, alpha) in enumerate(checked, 1):
        values = evaluator.evaluate(alpha)
        covered = coverage(values, panel, alpha.lookback)
        tested = market.backtest(values, trading)
        found.append(Result(name, alpha.text, covered, tested.performance))
        on_progress(Done(number, len(checked)))
    trials = len(found) + earlier_trials
    sharpes = [result.performance.sharpe for result in found]
    results = tuple(
        Result(r.name, r.text, r.coverage, r.performance, _deflated(r, trials, sharpes))
        for r in found
    )
    return Study(results, trials)


def _deflated(result: Result, trials: int, sharpes: Sequence[float | None]) -> float | None:
    return deflated_sharpe(result.performance, trials, sharpes)
