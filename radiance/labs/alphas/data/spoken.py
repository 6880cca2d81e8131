"""Expressions as traders speak of them: a thing to measure, and what to do by it.

A term has a name ("the 20-day mean of the close"), a combination is made of terms ("{s} in units
of {t}"), an order says what to do by them ("bet against {s}"). Each gives words and expression at
once, so the words are true. Around them may stand a label that means nothing ("Seasonal carry: "),
as names of strategies often do: whoever asks uses words that no set of examples has.

``{d}`` is days, ``{f}`` a field and ``{F}`` its name, ``{s}``, ``{t}``, ``{u}`` terms or
combinations of them, ``{g}`` a level of industries, ``{x}`` a number.
"""

import random
import re
from collections.abc import Sequence

from radiance.labs.alphas.data.patterns import FIELD_NAMES
from radiance.labs.alphas.language.operators import LEVELS
from radiance.labs.alphas.language.parser import parse
from radiance.labs.alphas.language.syntax import Node

_Form = tuple[str, tuple[str, ...]]  # expression, ways to say it
_TERMS: tuple[_Form, ...] = (
    ("sum({f}, {d}) / {d}", ("the {d}-day mean of {F}", "the moving average of {F} over {d} days")),
    ("delta({f}, {d})", ("the {d}-day change of {F}", "the move of {F} in {d} days")),
    ("delay({f}, {d})", ("{F} of {d} days ago", "{F} {d} days before")),
    ("ts_max(high, {d})", ("the {d}-day high", "the top of {d} days")),
    ("ts_min(low, {d})", ("the {d}-day low", "the bottom of {d} days")),
    ("ts_max({f}, {d})", ("the {d}-day maximum of {F}", "the highest of {F} in {d} days")),
    ("stddev(returns, {d})", ("the {d}-day volatility", "volatility over {d} days")),
    ("stddev({f}, {d})", ("the {d}-day deviation of {F}",)),
    ("sum(returns, {d})", ("the summed returns of {d} days",)),
    ("ts_rank({f}, {d})", ("where {F} stands in its last {d} days",)),
    ("rank({f})", ("the rank of {F}", "ranked {f}")),
    ("high - low", ("the day's range", "the range from low to high")),
    ("close - open", ("the day's move", "the move since the open")),
    ("(high + low) / 2", ("the middle of the day", "the mean of high and low")),
    ("(high + low + close) / 3", ("the typical price",)),
    ("close * volume", ("the dollars traded",)),
    ("volume / adv{d}", ("relative volume of {d} days", "volume over adv{d}")),
    ("adv{d}", ("liquidity over {d} days", "adv{d}", "the {d}-day dollar volume")),
    ("log({f})", ("the log of {F}",)),
    ("abs(returns)", ("the size of the return",)),
    ("cap", ("company size", "market value")),
)
_COMBINED: tuple[_Form, ...] = (
    ("-1 * {s}", ("the reverse of {s}", "minus {s}")),
    ("rank({s})", ("the rank of {s}",)),
    ("-1 * rank({s})", ("the reversed rank of {s}",)),
    ("{s} - {t}", ("{s} less {t}", "how far {s} is above {t}", "the spread of {s} over {t}")),
    ("{s} / {t}", ("{s} relative to {t}", "{s} in units of {t}", "{s} scaled by {t}")),
    ("{s} / {t} - 1", ("{s} over {t} in percent", "the percentage of {s} above {t}")),
    ("({s} - {t}) / ({s} + {t})", ("the difference of {s} and {t} over their sum",)),
    ("({s} - {t}) / {u}", ("{s} less {t}, in units of {u}",)),
    ("{s} * {t}", ("{s} weighted by {t}", "{s} times {t}", "{s}, more where {t} is high")),
    ("rank({s}) * rank({t})", ("both ranks of {s} and {t}, multiplied",)),
    ("rank({s}) - rank({t})", ("the rank of {s} less that of {t}",)),
    ("correlation({s}, {t}, {d})", ("how {s} moves with {t} in {d} days",)),
    ("decay_linear({s}, {d})", ("{s}, smoothed over {d} days", "{s} with a decay of {d} days")),
    ("delta({s}, {d})", ("how {s} changed in {d} days",)),
    ("sum({s}, {d}) / {d}", ("the {d}-day mean of {s}", "the average over {d} days of {s}")),
    ("ts_rank({s}, {d})", ("the time-series rank of {s} over {d} days",)),
    ("indneutralize({s}, {g})", ("{s} against its {g}", "{s} within the {g}")),
    ("1 / ({s})", ("the inverse of {s}", "one over {s}")),
    ("min(max({s}, -{x}), {x})", ("{s}, capped at {x} either way",)),
    ("sign({s}) * {t}", ("{t} in the direction of {s}",)),
)
_ORDERS: tuple[_Form, ...] = (
    ("{s}", ("trade {s}", "go by {s}", "{s}", "buy by {s}")),
    ("-1 * {s}", ("bet against {s}", "sell by {s}", "sell what is high by {s}")),
    ("-1 * rank({s})", ("bet against the rank of {s}", "short the highest by {s}, ranked")),
    ("rank({s})", ("rank {s}", "buy the highest by {s}, ranked", "prefer shares ranked by {s}")),
    ("-1 * ({s} - {t})", ("bet against {s} less {t}", "sell where {s} is above {t}, by how much")),
    ("-1 * {s} / {t}", ("bet against {s} in units of {t}", "sell by {s} per {t}")),
    ("-1 * ({s} - {t}) / {u}", ("bet against {s} less {t}, scaled by {u}",)),
    ("-1 * correlation({s}, {t}, {d})", ("sell where {s} and {t} move together over {d} days",)),
    ("1 / ({s})", ("weights of one over {s}", "hold less of what is high by {s}")),
    ("{s} > {t} ? 1 : 0", ("long where {s} is above {t}, else flat", "hold if {s} is over {t}")),
    ("{s} > {t} ? 1 : -1", ("long where {s} is above {t}, else short",)),
    ("{s} < {t} ? 1 : 0", ("buy when {s} is below {t}, else nothing",)),
    ("{t} > {u} ? {s} : 0", ("{s}, only where {t} is above {u}", "{s} if {t} is over {u}, else 0")),
    ("{t} < {u} ? -1 * {s} : 0", ("bet against {s}, but only where {t} is below {u}",)),
)
_FIELDS = ("close", "close", "close", "open", "high", "low", "vwap", "volume", "returns")
_DAYS = (2, 3, 5, 10, 12, 15, 20, 30, 40, 60, 100, 120, 200, 250)
_NUMBERS = ("0.5", "1", "2", "3")
_ORDERED = 0.6  # the rest are combinations
_COMBINES = 0.05  # of the things that something is made of; the rest are terms
_FIRST = (
    "absolute", "active", "adaptive", "aggressive", "alternative", "annual", "asymmetric",
    "balanced", "behavioural", "broad", "careful", "cautious", "classic", "concentrated",
    "conservative", "contrarian", "cross-sectional", "cyclical", "daily", "deep", "defensive",
    "directional", "diversified", "dynamic", "early", "efficient", "enhanced", "exponential",
    "fast", "flexible", "fundamental", "global", "hedged", "hidden", "implied", "intermediate",
    "inverted", "late", "liquid", "local", "low-cost", "market-neutral", "mechanical", "modest",
    "monthly", "narrow", "naive", "noisy", "optimal", "passive", "patient", "persistent",
    "quantitative", "quarterly", "quiet", "random", "relative", "residual", "robust", "seasonal",
    "selective", "simple", "slow", "smart", "stable", "steady", "strict", "structural", "symmetric",
    "systematic", "tactical", "technical", "transient", "uncertain", "unusual", "weak", "weekly",
)  # fmt: skip
_SECOND = (
    "accumulation", "adjustment", "allocation", "anomaly", "appetite", "auction", "barometer",
    "behaviour", "benchmark", "bias", "block", "book", "bubble", "carry", "clustering",
    "confidence",
    "continuation", "control", "convergence", "conviction", "correction", "crowding", "cycle",
    "demand", "discipline", "discount", "distribution", "divergence", "diversification", "drift",
    "edge", "effect", "efficiency", "estimate", "event", "exhaustion", "expansion", "exposure",
    "factor", "fear", "filter", "flow", "fund", "greed", "hedge", "herding", "imbalance", "impact",
    "income", "index", "inertia", "information", "intensity", "inventory", "investor", "leverage",
    "limit", "loser", "margin", "memory", "model", "noise", "opportunity", "oscillator", "outlier",
    "overreaction", "pair", "panic", "participation", "pattern", "persistence", "portfolio",
    "position", "premium", "pressure", "pullback", "quality", "rally", "rebalancing", "rebound",
    "regime", "resistance", "rotation", "screen", "sentiment", "setup", "shock", "sizing", "slump",
    "squeeze", "strategy", "strength", "supply", "support", "surprise", "swing", "target", "tilt",
    "timing", "trade", "transition", "uncertainty", "value", "vigour", "winner", "yield",
)  # fmt: skip
_LABELS = (
    "{a} {b}: {x}", "{b}: {x}", "a {a} {b}: {x}", "{a} {b}. {x}", "for a {a} {b}, {x}",
    "{b} and {c}: {x}", "{a} {b} by {c}: {x}", "{x}, for a {a} {b}", "{x}, a {a} {b}",
    "{x}, to have less {b}", "{x}, as a measure of {b}", "{x} ({a} {b})", "{b} of {c}: {x}",
    "use {b} to find {c}: {x}", "{a}-{b} {c}: {x}",
)  # fmt: skip
_SLOT = re.compile(r"\{([a-z])\}")


def speak(rng: random.Random) -> tuple[Node, str]:
    """An expression, and what says it: a sentence without capital and full stop."""
    forms = _ORDERS if rng.random() < _ORDERED else _COMBINED
    text, said = _draw(forms, rng, _COMBINES)
    return parse(text), said


def _draw(forms: Sequence[_Form], rng: random.Random, combines: float) -> tuple[str, str]:
    """One of the forms, filled in: expression and words."""
    expression, wordings = rng.choice(forms)
    texts: dict[str, object] = {"d": rng.choice(_DAYS), "x": rng.choice(_NUMBERS)}
    texts["g"], texts["f"] = rng.choice(LEVELS), rng.choice(_FIELDS)
    said = {**texts, "F": FIELD_NAMES[str(texts["f"])]}
    for slot in sorted(set(_SLOT.findall(expression)) & set("stu")):
        inner = _COMBINED if rng.random() < combines else _TERMS
        text, said[slot] = _draw(inner, rng, 0.0)
        texts[slot] = f"({text})"
    return expression.format(**texts), rng.choice(wordings).format(**said)


def labelled(said: str, rng: random.Random) -> str:
    """What is said, with a label that means nothing."""
    first, second, third = rng.choice(_FIRST), rng.choice(_SECOND), rng.choice(_SECOND)
    return rng.choice(_LABELS).format(a=first, b=second, c=third, x=said)
