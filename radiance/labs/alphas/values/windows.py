"""Moving windows over (dates, symbols), computed block by block so that a block fits the cache.

Each kernel sees ``rows + days - 1`` rows and returns ``rows``: row t of its result depends on the
rows up to t and on no later one, which is what keeps the whole evaluator from looking ahead. A
kernel passes over the window day by day rather than keeping running sums: no rounding builds up
over years of data, and a constant window has a deviation of zero.

Values that are not finite are holes. ``need`` is how many of a window must be there.
"""

from collections.abc import Callable, Iterator

import numpy as np

Array = np.ndarray
Kernel = Callable[..., Array]

_BLOCK_VALUES = 32_768  # of float64: a quarter of a MiB, which a core's second cache holds
ROUNDING = 1e-10
"""What is left of a sum, a difference or a deviation below so much of what it is made of is
rounding, and zero: what is equal in exact arithmetic is equal here."""


def moving(kernel: Kernel, days: int, *arrays: Array, **options: object) -> Array:
    """Apply a kernel to every window of ``days`` rows.

    The kernel takes a block of each of ``arrays``, float64 (dates, symbols), with ``days`` and
    ``options``. What lies before the first row is holes.
    """
    dates, symbols = arrays[0].shape
    result = np.empty((dates, symbols))
    for block in blocks(0, dates, symbols):
        seen = [_padded(array, block.start - days + 1, block.stop) for array in arrays]
        with np.errstate(all="ignore"):
            result[block] = kernel(*seen, days=days, **options)
    return result


def blocks(first: int, dates: int, symbols: int) -> Iterator[slice]:
    """The days from ``first`` on in blocks that fit the cache."""
    rows = max(16, _BLOCK_VALUES // max(1, symbols))
    for start in range(first, dates, rows):
        yield slice(start, min(dates, start + rows))


def _padded(array: Array, first: int, last: int) -> Array:
    if first >= 0:
        return array[first:last]
    return np.vstack([np.full((-first, array.shape[1]), np.nan), array[:last]])


def _slices(block: Array, days: int) -> list[Array]:
    """The block shifted: entry k holds each row's value of ``days - 1 - k`` rows before."""
    rows = len(block) - days + 1
    return [block[k : k + rows] for k in range(days)]


def _holes(block: Array) -> tuple[Array, Array | None]:
    """The block with holes as zeros, and where its values are; None if there are no holes."""
    there = np.isfinite(block)
    if there.all():
        return block, None
    return np.where(there, block, 0.0), there


def _counts(there: Array | None, days: int) -> Array | float:
    """How many values each window has."""
    if there is None:
        return float(days)
    sums = np.cumsum(there, axis=0, dtype=np.int64)
    counts = sums[days - 1 :].copy()
    counts[1:] -= sums[:-days]
    return counts.astype(np.float64)


def _enough(values: Array, counts: Array | float, need: int) -> Array:
    return values if isinstance(counts, float) else np.where(counts >= need, values, np.nan)


def settled(values: Array, sizes: Array) -> Array:
    """``values`` with zero for what rounding alone has left of parts of these ``sizes``."""
    return np.where(np.abs(values) <= ROUNDING * sizes, 0.0, values)


def _added(block: Array, days: int, *, is_weighted: bool = False) -> Array:
    """The sum of each window; weighted, its oldest day counts once, today ``days`` times."""
    total = _plain_sum(block, days, is_weighted)
    if not (block < 0).any():
        return total
    return settled(total, _plain_sum(np.abs(block), days, is_weighted))


def _plain_sum(block: Array, days: int, is_weighted: bool) -> Array:
    total = np.zeros((len(block) - days + 1, block.shape[1]))
    for k, part in enumerate(_slices(block, days)):
        total += (k + 1.0) * part if is_weighted else part
    return total


def mean(block: Array, days: int, need: int) -> Array:
    """Mean of what is there."""
    filled, there = _holes(block)
    counts = _counts(there, days)
    return _enough(_added(filled, days) / counts, counts, need)


def total(block: Array, days: int, need: int) -> Array:
    """Sum; over a window with holes the mean of what is there, times the days."""
    filled, there = _holes(block)
    counts = _counts(there, days)
    added = _added(filled, days)
    return _enough(added if there is None else added * (days / counts), counts, need)


def product(block: Array, days: int, need: int) -> Array:
    """Product of what is there."""
    there = np.isfinite(block)
    result = np.ones((len(block) - days + 1, block.shape[1]))
    for part in _slices(block if there.all() else np.where(there, block, 1.0), days):
        result *= part
    return _enough(result, days / 1.0 if there.all() else _counts(there, days), need)


def stddev(block: Array, days: int, need: int, ddof: int) -> Array:
    """Standard deviation, from the deviations from the window's own mean."""
    filled, there = _holes(block)
    counts = _counts(there, days)
    middle = _added(filled, days) / counts
    squares = np.zeros_like(middle)
    for k, part in enumerate(_slices(filled, days)):
        off = part - middle
        if there is not None:
            off *= there[k : k + len(off)]
        squares += off * off
    spread = np.sqrt(squares / (counts - ddof))
    spread = np.where(spread <= ROUNDING * np.abs(middle), 0.0, spread)
    return _enough(spread, counts, max(need, ddof + 1))


def covariance(one: Array, other: Array, days: int, need: int, ddof: int) -> Array:
    """Covariance over the days on which both are there."""
    (both, first, second, one_mean, other_mean), counts = _moments(one, other, days)
    both = np.where(_is_still(first, second, one_mean, other_mean, counts), 0.0, both)
    return _enough(both / (counts - ddof), counts, max(need, ddof + 1))


def correlation(one: Array, other: Array, days: int, need: int, flat: float) -> Array:
    """Correlation over the days on which both are there; ``flat`` where one does not move."""
    (both, first, second, one_mean, other_mean), counts = _moments(one, other, days)
    still = _is_still(first, second, one_mean, other_mean, counts)
    found = np.clip(both / np.sqrt(first * second), -1.0, 1.0)
    return _enough(np.where(still, flat, found), counts, max(need, 2))


def _is_still(
    first: Array, second: Array, one_mean: Array, other_mean: Array, counts: Array | float
) -> Array:
    """Where one of two does not move by more than rounding."""
    return (np.sqrt(first / counts) <= ROUNDING * np.abs(one_mean)) | (
        np.sqrt(second / counts) <= ROUNDING * np.abs(other_mean)
    )


def slope(one: Array, other: Array, days: int, need: int) -> Array:
    """Slope of the regression of ``one`` on ``other``; none where that does not move."""
    (both, _, second, _, other_mean), counts = _moments(one, other, days)
    still = np.sqrt(second / counts) <= ROUNDING * np.abs(other_mean)
    return _enough(np.where(still, np.nan, both / second), counts, max(need, 2))


def moment(block: Array, days: int, need: int, power: int) -> Array:
    """The standardised third or fourth moment, the latter less 3; none of what does not move."""
    filled, there = _holes(block)
    counts = _counts(there, days)
    middle = _added(filled, days) / counts
    squares, powers = np.zeros_like(middle), np.zeros_like(middle)
    for k, part in enumerate(_slices(filled, days)):
        off = part - middle
        if there is not None:
            off *= there[k : k + len(off)]
        squares += off * off
        powers += off**power
    spread = np.sqrt(squares / counts)
    spread = np.where(spread <= ROUNDING * np.abs(middle), np.nan, spread)
    found = powers / counts / spread**power
    return _enough(found - 3.0 if power == 4 else found, counts, max(need, power))


def percentile(block: Array, days: int, need: int, share: float) -> Array:
    """The value below which ``share`` of what is there lies, between neighbours by their mean."""
    seen = np.stack(_slices(block, days))
    there = np.isfinite(block)
    if there.all():
        return np.quantile(seen, share, axis=0)
    counts = _counts(there, days)
    assert not isinstance(counts, float)
    seen = np.sort(np.where(np.isfinite(seen), seen, np.nan), axis=0)  # what is missing goes last
    place = np.maximum(counts - 1, 0) * share
    low = np.floor(place).astype(np.int64)
    one = np.take_along_axis(seen, low[None], axis=0)[0]
    other = np.take_along_axis(seen, np.ceil(place).astype(np.int64)[None], axis=0)[0]
    return _enough(one + (other - one) * (place - low), counts, need)


def last_known(block: Array, days: int, need: int) -> Array:
    """The newest value that is there; ``need`` does not matter."""
    parts = _slices(block, days)
    result = parts[0].copy()
    for part in parts[1:]:
        np.copyto(result, part, where=np.isfinite(part))
    return result


def _moments(one: Array, other: Array, days: int) -> tuple[tuple[Array, ...], Array | float]:
    known = np.isfinite(one) & np.isfinite(other)
    there = None if known.all() else known
    if there is not None:
        one, other = np.where(there, one, 0.0), np.where(there, other, 0.0)
    counts = _counts(there, days)
    one_mean, other_mean = _added(one, days) / counts, _added(other, days) / counts
    both, first, second = (np.zeros_like(one_mean) for _ in range(3))
    for k in range(days):
        x = one[k : k + len(both)] - one_mean
        y = other[k : k + len(both)] - other_mean
        if there is not None:
            x *= there[k : k + len(both)]
            y *= there[k : k + len(both)]
        both += x * y
        x *= x
        y *= y
        first += x
        second += y
    both = settled(both, np.sqrt(first * second))
    return (both, first, second, one_mean, other_mean), counts


def decay_linear(block: Array, days: int, need: int) -> Array:
    """Mean with weights from 1 for the oldest to ``days`` for today, over what is there."""
    filled, there = _holes(block)
    result = _added(filled, days, is_weighted=True)
    if there is None:
        return result / (days * (days + 1) / 2)
    weights = _plain_sum(there, days, True)
    return _enough(result / weights, _counts(there, days), need)


def extreme(block: Array, days: int, need: int, highest: bool) -> Array:
    """Maximum or minimum of what is there."""
    choose = np.fmax if highest else np.fmin
    parts = _slices(block, days)
    result = parts[0].copy()
    for part in parts[1:]:
        choose(result, part, out=result)
    there = np.isfinite(block)
    return result if there.all() else _enough(result, _counts(there, days), need)


def where_extreme(block: Array, days: int, need: int, highest: bool) -> Array:
    """Place of the maximum or minimum in the window, 1 for the oldest; of equals the oldest."""
    beats = np.greater if highest else np.less
    parts = _slices(block, days)
    best = np.full_like(parts[0], -np.inf if highest else np.inf)
    place = np.zeros_like(best)
    for k, part in enumerate(parts):
        better = beats(part, best)
        np.copyto(best, part, where=better)
        place[better] = k + 1.0
    there = np.isfinite(block)
    return place if there.all() else _enough(place, _counts(there, days), need)


def rank_of_last(block: Array, days: int, need: int, lowest: bool) -> Array:
    """Rank of today's value as a fraction of what is there; equals share their mean or lowest."""
    parts = _slices(block, days)
    today = parts[-1]
    below, equal = np.zeros(today.shape, np.int64), np.zeros(today.shape, np.int64)
    for part in parts:
        below += part < today
        equal += part == today
    there = np.isfinite(block)
    counts = float(days) if there.all() else _counts(there, days)
    ranks = below + 1.0 if lowest else below + (equal + 1.0) / 2
    ranks = np.where(np.isfinite(today), ranks / counts, np.nan)
    return _enough(ranks, counts, need)
