"""The same text is encoded the same way for asking and for teaching."""

import itertools
import subprocess
import sys
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlx_lm.utils import load_tokenizer

from radiance import platform
from radiance.engine.model.control_tokens import ControlTokens, Hidden
from radiance.engine.model.encoding import Encoder
from radiance.engine.worker import Engine
from radiance.errors import TooLarge
from radiance.records import Example, Message
from tests.shared_data import STORIES, needs
from tests.support import example

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


@needs(STORIES)
def test_base_without_a_chat_template() -> None:
    encoder = Encoder(load_tokenizer(STORIES, eos_token_ids=[1, 2]), 512, end_token=1)
    encoded = encoder.example(example(0, "Who is Lily?", "A girl."))
    asked = encoder.prompt([Message("user", "Who is Lily?")])
    assert list(encoded.tokens[: len(asked)]) == asked
    assert encoded.tokens[-1] == 1
    assert encoder.answer_text(" A girl.") == "A girl."


@pytest.mark.parametrize("has_start", [False, pytest.param(True, marks=needs(STORIES))])
def test_longer_text_is_cut_into_windows_that_fit(engine: Engine, has_start: bool) -> None:
    """Together they learn every token but the first, once, each after the ones before it."""
    if has_start:
        encoder = Encoder(load_tokenizer(STORIES, eos_token_ids=[1, 2]), 64, end_token=2)
    else:
        encoder = Encoder(engine.base.tokenizer, 64, engine.base.end_token)
    start = 1 if has_start else 0
    sizes = set()
    for words in range(10, 260):  # every remainder of the length, the last window of one token too
        text = Example("news.7", text=" ".join(f"town {n}" for n in range(words)))
        whole, windows = encoder.example(text), encoder.windows(text)
        assert windows[0].example_id == "news.7"
        assert [w.example_id for w in windows[1:]] == [
            f"news.7#{n}" for n in range(2, len(windows) + 1)
        ]
        assert all(len(window.tokens) <= 64 and any(window.is_completion) for window in windows)
        assert all(window.tokens[:start] == whole.tokens[:start] for window in windows)
        learned = [
            token
            for window in windows
            for token, is_learned in zip(window.tokens, window.is_completion, strict=True)
            if is_learned
        ]
        assert learned == list(whole.tokens[1:])
        for before, after in itertools.pairwise(windows):
            assert after.tokens[start] == before.tokens[-1]
        sizes.add(len(windows[-1].tokens))
    assert {start + 2, 64} <= sizes


def test_longer_chat_keeps_its_answer(engine: Engine) -> None:
    encoder = Encoder(engine.base.tokenizer, 64, engine.base.end_token)
    chat = example(0, "word " * 200, "Yes, it is.")
    (window,) = encoder.windows(chat)
    whole = encoder.example(chat)
    assert window.tokens == whole.tokens[-64:]
    assert window.is_completion == whole.is_completion[-64:]
    assert encoder.windows(example(0, "Is it?", "Yes.")) == [
        encoder.example(example(0, "Is it?", "Yes."))
    ]


@needs(STORIES)
def test_a_text_has_one_start_and_one_end() -> None:
    """Those it brings itself are it; what else is named like a token is text."""
    encoder = Encoder(load_tokenizer(STORIES, eos_token_ids=[1, 2]), 512, end_token=2)
    plain = encoder.example(Example("x", text="Once upon a time"))
    for text in ("<s>Once upon a time", "<s>Once upon a time</s>", "Once upon a time</s>"):
        assert encoder.example(Example("x", text=text)) == plain
    assert encoder.text("<s>Once") == encoder.text("Once")
    struck = encoder.example(Example("x", text="It is <s>struck</s> out."))
    assert sum(token in (1, 2) for token in struck.tokens) == 2
    assert encoder.decode(struck.tokens[1:-1]) == "It is <s>struck</s> out."
    answer = "Write <s>old</s> around it."
    encoded = encoder.example(example(0, "How?", answer))
    assert encoder.answer_text(encoder.decode(encoded.tokens[1:-1])).endswith(answer)
    assert sum(token in (1, 2) for token in encoded.tokens) == 2


def test_a_text_that_cannot_fit_is_refused_before_it_is_tokenized(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder, long = engine.encoder, "a" * 8_000_000
    chat = (Message("user", long), Message("assistant", "b"))

    def unexpected(*_: object, **__: object) -> None:
        raise AssertionError("it was made tokens of")

    for name in ("encode", "plain"):
        monkeypatch.setattr(encoder._controls, name, unexpected)
    many = [{"role": "user", "content": ""}] * 100_000
    for refuse in (
        lambda: encoder.prompt([Message("user", long)]),
        lambda: encoder.chat_prompt([{"role": "user", "content": long}]),
        lambda: encoder.chat_prompt(many),
        lambda: encoder.text(long),
        lambda: encoder.check_fits(Example("x", chat)),
        lambda: encoder.check_fits(Example("x", (), long)),
        lambda: encoder.check_fits(Example("x", (Message("user", ""),) * 100_000)),
    ):
        with pytest.raises(TooLarge, match="context"):
            refuse()


def test_what_fits_is_never_refused_by_its_length(engine: Engine) -> None:
    longest = max(engine.base.tokenizer.get_vocab(), key=len)
    assert engine.encoder.may_fit(engine.encoder.context_tokens * len(longest))


def test_a_short_text_never_waits_for_a_long_one(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder, encode = engine.encoder, ControlTokens.encode
    begun, go_on = threading.Event(), threading.Event()
    long = [Message("user", "word " * 5_000)]
    alone = encoder.example(Example("job_000001.0", text=long[0].content)).tokens

    def slow(self: ControlTokens, text: str, hidden: Hidden) -> list[int]:
        if len(text) > 20_000:
            begun.set()
            assert go_on.wait(60)
        return encode(self, text, hidden)

    monkeypatch.setattr(ControlTokens, "encode", slow)
    found: list[tuple[int, ...]] = []
    thread = threading.Thread(
        target=lambda: found.append(
            encoder.example(Example("job_000001.0", text=long[0].content)).tokens
        )
    )
    thread.start()
    assert begun.wait(60)
    others = threading.Thread(
        target=lambda: found.append(tuple(encoder.prompt([Message("user", "Hi")])))
    )
    others.start()
    others.join(60)
    assert len(found) == 1  # the short one is there, the long one is not
    go_on.set()
    thread.join()
    assert found[1] == alone


_MANY_WORDS = """
import random, sys, threading
from mlx_lm.utils import load_tokenizer
from radiance.ember.model_files import MODEL_PATH
from radiance.engine.model.encoding import Encoder

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096

def send():
    for start in range(0, len(words), at_once):
        encoder.plain(" ".join(words[start:start + at_once]))
    sent.wait()
    told.wait()

at_once = int(sys.argv[1])
tokenizer = load_tokenizer(MODEL_PATH)
encoder = Encoder(tokenizer, 1024, tokenizer.eos_token_id)
dice = random.Random(0)
words = ["".join(dice.choices("abcdefghijklmnopqrstuvwxyz", k=250)) for _ in range(5_000)]
before = resident()
sent, told = threading.Barrier(3), threading.Barrier(3)
threads = [threading.Thread(target=send) for _ in range(2)]
for thread in threads:
    thread.start()
sent.wait()
print(resident() - before)
told.wait()
"""


@pytest.mark.slow
@pytest.mark.skipif(platform.IS_MACOS, reason="reads /proc")
@pytest.mark.parametrize("at_once", [1, 200], ids=["short texts", "long texts"])
def test_words_are_not_kept_by_the_threads_that_meet_them(at_once: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _MANY_WORDS, str(at_once)],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert int(done.stdout) < 20 << 20
