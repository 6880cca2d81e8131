"""The orders of an algorithm: taken, changed, cancelled, refused, and told of.

Like Lean's own: what is ordered needs buying power when it is placed and when it is filled, and
what a brokerage model of the algorithm's own refuses is refused.
"""

import datetime
import math
from collections.abc import Callable
from typing import Any

from radiance.labs.alphas.strategies import fills, targets
from radiance.labs.alphas.strategies.market import Bar, OrderStatus, Portfolio, Securities
from radiance.labs.alphas.strategies.naming import Snake, Unsupported, named
from radiance.labs.alphas.strategies.orders import (
    Order,
    OrderEvent,
    OrderResponse,
    OrderTicket,
    OrderType,
    SubmitOrderRequest,
    UpdateOrderFields,
)

_UPDATED = ("limit_price", "stop_price", "trigger_price", "trailing_amount", "tag")


class Book(Snake):
    """An algorithm's ``transactions``.

    Args:
        tell: Is called with each ``OrderEvent``.
        now: The time in UTC.
        is_warming_up: While it is so, nothing may be ordered.

    Attributes:
        brokerage: A brokerage model of the algorithm's own, which may refuse; None has no say.
    """

    def __init__(
        self,
        portfolio: Portfolio,
        securities: Securities,
        tell: Callable[[OrderEvent], None],
        now: Callable[[], datetime.datetime],
        is_warming_up: Callable[[], bool] = lambda: False,
    ) -> None:
        self._portfolio, self._securities, self._tell, self._now = portfolio, securities, tell, now
        self._is_warming_up = is_warming_up
        self._orders: dict[int, Order] = {}
        self._open: dict[int, Order] = {}  # and some that were closed since ``open`` looked
        self._tickets: dict[int, OrderTicket] = {}
        self.brokerage: Any = None

    # What an algorithm asks for

    @property
    def orders_count(self) -> int:
        return len(self._orders)

    def add_order(self, request: SubmitOrderRequest) -> OrderTicket:
        """Place an order; one that is refused has a ticket too, with the status INVALID.

        Raises:
            Unsupported: Its share was not added.
            ValueError: A number of it is not finite.
        """
        if request.symbol not in self._securities:
            raise Unsupported(f"an order for {request.symbol}, which was not added")
        numbers = (request.quantity, request.stop_price, request.limit_price, request.trigger_price)
        if not all(math.isfinite(number) for number in numbers):
            raise ValueError(f"a number of an order for {request.symbol} is not finite")
        number = len(self._orders) + 1
        order = self._orders[number] = self._open[number] = Order(number, request, self._now())
        order.quantity = float(math.trunc(order.quantity))
        ticket = OrderTicket(order, request, self._change, self._cancel)
        self._tickets[number] = ticket
        refusal = self._refusal(order)
        request.response = OrderResponse(refusal)
        self._say(order, OrderStatus.INVALID if refusal else OrderStatus.SUBMITTED, refusal)
        return ticket

    def get_order_by_id(self, number: int) -> Order | None:
        return self._orders.get(number)

    def get_order_ticket(self, number: int) -> OrderTicket | None:
        return self._tickets.get(number)

    def get_order_tickets(self, chosen: Callable[[OrderTicket], bool] | None = None) -> list[Any]:
        return [one for one in self._tickets.values() if chosen is None or chosen(one)]

    def get_orders(self, chosen: Callable[[Order], bool] | None = None) -> list[Order]:
        return [one for one in self._orders.values() if chosen is None or chosen(one)]

    def get_open_orders(self, chosen: Any = None) -> list[Order]:
        """Of a share, or those that a function says yes to."""
        return [order for order in self.open() if _is_chosen(order, chosen)]

    def get_open_order_tickets(self, chosen: Any = None) -> list[OrderTicket]:
        """The same as tickets."""
        return [t for o in self.open() if _is_chosen(t := self._tickets[o.id], chosen)]

    def get_open_orders_remaining_quantity(self, chosen: Any = None) -> float:
        return sum(order.quantity for order in self.get_open_orders(chosen))

    def cancel_open_orders(self, chosen: Any = None, tag: str | None = None) -> list[OrderTicket]:
        """Take back what is open, of a share or all."""
        tickets = self.get_open_order_tickets(chosen)
        for ticket in tickets:
            ticket.cancel(tag)
        return tickets

    # What a run asks for

    def open(self) -> list[Order]:
        """What waits to be filled, in the order in which it was placed."""
        self._open = {number: one for number, one in self._open.items() if not one.is_closed}
        return list(self._open.values())

    def tried_again(self) -> list[Order]:
        """What Lean tries once more at the day's end.

        Raw market orders, and what was there before the day's bar: the algorithm may have changed
        it since, and then it is filled on a bar that the algorithm has seen.
        """
        now = self._now()
        return [one for one in self.open() if one.type == OrderType.MARKET or one.time < now]

    def projected(self, symbol: str) -> float:
        """What is held of a share once all that is open is filled."""
        return self._portfolio[symbol].quantity + self.get_open_orders_remaining_quantity(symbol)

    def fill(self, order: Order, bar: Bar, cost_bps: float) -> tuple[float, float | None] | None:
        """Fill an order on a day's bar, if it does.

        Args:
            order: An open one.
            bar: Of its share.
            cost_bps: What it costs of what it trades, where the strategy sets no model.

        Returns:
            The price before slippage, and fee and slippage in dollars by the strategy's models
            (None where it set none); None where it was not filled.
        """
        price = fills.price_of(order, bar)
        security = self._securities[order.symbol]
        if not targets.can_pay(order, security, self._portfolio):
            self._say(order, OrderStatus.INVALID, "Insufficient buying power to complete order")
            return None
        if price is None:
            return None
        order.price, order.volume = price, bar.volume
        said = security.costs.of(security, order)
        if said is None:
            fee, slip = abs(order.quantity) * price * cost_bps / 1e4, 0.0
        else:
            fee, slip = said[0], said[1] if fills.slips(order) else 0.0
        paid = price + math.copysign(slip, order.quantity)
        self._portfolio[order.symbol].take(order.quantity, paid)
        self._portfolio.cash -= order.quantity * paid + fee
        ticket = self._tickets[order.id]
        ticket.quantity_filled, ticket.average_fill_price = order.quantity, paid
        order.status, order.last_fill_time = OrderStatus.FILLED, self._now()
        self._filled(order, paid, fee)
        return price, None if said is None else fee + slip * abs(order.quantity)

    def _filled(self, order: Order, price: float, fee: float) -> None:
        now = self._now()
        self._tell(OrderEvent(order, OrderStatus.FILLED, now, order.quantity, price, fee))

    # What becomes of a request

    def _refusal(self, order: Order) -> str:
        security = self._securities[order.symbol]
        if not order.quantity:
            return "Unable to submit an order of no quantity."
        if self._is_warming_up():
            return "This operation is not allowed during warm up."
        if not security.is_tradable:
            return f"The security with symbol '{order.symbol}' is marked as non-tradable."
        if not targets.can_pay(order, security, self._portfolio):
            return f"Order Error: id: {order.id}, Insufficient buying power to complete order"
        if self.brokerage is not None:
            taken, said = _answer(named(self.brokerage, "can_submit_order")(security, order, None))
            if not taken:
                return f"BrokerageModel declared unable to submit order: [{order.id}] {said}"
        return ""

    def _change(self, order: Order, wanted: UpdateOrderFields) -> OrderResponse:
        if order.is_closed and any(
            value is not None for name, value in vars(wanted).items() if name != "tag"
        ):
            return OrderResponse(f"Unable to update order {order.id}: it is {order.status}.")
        if self.brokerage is not None:
            security = self._securities[order.symbol]
            model = named(self.brokerage, "can_update_order")
            taken, said = _answer(model(security, order, wanted, None))
            if not taken:
                self._say(order, OrderStatus.INVALID if order.is_closed else order.status, said)
                return OrderResponse(f"OrderID: {order.id} {said}")
        if wanted.quantity is not None:
            order.quantity = float(math.trunc(wanted.quantity))
        for name in _UPDATED:
            if getattr(wanted, name) is not None:
                setattr(order, name, getattr(wanted, name))
        order.last_update_time = self._now()
        if not order.is_closed:
            self._say(order, OrderStatus.UPDATE_SUBMITTED)
        return OrderResponse()

    def _cancel(self, order: Order, tag: str) -> OrderResponse:
        if order.is_closed:
            return OrderResponse(f"Unable to cancel order {order.id}: it is {order.status}.")
        order.tag, order.canceled_time = tag or order.tag, self._now()
        self._say(order, OrderStatus.CANCELED)
        return OrderResponse()

    def _say(self, order: Order, status: str, message: str = "") -> None:
        order.status = status
        self._tell(OrderEvent(order, status, self._now(), message=message))


def _is_chosen(one: Any, chosen: Any) -> bool:
    if chosen is None:
        return True
    return one.symbol == chosen if isinstance(chosen, str) else bool(chosen(one))


def _answer(given: Any) -> tuple[bool, Any]:
    """What a brokerage model said: yes or no, and why."""
    return given if isinstance(given, tuple) else (bool(given), "")
