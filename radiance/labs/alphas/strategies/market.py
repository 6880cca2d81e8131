"""What a strategy sees of the market and of its own account, as QuantConnect's API has it."""

from collections.abc import Iterator, Sequence
from typing import Any

from radiance.labs.alphas.strategies.costs import Costs
from radiance.labs.alphas.strategies.indicators import Closed, Names, Snake


class Resolution(Names):
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

    @staticmethod
    def create(ticker: str, *_: Any) -> "Symbol":
        """As ``Symbol.create("SPY", SecurityType.EQUITY, Market.USA)``."""
        return Symbol(ticker)

    Create = create


class SecurityType(Names):
    EQUITY = Equity = "equity"


class Market(Names):
    USA = "usa"


class Bar(Snake):
    """One day of one symbol, or several in one."""

    def __init__(self, symbol: str, time: Any, values: Sequence[float]) -> None:
        self.symbol, self.time, self.end_time = symbol, time, time
        self.open, self.high, self.low, self.close, self.volume = values

    @property
    def price(self) -> float:
        return self.close

    @property
    def value(self) -> float:
        return self.close


class OrderStatus(Names):
    FILLED = Filled = "filled"
    PARTIALLY_FILLED = PartiallyFilled = "partially filled"
    SUBMITTED = Submitted = "submitted"
    CANCELED = Canceled = "canceled"
    INVALID = Invalid = "invalid"


class OrderEvent(Snake):
    """An order that was filled."""

    def __init__(self, symbol: str, time: Any, quantity: float, price: float, fee: float) -> None:
        self.symbol, self.utc_time = Symbol(symbol), time
        self.fill_quantity = self.quantity = quantity
        self.fill_price, self.order_fee, self.status = price, fee, OrderStatus.FILLED


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

    def take(self, quantity: float, price: float) -> None:
        """Buy or sell so many at a price."""
        after = self.quantity + quantity
        if self.quantity * quantity >= 0 and after:
            self.average_price = (self.quantity * self.average_price + quantity * price) / after
        elif self.quantity * after < 0:
            self.average_price = price
        self.quantity = after


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


class Pair(str):
    """What going through ``Securities`` gives: a symbol, with its share beside it."""

    value: "Security"

    def __new__(cls, symbol: str, security: "Security") -> "Pair":
        pair = super().__new__(cls, symbol)
        pair.value = security
        return pair

    @property
    def key(self) -> "Symbol":
        return Symbol(self)

    @property
    def Value(self) -> "Security":  # noqa: N802 - Lean's
        return self.value

    Key = key


class Securities(dict[str, "Security"]):
    """The shares of an algorithm, by symbol."""

    def __iter__(self) -> Iterator[str]:
        return (Pair(symbol, self[symbol]) for symbol in self.keys())


class Security(Closed):
    """A subscribed share.

    Attributes:
        costs: What an order of it costs, as the strategy set it.
        volume: Of its last bar.
    """

    def __init__(self, symbol: str, portfolio: Portfolio) -> None:
        self.symbol, self.holdings = Symbol(symbol), portfolio[symbol]
        self.costs, self.volume = Costs(), 0.0
        self.close_names()

    @property
    def price(self) -> float:
        return self.holdings.price

    @property
    def close(self) -> float:
        return self.holdings.price

    @property
    def invested(self) -> bool:
        return self.holdings.invested

    @property
    def fee_model(self) -> Any:
        return self.costs.fee

    @fee_model.setter
    def fee_model(self, model: Any) -> None:
        self.costs.set_fee(model)

    @property
    def slippage_model(self) -> Any:
        return self.costs.slippage

    @slippage_model.setter
    def slippage_model(self, model: Any) -> None:
        self.costs.set_slippage(model)

    def set_fee_model(self, model: Any) -> None:
        """What an order costs besides its price."""
        self.fee_model = model

    def set_slippage_model(self, model: Any) -> None:
        """How far from the open an order is filled."""
        self.slippage_model = model

    def set_leverage(self, leverage: float) -> None:
        """Accepted and of no effect."""
