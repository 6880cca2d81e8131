"""Plans: closed choices that compile, and prompts in people's words read as plans."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radiance.labs.alphas.data.ideas import ideas
from radiance.labs.alphas.language.checker import check
from radiance.labs.alphas.models.meaning import MeaningScorer, family_shares, share_meant
from radiance.labs.alphas.plans.plan import Condition, Joined, Plan, Quantity
from radiance.labs.alphas.plans.reading import read
from radiance.labs.alphas.plans.tables import MEASURES, SERIES
from radiance.labs.alphas.plans.telling import sentence
from radiance.labs.alphas.values.synthetic import made_up

SCORER = MeaningScorer(made_up(700, 30))


@st.composite
def quantities(draw):
    name = draw(st.sampled_from(sorted(MEASURES)))
    made = MEASURES[name]
    days = draw(st.integers(made.least, 200)) if made.windows else 0
    return Quantity(
        name,
        made.on or draw(st.sampled_from(sorted(SERIES))),
        days,
        days + draw(st.integers(1, 200)) if made.windows > 1 else 0,
        draw(st.sampled_from(sorted(SERIES))) if made.has_partner else "",
    )


JOINTS = ("times", "plus", "minus", "over")
signs = st.sampled_from((-1, 1))
plans = st.builds(
    Plan,
    quantities(),
    signs,
    st.sampled_from(("market", "sector", "industry", "subindustry")),
    st.sampled_from((0, 20)),
    st.lists(st.builds(Joined, st.sampled_from(JOINTS), quantities(), signs), max_size=3).map(
        tuple
    ),
    st.none() | st.builds(Condition, quantities(), st.booleans(), st.none() | st.floats(-2, 2)),
    st.sampled_from((0, 5)),
    st.sampled_from((0.0, 2.5)),
)  # fmt: skip


@given(plans)
def test_every_plan_compiles_and_says_itself(plan):
    assert check(plan.expression).text == plan.expression
    told = sentence(plan)
    assert told.startswith("Buy ")
    assert "{" not in told


@given(plans, st.floats(0.1, 3))
def test_a_threshold_to_either_side_needs_a_middle(plan, beyond):
    fields = {name: getattr(plan, name) for name in plan.__struct_fields__} | {"beyond": beyond}
    if MEASURES[plan.quantity.measure].middle is None:
        with pytest.raises(ValueError, match="has no middle"):
            Plan(**fields)
    else:
        made = Plan(**fields)
        assert check(made.expression).text == made.expression
        assert "flat within" in sentence(made)


@pytest.mark.parametrize(
    "fields",
    [
        {"measure": "growth"},  # no days
        {"measure": "level", "days": 5},
        {"measure": "means", "days": 20, "longer": 10},
        {"measure": "comovement", "days": 20},
        {"measure": "to_high", "series": "volume", "days": 20},
        {"measure": "growth", "series": "eps", "days": 20},
    ],
)
def test_what_no_measure_has_is_refused(fields):
    with pytest.raises(ValueError, match=r"windows|partner|not for"):
        Quantity(**fields)


@given(st.text(max_size=80))
def test_whatever_is_asked_is_read_or_not_and_nothing_fails(text):
    for candidate in read(text):
        check(candidate.plan.expression)


_TRADE = (
    "buy sell fade calm winners 20-day volume week three months relative to its average only where "
    "above the high low vwap gap weighted by smoothed over 5 days and less sector correlation of "
    "returns percent 10% year reversal in stocks"
)
WORDS = st.lists(st.sampled_from(sorted(_TRADE.split())), max_size=14)


@given(WORDS)
def test_words_of_the_trade_in_any_order_compile(words):
    for candidate in read(" ".join(words)):
        check(candidate.plan.expression)


def _means(prompt: str, reference: str) -> None:
    found = SCORER.likeness(reference, read(prompt)[0].plan.expression)
    assert found is not None
    assert found >= 0.5, (prompt, read(prompt)[0])


def test_the_families_it_was_built_with_are_understood():
    told = [
        (idea.family, SCORER.likeness(idea.reference, read(prompt)[0].plan.expression))
        for idea in ideas("building")
        for prompt in idea.prompts
    ]
    shares = family_shares(told)
    assert len(shares) >= 25
    estimate = share_meant(told)
    assert estimate is not None
    assert estimate.value >= 0.85


@pytest.mark.parametrize(
    ("word", "days"),
    [
        ("5-day", 5), ("a week", 5), ("weekly", 5), ("two weeks", 10), ("fortnight", 10),
        ("monthly", 21), ("three months", 63), ("quarterly", 63), ("half-year", 126),
        ("six months", 126), ("12 months", 252), ("52 week", 260), ("one year", 252),
        ("63d", 63), ("3m", 63), ("ten day", 10), ("twenty-one day", 21),
    ],
)  # fmt: skip
def test_durations_are_days(word, days):
    for prompt in (f"Buy the winners of the last {word}.", f"{word} momentum"):
        assert read(prompt)[0].plan.quantity.days == days


@pytest.mark.parametrize(
    ("prompt", "sign"),
    [
        ("Buy last week's losers.", -1), ("Sell last week's winners.", -1),
        ("Avoid last month's losers.", 1), ("Follow the weekly winners.", 1),
        ("Fade the 5-day move.", -1), ("Weekly reversal.", -1), ("Weekly momentum.", 1),
        ("Penalise volatile shares, 60 days.", -1), ("Prefer calm shares.", -1),
        ("Short the calm ones.", 1), ("Bet against high volume.", -1), ("Own small companies.", -1),
    ],
)  # fmt: skip
def test_the_way_follows_from_who_is_liked_and_what_they_are(prompt, sign):
    plan = read(prompt)[0].plan
    assert plan.sign == sign, sentence(plan)


@pytest.mark.parametrize(
    ("prompt", "reference"),
    [
        ("A 3-day reversal weighted by volume.", "-delta(close, 3) / close * rank(volume / adv20)"),
        ("Buy shares near their one-year high.", "close / ts_max(high, 250)"),
        ("Buy shares near their one-year low.", "-1 * close / ts_min(low, 250)"),
        ("Monthly winners within their sector.", "indneutralize(sum(returns, 21), sector)"),
        ("Fade gaps only in calm stocks.",
         "rank(stddev(returns, 60)) < 0.5 ? -(open / delay(close, 1) - 1) : 0"),
        ("Momentum of 60 days, smoothed over ten days.",
         "decay_linear(close / delay(close, 60) - 1, 10)"),
        ("20-day volume against 120-day volume.", "sum(volume, 20) / sum(volume, 120)"),
        ("Buy under the lower Bollinger band, sell over the upper one, flat inside.",
         "close < sum(close, 20) / 20 - 2 * stddev(close, 20) ? 1 : "
         "close > sum(close, 20) / 20 + 2 * stddev(close, 20) ? -1 : 0"),
        ("RSI of 14 days: long below 40, short above 60, otherwise nothing.",
         "sum(max(delta(close, 1), 0), 14) / sum(abs(delta(close, 1)), 14) < 0.4 ? 1 : "
         "sum(max(delta(close, 1), 0), 14) / sum(abs(delta(close, 1)), 14) > 0.6 ? -1 : 0"),
        ("Weekly reversal, clipped at 3 sigma.", "-winsorize(close / delay(close, 5) - 1, 3)"),
        ("Composite of 6-month momentum, low 60-day volatility, small size.",
         "rank(close / delay(close, 126)) + rank(-1 * stddev(returns, 60)) + rank(-1 * cap)"),
        ("20-day correlation of returns with the previous day's volume.",
         "correlation(returns, delay(volume, 1), 20)"),
        ("Overnight minus intraday returns, summed over a month.",
         "sum(open / delay(close, 1) - 1, 21) - sum(close / open - 1, 21)"),
        ("Low beta to the market, 120 days.",
         "-1 * ts_slope(returns, group_mean(returns, market), 120)"),
    ],
)  # fmt: skip
def test_each_slot_is_heard(prompt, reference):
    _means(prompt, reference)


@pytest.mark.parametrize(
    ("prompt", "limit"),
    [
        ("Weekly reversal, no penny stocks.", "close > 5"),
        ("Only stocks above $20: {}.", "close > 20"),
        ("{} in names that cost less than ten dollars.", "close < 10"),
        ("{}, but not in shares below 3 bucks.", "close > 3"), ("{} ex penny stocks", "close > 5"),
        ("{} (nothing under $7)", "close > 7"),
    ],
)  # fmt: skip
def test_a_limit_of_the_share_price_is_heard_beside_the_idea(prompt, limit):
    plan = read(prompt.format("weekly reversal"))[0].plan
    assert plan.expression == f"{limit} ? -1 * (close / delay(close, 5) - 1) : 0"


@pytest.mark.parametrize(
    ("said", "plainly"),
    [
        ("12-1 mom", "12 month momentum skipping the last month"),
        ("sell the 5d winers", "sell the 5 day winners"),
        ("what fell over 5 days gets bought", "buy what fell over 5 days"),
        ("top of its 20-day range -> short", "short the top of its 20-day range"),
        ("20dma over 100dma", "20-day average over 100-day average"),
        ("-corr(close, volume), 10 days", "negative of the 10-day correlation of close and volume"),
        ("one hundred and twenty day volatility", "120-day volatility"),
        ("among calm names buy six-month winners", "six-month winners only in calm names"),
    ],
)
def test_writing_makes_no_difference(said, plainly):
    assert read(said)[0].plan.expression == read(plainly)[0].plan.expression


@pytest.mark.parametrize(
    ("prompt", "is_sided", "is_dated"),
    [
        ("Buy last month's champions.", True, True), ("Stocks at 3 months' prices.", False, True),
        ("Buy winners.", True, False), ("Price to its average.", False, False),
    ],
)  # fmt: skip
def test_no_model_may_overrule_what_was_said(prompt, is_sided, is_dated):
    first, *others = read(prompt)
    turned = [each for each in others if each.plan.sign != first.plan.sign]
    dated = [each for each in others if each.plan.quantity.days != first.plan.quantity.days]
    assert first.is_open
    assert [each.is_open for each in turned] == [not is_sided]
    assert all(each.is_open is not is_dated for each in dated)
    assert len(dated) >= 2


def test_a_prompt_that_names_nothing_is_not_read():
    assert read("Tell me a story about a cat.") == []
    assert read("") == []
