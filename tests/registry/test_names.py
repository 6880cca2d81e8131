"""Names of checkpoints: each means one, until it is taken back."""

import pytest

from radiance.errors import Conflict, NotFound
from radiance.registry.names import CheckpointNames


@pytest.fixture
def names(workshop) -> CheckpointNames:
    workshop.commit()
    workshop.commit()
    return CheckpointNames(workshop.db)


def ids(workshop) -> list[str]:
    return [checkpoint.checkpoint_id for checkpoint in workshop.registry.all(9)]


def test_a_name_means_one_checkpoint_until_it_is_replaced(names, workshop) -> None:
    newest, oldest = ids(workshop)
    names.give("tone", oldest)
    with pytest.raises(Conflict, match=f"means {oldest}") as caught:
        names.give("tone", newest)
    assert (caught.value.field, caught.value.value) == ("lora_name", "tone")
    found = names.get("tone")
    assert found is not None
    assert found.checkpoint_id == oldest
    names.give("tone", newest, replace=True)
    assert [(one.name, one.checkpoint_id) for one in names.all()] == [("tone", newest)]


def test_a_name_that_is_taken_back_means_nothing_and_its_checkpoint_stays(names, workshop) -> None:
    _, oldest = ids(workshop)
    names.give("tone", oldest)
    assert names.take("tone").checkpoint_id == oldest
    assert names.get("tone") is None
    assert oldest in ids(workshop)
    with pytest.raises(NotFound, match="no adapter 'tone'"):
        names.take("tone")
