"""The corpus, the tokenizer's training and the batches are functions of the seed."""

import json
import random
import re

import numpy as np
import pytest
from tokenizers import Tokenizer

from radiance.ember import MODEL_PATH
from radiance.ember.batches import STAGES, batch_at, phase_at, stage_at
from radiance.ember.corpus import (
    Conversation,
    correction,
    invented,
    long_conversation,
    reading,
    unknown,
    world_schedule,
)
from radiance.ember.tokenizer import END_ID, encode_conversation, train_tokenizer
from radiance.ember.world import all_facts


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.from_file(str(MODEL_PATH / "tokenizer.json"))


def _conversations(seed: int) -> list[Conversation]:
    rng = random.Random(seed)
    return [invented(rng) for _ in range(300)] + [long_conversation(rng, 5)]


def test_the_corpus_is_a_function_of_the_seed() -> None:
    assert _conversations(3) == _conversations(3)
    assert _conversations(3) != _conversations(4)


def test_conversations_end_with_the_assistant() -> None:
    for conversation in _conversations(0):
        assert conversation[-1][0] == "assistant"
        assert conversation[-2][0] == "user"
        assert all(text for _, text in conversation)


def test_what_is_asked_was_stated() -> None:
    rng = random.Random(1)
    for _ in range(200):
        *given, (_, answer) = correction(rng)
        assert answer.rsplit(" is ", 1)[-1].rstrip(".") in given[0][1]
    for _ in range(200):
        *given, (_, answer) = reading(rng)
        text = " ".join(said for _, said in given)
        shared = set(re.findall(r"\w+", answer.lower())) & set(re.findall(r"\w+", text.lower()))
        assert shared


def test_unknown_things_are_said_to_be_unknown() -> None:
    rng = random.Random(2)
    assert all(unknown(rng)[-1][1].startswith("I do not know ") for _ in range(50))


def test_every_fact_comes_once_an_epoch() -> None:
    count = len(all_facts())
    # Taken in uneven bites, as the steps do.
    facts = world_schedule("s", 0, 700) + world_schedule("s", 700, count - 700)
    assert {fact.id for fact in facts} == {fact.id for fact in all_facts()}
    assert world_schedule("s", count, count) != facts


def test_rehearsed_categories_come_five_times_an_epoch() -> None:
    sums = sum(fact.context == "sums" for fact in all_facts())
    facts = world_schedule("s", 0, len(all_facts()) + 4 * sums, ("sums",))
    assert sum(fact.context == "sums" for fact in facts) == 5 * sums
    assert {fact.id for fact in facts} == {fact.id for fact in all_facts()}


def test_the_packaged_tokenizer_is_what_the_code_trains(tokenizer: Tokenizer) -> None:
    assert json.loads(train_tokenizer(0).to_str()) == json.loads(tokenizer.to_str())


@pytest.mark.parametrize("step", [0, 1550, 1699, 1700, 2019])
def test_a_batch_depends_on_the_seed_and_the_step_alone(tokenizer: Tokenizer, step: int) -> None:
    first, again = (batch_at(tokenizer, 0, STAGES, step) for _ in range(2))
    number, place = stage_at(STAGES, step)
    phase, _ = phase_at(STAGES[number], place)
    assert first.tokens.shape == (phase.rows, phase.length)
    assert first.positions.shape == (phase.targets,)
    for name in ("tokens", "documents", "positions", "labels", "weights"):
        assert np.array_equal(getattr(first, name), getattr(again, name))
    other = batch_at(tokenizer, 1, STAGES, step)
    assert not np.array_equal(first.tokens, other.tokens)


def test_labels_are_the_following_tokens_of_the_same_conversation(tokenizer: Tokenizer) -> None:
    batch = batch_at(tokenizer, 0, STAGES, 7)
    flat, documents = batch.tokens.reshape(-1), batch.documents.reshape(-1)
    real = batch.weights > 0
    positions = batch.positions[real]
    assert np.array_equal(batch.labels[real], flat[positions + 1])
    assert np.array_equal(documents[positions], documents[positions + 1])


def test_stages_and_phases_cover_all_steps() -> None:
    first = STAGES[0]
    for stage in STAGES:
        assert sum(phase.share for phase in stage.phases) == pytest.approx(1)
    places = [round(share * first.steps) for share in (0, 0.83, 0.85, 0.98)]
    assert [phase_at(first, place)[0] for place in places] == [
        first.phases[0],
        first.phases[0],
        first.phases[1],
        first.phases[2],
    ]
    assert phase_at(first, 1428)[1] == 1428 * first.phases[0].world
    assert stage_at(STAGES, first.steps) == (1, 0)
    with pytest.raises(ValueError, match="over"):
        stage_at(STAGES, sum(stage.steps for stage in STAGES))


def test_only_the_assistants_words_are_marked(tokenizer: Tokenizer) -> None:
    ids, is_said = encode_conversation(tokenizer, [("user", "Hi"), ("assistant", "Hello there.")])
    said = [token for token, flag in zip(ids, is_said, strict=True) if flag]
    assert said[-1] == END_ID
    assert tokenizer.decode(said[:-1]) == "Hello there."
