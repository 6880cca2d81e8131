"""How many shares make a share of the portfolio and what may be ordered, as QuantConnect counts."""

import math
from typing import Any

from radiance.labs.alphas.strategies.costs import BareOrder
from radiance.labs.alphas.strategies.market import Portfolio, Security
from radiance.labs.alphas.strategies.naming import Closed, Snake


class AlgorithmSettings(Closed):
    """What of an algorithm's settings counts here.

    Attributes:
        free_portfolio_value_percentage: What of the portfolio no target takes.
        minimum_order_margin_portfolio_percentage: Least share of it that an order must tie up.
        rebalance_portfolio_on_insight_changes: Whether a portfolio model that rebalances by time
            does so when an insight comes or ends too.
        rebalance_portfolio_on_security_changes: The same for shares.
        automatic_indicator_warm_up: Whether an indicator begins with what its share did before.
    """

    def __init__(self) -> None:
        self.free_portfolio_value_percentage = 0.0025
        self.minimum_order_margin_portfolio_percentage = 0.001
        self.rebalance_portfolio_on_insight_changes: bool | None = None
        self.rebalance_portfolio_on_security_changes: bool | None = None
        self.automatic_indicator_warm_up = False
        self.close_names()


class PortfolioTarget(Snake):
    """A share with what is wanted of it.

    A part of the portfolio for ``set_holdings``, a number of shares for an execution model.
    """

    def __init__(self, symbol: str, quantity: float, tag: str = "", *_: Any) -> None:
        self.symbol, self.quantity, self.tag = symbol, float(quantity), tag

    @staticmethod
    def percent(
        algorithm: Any, symbol: str, percent: float, returns_delta: bool = False, tag: str = ""
    ) -> "PortfolioTarget | None":
        """The number of shares that is a part of the portfolio; None without a price."""
        if symbol not in algorithm.securities or algorithm.securities[symbol].price <= 0:
            return None
        security = algorithm.securities[symbol]
        order = order_for(float(percent), security, algorithm.portfolio, algorithm.settings)
        held = 0.0 if returns_delta else security.holdings.quantity
        return PortfolioTarget(symbol, order + held, tag)

    Percent = percent


def order_for(
    weight: float, security: Security, portfolio: Portfolio, settings: AlgorithmSettings
) -> float:
    """The shares to buy, below zero to sell, so that ``weight`` of the portfolio is in this one.

    What is bought leaves room for its own fee.
    """
    holding, worth = security.holdings, portfolio.total_portfolio_value
    unit = security.price / security.leverage
    share = weight * (1 - settings.free_portfolio_value_percentage) / security.leverage
    target = share * worth
    if target == 0:
        return -holding.quantity
    if not is_worth_it(target - holding.quantity * unit, portfolio, settings):
        return 0.0
    rounded = math.ceil if target < 0 else math.floor
    order = math.nan
    while True:
        # Rounded before: else a whole number of shares may come out as one less.
        wanted = float(rounded(round(target / unit - holding.quantity, 9)))
        if wanted in (0.0, order):
            return wanted
        order = wanted
        target = share * (worth - _fee(order, security))
        if abs(order + holding.quantity) * unit <= abs(target):
            return order


def is_worth_it(margin: float, portfolio: Portfolio, settings: AlgorithmSettings) -> bool:
    """Whether what an order ties up is enough of the portfolio to be ordered."""
    least = settings.minimum_order_margin_portfolio_percentage * portfolio.total_portfolio_value
    return abs(margin) >= least or portfolio.margin_remaining <= 0


def can_pay(order: BareOrder, security: Security, portfolio: Portfolio) -> bool:
    """Whether the account has what an order and its fee need; what reduces a position may always.

    A share without a price yet needs nothing.
    """
    held = security.holdings.quantity
    if held * order.quantity < 0 and abs(held) >= abs(order.quantity):
        return True
    free = portfolio.margin_remaining
    if held * order.quantity < 0:
        free += 2 * abs(held) * security.price / security.leverage
    need = abs(order.quantity) * security.price / security.leverage
    return need == 0 or need + _fee(order.quantity, security) <= max(0.0, free)


def _fee(quantity: float, security: Security) -> float:
    """By the strategy's own model."""
    order = BareOrder(str(security.symbol), quantity, security.price, security.volume)
    cost = security.costs.of(security, order)
    return 0.0 if cost is None else cost[0]
