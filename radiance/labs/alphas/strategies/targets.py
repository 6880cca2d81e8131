"""How many shares make a share of the portfolio, as QuantConnect counts them."""

import math
from typing import Any

from radiance.labs.alphas.strategies.costs import Order
from radiance.labs.alphas.strategies.indicators import Closed, Names, Snake
from radiance.labs.alphas.strategies.market import Portfolio, Security


class AlgorithmSettings(Closed):
    """What of an algorithm's settings counts here.

    Attributes:
        free_portfolio_value_percentage: What of the portfolio no target takes.
        minimum_order_margin_portfolio_percentage: Least share of it that is worth an order.
    """

    def __init__(self) -> None:
        self.free_portfolio_value_percentage = 0.0025
        self.minimum_order_margin_portfolio_percentage = 0.001
        self.close_names()


class InsightDirection(Names):
    UP = Up = 1
    FLAT = Flat = 0
    DOWN = Down = -1


class Insight(Snake):
    """What is said of a share; nothing here trades on it."""

    def __init__(self, symbol: str, period: Any, direction: int) -> None:
        self.symbol, self.period, self.direction = symbol, period, direction

    @staticmethod
    def price(symbol: str, period: Any, direction: int, *_: Any) -> "Insight":
        return Insight(symbol, period, direction)

    Price = price


class PortfolioTarget(Snake):
    """A share and what part of the portfolio it is to be."""

    def __init__(self, symbol: str, quantity: float, *_: Any) -> None:
        self.symbol, self.quantity = symbol, float(quantity)


def order_for(
    weight: float, security: Security, portfolio: Portfolio, settings: AlgorithmSettings
) -> float:
    """The shares to buy, below zero to sell, so that ``weight`` of the portfolio is in this one.

    What is bought leaves room for its own fee.
    """
    holding, worth = security.holdings, portfolio.total_portfolio_value
    if weight == 0:
        return -holding.quantity
    target = weight * worth * (1 - settings.free_portfolio_value_percentage)
    wanted = math.trunc(target / holding.price) - holding.quantity
    if abs(wanted) * holding.price < settings.minimum_order_margin_portfolio_percentage * worth:
        return 0.0
    if (holding.quantity + wanted) * wanted > 0:
        order = Order(str(security.symbol), wanted, holding.price, security.volume)
        cost = security.costs.of(security, order)
        fee = 0.0 if cost is None else cost[0]
        side = math.copysign(1.0, target)
        wanted = math.trunc(max(0.0, abs(target) - fee) / holding.price) * side - holding.quantity
    return wanted
