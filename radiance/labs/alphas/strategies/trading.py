"""The methods with which an algorithm orders."""

import math
from typing import Any

from radiance.labs.alphas.strategies.book import Book
from radiance.labs.alphas.strategies.fills import trailing_stop
from radiance.labs.alphas.strategies.market import Portfolio, Securities
from radiance.labs.alphas.strategies.naming import Snake, Unsupported
from radiance.labs.alphas.strategies.orders import OrderTicket, OrderType, SubmitOrderRequest
from radiance.labs.alphas.strategies.targets import AlgorithmSettings, PortfolioTarget, order_for

_MARKET = (OrderType.MARKET, OrderType.MARKET_ON_OPEN)


class OrderMethods(Snake):
    """What of ``QCAlgorithm`` places orders; ``transactions`` keeps them."""

    portfolio: Portfolio
    securities: Securities
    settings: AlgorithmSettings
    transactions: Book
    unknown: set[str]

    def market_order(self, symbol: str, quantity: float, *given: Any, **further: Any) -> Any:
        """For the next open: daily bars have no price in between."""
        return self._place(OrderType.MARKET_ON_OPEN, symbol, quantity, given, further)

    def market_on_open_order(self, symbol: str, quantity: float, *given: Any, **more: Any) -> Any:
        return self._place(OrderType.MARKET_ON_OPEN, symbol, quantity, given, more)

    def market_on_close_order(self, symbol: str, quantity: float, *given: Any, **more: Any) -> Any:
        """For the next close: the day's, if it is placed before the open."""
        return self._place(OrderType.MARKET_ON_CLOSE, symbol, quantity, given, more)

    def limit_order(
        self, symbol: str, quantity: float, limit_price: float, *given: Any, **further: Any
    ) -> OrderTicket:
        prices = {"limit_price": limit_price}
        return self._place(OrderType.LIMIT, symbol, quantity, given, further, **prices)

    def stop_market_order(
        self, symbol: str, quantity: float, stop_price: float, *given: Any, **further: Any
    ) -> OrderTicket:
        prices = {"stop_price": stop_price}
        return self._place(OrderType.STOP_MARKET, symbol, quantity, given, further, **prices)

    def stop_limit_order(
        self,
        symbol: str,
        quantity: float,
        stop_price: float,
        limit_price: float,
        *given: Any,
        **further: Any,
    ) -> OrderTicket:
        prices = {"stop_price": stop_price, "limit_price": limit_price}
        return self._place(OrderType.STOP_LIMIT, symbol, quantity, given, further, **prices)

    def limit_if_touched_order(
        self,
        symbol: str,
        quantity: float,
        trigger_price: float,
        limit_price: float,
        *given: Any,
        **further: Any,
    ) -> OrderTicket:
        prices = {"trigger_price": trigger_price, "limit_price": limit_price}
        return self._place(OrderType.LIMIT_IF_TOUCHED, symbol, quantity, given, further, **prices)

    def trailing_stop_order(
        self, symbol: str, quantity: float, *given: Any, **further: Any
    ) -> OrderTicket:
        """With a distance and whether it is a share of the price; a first stop may stand before."""
        numbers = [*given]
        stop = further.pop("stop_price", None)
        if stop is None and len(numbers) > 2 and isinstance(numbers[2], bool):
            stop = numbers.pop(0)
        amount = further.pop("trailing_amount", None)
        amount = float(numbers.pop(0) if amount is None else amount)
        is_share = further.pop("trailing_as_percentage", None)
        is_share = bool(numbers.pop(0) if is_share is None else is_share)
        if stop is None and symbol in self.securities:
            stop = trailing_stop(self.securities[symbol].price, amount, is_share, quantity)
        prices = {"stop_price": stop or 0.0, "trailing_amount": amount}
        prices["trailing_as_percentage"] = is_share
        return self._place(
            OrderType.TRAILING_STOP, symbol, quantity, tuple(numbers), further, **prices
        )

    def buy(self, symbol: str, quantity: float) -> OrderTicket:
        return self.market_order(symbol, abs(quantity))

    def sell(self, symbol: str, quantity: float) -> OrderTicket:
        return self.market_order(symbol, -abs(quantity))

    order = market_order

    def set_holdings(
        self,
        symbol: Any,
        percentage: Any = None,
        liquidate_existing_holdings: bool = False,
        *_: Any,
        tag: str = "",
    ) -> list[OrderTicket]:
        if isinstance(symbol, str):
            targets = [PortfolioTarget(symbol, percentage)]
        elif all(isinstance(one, PortfolioTarget) for one in symbol):
            targets = list(symbol)
            liquidate_existing_holdings = bool(percentage or liquidate_existing_holdings)
        else:
            raise Unsupported("set_holdings of anything but a share or a list of PortfolioTarget")
        tickets = []
        if liquidate_existing_holdings:
            for other in list(self.portfolio.held):
                if other not in [target.symbol for target in targets]:
                    tickets += self.liquidate(other)
        for target in targets:
            quantity = self.calculate_order_quantity(target.symbol, target.quantity)
            quantity -= sum(
                ticket.quantity_remaining
                for ticket in self.transactions.get_open_order_tickets(target.symbol)
                if ticket.order_type in _MARKET
            )
            if quantity:
                tickets.append(self.market_order(target.symbol, quantity, tag=tag))
        return tickets

    def calculate_order_quantity(self, symbol: str, target: float) -> float:
        """The shares to buy for a part of the portfolio; 0 before a share has a price."""
        if symbol in self.unknown and symbol not in self.securities:
            return 0.0
        if symbol not in self.securities:
            raise Unsupported(f"an order for {symbol}, which was not added")
        security = self.securities[symbol]
        if security.price <= 0:
            return 0.0
        return order_for(float(target), security, self.portfolio, self.settings)

    def liquidate(self, symbol: Any = None, *_: Any, tag: str = "") -> list[OrderTicket]:
        """Take back what is ordered, and sell what is held, of a share, of several or of all."""
        if symbol is None:
            gone = set(self.portfolio.held)
        else:
            gone = {str(symbol)} if isinstance(symbol, str) else {str(one) for one in symbol}
        self.transactions.cancel_open_orders(lambda one: symbol is None or one.symbol in gone)
        return [
            self.market_order(held, -self.portfolio[held].quantity, tag=tag)
            for held in sorted(gone)
            if self.portfolio[held].invested
        ]

    def _place(
        self,
        kind: int,
        symbol: str,
        quantity: float,
        given: tuple[Any, ...],
        further: dict[str, Any],
        **prices: Any,
    ) -> OrderTicket:
        """The rest are Lean's arguments: whether to wait (nothing here does), tag, properties."""
        rest = dict(zip(("asynchronous", "tag", "order_properties"), given, strict=False)) | further
        if unknown := rest.keys() - {"asynchronous", "tag", "order_properties"}:
            raise TypeError(f"an order has no {', '.join(sorted(unknown))}")
        if not math.isfinite(quantity):
            raise ValueError(f"the quantity {quantity} is not finite")
        request = SubmitOrderRequest(
            kind,
            None,
            symbol,
            quantity,
            **prices,
            tag=rest.get("tag") or "",
            properties=rest.get("order_properties"),
            asynchronous=bool(rest.get("asynchronous", False)),
        )
        return self.transactions.add_order(request)
