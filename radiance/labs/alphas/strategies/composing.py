"""Indicators of indicators, as QuantConnect's API composes them."""

from typing import Any

from radiance.labs.alphas.strategies.indicators import Indicator
from radiance.labs.alphas.strategies.naming import Unsupported


class Delay(Indicator):
    """The value so many updates ago; until there are as many, the first."""

    def __init__(self, *given: Any) -> None:
        period = int(given[1] if given and isinstance(given[0], str) else given[0])
        super().__init__(period + 1, lambda values: values[0])

    def feed(self, value: float) -> None:
        super().feed(value)
        self.current.value = self._values[0]


class IndicatorExtensions:
    """What an indicator takes in can be another's values."""

    @staticmethod
    def of(second: Any, first: Any, wait_for_first_to_be_ready: bool = True) -> Any:
        """``second``, fed from now on with what ``first`` comes to."""
        if not isinstance(second, Indicator) or not isinstance(first, Indicator):
            raise Unsupported("IndicatorExtensions.of anything but two indicators")
        take = first.take

        def taking(given: Any) -> None:
            take(given)
            if first.is_ready or not wait_for_first_to_be_ready:
                second.feed(float(first.current.value))

        first.take = taking  # type: ignore[method-assign]
        return second

    Of = of
