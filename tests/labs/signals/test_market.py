"""The synthetic market: what it promises of drift, stress, seeds and time."""

import numpy as np
import pytest

from radiance.labs.signals.backbone import Linear
from radiance.labs.signals.contexts import CONTEXT_NAMES, ORDINARY
from radiance.labs.signals.market import INDICATORS, Days, make_markets
from radiance.labs.signals.settings import MarketSettings, StudySettings

MARKET = MarketSettings(history_days=400, test_days=400, stress_share=0.2)


@pytest.fixture(scope="module")
def markets():
    return make_markets(MARKET, [3, 4])


def test_a_seed_does_not_depend_on_which_others_are_made(markets):
    alone = make_markets(MARKET, [4])
    for part in ("history", "adaptation", "check", "test", "anchors", "judged", "stress"):
        for name in Days.__annotations__:
            together = getattr(getattr(markets, part), name)[1]
            assert np.array_equal(together, getattr(getattr(alone, part), name)[0]), (part, name)


def test_the_drift_is_there_on_ordinary_days_only(markets):
    """The old relation, fitted on the history, holds under stress and fails on new days."""
    fitted = Linear(markets.history)
    import mlx.core as mx

    def error(days: Days) -> float:
        out = np.array(fitted(mx.array(days.inputs)[:, None])[:, 0])
        return float(np.square(out - days.truth).mean())

    assert error(markets.stress) < 0.1
    assert error(markets.adaptation) == pytest.approx(MARKET.drift_strength, rel=0.4)


def test_every_context_lifts_its_own_indicator_most(markets):
    inputs, context = markets.stress.inputs[0], markets.stress.context[0]
    for kind in range(len(CONTEXT_NAMES)):
        lifted = inputs[context == kind][:, markets.indicators].mean(axis=0)
        assert lifted.argmax() == kind
        assert lifted[kind] == pytest.approx(1.05 * MARKET.indicator_shift, rel=0.1)
    assert len(INDICATORS) == len(CONTEXT_NAMES)


def test_stress_is_as_rare_as_asked_and_comes_in_episodes(markets):
    days = make_markets(MarketSettings(test_days=4000, stress_share=0.1), [0]).test.context[0]
    assert (days != ORDINARY).mean() == pytest.approx(0.1, abs=0.04)
    starts = np.flatnonzero((days[1:] != days[:-1]) & (days[1:] != ORDINARY))
    assert len(starts) < (days != ORDINARY).sum() / 3
    assert not (markets.adaptation.context != ORDINARY).any()


def test_anchors_judged_and_true_stress_days_are_different_days(markets):
    rows = {tuple(row) for row in markets.anchors.inputs[0].round(5).tolist()}
    for other in (markets.judged, markets.stress, markets.test):
        assert rows.isdisjoint(tuple(row) for row in other.inputs[0].round(5).tolist())


def test_the_signal_is_worth_what_it_is_said_to_be():
    days = make_markets(
        MarketSettings(test_days=4000, information=0.2, stress_share=0.01), [0]
    ).test
    ordinary = days.context[0] == ORDINARY
    correlation = np.corrcoef(days.truth[0][ordinary].ravel(), days.returns[0][ordinary].ravel())[
        0, 1
    ]
    assert correlation == pytest.approx(0.2, abs=0.06)


def test_presets_are_studies(small: StudySettings):
    from radiance.labs.signals.knobs import knobs
    from radiance.labs.signals.presets import PRESETS

    assert set(PRESETS) == {"quick", "default", "stress+"}
    assert PRESETS["default"].seeds >= 30
    names = [knob.name for section in knobs().values() for knob in section]
    assert len(names) == len(set(names)) > 40
    assert all(knob.description for section in knobs().values() for knob in section)
