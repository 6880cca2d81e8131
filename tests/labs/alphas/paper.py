"""The 101 formulas once more, in plain pandas, written from the paper's text and definitions.

It shares nothing with ``radiance.labs.alphas``: no parser (the formulas are Python expressions, in
``paper_formulas.txt``), no kernels (windows are laid out in full and reduced), no readings object
(``MIN_SHARE`` is the NaN policy).
"""

import functools
import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view

MIN_SHARE = 0.5
FIELDS = ("open", "high", "low", "close", "volume")


def settled(values: Any, sizes: Any) -> Any:
    """Zero where rounding alone is left of parts of these sizes."""
    return values.where(abs(values) > 1e-10 * sizes, values * 0)


class Frame(pd.DataFrame):
    """A DataFrame in which a quotient by zero is undefined, and rounding leaves zero."""

    def __add__(self, other: Any) -> "Frame":
        return Frame(settled(super().__add__(other), self.abs()))

    def __sub__(self, other: Any) -> "Frame":
        return Frame(settled(super().__sub__(other), self.abs()))

    def __rsub__(self, other: Any) -> "Frame":
        return Frame(settled(super().__rsub__(other), self.abs()))

    @property
    def _constructor(self) -> type["Frame"]:
        return Frame

    def __truediv__(self, other: Any) -> "Frame":
        return clean(super().__truediv__(other))

    def __rtruediv__(self, other: Any) -> "Frame":
        return clean(super().__rtruediv__(other))


def clean(x: pd.DataFrame | np.ndarray) -> Frame:
    return Frame(pd.DataFrame(x).replace([np.inf, -np.inf], np.nan))


def nine_digits(x: Frame) -> Frame:
    """Rounded to 32 bits: what differs by rounding is equal."""
    mantissa, exponent = np.frexp(x.to_numpy(float))
    return Frame(
        np.ldexp(np.floor(mantissa * 2.0**33 + 0.5) / 2.0**33, exponent), x.index, x.columns
    )


def left_of(values: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """The same for arrays."""
    return np.where(np.abs(values) <= 1e-10 * sizes, values * 0, values)


def windows(x: Frame, d: float) -> np.ndarray:
    """(dates, symbols, days); what lies before the first day is NaN."""
    days = math.floor(d)
    before = np.full((days - 1, x.shape[1]), np.nan)
    return sliding_window_view(np.vstack([before, clean(x).to_numpy(float)]), days, axis=0)


def reduced(x: Frame, w: np.ndarray, values: np.ndarray) -> Frame:
    """Where enough of the window is there."""
    count = np.isfinite(w).sum(axis=2)
    need = max(1, math.ceil(w.shape[2] * MIN_SHARE))
    return clean(Frame(np.where(count >= need, values, np.nan), x.index, x.columns))


def rank(x: Frame) -> Frame:
    return Frame(nine_digits(x).rank(axis=1, pct=True))


def delay(x: Frame, d: float) -> Frame:
    return Frame(x.shift(math.floor(d)))


def delta(x: Frame, d: float) -> Frame:
    return x - delay(x, d)


def sum_(x: Frame, d: float) -> Frame:
    return mean(x, d) * math.floor(d)


def mean(x: Frame, d: float) -> Frame:
    w = windows(x, d)
    return reduced(x, w, left_of(np.nanmean(w, axis=2), np.nanmean(np.abs(w), axis=2)))


def product(x: Frame, d: float) -> Frame:
    w = windows(x, d)
    return reduced(x, w, np.nanprod(w, axis=2))


def stddev(x: Frame, d: float) -> Frame:
    w = windows(x, d)
    return reduced(x, w, np.nanstd(w, axis=2, ddof=1))


def _together(x: Frame, y: Frame, d: float) -> tuple[np.ndarray, np.ndarray]:
    a, b = windows(x, d), windows(y, d)
    both = np.isfinite(a) & np.isfinite(b)
    return np.where(both, a, np.nan), np.where(both, b, np.nan)


def _movement(a: np.ndarray, b: np.ndarray) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """Deviations, whether both move by more than rounding, and the products of what is off."""
    spreads = [np.nanstd(v, axis=2, ddof=1) for v in (a, b)]
    moves = [
        s > 1.0e-10 * np.abs(np.nanmean(v, axis=2)) for s, v in zip(spreads, (a, b), strict=True)
    ]
    off = (a - np.nanmean(a, 2, keepdims=True)) * (b - np.nanmean(b, 2, keepdims=True))
    return spreads, moves[0] & moves[1], off


def covariance(x: Frame, y: Frame, d: float) -> Frame:
    a, b = _together(x, y, d)
    spreads, moves, off = _movement(a, b)
    count = np.isfinite(off).sum(axis=2)
    found = left_of(np.nansum(off, axis=2) / (count - 1), spreads[0] * spreads[1])
    return reduced(x, off, np.where(count > 1, np.where(moves, found, 0.0), np.nan))


def correlation(x: Frame, y: Frame, d: float) -> Frame:
    a, b = _together(x, y, d)
    spreads, moves, off = _movement(a, b)
    count = np.isfinite(off).sum(axis=2)
    both = spreads[0] * spreads[1]
    found = left_of(np.nansum(off, axis=2) / (count - 1), both) / both
    return reduced(x, off, np.where(moves, np.clip(found, -1, 1), np.nan))


def ts_min(x: Frame, d: float) -> Frame:
    w = windows(x, d)
    return reduced(x, w, np.nanmin(w, axis=2))


def ts_max(x: Frame, d: float) -> Frame:
    w = windows(x, d)
    return reduced(x, w, np.nanmax(w, axis=2))


def ts_argmax(x: Frame, d: float) -> Frame:
    w = windows(nine_digits(x), d)
    return reduced(x, w, np.argmax(np.where(np.isnan(w), -np.inf, w), axis=2) + 1.0)


def ts_argmin(x: Frame, d: float) -> Frame:
    w = windows(nine_digits(x), d)
    return reduced(x, w, np.argmin(np.where(np.isnan(w), np.inf, w), axis=2) + 1.0)


def ts_rank(x: Frame, d: float) -> Frame:
    w = windows(nine_digits(x), d)
    ranks = nine_digits(x).rolling(math.floor(d), min_periods=1).rank(pct=True).to_numpy()
    return reduced(x, w, np.where(np.isnan(w[:, :, -1]), np.nan, ranks))


def decay_linear(x: Frame, d: float) -> Frame:
    w = windows(x, d)
    weights = np.arange(1.0, w.shape[2] + 1)
    there = np.where(np.isfinite(w), weights, 0.0)
    found = left_of(np.nansum(w * weights, axis=2), np.nansum(np.abs(w) * weights, axis=2))
    return reduced(x, w, found / there.sum(axis=2))


def scale(x: Frame) -> Frame:
    return clean(x.div(x.abs().sum(axis=1), axis=0))


def signedpower(x: Frame, a: Frame | float) -> Frame:
    return clean(np.sign(x) * x.abs() ** a)


def power(x: Frame, a: Frame | float) -> Frame:
    return clean(x**a)


def log(x: Frame) -> Frame:
    return clean(np.log(x))


def sign(x: Frame) -> Frame:
    return Frame(np.sign(x))


def abs_(x: Frame) -> Frame:
    return x.abs()


def min_(x: Frame, y: Frame) -> Frame:
    return Frame(np.minimum(x, y), x.index, x.columns)


def max_(x: Frame, y: Frame) -> Frame:
    return Frame(np.maximum(x, y), x.index, x.columns)


def _compared(x: Frame | float, y: Frame | float, how: Callable) -> Frame:
    like = x if isinstance(x, Frame) else y
    assert isinstance(like, Frame)
    sides = [v if isinstance(v, Frame) else like * 0 + v for v in (x, y)]
    found = how(*(nine_digits(side) for side in sides)).astype(float)
    return found.where(sides[0].notna() & sides[1].notna())


def less(x: Frame | float, y: Frame | float) -> Frame:
    return _compared(x, y, lambda a, b: a < b)


def equal(x: Frame | float, y: Frame | float) -> Frame:
    return _compared(x, y, lambda a, b: a == b)


def either(x: Frame, y: Frame) -> Frame:
    return Frame(np.maximum(x.to_numpy(), y.to_numpy()), x.index, x.columns)


def where(condition: Frame, then: Frame | float, otherwise: Frame | float) -> Frame:
    chosen = Frame(np.where(condition == 1, then, otherwise), condition.index, condition.columns)
    return chosen.where(condition.notna())


@dataclass
class Paper:
    """The paper's inputs, as frames of (dates, symbols)."""

    open: Frame
    high: Frame
    low: Frame
    close: Frame
    volume: Frame
    groups: dict[str, pd.Series]

    @property
    def returns(self) -> Frame:
        return self.close / self.close.shift(1) - 1

    @property
    def vwap(self) -> Frame:
        return (self.high + self.low + self.close) / 3

    @property
    def cap(self) -> Frame:
        return self.adv(252)

    def adv(self, d: float) -> Frame:
        return mean(self.close * self.volume, d)

    def indneutralize(self, x: Frame, level: str) -> Frame:
        group = self.groups["sector" if level == "sector" else "subindustry"]
        return x - x.T.groupby(group).transform("mean").T


@functools.cache
def formulas() -> dict[int, str]:
    """The 101 as Python expressions, by number."""
    lines = Path(__file__).with_name("paper_formulas.txt").read_text().splitlines()
    return dict(enumerate(lines, 1))


def evaluate(number: int, p: Paper) -> np.ndarray:
    """One alpha's values; a quotient by zero is undefined."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # windows without any value
        return clean(eval(formulas()[number], {**globals(), "p": p}).astype(float)).to_numpy()
