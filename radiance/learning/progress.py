"""How far a cycle is, what was trained since the start, and when its state is saved."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from radiance.records import Cycle, MetricPoint
from radiance.training.steps import StepTaken

_MOST_SAVING_RATIO = 0.05  # share of the time spent saving training states

_LONGEST_STEP_S = 60.0  # of a step: what is longer was a pause

Stage = Literal["gathering", "training", "evaluating"]


@dataclass
class CycleProgress:
    """How far the running cycle is; shown with its jobs.

    Attributes:
        stage: "gathering", "training" or "evaluating".
        first_step: The step that this process began at; not 0 where it resumed the cycle.
        training_since: When its training began, on the monotonic clock; None before it does.
        is_task: Whether most of what it learns are inputs of tasks, not facts; None while unknown.
    """

    cycle: Cycle
    step: int = 0
    max_steps: int = 0
    finetune_loss: float | None = None
    stage: Stage = "gathering"
    first_step: int = 0
    training_since: float | None = None
    is_task: bool | None = None
    unsaved: list[MetricPoint] = field(default_factory=list)

    def most_seconds_left(self) -> float | None:
        """How long training goes on if it takes all steps; it ends earlier once all is learned."""
        done = self.step - self.first_step
        if self.training_since is None or self.stage != "training" or done <= 0:
            return None
        elapsed = time.monotonic() - self.training_since
        return elapsed / done * (self.max_steps - self.step)

    def note(self, step: int, **values: float) -> None:
        """Keep the values of a step until the next save."""
        self.unsaved += [MetricPoint(self.cycle.id, step, n, v) for n, v in values.items()]


@dataclass
class LearningStats:
    """What was trained since the start; counters only ever rise.

    Attributes:
        tokens: Without padding; of new, replayed and held texts.
    """

    steps: int = 0
    tokens: int = 0


def step_values(event: StepTaken) -> dict[str, float]:
    """What is kept of a step; without what it did not have."""
    report = event.report
    values = {
        "finetune_loss": event.finetune_loss,
        "anchor_divergence": event.anchor_divergence,
        "gradient_norm": report.gradient_norm,
        "angle": report.angle,
        "projected": report.projected,
        "distortion": report.distortion,
        "anchor_weight": report.anchor_weight,
        "lr": event.lr,
        "tokens": event.tokens,
    }
    return {name: value for name, value in values.items() if value is not None}


class SaveTimer:
    """Says when to save: every so often, and never for more than a small share of the time.

    Use it as a context manager around the saving, so that it knows how long that takes.
    """

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._next_at = time.monotonic() + interval_s
        self._began_at = 0.0

    def is_due(self) -> bool:
        """Whether it is time to save."""
        return time.monotonic() >= self._next_at

    def __enter__(self) -> None:
        self._began_at = time.monotonic()

    def __exit__(self, *_: object) -> None:
        now = time.monotonic()
        self._next_at = now + max(self._interval_s, (now - self._began_at) / _MOST_SAVING_RATIO)


class TrainingClock:
    """How long a training has taken, without what it stood still for.

    Args:
        minutes: ``training.max_minutes``; 0: it may take for ever.
        clock: Seconds, rising.
    """

    def __init__(self, minutes: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._minutes, self._clock = minutes, clock
        self._stepped_at, self._took_s = clock(), 0.0

    def is_over(self) -> bool:
        """Whether its time is over; asked at each step."""
        now = self._clock()
        self._took_s += min(now - self._stepped_at, _LONGEST_STEP_S)
        self._stepped_at = now
        return bool(self._minutes) and self._took_s > 60 * self._minutes

    @property
    def reason(self) -> str:
        """Why it was ended, as a sentence."""
        return (
            f"The training took more than training.max_minutes ({self._minutes:g}). Send fewer or "
            "shorter examples, lower training.max_steps, or raise the limit."
        )
