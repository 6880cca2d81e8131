"""The desk behind the service: an answer in, its check and its backtest out, and the trial."""

import threading
from pathlib import Path
from typing import Any

from radiance.labs.alphas.language.checker import check
from radiance.labs.alphas.language.syntax import AlphaError
from radiance.labs.alphas.models.grading import Grade, Grader, expression_of
from radiance.labs.alphas.trial import Arm, TrialFile, assign
from radiance.labs.alphas.values.panel import Panel, read
from radiance.labs.alphas.values.synthetic import made_up

_DAYS, _SYMBOLS = 756, 60


class Desk:
    """Judges answers over one panel; safe to use from several threads.

    Args:
        data: Daily bars; None for made-up ones, on which profits mean nothing.
        groups: Industries of their symbols.
        trial_path: Where the trial is kept.

    Raises:
        ConfigError: The market data cannot be used.
    """

    def __init__(self, data: Path | None, groups: Path | None, trial_path: Path) -> None:
        self._data, self._groups = data, groups
        self.market = data.name if data else "made up"
        self.trial = TrialFile(trial_path)
        self._lock = threading.Lock()
        # Read at once, so that what is wrong with it is told at the start.
        self._panel: Panel | None = read(data, groups) if data else None
        self._grader: Grader | None = None

    def judge(self, prompt: str, answer: str) -> Grade:
        """Check and backtest an answer; takes up to seconds."""
        with self._lock:
            if self._grader is None:
                self._grader = Grader(self._panel or made_up(_DAYS, _SYMBOLS))
            return self._grader.grade(prompt, answer)

    def arm(self, who: str, champion: str, challenger: str, share: float) -> Arm:
        """Whose answer somebody gets."""
        return assign(who, share, f"{champion}/{challenger}")


def shortcoming(answer: str) -> str | None:
    """Why an answer is no alpha; None if it compiles."""
    try:
        check(expression_of(answer))
    except AlphaError as error:
        return f"it is no alpha ({error})"
    return None


def told(grade: Grade) -> dict[str, Any]:
    """A grade as the service tells it."""
    performance = grade.performance
    return {
        "alpha": grade.alpha,
        "outcome": grade.outcome,
        "compiles": grade.compiles,
        "error": grade.error,
        "coverage": grade.covered,
        "backtest": performance.as_json() if performance else None,
    }
