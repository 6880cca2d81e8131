"""In the sandbox: run a strategy over daily bars and tell which orders it was filled.

The parent trusts nothing of it: it takes the fills alone, and counts what they earned itself.
"""

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
from typing import Any, NoReturn

import numpy

from radiance.labs.alphas.strategies import api, indicators
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
    "QCAlgorithm": api.QCAlgorithm,
    "Resolution": api.Resolution,
    "Slice": api.Slice,
    "OrderEvent": api.OrderEvent,
    "OrderStatus": api.OrderStatus,
    "RollingWindow": indicators.RollingWindow,
    "Symbol": api.Symbol,
    "AddReference": lambda name: None,
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
    raise api.Unsupported(name) if name[:1].isupper() else AttributeError(name)


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
        sandbox.answer(_run(code, task["bars"]))
    except api.Unsupported as error:
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


def _run(code: Any, bars: dict[str, Any]) -> dict[str, Any]:
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
    algorithm = found[-1]()
    algorithm.known = frozenset(bars["symbols"])
    _named(algorithm, "initialize")()
    return {"fills": _trade(algorithm, bars)}


def _trade(algorithm: api.QCAlgorithm, bars: dict[str, Any]) -> list[tuple[int, int, float]]:
    places = {symbol: number for number, symbol in enumerate(bars["symbols"])}
    fills: list[tuple[int, int, float]] = []
    before: datetime.datetime | None = None
    on_data = _named(algorithm, "on_data")
    first = algorithm.start_date or datetime.datetime.fromisoformat(bars["dates"][0])
    warm_from = first - datetime.timedelta(days=algorithm.warm_up_days * 7 / 5 + 1)
    for day, text in enumerate(bars["dates"]):
        time = datetime.datetime.fromisoformat(text)
        if time < warm_from or (algorithm.end_date and time > algorithm.end_date):
            continue
        algorithm.time = time
        algorithm.is_warming_up = time < first
        today = {}
        for symbol in algorithm.securities:
            values = bars["values"][day][places[symbol]]
            if values is not None:
                today[symbol] = api.Bar(symbol, time, values)
        fills += _filled(algorithm, today, day, places)
        for symbol, bar in today.items():
            algorithm.portfolio[symbol].price = bar.close
            algorithm.bars.setdefault(symbol, []).append(bar)
        for symbol, indicator in algorithm.indicators:
            if symbol in today:
                indicator.update(today[symbol])
        if not algorithm.is_warming_up:
            for rule, action in algorithm.schedule.entries:
                if _is_due(rule, before, time):
                    action()
            on_data(api.Slice(time, today))
        before = time
    _named(algorithm, "on_end_of_algorithm")()
    return fills


def _filled(
    algorithm: api.QCAlgorithm, today: dict[str, api.Bar], day: int, places: dict[str, int]
) -> list[tuple[int, int, float]]:
    """Fill yesterday's orders at today's open; those of a share without a bar go on waiting."""
    waiting, fills, told = [], [], []
    for symbol, quantity in algorithm.orders:
        if symbol not in today:
            waiting.append((symbol, quantity))
            continue
        holding, price = algorithm.portfolio[symbol], today[symbol].open
        after = holding.quantity + quantity
        if holding.quantity * quantity >= 0 and after:
            paid = holding.quantity * holding.average_price + quantity * price
            holding.average_price = paid / after
        elif holding.quantity * after < 0:
            holding.average_price = price
        holding.quantity = after
        algorithm.portfolio.cash -= quantity * price
        fills.append((day, places[symbol], quantity))
        told.append(api.OrderEvent(symbol, today[symbol].time, quantity, price))
    algorithm.orders[:] = waiting
    for event in told:  # may order again, for tomorrow
        _named(algorithm, "on_order_event")(event)
    return fills


def _named(algorithm: api.QCAlgorithm, name: str) -> Any:
    """A method by its snake_case name, or as the algorithm wrote it in PascalCase."""
    pascal = "".join(word.capitalize() for word in name.split("_"))
    written = getattr(type(algorithm), pascal, None)
    return getattr(algorithm, name) if written is None else written.__get__(algorithm)


def _is_due(rule: str, before: datetime.datetime | None, now: datetime.datetime) -> bool:
    if rule == "day" or before is None:
        return True
    if rule == "week":
        return before.isocalendar()[:2] != now.isocalendar()[:2]
    return (before.year, before.month) != (now.year, now.month)


if __name__ == "__main__":
    main()
