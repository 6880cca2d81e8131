"""What the paper leaves open, as named settings with the default we chose and why.

An alpha has a value only under a reading; every study records the one it was made with.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta


class Readings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One way to read the paper."""

    nan: Annotated[
        Literal["partial", "strict"],
        Meta(
            description="partial: a window with holes is computed from the values it has, if they "
            "are at least min_share of it. strict: one hole makes the window a hole; some alphas "
            "then have next to no values."
        ),
    ] = "partial"
    min_share: Annotated[
        float, Meta(description="partial: least share of a window that is there.", gt=0, le=1)
    ] = 0.5
    window: Annotated[
        Literal["floor", "round"],
        Meta(description="What 8.93345 days are; the paper says floor, most ports round."),
    ] = "floor"
    adv: Annotated[
        Literal["dollars", "shares"],
        Meta(
            description="adv{d}: mean of close * volume, as the paper defines it, or of volume, as "
            "most ports have it."
        ),
    ] = "dollars"
    vwap: Annotated[
        Literal["given", "typical"],
        Meta(
            description="given: the panel's, where it has one, else (high + low + close) / 3. "
            "typical: always that."
        ),
    ] = "given"
    cap: Annotated[
        Literal["given", "dollar_volume", "required"],
        Meta(
            description="given: the panel's, where it has one, else mean dollar volume of 252 days "
            "stands in. dollar_volume: always that. required: without one it is an error."
        ),
    ] = "given"
    returns: Annotated[
        Literal["close", "adjusted"],
        Meta(description="Of the close, as the paper says, or with dividends, where known."),
    ] = "close"
    levels: Annotated[
        Literal["nearest", "required"],
        Meta(
            description="nearest: an absent level of industries is read as the next finer one that "
            "the panel has, else the next coarser. required: it is an error."
        ),
    ] = "nearest"
    rank: Annotated[
        Literal["average", "min", "zero_one"],
        Meta(
            description="average: (0, 1], ties share their mean rank. min: ties share the lowest. "
            "zero_one: average, spread over [0, 1]."
        ),
    ] = "average"
    ts_rank: Annotated[
        Literal["fraction", "count"],
        Meta(description="In (0, 1] like rank, or in [1, d]."),
    ] = "fraction"
    ts_arg: Annotated[
        Literal["position", "age"],
        Meta(
            description="ts_argmax and ts_argmin: place in the window, oldest 1, or days ago. Of "
            "equal values the oldest counts."
        ),
    ] = "position"
    signedpower: Annotated[
        Literal["signed", "power"],
        Meta(description="sign(x) * |x|^a, as the name says, or x^a, as the paper prints."),
    ] = "signed"
    ddof: Annotated[
        Literal[0, 1], Meta(description="stddev and covariance divide by n - ddof.")
    ] = 1
    flat: Annotated[
        Literal["nan", "zero"],
        Meta(description="A correlation with a constant: undefined, or zero."),
    ] = "nan"
    tie_bits: Annotated[
        int,
        Meta(
            description="Comparisons and ranks look at so many bits of a value: what differs only "
            "by rounding is equal. 32 are nine digits; 52 are all.",
            ge=16,
            le=52,
        ),
    ] = 32


DEFAULT = Readings()
