"""Orders of strategies: at which price a day's bar fills them, by hand, and what may be ordered."""

from typing import Any

import pandas as pd
import pytest

from radiance.labs.alphas.strategies import book, costs, fills, market, orders, targets
from radiance.labs.alphas.strategies.naming import Unsupported
from radiance.labs.alphas.strategies.orders import OrderType

BAR = market.Bar("A", pd.Timestamp("2020-01-03"), (50.0, 54.0, 47.0, 52.0, 1_000.0))
LIMIT, STOP, BOTH = OrderType.LIMIT, OrderType.STOP_MARKET, OrderType.STOP_LIMIT


class Account:
    """A book with one share at 50 dollars, and what it told."""

    def __init__(self, cash: float = 10_000.0) -> None:
        self.portfolio, self.securities = market.Portfolio(), market.Securities()
        self.portfolio.cash = cash
        self.share = self.securities["A"] = market.Security("A", self.portfolio)
        self.share.see(market.Bar("A", pd.Timestamp("2020-01-02"), (50.0,) * 4 + (1_000.0,)))
        self.now = pd.Timestamp("2020-01-02 21:00")
        self.told: list[orders.OrderEvent] = []
        self.book = book.Book(self.portfolio, self.securities, self.told.append, lambda: self.now)

    def place(self, kind: int, quantity: float, **prices: Any) -> orders.OrderTicket:
        request = orders.SubmitOrderRequest(kind, None, "A", quantity, **prices)
        return self.book.add_order(request)

    def fill(self, ticket: orders.OrderTicket, bar: market.Bar = BAR):
        self.now = pd.Timestamp("2020-01-03 21:00")
        order = self.book.get_order_by_id(ticket.order_id)
        assert order is not None
        return self.book.fill(order, bar, 0.0)


@pytest.mark.parametrize(
    ("kind", "quantity", "prices", "price"),
    [
        (OrderType.MARKET_ON_OPEN, 10, {}, 50),
        (OrderType.MARKET_ON_CLOSE, 10, {}, 52),
        (LIMIT, 10, {"limit_price": 49}, 49),
        (LIMIT, 10, {"limit_price": 51}, 50),  # the open is better
        (LIMIT, 10, {"limit_price": 47}, None),  # the low alone is not below it
        (LIMIT, -10, {"limit_price": 53}, 53),
        (LIMIT, -10, {"limit_price": 49}, 50),
        (LIMIT, -10, {"limit_price": 54}, None),
        (STOP, 10, {"stop_price": 53}, 53),
        (STOP, 10, {"stop_price": 49}, 50),  # a gap over the stop
        (STOP, 10, {"stop_price": 55}, None),
        (STOP, -10, {"stop_price": 48}, 48),
        (STOP, -10, {"stop_price": 51}, 50),
        (STOP, -10, {"stop_price": 46}, None),
        (BOTH, 10, {"stop_price": 53, "limit_price": 53.5}, 53.5),
        (BOTH, 10, {"stop_price": 53, "limit_price": 51}, None),  # the close is over the limit
        (BOTH, 10, {"stop_price": 54, "limit_price": 60}, None),  # the high alone is not over it
        (BOTH, -10, {"stop_price": 48, "limit_price": 47.5}, 47.5),
        (BOTH, -10, {"stop_price": 48, "limit_price": 53}, None),
        (OrderType.LIMIT_IF_TOUCHED, 10, {"trigger_price": 48, "limit_price": 53}, 52),
        (OrderType.LIMIT_IF_TOUCHED, 10, {"trigger_price": 46, "limit_price": 53}, None),
        (OrderType.LIMIT_IF_TOUCHED, -10, {"trigger_price": 53, "limit_price": 53}, None),
        (OrderType.TRAILING_STOP, -10, {"stop_price": 48, "trailing_amount": 5}, 48),
        (OrderType.TRAILING_STOP, 10, {"stop_price": 53, "trailing_amount": 5}, 53),
        (OrderType.TRAILING_STOP, 10, {"stop_price": 51, "trailing_amount": 5}, 52),
    ],
)
def test_a_bar_fills_an_order_at_a_price_that_it_had(kind, quantity, prices, price):
    account = Account()
    ticket = account.place(kind, quantity, **prices)
    filled = account.fill(ticket)
    assert filled == (None if price is None else (price, None))
    if price is not None:
        assert BAR.low <= price <= BAR.high
        assert ticket.status == market.OrderStatus.FILLED
        assert account.portfolio.cash == pytest.approx(10_000 - quantity * price)
        assert account.portfolio["A"].quantity == quantity


def test_a_stop_limit_that_was_triggered_waits_for_its_limit():
    account = Account()
    ticket = account.place(BOTH, 10, stop_price=53, limit_price=51)
    assert account.fill(ticket) is None
    later = market.Bar("A", pd.Timestamp("2020-01-06"), (50.0, 52.0, 49.0, 50.5, 1_000.0))
    assert account.fill(ticket, later) == (51, None)


def test_a_trailing_stop_follows_the_best_price_and_never_goes_back():
    account = Account()
    ticket = account.place(
        OrderType.TRAILING_STOP, -10, stop_price=40, trailing_amount=0.1, trailing_as_percentage=1
    )
    assert account.fill(ticket) is None
    assert ticket.get(orders.OrderField.STOP_PRICE) == pytest.approx(54 * 0.9)
    lower = market.Bar("A", pd.Timestamp("2020-01-06"), (50.0, 51.0, 49.0, 50.0, 1_000.0))
    assert account.fill(ticket, lower) is None
    assert ticket.get(orders.OrderField.STOP_PRICE) == pytest.approx(54 * 0.9)
    assert fills.trailing_stop(50, 5, False, 10) == 55


def test_a_limit_has_no_slippage_and_a_market_order_has():
    for kind, prices, slip in (
        (LIMIT, {"limit_price": 49}, 0.0),
        (OrderType.MARKET_ON_OPEN, {}, 0.5),
    ):
        account = Account()
        account.share.set_slippage_model(costs.ConstantSlippageModel(0.01))
        filled = account.fill(account.place(kind, 10, **prices))
        assert filled is not None
        price, cost = filled
        assert cost == pytest.approx(10 * slip)
        assert account.portfolio.cash == pytest.approx(10_000 - 10 * price - cost)


def test_a_ticket_changes_its_order_and_takes_it_back():
    account = Account()
    ticket = account.place(LIMIT, 10, limit_price=40)
    assert account.book.projected("A") == 10
    assert ticket.update_limit_price(49).is_success
    assert ticket.update_quantity(12.7).is_success
    assert (ticket.quantity, ticket.get(orders.OrderField.LIMIT_PRICE)) == (12, 49)
    assert ticket.cancel("no").is_success
    assert [event.status for event in account.told] == [
        "submitted",
        "update submitted",
        "update submitted",
        "canceled",
    ]
    assert account.book.get_open_orders() == []
    assert ticket.update_quantity(5).is_error
    assert ticket.cancel().is_error
    assert len(ticket.update_requests) == 3


def test_what_is_there_before_the_bar_is_tried_again_at_its_end():
    """Lean's: what the algorithm changes at the close is filled on the day that it has seen."""
    account = Account()
    ticket = account.place(LIMIT, 10, limit_price=40)
    assert account.fill(ticket) is None
    ticket.update_limit_price(48)
    account.place(LIMIT, 10, limit_price=48)
    raw = account.place(OrderType.MARKET, 10)
    assert [o.id for o in account.book.tried_again()] == [ticket.order_id, raw.order_id]


def test_more_than_the_margin_allows_is_refused():
    account = Account()
    assert account.place(OrderType.MARKET_ON_OPEN, 400).status == "submitted"  # 2 x 10,000 / 50
    refused = account.place(OrderType.MARKET_ON_OPEN, 401)
    assert refused.status == market.OrderStatus.INVALID
    assert "buying power" in refused.submit_request.response.error_message
    account.share.set_leverage(4)
    assert account.place(OrderType.MARKET_ON_OPEN, 800).status == "submitted"


def test_what_reduces_a_position_needs_no_margin_and_what_turns_it_needs_the_rest():
    account = Account()
    account.portfolio["A"].take(400, 50)
    account.portfolio.cash -= 400 * 50
    assert account.portfolio.margin_remaining == 0
    assert account.place(OrderType.MARKET_ON_OPEN, -400).status == "submitted"
    assert account.place(OrderType.MARKET_ON_OPEN, -800).status == "submitted"
    assert account.place(OrderType.MARKET_ON_OPEN, -801).status == "invalid"


def test_what_is_no_longer_affordable_is_refused_when_it_would_be_filled():
    account = Account()
    ticket = account.place(OrderType.MARKET_ON_OPEN, 400)
    account.share.holdings.price = 52.0
    assert account.fill(ticket) is None
    assert ticket.status == market.OrderStatus.INVALID


def test_a_target_leaves_what_is_free_and_passes_over_what_ties_up_little():
    account, settings = Account(), targets.AlgorithmSettings()
    order = targets.order_for(1, account.share, account.portfolio, settings)
    assert order == int(10_000 * 0.9975 / 50)
    account.portfolio["A"].take(order, 50)
    account.portfolio.cash -= order * 50
    # A share and a half more ties up 37 dollars, a thousandth of the portfolio is 10.
    weight = (order + 1.5) * 50 / 10_000 / 0.9975
    assert targets.order_for(weight, account.share, account.portfolio, settings) == 1
    settings.minimum_order_margin_portfolio_percentage = 0.004
    assert targets.order_for(weight, account.share, account.portfolio, settings) == 0
    assert targets.order_for(0, account.share, account.portfolio, settings) == -order


def test_nothing_is_ordered_while_warming_up():
    account = Account()
    account.book._is_warming_up = lambda: True
    refused = account.place(OrderType.MARKET_ON_OPEN, 1)
    assert refused.status == market.OrderStatus.INVALID
    assert "warm up" in refused.submit_request.response.error_message


def test_what_cannot_be_ordered_is_named():
    account = Account()
    with pytest.raises(Unsupported, match="B, which was not added"):
        account.book.add_order(orders.SubmitOrderRequest(LIMIT, None, "B", 1, limit_price=1))
    with pytest.raises(ValueError, match="not finite"):
        account.place(LIMIT, 1, limit_price=float("nan"))
    with pytest.raises(Unsupported, match="order properties"):
        orders.SubmitOrderRequest(LIMIT, None, "A", 1, properties=object())
    assert account.place(OrderType.MARKET_ON_OPEN, 0).status == market.OrderStatus.INVALID
