"""Common knowledge: enough of it, each asked once, and a part that training never sees."""

from collections import Counter

from radiance.anchors import common
from radiance.anchors.sets import MOST_PROMPTS, Anchor, AnchorSet, unite
from radiance.ember import listed_facts, unlisted_facts
from radiance.records import Example, Message

CONTEXTS = {
    "facts",
    "arithmetic",
    "spelling",
    "language",
    "formatting",
    "refusals",
    "small talk",
}


def test_every_context_has_many_and_no_question_comes_twice() -> None:
    prompts = common.read()
    assert len(prompts) >= 300
    counts = Counter(prompt.context for prompt in prompts)
    assert set(counts) == CONTEXTS
    assert min(counts.values()) >= 40
    assert len({prompt.anchor.example.question_hash for prompt in prompts}) == len(prompts)
    assert len({prompt.id for prompt in prompts}) == len(prompts)
    assert all(prompt.text == prompt.text.strip() for prompt in prompts)
    assert sum(bool(prompt.reference) for prompt in prompts) > 150


def test_prompts_are_no_templates() -> None:
    """No beginning of three words, however natural, makes more than one in twelve of a context."""
    for context in CONTEXTS:
        asked = [p.text.lower().split()[:3] for p in common.read() if p.context == context]
        (_, most), *_ = Counter(map(tuple, asked)).most_common(1)
        assert most <= len(asked) / 8, context


def test_a_part_of_each_context_is_held_out_of_the_set() -> None:
    prompts = common.read()
    held_out = [prompt for prompt in prompts if prompt.is_held_out]
    counts = Counter(prompt.context for prompt in prompts)
    for context, count in Counter(prompt.context for prompt in held_out).items():
        assert 0.15 < count / counts[context] < 0.4, context
    anchors = common.read_set()
    assert anchors.prompts == len(anchors) == len(prompts) - len(held_out)
    assert {p.id for p in held_out}.isdisjoint(example.id for example in anchors.examples)


def test_no_more_than_some_are_held_or_measured_beside_all_others() -> None:
    anchors = common.read_set()
    sample = anchors.sample(100)
    assert len(sample) == MOST_PROMPTS
    assert set(sample.contexts) == CONTEXTS
    assert max(sample.counts.values()) - min(sample.counts.values()) <= 1
    turns = (Message("user", "Who?"), Message("assistant", "Ada."))
    mine = Anchor(Example("mine", turns), "people")
    united = unite([mine], anchors)
    assert united.sample(100).anchors == (mine, *sample.anchors)
    assert united.sample(5).own == 1
    assert len(anchors.sample(1000, 1000)) == len(anchors)


def test_whoever_teaches_an_answer_to_a_prompt_contradicts_it() -> None:
    anchors: AnchorSet = common.read_set()
    asked = anchors.examples[0]
    told = Example("t", (asked.messages[0], Message("assistant", "Lyon, they say.")))
    assert anchors.contradicted_by([told]) == {asked.question_hash: told}


def test_it_is_not_embers_list() -> None:
    known = {fact.question for facts in (listed_facts(), unlisted_facts()) for fact in facts}
    shared = [prompt.text for prompt in common.read() if prompt.text in known]
    assert len(shared) < 10
