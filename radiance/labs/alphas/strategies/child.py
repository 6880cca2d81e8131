"""In the sandbox: run a strategy over daily bars and tell which orders it was filled.

The parent trusts nothing of it: it takes the fills alone, and counts what they earned itself.
"""

import bisect
import collections
import datetime
import functools
import importlib
import importlib.abc
import importlib.machinery
import itertools
import math
import random
import re
import statistics
import sys
import types
from collections.abc import Iterator
from typing import Any, NoReturn

import numpy

from radiance.labs.alphas.strategies import (
    api,
    composing,
    consolidators,
    costs,
    indicators,
    market,
    scheduling,
    targets,
    universes,
)
from radiance.labs.alphas.strategies.indicators import named
from radiance.platform import sandbox

_PRELOADED: dict[str, Any] = {
    "datetime": datetime.datetime,
    "timedelta": datetime.timedelta,
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
        for kind in (
            *(api.QCAlgorithm, api.BrokerageName, api.AccountType),
            *(market.Resolution, market.Symbol, market.SecurityType, market.Market),
            *(market.Slice, market.OrderEvent, market.OrderStatus),
            *(indicators.RollingWindow, indicators.IndicatorDataPoint),
            *(indicators.MovingAverageType, composing.Delay, composing.IndicatorExtensions),
            *(consolidators.TradeBarConsolidator, consolidators.Calendar),
            *(costs.FeeModel, costs.ConstantFeeModel, costs.InteractiveBrokersFeeModel),
            *(costs.OrderFee, costs.CashAmount),
            *(costs.ConstantSlippageModel, costs.NullSlippageModel),
            costs.VolumeShareSlippageModel,
            *(scheduling.DayOfWeek, targets.PortfolioTarget),
            *(targets.Insight, targets.InsightDirection),
            universes.SecurityChanges,
            *(universes.ManualUniverseSelectionModel, universes.ScheduledUniverseSelectionModel),
        )
    },
    "TradeBar": market.Bar,
}
_MODULES = ("AlgorithmImports", "QuantConnect", "System", "clr")
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
    """Finds ``_MODULES`` and all below them: each has what is supported, whatever it is of Lean."""

    def find_spec(
        self, fullname: str, path: object = None, target: object = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname.partition(".")[0] not in _MODULES:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def exec_module(self, module: types.ModuleType) -> None:
        module.__dict__.update(_PRELOADED)
        module.__dict__["__all__"] = list(_PRELOADED)
        module.__dict__["__getattr__"] = _not_there


def _not_there(name: str) -> NoReturn:
    """Else a class that is imported from a module would be taken for a module below it."""
    raise indicators.Unsupported(name) if name[:1].isupper() else AttributeError(name)


def main() -> None:
    task = sandbox.receive()
    sys.meta_path.insert(0, _Modules())  # first: the others look at the disk
    for name in _IMPORTABLE.split():
        importlib.import_module(name)
    if _NEEDS_PANDAS.search(task["code"]):
        _load_pandas()
    importlib.import_module("AlgorithmImports")  # what that takes must be there before all closes
    code = compile(task["code"], "strategy.py", "exec")
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
    algorithm = found[-1]()
    named(algorithm, "initialize")()
    cash = algorithm.portfolio.cash
    run = _Run(algorithm, bars, dates, cost_bps)
    return {"cash": cash, "fills": run.trade(), "last": run.last}


Fill = tuple[int, int, float, float | None]
"""Row and column of the bars, the quantity, and what it cost in dollars where the strategy says."""


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
        self._places = {symbol: number for number, symbol in enumerate(bars["symbols"])}
        self._known = 0  # days whose bars the algorithm may see
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
            if algorithm.end_date and time > algorithm.end_date:
                break
            self._known, self.last = day, day
            algorithm.is_warming_up = time < first
            self._open(time, before)
            today = {
                symbol: market.Bar(symbol, time, values)
                for symbol in algorithm.securities
                if algorithm.is_followed(symbol)
                and (values := self._values[day][self._places[symbol]]) is not None
            }
            self._fill(today, day)
            self._known = day + 1
            self._close(today)
            if not algorithm.is_warming_up:
                for action in algorithm.schedule.due(time.date(), "close"):
                    action()
                on_data(market.Slice(time, today))
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

    def _close(self, today: dict[str, market.Bar]) -> None:
        """Let everything know the day's bars."""
        algorithm = self._algorithm
        for symbol, bar in today.items():
            algorithm.portfolio[symbol].price = bar.close
            algorithm.securities[symbol].volume = bar.volume
        for symbol, indicator in algorithm.indicators:
            if symbol in today:
                indicator.update(today[symbol])
        for symbol, consolidator in list(algorithm.subscription_manager.consolidators):
            if symbol in today:
                consolidator.update(today[symbol])

    def _fill(self, today: dict[str, market.Bar], day: int) -> None:
        """Fill what was ordered at today's open; what is for a share without a bar waits on."""
        algorithm = self._algorithm
        waiting, told = [], []
        for symbol, quantity in algorithm.orders:
            if symbol not in today:
                waiting.append((symbol, quantity))
                continue
            bar, security = today[symbol], algorithm.securities[symbol]
            order = costs.Order(symbol, quantity, bar.open, bar.volume)
            said = security.costs.of(security, order)
            if said is None:
                fee, slip = abs(quantity) * bar.open * self._cost_bps / 1e4, 0.0
            else:
                fee, slip = said
            price = bar.open + math.copysign(slip, quantity)
            algorithm.portfolio[symbol].take(quantity, price)
            algorithm.portfolio.cash -= quantity * price + fee
            cost = None if said is None else fee + slip * abs(quantity)
            self._fills.append((day, self._places[symbol], quantity, cost))
            told.append(market.OrderEvent(symbol, bar.time, quantity, price, fee))
        algorithm.orders[:] = waiting
        for event in told:  # may order again, for tomorrow
            named(algorithm, "on_order_event")(event)

    def _past(self, symbol: str) -> Iterator[market.Bar]:
        place = self._places.get(symbol)
        for day in reversed(range(self._known if place is not None else 0)):
            if (values := self._values[day][place]) is not None:
                yield market.Bar(symbol, self._dates[day], values)


if __name__ == "__main__":
    main()
