"""Watching work until it ends: a progress line on a terminal; elsewhere one line per change."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, TextIO

import click

from radiance.cli.client import Answer, ServiceClient, segment
from radiance.cli.output import one_line
from radiance.errors import Overloaded, RadianceError, Unavailable

POLL_S = 0.5
PATIENCE_S = 60.0
"""How long the service may be away: it comes back by itself after a crash, and so does the job."""
_ENDED = ("succeeded", "failed", "cancelled", "quarantined")
_BAR_WIDTH = 24


class Progress:
    """Shows a job's changes on a stream."""

    def __init__(
        self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stream = stream or sys.stderr
        self._clock = clock
        self._is_live = self._stream.isatty()
        self._last = ""
        self._first_step: tuple[int, float] | None = None

    def show(self, job: Answer) -> None:
        """Show a job as it stands."""
        progress = job.get("progress")
        if job.get("preparing"):
            self.say(f"{job['job_id']} {job['status']}, preparing {job['preparing']}")
            return
        if job["status"] != "running" or not progress or not progress["max_steps"]:
            self.say(f"{job['job_id']} {job['status']}{_duration(job)}")
            return
        step, most = progress["step"], progress["max_steps"]
        if progress.get("stage") == "evaluating":
            self.say(f"{job['job_id']} running, measuring what {step} steps brought")
            return
        bar = ""
        parts = [f"step {step}/{most}"]
        if progress.get("finetune_loss") is not None:
            parts.append(f"loss {progress['finetune_loss']:.3f}")
        if self._is_live:
            done = round(_BAR_WIDTH * min(1.0, step / max(1, most)))
            bar = f"[{'#' * done}{'.' * (_BAR_WIDTH - done)}] "
            if (left_s := self._time_left(step, most)) is not None:
                parts.append(f"at most {left_s:.0f} s left")
        self.say(f"{job['job_id']} running {bar}{', '.join(parts)}")

    def say(self, text: str) -> None:
        """Replace the line (terminal) or add one, if the text is new."""
        if text == self._last:
            return
        self._last = text
        self._stream.write(f"\r\x1b[K{one_line(text)}" if self._is_live else f"{one_line(text)}\n")
        self._stream.flush()

    def close(self) -> None:
        """End the line, so that what follows starts on its own."""
        if self._is_live and self._last:
            self._stream.write("\n")
            self._stream.flush()

    def _time_left(self, step: int, most: int) -> float | None:
        """From the pace since the first step seen; training may stop sooner once it has learned."""
        now = self._clock()
        if self._first_step is None or step < self._first_step[0]:  # it began anew
            self._first_step = (step, now)
        first, since = self._first_step
        return (now - since) / (step - first) * (most - step) if step > first else None


@contextlib.contextmanager
def progress_bar(label: str) -> Iterator[Callable[[Any], None]]:
    """A bar on a terminal, nothing elsewhere; told how many of how many are done."""
    if not sys.stderr.isatty():
        yield lambda measured: None
        return
    with click.progressbar(length=1, label=label, file=sys.stderr) as bar:

        def on_progress(measured: Any) -> None:
            bar.length = measured.total
            bar.update(measured.done - bar.pos)

        yield on_progress


def _duration(job: Answer) -> str:
    """How long it took from being accepted to its end; nothing for a job that has not ended.

    Nor where the clock was set back meanwhile.
    """
    try:
        began, ended = (datetime.fromisoformat(job[name]) for name in ("created_at", "finished_at"))
    except (KeyError, TypeError, ValueError):
        return ""
    return f" after {(ended - began).total_seconds():.1f} s" if began <= ended else ""


def wait_for(client: ServiceClient, job_id: str, progress: Progress) -> Answer:
    """The job once it has ended.

    Raises:
        Unavailable: The service has not answered for a minute. The job is not lost by that.
    """
    away_since = None
    try:
        while True:
            try:
                job = client.get(f"/jobs/{segment(job_id)}")
            except (Unavailable, Overloaded) as error:
                away_since = _be_patient(error, job_id, away_since)
                progress.say(f"{job_id}: the service does not answer; waiting for it to come back")
            else:
                away_since = None
                progress.show(job)
                if job["status"] in _ENDED:
                    return job
            time.sleep(POLL_S)
    finally:
        progress.close()


def _be_patient(error: RadianceError, job_id: str, away_since: float | None) -> float:
    now = time.monotonic()
    if away_since is not None and now - away_since > PATIENCE_S:
        raise Unavailable(
            f"{error} {job_id} was accepted and is kept; ask for it with `radiance jobs show`."
        )
    return now if away_since is None else away_since
