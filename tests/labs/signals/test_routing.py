"""Where an adapter acts: by the anchors it knows, and by what is unlike all it was trained on."""

import numpy as np
import pytest

from radiance.labs.signals.routing import Router

KINDS = 2


@pytest.fixture
def router():
    draw = np.random.default_rng(0)
    stress = np.concatenate(
        [draw.standard_normal((24, 3)) + np.eye(3)[kind] * 6 for kind in range(KINDS)]
    )
    return Router(draw.standard_normal((250, 3)), stress, np.repeat(np.arange(KINDS), 24), 5.0)


def test_it_acts_on_ordinary_days_and_not_on_those_anchors_list(router):
    draw = np.random.default_rng(1)
    ordinary = router(draw.standard_normal((500, 3)))
    assert np.mean(ordinary > 0.9) > 0.95
    for kind in range(KINDS):
        assert router(draw.standard_normal((500, 3)) + np.eye(3)[kind] * 6).mean() < 0.02
    assert (ordinary >= 0).all()
    assert (ordinary <= 1).all()


def test_what_no_anchor_lists_is_still_new_to_it(router):
    unlisted = np.random.default_rng(2).standard_normal((500, 3)) + np.eye(3)[2] * 6
    assert router.contexts(unlisted).mean() > 0.5
    assert router.novelty(unlisted).mean() < 0.05
    assert router(unlisted).mean() < 0.05


def test_days_it_was_fitted_on_are_never_new(router):
    draw = np.random.default_rng(0)
    assert (router.novelty(draw.standard_normal((250, 3))[:250]) <= 1).all()
    days = np.random.default_rng(0)
    days.standard_normal((24 * KINDS, 3))
    assert (router.novelty(days.standard_normal((250, 3))) > 0).all()
