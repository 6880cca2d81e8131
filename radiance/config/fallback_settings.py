"""Settings of the models elsewhere that may answer where the local one cannot."""

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
    """Fallback to models elsewhere. Without upstreams nothing leaves the machine."""

    upstreams: Annotated[
        tuple[UpstreamSettings, ...],
        Meta(
            description='Models elsewhere that may be asked, each a table {name, kind = "openai" '
            'or "anthropic", url, model, key_env, cost, timeout_s}; key_env names the environment '
            "variable that holds the API key."
        ),
    ] = ()
    order: Annotated[
        Literal["listed", "cost", "health"],
        Meta(
            description="Order in which upstreams are asked. listed: as upstreams has them. cost: "
            "cheapest first. health: fewest failures first."
        ),
    ] = "listed"
    local: Annotated[
        Literal["first", "last"],
        Meta(description="Place of the local model: before or after the upstreams."),
    ] = "first"
    deadline_s: Annotated[
        float, Meta(description="Most seconds for all attempts at one answer together.", gt=0)
    ] = 30.0
    breaker_failures: Annotated[
        int, Meta(description="Failures in a row after which an upstream is left alone.", ge=1)
    ] = 3
    breaker_seconds: Annotated[
        float,
        Meta(description="Seconds that an upstream is left alone after breaker_failures.", gt=0),
    ] = 30.0
