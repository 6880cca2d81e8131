"""Python strategies: compiled, checked against QuantConnect's types, and run where possible.

Written code is hostile until shown otherwise. It is never imported here; it runs in ``sandbox``
over daily bars, and what it earned is counted here from the orders it was filled.
"""

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from radiance.labs.alphas.data.lean import decode
from radiance.labs.alphas.results.performance import drawdown, sharpe_ratio
from radiance.labs.alphas.strategies.further_data import Action, FundMember
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


def files_beside(code: str, folder: Path) -> dict[str, str]:
    """The modules in a folder that code imports, and those that they import in turn.

    What cannot be read is left out: the import fails then, and says so.
    """
    found: dict[str, str] = {}
    waiting = [code]
    while waiting:
        for name in _imported(waiting.pop()) - found.keys():
            path = folder / f"{name}.py"
            if name.isidentifier() and path.is_file():
                found[name] = decode(path.read_bytes()) or ""
                waiting.append(found[name])
    return found


def _imported(code: str) -> set[str]:
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()
    names = {n.name for node in ast.walk(tree) if isinstance(node, ast.Import) for n in node.names}
    return names | {
        node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module and not node.level
    }


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
    files: Mapping[str, str] | None = None,
    actions: Sequence[Action] = (),
    members: Sequence[FundMember] = (),
) -> StrategyVerdict:
    """Compile, type-check and run a strategy; whatever it is, it gets a verdict.

    Args:
        code: Its text.
        panel: The daily bars that it runs on.
        cost_bps: What an order costs of what it trades, where the strategy sets no model.
        limits: Of time, memory and output.
        check_types: Whether its calls are checked against QuantConnect's types.
        delisting_return: Of a share, a day after its last bar.
        files: The names of modules of its own that it may import, and what is in them.
        actions: Dividends, splits and delistings that it is told of; the bars are adjusted.
        members: Of funds, for universes.
    """
    if sum(map(len, (code, *(files or {}).values()))) > _MOST_CHARACTERS:
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
        {
            "code": code,
            "files": dict(files or {}),
            "bars": _bars(panel, actions) | {"members": _members(panel, members)},
            "cost_bps": cost_bps,
        },
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
            "no trades",
            "it ran and nothing that it ordered was filled",
            errors,
            seconds=ran.seconds,
            equity=(float(cash),) * (ran.answer["last"] + 1),
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


class FilledOrder(NamedTuple):
    """An order filled on a day.

    Attributes:
        price: Before slippage; None is the day's open.
        cost: Fee and slippage in dollars by the strategy's own models; None where it set none.
    """

    day: int
    column: int
    quantity: float
    price: float | None = None
    cost: float | None = None

    def paid(self, panel: Panel) -> float:
        """The price of a share, before slippage."""
        opened = float(panel.fields["open"][self.day, self.column])
        return opened if self.price is None else self.price


def account(
    fills: Sequence[FilledOrder],
    panel: Panel,
    cost_bps: float,
    delisting_return: float = DELISTING_RETURN,
    cash: float = 100_000.0,
) -> np.ndarray:
    """The account's value at each day's close, (dates,), from the orders that were filled.

    A share without a bar is worth its last price, and from the day after its last bar on what the
    delisting left of that.
    """
    closes = panel.fields["close"]
    traded, spent = np.zeros(panel.shape), np.zeros(len(panel.dates))
    for fill, cost in zip(fills, _costs(fills, panel, cost_bps), strict=True):
        traded[fill.day, fill.column] += fill.quantity
        spent[fill.day] += fill.quantity * fill.paid(panel) + cost
    held = np.cumsum(traded, axis=0)
    prices = closes.copy()
    gone, columns = left_after(np.isfinite(closes))
    for day in range(1, len(prices)):
        prices[day] = np.where(np.isfinite(prices[day]), prices[day], prices[day - 1])
        prices[day, columns[gone == day]] *= 1 + delisting_return
    return cash - np.cumsum(spent) + np.nansum(held * prices, axis=1)


def _costs(fills: Sequence[FilledOrder], panel: Panel, cost_bps: float) -> list[float]:
    """What each order cost, in dollars."""
    return [
        abs(fill.quantity) * fill.paid(panel) * cost_bps / 1e4 if fill.cost is None else fill.cost
        for fill in fills
    ]


def _bars(panel: Panel, actions: Sequence[Action] = ()) -> dict[str, Any]:
    last = len(panel.dates)
    rows = [int(np.searchsorted(panel.dates, np.datetime64(action.date))) for action in actions]
    stacked = np.stack([panel.fields[name] for name in BARS], axis=2)
    known = np.isfinite(stacked).min(axis=2)
    return {
        "dates": [str(date) for date in panel.dates],
        "symbols": list(panel.symbols),
        "actions": [
            [row, action.symbol, action.dividend, action.split, action.is_last]
            for row, action in zip(rows, actions, strict=True)
            if row < last and action.symbol in panel.symbols
        ],
        "values": [
            [row if there else None for row, there in zip(day, day_known, strict=True)]
            for day, day_known in zip(stacked.tolist(), known.tolist(), strict=True)
        ],
    }


def _members(panel: Panel, members: Sequence[FundMember]) -> dict[str, dict[str, list[Any]]]:
    """By fund, and by the row before whose open they are known."""
    found: dict[str, dict[str, list[Any]]] = {}
    for date, fund, *member in members:
        row = int(np.searchsorted(panel.dates, np.datetime64(date), side="right"))
        if row < len(panel.dates):
            found.setdefault(fund, {}).setdefault(str(row), []).append(member)
    return found


def _checked(answer: Any, panel: Panel) -> list[FilledOrder] | str:
    """The fills, if they are possible ones; else what is wrong with them."""
    try:
        fills = answer["fills"]
        if not isinstance(fills, list) or not all(isinstance(row, list) for row in fills):
            return "it answered something else than fills"
        rows = [
            FilledOrder(int(d), int(c), float(q), float(p), None if cost is None else float(cost))
            for d, c, q, p, cost in fills
        ]
        if not 0 < float(answer["cash"]) <= _MOST_CASH:
            return "it claims to begin with no possible cash"
        last = answer["last"]
        if not isinstance(last, int) or last >= len(panel.dates):
            return "it claims to end on no day there is"
    except (TypeError, ValueError, KeyError, OverflowError):
        return "it answered something else than fills"
    days, columns = panel.shape
    for day, column, quantity, price, cost in rows:
        possible = 0 <= day < days and 0 <= column < columns and np.isfinite(quantity)
        if not possible or day > last or not _was_traded(price, day, column, panel):
            return "it claims a fill that was not possible"
        if cost is not None and not (np.isfinite(cost) and cost >= 0):
            return "it claims a cost that is none"
    return sorted(rows, key=lambda fill: fill[:3])


def _was_traded(price: float | None, day: int, column: int, panel: Panel) -> bool:
    """Whether a price lies in the range of a day's bar, but for rounding."""
    bar = np.array([panel.fields[name][day, column] for name in ("open", "high", "low", "close")])
    room = 1e-9 * abs(bar).max()
    return price is not None and bool(bar.min() - room <= price <= bar.max() + room)
