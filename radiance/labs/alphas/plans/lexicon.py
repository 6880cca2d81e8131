"""The words that people ask for alphas in, and what they mean: ``words.txt``, read in.

``entries()`` has a kind, a value and a pattern for each. The kinds: ``attitude`` (who is liked),
``reversal``, ``series``, ``named`` (a whole quantity in a word), ``growth`` (a price's way),
``degree`` (high or low), ``mark`` (a measure), ``scope`` (a group), ``joint`` (what
begins a clause).
"""

import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen twenty"
)
NUMBERS: dict[str, int] = {word: number for number, word in enumerate(_SMALL.split(" "))} | {
    "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "ninety": 90, "hundred": 100,
}  # fmt: skip
UNITS = {"day": 1, "session": 1, "bar": 1, "week": 5, "month": 21, "quarter": 63, "year": 252}
ADJECTIVES = {
    "weekly": 5, "biweekly": 10, "fortnightly": 10, "monthly": 21, "quarterly": 63,
    "half yearly": 126, "semi annual": 126, "semiannual": 126, "yearly": 252, "annual": 252,
    "annually": 252, "fortnight": 10, "half a month": 10, "half a quarter": 32,
    "half a year": 126, "half year": 126,
    "half of the year": 126, "half a trading year": 126,
    "two fortnights": 20, "year and a half": 378,
}  # fmt: skip
VAGUE = {
    "few days": 5, "several days": 5, "couple of days": 2, "few sessions": 5, "few weeks": 15,
    "couple of weeks": 10, "few months": 63, "couple of months": 42, "several months": 126,
    "short term": 5, "near term": 5, "short run": 5, "medium term": 63, "intermediate term": 126,
    "mid term": 63, "long term": 252, "longer term": 120, "long run": 252,
}  # fmt: skip
SHORT_FORMS = {
    "mom": "momentum", "rev": "reversal", "revs": "reversal", "ret": "return", "rets": "returns",
    "rtn": "return", "rtns": "returns", "corr": "correlation", "correl": "correlation",
    "autocorr": "autocorrelation", "avg": "average", "avgs": "averages", "px": "price",
    "pxs": "prices", "vola": "volatility", "qty": "volume", "mkt": "market", "mktcap": "market cap",
    "mcap": "market cap", "stddev": "standard deviation", "stdev": "standard deviation",
    "ind": "industry", "yday": "yesterday", "wk": "week", "wks": "weeks", "mth": "month",
    "mths": "months", "qtr": "quarter", "qtrs": "quarters", "yr": "year", "yrs": "years",
    "dly": "daily", "wkly": "weekly", "mthly": "monthly", "qtrly": "quarterly", "div": "divided",
    "abs": "absolute", "pct": "percent", "smas": "moving averages", "mas": "moving averages",
    "tod": "today", "lt": "long term", "st": "short term", "hi": "high", "hist": "historical",
    "acf": "autocorrelation", "neutralised": "neutral", "neutralized": "neutral",
    "neutralise": "neutral", "neutralize": "neutral", "vlm": "volume", "vols": "vols",
    "thru": "through", "wo": "without", "btw": "between", "em": "them",
    "rvol": "relative volume", "relvol": "relative volume", "ivol": "idiosyncratic volatility",
    "nite": "night", "o2c": "open to close", "c2o": "close to open", "hl": "high low",
}  # fmt: skip
KEYWORDS = [
    "volatility",
    "volatile",
    "momentum",
    "reversal",
    "average",
    "averages",
    "volume",
    "volumes",
    "correlation",
    "correlated",
    "deviation",
    "deviations",
    "overnight",
    "intraday",
    "liquidity",
    "illiquidity",
    "illiquid",
    "liquid",
    "capitalization",
    "skewness",
    "kurtosis",
    "autocorrelation",
    "acceleration",
    "accelerating",
    "winners",
    "losers",
    "outperformed",
    "underperformed",
    "outperformers",
    "underperformers",
    "relative",
    "strength",
    "breakout",
    "breakouts",
    "turnover",
    "yesterday",
    "yesterdays",
    "industry",
    "sector",
    "sectors",
    "quarter",
    "quarterly",
    "monthly",
    "weekly",
    "yearly",
    "annual",
    "fortnight",
    "returns",
    "return",
    "performance",
    "divided",
    "weighted",
    "neutral",
    "highest",
    "lowest",
    "largest",
    "smallest",
    "smoothed",
    "smoothing",
    "unusual",
    "unusually",
    "standard",
    "previous",
    "today",
    "average",
    "moving",
    "drawdown",
    "downside",
    "trading",
    "traded",
    "stocks",
    "shares",
    "months",
    "trend",
    "recent",
    "recently",
    "oversold",
    "overbought",
    "opening",
    "closing",
    "closed",
    "opened",
    "bought",
    "prefer",
    "reward",
    "penalise",
    "penalize",
    "avoid",
    "contrarian",
    "reversion",
    "stochastic",
]
"""Words that a slip of the keyboard is mended to."""
_PATH = Path(__file__).with_name("words.txt")


@functools.cache
def entries() -> list[tuple[str, Any, re.Pattern[str]]]:
    """All of them. Compiled when first asked for: that takes half a second."""
    return list(_entries())


def _entries() -> Iterator[tuple[str, Any, re.Pattern[str]]]:
    kind, value, patterns = "", "", list[str]()
    for line in [*_PATH.read_text(encoding="utf-8").splitlines(), "end"]:
        if line.startswith("    "):
            patterns += line.strip().split(" ; ")
        elif line and not line.startswith("#"):
            if patterns:
                yield kind, _value(value), re.compile(rf"(?:{'|'.join(patterns)})(?![a-z0-9])")
            kind, _, value = line.partition(" ")
            patterns = []


def _value(text: str) -> Any:
    """A number, a name, or a measure with its series, its usual days and its sign."""
    parts = [int(part) if part.lstrip("-").isdecimal() else part for part in text.split(" ")]
    return parts[0] if len(parts) == 1 else tuple(parts)
