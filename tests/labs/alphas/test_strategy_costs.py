"""Fees, slippage, universes and events of strategies, run in the sandbox, beside plain pandas."""

import numpy as np
import pandas as pd
import pytest

from radiance.labs.alphas.strategies import costs, market, running
from radiance.labs.alphas.strategies.naming import Unsupported
from radiance.labs.alphas.values.panel import Panel
from tests.labs.alphas.sandboxed import needs_sandbox

pytestmark = pytest.mark.slow
DAYS = pd.bdate_range("2019-01-01", "2019-06-28")
SYMBOLS = ("A", "B", "C")
VOLUME = 40_000.0


def made_panel() -> Panel:
    rng = np.random.default_rng(11)
    shape = (len(DAYS), len(SYMBOLS))
    close = 40 * np.exp(np.cumsum(rng.normal(0, 0.02, shape), axis=0))
    opened = close * np.exp(rng.normal(0, 0.01, shape))
    fields: dict[str, np.ndarray] = {
        "open": opened,
        "high": np.maximum(opened, close),
        "low": np.minimum(opened, close),
        "close": close,
        "volume": np.full(shape, VOLUME),
    }
    return Panel(DAYS.to_numpy().astype("datetime64[D]"), SYMBOLS, fields)


PANEL = made_panel()
OPENS = pd.DataFrame(PANEL.fields["open"], DAYS, SYMBOLS)
CLOSES = pd.DataFrame(PANEL.fields["close"], DAYS, SYMBOLS)


def run(setup: str, body: str, more: str = "") -> running.StrategyVerdict:
    """A strategy of lines for ``initialize``, for ``on_data``, and of further methods."""

    def lines(text: str) -> str:
        return "\n".join(f"        {line}" for line in text.strip().splitlines())

    code = (
        f"from AlgorithmImports import *\n\nclass Mine(QCAlgorithm):\n    def initialize(self):\n"
        f"        self.days = 0\n{lines(setup)}\n    def on_data(self, data):\n"
        f"        self.days += 1\n{lines(body)}\n{more}"
    )
    return running.judge(code, PANEL, check_types=False)


def order(quantity: float, price: float = 50.0, volume: float = VOLUME) -> costs.BareOrder:
    return costs.BareOrder("A", quantity, price, volume)


@pytest.mark.parametrize(
    ("quantity", "price", "fee"),
    [(100, 50, 1.0), (1_000, 50, 5.0), (-1_000, 50, 5.0), (1_000, 0.5, 2.5), (10, 0.1, 1.0)],
)
def test_interactive_brokers_takes_half_a_cent_within_its_bounds(quantity, price, fee):
    asked = costs.OrderFeeParameters(None, order(quantity, price))
    assert costs.InteractiveBrokersFeeModel().get_order_fee(asked) == pytest.approx(fee)


def test_slippage_by_the_share_of_the_volume_ends_at_its_limit():
    model = costs.VolumeShareSlippageModel(0.025, 0.1)
    assert model.get_slippage_approximation(None, order(400)) == pytest.approx(0.01**2 * 0.1 * 50)
    most = 0.025**2 * 0.1 * 50
    assert model.get_slippage_approximation(None, order(-9_000)) == pytest.approx(most)
    assert model.get_slippage_approximation(None, order(1, volume=0)) == pytest.approx(most)


def test_a_cost_that_is_none_is_an_error_and_a_model_without_its_method_unsupported():
    security = market.Security("A", market.Portfolio())
    security.SetSlippageModel(costs.ConstantSlippageModel(-0.1))
    with pytest.raises(ValueError, match="slippage"):
        security.costs.of(security, order(1))
    with pytest.raises(Unsupported, match="without get_order_fee"):
        security.FeeModel = costs.NullSlippageModel()
    with pytest.raises(Unsupported, match="MarginModel"):
        security.MarginModel = 3


MODELS = {
    "none": ("", 0.0005, None),
    "constant": ("self.securities['A'].set_fee_model(ConstantFeeModel(7))", 0.0, 7.0),
    "older": ("self.Securities['A'].FeeModel = ConstantFeeModel(7)", 0.0, 7.0),
    "slippage": (
        "self.securities['A'].set_slippage_model(ConstantSlippageModel(0.002))",
        0.002,
        0.0,
    ),
    "both": (
        "self.set_brokerage_model(BrokerageName.INTERACTIVE_BROKERS_BROKERAGE)\n"
        "self.add_equity('B').set_fee_model(ConstantFeeModel(2))",
        0.0,
        None,
    ),
}


@needs_sandbox
@pytest.mark.parametrize("name", ["none", "constant", "older", "slippage"])
def test_the_account_bears_what_the_strategy_sets_and_five_points_else(name):
    setup, share, fee = MODELS[name]
    found = run(
        f"self.set_cash(50_000)\nself.add_equity('A')\n{setup}",
        "if self.days == 3:\n    self.market_order('A', 400)\n"
        "if self.days == 60:\n    self.sell('A', 400)",
    )
    assert (found.outcome, found.orders) == ("backtested", 2), found.detail
    assert found.sets_costs == (name != "none")
    orders = {DAYS[3]: 400.0, DAYS[60]: -400.0}
    traded = pd.Series(orders).reindex(
        DAYS, fill_value=0.0
    )  # the opens behind the third and sixtieth closes
    paid = (traded * OPENS["A"]).cumsum()
    each = traded.abs() * OPENS["A"] * share + (fee or 0.0) * (traded != 0)
    expected = 50_000 - paid - each.cumsum() + traded.cumsum() * CLOSES["A"]
    np.testing.assert_allclose(found.equity, expected, rtol=1e-12)
    assert found.costs == pytest.approx(each.sum())


@needs_sandbox
def test_models_of_ones_own_are_asked_for_every_order():
    own = """
class Fee(FeeModel):
    def GetOrderFee(self, parameters):
        return OrderFee(CashAmount(parameters.Order.AbsoluteQuantity * 0.01, "USD"))

class Slip:
    def get_slippage_approximation(self, asset, order):
        return 0.02 if order.quantity > 0 else 0.03
"""
    found = run(
        "one = self.add_equity('A')\none.set_fee_model(Fee())\none.set_slippage_model(Slip())",
        "if self.days in (3, 9):\n    self.market_order('A', 100 if self.days == 3 else -100)",
        own,
    )
    assert found.outcome == "backtested", found.detail
    assert found.costs == pytest.approx(2 * 1.0 + 100 * 0.02 + 100 * 0.03)


@needs_sandbox
def test_a_brokerages_fees_are_those_of_every_share():
    found = run(
        "self.set_brokerage_model(BrokerageName.INTERACTIVE_BROKERS_BROKERAGE, "
        "AccountType.MARGIN)\nself.add_equity('A')\nself.add_equity('B')",
        "if self.days == 2:\n    self.buy('A', 1_000)\n    self.buy('B', 10)",
    )
    assert found.costs == pytest.approx(1_000 * 0.005 + 1.0)


@needs_sandbox
def test_a_universe_by_list_is_followed_and_what_leaves_it_is_told():
    more = """
    def choose(self, time):
        return ["A", "B"] if time.month < 3 else ["B", "C"]

    def on_securities_changed(self, changes):
        for one in changes.removed_securities:
            self.liquidate(one.symbol)
        for one in changes.added_securities:
            self.market_order(one.symbol, 10)
"""
    more = more.replace("def choose", "def pick")
    found = run("self.add_universe('mine', Resolution.DAILY, self.pick)", "pass", more)
    assert (found.outcome, found.orders) == ("backtested", 4), found.detail
    opened, bought = OPENS.iloc[0], DAYS.get_loc(pd.Timestamp("2019-03-01"))
    expected = (
        10 * (CLOSES["B"].iloc[-1] - opened["B"])
        + 10 * (PANEL.fields["open"][bought, 0] - opened["A"])
        + 10 * (CLOSES["C"].iloc[-1] - PANEL.fields["open"][bought, 2])
    )
    assert found.costs is not None
    assert found.equity[-1] == pytest.approx(100_000 + expected - found.costs)


@needs_sandbox
@pytest.mark.parametrize(
    "setup",
    [
        "self.set_universe_selection(ManualUniverseSelectionModel(['A', 'C']))",
        "self.universe_settings.resolution = Resolution.DAILY\n"
        "symbols = [Symbol.create(t, SecurityType.EQUITY, Market.USA) for t in ('A', 'C')]\n"
        "self.AddUniverseSelection(ManualUniverseSelectionModel(symbols))",
        "self.add_universe_selection(ScheduledUniverseSelectionModel("
        "self.date_rules.month_start(), self.time_rules.midnight, lambda time: ['A', 'C']))",
    ],
)
def test_universe_models_of_lists_are_followed(setup):
    body = (
        "if self.days == 40:\n    assert sorted(data.keys()) == ['A', 'C'], data.keys()\n"
        "    assert sorted(self.active_securities) == ['A', 'C']\n    self.buy('C', 1)"
    )
    found = run(setup, body)
    assert (found.outcome, found.orders) == ("backtested", 1), found.detail


@needs_sandbox
def test_an_event_before_the_open_knows_the_day_before_and_trades_at_that_open():
    more = """
    def enter(self):
        bars = self.history("A", 500)
        assert bars.index[-1] < self.time
        self.market_order("A", round(bars["close"].iloc[-1]))

    def leave(self):
        assert self.history("A", 1).index[-1] == self.time
        self.liquidate("A")
"""
    setup = (
        "self.add_equity('A')\n"
        "self.schedule.on(self.date_rules.on(2019, 3, 4), self.time_rules.midnight, self.enter)\n"
        "self.schedule.on(self.date_rules.month_end('A'), "
        "self.time_rules.before_market_close('A', 5), self.leave)"
    )
    found = run(setup, "pass", more)
    assert (found.outcome, found.orders) == ("backtested", 2), found.detail
    count = round(CLOSES["A"]["2019-03-01"])
    earned = count * (OPENS["A"]["2019-04-01"] - OPENS["A"]["2019-03-04"])
    assert found.costs is not None
    assert found.equity[-1] == pytest.approx(100_000 + earned - found.costs)


@needs_sandbox
def test_what_is_liquidated_is_not_bought_by_an_order_that_waits():
    found = run(
        "self.add_equity('A')\nself.add_equity('B')",
        "if self.days == 3:\n    self.buy('A', 5)\n    self.buy('B', 5)\n"
        "    self.liquidate('A')\n"
        "if self.days == 9:\n    self.buy('A', 5)\n    self.liquidate()",
    )
    assert (found.outcome, found.orders) == ("backtested", 2), found  # B alone, in and out


@needs_sandbox
def test_a_week_is_out_before_the_next_open_and_what_it_orders_is_filled_there():
    more = """
    def week(self, bar):
        assert bar.time.weekday() == 0
        if bar.time == datetime(2019, 2, 4):
            self.market_order("A", round(bar.high))
"""
    found = run(
        "self.add_equity('A')\nself.consolidate('A', Calendar.WEEKLY, self.week)", "pass", more
    )
    high = round(
        PANEL.fields["high"][DAYS.get_indexer(pd.bdate_range("2019-02-04", periods=5)), 0].max()
    )
    assert (found.outcome, found.orders) == ("backtested", 1), found.detail
    earned = high * (CLOSES["A"].iloc[-1] - OPENS["A"]["2019-02-11"])
    assert found.costs is not None
    assert found.equity[-1] == pytest.approx(100_000 + earned - found.costs)


@needs_sandbox
def test_warming_up_is_of_as_many_bars_and_history_is_of_all_before():
    found = run(
        "self.set_start_date(2019, 3, 1)\nself.set_warm_up(20)\nself.add_equity('A')\n"
        "self.mean = self.sma('A', 20)",
        "if self.days == 1:\n    assert self.mean.is_ready\n"
        "    bars = self.history('A', 30)\n    assert len(bars) == 30\n"
        "    assert abs(bars['close'][-20:].mean() - float(self.mean)) < 1e-9\n"
        "    self.buy('A', 1)",
    )
    assert (found.outcome, found.orders) == ("backtested", 1), found.detail


@needs_sandbox
@pytest.mark.parametrize(
    ("setup", "named"),
    [
        ("self.add_universe(lambda coarse: [])", "add_universe"),
        ("self.add_universe_selection(QC500UniverseSelectionModel())", "QC500Universe"),
        ("self.universe_settings.resolution = Resolution.MINUTE", "minute resolution"),
        ("self.universe_settings.leverage = 2", "UniverseSettings.leverage"),
        ("self.set_universe_selection(ManualUniverseSelectionModel(['ZZZ']))", "ZZZ"),
        ("self.add_equity('A').set_fill_model(1)", "Security.set_fill_model"),
        ("self.add_equity('A').set_fee_model(AlpacaFeeModel())", "AlpacaFeeModel"),
        ("self.set_brokerage_model(BrokerageName.ALPACA)", "ALPACA"),
        ("self.consolidate('A', timedelta(minutes=5), print)", "0:05:00"),
        ("self.schedule.on(self.date_rules.every_day(), self.time_rules.every(1), print)", "every"),
        ("self.x = RenkoConsolidator(3)", "RenkoConsolidator"),
    ],
)
def test_what_is_outside_is_unsupported_by_name(setup, named):
    found = run(setup, "self.buy('A', 1)")
    assert (found.outcome, named in found.detail) == ("unsupported", True), found
