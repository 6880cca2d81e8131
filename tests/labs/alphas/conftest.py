"""Market data for the tests of alphas: the shared panel, or why it is not there."""

import pytest

from radiance.labs.alphas.values.panel import Panel, read
from tests.support import REPOSITORY

MARKET = REPOSITORY.parent / "shared" / "data" / "market"


@pytest.fixture(scope="session")
def market() -> Panel:
    """150 US shares, 2005 to 2019."""
    bars, groups = MARKET / "us_daily_2005_2019.parquet", MARKET / "sectors.csv"
    if not bars.exists():
        pytest.skip("market/us_daily_2005_2019.parquet of the shared data is missing")
    return read(bars, groups)
