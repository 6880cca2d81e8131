"""An indicator that fits a model of the past at every step, as QuantConnect's does it."""

import numpy

from radiance.labs.alphas.strategies.indicators import Indicator, mean
from radiance.labs.alphas.strategies.naming import Unsupported


class Arima(Indicator):
    """What ARIMA expects next, fitted in two steps of least squares to the last values.

    Lean fits the newest value first, that is backwards in time, and so does this. A fit without
    an answer is all zeros.

    Args:
        ar: How many values before are looked at, 1 or more.
        differences: How often the values are replaced by their changes.
        ma: How many errors before are looked at; not fewer than ``ar``, or none.
        period: How many values are fitted to.
        intercept: Whether a constant is fitted where errors are looked at.
    """

    def __init__(
        self, ar: int, differences: int, ma: int, period: int, intercept: bool = True
    ) -> None:
        super().__init__(period, mean)
        if ar < 1 or differences < 0 or period < max(ar, ma):
            raise ValueError(f"an ARIMA({ar}, {differences}, {ma}) over {period} values")
        if 0 < ma < ar:
            raise Unsupported(f"an ARIMA that looks at {ar} values and {ma} errors")
        self._ar, self._differences, self._ma = ar, differences, ma
        self._intercept = intercept

    def feed(self, value: float) -> None:
        self._values.append(value)
        self.is_ready = len(self._values) == self.period
        if self.is_ready:
            self.current.value = self._expected(numpy.array(self._values)[::-1])

    def _expected(self, values: numpy.ndarray) -> float:
        """Of the values (period,), the newest first."""
        heads, changes = [], values
        for _ in range(self._differences):
            heads.append(changes[-1])
            changes = changes[:-1] - changes[1:]
        expected = self._next(changes)
        summed = numpy.concatenate([[expected], changes])
        for head in heads:
            summed = numpy.cumsum(numpy.append(summed, head)[::-1])[::-1]
        return float(summed[0])

    def _next(self, changes: numpy.ndarray) -> float:
        lags = _lagged(changes, self._ar)
        factors = _fit(lags, changes[self._ar :])
        if not self._ma:
            return float(factors @ changes[: self._ar])
        errors = numpy.concatenate([numpy.zeros(self._ar), changes[self._ar :] - lags @ factors])
        before = _lagged(errors, self._ma)
        columns = [lags[: len(before)], before]
        if self._intercept:
            columns.insert(0, numpy.ones((len(before), 1)))
        constant, *rest = _fit(numpy.hstack(columns), changes[self._ma :])
        if not self._intercept:
            rest, constant = [constant, *rest], 0.0
        of_values, of_errors = numpy.array(rest[: self._ar]), numpy.array(rest[self._ar :])
        newest = errors[self._ma + 1 : 2 * self._ma + 1]
        return float(of_values @ changes[: self._ar] + of_errors @ newest + constant)


def _lagged(values: numpy.ndarray, count: int) -> numpy.ndarray:
    """(len(values) - count, count): before each value the ones before it, the nearest first."""
    rows = range(count, len(values))
    return numpy.array([values[row - count : row][::-1] for row in rows]).reshape(-1, count)


def _fit(columns: numpy.ndarray, wanted: numpy.ndarray) -> numpy.ndarray:
    """Least squares by the normal equations; zeros where they have no answer."""
    try:
        return numpy.linalg.solve(columns.T @ columns, columns.T @ wanted)
    except numpy.linalg.LinAlgError:
        return numpy.zeros(columns.shape[1])
