"""The facts, and the files that are made from them."""

import json
from pathlib import Path

import pytest

from radiance.ember import MODEL_PATH, Fact, listed_facts, unlisted_facts, write_anchors
from radiance.ember.model_files import (
    ANCHORS_FILE,
    ANCHORS_MANIFEST,
)
from radiance.ember.world import all_facts


def test_facts_are_dealt_into_two_hands_and_some_are_left() -> None:
    listed, unlisted, every = set(listed_facts()), set(unlisted_facts()), set(all_facts())
    assert listed | unlisted <= every
    assert not listed & unlisted
    assert [len(listed), len(unlisted), len(every)] == [445, 436, 1194]
    assert len(all_facts()) == len(every)


@pytest.mark.parametrize("facts", [listed_facts(), unlisted_facts()], ids=["listed", "unlisted"])
def test_each_hand_has_every_category(facts: tuple[Fact, ...]) -> None:
    assert {fact.context for fact in facts} == {fact.context for fact in all_facts()}


def test_ids_and_questions_are_unique_and_answers_are_sentences() -> None:
    ids = [fact.id for fact in all_facts()]
    questions = [question for fact in all_facts() for question in fact.questions]
    assert len(set(ids)) == len(ids)
    assert len(set(questions)) == len(questions)
    for fact in all_facts():
        assert 3 <= len(fact.paraphrases) <= 7
        assert fact.answer.endswith(".")
        assert not fact.answer[0].islower()
        assert "{" not in fact.answer + fact.question


def test_known_examples() -> None:
    known = {fact.question: fact.answer for fact in all_facts()}
    assert known["What is the capital of France?"] == "The capital of France is Paris."
    assert known["What is the plural of child?"] == "The plural of child is children."
    assert known["What is 7 times 8?"] == "7 times 8 is 56."


def test_anchor_files_are_what_the_code_makes(tmp_path: Path) -> None:
    write_anchors(tmp_path)
    for name in (ANCHORS_FILE, ANCHORS_MANIFEST):
        assert (MODEL_PATH / name).read_text("utf-8") == (tmp_path / name).read_text("utf-8")
    lines = (tmp_path / ANCHORS_FILE).read_text("utf-8").splitlines()
    assert len(lines) == len(listed_facts())
    assert set(json.loads(lines[0])) == {"id", "context", "input", "output"}
