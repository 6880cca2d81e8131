"""Settings of the alpha desk and of the upstreams behind it."""

from typing import Annotated, Literal

from msgspec import Meta

from radiance.config.section import Section


class UpstreamSettings(Section, frozen=True):
    """One model elsewhere that the fallback chain may ask."""

    name: Annotated[str, Meta(min_length=1)]
    kind: Literal["openai", "anthropic"]
    url: Annotated[str, Meta(min_length=1)]
    model: Annotated[str, Meta(min_length=1)]
    key_env: str = ""
    cost: Annotated[float, Meta(ge=0)] = 0.0
    timeout_s: Annotated[float, Meta(gt=0)] = 30.0


class ChainSettings(Section, frozen=True):
    """Who answers when the local model cannot. Without upstreams nothing leaves the machine."""

    upstreams: Annotated[
        tuple[UpstreamSettings, ...],
        Meta(
            description='Tables {name, kind = "openai" or "anthropic", url, model, key_env, cost, '
            "timeout_s}: models that may be asked, with the environment variable of their key."
        ),
    ] = ()
    order: Annotated[
        Literal["listed", "cost", "health"],
        Meta(description="In which order upstreams are asked: cheapest or healthiest first."),
    ] = "listed"
    local: Annotated[
        Literal["first", "last"], Meta(description="When the local model is asked.")
    ] = "first"
    deadline_s: Annotated[
        float, Meta(description="Seconds for all attempts at one answer together.", gt=0)
    ] = 30.0
    breaker_failures: Annotated[
        int, Meta(description="Failures in a row after which an upstream is left alone.", ge=1)
    ] = 3
    breaker_seconds: Annotated[
        float, Meta(description="How long that lasts, in seconds.", gt=0)
    ] = 30.0


class AlphasSettings(Section, frozen=True):
    """The alpha desk: POST /alphas/generate."""

    data: Annotated[
        str,
        Meta(
            description="Daily bars to backtest on, Parquet or CSV, relative to the root; empty: "
            "made-up ones."
        ),
    ] = ""
    groups: Annotated[
        str, Meta(description="CSV of symbol, sector, industry, subindustry; relative to the root.")
    ] = ""
    challenger: Annotated[
        str, Meta(description="Checkpoint that answers a share of the prompts, on trial; or none.")
    ] = ""
    challenger_share: Annotated[float, Meta(description="That share of the users.", gt=0, lt=1)] = (
        0.5
    )
    trial_error: Annotated[
        float,
        Meta(description="Chance that equals are told apart, however often one looks.", gt=0, lt=1),
    ] = 0.05
