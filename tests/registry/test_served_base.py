"""Which checkpoints were trained on another base model than the one that serves."""

import pytest

from radiance.registry import manifest as manifests
from radiance.registry.served_base import ServedBase

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
