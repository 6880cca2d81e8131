"""What texts begin with in common is read once, and changes nothing of what is made of them."""

import mlx.core as mx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radiance import config
from radiance.engine.model.encoding import EncodedExample
from radiance.engine.worker import Engine
from radiance.training import beginnings
from radiance.training.beginnings import common_beginning
from radiance.training.layer_inputs import Inputs, each_input
from radiance.training.lora import LoraModel
from radiance.training.self_samples import SelfSampler
from tests.example_counts import examples
from tests.support import drain

TOKENS = st.lists(st.integers(0, 2), max_size=12)


@examples(100)
@given(common=TOKENS, rests=st.lists(TOKENS, min_size=2, max_size=4), most=st.integers(0, 30))
def test_a_common_beginning_is_the_longest(common, rests, most) -> None:
    texts = [[7] * 16 + common + rest for rest in rests]
    found = list(common_beginning(texts, most))
    assert all(text[: len(found)] == found for text in texts)
    assert len(found) <= most
    if most >= 16:
        longer = [text[: len(found) + 1] for text in texts]
        is_longest = len({tuple(text) for text in longer}) > 1 or len(found) in map(len, texts)
        assert is_longest or len(found) == most
    else:
        assert found == []


def test_one_text_has_nothing_in_common() -> None:
    assert not common_beginning([], 0)
    assert not common_beginning([[1] * 40], 40)


def texts_that_begin_alike(length: int = 20) -> list[EncodedExample]:
    draw = np.random.default_rng(1)
    shared = draw.integers(5, 90, length).tolist()
    texts = [(*shared, *draw.integers(5, 90, size).tolist()) for size in (3, 9, 5, 2)]
    return [EncodedExample(f"t{n}", t, (True,) * len(t)) for n, t in enumerate(texts)]


@pytest.mark.parametrize("most", [1000, 30])
def test_inputs_are_those_of_each_text_alone(
    tiny_engine: Engine, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    """Their products, also where not every input counts; and how many there are."""

    def check() -> None:
        lora = LoraModel(tiny_engine.base, config.TrainingSettings(r=4))
        vector = 0.3 * mx.random.normal((lora.size,), key=mx.random.key(0))
        texts = texts_that_begin_alike()
        kinds = [texts[:3], texts[3:], []]
        found: list[dict[tuple[str, ...], list[Inputs]]] = []
        for least in (16, 10_000):
            monkeypatch.setattr(beginnings, "_LEAST_SHARED", least)
            of: dict[tuple[str, ...], list[Inputs]] = {}

            def keep(paths: tuple[str, ...], *inputs: Inputs, of=of) -> None:
                of[paths] = list(inputs)

            drain(each_input(tiny_engine.base, lora, vector, kinds, keep, most))
            found.append(of)
        once, each = found
        assert once.keys() == each.keys()
        for paths, inputs in once.items():
            for own, other in zip(inputs, each[paths], strict=True):
                assert own.count == other.count
                assert other.count == len(other.rows)
                products = own.rows.T @ own.rows, other.rows.T @ other.rows
                assert np.allclose(*products, rtol=1e-3, atol=1e-3)
        if most == 1000:
            assert len(inputs[0].rows) < inputs[0].count  # the beginning is there once

    tiny_engine.call(check)


@pytest.mark.parametrize("length", [20, 200])  # read in one piece, and in several
def test_answers_are_those_to_each_prompt_alone(tiny_engine: Engine, length: int) -> None:
    def check() -> None:
        engine = tiny_engine
        lora = LoraModel(engine.base, config.TrainingSettings(r=4))
        sampler = SelfSampler(lora, engine.encoder, engine.base)
        vector = 0.3 * mx.random.normal((lora.size,), key=mx.random.key(0))
        prompts = [list(text.tokens) for text in texts_that_begin_alike(length)]
        together = drain(sampler.answer(vector, prompts, 8))
        alone = [drain(sampler.answer(vector, [prompt], 8))[0] for prompt in prompts]
        assert together == alone
        assert len(sampler._table) == 0  # nothing is left in a slot

    tiny_engine.call(check)
