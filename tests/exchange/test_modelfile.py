"""What Ollama is told of a chat writes chats as the model's own template does, or is left out."""

import jinja2
import pytest

from radiance.exchange.modelfile import Chat, TurnForms, modelfile, turn_forms
from tests.chat_families import FAMILIES, Family

_CHATS: list[Chat] = [
    [("user", "What is 2 + 2?")],
    [("user", "a"), ("assistant", "b {}"), ("user", "c\nd")],
    [("system", "You are brief."), ("user", "Who are you?")],
    [("system", "s"), ("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d"),
     ("user", "e")],
]  # fmt: skip


def forms_of(family: Family) -> TurnForms | None:
    return turn_forms(lambda chat, asks: rendered(family, chat, asks), family.specials[0])


def rendered(family: Family, chat: Chat, asks: bool) -> str | None:
    turns = [{"role": role, "content": words} for role, words in chat]
    tokenizer = family.encoder()._tokenizer
    try:
        return str(tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=asks))
    except jinja2.TemplateError:
        return None


def test_a_system_text_of_the_template_s_own_is_ollama_s_default() -> None:
    forms = forms_of(FAMILIES["qwen2"])
    assert forms is not None
    assert forms.around["user"] == ("<|im_start|>user\n", "<|im_end|>\n")
    assert forms.around["assistant"] == ("<|im_start|>assistant\n", "<|im_end|>\n")
    text = modelfile("model.gguf", forms, ["<|im_end|>"], is_adapter=False)
    assert 'SYSTEM """You are a helpful assistant."""' in text
    assert text.startswith("# ollama create NAME -f Modelfile\nFROM ./model.gguf\nTEMPLATE")


def test_what_ollama_would_read_as_its_own_is_left_out() -> None:
    forms = TurnForms({"user": ("{{", ""), "assistant": ("", "")}, "", None, False)
    for given in (forms, None):
        text = modelfile("adapter.gguf", given, [], is_adapter=True)
        assert "\nTEMPLATE" not in text
        assert "FROM ./base.gguf\nADAPTER ./adapter.gguf" in text


@pytest.mark.parametrize("name", FAMILIES)
def test_forms_write_every_chat_as_the_template_does(name: str) -> None:
    family = FAMILIES[name]
    forms = forms_of(family)
    if forms is None:
        assert name not in ("qwen2", "zephyr", "phi3", "llama3", "smollm2"), (
            "these are text around each turn"
        )
        return
    for chat in _CHATS:
        written = rendered(family, chat, True)
        if written is not None and (chat[0][0] != "system" or forms.has_system):
            assert forms.write(chat) == written.removeprefix(family.specials[0])
