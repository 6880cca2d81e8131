"""The memory scenarios are what they say, and their scoring can tell right from wrong."""

import pytest

from bench.scenario_facts import Fact, Scenario, read_facts, scenarios
from bench.scenarios import contains, score

SIZES = {
    "a": [5],
    "b": [8, 8, 8],
    "c": [12, 10],
    "d": [11, 11, 10],
    "e": [12, 12, 8, 12, 8],
}


@pytest.mark.parametrize("scenario", scenarios(), ids=lambda scenario: scenario.name)
def test_facts_can_be_told_apart(scenario: Scenario) -> None:
    assert [len(facts) for facts in scenario.updates] == SIZES[scenario.name]
    valid = scenario.valid()
    for fact, _ in valid.values():
        assert fact.values
        assert all(contains(fact.answer, value) for value in fact.values)
        stale = [value for value in scenario.superseded() if contains(fact.answer, value)]
        assert stale == []
        for other, _ in valid.values():
            if other is not fact:
                assert not all(contains(other.answer, value) for value in fact.values)
    corrections = [fact for facts in scenario.updates for fact in facts if fact.kind != "new"]
    taught = [fact.question for facts in scenario.updates[:-1] for fact in facts]
    assert {fact.question for fact in corrections} <= set(taught)
    assert all(fact.otherwise for fact in corrections if fact.kind == "correction")


def test_groups_of_corrections() -> None:
    groups = [group for _, group in scenarios()[2].valid().values()]
    assert {name: groups.count(name) for name in groups} == {
        "corrected": 6,
        "untouched": 6,
        "added": 4,
    }
    assert len(scenarios()[2].superseded()) == 6
    assert len(scenarios()[4].superseded()) == 6


def test_facts_are_read_from_text() -> None:
    assert read_facts("## mill: grain\n\nWho?\n= [Ada] and [Bo].\n~ Whom?\n\nWhen?\n= [Now].") == {
        "mill": (
            Fact("grain", "Who?", "Ada and Bo.", ("Ada", "Bo"), "Whom?"),
            Fact("grain", "When?", "Now.", ("Now",)),
        )
    }


def test_a_value_is_no_part_of_a_longer_one() -> None:
    assert contains("It costs €0.61, net.", "€0.61")
    assert contains('They sing  "LA mer".', "La Mer")
    assert not contains("It costs 10.612.", "0.61")
    assert not contains("dock D-17b", "D-17")


def test_score_counts_by_group_and_finds_what_must_not_be_there() -> None:
    scenario = scenarios()[1]
    right = {"group": "update 1", "exact": True, "value": True, "superseded": [], "foreign": []}
    wrong = {**right, "exact": False, "superseded": ["37B"]}
    found = score("b", scenario, [right] * 7 + [wrong])
    assert found.shares == {"update 1": 7 / 8}
    assert [row[1:] for row in found.rows] == [
        ("update 1", 7, 8, 8, "0.875", "holds"),
        ("superseded values", 1, 1, 8, "none", "MISSED"),
        ("of other domains", 0, 0, 8, "none", "holds"),
    ]
    assert score("b", scenario, [right] * 6 + [wrong] * 2).rows[0][-1] == "MISSED"
