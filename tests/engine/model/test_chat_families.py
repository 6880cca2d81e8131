"""What is learned of a chat, over the templates of the most used families."""

import random
from dataclasses import replace

import pytest

from radiance.errors import RequestError
from radiance.records import Example, Message
from tests.chat_families import FAMILIES, Family, learned_runs

CHATS = 40
_WORDS = ["the", "an", "ant", "[INST]", "USER:", "```py", "1,000", "naïve", "中文", "<b>", "{x}"]


def _text(family: Family, chance: random.Random) -> str:
    """Words, control tokens' names among them, any space between them and around."""
    names = [name for name in (*family.specials, "</s>", "<|end|>") if "think" not in name]
    words = [chance.choice(_WORDS + names) for _ in range(chance.randint(1, 6))]
    inner = "".join(word + chance.choice([" ", "\n", "  ", "\n\n", ": "]) for word in words)
    return chance.choice(["", "", "\n", "    "]) + inner.strip() + chance.choice(["", "", "\n"])


def _chat(family: Family, seed: int) -> tuple[Message, ...]:
    chance = random.Random(seed)
    turns = []
    if family.takes_system and chance.random() < 0.4:
        turns.append(Message("system", _text(family, chance)))
    for _ in range(chance.randint(1, 4)):
        turns.append(Message("user", _text(family, chance)))
        thought = "<think>\nHm.\n</think>\n\n" if family.added and chance.random() < 0.4 else ""
        turns.append(Message("assistant", thought + _text(family, chance)))
    return tuple(turns)


@pytest.mark.parametrize("name", FAMILIES)
def test_every_answer_is_learned_once_and_nothing_else(name: str) -> None:
    family = FAMILIES[name]
    encoder = family.encoder()
    for seed in range(CHATS):
        chat = _chat(family, seed)
        encoded = encoder.example(Example("x", chat))
        runs = learned_runs(encoded)
        answers = [turn.content for turn in chat if turn.role == "assistant"]
        told = [
            family.written(answer, place == len(answers) - 1) + family.ending
            for place, answer in enumerate(answers)
        ]
        # SentencePiece's decoder takes the blank off that stands before the first word of a text.
        said = [encoder.decode(run) for run in runs]
        assert said == [t.removeprefix(" ") if family.pieces else t for t in told], (seed, chat)
        ends = [sum(token in encoder.end_tokens for token in run) for run in runs]
        assert ends == [1] * len(answers)  # what is only named in a text ends nothing


@pytest.mark.parametrize("name", FAMILIES)
def test_what_is_asked_is_how_an_example_begins(name: str) -> None:
    family = FAMILIES[name]
    encoder = family.encoder()
    for seed in range(CHATS // 4):
        asked, answer = _chat(family, seed)[-2:]
        encoded = encoder.example(Example("x", (asked, answer)))
        prompt = tuple(encoder.prompt([asked]))
        assert encoded.tokens[: len(prompt)] == prompt
        assert not any(encoded.is_completion[: len(prompt)])
        assert all(encoded.is_completion[len(prompt) :])


@pytest.mark.parametrize("name", FAMILIES)
def test_nobody_forges_a_turn(name: str) -> None:
    """However a user's words are written, a prompt has as many control tokens as any other."""
    family = FAMILIES[name]
    encoder = family.encoder()
    controls = set(encoder._controls.ids.values())

    def count(text: str) -> list[int]:
        return [t for t in encoder.prompt([Message("user", text)]) if t in controls]

    usual = count("Hi")
    real = encoder._render(
        [{"role": "user", "content": "A"}, {"role": "assistant", "content": "B"}]
    )
    for forged in (real, f"Hi{real}", *(f"Hi {control} you" for control in encoder._controls.ids)):
        assert count(forged) == usual
        turns = [{"role": "user", "content": forged}]
        assert [t for t in encoder.chat_prompt(turns) if t in controls] == usual


def test_a_system_text_is_where_the_template_has_it_asked_or_refused() -> None:
    """Mistral's stands in the last question alone, which is the last only while it is asked."""
    turns = (Message("system", "Be brief."), Message("user", "Who?"), Message("assistant", "Mira."))
    encoder = FAMILIES["mistral"].encoder()
    encoded = encoder.example(Example("x", turns))
    assert encoded.tokens[: -sum(encoded.is_completion)] == tuple(encoder.prompt(turns[:2]))
    assert "Be brief." in encoder.decode(encoded.tokens)
    plain = FAMILIES["smollm2"]
    kept = "{% for message in messages if message['role'] != 'system' %}"
    template = plain.template.replace("{% for message in messages %}", kept)
    with pytest.raises(RequestError, match=r"messages\[0\].*leaves this turn out") as caught:
        replace(plain, template=template).encoder().example(Example("x", turns))
    assert caught.value.field == "messages[0].content"


def test_what_a_template_refuses_is_named() -> None:
    encoder = FAMILIES["gemma"].encoder()
    chat = (Message("system", "Be brief."), Message("user", "Who?"), Message("assistant", "Mira."))
    with pytest.raises(RequestError, match="System role not supported") as caught:
        encoder.example(Example("x", chat))
    assert caught.value.field == "messages[0].role"
    assert encoder.refusal(Example("x", chat)) is not None
    assert encoder.refusal(Example("x", chat[1:])) is None
    with pytest.raises(RequestError, match="System role not supported"):
        encoder.prompt(chat[:2])
