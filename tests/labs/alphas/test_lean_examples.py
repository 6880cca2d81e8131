"""Lean's own daily examples, on its own bars, to the equity that it publishes for them."""

from pathlib import Path

import pytest

from bench import lean_examples
from radiance.labs.alphas.values.panel import Panel
from tests.labs.alphas.sandboxed import needs_sandbox
from tests.shared_data import LEAN, needs

pytestmark = needs_sandbox
ENDS = """
AddAlphaModelAlgorithm AddUniverseSelectionModelAlgorithm
AutoRegressiveIntegratedMovingAverageRegressionAlgorithm BasicTemplateDailyAlgorithm
ClassicRenkoConsolidatorAlgorithm ConvertToFrameworkAlgorithm
CustomBrokerageModelRegressionAlgorithm DelistingEventsAlgorithm
DisplacedMovingAverageRibbon ETFConstituentsFrameworkAlgorithm
InsightTagAlphaRegressionAlgorithm MACDTrendAlgorithm
MeanReversionPortfolioAlgorithm NamedArgumentsRegression
PortfolioRebalanceOnCustomFuncRegressionAlgorithm
PortfolioRebalanceOnDateRulesRegressionAlgorithm RiskParityPortfolioAlgorithm
StopLimitOrderRegressionAlgorithm UpdateOrderRegressionAlgorithm VolumeShareSlippageModelAlgorithm
"""


@pytest.fixture(scope="module")
def panel() -> Panel:
    return lean_examples.bars(LEAN)


@needs(LEAN)
@pytest.mark.parametrize(
    "name",
    ENDS.split(),
)
def test_an_example_ends_with_the_equity_that_lean_publishes(panel, name):
    found, wanted = lean_examples.run(LEAN, name, panel), lean_examples.published(LEAN, name)
    assert found.outcome == "backtested", found
    assert wanted is not None
    assert lean_examples.outcome(LEAN, name, found).startswith("as published")


@needs(LEAN)
def test_no_example_fails_by_our_fault(panel):
    """A sample: all take minutes."""
    for name in lean_examples.examples(LEAN)[::20]:
        found = lean_examples.run(LEAN, name, panel)
        said = lean_examples.outcome(LEAN, name, found)
        fine = ("backtested", "no trades", "unsupported", "as published")
        assert said.startswith(fine) or said.endswith("for C# alone"), (name, found)


def _checkout(folder: Path) -> Path:
    import zipfile

    (folder / "Data/equity/usa/daily").mkdir(parents=True)
    (folder / "Data/equity/usa/factor_files").mkdir()
    (folder / "Algorithm.Python").mkdir()
    (folder / "Algorithm.CSharp").mkdir()
    days = [f"202001{day:02d} 00:00,{day * 10_000},{day * 10_000 + 5000},{day * 10_000 - 5000},"
            f"{day * 10_000},100" for day in range(2, 30)]  # fmt: skip
    with zipfile.ZipFile(folder / "Data/equity/usa/daily/abc.zip", "w") as packed:
        packed.writestr("abc.csv", "\n".join(days))
    (folder / "Data/equity/usa/factor_files/abc.csv").write_text(
        "20200110,0.9,0.5,10\n20501231,1,1,0\n"
    )
    (folder / "Algorithm.Python/Held.py").write_text("""from AlgorithmImports import *

class Held(QCAlgorithm):
    def initialize(self):
        self.set_start_date(2020, 1, 13)
        self.set_end_date(2020, 1, 20)
        self.add_equity("ABC", Resolution.DAILY)

    def on_data(self, data):
        if not self.portfolio.invested:
            self.set_holdings([PortfolioTarget("ABC", 1)])
""")
    (folder / "Algorithm.CSharp/Held.cs").write_text('{"End Equity", "142656.02"},')
    return folder


def test_bars_are_adjusted_and_a_target_leaves_room_for_fees_and_a_reserve(tmp_path):
    lean = _checkout(tmp_path)
    panel = lean_examples.bars(lean)
    close = panel.fields["close"][:, 0]
    assert close[0] == pytest.approx(2 * 0.9 * 0.5)
    assert close[8] == pytest.approx(10 * 0.9 * 0.5)
    assert close[9] == pytest.approx(11)
    assert panel.fields["volume"][0, 0] == 200
    assert lean_examples.examples(lean) == ["Held"]
    found = lean_examples.run(lean, "Held", panel)
    # Ordered at the close of the 13th, filled at the 14th's open; half a cent a share.
    shares = int((100_000 * 0.9975 - 0.005 * int(99_750 / 13)) / 13)
    assert found.equity[-1] == pytest.approx(100_000 + shares * (20 - 14 - 0.005))
    assert len(found.equity) == 19
