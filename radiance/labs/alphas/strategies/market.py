"""What a strategy sees of the market and of its own account, as QuantConnect's API has it."""

from collections.abc import Iterator, Sequence
from operator import attrgetter
from typing import Any

from radiance.labs.alphas.strategies.costs import Costs
from radiance.labs.alphas.strategies.naming import Closed, Names, Snake


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

    @property
    def security_type(self) -> str:
        return SecurityType.EQUITY

    @staticmethod
    def create(ticker: str, *_: Any) -> "Symbol":
        """As ``Symbol.create("SPY", SecurityType.EQUITY, Market.USA)``."""
        return Symbol(ticker)

    Create = create


class SecurityType(Names):
    """Kinds of securities; shares alone can be added."""

    EQUITY = Equity = "equity"
    OPTION = Option = "option"
    FUTURE = Future = "future"
    FOREX = Forex = "forex"
    CRYPTO = Crypto = "crypto"
    CFD = Cfd = "cfd"
    INDEX = Index = "index"


class Market(Names):
    """Markets by name; shares are of the USA."""

    USA = "usa"
    BINANCE = Binance = "binance"
    OANDA = Oanda = "oanda"
    GDAX = "gdax"


class Bar(Snake):
    """One day of one symbol, or several in one."""

    def __init__(
        self, symbol: str, time: Any, values: Sequence[float], end_time: Any = None
    ) -> None:
        self.symbol, self.time = Symbol(symbol), time
        self.end_time = time if end_time is None else end_time
        self.open, self.high, self.low, self.close, self.volume = values

    price = value = property(attrgetter("close"))


class OrderStatus(Names):
    NEW = New = "new"
    FILLED = Filled = "filled"
    PARTIALLY_FILLED = PartiallyFilled = "partially filled"
    SUBMITTED = Submitted = "submitted"
    UPDATE_SUBMITTED = UpdateSubmitted = "update submitted"
    CANCELED = Canceled = "canceled"
    INVALID = Invalid = "invalid"


class SymbolPair(str):
    """What going through ``Securities`` or ``Bars`` gives: a symbol, with what it has beside it."""

    value: Any

    def __new__(cls, symbol: str, value: Any) -> "SymbolPair":
        pair = super().__new__(cls, symbol)
        pair.value = value
        return pair

    @property
    def key(self) -> "Symbol":
        return Symbol(self)

    @property
    def Value(self) -> Any:  # noqa: N802 - Lean's
        return self.value

    Key = key


class BySymbol(dict[str, Any]):
    """What a day has by symbol; going through it gives pairs of key and value too."""

    def contains_key(self, symbol: str) -> bool:
        return symbol in self

    ContainsKey = contains_key

    @property
    def count(self) -> int:
        return len(self)

    Count = count

    def __iter__(self) -> Iterator[str]:
        return (SymbolPair(symbol, self[symbol]) for symbol in self.keys())


class Holding(Snake):
    """What is held of one symbol.

    Attributes:
        leverage: How much of it a dollar of margin holds.
    """

    def __init__(self, symbol: str) -> None:
        self.symbol, self.quantity, self.average_price, self.price = Symbol(symbol), 0.0, 0.0, 0.0
        self.leverage = 2.0

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
    def absolute_quantity(self) -> float:
        return abs(self.quantity)

    @property
    def absolute_holdings_value(self) -> float:
        return abs(self.holdings_value)

    @property
    def holdings_cost(self) -> float:
        return self.quantity * self.average_price

    @property
    def unrealized_profit(self) -> float:
        return self.quantity * (self.price - self.average_price)

    @property
    def unrealized_profit_percent(self) -> float:
        """Of what was paid."""
        return self.unrealized_profit / abs(self.holdings_cost) if self.holdings_cost else 0.0

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

    @property
    def total_holdings_value(self) -> float:
        return sum(holding.absolute_holdings_value for holding in self.held.values())

    @property
    def total_margin_used(self) -> float:
        return sum(h.absolute_holdings_value / h.leverage for h in self.held.values())

    @property
    def margin_remaining(self) -> float:
        return self.total_portfolio_value - self.total_margin_used

    def values(self) -> list[Holding]:
        return list(self.held.values())

    def items(self) -> list[tuple[str, Holding]]:
        return list(self.held.items())

    def __iter__(self) -> Any:
        return iter(self.held)


class Securities(BySymbol):
    """The shares of an algorithm (``Security``), by symbol."""


class Security(Closed):
    """A subscribed share.

    Attributes:
        costs: What an order of it costs, as the strategy set it.
        volume: Of its last bar.
        open, high, low: Of its last bar; 0 before the first.
    """

    is_delisted = False

    def __init__(self, symbol: str, portfolio: Portfolio) -> None:
        self.symbol, self.holdings = Symbol(symbol), portfolio[symbol]
        self.costs, self.volume = Costs(), 0.0
        self.open = self.high = self.low = 0.0
        self.close_names()

    def see(self, bar: Bar) -> None:
        """Take in a bar: its close is the price."""
        self.open, self.high, self.low, self.volume = bar.open, bar.high, bar.low, bar.volume
        self.holdings.price = bar.close

    def delist(self) -> None:
        """It trades no more."""
        self.is_delisted = True

    @property
    def is_tradable(self) -> bool:
        return not self.is_delisted

    @property
    def type(self) -> str:
        return SecurityType.EQUITY

    @property
    def has_data(self) -> bool:
        return self.holdings.price > 0

    price = close = property(attrgetter("holdings.price"))
    invested = property(attrgetter("holdings.invested"))
    leverage = property(attrgetter("holdings.leverage"))

    @property
    def buying_power_model(self) -> "BuyingPowerModel":
        return BuyingPowerModel()

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
        """How far from its price an order is filled."""
        self.slippage_model = model

    def set_leverage(self, leverage: float) -> None:
        """How much of it a dollar of margin holds; 2 where it is not set."""
        if not leverage >= 1:
            raise ValueError(f"the leverage {leverage} of {self.symbol} is less than 1")
        self.holdings.leverage = float(leverage)

    def set_market_price(self, bar: Any) -> None:
        """Begin with an earlier bar's close; None is no bar."""
        if bar is not None:
            self.see(bar)


class ReservedBuyingPowerForPositionParameters(Snake):
    """Whose margin is asked for."""

    def __init__(self, security: Security) -> None:
        self.security = security


class ReservedBuyingPowerForPosition(Snake):
    """What a position ties up, in dollars."""

    def __init__(self, used: float) -> None:
        self.absolute_used_buying_power = used


class BuyingPowerModel(Snake):
    """Margin: a position ties up its value over its leverage."""

    def get_leverage(self, security: Security) -> float:
        return security.leverage

    def get_reserved_buying_power_for_position(
        self, parameters: ReservedBuyingPowerForPositionParameters
    ) -> ReservedBuyingPowerForPosition:
        security = parameters.security
        return ReservedBuyingPowerForPosition(
            security.holdings.absolute_holdings_value / security.leverage
        )
