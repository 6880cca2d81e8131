"""Python strategies: compiled, checked against QuantConnect's types, and run where possible.

Written code is hostile until shown otherwise. It is never imported here; it runs in ``sandbox``
over daily bars, and what it earned is counted here from the orders it was filled.
"""

import ast
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np

from radiance.labs.alphas.results.performance import drawdown, sharpe_ratio
from radiance.labs.alphas.strategies.type_check import type_errors
from radiance.labs.alphas.values.panel import Panel
from radiance.labs.daily_bars import BARS, DELISTING_RETURN, left_after
from radiance.platform import sandbox

Outcome = Literal[
    "does not compile",
    "type errors",
    "unsupported",
    "contained",
    "failed",
    "no trades",
    "backtested",
]
COST_BPS = 5.0
"""What an order costs of what it trades, where the strategy sets no model of its own."""
_MOST_CASH = 1e12
_MOST_CHARACTERS = 100_000


@dataclass(frozen=True)
class StrategyVerdict:
    """What became of a strategy.

    Attributes:
        detail: Why it got no further.
        type_errors: What the type checker counts; None where it is not installed or took too long.
        orders: How many were filled.
        sharpe: Annual, of daily returns of the account, net of costs.
        costs: Of all orders, in dollars.
        sets_costs: Whether the strategy's own fees and slippage are among them.
    """

    outcome: Outcome
    detail: str = ""
    type_errors: tuple[str, ...] | None = None
    orders: int = 0
    sharpe: float | None = None
    drawdown: float | None = None
    seconds: float = 0.0
    costs: float | None = None
    sets_costs: bool = False
    equity: tuple[float, ...] = field(default=(), repr=False)


def judge(
    code: str,
    panel: Panel,
    cost_bps: float = COST_BPS,
    limits: sandbox.Limits | None = None,
    check_types: bool = True,
    delisting_return: float = DELISTING_RETURN,
) -> StrategyVerdict:
    """Compile, type-check and run a strategy; whatever it is, it gets a verdict."""
    if len(code) > _MOST_CHARACTERS:
        return StrategyVerdict(
            "does not compile", f"it has more than {_MOST_CHARACTERS} characters"
        )
    try:
        ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return StrategyVerdict(
            "does not compile", sandbox.plain(f"{type(error).__name__}: {error}")
        )
    errors = type_errors(code) if check_types else None
    if errors:
        return StrategyVerdict("type errors", errors[0], errors)
    if not sandbox.is_available():
        return StrategyVerdict("unsupported", "this system has no sandbox to run it in", errors)
    ran = sandbox.run(
        "radiance.labs.alphas.strategies.child",
        {"code": code, "bars": _bars(panel), "cost_bps": cost_bps},
        limits,
    )
    if ran.status == "failed":
        return StrategyVerdict("failed", ran.detail, errors, seconds=ran.seconds)
    if ran.status != "finished":
        return StrategyVerdict(
            "contained", f"{ran.status}: {ran.detail}", errors, seconds=ran.seconds
        )
    if isinstance(ran.answer, dict) and "unsupported" in ran.answer:
        return StrategyVerdict(
            "unsupported",
            sandbox.plain(str(ran.answer["unsupported"])),
            errors,
            seconds=ran.seconds,
        )
    fills = _checked(ran.answer, panel)
    if isinstance(fills, str):
        return StrategyVerdict("contained", fills, errors, seconds=ran.seconds)
    cash = ran.answer["cash"]
    if not fills:
        return StrategyVerdict(
            "no trades", "it ran and ordered nothing", errors, seconds=ran.seconds
        )
    with np.errstate(all="ignore"):
        equity = account(fills, panel, cost_bps, delisting_return, cash)
        equity = equity[: ran.answer["last"] + 1]
        costs = sum(_costs(fills, panel, cost_bps))
        returns = equity[1:] / equity[:-1] - 1
    returns = np.where(np.isfinite(returns), returns, 0.0)[fills[0][0] :]
    return StrategyVerdict(
        "backtested",
        "",
        errors,
        len(fills),
        sharpe_ratio(returns),
        drawdown(returns),
        ran.seconds,
        float(costs),
        any(fill.cost is not None for fill in fills),
        tuple(equity.tolist()),
    )


class Fill(NamedTuple):
    """An order filled at a day's open.

    Attributes:
        cost: Fee and slippage in dollars by the strategy's own models; None where it set none.
    """

    day: int
    column: int
    quantity: float
    cost: float | None = None


def account(
    fills: Sequence[Fill],
    panel: Panel,
    cost_bps: float,
    delisting_return: float = DELISTING_RETURN,
    cash: float = 100_000.0,
) -> np.ndarray:
    """The account's value at each day's close, (dates,), from the orders filled at the open.

    A share without a bar is worth its last price, and from the day after its last bar on what the
    delisting left of that.
    """
    opens, closes = panel.fields["open"], panel.fields["close"]
    traded, spent = np.zeros(panel.shape), np.zeros(len(panel.dates))
    for fill, cost in zip(fills, _costs(fills, panel, cost_bps), strict=True):
        traded[fill.day, fill.column] += fill.quantity
        spent[fill.day] += fill.quantity * opens[fill.day, fill.column] + cost
    held = np.cumsum(traded, axis=0)
    prices = closes.copy()
    gone, columns = left_after(np.isfinite(closes))
    for day in range(1, len(prices)):
        prices[day] = np.where(np.isfinite(prices[day]), prices[day], prices[day - 1])
        prices[day, columns[gone == day]] *= 1 + delisting_return
    return cash - np.cumsum(spent) + np.nansum(held * prices, axis=1)


def _costs(fills: Sequence[Fill], panel: Panel, cost_bps: float) -> list[float]:
    """What each order cost, in dollars."""
    opens = panel.fields["open"]
    return [
        abs(fill.quantity) * float(opens[fill.day, fill.column]) * cost_bps / 1e4
        if fill.cost is None
        else fill.cost
        for fill in fills
    ]


def _bars(panel: Panel) -> dict[str, Any]:
    stacked = np.stack([panel.fields[name] for name in BARS], axis=2)
    known = np.isfinite(stacked).min(axis=2)
    return {
        "dates": [str(date) for date in panel.dates],
        "symbols": list(panel.symbols),
        "values": [
            [row if there else None for row, there in zip(day, day_known, strict=True)]
            for day, day_known in zip(stacked.tolist(), known.tolist(), strict=True)
        ],
    }


def _checked(answer: Any, panel: Panel) -> list[Fill] | str:
    """The fills, if they are possible ones; else what is wrong with them."""
    try:
        fills = answer["fills"]
        if not isinstance(fills, list) or not all(isinstance(row, list) for row in fills):
            return "it answered something else than fills"
        rows = [
            Fill(int(d), int(c), float(q), None if cost is None else float(cost))
            for d, c, q, cost in fills
        ]
        if not 0 < float(answer["cash"]) <= _MOST_CASH:
            return "it claims to begin with no possible cash"
        last = answer["last"]
        if not isinstance(last, int) or last >= len(panel.dates):
            return "it claims to end on no day there is"
    except (TypeError, ValueError, KeyError, OverflowError):
        return "it answered something else than fills"
    days, columns = panel.shape
    for day, column, quantity, cost in rows:
        possible = 0 <= day < days and 0 <= column < columns and np.isfinite(quantity)
        possible &= day <= last
        if not possible or not np.isfinite(panel.fields["open"][day, column]):
            return "it claims a fill that was not possible"
        if cost is not None and not (np.isfinite(cost) and cost >= 0):
            return "it claims a cost that is none"
    return sorted(rows, key=lambda fill: fill[:3])
