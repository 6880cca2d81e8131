"""Operators of WorldQuant BRAIN, Qlib (Alpha158) and Guotai Junan's 191 alphas, in this language.

One that has one meaning here is read as that; one that has none, or another in each place, is
refused with what to write. Those that are read are compared without case and underscores.
"""

MEANINGS: dict[str, tuple[str, str]] = {
    # name: its arguments, and what it means in the language
    "ts_mean": ("x, d", "sum(x, d) / d"),
    "mean": ("x, d", "sum(x, d) / d"),
    "ts_sum": ("x, d", "sum(x, d)"),
    "ts_product": ("x, d", "product(x, d)"),
    "prod": ("x, d", "product(x, d)"),
    "ts_std_dev": ("x, d", "stddev(x, d)"),
    "ts_std": ("x, d", "stddev(x, d)"),
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
}
_BY_KEY = {name.replace("_", ""): name for name in MEANINGS}

REFUSALS: dict[str, str] = {
    "quantile": "Nearest is rank.",
    "group_scale": "Nearest is scale(indneutralize(x, sector)).",
    "hump": "Nearest is decay_linear.",
    "ts_arg_max": "Nearest is ts_argmax, the place in the window (reading ts_arg), not the age.",
    "ts_arg_min": "Nearest is ts_argmin, the place in the window (reading ts_arg), not the age.",
    "idxmax": "Nearest is ts_argmax.",
    "idxmin": "Nearest is ts_argmin.",
    "highday": "Nearest is ts_argmax, the place in the window (reading ts_arg), not the age.",
    "lowday": "Nearest is ts_argmin, the place in the window (reading ts_arg), not the age.",
    "ts_quantile": "Nearest is ts_rank.",
    "ts_decay_exp_window": "Nearest is decay_linear.",
    "ema": "Nearest is decay_linear.",
    "sma": "Nearest is decay_linear; in the 191 it is a recursive mean.",
    "wma": "Nearest is decay_linear.",
    "slope": "Nearest is covariance with time, as decay_linear(x, d) - sum(x, d) / d.",
    "regbeta": "Nearest is covariance(x, y, d) / stddev(y, d) ^ 2.",
    "ts_regression": "Nearest is ts_slope(y, x, d); BRAIN's gives the residual by default.",
    "regression_neut": "Nearest is indneutralize.",
    "vector_neut": "Nearest is indneutralize.",
    "bucket": "Nearest is a level of industries: sector, industry or subindustry.",
    "sequence": "Nearest is decay_linear, whose weights rise with the days.",
    "med": "Nearest is sum(x, d) / d.",
    "skew": "Nearest is stddev.",
    "kurt": "Nearest is stddev.",
    "not": "Write the opposite comparison.",
}


def meaning(name: str) -> tuple[list[str], str] | None:
    """The arguments of an operator from elsewhere and its meaning here; None where it has none.

    Args:
        name: In lower case.
    """
    known = _BY_KEY.get(name.replace("_", ""))
    if known is None:
        return None
    arguments, text = MEANINGS[known]
    return arguments.split(", "), text


def refusal(name: str) -> str | None:
    """What to write for an operator that has no meaning here; None where it is not known.

    As it is spelled elsewhere: BRAIN's ts_arg_max is an age, and this language's ts_argmax a place.
    """
    return REFUSALS.get(name)
