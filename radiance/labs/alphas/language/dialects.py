"""Operators of WorldQuant BRAIN, Qlib (Alpha158) and Guotai Junan's 191 alphas, in this language.

One that has one meaning here is read as that; one that has none, or another in each place, is
refused with what to write. Those that are read are compared without case and underscores.
"""

from dataclasses import dataclass

_ESTIMATE = (
    "sum(y + 0 * delay(x, lag), d) / d + ts_slope(y, delay(x, lag), d)"
    " * (delay(x, lag) - sum(delay(x, lag) + 0 * y, d) / d)"
)
_ON = "normalize(y + 0 * x)"
_AGAINST = "normalize(x + 0 * y)"
MEANINGS: dict[str, tuple[str, str]] = {
    # name: its arguments, and what it means in the language
    "ts_mean": ("x, d", "sum(x, d) / d"),
    "mean": ("x, d", "sum(x, d) / d"),
    "ts_sum": ("x, d", "sum(x, d)"),
    "ts_product": ("x, d", "product(x, d)"),
    "prod": ("x, d", "product(x, d)"),
    "ts_std_dev": ("x, d", "stddev(x, d)"),
    "ts_std": ("x, d", "stddev(x, d)"),
    "var": ("x, d", "stddev(x, d) ^ 2"),
    "std": ("x, d", "stddev(x, d)"),
    "ts_delay": ("x, d", "delay(x, d)"),
    "ref": ("x, d", "delay(x, d)"),
    "ts_delta": ("x, d", "delta(x, d)"),
    "ts_corr": ("x, y, d", "correlation(x, y, d)"),
    "corr": ("x, y, d", "correlation(x, y, d)"),
    "ts_covariance": ("x, y, d", "covariance(x, y, d)"),
    "ts_cov": ("x, y, d", "covariance(x, y, d)"),
    "cov": ("x, y, d", "covariance(x, y, d)"),
    "coviance": ("x, y, d", "covariance(x, y, d)"),  # as the 191 print it
    "ts_decay_linear": ("x, d", "decay_linear(x, d)"),
    "ts_zscore": ("x, d", "(x - sum(x, d) / d) / stddev(x, d)"),
    "ts_av_diff": ("x, d", "x - sum(x, d) / d"),
    "ts_ir": ("x, d", "sum(x, d) / d / stddev(x, d)"),
    "ts_returns": ("x, d", "x / delay(x, d) - 1"),
    "ts_max_diff": ("x, d", "x - ts_max(x, d)"),
    "ts_min_diff": ("x, d", "x - ts_min(x, d)"),
    "ts_median": ("x, d", "ts_percentile(x, d, 0.5)"),
    "ts_scale": ("x, d", "(x - ts_min(x, d)) / (ts_max(x, d) - ts_min(x, d))"),
    "count": ("c, d", "sum(c ? 1 : 0, d)"),
    "sumif": ("x, d, c", "sum(c ? x : 0, d)"),
    "if_else": ("c, x, y", "c ? x : y"),
    "if": ("c, x, y", "c ? x : y"),
    "group_neutralize": ("x, g", "indneutralize(x, g)"),
    "signed_power": ("x, y", "signedpower(x, y)"),
    "power": ("x, y", "x ^ y"),
    "pow": ("x, y", "x ^ y"),
    "sqrt": ("x", "x ^ 0.5"),
    "reverse": ("x", "-1 * x"),
    "inverse": ("x", "1 / x"),
    "add": ("x, y", "x + y"),
    "subtract": ("x, y", "x - y"),
    "multiply": ("x, y", "x * y"),
    "divide": ("x, y", "x / y"),
    "greater": ("x, y", "max(x, y)"),  # Qlib's: the greater of two
    "less": ("x, y", "min(x, y)"),
    "and": ("x, y", "x && y"),
    "or": ("x, y", "x || y"),
    "exp": ("x", "2.718281828459045 ^ x"),
    "sigmoid": ("x", "1 / (1 + 2.718281828459045 ^ -x)"),
    "s_log_1p": ("x", "sign(x) * log(1 + abs(x))"),
    "log_diff": ("x", "log(x) - log(delay(x, 1))"),
    "sma": ("x, n, m", "ewm(x, m / n)"),  # of the 191: recursive, today's weight m / n
    "regbeta": ("x, y, d", "ts_slope(x, y, d)"),
    "sequence": ("d", "ts_step(1)"),  # only its differences count, in a slope or a correlation
    "idxmax": ("x, d", "ts_argmax(x, d)"),
    "idxmin": ("x, d", "ts_argmin(x, d)"),
    "regression_neut": (
        "y, x",
        f"{_ON} - {_AGAINST} * group_mean({_ON} * {_AGAINST}, market)"
        f" / group_mean({_AGAINST} * {_AGAINST}, market)",
    ),
    "vector_neut": (
        "x, y",
        "x - y * group_mean(x * y, market) / group_mean(y * y + 0 * x, market)",
    ),
    # A column of bars has one value a day, which is all that a vector field could hold.
    "vec_avg": ("x", "x"),
    "vec_sum": ("x", "x"),
    "pasteurize": ("x", "x"),  # no value is infinite, and the universe is the symbols given
}
OVERLOADS: dict[tuple[str, int], tuple[str, str]] = {
    # With so many arguments an operator of this language means something else, and one thing only.
    ("group_mean", 3): (
        "x, weight, group",
        "group_mean(x * weight, group) / group_mean(weight + 0 * x, group)",
    ),
}
QLIB: dict[str, tuple[str, str]] = {
    # Names that Qlib uses otherwise than the rest; `$` before a field tells that it is Qlib's.
    "max": ("x, d", "ts_max(x, d)"),
    "min": ("x, d", "ts_min(x, d)"),
    "rank": ("x, d", "ts_rank(x, d)"),
    "med": ("x, d", "ts_percentile(x, d, 0.5)"),
    "quantile": ("x, d, q", "ts_percentile(x, d, q)"),
    "slope": ("x, d", "ts_slope(x, ts_step(1), d)"),
    "rsquare": ("x, d", "correlation(x, ts_step(1), d) ^ 2"),
    "resi": (
        "x, d",
        "x - sum(x, d) / d - ts_slope(x, ts_step(1), d)"
        " * (ts_step(1) - sum(ts_step(1) + 0 * x, d) / d)",
    ),
}
VARIANTS: dict[str, tuple[str, str, dict[float, str]]] = {
    # name: its arguments, the one whose value decides, and what each value means
    "ts_regression": (
        "y, x, d, lag=0, rettype=0",
        "rettype",
        {
            0: f"y - ({_ESTIMATE})",
            1: "sum(y + 0 * delay(x, lag), d) / d - ts_slope(y, delay(x, lag), d)"
            " * sum(delay(x, lag) + 0 * y, d) / d",
            2: "ts_slope(y, delay(x, lag), d)",
            3: _ESTIMATE,
            6: "correlation(y, delay(x, lag), d) ^ 2",
        },
    ),
}
VARIADIC = ("max", "min", "add", "multiply")
"""Operators of two that BRAIN lets take more: the first with the second, that with the third."""
KEYWORDS = {
    "lookback": "d", "group": "g", "std": "a", "scale": "a", "percentage": "a", "exp": "y",
}  # fmt: skip
"""Names of arguments elsewhere, and ours."""
NEUTRAL: dict[str, dict[str, float | str | None]] = {
    # Arguments that exist elsewhere, and the only value under which the meaning is ours; None: any.
    "rank": {"rate": None},
    "decay_linear": {"dense": 0},
    "ts_decay_linear": {"dense": 0},
    "ts_backfill": {"k": 1, "ignore": "nan"},
    "ts_rank": {"constant": 0},
    "normalize": {"usestd": 0, "limit": 0},
    "scale": {"longscale": 1, "shortscale": 1},
    "add": {"filter": 0},
    "subtract": {"filter": 0},
    "multiply": {"filter": 0},
}
FIELDS_ELSEWHERE: dict[str, str] = {
    "ret": "returns",
    "amount": "vwap * volume",
    "market_cap": "cap",
}
"""Fields by another name, where the bars have no column that is called so."""
_BY_KEY = {name.replace("_", ""): name for name in (*MEANINGS, *VARIANTS)}

REFUSALS: dict[str, str] = {
    "quantile": "Nearest is rank, which has the same order.",
    "group_scale": "Nearest is scale(indneutralize(x, sector)).",
    "hump": "Nearest is decay_linear, or decay among the rules of trading.",
    "ts_arg_max": "Nearest is ts_argmax, the place in the window (reading ts_arg), not the age.",
    "ts_arg_min": "Nearest is ts_argmin, the place in the window (reading ts_arg), not the age.",
    "highday": "Nearest is ts_argmax, the place in the window (reading ts_arg), not the age.",
    "lowday": "Nearest is ts_argmin, the place in the window (reading ts_arg), not the age.",
    "ts_quantile": "Nearest is ts_rank, which has the same order.",
    "group_std_dev": "Nearest is group_zscore.",
    "group_median": "Nearest is group_mean.",
    "group_sum": "Nearest is group_mean.",
    "group_max": "Nearest is group_rank.",
    "group_min": "Nearest is group_rank.",
    "group_count": "Nearest is group_mean.",
    "group_backfill": "Nearest is group_mean, or ts_backfill.",
    "group_cartesian_product": "Nearest is subindustry.",
    "densify": "Leave it out: a level is as dense as it can be.",
    "days_from_last_change": "Nearest is ts_argmax(x != delay(x, 1), d), for the last d days.",
    "last_diff_value": "Nearest is delay(x, d).",
    "ts_count_nans": "Nearest is ts_backfill, which fills what is missing.",
    "is_nan": "Nearest is ts_backfill, which fills what is missing.",
    "ts_partial_corr": "Nearest is correlation.",
    "ts_percentage": "Nearest is ts_percentile(x, d, 0.5).",
    "dtm": "Write open <= delay(open, 1) ? 0 : max(high - open, open - delay(open, 1)).",
    "dbm": "Write open >= delay(open, 1) ? 0 : max(open - low, open - delay(open, 1)).",
    "ts_decay_exp_window": "Nearest is ewm(x, a), a the weight of today.",
    "ema": "Nearest is ewm(x, a) with a = 2 / (d + 1), which begins with the first value.",
    "wma": "Nearest is decay_linear; the 191 weigh by powers of 0.9: ewm(x, 0.1).",
    "slope": "Nearest is ts_slope(x, ts_step(1), d).",
    "bucket": "Nearest is a level of industries: sector, industry or subindustry.",
    "med": "Nearest is ts_median.",
    "skew": "Nearest is ts_skewness, which is not corrected for the number of days.",
    "kurt": "Nearest is ts_kurtosis, which is not corrected for the number of days.",
    "mad": "Nearest is stddev(x, d).",
    "kth_element": "Nearest is ts_backfill(x, d), the last value known.",
    "ts_entropy": "Nearest is ts_kurtosis(x, d).",
    "ts_moment": "Nearest is ts_skewness or ts_kurtosis.",
    "tail": "Nearest is max(lower, min(upper, x)), which holds x between two values.",
    "clamp": "Write max(lower, min(upper, x)).",
    "filter": "Write condition ? x : 0.",
    "regresi": "Nearest is ts_regression(y, x, d).",
    "not": "Write the opposite comparison.",
}


@dataclass(frozen=True)
class Meaning:
    """What a call from elsewhere means here.

    Attributes:
        parameters: Name and default of each argument, in order; None where it must be given.
        text: In the language, with the names of the arguments in it.
        decided_by: The argument whose value chooses among ``variants``.
    """

    parameters: tuple[tuple[str, float | None], ...]
    text: str
    decided_by: str = ""
    variants: tuple[tuple[float, str], ...] = ()


def meaning(name: str, count: int, *, is_qlib: bool = False) -> Meaning | None:
    """The meaning of an operator from elsewhere; None where it has none here.

    Args:
        name: In lower case.
        count: How many arguments it is given.
        is_qlib: Whether the expression is Qlib's.
    """
    if is_qlib and name in QLIB:
        return _meaning(*QLIB[name])
    if (name, count) in OVERLOADS:
        return _meaning(*OVERLOADS[name, count])
    known = _BY_KEY.get(name.replace("_", ""))
    if known is None:
        return None
    if known in VARIANTS:
        signature, decided_by, variants = VARIANTS[known]
        return _meaning(signature, variants[0], decided_by, tuple(variants.items()))
    return _meaning(*MEANINGS[known])


def _meaning(
    signature: str, text: str, decided_by: str = "", variants: tuple[tuple[float, str], ...] = ()
) -> Meaning:
    parameters = []
    for part in signature.split(", "):
        name, _, default = part.partition("=")
        parameters.append((name, float(default) if default else None))
    return Meaning(tuple(parameters), text, decided_by, variants)


def refusal(name: str, *, is_qlib: bool = False) -> str | None:
    """What to write for an operator that has no meaning here; None where it is not known.

    As it is spelled elsewhere: BRAIN's ts_arg_max is an age, and this language's ts_argmax a place.
    """
    return None if is_qlib and name in QLIB else REFUSALS.get(name)
