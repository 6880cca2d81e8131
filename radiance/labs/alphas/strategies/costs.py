"""Fees and slippage of orders, as QuantConnect's models have them for shares of the USA."""

import math
from dataclasses import dataclass
from typing import Any

from radiance.labs.alphas.strategies.naming import Snake, Unsupported, named


class FeeModel(Snake):
    """What an algorithm's own fees inherit from: ``get_order_fee`` gives an ``OrderFee``."""


class ConstantFeeModel(FeeModel):
    """The same for every order, in dollars."""

    def __init__(self, fee: float, *_: Any) -> None:
        self.fee = abs(float(fee))

    def get_order_fee(self, parameters: "OrderFeeParameters") -> float:
        return self.fee


class InteractiveBrokersFeeModel(FeeModel):
    """Half a cent a share, at least a dollar, at most 0.5 % of what is traded if that is more."""

    def get_order_fee(self, parameters: "OrderFeeParameters") -> float:
        order = parameters.order
        fee = 0.005 * order.absolute_quantity
        return 1.0 if fee < 1.0 else min(fee, 0.005 * order.absolute_quantity * order.price)


class ConstantSlippageModel(Snake):
    """The same share of the price for every order."""

    def __init__(self, slippage_percent: float) -> None:
        self.share = float(slippage_percent)

    def get_slippage_approximation(self, asset: Any, order: "BareOrder") -> float:
        return self.share * order.price


class NullSlippageModel(ConstantSlippageModel):
    """None."""

    def __init__(self) -> None:
        super().__init__(0.0)


class VolumeShareSlippageModel(Snake):
    """The square of the order's share of the day's volume, times an impact."""

    def __init__(self, volume_limit: float = 0.025, price_impact: float = 0.1) -> None:
        self.limit, self.impact = float(volume_limit), float(price_impact)

    def get_slippage_approximation(self, asset: Any, order: "BareOrder") -> float:
        volume = order.volume
        share = min(order.absolute_quantity / volume, self.limit) if volume > 0 else self.limit
        return share * share * self.impact * order.price


class BareOrder(Snake):
    """An order as it is filled.

    Attributes:
        price: The open that it is filled at, before slippage.
        volume: Of the day on which it is filled.
    """

    def __init__(self, symbol: str, quantity: float, price: float, volume: float) -> None:
        self.symbol, self.quantity, self.price, self.volume = symbol, quantity, price, volume

    @property
    def absolute_quantity(self) -> float:
        return abs(self.quantity)

    @property
    def value(self) -> float:
        return self.quantity * self.price


class OrderFeeParameters(Snake):
    """What a fee is computed from."""

    def __init__(self, security: Any, order: BareOrder) -> None:
        self.security, self.order = security, order


class CashAmount(Snake):
    """An amount of dollars."""

    def __init__(self, amount: float, currency: str = "USD") -> None:
        if currency != "USD":
            raise Unsupported(f"fees in {currency}")
        self.amount = float(amount)


class OrderFee(Snake):
    """The fee of an order."""

    def __init__(self, value: CashAmount) -> None:
        self.value = value


@dataclass
class Costs:
    """What orders of a share cost, as the strategy set it; neither set: as the judge counts it."""

    fee: Any = None
    slippage: Any = None

    def set_fee(self, model: Any) -> None:
        self.fee = _having(model, "get_order_fee")

    def set_slippage(self, model: Any) -> None:
        self.slippage = _having(model, "get_slippage_approximation")

    def of(self, security: Any, order: BareOrder) -> tuple[float, float] | None:
        """The fee in dollars and the slippage of a share's price; None where neither was set.

        Raises:
            ValueError: A model of the strategy's own gives what is no cost.
        """
        if self.fee is None and self.slippage is None:
            return None
        fee = slip = 0.0
        if self.fee is not None:
            given = named(self.fee, "get_order_fee")(OrderFeeParameters(security, order))
            fee = float(given.value.amount if isinstance(given, OrderFee) else given)
        if self.slippage is not None:
            slip = float(named(self.slippage, "get_slippage_approximation")(security, order))
        for name, cost in (("fee", fee), ("slippage", slip)):
            if not (math.isfinite(cost) and cost >= 0):
                raise ValueError(f"the {name} {cost} of an order of {order.symbol} is no cost")
        return fee, slip


def _having(model: Any, method: str) -> Any:
    try:
        named(model, method)
    except (AttributeError, Unsupported):
        raise Unsupported(f"{type(model).__name__} without {method}") from None
    return model
