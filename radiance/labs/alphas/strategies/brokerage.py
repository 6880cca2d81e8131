"""What a brokerage says to orders, and what it charges, as QuantConnect's models have it."""

from collections.abc import Callable
from typing import Any

from radiance.labs.alphas.strategies.costs import InteractiveBrokersFeeModel
from radiance.labs.alphas.strategies.market import Market, Security, SecurityType
from radiance.labs.alphas.strategies.naming import Names, Snake, Unsupported, named


class BrokerageName(Names):
    INTERACTIVE_BROKERS_BROKERAGE = InteractiveBrokersBrokerage = "Interactive Brokers"
    QUANT_CONNECT_BROKERAGE = QuantConnectBrokerage = DEFAULT = Default = "QuantConnect"


class AccountType(Names):
    MARGIN = Margin = "margin"
    CASH = Cash = "cash"


class BrokerageMessageType(Names):
    INFORMATION = Information = "Information"
    WARNING = Warning = "Warning"
    ERROR = Error = "Error"


class BrokerageMessageEvent(Snake):
    """What a brokerage says."""

    def __init__(self, type: str, code: str, message: str) -> None:
        self.type, self.code, self.message = type, code, message

    def __str__(self) -> str:
        return f"{self.type} - Code: {self.code} - {self.message}"


class DefaultBrokerageModel(Snake):
    """Takes every order; what an algorithm's own brokerage inherits from."""

    default_markets = {SecurityType.EQUITY: Market.USA}  # noqa: RUF012 - overridden in classes

    def can_submit_order(self, security: Security, order: Any, message: Any) -> Any:
        return True, None

    def can_update_order(self, security: Security, order: Any, request: Any, message: Any) -> Any:
        return True, None

    def get_fee_model(self, security: Security) -> Any:
        return InteractiveBrokersFeeModel()

    def get_benchmark(self, securities: Any) -> Any:
        return None


def model_of(brokerage: Any, account: str) -> DefaultBrokerageModel:
    """The model of a name, or the algorithm's own.

    Raises:
        Unsupported: There is none, or the account is no margin account.
    """
    if account != AccountType.MARGIN:
        raise Unsupported(f"a {account} account")
    if isinstance(brokerage, DefaultBrokerageModel):
        return brokerage
    names = (BrokerageName.INTERACTIVE_BROKERS_BROKERAGE, BrokerageName.QUANT_CONNECT_BROKERAGE)
    if brokerage not in names:
        raise Unsupported(f"a brokerage model of {brokerage}")
    return DefaultBrokerageModel()


class FuncSecuritySeeder(Snake):
    """The price that a share begins with: what a function of it gives."""

    def __init__(self, seed: Callable[[Security], Any]) -> None:
        self.seed = seed


class BrokerageModelSecurityInitializer(Snake):
    """Makes a share what its brokerage has it: its fees, and the price that it begins with."""

    def __init__(self, model: Any, seeder: Any = None) -> None:
        self._model, self._seeder = model, seeder

    def __call__(self, security: Security) -> None:
        self.initialize(security)

    def initialize(self, security: Security) -> None:
        security.set_fee_model(named(self._model, "get_fee_model")(security))
        if isinstance(self._seeder, FuncSecuritySeeder):
            given = self._seeder.seed(security)
            security.set_market_price(given[-1] if isinstance(given, list) and given else given)


class Benchmark(Snake):
    """What an algorithm compares itself with: a function of the time."""

    def __init__(self, evaluate: Callable[[Any], Any]) -> None:
        self.evaluate = evaluate
