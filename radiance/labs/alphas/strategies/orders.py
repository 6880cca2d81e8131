"""Orders, their tickets and the requests that change them, as QuantConnect's API has them."""

import datetime
from collections.abc import Callable
from operator import attrgetter
from typing import Any

from radiance.labs.alphas.strategies import costs
from radiance.labs.alphas.strategies.market import OrderStatus, Symbol
from radiance.labs.alphas.strategies.naming import Names, Snake, Unsupported

Time = datetime.datetime


class OrderType(Names):
    MARKET = Market = 0
    LIMIT = Limit = 1
    STOP_MARKET = StopMarket = 2
    STOP_LIMIT = StopLimit = 3
    MARKET_ON_OPEN = MarketOnOpen = 4
    MARKET_ON_CLOSE = MarketOnClose = 5
    LIMIT_IF_TOUCHED = LimitIfTouched = 7
    TRAILING_STOP = TrailingStop = 11


class OrderDirection(Names):
    BUY = Buy = 0
    SELL = Sell = 1
    HOLD = Hold = 2


class OrderField(Names):
    LIMIT_PRICE = LimitPrice = "limit_price"
    STOP_PRICE = StopPrice = "stop_price"
    TRIGGER_PRICE = TriggerPrice = "trigger_price"
    TRAILING_AMOUNT = TrailingAmount = "trailing_amount"


_CLOSED = (OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.INVALID)


class SubmitOrderRequest(Snake):
    """What an order is made of; prices that its type does not have are 0."""

    def __init__(
        self,
        order_type: int,
        security_type: Any,
        symbol: str,
        quantity: float,
        stop_price: float = 0.0,
        limit_price: float = 0.0,
        trigger_price: float = 0.0,
        trailing_amount: float = 0.0,
        trailing_as_percentage: bool = False,
        time: Any = None,
        tag: str = "",
        properties: Any = None,
        *_: Any,
        asynchronous: bool = False,
    ) -> None:
        if properties is not None:
            raise Unsupported("order properties")
        self.order_type, self.symbol = order_type, Symbol(symbol)
        self.quantity, self.tag, self.asynchronous = float(quantity), str(tag), asynchronous
        self.stop_price, self.limit_price = float(stop_price), float(limit_price)
        self.trigger_price, self.trailing_amount = float(trigger_price), float(trailing_amount)
        self.trailing_as_percentage = trailing_as_percentage
        self.response = OrderResponse()


class OrderResponse(Snake):
    """What became of a request; without a message it was taken."""

    def __init__(self, error_message: str = "") -> None:
        self.error_message = error_message

    @property
    def is_success(self) -> bool:
        return not self.error_message

    @property
    def is_error(self) -> bool:
        return bool(self.error_message)

    @property
    def is_processed(self) -> bool:
        return True


class UpdateOrderFields(Snake):
    """What of an order is to be another; None stays."""

    def __init__(self) -> None:
        self.quantity: float | None = None
        self.limit_price: float | None = None
        self.stop_price: float | None = None
        self.trigger_price: float | None = None
        self.trailing_amount: float | None = None
        self.tag: str | None = None


class OrderRequest(Snake):
    """A request to change or to cancel an order, with what became of it."""

    def __init__(self, order_id: int, fields: UpdateOrderFields, response: OrderResponse) -> None:
        self.order_id, self.response, self.tag = order_id, response, fields.tag
        self.quantity, self.limit_price = fields.quantity, fields.limit_price
        self.stop_price = fields.stop_price


class Order(costs.BareOrder):
    """An order that was placed.

    Attributes:
        price: The one that it is filled at, before slippage; 0 until then.
        stop_triggered: Whether the stop of a stop limit order was reached.
    """

    def __init__(self, number: int, request: SubmitOrderRequest, now: Time) -> None:
        super().__init__(request.symbol, request.quantity, 0.0, 0.0)
        self.id, self.type, self.tag = number, request.order_type, request.tag
        self.status = OrderStatus.NEW
        self.stop_price, self.limit_price = request.stop_price, request.limit_price
        self.trigger_price, self.trailing_amount = request.trigger_price, request.trailing_amount
        self.trailing_as_percentage = request.trailing_as_percentage
        self.stop_triggered = self.trigger_touched = False
        self.time = self.created_time = now
        self.last_update_time: Time | None = None
        self.last_fill_time: Time | None = None
        self.canceled_time: Time | None = None

    @property
    def direction(self) -> int:
        if not self.quantity:
            return OrderDirection.HOLD
        return OrderDirection.BUY if self.quantity > 0 else OrderDirection.SELL

    @property
    def is_closed(self) -> bool:
        return self.status in _CLOSED

    def __str__(self) -> str:
        return f"OrderId: {self.id} {self.status} {self.quantity:g} of {self.symbol}"


class OrderEvent(Snake):
    """What became of an order: it was taken, changed, filled, cancelled or refused."""

    def __init__(
        self,
        order: Order,
        status: str,
        now: Time,
        quantity: float = 0.0,
        price: float = 0.0,
        fee: float = 0.0,
        message: str = "",
    ) -> None:
        self.symbol, self.utc_time, self.status, self.order_id = order.symbol, now, status, order.id
        self.quantity, self.fill_quantity, self.fill_price = order.quantity, quantity, price
        self.order_fee, self.message, self.direction = fee, message, order.direction
        self.limit_price, self.stop_price = order.limit_price, order.stop_price

    @property
    def absolute_fill_quantity(self) -> float:
        return abs(self.fill_quantity)

    def __str__(self) -> str:
        filled = f" {self.fill_quantity:g} at {self.fill_price:g}" if self.fill_quantity else ""
        return (
            f"OrderId: {self.order_id} {self.symbol} {self.status}{filled} {self.message}".strip()
        )

    def to_string(self) -> str:
        return str(self)


Change = Callable[[Order, UpdateOrderFields], OrderResponse]
Cancel = Callable[[Order, str], OrderResponse]


class OrderTicket(Snake):
    """A hold on an order that was placed.

    Args:
        change: Changes the order, where it may.
        cancel: Cancels it.
    """

    def __init__(
        self, order: Order, request: SubmitOrderRequest, change: Change, cancel: Cancel
    ) -> None:
        self._order, self._change, self._cancel = order, change, cancel
        self.submit_request = request
        self.cancel_request: OrderRequest | None = None
        self.update_requests: list[OrderRequest] = []
        self.quantity_filled = self.average_fill_price = 0.0

    order_id = property(attrgetter("_order.id"))
    order_type = property(attrgetter("_order.type"))
    symbol = property(attrgetter("_order.symbol"))
    quantity = property(attrgetter("_order.quantity"))
    status = property(attrgetter("_order.status"))
    tag = property(attrgetter("_order.tag"))
    time = property(attrgetter("_order.time"))

    @property
    def quantity_remaining(self) -> float:
        return 0.0 if self._order.is_closed else self._order.quantity

    def get(self, field: str) -> float:
        """A price of the order, by ``OrderField``."""
        return getattr(self._order, field)

    def update(self, fields: UpdateOrderFields) -> OrderResponse:
        """Change what is asked for; an order that is filled or cancelled stays."""
        response = self._change(self._order, fields)
        self.update_requests.append(OrderRequest(self.order_id, fields, response))
        return response

    def update_quantity(self, quantity: float, tag: str | None = None) -> OrderResponse:
        return self._one("quantity", quantity, tag)

    def update_limit_price(self, price: float, tag: str | None = None) -> OrderResponse:
        return self._one("limit_price", price, tag)

    def update_stop_price(self, price: float, tag: str | None = None) -> OrderResponse:
        return self._one("stop_price", price, tag)

    def update_tag(self, tag: str) -> OrderResponse:
        return self._one("tag", tag, tag)

    def _one(self, name: str, value: Any, tag: str | None) -> OrderResponse:
        fields = UpdateOrderFields()
        fields.tag = tag
        setattr(fields, name, value)
        return self.update(fields)

    def cancel(self, tag: str | None = None) -> OrderResponse:
        """Take the order back, if it is still open."""
        fields = UpdateOrderFields()
        fields.tag = tag
        response = self._cancel(self._order, tag or "")
        self.cancel_request = OrderRequest(self.order_id, fields, response)
        return response

    def __str__(self) -> str:
        return str(self._order)
