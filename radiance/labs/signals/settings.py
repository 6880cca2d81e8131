"""Everything a study depends on, as one frozen value: with its seeds it makes the same study again.

Every knob stands here once, with default, range, unit and description; the command line and the
page read them from here (``knobs``).
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from radiance.labs.daily_bars import DELISTING_RETURN
from radiance.labs.splits import Treatment


class StudySection(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Some of the settings of a study."""


class MarketSettings(StudySection, frozen=True):
    """The synthetic market: a regime that drifts, and rare stress in which the old one holds."""

    assets: Annotated[int, Meta(description="Number of assets traded.", ge=2, le=64)] = 8
    features: Annotated[int, Meta(description="Number of core features of a day.", ge=2, le=64)] = (
        16
    )
    history_days: Annotated[
        int, Meta(description="Days the frozen backbone is fitted on.", ge=200, le=10_000)
    ] = 1500
    adaptation_days: Annotated[
        int, Meta(description="Days of the new regime to adapt on.", ge=40, le=2_000)
    ] = 252
    test_days: Annotated[
        int,
        Meta(description="Days after adaptation that everything is measured on.", ge=60, le=4_000),
    ] = 756
    anchors_per_context: Annotated[
        int, Meta(description="Stress days of the history kept per context.", ge=4, le=200)
    ] = 24
    drift_strength: Annotated[
        float,
        Meta(
            description="Variance of the drift in the signal, as a ratio to the signal's own "
            "variance.",
            ge=0,
            le=4,
        ),
    ] = 0.6
    drift_rank: Annotated[int, Meta(description="Rank of the drift.", ge=1, le=16)] = 2
    stress_share: Annotated[
        float, Meta(description="Share of days under stress.", ge=0.01, le=0.4)
    ] = 0.08
    stress_scale: Annotated[
        float,
        Meta(
            description="Length of a stress shock in the features; 4 is the length of an ordinary "
            "day.",
            ge=0,
        ),
    ] = 8.0
    indicator_shift: Annotated[
        float,
        Meta(description="Standard deviations by which a context raises its own indicator.", ge=0),
    ] = 5.0
    label_noise: Annotated[
        float,
        Meta(
            description="Noise of the learned target, in standard deviations of the signal.", ge=0
        ),
    ] = 0.3
    information: Annotated[
        float,
        Meta(
            description="Correlation of signal and next day's return on an ordinary day.",
            gt=0,
            le=0.5,
        ),
    ] = 0.06
    volatility: Annotated[
        float, Meta(description="Daily volatility of an asset, a ratio.", gt=0, le=0.1)
    ] = 0.01


class AdaptationSettings(StudySection, frozen=True):
    """The frozen backbone, its LoRA, and how it is trained."""

    backbone: Annotated[
        Literal["linear", "transformer"],
        Meta(description="Frozen model: a linear map, or a small transformer."),
    ] = "linear"
    methods: Annotated[
        tuple[str, ...], Meta(description="Methods compared, by name.", min_length=1)
    ] = ("none", "naive", "anchor", "projection", "service", "routing", "held")
    rank: Annotated[int, Meta(description="Rank of the LoRA matrices.", ge=1, le=32)] = 4
    alpha: Annotated[
        float, Meta(description="LoRA alpha: the adapter's output is scaled by alpha / rank.", gt=0)
    ] = 4.0
    batch_size: Annotated[int, Meta(description="Days per optimizer step.", ge=1, le=1024)] = 64
    lr: Annotated[float, Meta(description="Peak learning rate of AdamW.", gt=0, le=1)] = 5e-3
    steps: Annotated[int, Meta(description="Number of optimizer steps.", ge=1, le=20_000)] = 600
    fit_steps: Annotated[
        int, Meta(description="Optimizer steps that fit a transformer beforehand.", ge=1, le=50_000)
    ] = 1200
    anchor_weight: Annotated[
        float, Meta(description="Weight of the anchor loss of method `anchor`.", ge=0, le=1e3)
    ] = 0.05
    budget: Annotated[
        float,
        Meta(
            description="Squared distance to the deployed outputs allowed on anchors, in variances "
            "of the signal; the weight of `held` follows it.",
            gt=0,
        ),
    ] = 0.05
    caution: Annotated[
        float,
        Meta(
            description="Cost of acting on a stress day, relative to the cost of not acting on an "
            "ordinary day; routing weighs its odds by it.",
            gt=0,
            le=1000,
        ),
    ] = 5.0
    hold_out: Annotated[
        str,
        Meta(
            description="Context left without anchors, to measure what happens in an uncovered "
            "context; empty: none."
        ),
    ] = ""


class PortfolioSettings(StudySection, frozen=True):
    """From signals to positions: when, how fast, at what cost, within which limits."""

    rebalance: Annotated[
        Literal["daily", "every", "threshold", "event"],
        Meta(
            description="Days of trading. daily: each day. every: each every_days days. "
            "threshold: days on which target and holding are far apart. event: as every, and days "
            "on which stress begins or ends."
        ),
    ] = "daily"
    every_days: Annotated[
        int,
        Meta(description="Days between two trades, with rebalance every or event.", ge=1, le=252),
    ] = 5
    threshold: Annotated[
        float,
        Meta(
            description="Gross weight between holding and target that starts a trade, with "
            "rebalance threshold.",
            ge=0,
            le=4,
        ),
    ] = 0.3
    speed: Annotated[
        float, Meta(description="Share of the way to the target per rebalance.", gt=0, le=1)
    ] = 0.5
    spread_bps: Annotated[
        float, Meta(description="Bid-ask spread on an ordinary day, in bps.", ge=0, le=500)
    ] = 4.0
    impact_bps: Annotated[
        float,
        Meta(description="Impact of trading the whole book in one asset, in bps.", ge=0, le=5000),
    ] = 20.0
    target_volatility: Annotated[
        float, Meta(description="Yearly volatility aimed at, a ratio.", gt=0, le=1)
    ] = 0.1
    max_weight: Annotated[float, Meta(description="Largest weight of one asset.", gt=0, le=4)] = 0.3
    max_gross: Annotated[
        float, Meta(description="Largest sum of the weights' absolute values.", gt=0, le=16)
    ] = 1.5
    max_net: Annotated[
        float, Meta(description="Largest absolute sum of the weights.", ge=0, le=16)
    ] = 0.5
    qualification: Annotated[
        float,
        Meta(
            description="Least ratio of an asset's expected gain over the horizon to its cost of "
            "trading, for it to be traded; 0: always.",
            ge=0,
            le=100,
        ),
    ] = 0.0
    horizon_days: Annotated[
        int, Meta(description="Days over which a trade must pay.", ge=1, le=252)
    ] = 5


class PolicySettings(StudySection, frozen=True):
    """The gate and the monitors: what a candidate must show, and what takes it back."""

    confidence: Annotated[
        float, Meta(description="Confidence of the one-sided bounds.", gt=0.5, lt=1)
    ] = 0.95
    drift_tolerance: Annotated[
        float,
        Meta(
            description="Largest excess of the loss on the new regime over that of method naive, "
            "in nats a day.",
            gt=0,
        ),
    ] = 0.05
    max_anchor_mean: Annotated[
        float, Meta(description="Largest mean rise of the anchors' loss, in nats.", gt=0)
    ] = 0.1
    max_anchor_cvar: Annotated[
        float,
        Meta(
            description="Largest mean rise of the loss of the worst tenth of the anchors, in nats.",
            gt=0,
        ),
    ] = 1.0
    max_context_mean: Annotated[
        float,
        Meta(
            description="Largest mean rise of the anchors' loss in any one context, in nats.", gt=0
        ),
    ] = 0.2
    max_anchor_broken: Annotated[
        float,
        Meta(description="Largest share of anchors whose preferred asset changes.", gt=0, lt=1),
    ] = 0.2
    max_output_drift: Annotated[
        float,
        Meta(description="Largest mean divergence from the deployed outputs on anchors.", gt=0),
    ] = 0.1
    max_tail: Annotated[
        float,
        Meta(description="Largest fall of the tail return on the anchors' days.", gt=0),
    ] = 0.005
    violation: Annotated[
        float,
        Meta(
            description="Squared distance from the deployed output that counts as a violation, in "
            "variances of the signal.",
            gt=0,
        ),
    ] = 0.5
    max_violations: Annotated[
        float,
        Meta(
            description="Largest share of anchors, or of stress days, that are violated.",
            gt=0,
            lt=1,
        ),
    ] = 0.15
    shadow_days: Annotated[
        int,
        Meta(
            description="Days that a candidate runs beside the deployed signal before it trades.",
            ge=0,
            le=1000,
        ),
    ] = 21
    window_days: Annotated[
        int, Meta(description="Days that the monitors look back.", ge=5, le=252)
    ] = 63


class ReplaySettings(StudySection, frozen=True):
    """A walk through real daily bars."""

    history_years: Annotated[
        float, Meta(description="Years at the start that the backbone is fitted on.", ge=1, le=50)
    ] = 5.0
    update_days: Annotated[
        int, Meta(description="Trading days between two updates.", ge=5, le=504)
    ] = 63
    window_days: Annotated[
        int, Meta(description="Trading days before an update that it learns from.", ge=20, le=2000)
    ] = 252
    horizon_days: Annotated[
        int, Meta(description="Days ahead whose return is predicted.", ge=1, le=63)
    ] = 5
    symbols: Annotated[
        int, Meta(description="Most symbols, by dollar volume in the history.", ge=4, le=500)
    ] = 60
    delisting_return: Annotated[
        float,
        Meta(
            description="Return of a share that leaves the market, a day after its last bar.",
            ge=-1,
            le=1,
        ),
    ] = DELISTING_RETURN
    splits: Annotated[
        Treatment,
        Meta(
            description="Treatment of splits that prices were not adjusted for. refuse: an error. "
            "repair: they are taken out. keep: they are traded as they stand."
        ),
    ] = "refuse"
    stress: Annotated[
        tuple[str, ...],
        Meta(
            description="Stress windows that you define, first and last day with a colon between, "
            "as in 2008-09-01:2009-03-31; empty: found by a rule."
        ),
    ] = ()


class StudySettings(StudySection, frozen=True):
    """One study: it is made again, number for number, by its settings alone."""

    preset: Annotated[str, Meta(description="Name of the preset that the study was made from.")] = (
        "default"
    )
    seeds: Annotated[
        int, Meta(description="Number of synthetic markets, each with its own seed.", ge=1, le=500)
    ] = 30
    first_seed: Annotated[int, Meta(description="Seed of the first market.", ge=0, lt=2**31)] = 300
    market: MarketSettings = MarketSettings()
    adaptation: AdaptationSettings = AdaptationSettings()
    portfolio: PortfolioSettings = PortfolioSettings()
    policy: PolicySettings = PolicySettings()

    @property
    def seed_list(self) -> list[int]:
        return list(range(self.first_seed, self.first_seed + self.seeds))
