"""The alpha lab inside a service: an answer in, its check and its backtest out, and the trial."""

import threading
from collections.abc import Collection
from pathlib import Path

from radiance.labs.alphas import trial
from radiance.labs.alphas.language.checker import check
from radiance.labs.alphas.language.syntax import AlphaError
from radiance.labs.alphas.models.grading import Grade, Grader, expression_of
from radiance.labs.alphas.models.study import MADE_UP
from radiance.labs.alphas.settings import AlphasSettings
from radiance.labs.alphas.values.panel import Panel, read
from radiance.labs.alphas.values.synthetic import made_up
from radiance.release.outcome_trials import OutcomeTrials
from radiance.telemetry import get_logger

_log = get_logger(__name__)


class AlphaService:
    """Judges answers over one panel; safe to use from several threads.

    Args:
        settings: The section ``[alphas]``.
        root: What its paths are relative to.
        runs: Where version 0.1.0 kept its trials.
        trials: Where trials are counted.

    Attributes:
        market: The name of the file of daily bars, or ``MADE_UP``.

    Raises:
        ConfigError: The market data cannot be used.
    """

    def __init__(
        self, settings: AlphasSettings, root: Path, runs: Path, trials: OutcomeTrials
    ) -> None:
        self.settings = settings
        data = root / settings.data if settings.data else None
        groups = root / settings.groups if settings.groups else None
        self.market = data.name if data else MADE_UP
        self.trials = trials
        trial.adopt(runs / "alpha_trials.json", trials)
        self._lock = threading.Lock()
        # Read at once, so that what is wrong with it is told at the start.
        self._panel: Panel | None = read(data, groups) if data else None
        if self._panel is not None:
            _log.info("alpha_market_read", said=" ".join(self._panel.said))
        self._grader: Grader | None = None

    @property
    def columns(self) -> frozenset[str]:
        """Further columns of the bars, which are fields of the language here."""
        return self._panel.columns_of_its_own if self._panel else frozenset()

    def judge(self, prompt: str, answer: str) -> Grade:
        """Check and backtest an answer; takes up to seconds."""
        with self._lock:
            return self._grading().grade(prompt, answer)

    def equity(self, alpha: str) -> list[tuple[str, float]]:
        """What a book of 1 that follows an alpha grows to; see ``Grader.equity``."""
        with self._lock:
            return self._grading().equity(alpha)

    def _grading(self) -> Grader:
        if self._grader is None:
            self._grader = Grader(self._panel or made_up())
        return self._grader

    def stop(self) -> None:
        """Nothing to end: it has no thread of its own."""


def shortcoming(answer: str, columns: Collection[str] = ()) -> str | None:
    """Why an answer is no alpha; None if it compiles. ``columns`` are fields beside the usual."""
    try:
        check(expression_of(answer), columns=columns)
    except AlphaError as error:
        return f"it is no alpha ({error})"
    return None
