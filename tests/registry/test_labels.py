"""Names and notes of checkpoints: on record, the newest counts, and an empty one is none."""

import pytest

from radiance.errors import NotFound
from radiance.registry.labels import label, labels
from radiance.registry.verification import verify


def test_the_newest_label_counts_and_every_one_is_on_record(workshop) -> None:
    workshop.commit()
    workshop.commit()
    registry = workshop.registry
    newest, oldest = (checkpoint.checkpoint_id for checkpoint in registry.all(9))
    label(registry, oldest, "Door codes", "For the new site.", "cli")
    given = label(registry, oldest, "Codes", "", "dashboard:ann")
    label(registry, newest, "", "Looks odd.", "cli")
    found = labels(registry.db)
    assert found[oldest] == given
    assert (found[oldest].name, found[oldest].actor) == ("Codes", "dashboard:ann")
    assert found[newest].note == "Looks odd."
    label(registry, newest, "", "", "cli")
    assert set(labels(registry.db)) == {oldest}
    entries = [e for e in registry.audit.recent(9) if e.action == "label"]
    assert [(e.subject, e.actor) for e in entries] == [
        (newest, "cli"),
        (newest, "cli"),
        (oldest, "dashboard:ann"),
        (oldest, "cli"),
    ]
    sound = verify(workshop.root / "runs" / "radiance.db", workshop.adapters)
    assert sound.findings == ()
    with pytest.raises(NotFound):
        label(registry, "A_2020-01-01_0001", "x", "", "cli")
