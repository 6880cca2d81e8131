"""Trading ideas as families: one expression with parameters, and true words for it.

A family is an idea, whatever its parameters and wording; a split keeps it on one side. Expressions
are ours. ``{d}``, ``{e}`` are days, ``{x}`` a number, ``{f}`` a field and ``{F}`` its name.
"""

import itertools
from dataclasses import dataclass

from radiance.labs.alphas.language.operators import FIELDS

Values = tuple[object, ...]
_SHORT: Values = (2, 3, 5, 10)
_MIDDLE: Values = (10, 20, 40, 60)
_LONG: Values = (60, 120, 250)
_PRICES: Values = ("close", "vwap", "open")
FIELD_NAMES = {
    "close": "the close",
    "open": "the open",
    "high": "the high",
    "low": "the low",
    "vwap": "the vwap",
    "volume": "volume",
    "returns": "daily returns",
    "cap": "market capitalisation",
}
assert FIELD_NAMES.keys() == FIELDS.keys()


@dataclass(frozen=True)
class Family:
    """One idea.

    Attributes:
        kind: mean reversion, momentum, arbitrage or risk management.
        parameters: name → values it takes.
    """

    name: str
    kind: str
    expression: str
    wordings: tuple[str, ...]
    parameters: dict[str, Values]

    def instances(self) -> list[dict[str, object]]:
        """Every choice of parameters, with the fields' names; windows in rising order."""
        names = list(self.parameters)
        found = []
        for values in itertools.product(*self.parameters.values()):
            given = dict(zip(names, values, strict=True))
            if "d" in given and "e" in given and not _rises(given["d"], given["e"]):
                continue
            if "f" in given:
                given["F"] = FIELD_NAMES[str(given["f"])]
            found.append(given)
        return found


def _rises(shorter: object, longer: object) -> bool:
    assert isinstance(shorter, int)
    assert isinstance(longer, int)
    return shorter < longer


_REVERSION, _MOMENTUM = "mean reversion", "momentum"
_ARBITRAGE, _RISK = "arbitrage", "risk management"


def _family(kind: str, name: str, expression: str, *wordings: str, **parameters: Values) -> Family:
    return Family(name, kind, expression, wordings, parameters)


FAMILIES: tuple[Family, ...] = (
    # Mean reversion
    _family(
        _REVERSION, "reversal", "-1 * delta({f}, {d})",
        "Bet against the {d}-day change of {F}.",
        "Short-term reversal: sell what rose over {d} days, judged by {F}.",
        "Buy shares whose {f} fell over the last {d} days and sell those whose {f} rose.",
        "A {d}-day reversal of {F}.",
        f=_PRICES, d=_SHORT,
    ),
    _family(
        _REVERSION, "rank-reversal", "-1 * rank(delta({f}, {d}))",
        "Reversal by rank: short the shares with the largest {d}-day rise of {F}.",
        "Rank the {d}-day change of {F} and bet against it.",
        "The negative rank of how {F} moved in {d} days.",
        f=_PRICES, d=_SHORT,
    ),
    _family(
        _REVERSION, "mean-distance", "sum({f}, {d}) / {d} - {f}",
        "Mean reversion: the {d}-day average of {F} less its value today.",
        "Buy below the {d}-day moving average of {F}, sell above it.",
        "How far {F} is below its {d}-day mean.",
        f=_PRICES, d=_MIDDLE,
    ),
    _family(
        _REVERSION, "z-score", "-1 * ({f} - sum({f}, {d}) / {d}) / stddev({f}, {d})",
        "Bet against the {d}-day z-score of {F}.",
        "Mean reversion of {F} in standard deviations over {d} days.",
        "Negative z-score of {F} with a window of {d} days.",
        f=_PRICES, d=_MIDDLE,
    ),
    _family(
        _REVERSION, "range-position",
        "-1 * (close - ts_min(low, {d})) / (ts_max(high, {d}) - ts_min(low, {d}))",
        "Sell shares near the top of their {d}-day range and buy those near the bottom.",
        "Bet against the stochastic oscillator of {d} days.",
        "Reversal by the place of the close in the {d}-day range.",
        d=_MIDDLE,
    ),
    _family(
        _REVERSION, "ts-rank-reversal", "-1 * ts_rank({f}, {d})",
        "Bet against the rank of {F} among its last {d} days.",
        "Sell what is high for its own last {d} days, by {F}.",
        "The negative {d}-day time-series rank of {F}.",
        f=("close", "vwap", "high", "low", "returns"), d=_MIDDLE,
    ),
    _family(
        _REVERSION, "return-sum-reversal", "-1 * rank(sum(returns, {d}))",
        "Short the best performers of the last {d} days, by rank.",
        "Reversal of the summed returns of {d} days.",
        "Losers over {d} days long, winners short, ranked.",
        d=_SHORT,
    ),
    _family(
        _REVERSION, "volume-reversal", "-1 * delta(close, {d}) * rank(volume / adv{e})",
        "Reversal of the {d}-day price change, stronger on volume above its {e}-day average.",
        "Bet against the {d}-day move of the close where volume is high against {e} days.",
        "A {d}-day reversal weighted by the rank of volume to adv{e}.",
        d=_SHORT, e=_MIDDLE,
    ),
    _family(
        _REVERSION, "bollinger",
        "close < sum(close, {d}) / {d} - {x} * stddev(close, {d}) ? 1 : "
        "(close > sum(close, {d}) / {d} + {x} * stddev(close, {d}) ? -1 : 0)",
        "Bollinger bands, {d} days, {x} deviations: buy below the lower, sell above the upper.",
        "Long under the lower {x}-deviation band over {d} days, short over the upper, else flat.",
        "A {d}-day band of {x} standard deviations around the mean, traded back to the mean.",
        d=_MIDDLE, x=(1, 1.5, 2),
    ),
    _family(
        _REVERSION, "gap-fade", "-1 * (open - delay(close, 1)) / delay(close, 1)",
        "Fade the overnight gap from yesterday's close to today's open.",
        "Bet against the opening gap in percent.",
        "Sell shares that opened above yesterday's close, by the size of the gap.",
        "Reversal of the overnight return.",
    ),
    _family(
        _REVERSION, "correlation-reversal", "-1 * correlation({f}, volume, {d})",
        "Bet against the {d}-day correlation of {F} with volume.",
        "Sell where {F} and volume rise together over {d} days.",
        "The negative {d}-day correlation between {F} and volume.",
        f=("close", "open", "high", "vwap"), d=_MIDDLE,
    ),
    # Momentum
    _family(
        _MOMENTUM, "momentum", "rank(delta({f}, {d}))",
        "Momentum: rank the {d}-day change of {F}.",
        "Buy what rose most over {d} days, by the rank of the change of {F}.",
        "The rank of how {F} moved over {d} days.",
        f=_PRICES, d=_LONG,
    ),
    _family(
        _MOMENTUM, "rate-of-change", "({f} - delay({f}, {d})) / delay({f}, {d})",
        "Rate of change of {F} over {d} days.",
        "Momentum as the {d}-day return of {F}.",
        "How many percent {F} gained in {d} days.",
        f=_PRICES, d=_LONG,
    ),
    _family(
        _MOMENTUM, "skip-momentum", "delay(close, {d}) / delay(close, {e}) - 1",
        "Momentum from {e} to {d} days ago, leaving out the last {d} days.",
        "The return between {e} and {d} days ago.",
        "Price momentum of {e} days that skips the latest {d}.",
        d=(5, 10, 20), e=(120, 180, 250),
    ),
    _family(
        _MOMENTUM, "moving-average-cross", "sum(close, {d}) / {d} - sum(close, {e}) / {e}",
        "Moving average crossover: {d} days less {e} days.",
        "Trend: the {d}-day average of the close minus the {e}-day average.",
        "Buy when the {d}-day mean of the close is above the {e}-day mean.",
        d=(5, 10, 20), e=(50, 100, 200),
    ),
    _family(
        _MOMENTUM, "breakout", "close >= ts_max(high, {d}) ? 1 : 0",
        "Breakout: long when the close reaches its {d}-day high.",
        "Hold only shares that close at the highest high of {d} days.",
        "One where the close is the top of the {d}-day range, else zero.",
        d=_LONG,
    ),
    _family(
        _MOMENTUM, "channel", "close > ts_max(delay(high, 1), {d}) ? 1 : "
        "(close < ts_min(delay(low, 1), {d}) ? -1 : 0)",
        "A {d}-day channel breakout: long above the old high, short below the old low.",
        "Donchian channel of {d} days, both ways.",
        "Trade new {d}-day highs long and new {d}-day lows short.",
        d=_MIDDLE,
    ),
    _family(
        _MOMENTUM, "near-high", "close / ts_max({f}, {d})",
        "How near the close is to the {d}-day maximum of {F}.",
        "Prefer shares close to their {d}-day high of {F}.",
        "The close as a share of the largest {f} in {d} days.",
        f=("high", "close"), d=_LONG,
    ),
    _family(
        _MOMENTUM, "smoothed-momentum", "decay_linear(rank(delta(close, {d})), {e})",
        "The rank of the {d}-day price change, smoothed by linear decay over {e} days.",
        "Momentum of {d} days with a linear decay of {e} days.",
        "Rank the {d}-day move of the close and average it with falling weights over {e} days.",
        d=_SHORT, e=(12, 15, 20),
    ),
    _family(
        _MOMENTUM, "volume-momentum", "rank(delta(close, {d})) * rank(delta(volume, {d}))",
        "Momentum confirmed by volume: both ranks of the {d}-day change, multiplied.",
        "Buy where price and volume both rose over {d} days.",
        "The rank of the {d}-day price change times that of the volume change.",
        d=_SHORT,
    ),
    _family(
        _MOMENTUM, "trend-strength", "correlation(close, delay(close, {d}), {e})",
        "Trend strength: the {e}-day correlation of the close with itself {d} days before.",
        "How well the close follows its value of {d} days ago, over {e} days.",
        "Autocorrelation of the close at lag {d} over {e} days.",
        d=_SHORT, e=_MIDDLE,
    ),
    _family(
        _MOMENTUM, "acceleration", "delta(close, {d}) - delay(delta(close, {d}), {d})",
        "Acceleration: the {d}-day price change less that of the {d} days before.",
        "How much the {d}-day move of the close sped up.",
        "The change of the {d}-day change of the close.",
        d=_SHORT,
    ),
    _family(
        _MOMENTUM, "up-days", "sum(sign(delta(close, 1)), {d})",
        "Up days less down days over the last {d}.",
        "Count rising closes minus falling ones in {d} days.",
        "Momentum as the sum of the signs of {d} daily changes.",
        d=_MIDDLE,
    ),
    # Arbitrage
    _family(
        _ARBITRAGE, "group-relative", "-1 * indneutralize(delta({f}, {d}), {g})",
        "Statistical arbitrage: bet against the {d}-day change of {F} within its {g}.",
        "Reversal of {F} over {d} days relative to the {g}.",
        "Sell what rose more than its {g} over {d} days, by {F}.",
        f=("close", "vwap"), d=_SHORT, g=("sector", "industry", "subindustry"),
    ),
    _family(
        _ARBITRAGE, "group-spread", "indneutralize(sum(returns, {d}), {g})",
        "Relative strength within the {g}: the {d}-day return less the group's mean.",
        "How the summed return of {d} days compares with that of the {g}.",
        "The {d}-day return spread to the {g}.",
        d=_MIDDLE, g=("sector", "industry", "subindustry"),
    ),
    _family(
        _ARBITRAGE, "vwap-spread", "rank(vwap - {f}) / rank(vwap + {f})",
        "Arbitrage {F} against the vwap: the rank of their difference over that of their sum.",
        "The ranked spread between the vwap and {F}, scaled by the rank of the price level.",
        "Buy {F} below the vwap, by ranks.",
        f=("close", "open", "low"),
    ),
    _family(
        _ARBITRAGE, "intraday-overnight", "sum((open - delay(close, 1)) / delay(close, 1), {d}) - "
        "sum((close - open) / open, {d})",
        "Overnight returns less intraday returns, summed over {d} days.",
        "Arbitrage between night and day over {d} days.",
        "How much more a share earned overnight than in the session in {d} days.",
        d=_MIDDLE,
    ),
    _family(
        _ARBITRAGE, "vwap-deviation", "-1 * rank(decay_linear(close - vwap, {d}))",
        "Bet against the deviation of the close from the vwap, decayed over {d} days.",
        "The negative rank of the close less the vwap with a linear decay of {d} days.",
        "Sell shares that keep closing above their vwap, over {d} days.",
        d=_SHORT,
    ),
    _family(
        _ARBITRAGE, "lead-lag", "correlation(rank(volume), rank(delay({f}, {d})), {e})",
        "Lead and lag: the {e}-day correlation of ranked volume with ranked {f} of {d} days ago.",
        "How volume follows {F} by {d} days, as a correlation of ranks over {e} days.",
        "Correlate the ranks of volume and of {F} {d} days before, over {e} days.",
        f=("close", "high"), d=(1, 2, 3), e=(10, 20),
    ),
    _family(
        _ARBITRAGE, "neutral-rank", "indneutralize(rank({f} / delay({f}, {d})), {g})",
        "The rank of the {d}-day growth of {F}, neutral to the {g}.",
        "Rank how {F} grew in {d} days and take out the mean of the {g}.",
        "{g}-neutral rank of {F} against {d} days ago.",
        f=("close", "volume"), d=_MIDDLE, g=("sector", "subindustry"),
    ),
    # Risk management
    _family(
        _RISK, "inverse-volatility", "1 / stddev(returns, {d})",
        "Inverse volatility weights from {d} days of returns.",
        "Weight each share by one over its {d}-day volatility.",
        "Less of what moves more: the reciprocal of the {d}-day deviation of returns.",
        d=_MIDDLE,
    ),
    _family(
        _RISK, "volatility-scaled", "-1 * delta(close, {d}) / stddev(delta(close, 1), {e})",
        "A {d}-day reversal scaled by the volatility of {e} days.",
        "Bet against the {d}-day price change, in units of its {e}-day daily deviation.",
        "Risk-adjusted reversal: {d} days against {e} days of volatility.",
        d=_SHORT, e=(20, 40, 60),
    ),
    _family(
        _RISK, "low-volatility", "-1 * rank(stddev(returns, {d}))",
        "Low volatility: prefer shares whose returns vary least over {d} days.",
        "The negative rank of the {d}-day volatility.",
        "Short the most volatile shares of the last {d} days, by rank.",
        d=_MIDDLE,
    ),
    _family(
        _RISK, "drawdown", "{f} / ts_max({f}, {d}) - 1",
        "Drawdown of {F} from its {d}-day peak.",
        "How far {F} has fallen from its {d}-day maximum.",
        "The loss of {F} since its peak of {d} days, as a ratio.",
        f=("close", "vwap"), d=_LONG,
    ),
    _family(
        _RISK, "stop-loss",
        "close / ts_max(close, {d}) - 1 < -{x} ? 0 : rank(delta(close, {d}))",
        "Momentum of {d} days with a stop: out of shares more than {x} below their {d}-day peak.",
        "Rank the {d}-day change, but hold nothing that fell by over {x} from its {d}-day high.",
        "A trailing stop of {x} on {d}-day momentum.",
        d=_MIDDLE, x=(0.05, 0.1, 0.2),
    ),
    _family(
        _RISK, "liquidity-filter", "volume > {x} * sum(volume, {d}) / {d} ? -1 * returns : 0",
        "Reverse today's return only where volume is over {x} times its {d}-day mean.",
        "Trade against the return on volume above {x} averages of {d} days, else nothing.",
        "A liquidity filter of {x} times the {d}-day volume on a one-day reversal.",
        d=_MIDDLE, x=(1, 1.5, 2),
    ),
    _family(
        _RISK, "clipped", "min(max(returns / stddev(returns, {d}), -{x}), {x})",
        "Returns in units of {d}-day volatility, clipped at {x}.",
        "Winsorise the {d}-day standardised return at plus and minus {x}.",
        "Cap the volatility-scaled return of {d} days at {x} either way.",
        d=_MIDDLE, x=(1, 2, 3),
    ),
    _family(
        _RISK, "skew", "-1 * sum(returns^3, {d}) / (stddev(returns, {d})^3 * {d})",
        "Bet against skewness of returns over {d} days.",
        "Avoid lottery shares: the negative {d}-day skewness.",
        "The negative third moment of {d} daily returns, standardised.",
        d=_MIDDLE,
    ),
    _family(
        _RISK, "tail-risk", "ts_min(returns, {d})",
        "Tail risk: the worst daily return of the last {d} days.",
        "Prefer shares whose largest daily loss in {d} days was small.",
        "The minimum of daily returns over {d} days.",
        d=_MIDDLE,
    ),
    _family(
        _RISK, "turnover-control", "decay_linear({s}, {d})",
        "Cut turnover: {S}, decayed linearly over {d} days.",
        "{S}, smoothed with linear weights over {d} days to trade less.",
        "A {d}-day linear decay of {S}.",
        s=("-1 * returns", "rank(volume)", "-1 * rank(close - open)"), d=_SHORT,
    ),
    _family(
        _RISK, "capacity", "rank({s}) * rank(adv{d})",
        "Put {S} where there is liquidity: times the rank of the {d}-day dollar volume.",
        "The rank of {S} weighted by the rank of adv{d}.",
        "{S}, ranked, with more in shares that trade many dollars over {d} days.",
        s=("-1 * returns", "vwap - close"), d=_MIDDLE,
    ),
)  # fmt: skip
SIGNAL_NAMES = {
    "-1 * returns": "today's reversed return",
    "rank(volume)": "the rank of volume",
    "-1 * rank(close - open)": "the reversed rank of the day's move",
    "vwap - close": "the vwap less the close",
}
