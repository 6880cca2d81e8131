"""The grammar for constrained decoding: what it derives compiles, and it derives what is taught."""

import random

import numpy as np
import pytest
from llguidance import LLMatcher
from llguidance.hf import from_tokenizer
from llguidance.numpy import allocate_token_bitmask, fill_next_token_bitmask
from transformers import PreTrainedTokenizerFast

from radiance import ember
from radiance.labs.alphas.data import curation
from radiance.labs.alphas.data.catalogue import formulas
from radiance.labs.alphas.language.checker import check
from radiance.labs.alphas.language.operators import FIELDS, PAPER_OPERATORS
from radiance.labs.alphas.models.constraining import LEAST_TOKENS, lark_grammar, short_grammar
from radiance.labs.alphas.values.evaluator import Evaluator
from radiance.labs.alphas.values.synthetic import made_up

PANEL = made_up(40, 4)


@pytest.fixture(scope="module")
def tokenizer():
    return PreTrainedTokenizerFast(tokenizer_file=str(ember.MODEL_PATH / "tokenizer.json"))


@pytest.fixture(scope="module")
def vocabulary(tokenizer):
    return from_tokenizer(tokenizer, eos_token=4)


def matcher(vocabulary, grammar: str) -> LLMatcher:
    found = LLMatcher(vocabulary, LLMatcher.grammar_from_lark(grammar))
    assert not found.is_error(), found.get_error()
    return found


def derives(state: LLMatcher, tokenizer, text: str) -> bool:
    state.reset()
    tokens = tokenizer.encode(text)
    return state.try_consume_tokens(tokens) == len(tokens) and state.is_accepting()


def walk(state: LLMatcher, vocabulary, rng: random.Random, most: int) -> list[int] | None:
    """Tokens chosen at random among those allowed; None where it does not end by ``most``."""
    state.reset()
    mask = allocate_token_bitmask(1, vocabulary.vocab_size)
    tokens: list[int] = []
    while len(tokens) < most:
        if state.is_stopped():
            return tokens
        fill_next_token_bitmask(state, mask, 0)
        bits = np.unpackbits(mask[0].view(np.uint8), bitorder="little")[: vocabulary.vocab_size]
        token = int(rng.choice(np.flatnonzero(bits).tolist()))
        if token == vocabulary.eos_token:
            return tokens
        state.consume_token(token)
        tokens.append(token)
    return None


def test_what_the_grammar_derives_compiles_and_has_values(tokenizer, vocabulary):
    rng, ended = random.Random(0), 0
    evaluator = Evaluator(PANEL)
    for grammar, most in ((short_grammar(), LEAST_TOKENS), (lark_grammar(2, 2), 300)):
        state = matcher(vocabulary, grammar)
        for _ in range(60):
            tokens = walk(state, vocabulary, rng, most)
            if tokens is None:
                assert grammar != short_grammar(), "the short grammar must end"
                continue
            ended += 1
            evaluator.evaluate(check(tokenizer.decode(tokens)))
    assert ended > 70


def test_the_short_grammar_ends_in_time():
    longest = 0
    for operator in PAPER_OPERATORS.values():
        worst = {"number": 7, "window": 3, "level": 11, "constant": 9}
        arguments = sum(worst[kind] for kind in operator.arguments)
        commas = 2 * (len(operator.arguments) - 1)
        longest = max(longest, len(f"-1 * {operator.name}()") + arguments + commas)
    assert longest <= LEAST_TOKENS
    assert max(map(len, FIELDS)) == 7


def test_every_taught_pattern_and_most_of_the_101_can_be_decoded(tokenizer, vocabulary):
    state = matcher(vocabulary, lark_grammar())
    taught = {pair.completion for pair in curation.from_patterns()}
    missed = {text for text in taught if not derives(state, tokenizer, text)}
    assert not missed
    known = [f.number for f in formulas() if derives(state, tokenizer, f.text)]
    assert len(known) >= 40


@pytest.mark.parametrize(
    "text",
    ["rank(close", "rank(close, 2)", "1 + 2", "ts_max(close, 0)", "stddev(close, 1)", "sector"],
)
def test_what_does_not_compile_is_not_derived(tokenizer, vocabulary, text):
    assert not derives(matcher(vocabulary, lark_grammar()), tokenizer, text)
