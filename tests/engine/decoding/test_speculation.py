"""Drafts change how fast an answer comes, and nothing of the answer."""

import math
import tracemalloc
from array import array
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

import mlx.core as mx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radiance import config, ember
from radiance.engine.adapters.files import adapter_config, save_adapter
from radiance.engine.decoding.drafting import Draft, Drafter, Odds, PassCost, Source, worth_checking
from radiance.engine.decoding.known_texts import KnownTexts
from radiance.engine.decoding.speculation import SpeculativeRows
from radiance.engine.model.encoding import EncodedExample
from radiance.engine.requests import (
    BASE,
    GREEDY,
    Answer,
    Constraint,
    Delta,
    Event,
    Request,
    Sampling,
    Scoring,
    Weights,
)
from radiance.engine.worker import Engine
from radiance.errors import Cancelled
from radiance.records import CheckpointStatus
from radiance.training.lora import LoraModel
from tests.engine.adapters.test_slots import random_adapter
from tests.engine.decoding.test_generation import ask
from tests.example_counts import examples


class NoCost(PassCost):
    """Tokens for nothing: whatever may be right is checked."""

    def observe(self, tokens: float, seconds: float) -> None:
        del tokens, seconds

    def seconds(self, tokens: float) -> float:
        del tokens
        return 1.0


class Hope(Odds):
    """However often it was wrong, the next guess may be right."""

    def of(self, source: Source, run: int) -> float:
        del source, run
        return 0.9


@dataclass
class Pair:
    """The same engine twice: one that drafts whatever it can, one that never does."""

    drafting: Engine
    plain: Engine
    weights: Sequence[Weights]

    def close(self) -> None:
        self.drafting.stop()
        self.plain.stop()


def start_pair(base: Path, folder: Path, is_pipelined: bool = False) -> Pair:
    engines = [
        Engine("base", base, "cpu", config.EngineSettings(speculation=on), max_waiting=1000)
        for on in (True, False)
    ]
    for engine in engines:
        engine.start()
    batch, speculation = engines[0]._made.batch, engines[0]._made.speculation
    assert speculation is not None
    assert not batch._is_pipelined, "on the CPU"
    batch._is_pipelined = is_pipelined
    engines[0].call(batch.clear)
    speculation.cost, speculation.odds = NoCost(), Hope()
    weights = [BASE]
    for seed in (1, 2):
        directory = folder / f"A_{seed}"
        directory.mkdir()
        adapter = random_adapter(engines[0], seed)
        lora = engines[0].call(
            lambda: LoraModel(engines[0].base, config.TrainingSettings(r=4, alpha=8))
        )
        engines[0].call(
            lambda to=directory, of=adapter, like=lora: save_adapter(
                of, adapter_config(of, len(like.model.layers)), to
            )
        )
        status = CheckpointStatus.RISKY
        weights.append(Weights("checkpoint", f"A_{seed}", status, f"hash{seed}", directory))
    return Pair(engines[0], engines[1], weights)


@pytest.fixture(scope="module", params=[False, True], ids=["in_turn", "pipelined"])
def pair(
    request: pytest.FixtureRequest, tiny_base: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pair]:
    found = start_pair(tiny_base, tmp_path_factory.mktemp("pair"), request.param)
    yield found
    found.close()


def know(pair: Pair, prompt: Sequence[int], answer: Sequence[int]) -> None:
    """Have an answer drafted."""
    learned = (False,) * len(prompt) + (True,) * len(answer)
    pair.drafting.expect([EncodedExample("example", (*prompt, *answer), learned)])


SAMPLINGS = st.one_of(
    st.just(GREEDY),
    st.builds(
        Sampling,
        temperature=st.sampled_from([0.3, 1.0]),
        top_p=st.sampled_from([1.0, 0.8]),
        seed=st.integers(0, 99),
    ),
    st.builds(
        Sampling,
        temperature=st.sampled_from([0.0]),
        repetition_penalty=st.sampled_from([1.0, 1.3]),
        frequency_penalty=st.sampled_from([0.0, 0.5]),
        logit_bias=st.sampled_from([(), ((70, 2.0),)]),
    ),
)
# Few letters, so that prompts repeat themselves and each other.
PROMPTS = st.lists(st.integers(65, 68), min_size=1, max_size=40).map(
    lambda letters: [2, *letters, 4, 3]
)


@st.composite
def requests(draw: st.DrawFn, weights: Sequence[Weights]) -> Request:
    return Request(
        draw(PROMPTS),
        draw(st.integers(1, 40)),
        sampling=draw(SAMPLINGS),
        weights=draw(st.sampled_from(weights)),
        stop=draw(st.sampled_from([(), ("e",), ("a", "th")])),
        top_logprobs=draw(st.sampled_from([None, 2])),
        constraint=draw(st.sampled_from([None, None, Constraint("regex", "[a-f]{3,9}")])),
        ignore_end=draw(st.booleans()),
    )


def same(found: Answer, expected: Answer) -> None:
    assert found.tokens == expected.tokens
    assert found.text == expected.text
    assert (found.finish_reason, found.stop_string) == (
        expected.finish_reason,
        expected.stop_string,
    )
    assert [told.token for told in found.logprobs] == [told.token for told in expected.logprobs]
    for mine, theirs in zip(found.logprobs, expected.logprobs, strict=True):
        assert mine.logprob == pytest.approx(theirs.logprob, abs=1e-3)


@examples(15)
@given(data=st.data())
def test_every_answer_is_the_one_without_drafts(pair: Pair, data: st.DataObject) -> None:
    """Any rows together, of any adapters, with drafts that are right, wrong or right at first."""
    asked = data.draw(st.lists(requests(pair.weights), min_size=1, max_size=5))
    expected = [pair.plain.submit(request).result() for request in asked]
    for request, answer in zip(asked, expected, strict=True):
        right = data.draw(st.integers(0, len(answer.tokens)))
        wrong = data.draw(st.lists(st.integers(0, 260), max_size=8))
        know(pair, request.tokens, [*answer.tokens[:right], *wrong])
    heard: list[list[Event]] = [[] for _ in asked]
    pending = [
        pair.drafting.submit(request, events.append)
        for request, events in zip(asked, heard, strict=True)
    ]
    for future, answer, events in zip(pending, expected, heard, strict=True):
        same(future.result(), answer)
        deltas = [event for event in events if isinstance(event, Delta)]
        assert "".join(delta.text for delta in deltas) == answer.text
        assert tuple(token for delta in deltas for token in delta.tokens) == answer.tokens


def test_what_is_known_takes_few_passes_and_wrong_guesses_take_no_more(pair: Pair) -> None:
    request = Request([2, *range(70, 90), 4, 3], 40, ignore_end=True)
    expected = pair.plain.submit(request).result()
    for known, passes in ((expected.tokens, range(3, 8)), ((7,) * 40, range(20, 42))):
        know(pair, request.tokens, known)
        before = pair.drafting.stats.batch_rows.count
        same(pair.drafting.submit(request).result(), expected)
        assert pair.drafting.stats.batch_rows.count - before in passes
    assert pair.drafting.stats.accepted_tokens < pair.drafting.stats.drafted_tokens
    assert pair.plain.stats.drafted_tokens == 0


def test_nothing_is_computed_after_an_answer_s_end(tiny_base, tmp_path, monkeypatch) -> None:
    pair = start_pair(tiny_base, tmp_path)
    try:
        passes: list[int] = []
        check = SpeculativeRows._check
        monkeypatch.setattr(
            SpeculativeRows, "_check", lambda rows, of: (passes.append(len(of)), check(rows, of))
        )
        request = Request([2, *range(70, 90), 4, 3], 12, ignore_end=True)
        answer = pair.drafting.submit(request).result()
        same(answer, pair.plain.submit(request).result())
        # The first token comes with the prompt; a last one shows whether the answer has ended.
        assert sum(passes) + pair.drafting.stats.accepted_tokens == len(answer.tokens) == 12
    finally:
        pair.close()


def test_an_answer_leaves_no_arrays_behind(pair: Pair) -> None:
    """Once the rows stand still, every further answer takes as much memory as the last one."""
    request = Request([2, *range(70, 90), 4, 3], 4, ignore_end=True)

    def held_after(answers: int) -> int:
        for _ in range(answers):
            pair.drafting.submit(request).result()
        return pair.drafting.call(mx.get_active_memory)

    assert held_after(3) == held_after(40)


@examples(5)
@given(after=st.integers(1, 12), prompt=PROMPTS)
def test_a_row_may_leave_in_the_middle_of_a_draft(
    pair: Pair, after: int, prompt: list[int]
) -> None:
    request = Request(prompt, 40, ignore_end=True)
    expected = pair.plain.submit(request).result()
    know(pair, prompt, expected.tokens)
    others = [pair.drafting.submit(request) for _ in range(2)]
    leaving: Future[Answer]
    tokens = 0

    def listen(event: Event) -> None:
        nonlocal tokens
        if isinstance(event, Delta):
            tokens += 1
            if tokens == after:
                pair.drafting.cancel(leaving)

    leaving = pair.drafting.submit(request, listen)
    for other in others:
        same(other.result(), expected)
    try:
        same(leaving.result(), expected)  # it was faster
    except Cancelled:
        assert tokens >= after
    same(pair.drafting.submit(request).result(), expected)
    assert pair.drafting.call(lambda: len(pair.drafting._decoder)) == 0


def test_drafts_leave_the_distribution_as_it_is(pair: Pair) -> None:
    """Without a seed: a drafted token is as frequent as the model has it."""
    engine, prompt = pair.drafting, [2, 80, 81, 4, 3]
    (scored,) = pair.plain.score([Scoring([*prompt, 0])], top=2).result
    first = scored.logprobs[-1].top[0][0]
    (scored,) = pair.plain.score([Scoring([*prompt, first, 0])], top=2).result
    (likely, logprob), (other, second) = scored.logprobs[-1].top
    share = 1 / (1 + math.exp(second - logprob))  # of the likeliest, among the two
    know(pair, prompt, [first, likely, likely, likely, likely])
    sampling = Sampling(temperature=1.0, top_k=2)
    before = engine.stats.drafted_tokens
    wanted = Request(prompt, 2, sampling=sampling, ignore_end=True)
    answers = [future.result() for future in [engine.submit(wanted) for _ in range(600)]]
    seen = [answer.tokens[1] for answer in answers if answer.tokens[0] == first]
    assert engine.stats.drafted_tokens > before
    assert set(seen) == {likely, other}
    spread = math.sqrt(share * (1 - share) / len(seen))
    assert seen.count(likely) / len(seen) == pytest.approx(share, abs=4.5 * spread)


@pytest.mark.slow
def test_greedy_texts_of_ember_are_the_same(
    engine: Engine, tmp_path_factory: pytest.TempPathFactory
) -> None:
    pair = start_pair(ember.MODEL_PATH, tmp_path_factory.mktemp("ember"))
    try:
        questions = ["What is the capital of France?", "Who are you?", "Count from one to ten."]
        asked = [ask(engine, text, 48, weights=of) for of in pair.weights for text in questions]
        expected = [pair.plain.submit(request).result() for request in asked]
        for _ in range(2):  # the second time all of it is known
            pending = [pair.drafting.submit(request) for request in asked]
            for future, answer in zip(pending, expected, strict=True):
                same(future.result(), answer)
        # One text is known for a prompt, and each has three answers.
        assert pair.drafting.stats.accepted_tokens > sum(len(a.tokens) for a in expected) / 4
    finally:
        pair.close()


def test_a_known_text_is_found_by_its_prompt_and_by_what_was_said() -> None:
    known = KnownTexts(most_bytes=3000)
    prompt = list(range(100, 140))
    known.add(prompt, [1, 2, 3, 4, 5, 6])
    said = array("i", (1, 2, 3, 4, 5, 6))
    assert known.answer_to([7, *prompt]) == (said, 0), "another system turn"
    assert known.answer_to(prompt[:-1]) is None
    assert known.after([9, 2, 3, 4, 5]) == (said, 5)
    known.add(prompt, [1, 2, 3, 4, 7, 8])
    assert known.answer_to(prompt) == (array("i", (1, 2, 3, 4, 7, 8)), 0), "the newest answer"
    known.add([50] * 16, range(30, 48))
    assert len(known) == 1
    assert known.answer_to(prompt) is None, "the oldest is forgotten"
    assert known.after([1, 2, 3, 4]) is None


def test_what_known_texts_take_is_bounded_however_short_they_are() -> None:
    """The ends of prompts count as well: of short answers they are nearly all there is."""
    tracemalloc.start()
    known = KnownTexts(most_bytes=1_000_000)
    for number in range(5_000):
        known.add([number * 1000 + at for at in range(64)], [number, 1, 2, 3, 4, 5])
    taken = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert 200 < len(known) < 1000
    assert taken < 1_500_000


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.integers(1, 16))
def test_a_row_is_guessed_from_what_it_said(tokens: list[int], most: int) -> None:
    """A guess goes on as the row did after its last three tokens the last time."""
    drafter = Drafter(tokens[:1], KnownTexts(), Odds())
    for end in range(1, len(tokens) + 1):
        drafter.follow(tokens[:end])
        draft = drafter.draft(most)
        assert len(draft.tokens) == len(draft.odds) in (0, most)
        assert list(draft.odds) == sorted(draft.odds, reverse=True)
        if draft.tokens:
            said = [tokens[at : at + 4] for at in range(end - 3)]
            assert any(place[3] == draft.tokens[0] for place in said)


def test_a_draft_is_checked_only_where_it_pays() -> None:
    cost = PassCost()
    sure, doubtful = Draft([1] * 8, [0.95**n for n in range(8)]), Draft([1] * 8, [0.02] * 8)
    assert worth_checking([], cost) == []
    assert worth_checking([Draft()], cost) == [0]
    assert worth_checking([sure], cost) == [8]
    assert worth_checking([doubtful], cost) == [0]
    assert worth_checking([sure, *[Draft()] * 50], cost) == [0] * 51, "all rows would be as wide"
    assert all(worth_checking([sure] * 24, cost))
    one, *others = worth_checking([sure, doubtful, doubtful], cost)
    assert one > 0
    assert others == [0, 0], "each is as long as it is sure"
    for tokens in (1, 8, 1, 8, 16, 1, 2):
        cost.observe(tokens, 0.1 * tokens)  # a machine that does one token after the other
    for _ in range(50):
        cost.observe(1, 0.1)
        cost.observe(8, 0.8)
    assert worth_checking([sure], cost) == [0]
