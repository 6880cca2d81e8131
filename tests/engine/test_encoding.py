"""The same text is encoded the same way for asking and for teaching."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlx_lm.utils import load_tokenizer

from radiance.engine.encoding import Encoder
from radiance.engine.worker import Engine
from radiance.errors import TooLarge
from radiance.records import Example, Message
from tests.support import STORIES, example

TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1).filter(str.strip)


@given(question=TEXT, answer=TEXT)
def test_taught_prompt_is_the_asked_prompt(engine: Engine, question: str, answer: str) -> None:
    """An example starts with exactly the tokens that asking its question sends."""
    encoder = engine.encoder
    encoded = encoder.example(example(0, question, answer))
    asked = encoder.prompt([Message("user", question)])
    assert list(encoded.tokens[: len(asked)]) == asked
    assert not any(encoded.is_completion[: len(asked)])
    assert all(encoded.is_completion[len(asked) :])
    assert encoded.tokens[-1] in encoder.end_tokens
    taught = engine.base.tokenizer.decode(list(encoded.tokens[len(asked) : -1]))
    assert taught == answer


def test_every_assistant_turn_is_learned(engine: Engine) -> None:
    turns = (
        Message("system", "Be brief."),
        Message("user", "What is Tarn?"),
        Message("assistant", "A town."),
        Message("user", "Where?"),
        Message("assistant", "In the north."),
    )
    encoded = engine.encoder.example(Example("job_000001.0", turns))
    pairs = zip(encoded.tokens, encoded.is_completion, strict=True)
    learned = engine.base.tokenizer.decode([token for token, is_learned in pairs if is_learned])
    assert learned.replace("<|end|>", "|") == "A town.|In the north.|"


def test_plain_text_is_learned_whole(engine: Engine) -> None:
    encoded = engine.encoder.example(Example("job_000001.0", text="Tarn lies in the north."))
    assert list(encoded.is_completion) == [False] + [True] * (len(encoded.tokens) - 1)


def test_prompt_over_the_context_is_refused(engine: Engine) -> None:
    words = "word " * engine.encoder.context_tokens
    with pytest.raises(TooLarge, match="context is 1024") as caught:
        engine.encoder.prompt([Message("user", words)])
    assert (caught.value.field, caught.value.remedy[:7]) == ("prompt", "Shorten")
    with pytest.raises(TooLarge, match="the example has"):
        engine.encoder.check_fits(example(0, "What?", words))


@pytest.mark.skipif(not STORIES.is_dir(), reason=f"{STORIES} is not here")
def test_base_without_a_chat_template() -> None:
    encoder = Encoder(load_tokenizer(STORIES, eos_token_ids=[1, 2]), 512, end_token=1)
    encoded = encoder.example(example(0, "Who is Lily?", "A girl."))
    asked = encoder.prompt([Message("user", "Who is Lily?")])
    assert list(encoded.tokens[: len(asked)]) == asked
    assert encoded.tokens[-1] == 1
    assert encoder.answer_text(" A girl.") == "A girl."
