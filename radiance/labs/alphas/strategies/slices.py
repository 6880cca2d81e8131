"""What a strategy is told of a day: bars, and what shares pay and how they are split."""

import itertools
from typing import Any

from radiance.labs.alphas.strategies.market import Bar, BySymbol, Symbol
from radiance.labs.alphas.strategies.naming import Names, Snake


class Dividend(Snake):
    """What a share pays: who holds it at the close before gets ``distribution`` dollars a share.

    Attributes:
        reference_price: That close.
    """

    def __init__(self, symbol: str, time: Any, distribution: float, reference: float) -> None:
        self.symbol, self.time, self.end_time = Symbol(symbol), time, time
        self.distribution, self.reference_price = distribution, reference


class SplitType(Names):
    WARNING = Warning = 0
    SPLIT_OCCURRED = SplitOccurred = 1


class Split(Snake):
    """A share becomes ``1 / split_factor`` shares."""

    def __init__(self, symbol: str, time: Any, factor: float, reference: float) -> None:
        self.symbol, self.time, self.end_time = Symbol(symbol), time, time
        self.split_factor, self.reference_price = factor, reference
        self.type = SplitType.SPLIT_OCCURRED


class DelistingType(Names):
    WARNING = Warning = 0
    DELISTED = Delisted = 1


class Delisting(Snake):
    """A share leaves the market: this day is its last one, or it was the day before."""

    def __init__(self, symbol: str, time: Any, kind: int, price: float) -> None:
        self.symbol, self.time, self.end_time = Symbol(symbol), time, time
        self.type, self.price = kind, price


class Slice(Snake):
    """The bars of a day; or before its open what shares pay, are split into, or that they leave."""

    def __init__(
        self,
        time: Any,
        bars: dict[str, Bar],
        dividends: dict[str, Dividend] | None = None,
        splits: dict[str, Split] | None = None,
        delistings: dict[str, Delisting] | None = None,
    ) -> None:
        self.time, self.bars = time, BySymbol(bars)
        self.delistings = BySymbol(delistings or {})
        self.dividends, self.splits = BySymbol(dividends or {}), BySymbol(splits or {})

    @property
    def count(self) -> int:
        return len(self.bars)

    @property
    def has_data(self) -> bool:
        return any(self._all())

    def contains_key(self, symbol: str) -> bool:
        return symbol in self

    def __contains__(self, symbol: str) -> bool:
        return any(symbol in known for known in self._all())

    def __getitem__(self, symbol: str) -> Bar | None:
        """The bar; None of what only pays or is split."""
        return self.bars.get(symbol) if symbol in self else self.bars[symbol]

    def keys(self) -> list[str]:
        return [*dict.fromkeys(itertools.chain(*self._all()))]

    def _all(self) -> tuple[BySymbol, ...]:
        return self.bars, self.dividends, self.splits, self.delistings

    def get(self, symbol: str, otherwise: Any = None) -> Any:
        return self.bars.get(symbol, otherwise)
