"""The names that settings, tables and pages share: kinds of stress, and methods. No arithmetic."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Context:
    """A kind of stress.

    Attributes:
        title: For a person.
        days: Length of an episode.
        volatility: Multiple of an ordinary day's.
        spread: Multiple of an ordinary day's bid-ask spread.
        correlation: Share of an asset's variance that is common to all.
        fall: Mean return of the market on such a day, in ordinary daily volatilities.
    """

    name: str
    title: str
    days: int
    volatility: float
    spread: float
    correlation: float
    fall: float


CONTEXTS = (
    Context("liquidity_freeze", "liquidity freeze", 5, 1.6, 8.0, 0.5, -0.5),
    Context("gap_open", "gap open", 1, 4.0, 2.0, 0.6, -1.5),
    Context("correlation_break", "correlation break", 8, 1.5, 1.5, 0.05, 0.0),
    Context("volatility_cluster", "volatility cluster", 12, 2.5, 2.0, 0.5, -0.2),
    Context("macro_shock", "macro shock", 3, 3.0, 3.0, 0.8, -1.0),
)
CONTEXT_NAMES = tuple(context.name for context in CONTEXTS)
ORDINARY = -1
"""The context of a day without stress."""

METHOD_NAMES = (
    "none",
    "naive",
    "anchor",
    "projection",
    "service",
    "routing",
    "held",
    "held+projection",
)
