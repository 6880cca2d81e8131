"""QuantConnect's framework, bricks and open hours, beside what they come to by hand."""

import datetime

import numpy as np
import pandas as pd
import pytest

from radiance.errors import ConfigError
from radiance.labs.alphas.strategies import bricks, hours, insights, market, portfolios, running
from radiance.labs.alphas.strategies.further_data import (
    Action,
    FundMember,
    read_actions,
    read_members,
)
from radiance.labs.alphas.strategies.naming import Unsupported
from radiance.labs.alphas.strategies.series import Arima
from radiance.labs.alphas.values.panel import Panel
from tests.labs.alphas.sandboxed import needs_sandbox

DAYS = pd.bdate_range("2019-01-01", "2019-03-29")
SYMBOLS = ("A", "B")
STAMPS = [pd.Timestamp(day) for day in DAYS]
BAR = market.Bar("A", STAMPS[0], (9.0, 9.0, 9.0, 9.0, 1.0))


def made_panel() -> Panel:
    rng = np.random.default_rng(5)
    shape = (len(DAYS), len(SYMBOLS))
    close = 40 * np.exp(np.cumsum(rng.normal(0, 0.02, shape), axis=0))
    opened = close * np.exp(rng.normal(0, 0.01, shape))
    fields: dict[str, np.ndarray] = {
        "open": opened,
        "high": np.maximum(opened, close),
        "low": np.minimum(opened, close),
        "close": close,
        "volume": np.full(shape, 1e6),
    }
    return Panel(DAYS.to_numpy().astype("datetime64[D]"), SYMBOLS, fields)


PANEL = made_panel()
OPENS, CLOSES = PANEL.fields["open"], PANEL.fields["close"]
HEAD = """from AlgorithmImports import *

class Mine(QCAlgorithm):
    def initialize(self):
        self.universe_settings.resolution = Resolution.DAILY
        self.set_universe_selection(ManualUniverseSelectionModel(["A", "B"]))
"""


def run(code: str, **given) -> running.StrategyVerdict:
    return running.judge(code, PANEL, cost_bps=0, check_types=False, **given)


@needs_sandbox
@pytest.mark.slow
def test_insights_become_equal_parts_of_the_portfolio():
    found = run(
        HEAD
        + """        up, day = InsightDirection.UP, timedelta(1)
        self.set_alpha(ConstantAlphaModel(InsightType.PRICE, up, day))
        self.set_portfolio_construction(EqualWeightingPortfolioConstructionModel(timedelta(999)))
        self.settings.rebalance_portfolio_on_insight_changes = False
        self.set_execution(ImmediateExecutionModel())
"""
    )
    assert (found.outcome, found.orders) == ("backtested", 2), found
    shares = np.floor(100_000 * 0.9975 / 2 / CLOSES[0])
    assert found.equity[-1] == pytest.approx(100_000 + shares @ (CLOSES[-1] - OPENS[1]))


@needs_sandbox
@pytest.mark.slow
def test_what_an_insight_says_ends_with_it_and_risk_goes_before():
    own = """from AlgorithmImports import *

class Once(AlphaModel):
    said = False
    def update(self, algorithm, data):
        if self.said:
            return []
        self.said = True
        return [Insight.price("A", timedelta(5), InsightDirection.DOWN)]
"""
    setup = """        self.set_alpha(Once())
        self.set_portfolio_construction(EqualWeightingPortfolioConstructionModel(timedelta(999)))
"""
    found = run(own + HEAD + setup)
    assert (found.outcome, found.orders) == ("backtested", 2), found
    shares = np.floor(100_000 * 0.9975 / CLOSES[0, 0])
    # Said at the first close, over at the sixth, which the seventh's close sees.
    assert found.equity[-1] == pytest.approx(100_000 - shares * (OPENS[7, 0] - OPENS[1, 0]))
    careful = f"{setup}        self.add_risk_management(MaximumDrawdownPercentPerSecurity(0.0))\n"
    earlier = run(own + HEAD + careful)
    assert earlier.orders == 2
    lost = next(day for day in range(1, 6) if CLOSES[day, 0] > OPENS[1, 0])
    bought = OPENS[lost + 1, 0]
    assert earlier.equity[-1] == pytest.approx(100_000 - shares * (bought - OPENS[1, 0]))


@needs_sandbox
@pytest.mark.slow
def test_a_brokerage_of_ones_own_refuses_and_events_come_one_after_the_other():
    found = run(
        """from AlgorithmImports import *

class Careful(DefaultBrokerageModel):
    def can_submit_order(self, security: Security, order: Order, message: BrokerageMessageEvent):
        if security.symbol == "B":
            return False, BrokerageMessageEvent(BrokerageMessageType.INFORMATION, "", "no B")
        return True, None

class Mine(QCAlgorithm):
    def initialize(self):
        self.set_brokerage_model(Careful())
        self.add_equity("A"), self.add_equity("B")
        self.told = []

    def on_data(self, data):
        if not self.told:
            self.ticket = self.market_order("B", 10)
            self.market_order("A", 10)

    def on_order_event(self, event: OrderEvent):
        before = len(self.told)
        self.told.append((str(event.symbol), event.status))
        if before == 0:
            self.limit_order("A", 1, 0.01)
            assert len(self.told) == 1, "an event within an event"

    def on_end_of_algorithm(self):
        error = self.ticket.submit_request.response.error_message
        assert error.endswith("[1] Information - Code:  - no B"), error
        want = [("B", "invalid"), ("A", "submitted"), ("A", "submitted"), ("A", "filled")]
        assert self.told == want, self.told
        assert self.transactions.orders_count == 3
"""
    )
    assert (found.outcome, found.orders) == ("backtested", 1), found


@needs_sandbox
@pytest.mark.slow
def test_a_strategy_may_have_files_of_its_own(tmp_path):
    (tmp_path / "sizes.py").write_text("from more import many\nSIZE = many()\n")
    (tmp_path / "more.py").write_text("def many() -> Whatever:\n    return 7\n")
    (tmp_path / "other.py").write_text("1 / 0\n")
    code = f"from sizes import SIZE\n{HEAD}        self.add_equity('A')\n" + (
        "    def on_data(self, data):\n"
        "        if not self.portfolio.invested: self.market_order('A', SIZE)\n"
    )
    files = running.files_beside(code, tmp_path)
    assert set(files) == {"sizes", "more"}
    found = run(code, files=files)
    assert found.equity[-1] == pytest.approx(100_000 + 7 * (CLOSES[-1, 0] - OPENS[1, 0]))
    assert run(code).outcome == "unsupported"


@needs_sandbox
@pytest.mark.slow
def test_dividends_and_splits_are_told_before_the_open():
    code = (
        HEAD
        + """        self.told = []

    def on_dividends(self, dividends):
        self.told.append((self.time, dividends["A"].distribution))

    def on_splits(self, splits: Splits):
        self.told.append(splits["B"].split_factor)

    def on_data(self, data):
        if data.dividends.contains_key("A"):
            assert data["A"] is None and data.count == 0
            self.market_order("A", 10)

    def on_end_of_algorithm(self):
        assert self.told == [(datetime(2019, 1, 3), 0.5), 0.25], self.told
"""
    )
    actions = [
        Action("2019-01-03", "A", dividend=0.5),
        Action("2019-01-08", "B", split=0.25),
        Action("2019-01-08", "C", dividend=1.0),
    ]
    found = run(code, actions=actions)
    assert (found.outcome, found.orders) == ("backtested", 1), found
    assert found.equity[-1] == pytest.approx(100_000 + 10 * (CLOSES[-1, 0] - OPENS[2, 0]))


@needs_sandbox
@pytest.mark.slow
def test_a_share_that_leaves_is_told_of_on_its_last_day_and_traded_no_more():
    code = (
        HEAD
        + """        self.told = []

    def on_data(self, data):
        if data.count and self.time.day == 3:
            self.market_order("A", 10)
        for pair in data.delistings:
            self.told.append((self.time.day, pair.value.type, self.securities["A"].is_tradable))
            if pair.value.type == DelistingType.WARNING:
                self.liquidate(pair.key)
            else:
                assert self.market_order(pair.key, 1).status == OrderStatus.INVALID

    def on_end_of_algorithm(self):
        assert self.told == [(7, 0, True), (8, 1, False)], self.told
"""
    )
    found = run(code, actions=[Action("2019-01-07", "A", is_last=True)])
    assert (found.outcome, found.orders) == ("backtested", 2), found
    assert found.equity[-1] == pytest.approx(100_000 + 10 * (OPENS[4, 0] - OPENS[3, 0]))


@needs_sandbox
@pytest.mark.slow
def test_the_members_of_a_fund_are_known_before_the_next_open():
    code = """from AlgorithmImports import *

class Mine(QCAlgorithm):
    def initialize(self):
        self.chosen = []
        self.add_universe(self.universe.etf("FUND", self.universe_settings, self.largest))

    def largest(self, members: List[ETFConstituentData]) -> List[Symbol]:
        self.chosen = [one.symbol for one in members if one.weight and one.weight > 0.1]
        return self.chosen

    def on_data(self, data):
        self.set_holdings([PortfolioTarget(one, 0.4) for one in self.chosen], True)
"""
    members = [
        FundMember("2019-01-02", "FUND", "A", 0.6),
        FundMember("2019-01-02", "FUND", "NOT THERE", 0.3),
        FundMember("2019-01-02", "FUND", "B", 0.1),
        FundMember("2019-02-01", "FUND", "NOT THERE", 1.0),
    ]
    found = run(code, members=members)
    assert found.outcome == "backtested", found
    shares = np.floor(100_000 * 0.4 * 0.9975 / CLOSES[2, 0])
    assert found.equity[2] == 100_000
    assert found.equity[3] == pytest.approx(100_000 + shares * (CLOSES[3, 0] - OPENS[3, 0]))
    assert found.equity[-1] == pytest.approx(found.equity[30])  # sold, as it is a member no more
    assert run(code).detail.startswith("the members of FUND")


def test_actions_and_members_are_read_from_tables(tmp_path):
    actions, members = tmp_path / "actions.csv", tmp_path / "members.csv"
    rows = "ex_date;ticker;dividend;split;last\n2020-01-31;A;0,5;;\n2020-02-03;A;;0,5;1\n"
    actions.write_text(rows)
    assert read_actions(actions) == [
        Action("2020-01-31", "A", 0.5),
        Action("2020-02-03", "A", 0.0, 0.5, True),
    ]
    members.write_text("date,etf,symbol,weight\n20200131,SPY,A,0.25\n20200131,SPY,B,\n")
    assert read_members(members) == [
        FundMember("2020-01-31", "SPY", "A", 0.25),
        FundMember("2020-01-31", "SPY", "B"),
    ]
    actions.write_text("date,symbol\n2020-01-31,A\n")
    with pytest.raises(ConfigError, match="no column dividend, split or last"):
        read_actions(actions)


def test_arima_expects_what_two_steps_of_least_squares_do():
    """Beside numpy's own solver, on the newest values first as Lean has them."""
    rng = np.random.default_rng(3)
    values = 100 + np.cumsum(rng.normal(0, 1, 40))
    made = Arima(1, 1, 1, 30)
    for value in values:
        made.feed(value)
    changes = values[::-1][:29] - values[::-1][1:30]
    factor = np.linalg.lstsq(changes[:-1, None], changes[1:], rcond=None)[0]
    errors = np.concatenate([[0.0], changes[1:] - factor * changes[:-1]])
    columns = np.column_stack([np.ones(28), changes[:-1], errors[:-1]])
    constant, of_value, of_error = np.linalg.lstsq(columns, changes[1:], rcond=None)[0]
    expected = values[-1] + constant + of_value * changes[0] + of_error * errors[2]
    assert float(made) == pytest.approx(expected)
    with pytest.raises(Unsupported, match="2 values and 1 errors"):
        Arima(2, 0, 1, 30)


def test_a_fill_at_a_price_that_was_not_traded_is_no_fill():
    answer = {"cash": 1e5, "last": 20, "fills": [[3, 0, 10.0, OPENS[3, 0], None]]}
    assert running._checked(answer, PANEL) == [running.FilledOrder(3, 0, 10.0, OPENS[3, 0])]
    high, low = PANEL.fields["high"][3, 0], PANEL.fields["low"][3, 0]
    for price in (high * 1.001, low * 0.999, float("nan"), 0.0):
        answer["fills"] = [[3, 0, 10.0, price, None]]
        assert running._checked(answer, PANEL) == "it claims a fill that was not possible"


def test_bricks_have_one_size_and_begin_where_the_last_one_ended():
    made = bricks.ClassicRenkoConsolidator(2.5)
    found: list[tuple[float, float]] = []
    made.data_consolidated += lambda sender, brick: found.append((brick.open, brick.close))
    for close in (99.0, 101.0, 103.0, 108.0, 101.0, 100.9):
        made.update(market.Bar("A", STAMPS[0], (close,) * 4 + (1.0,)))
    # The first begins at the next multiple; one bar is out a day, however far it goes.
    assert found == [(100, 102.5), (102.5, 105), (105, 102.5)]
    assert made.working_data.open == 102.5


def test_a_bar_of_a_range_is_as_high_as_it_and_a_jump_makes_several():
    made = bricks.RangeConsolidator(100)
    found: list[tuple[float, float]] = []
    made.data_consolidated += lambda sender, bar: found.append((bar.low, bar.high))
    for close in (10.0, 10.5, 12.3, 12.0):
        made.update(market.Bar("A", STAMPS[0], (close,) * 4 + (1.0,)))
    assert np.round(found, 2).tolist() == [[10, 11], [11.01, 12.01]]


def test_open_hours_leave_out_nights_weekends_and_early_evenings():
    friday = pd.Timestamp("2019-02-01 16:00").to_pydatetime()
    open_hours = hours.OpenHours([day.date() for day in DAYS])
    assert open_hours.after_days(friday, 1) == pd.Timestamp("2019-02-04 16:00")
    assert open_hours.after(friday, datetime.timedelta(minutes=20)) == pd.Timestamp(
        "2019-02-04 09:50"
    )
    assert open_hours.after(friday, datetime.timedelta(hours=7)) == pd.Timestamp("2019-02-05 10:00")
    assert open_hours.next_open(friday) == pd.Timestamp("2019-02-04 09:30")
    assert hours.utc(friday) == pd.Timestamp("2019-02-01 21:00")
    assert hours.utc(pd.Timestamp("2019-03-11 16:00")) == pd.Timestamp("2019-03-11 20:00")
    for day, hour in (
        ("2019-07-03", 13),
        ("2019-11-29", 13),
        ("2019-12-24", 13),
        ("2019-12-26", 16),
    ):
        assert hours.closes(pd.Timestamp(day).date()).hour == hour


def test_weights_on_the_simplex_and_of_equal_risk():
    np.testing.assert_allclose(portfolios.on_simplex(np.array([0.9, 0.5, -2.0])), [0.7, 0.3, 0.0])
    covariance = np.array([[0.04, 0.006], [0.006, 0.01]])
    weights = portfolios.equal_risk(covariance)
    risk = weights * (covariance @ weights)
    assert weights.sum() == pytest.approx(1)
    assert risk[0] == pytest.approx(risk[1])


def test_an_insight_lasts_what_it_says():
    now = STAMPS[3].to_pydatetime() + datetime.timedelta(hours=16)
    open_hours = hours.OpenHours([day.date() for day in DAYS])
    manager = insights.InsightManager(lambda: hours.utc(now))
    said = [
        insights.Insight.price("A", "daily", 2, insights.InsightDirection.UP),
        insights.Insight.price("B", datetime.timedelta(days=1), insights.InsightDirection.UP),
    ]
    for insight in said:
        insight.begin(now, 9.0, open_hours)
    manager.add_range(said)
    assert said[0].period == datetime.timedelta(days=4)  # from a Friday over a weekend to Tuesday
    later = hours.utc(open_hours.after_days(now, 1)) + datetime.timedelta(seconds=1)
    assert manager.get_active_insights(later) == said[:1]
    assert manager.remove_expired_insights(later) == said[1:]
    manager.expire(["A"])
    assert not manager.has_active_insights("A", hours.utc(now))
    assert manager.total_count == 2
