"""What of ``QCAlgorithm`` looks at the past: history, indicators and consolidators."""

import datetime
import itertools
from collections.abc import Callable, Iterable
from typing import Any

from radiance.labs.alphas.strategies.consolidators import (
    Consolidator,
    SubscriptionManager,
    TradeBarConsolidator,
)
from radiance.labs.alphas.strategies.indicators import BY_METHOD, CLASSES, Indicator, manual
from radiance.labs.alphas.strategies.market import Bar, Resolution, Security
from radiance.labs.alphas.strategies.naming import Snake, Unsupported
from radiance.labs.alphas.strategies.series import Arima
from radiance.labs.alphas.strategies.targets import AlgorithmSettings

_RESOLUTIONS = ("daily", "hour", "minute", "second", "tick")
_COLUMNS = ("open", "high", "low", "close", "volume")


class Studies(Snake):
    """What knows the bars that an algorithm may see.

    Args:
        past: A symbol → its bars up to now, the newest first.
    """

    time: datetime.datetime
    settings: AlgorithmSettings
    subscription_manager: SubscriptionManager
    past: Callable[[str], Iterable[Bar]]
    indicators: list[tuple[str, Indicator]]

    def history(
        self, symbol: Any, periods: Any, resolution: str = Resolution.DAILY, *rest: Any
    ) -> Any:
        """A table of bars: of one symbol by time, of several by symbol and time."""
        import pandas

        if rest or resolution not in (Resolution.DAILY, None) or isinstance(symbol, type):
            raise Unsupported("this form of history")
        if isinstance(symbol, str):
            bars = self._newest(symbol, periods)
            return pandas.DataFrame(_rows(bars), index=[bar.end_time for bar in bars])
        if not all(isinstance(one, str) for one in symbol):
            raise Unsupported("this form of history")
        found = {str(one): self._newest(one, periods) for one in symbol}
        bars = [bar for known in found.values() for bar in known]
        places = [(bar.symbol, bar.end_time) for bar in bars]
        index = pandas.MultiIndex.from_tuples(places, names=["symbol", "time"]) if places else None
        return pandas.DataFrame(_rows(bars), index=index)

    def _newest(self, symbol: str, periods: Any) -> list[Bar]:
        """The oldest first."""
        newest: Iterable[Bar] = self.past(str(symbol))
        if isinstance(periods, datetime.timedelta):
            since = self.time - periods
            newest = itertools.takewhile(lambda bar: bar.end_time > since, newest)
        elif isinstance(periods, int):
            newest = itertools.islice(newest, max(0, periods))
        else:
            raise Unsupported("this form of history")
        return [*newest][::-1]

    def get_last_known_price(self, security: Security) -> Bar | None:
        """The last bar before now."""
        return next(iter(self.past(str(security.symbol))), None)

    def get_last_known_prices(self, security: Security) -> list[Bar]:
        bar = self.get_last_known_price(security)
        return [] if bar is None else [bar]

    def consolidate(self, symbol: str, period: Any, *handlers: Any) -> Consolidator:
        if len(handlers) != 1 or not callable(handlers[0]):
            raise Unsupported("this form of consolidate")
        [handler] = handlers
        made = TradeBarConsolidator(period)
        made.data_consolidated += lambda sender, bar: handler(bar)
        self.subscription_manager.add_consolidator(symbol, made)
        return made

    def resolve_consolidator(self, symbol: str, resolution: Any, *_: Any) -> Consolidator:
        return TradeBarConsolidator(resolution or Resolution.DAILY)

    def register_indicator(
        self, symbol: str, indicator: Any, period: Any = Resolution.DAILY, *selector: Any
    ) -> None:
        if selector or not isinstance(indicator, Indicator):
            raise Unsupported("this form of register_indicator")
        made = period if isinstance(period, Consolidator) else TradeBarConsolidator(period)
        made.data_consolidated += lambda sender, bar: indicator.update(bar)
        self.subscription_manager.add_consolidator(symbol, made)

    def unregister_indicator(self, indicator: Any) -> None:
        self.indicators = [one for one in self.indicators if one[1] is not indicator]

    def warm_up_indicator(
        self, symbol: str, indicator: Any, resolution: Any = None, *selector: Any
    ) -> None:
        """Feed an indicator the bars before now that it needs to be ready."""
        if selector or resolution not in (None, Resolution.DAILY):
            raise Unsupported("this form of warm_up_indicator")
        for bar in self._newest(symbol, indicator.warm_up_period):
            indicator.update(bar)

    def indicator(self, name: str, symbol: str, *given: Any, **further: Any) -> Indicator:
        """Make an indicator that is fed each day's bar of a symbol.

        Raises:
            Unsupported: It is asked for of other bars than daily ones, or of a selector.
        """
        resolution = further.pop("resolution", None) or Resolution.DAILY
        further = {"kind" if "average" in key else key: value for key, value in further.items()}
        arguments = []
        for argument in given:
            if argument in _RESOLUTIONS:
                resolution = argument
            elif callable(argument):
                raise Unsupported(f"{name} with a selector")
            elif argument is not None:
                arguments.append(argument)
        if resolution != Resolution.DAILY:
            raise Unsupported(f"{name} at {resolution} resolution")
        if further.pop("selector", None) is not None:
            raise Unsupported(f"{name} with a selector")
        made = BY_METHOD[name](*arguments, **further)
        if self.settings.automatic_indicator_warm_up:
            self.warm_up_indicator(symbol, made)
        self.indicators.append((str(symbol), made))
        return made


def _rows(bars: list[Bar]) -> dict[str, list[float]]:
    return {name: [getattr(bar, name) for bar in bars] for name in _COLUMNS}


def _indicator_method(name: str) -> Callable[..., Indicator]:
    def method(self: Studies, symbol: str, *given: Any, **further: Any) -> Indicator:
        return self.indicator(name, symbol, *given, **further)

    return method


BY_METHOD["arima"] = Arima
CLASSES["AutoRegressiveIntegratedMovingAverage"] = manual(Arima)
for _name in BY_METHOD:
    setattr(Studies, _name, _indicator_method(_name))
