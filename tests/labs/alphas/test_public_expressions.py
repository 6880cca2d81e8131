"""Thirty-two expressions as three places publish them, beside plain pandas.

BRAIN's from its documentation and public notebooks, Qlib's from its Alpha158, the rest from Guotai
Junan's 191 alphas. What is compared is every cell from the day on which all windows are full.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radiance.labs.alphas.language.checker import check
from radiance.labs.alphas.language.parser import parse
from radiance.labs.alphas.language.printer import render
from radiance.labs.alphas.language.semantics import Readings
from radiance.labs.alphas.language.syntax import AlphaError, AlphaSyntaxError
from radiance.labs.alphas.values.evaluator import Evaluator
from radiance.labs.alphas.values.panel import Panel
from radiance.labs.alphas.values.synthetic import made_up

DAYS = 150
OWN = ("cashflow_op", "liabilities", "assets", "eps", "mdl175_volatility", "mdl175_revenuettm")


def bars() -> Panel:
    """Whole bars with the further columns of a user, ``eps`` only on some days."""
    panel, rng = made_up(DAYS, 40), np.random.default_rng(5)
    panel = panel.columns(np.flatnonzero(np.isfinite(panel.fields["close"]).all(axis=0)))
    fields = {name: rng.lognormal(size=panel.shape) for name in OWN}
    fields["eps"][np.arange(DAYS) % 20 != 0] = np.nan
    vwap = (panel.fields["high"] + panel.fields["close"]) / 2
    cap = panel.fields["close"] * rng.uniform(1e6, 1e9, panel.shape[1])
    groups = {name: codes % 4 for name, codes in panel.groups.items()}
    known = {**panel.fields, "vwap": vwap, "cap": cap, **fields}
    return Panel(panel.dates, panel.symbols, known, groups)


PANEL = bars()
D = {name: pd.DataFrame(values) for name, values in PANEL.fields.items()}
O, H, L, C, V = (D[name] for name in ("open", "high", "low", "close", "volume"))  # noqa: E741
VWAP, CAP = D["vwap"], D["cap"]
RET = C.pct_change(fill_method=None)
DATE = pd.Series(np.arange(1.0, DAYS + 1))


def ranked(x):
    """Ranks of ten decimals: prices are cents, and pandas takes rounding for an order."""
    return x.round(10).rank(axis=1, pct=True)


def within(x, level, function):
    return x.T.groupby(PANEL.groups[level]).transform(function).T


def ts_rank(x, days):
    return x.rolling(days).rank(pct=True)


def zscore(x, days):
    return (x - x.rolling(days).mean()) / x.rolling(days).std()


def on_time(x, days, what):
    """Slope, share explained or what is left of each window's line, by NumPy."""

    def fitted(window):
        line = np.polyfit(np.arange(days), window, 1)
        left = window - np.polyval(line, np.arange(days))
        return {
            "slope": line[0],
            "left": left[-1],
            "share": 1 - (left**2).sum() / ((window - window.mean()) ** 2).sum(),
        }[what]

    return x.rolling(days).apply(fitted, raw=True)


def on(y, x, days):
    return y.rolling(days).cov(x) / x.rolling(days).var()


def held(event, alpha):
    return alpha.where(event).ffill()


def sma(x, n, m):
    return x.ewm(alpha=m / n, adjust=False).mean()


def decayed(x, days):
    return x.rolling(days).apply(
        lambda w: (w * np.arange(1, days + 1)).sum() / (days * (days + 1) / 2), raw=True
    )


def chosen(condition, then, otherwise):
    return pd.DataFrame(np.where(condition, then, otherwise))


BRAIN = {
    "SMA_30 = ts_mean(close,30);\nrank(SMA_30 - close)": lambda: ranked(C.rolling(30).mean() - C),
    "event = volume>adv20;\nalpha = (-ts_delta(close,5));\ntrade_when(event,alpha,-1)": lambda: (
        held(V.rolling(20).mean() < V, -C.diff(5))
    ),
    "(vwap-close)/vwap": lambda: (VWAP - C) / VWAP,
    "alpha = ts_rank(cashflow_op/cap,60);\ngroup_rank(alpha, subindustry)": lambda: within(
        ts_rank(D["cashflow_op"] / CAP, 60), "subindustry", lambda g: g.rank(pct=True)
    ),
    "rank(-mdl175_volatility*log(volume))*(1+group_rank(mdl175_revenuettm, sector))": lambda: (
        ranked(-D["mdl175_volatility"] * np.log(V))
        * (1 + within(D["mdl175_revenuettm"], "sector", lambda g: g.rank(pct=True)))
    ),
    "liabilities/assets": lambda: D["liabilities"] / D["assets"],
    "group_neutralize(ts_zscore(close, 60), market)": lambda: zscore(C, 60).sub(
        zscore(C, 60).mean(axis=1), axis=0
    ),
    "winsorize(ts_backfill(eps, lookback=60), std=4)": lambda: D["eps"].ffill().clip(
        D["eps"].ffill().mean(axis=1) - 4 * D["eps"].ffill().std(axis=1, ddof=0),
        D["eps"].ffill().mean(axis=1) + 4 * D["eps"].ffill().std(axis=1, ddof=0),
        axis=0,
    ),
    "-ts_regression(returns, group_mean(returns, 1, market), 60, rettype=2)": lambda: -on(
        RET, chosen(RET.notna(), RET * 0 + RET.mean(axis=1).to_numpy()[:, None], np.nan), 60
    ),
    "ts_regression(close, ts_step(1), 20)": lambda: on_time(C, 20, "left"),
    "ts_decay_linear(if_else(rank(volume, rate=0) > 0.5, -returns, returns), 5, dense=false)":
        lambda: decayed(chosen(ranked(V) > 0.5, -RET, RET), 5),
}  # fmt: skip
QLIB = {
    "(2*$close-$high-$low)/($high-$low+1e-12)": lambda: (2 * C - H - L) / (H - L + 1e-12),
    "($high-Greater($open, $close))/$open": lambda: (H - np.maximum(O, C)) / O,
    "Slope($close, 20)/$close": lambda: on_time(C, 20, "slope") / C,
    "Rsquare($close, 10)": lambda: on_time(C, 10, "share"),
    "Resi($close, 10)/$close": lambda: on_time(C, 10, "left") / C,
    "Quantile($close, 20, 0.8)/$close": lambda: C.rolling(20).quantile(0.8) / C,
    "($close-Min($low, 20))/(Max($high, 20)-Min($low, 20)+1e-12)": lambda: (
        (C - L.rolling(20).min()) / (H.rolling(20).max() - L.rolling(20).min() + 1e-12)
    ),
    "(IdxMax($high, 20)-IdxMin($low, 20))/20": lambda: (
        (H.rolling(20).apply(np.argmax, raw=True) - L.rolling(20).apply(np.argmin, raw=True)) / 20
    ),
    "Corr($close/Ref($close,1), Log($volume/Ref($volume, 1)+1), 20)": lambda: (
        (C / C.shift(1)).rolling(20).corr(D["volume"].pct_change().add(2).map(np.log))
    ),
}
GTJA = {
    "SUM((CLOSE=DELAY(CLOSE,1)?0:CLOSE-(CLOSE>DELAY(CLOSE,1)?MIN(LOW,DELAY(CLOSE,1)):"
    "MAX(HIGH,DELAY(CLOSE,1)))),6)": lambda: (
        chosen(
            C.shift(1) == C,
            0,
            C - chosen(C.shift(1) < C, np.minimum(L, C.shift(1)), np.maximum(H, C.shift(1))),
        )
        .rolling(6)
        .sum()
    ),
    "(-1 * TSMAX(CORR(TSRANK(VOLUME, 5), TSRANK(HIGH, 5), 5), 3))": lambda: (
        -ts_rank(V, 5).rolling(5).corr(ts_rank(H, 5)).rolling(3).max()
    ),
    "SUM((CLOSE>DELAY(CLOSE,1)?VOLUME:0),26)/SUM((CLOSE<=DELAY(CLOSE,1)?VOLUME:0),26)": lambda: (
        V.where(C.shift(1) < C, 0).rolling(26).sum()
        / V.where(C.shift(1) >= C, 0).rolling(26).sum()
    ),
    "COUNT(CLOSE>DELAY(CLOSE,1),12)/12*100": lambda: (
        (C.shift(1) < C).astype(float).rolling(12).mean() * 100
    ),
    "SMA((CLOSE-TSMIN(LOW,9))/(TSMAX(HIGH,9)-TSMIN(LOW,9))*100,3,1)": lambda: sma(
        (C - L.rolling(9).min()) / (H.rolling(9).max() - L.rolling(9).min()) * 100, 3, 1
    ),
    "SUM(((CLOSE-LOW)-(HIGH-CLOSE))./(HIGH-LOW).*VOLUME,6)": lambda: (
        (((C - L) - (H - C)) / (H - L) * V).rolling(6).sum()
    ),
    "STD(AMOUNT,6)": lambda: (VWAP * V).rolling(6).std(),
    "((RANK(TSMAX((VWAP - CLOSE), 3)) + RANK(TSMIN((VWAP - CLOSE), 3))) * RANK(DELTA(VOLUME, 3)))":
        lambda: (ranked((VWAP - C).rolling(3).max()) + ranked((VWAP - C).rolling(3).min()))
        * ranked(V.diff(3)),
}  # fmt: skip
COMPUTED: dict[str, Callable[[], pd.DataFrame]] = {**BRAIN, **QLIB, **GTJA}
REFUSED = {
    'group_neutralize(-returns, bucket(rank(cap), range="0.1, 1, 0.1"))': "sector",
    "EMA($close, 12)/$close": "ewm(x, a)",
    "((20-LOWDAY(LOW,20))/20)*100": "ts_argmin",
    "Mad($close, 20)/$close": "stddev",
}


def test_there_are_more_than_thirty_and_most_are_read():
    assert (len(COMPUTED) + len(REFUSED), len(COMPUTED)) == (32, 28)


@pytest.mark.parametrize("text", COMPUTED)
def test_it_equals_pandas_in_every_cell(text):
    readings = Readings(nan="strict", adv="shares")
    checked = check(text, readings, columns=OWN)
    found = Evaluator(PANEL, readings).evaluate(text)[checked.lookback :]
    wanted = COMPUTED[text]().to_numpy()[checked.lookback :]
    # No event yet, or a window that does not move, and so no correlation: in both alike.
    assert np.isfinite(found).mean() > 0.5
    np.testing.assert_allclose(found, wanted, rtol=1e-8, atol=1e-9)
    assert parse(render(checked.node), OWN) == checked.node


@pytest.mark.parametrize("text", REFUSED)
def test_a_refusal_names_the_nearest_thing(text):
    with pytest.raises(AlphaSyntaxError) as raised:
        check(text, columns=OWN)
    assert REFUSED[text] in raised.value.remedy


@pytest.mark.parametrize(
    ("text", "column", "says"),
    [
        ("rank(close, foo=1)", 13, "no argument 'foo'"),
        ("ts_mean(d=5, close)", 14, "without a name"),
        ("normalize(close, useStd=true)", 18, "can only be 0"),
        ("ts_backfill(close, 5, lookback=3)", 23, "d twice"),
        ("ts_regression(close, open, 20, rettype=9)", 40, "means nothing here"),
        ("winsorize(std=4)", 1, "no argument x"),
        ("close = open", 7, "is taken"),
        ("x = close\nrank(x)", 1, "';' after a statement"),
        ("rank(x); x = close", 6, "no field 'x'"),
        ("ewm(close, 1.5)", 12, "is 1.5"),
        ('"close"', 1, "stands where"),
        ("eps / close", 1, "no field 'eps'"),
    ],
)
def test_a_mistake_in_a_statement_or_a_name_says_where(text, column, says):
    with pytest.raises(AlphaError) as raised:
        check(text)
    assert says in str(raised.value)
    assert raised.value.column == column


@pytest.mark.parametrize(
    "text",
    [
        "a = close;" + "a = a * a;" * 40 + "a",
        "ts_scale(" * 20 + "close" + ", 5)" * 20,
        "regression_neut(close, " * 12 + "open" + ")" * 12,
        "a = " + "close + " * 40 + "1;" + " + ".join("a" for _ in range(900)),
    ],
)
def test_what_grows_when_it_is_written_out_is_refused_at_once(text):
    with pytest.raises(AlphaSyntaxError, match="parts, written out"):
        parse(text)


@given(st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=6))
def test_statements_are_their_values_put_in(names):
    text, values = "", {}
    for number, name in enumerate(names):
        known, written = values.get(name, "close"), name if name in values else "close"
        values[name] = f"({known} - delay({known}, {number + 1}))"
        text += f"{name} = {written} - delay({written}, {number + 1}); "
    text += " + ".join(values)
    assert parse(text) == parse(" + ".join(values.values()))


def test_a_column_of_the_bars_is_a_field_wherever_they_are(tmp_path):
    from radiance.labs.alphas.results import study
    from radiance.labs.alphas.values.panel import read

    rows = ["Date,Ticker,Open,High,Low,Close,Volume,P/E Ratio,Sector name"]
    for day in range(40):
        for number, symbol in enumerate("ABCDE"):
            price = 10 + number + (day * (number + 2)) % 7
            cells = (price, price + 1, price - 1, price, 1000, price / (number + 1), "tech")
            date = np.datetime64("2020-01-01") + day
            rows.append(",".join(map(str, (date, symbol, *cells))))
    path = tmp_path / "bars.csv"
    path.write_text("\n".join(rows))
    panel = read(path)
    assert panel.columns_of_its_own == {"p_e_ratio"}
    assert "Further fields: p_e_ratio." in panel.said[0]
    found = study.run(panel, [("value", "x = rank(p_e_ratio); -x")])
    assert found.results[0].coverage == 1.0
    with pytest.raises(AlphaError, match="no field 'pe'"):
        study.run(panel, [("value", "pe")])
