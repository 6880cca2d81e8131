"""How likely what was forgotten is to weights, beside values that nobody ever taught."""

import statistics
from collections.abc import Sequence

from radiance.engine.requests import Scoring
from radiance.engine.worker import Engine
from radiance.errors import RadianceError
from radiance.records import Example, Likelihood
from radiance.registry.store import Registry
from radiance.release.pointer import weights_named
from radiance.telemetry import get_logger
from radiance.training.untaught import with_invented_values

_MOST_MEASURED = 4  # forgotten examples that are read
_INVENTED = 8  # values beside each
_log = get_logger(__name__)


class ForgottenLikelihood:
    """Measures it on the engine.

    What cannot be measured is named in the log (files are gone, the engine hangs): it is forgotten
    all the same.
    """

    def __init__(self, engine: Engine, registry: Registry) -> None:
        self._engine, self._registry = engine, registry

    def before_and_since(
        self, number: int, texts: Sequence[Example], before: str | None, since: str | None
    ) -> Likelihood | None:
        """What weights that learned it make of it, and what those do that serve in their place.

        Args:
            number: Of the request.
            texts: What was forgotten.
            before: The checkpoint that had learned it; None is the base.
            since: The one that serves since then.
        """
        try:
            likelier, _ = self._advantage(texts, before)
            without, spread = self._advantage(texts, since)
        except RadianceError as error:
            _log.warning("forgetting_not_measured", number=number, error=str(error))
            return None
        return Likelihood(likelier, without, spread)

    def now(
        self, number: int, texts: Sequence[Example], measured: Likelihood, serves: str | None
    ) -> Likelihood | None:
        """What was measured, with what the weights that serve now make of it.

        Args:
            number: Of the request.
            texts: What was forgotten.
            measured: By ``before_and_since``.
            serves: The checkpoint that serves; None is the base.
        """
        try:
            likelier, _ = self._advantage(texts, serves)
        except RadianceError as error:
            _log.warning("forgetting_not_measured", number=number, error=str(error))
            return None
        return Likelihood(measured.before, measured.without, measured.spread, likelier)

    def _advantage(
        self, texts: Sequence[Example], checkpoint_id: str | None
    ) -> tuple[float, float]:
        """By how many nats values are likelier than invented ones, and how far those spread."""
        weights, encode = weights_named(checkpoint_id, self._registry), self._engine.encoder.example
        advantage = variance = 0.0
        for example in texts[:_MOST_MEASURED]:
            told = [example, *with_invented_values(example, _INVENTED)]
            encoded = [encode(each) for each in told]
            task = self._engine.score([Scoring(each.tokens, weights) for each in encoded])
            sums = [
                sum(
                    token.logprob
                    for token, is_answer in zip(one.logprobs, each.is_completion[1:], strict=True)
                    if is_answer
                )
                for each, one in zip(encoded, task.result, strict=True)
            ]
            advantage += sums[0] - statistics.fmean(sums[1:])
            variance += statistics.pvariance(sums[1:])
        return round(advantage, 3), round(2 * variance**0.5, 3)
