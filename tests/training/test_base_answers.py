"""What the base answers to prompts: its own greedy answer, made once, kept, and never made up."""

from pathlib import Path

import pytest

from radiance import config
from radiance.anchors import common
from radiance.anchors.sets import Anchor, AnchorSet
from radiance.engine.worker import Engine
from radiance.evaluation.anchor_sample import measured_texts
from radiance.evaluation.evaluator import AdapterEvaluator
from radiance.records import Example, Message
from radiance.training import base_answers
from radiance.training.base_answers import AnswersWritten, BaseAnswers
from radiance.training.gradient import GradientComputer
from radiance.training.lora import LoraModel
from radiance.training.self_samples import SELF_GENERATED, SelfSampler
from tests.engine.adapters.test_slots import ask
from tests.support import drain, example


def prompt(text: str) -> Anchor:
    return Anchor(Example(text, (Message("user", text), Message("assistant", ""))), "facts")


KNOWN = prompt("What is the capital of France?")
CHAT = prompt("Tell me about the sea.")


def answers_of(engine: Engine, path: Path, *, is_kept: bool = True) -> BaseAnswers:
    lora = LoraModel(engine.base, config.TrainingSettings(r=4))
    return base_answers.base_answers(lora, engine.encoder, engine.base, path, is_kept=is_kept)


def test_a_prompt_gets_the_answer_that_the_base_serves(engine: Engine, tmp_path: Path) -> None:
    answers = engine.call(lambda: answers_of(engine, tmp_path))
    assert answers.windows(KNOWN.example) == []
    engine.run(lambda: answers.make([KNOWN, CHAT])).result  # noqa: B018
    for anchor in (KNOWN, CHAT):
        (found,) = answers.windows(anchor.example)
        assert found.example_id == anchor.example.id
        asked = anchor.example.messages[0].content
        told = [t for t, c in zip(found.tokens, found.is_completion, strict=True) if c]
        served = ask(engine, asked, base_answers.ANSWER_TOKENS).result().tokens
        assert told[: len(served)] == list(served)[: len(told)]
        assert len(told) <= base_answers.ANSWER_TOKENS + 1
    assert answers.windows(KNOWN.example)[0].tokens[-1] == engine.base.end_token


def test_answers_are_made_once_and_read_again(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = engine.call(lambda: answers_of(engine, tmp_path))
    told = list(engine.run(lambda: first.make([KNOWN, CHAT])))
    assert told == [AnswersWritten(2, 2)]
    monkeypatch.setattr(base_answers.SelfSampler, "answer", None)  # nobody asks the base again
    again = engine.call(lambda: answers_of(engine, tmp_path))
    assert list(engine.run(lambda: again.make([KNOWN, CHAT]))) == []
    assert again.windows(CHAT.example) == first.windows(CHAT.example)
    for path in tmp_path.glob("*.npz"):
        path.write_bytes(path.read_bytes()[:50])
    assert engine.call(lambda: answers_of(engine, tmp_path)).windows(CHAT.example) == []


def test_what_is_not_to_be_kept_leaves_nothing_behind(engine: Engine, tmp_path: Path) -> None:
    answers = engine.call(lambda: answers_of(engine, tmp_path / "none", is_kept=False))
    engine.run(lambda: answers.make([KNOWN])).result  # noqa: B018
    assert answers.windows(KNOWN.example)
    assert not (tmp_path / "none").exists()


def test_an_anchor_with_an_answer_keeps_it(engine: Engine, tmp_path: Path) -> None:
    answers = engine.call(lambda: answers_of(engine, tmp_path))
    told = example(0, "What is 2 plus 2?", "Four.")
    assert answers.windows(told) == engine.encoder.windows(told)
    assert answers.windows(told) is answers.windows(told), "an update wants it four times"
    other = Example("other", told.messages)
    assert [window.example_id for window in answers.windows(other)] == ["other"]
    text = Example("text", text="One and one are two. " * 20)
    for most in (None, 16, 32):
        assert answers.windows(text, most) == engine.encoder.windows(text, most)


def test_of_encoded_anchors_no_more_is_kept_than_there_is_room_for(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base_answers, "_MOST_TOKENS_KEPT", 50)
    answers = engine.call(lambda: answers_of(engine, tmp_path))
    told = [example(n, f"What is {n} plus 2?", "I do not know.") for n in range(9)]
    first = [answers.windows(one) for one in told]
    again = [answers.windows(one) for one in told]
    assert again == first
    kept = [a for a, b in zip(first, again, strict=True) if a is b]
    assert 0 < sum(len(window.tokens) for windows in kept for window in windows) <= 50


def test_what_was_encoded_of_a_former_anchor_goes(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is what somebody had forgotten, perhaps, and took the room of others."""
    answers = engine.call(lambda: answers_of(engine, tmp_path))
    kept, former, new = (example(n, f"What is {n} plus 2?", "I do not know.") for n in range(3))
    (encoded,) = engine.encoder.windows(kept)
    monkeypatch.setattr(base_answers, "_MOST_TOKENS_KEPT", 2 * len(encoded.tokens))
    first = [answers.windows(one) for one in (kept, former)]
    answers.keep_only({kept.content_hash})
    second = [answers.windows(one) for one in (kept, new)]
    assert second[0] is first[0]
    assert answers.windows(new) is second[1]
    assert answers.windows(former) is not first[1]


@pytest.mark.slow
def test_the_base_forgets_nothing_of_common_knowledge(engine: Engine, tmp_path: Path) -> None:
    """Measured on prompts and on held-out samples, the base answers all of them as itself."""
    few = AnchorSet(common.read_set().sample(20).anchors)

    def measure() -> None:
        lora = LoraModel(engine.base, config.TrainingSettings(r=4))
        answers = base_answers.base_answers(lora, engine.encoder, engine.base, tmp_path)
        texts = drain(measured_texts(answers, few, 20))
        groups = {text.group for text in texts}
        assert {"facts", "arithmetic", "small talk", SELF_GENERATED} <= groups
        assert 20 + 4 < len(texts) <= 20 + base_answers.HELD_OUT
        trained = {text.example.tokens for text in texts if text.group == SELF_GENERATED}
        assert len(drain(measured_texts(answers, few, 20, trained=trained))) == 20
        evaluator = AdapterEvaluator(lora, GradientComputer(lora))
        base = lora.initial(None)
        probes = drain(evaluator.probe(base, base, texts))
        exact = [probe.was_exact_in_base for probe in probes]
        assert sum(exact) >= 0.9 * len(exact)
        assert all(probe.kl_base == 0 for probe in probes)

    engine.call(measure)


def test_answers_that_came_with_the_model_are_read(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = engine.call(lambda: answers_of(engine, tmp_path / "written"))
    engine.run(lambda: written.make([CHAT])).result  # noqa: B018
    monkeypatch.setattr(base_answers.SelfSampler, "answer", None)

    def brought() -> BaseAnswers:
        lora = LoraModel(engine.base, config.TrainingSettings(r=4))
        sampler = SelfSampler(lora, engine.encoder, engine.base)
        parts = (engine.encoder, engine.base.end_token, lora.initial(None))
        directories = (tmp_path / "own", [tmp_path / "written"])
        return BaseAnswers(sampler, *parts, engine.base.content_hash, *directories)

    answers = engine.call(brought)
    assert list(engine.run(lambda: answers.make([CHAT]))) == []
    assert answers.windows(CHAT.example) == written.windows(CHAT.example)
