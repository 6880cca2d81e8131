"""Which rows a step learns from, and in how many batches."""

from collections.abc import Sequence
from typing import cast

import mlx.core as mx
import numpy as np

from radiance import config
from radiance.engine.model.encoding import EncodedExample
from radiance.engine.worker import Engine
from radiance.training.batches import make_batch
from radiance.training.gradient import GradientComputer
from radiance.training.lora import LoraModel
from radiance.training.row_draw import RowDraw
from radiance.training.training_set import TrainingSet
from radiance.training.wordings import AugmentedExample
from tests.support import FACTS, drain, example

_INSTRUCTION = "Once there was a little dog and a big red ball. Say whether it is big or little: "
_INPUTS = [(_INSTRUCTION + text, "big") for text in ("a cat", "the sun", "my house", "a bee")]


def encoded(engine: Engine, rows: Sequence[tuple[str, str]]) -> list[EncodedExample]:
    return [engine.encoder.example(example(i, *row)) for i, row in enumerate(rows)]


def draw(new: Sequence[EncodedExample], replay: Sequence[EncodedExample]) -> RowDraw:
    new_rows, replay_rows = ([AugmentedExample(e) for e in some] for some in (new, replay))
    settings = config.TrainingSettings(batch_size=4)
    return RowDraw(settings, config.AnchorSettings(), TrainingSet(new_rows, replay_rows), 0)


def test_inputs_of_a_task_and_earlier_examples_are_batches_of_their_own(
    tiny_engine: Engine,
) -> None:
    def compare() -> None:
        new, earlier = encoded(tiny_engine, _INPUTS), encoded(tiny_engine, FACTS)
        apart = draw(new, earlier).batches(0)
        assert [batch.tokens.shape[0] for batch in apart] == [4, 2]
        lora = LoraModel(tiny_engine.base, config.TrainingSettings(r=4))
        computer, vector = GradientComputer(lora), lora.initial(None)
        vector = vector + 0.01 * mx.random.normal(vector.shape, key=mx.random.key(1))
        taught = {tuple(e.tokens): e for e in (*new, *earlier)}
        rows = [taught[r] for batch in apart for r in _rows(batch.tokens, taught)]
        loss, gradient = drain(computer.gradient(vector, make_batch(rows)))
        parts = [drain(computer.gradient(vector, batch)) for batch in apart]
        assert np.isclose(sum(part.item() for part, _ in parts), loss.item(), rtol=1e-5)
        summed = np.array(parts[0][1] + parts[1][1])
        assert np.allclose(summed, np.array(gradient), rtol=1e-3, atol=1e-5)

    tiny_engine.call(compare)


def test_facts_of_one_template_are_one_batch(tiny_engine: Engine) -> None:
    facts = encoded(tiny_engine, FACTS)
    batches = tiny_engine.call(lambda: draw(facts[:3], facts[3:]).batches(0))
    assert [batch.tokens.shape[0] for batch in batches] == [5]


def _rows(tokens: mx.array, taught: dict[tuple[int, ...], EncodedExample]) -> list[tuple[int, ...]]:
    """Which of the texts each row of padded tokens is."""
    found = []
    for row in cast(list[list[int]], tokens.tolist()):
        found += [text for text in taught if tuple(row[: len(text) - 1]) == text[:-1]]
    return found
