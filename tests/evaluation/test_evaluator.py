"""Forgetting is measured against the base, on the anchors that were given."""

import json
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import pytest
from mlx.utils import tree_unflatten

from radiance import config, ember
from radiance.engine.worker import Engine
from radiance.errors import ConfigError
from radiance.evaluation.anchors import read_anchors
from radiance.evaluation.evaluator import Evaluator, Text
from radiance.evaluation.summary import Past
from radiance.records import EvalReport
from radiance.training.batches import make_batch
from radiance.training.blockwise import Differentiator
from radiance.training.lora import LoraModel
from tests.support import FACTS, drain, example


def evaluate(
    engine: Engine, size: float, anchors: int = 40, held_back: int = 0
) -> tuple[EvalReport, float]:
    """Measure a random adapter of some size; also its loss on the facts, computed plainly."""

    def measure() -> tuple[EvalReport, float]:
        lora = LoraModel(engine.base, config.Training(r=4))
        noise = mx.random.normal((lora.size,), key=mx.random.key(1))
        vector = noise * size if size else lora.initial(None)
        listed = read_anchors(ember.MODEL_PATH / "anchors.jsonl", max(anchors, 1))[:anchors]
        encode = engine.encoder.example
        texts = [Text(encode(anchor), "") for anchor in listed]
        evaluator = Evaluator(lora, Differentiator(lora), texts, "")
        facts = [Text(encode(example(i, *fact)), "A_1") for i, fact in enumerate(FACTS)]
        learned, held = facts[held_back:], facts[:held_back]
        base = lora.initial(None)
        report = drain(evaluator.evaluate(vector, base, learned, held, [], Past())).report
        lora.model.update(tree_unflatten(list(lora.unflatten(vector).items())))
        batch = make_batch([text.example for text in learned])
        logits = lora.model(batch.tokens)
        rows = logits.reshape(-1, logits.shape[-1])[batch.positions]
        losses = nn.losses.cross_entropy(rows, batch.targets) * batch.weights
        total: Any = losses.sum().item()
        return report, total / batch.target_count

    return engine.call(measure)


def test_adapter_that_adds_nothing_forgets_nothing(engine: Engine) -> None:
    report, plain = evaluate(engine, 0)
    assert report.finetune_loss == pytest.approx(plain, rel=1e-4)
    assert report.eval_loss == report.finetune_loss
    assert report.anchor_ce_delta == pytest.approx(0, abs=1e-6)
    assert report.retention_score == 1


def test_harmful_adapter_shows(engine: Engine) -> None:
    report, plain = evaluate(engine, 0.2)
    assert report.finetune_loss == pytest.approx(plain, rel=1e-4)
    assert report.anchor_ce_delta is not None
    assert report.anchor_ce_delta > 0.5
    assert report.retention_score is not None
    assert report.retention_score < 0.5


def test_without_anchors_nothing_is_said_of_forgetting(engine: Engine) -> None:
    report, _ = evaluate(engine, 0, anchors=0)
    assert report.forgetting_loss is None
    assert report.anchor_ce_delta is None
    assert report.retention_score is None


def test_held_back_examples_are_the_evaluation(engine: Engine) -> None:
    whole, _ = evaluate(engine, 0)
    report, _ = evaluate(engine, 0, held_back=2)
    assert report.eval_loss != report.finetune_loss
    low, high = sorted((report.eval_loss, report.finetune_loss))
    assert low < whole.finetune_loss < high


def test_anchors_are_spread_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "anchors.jsonl"
    lines = [json.dumps({"input": f"q{i}", "output": f"a{i}"}) for i in range(10)]
    path.write_text("\n".join([*lines[:5], "", *lines[5:]]) + "\n")
    assert len(read_anchors(path, 100)) == 10
    chosen = [anchor.messages[0].content for anchor in read_anchors(path, 5)]
    assert chosen == ["q0", "q2", "q4", "q6", "q8"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (None, "cannot read"),
        ("\n", "is empty"),
        ("{", "line 1: not an anchor"),
        ('{"input": "a", "output": "b"}\n{"input": "a"}', "line 2: not an anchor"),
        ('{"input": "a", "output": " "}', "line 1: not an anchor"),
        ("[1]", "line 1: not an anchor"),
    ],
)
def test_unusable_anchors_are_named(tmp_path: Path, text: str | None, problem: str) -> None:
    path = tmp_path / "anchors.jsonl"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=problem):
        read_anchors(path, 10)
