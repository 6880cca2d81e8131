"""What a model writes, judged by compiling and backtesting it.

An answer is an expression or it is not: white space, a code fence and a final full stop around it
are forgiven, nothing else is. Everything follows from the answers, the panel and a seed.
"""

import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from radiance.gate.intervals import Estimate, wilson
from radiance.labs.alphas.data.ideas import Idea
from radiance.labs.alphas.data.sampling import random_expression
from radiance.labs.alphas.language.checker import Checked, check, check_node
from radiance.labs.alphas.language.parser import parse
from radiance.labs.alphas.language.printer import render
from radiance.labs.alphas.language.syntax import (
    AlphaDataError,
    AlphaError,
    AlphaSyntaxError,
    AlphaTypeError,
    size,
)
from radiance.labs.alphas.models.meaning import MeaningScorer, share_meant
from radiance.labs.alphas.results.backtest import Backtester
from radiance.labs.alphas.results.performance import Performance, deflated_sharpe
from radiance.labs.alphas.results.study import coverage
from radiance.labs.alphas.values.evaluator import Evaluator
from radiance.labs.alphas.values.panel import Panel

Outcome = Literal["syntax error", "type error", "data error", "no positions", "backtested"]
OUTCOMES: tuple[Outcome, ...] = (
    "syntax error",
    "type error",
    "data error",
    "no positions",
    "backtested",
)
Novelty = Literal["copied", "other numbers", "new"]
_FENCE = re.compile(r"\A```[a-z]*\n?(.*?)\n?```\Z", re.DOTALL)
_CONFIDENCE = 0.975  # of each side: intervals of 95 %
_LEAST_COVERAGE = 0.1
_TRIES = 20
MEANS_IT = "means it"


@dataclass(frozen=True)
class Grade:
    """One answer.

    Attributes:
        alpha: Canonical form; None where it does not compile.
        error: Why it fell short.
        performance: Where it was backtested.
        family: The idea that was asked for, where there is a reference for it.
        likeness: To the reference; see ``meaning.MeaningScorer``.
    """

    prompt: str
    answer: str
    outcome: Outcome
    alpha: str | None = None
    error: str | None = None
    novelty: Novelty | None = None
    nodes: int = 0
    coverage: float = 0.0
    performance: Performance | None = None
    family: str | None = None
    likeness: float | None = None

    @property
    def compiles(self) -> bool:
        return self.alpha is not None

    @property
    def sharpe(self) -> float | None:
        return self.performance.sharpe if self.performance else None


def expression_of(answer: str) -> str:
    """The expression in an answer, without what is forgiven around it."""
    text = answer.strip()
    if fenced := _FENCE.match(text):
        text = fenced[1].strip()
    return text.strip("`").strip().removesuffix(".").rstrip()


class Grader:
    """Judges answers over one panel.

    Args:
        known: Expressions that were learned, for novelty; what does not parse is passed over.
    """

    def __init__(self, panel: Panel, known: Iterable[str] = ()) -> None:
        self.panel = panel
        self._evaluator, self._market = Evaluator(panel), Backtester(panel)
        self._meaning: MeaningScorer | None = None
        self._known = set(_canonical(known))
        self._shapes = {shape(text) for text in self._known}

    def compared(self, grade: Grade, idea: Idea) -> Grade:
        """``grade`` with how alike its answer is to the reference of what was asked."""
        if self._meaning is None:
            self._meaning = MeaningScorer(self.panel)
        likeness = self._meaning.likeness(idea.reference, expression_of(grade.answer))
        return replace(grade, family=idea.family, likeness=likeness)

    def grade(self, prompt: str, answer: str) -> Grade:
        """Judge one answer; whatever it is, it gets a grade."""
        try:
            columns = self.panel.columns_of_its_own
            checked = check(expression_of(answer), columns=columns)
        except AlphaSyntaxError as error:
            return Grade(prompt, answer, "syntax error", error=str(error))
        except AlphaTypeError as error:
            return Grade(prompt, answer, "type error", error=str(error))
        alpha = render(checked.node)
        found = {"alpha": alpha, "novelty": self._novelty(alpha), "nodes": size(checked.node)}
        try:
            covered, performance = self._backtest(checked)
        except AlphaDataError as error:
            return Grade(prompt, answer, "data error", error=str(error), **found)
        if performance is None:
            reason = f"it has values in {covered:.0%} of the cells and no profit to measure"
            return Grade(prompt, answer, "no positions", error=reason, coverage=covered, **found)
        return Grade(
            prompt, answer, "backtested", coverage=covered, performance=performance, **found
        )

    def equity(self, expression: str) -> list[tuple[str, float]]:
        """What a book of 1 that follows an expression grows to, day by day from the first position.

        Raises:
            AlphaError: It does not compile, or the panel lacks what it reads.
        """
        checked = check(expression, columns=self.panel.columns_of_its_own)
        found = self._market.backtest(self._evaluator.evaluate(checked))
        first = int(np.argmax(found.turnover > 0))
        worth = np.cumprod(1 + found.net[first:])
        return list(zip(map(str, self.panel.dates[first:]), worth.tolist(), strict=True))

    def random_like(self, grades: Sequence[Grade], seed: int) -> list[float | None]:
        """Sharpe ratios of random expressions, each as long as one that was backtested.

        A random expression that cannot be backtested is drawn again, some times; None where none
        of the tries could.
        """
        rng = random.Random(seed)
        found: list[float | None] = []
        for grade in grades:
            if grade.sharpe is None:
                continue
            sharpe = None
            for _ in range(_TRIES):
                node = random_expression(rng, grade.nodes)
                _, performance = self._backtest(check_node(node, render(node)))
                if performance is not None:
                    sharpe = performance.sharpe
                    break
            found.append(sharpe)
        return found

    def _backtest(self, checked: Checked) -> tuple[float, Performance | None]:
        values = self._evaluator.evaluate(checked)
        lookback = min(checked.lookback, len(values) - 1)
        covered = coverage(values, self.panel, lookback)
        if covered < _LEAST_COVERAGE:
            return covered, None
        performance = self._market.backtest(values).performance
        return covered, performance if performance.sharpe is not None else None

    def _novelty(self, alpha: str) -> Novelty:
        if alpha in self._known:
            return "copied"
        return "other numbers" if shape(alpha) in self._shapes else "new"


@dataclass(frozen=True)
class Scores:
    """Grades of one model, counted.

    Attributes:
        shares: What is counted → its share of all answers with a 95 % interval (Wilson). "means it"
            is first where there are references, and counts families.
        sharpes: Of what was backtested, net of costs; ``random`` of expressions as long.
        beats_random: Share of the pairs in which the model's ratio is the higher one.
        best_deflated: Of the best one, deflated by the number of answers; None without any.
    """

    answers: int
    shares: dict[str, Estimate]
    sharpes: tuple[float, ...]
    random: tuple[float, ...]
    beats_random: Estimate | None
    best_deflated: float | None
    errors: dict[str, int] = field(default_factory=dict)

    def as_json(self) -> dict[str, object]:
        return {
            "answers": self.answers,
            "shares": {name: _interval(found) for name, found in self.shares.items()},
            "sharpe": _quartiles(self.sharpes),
            "random_sharpe": _quartiles(self.random),
            "beats_random": _interval(self.beats_random) if self.beats_random else None,
            "best_deflated_sharpe": self.best_deflated,
        }


def score(grades: Sequence[Grade], random_sharpes: Sequence[float | None]) -> Scores:
    """Count grades.

    Args:
        grades: All answers of one model; not empty.
        random_sharpes: From ``Grader.random_like`` on the same grades.
    """
    total = len(grades)
    counts = {name: sum(grade.outcome == name for grade in grades) for name in OUTCOMES}
    hits = {
        "compiles": sum(grade.compiles for grade in grades),
        **counts,
        "new": sum(grade.novelty == "new" for grade in grades),
        "copied": sum(grade.novelty == "copied" for grade in grades),
        "distinct": len({grade.alpha for grade in grades if grade.alpha}),
    }
    meant = share_meant((grade.family, grade.likeness) for grade in grades if grade.family)
    tested = [grade for grade in grades if grade.sharpe is not None]
    pairs = [
        (grade.sharpe, other)
        for grade, other in zip(tested, random_sharpes, strict=True)
        if grade.sharpe is not None and other is not None
    ]
    wins = sum(ours > other for ours, other in pairs)
    best = max(tested, key=lambda grade: grade.sharpe or 0.0, default=None)
    sharpes = tuple(grade.sharpe for grade in tested if grade.sharpe is not None)
    return Scores(
        total,
        ({} if meant is None else {MEANS_IT: meant})
        | {name: wilson(count, total, _CONFIDENCE) for name, count in hits.items()},
        sharpes,
        tuple(other for _, other in pairs),
        wilson(wins, len(pairs), _CONFIDENCE) if pairs else None,
        deflated_sharpe(best.performance, total, sharpes) if best and best.performance else None,
    )


def shape(alpha: str) -> str:
    """An expression with its numbers taken out."""
    return re.sub(r"(?<![a-z_])\d+(\.\d+)?|(?<=adv)\d+", "0", alpha)


def _canonical(known: Iterable[str]) -> Iterable[str]:
    for text in known:
        try:
            yield render(parse(text))
        except AlphaError:
            continue


def _interval(found: Estimate) -> dict[str, float]:
    return {"value": found.value, "low": found.low, "high": found.high}


def _quartiles(values: Sequence[float]) -> dict[str, float] | None:
    if not values:
        return None
    found = np.quantile(values, [0, 0.25, 0.5, 0.75, 1])
    names = ("least", "lower_quartile", "median", "upper_quartile", "most")
    return {"count": len(values), **dict(zip(names, map(float, found), strict=True))}
