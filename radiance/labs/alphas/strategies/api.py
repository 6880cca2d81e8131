"""The part of QuantConnect's Python API that daily bars can serve; the rest is Unsupported.

Supported: ``initialize``, ``on_data``, ``on_end_of_algorithm``; ``set_start_date``,
``set_end_date``, ``set_cash``, ``set_warm_up``; ``add_equity`` at daily resolution;
``set_holdings``, ``market_order``, ``buy``, ``sell``, ``liquidate``; ``portfolio``, ``securities``,
``time``;
``history`` of one symbol; ``sma``, ``ema``, ``lwma``, ``rsi``, ``macd``, ``bb``, ``mom``, ``momp``,
``roc``, ``rocp``, ``std``, ``atr``, ``cci``, ``wilr``, ``max``, ``min``; ``RollingWindow``;
``on_order_event``;
``schedule.on`` by day, week or month; ``log``, ``debug``, ``error``, ``plot`` and
``set_benchmark``, which do nothing. Names in PascalCase are the same. A market order is filled at
the next day's open. This runs in the sandbox: it must import nothing that is not loaded before.
"""

import datetime
import math
from collections.abc import Callable, Sequence
from typing import Any

from radiance.labs.alphas.strategies.indicators import (
    Bollinger,
    Indicator,
    Macd,
    OfBars,
    Rsi,
    Snake,
    Unsupported,
    channel,
    deviation,
    ema,
    linear_mean,
    mean,
    true_range,
    williams,
)


class Resolution:
    DAILY = Daily = "daily"
    HOUR = Hour = "hour"
    MINUTE = Minute = "minute"
    SECOND = Second = "second"
    TICK = Tick = "tick"


class Symbol(str):
    """A ticker; ``value`` as Lean has it."""

    @property
    def value(self) -> str:
        return str(self)


class Bar(Snake):
    """One day of one symbol."""

    def __init__(self, symbol: str, time: Any, values: Sequence[float]) -> None:
        self.symbol, self.time, self.end_time = symbol, time, time
        self.open, self.high, self.low, self.close, self.volume = values
        self.price = self.value = self.close


class OrderEvent(Snake):
    """An order that was filled."""

    def __init__(self, symbol: str, time: Any, quantity: float, price: float) -> None:
        self.symbol, self.utc_time = Symbol(symbol), time
        self.fill_quantity = self.quantity = quantity
        self.fill_price, self.status = price, OrderStatus.FILLED


class OrderStatus:
    FILLED = Filled = "filled"
    PARTIALLY_FILLED = PartiallyFilled = "partially filled"
    SUBMITTED = Submitted = "submitted"
    CANCELED = Canceled = "canceled"
    INVALID = Invalid = "invalid"


class Slice(Snake):
    """The bars of a day."""

    def __init__(self, time: Any, bars: dict[str, Bar]) -> None:
        self.time, self.bars = time, bars

    def contains_key(self, symbol: str) -> bool:
        return symbol in self.bars

    def __contains__(self, symbol: str) -> bool:
        return symbol in self.bars

    def __getitem__(self, symbol: str) -> Bar:
        return self.bars[symbol]

    def keys(self) -> list[str]:
        return list(self.bars)

    def get(self, symbol: str, otherwise: Any = None) -> Any:
        return self.bars.get(symbol, otherwise)


class Holding(Snake):
    """What is held of one symbol."""

    def __init__(self, symbol: str) -> None:
        self.symbol, self.quantity, self.average_price, self.price = Symbol(symbol), 0.0, 0.0, 0.0

    @property
    def invested(self) -> bool:
        return self.quantity != 0

    @property
    def is_long(self) -> bool:
        return self.quantity > 0

    @property
    def is_short(self) -> bool:
        return self.quantity < 0

    @property
    def holdings_value(self) -> float:
        return self.quantity * self.price

    @property
    def unrealized_profit(self) -> float:
        return self.quantity * (self.price - self.average_price)


class Portfolio(Snake):
    """Cash and holdings."""

    def __init__(self) -> None:
        self.cash = 100_000.0
        self.held: dict[str, Holding] = {}

    def __getitem__(self, symbol: str) -> Holding:
        return self.held.setdefault(symbol, Holding(symbol))

    @property
    def invested(self) -> bool:
        return any(holding.invested for holding in self.held.values())

    @property
    def total_portfolio_value(self) -> float:
        return self.cash + sum(holding.holdings_value for holding in self.held.values())

    def values(self) -> list[Holding]:
        return list(self.held.values())

    def items(self) -> list[tuple[str, Holding]]:
        return list(self.held.items())

    def __iter__(self) -> Any:
        return iter(self.held)


class Security(Snake):
    """A subscribed share."""

    def __init__(self, symbol: str, portfolio: Portfolio) -> None:
        self.symbol, self.holdings = Symbol(symbol), portfolio[symbol]

    @property
    def price(self) -> float:
        return self.holdings.price

    @property
    def close(self) -> float:
        return self.holdings.price

    @property
    def invested(self) -> bool:
        return self.holdings.invested

    def set_leverage(self, leverage: float) -> None:
        """Accepted and of no effect."""


class _Rules(Snake):
    """When a scheduled function runs, by day; the time of day has no meaning on daily bars."""

    def every_day(self, *_: Any) -> str:
        return "day"

    def week_start(self, *_: Any) -> str:
        return "week"

    def month_start(self, *_: Any) -> str:
        return "month"

    def at(self, *_: Any) -> str:
        return "any"

    def after_market_open(self, *_: Any) -> str:
        return "any"

    def before_market_close(self, *_: Any) -> str:
        return "any"

    @property
    def midnight(self) -> str:
        return "any"


class _Schedule(Snake):
    def __init__(self) -> None:
        self.entries: list[tuple[str, Callable[[], Any]]] = []

    def on(self, *arguments: Any) -> None:
        *rules, action = arguments
        days = [rule for rule in rules if rule in ("day", "week", "month")]
        if len(days) != 1 or not callable(action):
            raise Unsupported("this form of schedule.on")
        self.entries.append((str(days[0]), action))


class QCAlgorithm(Snake):
    """What an algorithm inherits from; see the module for what is there."""

    def __init__(self) -> None:
        self.portfolio = Portfolio()
        self.securities: dict[str, Security] = {}
        self.schedule = _Schedule()
        self.date_rules = self.time_rules = _Rules()
        self.time = datetime.datetime(2000, 1, 1)
        self.start_date: datetime.datetime | None = None
        self.end_date: datetime.datetime | None = None
        self.is_warming_up = False
        self.warm_up_days = 0
        self.orders: list[tuple[str, float]] = []
        self.indicators: list[tuple[str, Indicator]] = []
        self.bars: dict[str, list[Bar]] = {}
        self.known: frozenset[str] = frozenset()

    def initialize(self) -> None:
        """Overridden."""

    def on_data(self, data: Slice) -> None:
        """Overridden, where it is needed."""

    def on_order_event(self, event: "OrderEvent") -> None:
        """Overridden."""

    def on_end_of_algorithm(self) -> None:
        """Overridden, where it is needed."""

    # Settings

    def set_start_date(self, year: Any, month: int = 1, day: int = 1) -> None:
        self.start_date = _date(year, month, day)

    def set_end_date(self, year: Any, month: int = 1, day: int = 1) -> None:
        self.end_date = _date(year, month, day)

    def set_cash(self, cash: float) -> None:
        self.portfolio.cash = float(cash)

    def set_warm_up(self, days: Any, resolution: str = Resolution.DAILY) -> None:
        self.warm_up_days = days.days if isinstance(days, datetime.timedelta) else int(days)

    def set_benchmark(self, *_: Any) -> None:
        """Accepted and of no effect."""

    def add_equity(self, ticker: str, resolution: str = Resolution.DAILY, *_: Any) -> Security:
        if resolution != Resolution.DAILY:
            raise Unsupported(f"{resolution} resolution")
        if ticker not in self.known:
            raise Unsupported(f"the share {ticker}, which the market data do not have")
        return self.securities.setdefault(ticker, Security(ticker, self.portfolio))

    # Orders

    def market_order(self, symbol: str, quantity: float, *_: Any) -> None:
        if symbol not in self.securities:
            raise Unsupported(f"an order for {symbol}, which was not added")
        if not math.isfinite(quantity):
            raise ValueError(f"the quantity {quantity} is not finite")
        if quantity:
            self.orders.append((str(symbol), float(quantity)))

    def buy(self, symbol: str, quantity: float) -> None:
        self.market_order(symbol, abs(quantity))

    def sell(self, symbol: str, quantity: float) -> None:
        self.market_order(symbol, -abs(quantity))

    def set_holdings(
        self, symbol: str, weight: float, liquidate_existing_holdings: bool = False, *_: Any
    ) -> None:
        if not isinstance(symbol, str):
            raise Unsupported("set_holdings of a list of targets")
        if liquidate_existing_holdings:
            for other in list(self.portfolio.held):
                if other != symbol:
                    self.liquidate(other)
        holding = self.portfolio[symbol]
        if holding.price <= 0:
            return
        wanted = math.trunc(weight * self.portfolio.total_portfolio_value / holding.price)
        self.market_order(symbol, wanted - holding.quantity)

    def liquidate(self, symbol: str | None = None, *_: Any) -> None:
        for held in [symbol] if symbol is not None else list(self.portfolio.held):
            if self.portfolio[held].invested:
                self.market_order(held, -self.portfolio[held].quantity)

    # Data

    def history(self, symbol: Any, periods: int, resolution: str = Resolution.DAILY) -> Any:
        import pandas

        if not isinstance(symbol, str) or resolution != Resolution.DAILY:
            raise Unsupported("this form of history")
        bars = self.bars.get(symbol, [])[-int(periods) :]
        columns = ("open", "high", "low", "close", "volume")
        rows = {name: [getattr(bar, name) for bar in bars] for name in columns}
        return pandas.DataFrame(rows, index=[bar.time for bar in bars])

    def _indicator(self, symbol: str, indicator: Any) -> Any:
        self.indicators.append((str(symbol), indicator))
        return indicator

    def sma(self, symbol: str, period: int, *_: Any) -> Indicator:
        return self._indicator(symbol, Indicator(period, lambda c: mean(c[-period:])))

    def lwma(self, symbol: str, period: int, *_: Any) -> Indicator:
        return self._indicator(symbol, Indicator(period, lambda c: linear_mean(c[-period:])))

    def atr(self, symbol: str, period: int, *_: Any) -> Indicator:
        if _:
            raise Unsupported("atr with a kind of mean")
        return self._indicator(symbol, OfBars(period + 1, true_range))

    def cci(self, symbol: str, period: int, *_: Any) -> Indicator:
        return self._indicator(symbol, OfBars(period, channel))

    def wilr(self, symbol: str, period: int, *_: Any) -> Indicator:
        return self._indicator(symbol, OfBars(period, williams))

    def max(self, symbol: str, period: int, *_: Any) -> Indicator:
        return self._indicator(symbol, OfBars(period, lambda b: max(bar.high for bar in b)))

    def min(self, symbol: str, period: int, *_: Any) -> Indicator:
        return self._indicator(symbol, OfBars(period, lambda b: min(bar.low for bar in b)))

    def ema(self, symbol: str, period: int, *_: Any) -> Indicator:
        return self._indicator(symbol, Indicator(period, lambda c: ema(c, period)))

    def std(self, symbol: str, period: int, *_: Any) -> Indicator:
        return self._indicator(symbol, Indicator(period, lambda c: deviation(c[-period:])))

    def rsi(self, symbol: str, period: int, *_: Any) -> Indicator:
        return self._indicator(symbol, Rsi(period))

    def mom(self, symbol: str, period: int, *_: Any) -> Indicator:
        return self._indicator(symbol, Indicator(period + 1, lambda c: c[-1] - c[-period - 1]))

    def roc(self, symbol: str, period: int, *_: Any) -> Indicator:
        return self._indicator(symbol, Indicator(period + 1, lambda c: c[-1] / c[-period - 1] - 1))

    def rocp(self, symbol: str, period: int, *_: Any) -> Indicator:
        return self._indicator(
            symbol, Indicator(period + 1, lambda c: 100 * (c[-1] / c[-period - 1] - 1))
        )

    momp = rocp

    def macd(self, symbol: str, fast: int, slow: int, signal: int, *_: Any) -> Macd:
        return self._indicator(symbol, Macd(fast, slow, signal))

    def bb(self, symbol: str, period: int, width: float = 2, *_: Any) -> Bollinger:
        return self._indicator(symbol, Bollinger(period, width))

    def log(self, *_: Any) -> None:
        """Accepted and thrown away."""

    debug = error = plot = log


def _date(year: Any, month: int, day: int) -> datetime.datetime:
    if isinstance(year, datetime.datetime):
        return year
    return datetime.datetime(int(year), int(month), int(day))
