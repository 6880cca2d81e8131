"""Settings of the alpha lab: the section ``[alphas]``."""

from typing import Annotated

from msgspec import Meta

from radiance.config import Section


class AlphasSettings(Section, frozen=True):
    """The alpha desk, POST /alphas/generate."""

    data: Annotated[
        str,
        Meta(
            description="Daily bars to backtest on, a Parquet or CSV file relative to the root; "
            "empty: synthetic bars."
        ),
    ] = ""
    groups: Annotated[
        str,
        Meta(
            description="CSV file of symbol, sector, industry and subindustry, relative to the "
            "root; empty: no groups."
        ),
    ] = ""
    challenger: Annotated[
        str,
        Meta(
            description="Checkpoint or upstream that answers a share of the prompts; empty: none."
        ),
    ] = ""
    challenger_share: Annotated[
        float, Meta(description="Share of the users whom the challenger answers.", gt=0, lt=1)
    ] = 0.5
    trial_error: Annotated[
        float,
        Meta(
            description="Chance that a trial of two equally good checkpoints names a winner, "
            "however often its result is read.",
            gt=0,
            lt=1,
        ),
    ] = 0.05
