"""Which calls of a strategy QuantConnect's API does not have."""

import pytest

from radiance.labs.alphas.strategies.running import judge
from radiance.labs.alphas.strategies.type_check import type_errors
from radiance.labs.alphas.values.synthetic import made_up
from tests.labs.alphas.test_strategies import CROSSING

pytest.importorskip("AlgorithmImports", reason="quantconnect-stubs (group strategies) lack")
pytest.importorskip("mypy", reason="mypy (group strategies) is not installed")
# mypy reads some megabytes of stubs the first time.
pytestmark = pytest.mark.slow

PASCAL = """
from AlgorithmImports import *

class Older(QCAlgorithm):
    def Initialize(self):
        self.SetStartDate(2019, 1, 1)
        self.SetCash(100000)
        self.stock = self.AddEquity("SPY", Resolution.Daily, extendedMarketHours=False).Symbol
        self.fast = self.EMA(self.stock, 10, Resolution.Daily)
        self.universe = LiquidETFUniverse.SP500Sectors
        self.later = None
        self.rows = [[self.stock, self.fast]]
        AddReference("System")

    def OnData(self, data):
        if self.Portfolio.Invested or not self.fast.IsReady:
            return
        self.later.anything()
        self.rows[0][1].Current.Value
        for holding in self.Portfolio.Values:
            self.Log(str(holding.Quantity))
        self.SetHoldings(self.stock, 1)
"""


def test_an_invented_call_is_a_type_error() -> None:
    assert type_errors(CROSSING) == ()
    wrong = CROSSING.replace("self.liquidate()", "self.sell_everything_now()")
    errors = type_errors(wrong)
    assert errors
    assert "sell_everything_now" in errors[0]
    assert errors[0].startswith(f"line {1 + wrong[: wrong.index('self.sell_ev')].count(chr(10))}:")
    assert judge(wrong, made_up(200, 4)).outcome == "type errors"


def test_the_older_spelling_is_none() -> None:
    assert type_errors(PASCAL) == ()


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("self.SetHoldings(", "self.SetEverything("),
        ("Resolution.Daily,", "Resolution.Fortnightly,"),
        ("LiquidETFUniverse.SP500Sectors", "LiquidETFUniverse.Everything"),
        ("self.EMA(", "self.EMAOfAll("),
        ("extendedMarketHours", "extendedMarketDays"),
        ("Resolution.Daily)", "Wherever.Daily)"),
    ],
)
def test_an_invented_name_in_the_older_spelling_is_told_as_it_was_written(
    right: str, wrong: str
) -> None:
    errors = type_errors(PASCAL.replace(right, wrong))
    assert errors
    name = wrong.strip("(),").replace("Wherever.Daily", "Wherever").rpartition(".")[2]
    assert f'"{name}"' in errors[0]


def test_names_of_another_file_are_not_missed_by_who_has_one_file() -> None:
    code = "from elsewhere_in_the_project import *\n" + CROSSING.replace("QCAlgorithm", "TheirBase")
    assert type_errors(code) == ()
    assert type_errors(CROSSING.replace("(QCAlgorithm)", "(TheirBase)"))
