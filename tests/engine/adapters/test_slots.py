"""Adapters in slots: exact, mixable in one batch, pinned by the rows that use them."""

from concurrent.futures import Future

import mlx.core as mx
import mlx.nn as nn
import pytest
from mlx_lm.generate import generate
from mlx_lm.utils import load

from radiance import config, ember
from radiance.engine.adapters.files import adapter_config, load_adapter, save_adapter
from radiance.engine.adapters.slots import Adapter, SlotEntry, SlotLinear, SlotTable
from radiance.engine.requests import TRAINING, Answer, Request
from radiance.engine.worker import Engine
from radiance.errors import CorruptCheckpoint
from radiance.records import CheckpointStatus, Message
from radiance.training.lora import LoraModel

QUESTIONS = ["What is the capital of France?", "Who are you?", "What is 3 plus 4?", "Hello!"]


def random_adapter(engine: Engine, seed: int, rank: int = 4, size: float = 0.2) -> Adapter:
    """An adapter that visibly changes answers."""

    def build() -> Adapter:
        lora = LoraModel(engine.base, config.TrainingSettings(r=rank, alpha=2 * rank))
        noise = mx.random.normal((lora.size,), key=mx.random.key(seed)) * size
        adapter = lora.adapter(noise)
        mx.eval([array for pair in adapter.pairs.values() for array in pair])
        return adapter

    return engine.call(build)


def ask(engine: Engine, question: str, max_tokens: int = 24) -> "Future[Answer]":
    return engine.submit(Request(engine.encoder.prompt([Message("user", question)]), max_tokens))


def answers_of(engine: Engine, adapter: Adapter | None, name: str | None) -> list[tuple[int, ...]]:
    """Greedy answers, one at a time, from one adapter."""
    engine.swap(adapter, name, CheckpointStatus.STABLE)
    return [ask(engine, question).result().tokens for question in QUESTIONS]


def test_mixed_batch_equals_each_adapter_alone(tiny_engine: Engine) -> None:
    adapters = [random_adapter(tiny_engine, seed, rank) for seed, rank in ((1, 4), (2, 8), (3, 4))]
    alone: dict[str | None, list[tuple[int, ...]]] = {None: answers_of(tiny_engine, None, None)}
    for number, adapter in enumerate(adapters):
        alone[f"A_{number}"] = answers_of(tiny_engine, adapter, f"A_{number}")
    assert len({tuple(answers) for answers in alone.values()}) == 4

    # Admitted together: each request meets another adapter, and all decode in one batch.
    pending = []
    for name, adapter in [(None, None), *((f"A_{i}", a) for i, a in enumerate(adapters))]:
        tiny_engine.swap(adapter, name, CheckpointStatus.STABLE)
        pending += [(index, ask(tiny_engine, q)) for index, q in enumerate(QUESTIONS)]
    for index, future in pending:
        answer = future.result()
        assert answer.tokens == alone[answer.checkpoint_id][index]
    tiny_engine.swap(None, None, CheckpointStatus.BASE)


def test_slot_is_freed_when_its_last_row_ends(engine: Engine) -> None:
    engine.swap(random_adapter(engine, 5), "A_5", CheckpointStatus.STABLE)
    future = ask(engine, "Tell me something long.", max_tokens=60)
    engine.swap(None, None, CheckpointStatus.BASE)
    assert future.result().checkpoint_id == "A_5"
    assert engine.call(lambda: engine._adapter_cache.in_use) == 0


def test_base_slot_changes_nothing(engine: Engine) -> None:
    """Slot 0 answers exactly as mlx-lm's own model does."""
    model, tokenizer = load(str(ember.MODEL_PATH))[:2]
    for question in QUESTIONS:
        messages = [{"role": "user", "content": question}]
        prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True)
        theirs = generate(model, tokenizer, prompt, max_tokens=24)
        assert ask(engine, question).result().text == theirs


def test_live_training_weights_answer_only_who_asks(engine: Engine) -> None:
    adapter = random_adapter(engine, 7)
    engine.show_training(lambda: (1, adapter), "A_7")
    tokens = engine.encoder.prompt([Message("user", QUESTIONS[0])])
    live = engine.submit(Request(tokens, 8, weights=TRAINING)).result()
    stable = engine.submit(Request(tokens, 8)).result()
    engine.hide_training()
    after = engine.submit(Request(tokens, 8, weights=TRAINING)).result()
    assert (live.checkpoint_id, live.checkpoint_status) == ("A_7", "training")
    assert (stable.checkpoint_id, stable.checkpoint_status) == (None, "base")
    assert (after.checkpoint_id, after.checkpoint_status) == (None, "base")
    assert live.tokens != stable.tokens


def test_mixed_ranks_and_missing_layers_add_what_they_should() -> None:
    """Against plain matrix products, row by row, also where an adapter leaves a layer alone."""
    key = iter(mx.random.split(mx.random.key(0), 20))

    def normal(*shape: int) -> mx.array:
        return mx.random.normal(shape, key=next(key))

    table, linear = SlotTable(), nn.Linear(6, 10, bias=False)
    layer = SlotLinear(linear, "here", table)
    wide, narrow = (normal(6, 4), normal(4, 10)), (normal(6, 2), normal(2, 10))
    slots = [
        0,
        table.fill(Adapter({"here": wide}, 2.0)),
        table.fill(Adapter({"here": narrow}, 0.5)),
        table.fill(Adapter({"elsewhere": wide}, 3.0)),
    ]
    x = normal(4, 3, 6)
    plain = linear(x)
    expected = [
        plain[0],
        plain[1] + 2.0 * (x[1] @ wide[0] @ wide[1]),
        plain[2] + 0.5 * (x[2] @ narrow[0] @ narrow[1]),
        plain[3],
    ]
    table.route(slots)
    assert mx.allclose(layer(x), mx.stack(expected), atol=1e-5)
    for row, slot in enumerate(slots):
        table.route([slot])
        assert mx.allclose(layer(x[row : row + 1])[0], expected[row], atol=1e-5)


def test_slot_entry_follows_its_rows() -> None:
    merged = SlotEntry.merge([SlotEntry([3]), SlotEntry([1]), SlotEntry([2])])
    merged.filter(mx.array([2, 0]))
    merged.extend(SlotEntry([7]))
    assert merged.slots == [2, 3, 7]
    assert merged.extract(1).slots == [3]


def test_saved_adapter_is_what_mlx_lm_loads(engine: Engine, tmp_path) -> None:
    lora = engine.call(lambda: LoraModel(engine.base, config.TrainingSettings(r=4)))
    adapter = random_adapter(engine, 11)
    engine.call(
        lambda: save_adapter(adapter, adapter_config(adapter, len(lora.model.layers)), tmp_path)
    )
    model, tokenizer = load(str(ember.MODEL_PATH), adapter_path=str(tmp_path))[:2]
    engine.swap(engine.call(lambda: load_adapter(tmp_path)), "A_11", CheckpointStatus.STABLE)
    for question in QUESTIONS:
        messages = [{"role": "user", "content": question}]
        prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True)
        theirs = generate(model, tokenizer, prompt, max_tokens=24)
        assert ask(engine, question).result().text == theirs
    engine.swap(None, None, CheckpointStatus.BASE)


def test_adapter_with_half_a_pair_is_refused(tmp_path) -> None:
    mx.save_safetensors(str(tmp_path / "adapters.safetensors"), {"x.lora_a": mx.zeros((2, 2))})
    (tmp_path / "adapter_config.json").write_text('{"lora_parameters": {"scale": 2.0}}')
    with pytest.raises(CorruptCheckpoint, match=r"x\.lora_a is not half of a LoRA pair"):
        load_adapter(tmp_path)
