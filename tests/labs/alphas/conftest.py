"""Market data for the tests of alphas: the shared panel, or why it is not there."""

import pytest

from radiance.labs.alphas.values.panel import Panel, read
from tests.shared_data import MARKET_BARS, why_missing


@pytest.fixture(scope="session")
def market() -> Panel:
    """150 US shares, 2005 to 2019."""
    if not MARKET_BARS.exists():
        pytest.skip(why_missing(MARKET_BARS))
    return read(MARKET_BARS, MARKET_BARS.with_name("sectors.csv"))
