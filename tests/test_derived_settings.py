"""What "auto" comes to: Ember's own values at its width, less the wider a model is."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radiance.config import AnchorSettings, Config, TrainingSettings
from radiance.config.derived import (
    derive,
    derive_anchor,
    derive_training,
    derived,
    most_own_samples,
)

EMBER = 256
WIDTHS = st.integers(16, 16_384)


def test_ember_has_the_values_that_were_measured_on_it() -> None:
    settings = derive_training(TrainingSettings(), EMBER)
    assert (settings.lr, settings.max_steps) == (1.5e-3, 400)
    assert (settings.r, settings.alpha) == (8, 16.0)
    anchor = derive_anchor(AnchorSettings(), EMBER)
    assert (anchor.null_space, anchor.every) == (False, 1)
    assert most_own_samples(EMBER) == 768


@given(WIDTHS, st.integers(1, 2000), st.integers(1, 64))
def test_a_task_is_learned_in_three_passes_at_a_low_rate_by_wide_models(
    width: int, inputs: int, batch_size: int
) -> None:
    settings = TrainingSettings(batch_size=batch_size)
    facts, task = (derive_training(settings, width, count) for count in (0, inputs))
    if width < 512:
        assert task == facts
        return
    assert derived(task.lr) == min(derived(facts.lr), 2e-4)
    steps = derived(task.max_steps)
    assert 30 <= steps <= derived(facts.max_steps)
    assert steps * min(batch_size, inputs) >= 3 * inputs or steps == facts.max_steps
    asked = TrainingSettings(lr=1e-3, max_steps=7)
    assert derive_training(asked, width, inputs) == derive_training(asked, width)


@given(WIDTHS)
def test_what_is_derived_fits_the_settings_and_is_derived_once(width: int) -> None:
    settings = derive_training(TrainingSettings(), width)
    assert 0 < derived(settings.lr) <= 1
    assert 100 <= derived(settings.max_steps) <= 400
    assert 128 <= most_own_samples(width) <= 768
    assert derive_training(settings, 2 * width) == settings


@given(st.lists(WIDTHS, min_size=2, max_size=5, unique=True))
def test_wider_models_take_smaller_steps_and_fewer(widths: list[int]) -> None:
    found = [derive_training(TrainingSettings(), width) for width in sorted(widths)]
    for narrow, wide in pairwise(found):
        assert derived(narrow.lr) > derived(wide.lr)
        assert derived(narrow.max_steps) >= derived(wide.max_steps)


def test_a_rate_halves_where_the_width_is_two_and_a_half_times_as_large() -> None:
    """The exponent that was published: 2 ** (1 / 0.78) is 2.43."""
    rates = [derived(derive_training(TrainingSettings(), width).lr) for width in (1000, 2432)]
    assert rates[0] / rates[1] == pytest.approx(2, rel=1e-3)


def test_numbers_stay_as_they_are() -> None:
    settings = TrainingSettings(r=4, alpha=9.0, lr=1e-4, max_steps=7)
    assert derive(Config(training=settings), 4096).training == settings
    anchor = AnchorSettings(null_space=True, every=3, rarely_below=0.01)
    assert derive(Config(anchor=anchor), 4096).anchor == anchor
    assert derived(derive_training(TrainingSettings(r=64), EMBER).alpha) == 128


@pytest.mark.parametrize(
    ("width", "is_on"), [(511, False), (512, True), (576, True), (2048, True), (2049, False)]
)
def test_an_update_goes_around_what_is_held_where_there_is_room(width: int, is_on: bool) -> None:
    anchor = derive_anchor(AnchorSettings(), width)
    assert (anchor.null_space, anchor.every) == (is_on, 4 if is_on else 1)
    assert anchor.rarely_below == (0.005 if is_on else 0)
    assert derive_training(TrainingSettings(), width).r == (32 if is_on else 8)
    assert derive_anchor(AnchorSettings(null_space=not is_on), width).every == (1 if is_on else 4)
