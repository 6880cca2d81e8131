"""Which checkpoints were trained on another base model than the one that serves."""

import pytest

from radiance.errors import Conflict
from radiance.registry import manifest as manifests
from radiance.registry.served_base import ServedBase
from radiance.registry.withdrawal import newest_without

TRAINED_ON = "0" * 64  # as the workshop's candidates say


def test_it_is_not_told_before_it_is_known_which_base_serves(workshop):
    assert workshop.registry.other_base(workshop.commit()) is None


@pytest.mark.parametrize(
    ("name", "content_hash", "has_layers", "other"),
    [
        ("ember", TRAINED_ON, False, None),
        ("tinder", TRAINED_ON, False, None),
        ("ember", "1" * 64, True, None),
        ("ember", "1" * 64, False, '"ember" before its files were replaced'),
        ("tinder", "1" * 64, True, '"ember"'),
    ],
    ids=[
        "the very same",
        "under another name",
        "with another word in its files",
        "with other layers",
        "another",
    ],
)
def test_another_base_is_one_of_other_files_and_another_name_or_other_layers(
    workshop, name, content_hash, has_layers, other
):
    checkpoint = workshop.commit()
    looked_at = []

    def has_layers_of(directory):
        looked_at.append(directory)
        return has_layers

    workshop.registry.serve_on(ServedBase(name, content_hash, has_layers_of))
    for _ in range(2):
        assert workshop.registry.other_base(checkpoint) == other
    assert looked_at in ([], [workshop.adapters / checkpoint])  # once, for files do not change


def test_of_a_checkpoint_whose_manifest_is_broken_nothing_is_told(workshop):
    checkpoint = workshop.commit()
    (workshop.adapters / checkpoint / manifests.MANIFEST).write_bytes(b"{")
    workshop.registry.serve_on(ServedBase("tinder", "1" * 64, lambda directory: True))
    assert workshop.registry.other_base(checkpoint) is None


def test_a_checkpoint_of_another_base_may_not_serve(workshop):
    checkpoint = workshop.commit()
    workshop.registry.check_can_serve(checkpoint)
    workshop.registry.serve_on(ServedBase("tinder", "1" * 64, lambda directory: True))
    with pytest.raises(Conflict, match='was trained on another base model, "ember"') as refused:
        workshop.registry.check_can_serve(checkpoint)
    assert (refused.value.field, refused.value.value) == ("checkpoint", checkpoint)
    assert refused.value.remedy


def test_one_that_is_damaged_is_passed_over_where_weights_are_sought_that_never_saw_something(
    workshop,
):
    first, second, third = (workshop.commit() for _ in range(3))
    workshop.damage(second)
    assert newest_without(workshop.registry, third, {third}) == (first, [third, second])


def test_checkpoints_by_their_ids_come_newest_first_without_those_that_there_are_not(workshop):
    first, second = workshop.commit(), workshop.commit()
    found = workshop.registry.some([first, "A_2026-01-01_0001", second])
    assert [checkpoint.checkpoint_id for checkpoint in found] == [second, first]
