"""In the sandbox: run a strategy over daily bars and tell which orders it was filled.

The parent trusts nothing of it: it takes the fills alone, and counts what they earned itself.
"""

import __future__

import bisect
import collections
import datetime
import functools
import importlib
import importlib.abc
import importlib.machinery
import itertools
import json
import math
import random
import re
import statistics
import sys
import types
import typing
from collections.abc import Iterator
from typing import Any, NoReturn

import numpy

from radiance.labs.alphas.strategies import (
    api,
    bricks,
    brokerage,
    composing,
    consolidators,
    costs,
    framework,
    hours,
    indicators,
    insights,
    market,
    orders,
    portfolios,
    scheduling,
    slices,
    targets,
    universes,
    utilities,
    windows,
)
from radiance.labs.alphas.strategies.naming import named
from radiance.platform import sandbox

_NAMES = (
    "Arima Atr Bar BareOrder Benchmark Bollinger Book Closed Costs DateRule Ema Event Framework"
)
_NAMES += " Indicator Macd Members Names OfBars OrderMethods Point Rsi Studies SymbolPair TimeRule"
_NAMES += " Universe Wilder"
_OURS = frozenset(_NAMES.split())
"""Classes that an algorithm does not know by these names."""

_PRELOADED: dict[str, Any] = {
    **{name: getattr(typing, name) for name in typing.__all__},
    "datetime": datetime.datetime,
    "timedelta": datetime.timedelta,
    "date": datetime.date,
    "time": datetime.time,
    "json": json,
    "math": math,
    "np": numpy,
    "numpy": numpy,
    "collections": collections,
    "deque": collections.deque,
    "functools": functools,
    "itertools": itertools,
    "random": random,
    "statistics": statistics,
    "AddReference": lambda name: None,
    **indicators.CLASSES,
    **{
        kind.__name__: kind
        for module in (
            *(api, bricks, brokerage, composing, consolidators, costs, framework, indicators),
            *(
                insights,
                market,
                orders,
                portfolios,
                scheduling,
                slices,
                targets,
                universes,
                utilities,
                windows,
            ),
        )
        for kind in vars(module).values()
        if isinstance(kind, type) and kind.__module__ == module.__name__
        if not kind.__name__.startswith("_") and kind.__name__ not in _OURS
    },
    "TradeBar": market.Bar,
}
_MODULES = ("AlgorithmImports", "QuantConnect", "System", "clr", "Alphas", "Execution", "Orders")
_MODULES += ("Portfolio", "Risk", "Selection")
"""Lean's own, and the .NET ones whose names older algorithms import one by one."""

_IMPORTABLE = "bisect calendar copy dataclasses decimal enum fractions hashlib heapq json logging "
_IMPORTABLE += (
    "operator pathlib string threading time traceback typing zoneinfo numpy.fft numpy.ma "
)
_IMPORTABLE += "numpy.polynomial numpy.random"
"""Of the standard library and NumPy, what a strategy may import: all files are closed to it."""

_NEEDS_PANDAS = re.compile(r"\b(pd|pandas|history)\b", re.IGNORECASE)
_UNKNOWN_KEYWORD = re.compile(r"(\w+)\.\w+\(\) got an unexpected keyword")


class _Modules(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds ``_MODULES`` and all below them: each has what is supported, whatever it is of Lean.

    Args:
        files: The strategy's other files: their names and what is in them.
    """

    def __init__(self, files: dict[str, str] | None = None) -> None:
        self._files = files or {}

    def find_spec(
        self, fullname: str, path: object = None, target: object = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname.partition(".")[0] not in _MODULES and fullname not in self._files:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def exec_module(self, module: types.ModuleType) -> None:
        name = module.__name__
        if name in self._files and name.partition(".")[0] not in _MODULES:
            code = _compiled(self._files[name], f"{name}.py")
            exec(code, module.__dict__)
            return
        module.__dict__.update(_PRELOADED)
        module.__dict__["__all__"] = list(_PRELOADED)
        module.__dict__["__getattr__"] = _not_there


def _not_there(name: str) -> NoReturn:
    """Else a class that is imported from a module would be taken for a module below it."""
    raise indicators.Unsupported(name) if name[:1].isupper() else AttributeError(name)


def _compiled(code: str, name: str) -> types.CodeType:
    """As Lean reads it: whatever an annotation names need not be here."""
    return compile(code, name, "exec", flags=__future__.annotations.compiler_flag)


def main() -> None:
    task = sandbox.receive()
    sys.meta_path.insert(0, _Modules(task["files"]))  # first: the others look at the disk
    for name in _IMPORTABLE.split():
        importlib.import_module(name)
    if any(_NEEDS_PANDAS.search(code) for code in (task["code"], *task["files"].values())):
        _load_pandas()
    importlib.import_module("AlgorithmImports")  # what that takes must be there before all closes
    code = _compiled(task["code"], "strategy.py")
    sandbox.confine()
    try:
        sandbox.answer(_run(code, task["bars"], task["cost_bps"]))
    except indicators.Unsupported as error:
        sandbox.answer({"unsupported": str(error)})
    except ImportError as error:
        sandbox.answer({"unsupported": f"an import ({error})"})
    except NameError as error:
        # Names in PascalCase are of Lean: which of them it has, the type check knows.
        if (error.name or "")[:1].isupper():
            sandbox.answer({"unsupported": str(error.name)})
        else:
            sandbox.fail(error)
    except TypeError as error:
        called = _UNKNOWN_KEYWORD.match(str(error))
        if called and hasattr(api, called[1]):
            sandbox.answer({"unsupported": str(error)})
        else:
            sandbox.fail(error)
    except MemoryError as error:
        sandbox.fail(error)
    except Exception as error:  # noqa: BLE001 - whatever a strategy raises is its failure
        sandbox.fail(error)


def _load_pandas() -> None:
    """Load it whole, before no file can be read any more; it is two thirds of the start."""
    sys.modules["pyarrow"] = None  # type: ignore[assignment]  # which it would load, for Parquet
    import pandas

    pandas.DataFrame({"warm": [1.0]}, index=[datetime.datetime(2020, 1, 1)]).mean()
    _PRELOADED.update(pd=pandas, pandas=pandas)


def _run(code: Any, bars: dict[str, Any], cost_bps: float) -> dict[str, Any]:
    namespace: dict[str, Any] = {"__name__": "strategy"}
    exec(code, namespace)
    found = [
        value
        for value in namespace.values()
        if isinstance(value, type)
        and issubclass(value, api.QCAlgorithm)
        and value is not api.QCAlgorithm
    ]
    if not found:
        return {"unsupported": "a file without an algorithm class"}
    dates = [datetime.datetime.fromisoformat(text) for text in bars["dates"]]
    api.QCAlgorithm.known = frozenset(bars["symbols"])
    api.QCAlgorithm.open_days = [date.date() for date in dates]
    api.QCAlgorithm.open_hours = hours.OpenHours(api.QCAlgorithm.open_days)
    api.QCAlgorithm.members = {
        fund: {
            dates[int(row)].date(): [universes.ETFConstituentData(*one) for one in known]
            for row, known in rows.items()
        }
        for fund, rows in bars["members"].items()
    }
    algorithm = found[-1]()
    run = _Run(algorithm, bars, dates, cost_bps)
    named(algorithm, "initialize")()
    cash = algorithm.portfolio.cash
    return {"cash": cash, "fills": run.trade(), "last": run.last}


Fill = tuple[int, int, float, float, float | None]
"""Row and column of the bars, the quantity, its price, and its cost in dollars where the strategy
says one."""


_GONE = slices.DelistingType.DELISTED


class _Run:
    """A walk of an algorithm through the days.

    Attributes:
        last: The row of the last day that it lived; what it holds then is worth what it is then.
    """

    def __init__(
        self,
        algorithm: api.QCAlgorithm,
        bars: dict[str, Any],
        dates: list[datetime.datetime],
        cost_bps: float,
    ) -> None:
        self._algorithm, self._dates, self._cost_bps = algorithm, dates, cost_bps
        self._values = bars["values"]
        self._actions: dict[int, list[tuple[str, float, float]]] = collections.defaultdict(list)
        self._leaving: dict[int, list[str]] = collections.defaultdict(list)
        for day, symbol, dividend, split, is_last in bars["actions"]:
            if dividend or split != 1:
                self._actions[day].append((symbol, dividend, split))
            if is_last:
                self._leaving[day].append(symbol)
        self._places = {symbol: number for number, symbol in enumerate(bars["symbols"])}
        self._known: int | None = None  # days whose bars it may see; None: those before its start
        self._fills: list[Fill] = []
        self.last = 0
        algorithm.past = self._past

    def trade(self) -> list[Fill]:
        algorithm, dates = self._algorithm, self._dates
        on_data = named(algorithm, "on_data")
        first = algorithm.start_date or dates[0]
        before: datetime.datetime | None = None
        for day in range(self._warm_from(first), len(dates)):
            time = dates[day]
            if algorithm.has_quit or (algorithm.end_date and time > algorithm.end_date):
                break
            self._known, self.last = day, day
            algorithm.is_warming_up = time < first
            self._open(time, before)
            self._announce(day)
            today = {
                symbol: market.Bar(symbol, time, values, hours.closes(time.date()))
                for symbol in algorithm.securities
                if algorithm.is_followed(symbol)
                and (values := self._values[day][self._places[symbol]]) is not None
            }
            algorithm.time = hours.closes(time.date())
            algorithm.current_slice = slices.Slice(algorithm.time, today)
            self._known = day + 1
            self._close(today, day)
            if not algorithm.is_warming_up:
                for action in algorithm.schedule.due(time.date(), "close"):
                    action()
                on_data(algorithm.current_slice)
                if today:
                    algorithm.framework.step(algorithm, algorithm.current_slice)
                self._fill(algorithm.transactions.tried_again(), day)
            before = time
        named(algorithm, "on_end_of_algorithm")()
        return self._fills

    def _warm_from(self, first: datetime.datetime) -> int:
        """The row of the first day that warms up."""
        warm_up = self._algorithm.warm_up
        if isinstance(warm_up, datetime.timedelta):
            return bisect.bisect_left(self._dates, first - warm_up)
        return max(0, bisect.bisect_left(self._dates, first) - warm_up)

    def _open(self, time: datetime.datetime, before: datetime.datetime | None) -> None:
        """What is due since the close before, and before this open."""
        algorithm = self._algorithm
        if before is not None and not algorithm.is_warming_up:
            for closed, action in algorithm.schedule.due_closed(before.date(), time.date()):
                algorithm.time = datetime.datetime(closed.year, closed.month, closed.day)
                action()
        algorithm.time = time
        algorithm.choose()
        for _, consolidator in list(algorithm.subscription_manager.consolidators):
            consolidator.scan(time)
        if not algorithm.is_warming_up:
            for action in algorithm.schedule.due(time.date(), "open"):
                action()

    def _announce(self, day: int) -> None:
        """Before the open: what shares pay, how they are split, and which leave the market."""
        algorithm, time = self._algorithm, self._dates[day]
        told = [action for action in self._actions[day] if algorithm.is_followed(action[0])]
        leaving = {
            symbol: slices.Delisting(symbol, time, kind, algorithm.portfolio[symbol].price)
            for row, kind in ((day, slices.DelistingType.WARNING), (day - 1, _GONE))
            for symbol in self._leaving[row]
            if algorithm.is_followed(symbol)
        }
        if not (told or leaving) or algorithm.is_warming_up:
            return
        for symbol, delisting in leaving.items():
            if delisting.type == _GONE:
                algorithm.securities[symbol].delist()
        before = {symbol: algorithm.portfolio[symbol].price for symbol, _, _ in told}
        paid = {
            symbol: slices.Dividend(symbol, time, dividend, before[symbol])
            for symbol, dividend, _ in told
            if dividend
        }
        split = {
            symbol: slices.Split(symbol, time, factor, before[symbol])
            for symbol, _, factor in told
            if factor != 1
        }
        algorithm.current_slice = slices.Slice(time, {}, paid, split, leaving)
        if split:
            named(algorithm, "on_splits")(algorithm.current_slice.splits)
        if paid:
            named(algorithm, "on_dividends")(algorithm.current_slice.dividends)
        if leaving:
            named(algorithm, "on_delistings")(algorithm.current_slice.delistings)
        named(algorithm, "on_data")(algorithm.current_slice)
        algorithm.framework.step(algorithm, algorithm.current_slice)

    def _close(self, today: dict[str, market.Bar], day: int) -> None:
        """Let everything know the day's bars; what was ordered before them is filled on them."""
        algorithm = self._algorithm
        waiting = algorithm.transactions.open()
        for symbol, bar in today.items():
            algorithm.securities[symbol].see(bar)
        self._fill(waiting, day)
        for symbol, indicator in algorithm.indicators:
            if symbol in today:
                indicator.update(today[symbol])
        for symbol, consolidator in list(algorithm.subscription_manager.consolidators):
            if symbol in today:
                consolidator.update(today[symbol])

    def _fill(self, waiting: list[orders.Order], day: int) -> None:
        """Fill what the day's bars fill; what is for a share without a bar waits on."""
        today = self._algorithm.current_slice.bars
        for order in waiting:
            if order.is_closed or order.symbol not in today:
                continue
            filled = self._algorithm.transactions.fill(order, today[order.symbol], self._cost_bps)
            if filled is not None:
                row = (day, self._places[order.symbol], order.quantity, *filled)
                self._fills.append(row)

    def _past(self, symbol: str) -> Iterator[market.Bar]:
        place, known = self._places.get(symbol), self._known
        if known is None:
            known = bisect.bisect_left(self._dates, self._algorithm.time)
        for day in reversed(range(known if place is not None else 0)):
            if (values := self._values[day][place]) is not None:
                time = self._dates[day]
                yield market.Bar(symbol, time, values, hours.closes(time.date()))


if __name__ == "__main__":
    main()
