"""Examines an answer after it was given: what another checkpoint says to it, how likely it was.

Nothing here is seen by whoever asked. It is done one answer at a time, by whoever knows that the
engine has nothing else to do.
"""

import dataclasses
import secrets
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime

import msgspec

from radiance.engine.requests import Answer, Request, Scoring, Weights
from radiance.engine.worker import Engine
from radiance.errors import Cancelled
from radiance.gate import health
from radiance.gate.health import Tally
from radiance.release.experiments import Arm, ArmAnswer

_POLL_S = 0.02


@dataclass(frozen=True)
class RoutedWeights(Weights):
    """Weights that an experiment chose for a caller who named none."""

    experiment: int = 0
    arm: Arm = "champion"
    caller: str = ""


@dataclass(frozen=True)
class EndedRequest:
    """A routed request that has ended.

    Attributes:
        checkpoint: What answered, or was to; None is the base.
        was_alone: Whether the engine had nothing else to do when it came.
        ended_at: When, by the clock of whoever keeps it.
    """

    request: Request
    routed: RoutedWeights
    checkpoint: str | None
    was_alone: bool
    at: datetime
    ended_at: float
    outcome: Answer | BaseException


class ShadowReplay:
    """Repeats and reads answers. Used from one thread.

    Args:
        engine: Answers and reads.
        weights: Of a checkpoint by its id; None is the base.
        wait_for_stop: Sleeps that many seconds; True as soon as the service stops.
    """

    def __init__(
        self,
        engine: Engine,
        weights: Callable[[str | None], Weights],
        wait_for_stop: Callable[[float], bool],
    ) -> None:
        self._engine, self._weights, self._wait_for_stop = engine, weights, wait_for_stop

    def read(self, end: EndedRequest) -> ArmAnswer:
        """The trial of an answer, with its mean log-probability.

        Raises:
            RadianceError: It could not be read.
        """
        assert isinstance(end.outcome, Answer)
        own = self._weights(end.outcome.checkpoint_id)
        (mean,) = self._mean_logprobs((end.request, end.outcome, own))
        return msgspec.structs.replace(trial_of(end), mean_logprob=mean)

    def repeat(self, end: EndedRequest, weights: Weights) -> tuple[ArmAnswer, ArmAnswer]:
        """Ask the candidate what the champion has answered; the trials of both, as a pair.

        Raises:
            RadianceError: The engine did not take it.
        """
        answer = end.outcome
        assert isinstance(answer, Answer)
        request = dataclasses.replace(end.request, weights=weights)
        outcome = self._wait(self._engine.submit(request))
        pair = secrets.token_hex(8)
        champion = msgspec.structs.replace(trial_of(end), pair=pair)
        repeated = dataclasses.replace(
            end,
            routed=dataclasses.replace(end.routed, arm="candidate"),
            checkpoint=weights.checkpoint_id,
            was_alone=True,
            outcome=outcome,
        )
        candidate = msgspec.structs.replace(trial_of(repeated), pair=pair)
        if isinstance(outcome, Answer) and outcome.tokens:
            own = self._weights(answer.checkpoint_id)
            first, second = self._mean_logprobs(
                (end.request, answer, own), (request, outcome, weights)
            )
            champion = msgspec.structs.replace(champion, mean_logprob=first)
            candidate = msgspec.structs.replace(
                candidate, mean_logprob=second, agrees=outcome.tokens == answer.tokens
            )
        return champion, candidate

    def _mean_logprobs(self, *answers: tuple[Request, Answer, Weights]) -> list[float]:
        """Of each answer's tokens, in nats."""
        texts = [Scoring([*r.tokens, *a.tokens], weights) for r, a, weights in answers]
        found = self._engine.score(texts).result
        return [
            sum(place.logprob for place in scored.logprobs[-len(a.tokens) :]) / len(a.tokens)
            for scored, (_, a, _) in zip(found, answers, strict=True)
        ]

    def _wait(self, future: "Future[Answer]") -> Answer | BaseException:
        """How the request ended; given up where the service stops."""
        while not future.done():
            if self._wait_for_stop(_POLL_S):
                self._engine.cancel(future)
                raise Cancelled("the service stops")
        error = future.exception()
        return future.result() if error is None else error


def trial_of(end: EndedRequest) -> ArmAnswer:
    """What is kept of a request, without its text."""
    trial = ArmAnswer(
        arm=end.routed.arm,
        checkpoint=end.checkpoint,
        at=end.at,
        caller=end.routed.caller,
        outcome=type(end.outcome).__name__,
        was_alone=end.was_alone,
    )
    if not isinstance(end.outcome, Answer):
        return trial
    answer = end.outcome
    return msgspec.structs.replace(
        trial,
        checkpoint=answer.checkpoint_id,
        outcome=answer.finish_reason,
        tokens=len(answer.tokens),
        latency_s=answer.latency_s,
        first_token_s=answer.first_token_s,
        is_looping=health.is_looping(answer.tokens),
    )


def tally_of(trials: list[ArmAnswer]) -> Tally:
    """The same trials as the monitor counts them."""
    answers = [trial for trial in trials if trial.is_answer]
    return Tally(
        answers=len(answers),
        cut_off=sum(trial.outcome == "length" for trial in answers),
        looping=sum(trial.is_looping for trial in answers),
        failures=len(trials) - len(answers),
    )
