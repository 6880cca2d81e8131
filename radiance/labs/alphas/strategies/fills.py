"""At which price a day's bar fills an order, as QuantConnect's model for shares has it."""

from radiance.labs.alphas.strategies.market import Bar
from radiance.labs.alphas.strategies.orders import Order, OrderType


def price_of(order: Order, bar: Bar) -> float | None:
    """The price before slippage, or None where the bar does not fill it.

    It lies between the bar's low and high. What a stop order has reached is kept on it.
    """
    return _BY_TYPE[order.type](order, bar)


def slips(order: Order) -> bool:
    """Whether slippage is added: a limit is one."""
    return order.type not in (OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.LIMIT_IF_TOUCHED)


def trailing_stop(market: float, amount: float, is_share: bool, quantity: float) -> float:
    """Where a stop stands that follows the market at a distance, in dollars or as a share."""
    distance = market * amount if is_share else amount
    return market + distance if quantity > 0 else market - distance


def _open(order: Order, bar: Bar) -> float:
    return bar.open


def _close(order: Order, bar: Bar) -> float:
    return bar.close


def _limit(order: Order, bar: Bar) -> float | None:
    if order.quantity > 0:
        return min(bar.open, order.limit_price) if bar.low < order.limit_price else None
    return max(bar.open, order.limit_price) if bar.high > order.limit_price else None


def _stop(order: Order, bar: Bar) -> float | None:
    if order.quantity > 0:
        return max(bar.open, order.stop_price) if bar.high >= order.stop_price else None
    return min(bar.open, order.stop_price) if bar.low <= order.stop_price else None


def _stop_limit(order: Order, bar: Bar) -> float | None:
    """At the limit, once the stop was reached and the close is within the limit.

    Nobody knows whether the day's best price came before the stop.
    """
    buys = order.quantity > 0
    reached = bar.high > order.stop_price if buys else bar.low < order.stop_price
    order.stop_triggered = order.stop_triggered or reached
    if not order.stop_triggered:
        return None
    if buys:
        return min(bar.high, order.limit_price) if bar.close < order.limit_price else None
    return max(bar.low, order.limit_price) if bar.close > order.limit_price else None


def _limit_if_touched(order: Order, bar: Bar) -> float | None:
    buys = order.quantity > 0
    touched = bar.low <= order.trigger_price if buys else bar.high >= order.trigger_price
    order.trigger_touched = order.trigger_touched or touched
    within = bar.close <= order.limit_price if buys else bar.close >= order.limit_price
    return bar.close if order.trigger_touched and within else None


def _trailing(order: Order, bar: Bar) -> float | None:
    """The worse of stop and close; else the stop follows the day's best price."""
    buys = order.quantity > 0
    if bar.high >= order.stop_price if buys else bar.low <= order.stop_price:
        return max(order.stop_price, bar.close) if buys else min(order.stop_price, bar.close)
    moved = trailing_stop(
        bar.low if buys else bar.high,
        order.trailing_amount,
        order.trailing_as_percentage,
        order.quantity,
    )
    order.stop_price = min(order.stop_price, moved) if buys else max(order.stop_price, moved)
    return None


_BY_TYPE = {
    OrderType.MARKET: _close,
    OrderType.LIMIT: _limit,
    OrderType.STOP_MARKET: _stop,
    OrderType.STOP_LIMIT: _stop_limit,
    OrderType.MARKET_ON_OPEN: _open,
    OrderType.MARKET_ON_CLOSE: _close,
    OrderType.LIMIT_IF_TOUCHED: _limit_if_touched,
    OrderType.TRAILING_STOP: _trailing,
}
