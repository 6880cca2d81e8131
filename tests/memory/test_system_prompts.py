"""Which system prompts change nothing of what is asked after them."""

import pytest

from radiance.memory.system_prompts import changes_nothing

DESK = "What is the desk of Ana Ruiz?"


@pytest.mark.parametrize(
    "prompt",
    [
        "You are a helpful assistant.",
        "You are ChatGPT, a large language model trained by OpenAI.\nKnowledge cutoff: 2023-10\n"
        "Current date: 2026-11-30",
        "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.",
        "You are a helpful AI assistant named SmolLM, trained by Hugging Face",
        "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024",
        "The assistant is Nova, created by Zorbel Labs. The current date is Monday, November 30.",
        "A chat between a curious user and an artificial intelligence assistant. The assistant"
        " gives helpful, detailed, and polite answers to the user's questions.",
        "You are a helpful, respectful and honest assistant. Always answer as helpfully as"
        " possible, while being safe. Your answers should not include any harmful or illegal"
        " content. If you don't know the answer to a question, please don't share false"
        " information.",
        "Be concise.",
        "Answer briefly, in at most two sentences. No preamble.",
        "Use the context below where it is relevant. If you don't know, say so. Do not make things"
        " up.",
        "Format your responses in Markdown where it helps. Don't use emojis.",
        "Respond in the same language as the user.",
        "You are the assistant of the Harbour Street Library. Help visitors with their questions.",
        "You are a large language model running locally on the user's computer. Never be rude.",
        "User: Tom\nLocation: Oslo, Norway\nTimezone: Europe/Oslo",
        "The user's name is Tom. He lives in Oslo.",
        "# Role\n- You are **Nova**, a personal assistant.\n- Think step by step.",
        "",
    ],
)
def test_who_somebody_is_and_to_be_good_changes_nothing(prompt: str) -> None:
    assert changes_nothing(prompt, DESK)


@pytest.mark.parametrize(
    "prompt",
    [
        "Answer in French.",
        "You are a helpful assistant. Answer in German.",
        "You are a French assistant.",
        "You are a pirate.",
        "You are Yoda.",
        "You answer as Shakespeare.",
        "Respond only with JSON.",
        "Answer in one word.",
        "Answer in 5 words.",
        "Answer with a question.",
        "Repeat the question of the user.",
        "Summarize the user's text.",
        "You are a translator. Translate what the user says into English.",
        "Never answer questions.",
        "You only answer questions about cooking.",
        "Always give the date first.",
        "Only talk about the garden.",
        "Offer advice with every answer.",
        "The assistant only says yes or no.",
        "The user's code is 7711.",
        "Ana Ruiz has moved to desk 9.",
        "You are a helpful assistant. The office of Zorbel Labs is in Oslo.",
        "Use the context to answer.\n\nContext:\n- The library lends books for four weeks.",
    ],
)
def test_a_form_a_character_and_a_fact_may_change_it(prompt: str) -> None:
    assert not changes_nothing(prompt, DESK)


def test_what_a_prompt_tells_of_the_user_or_the_day_is_not_looked_up() -> None:
    prompt = "You are Nova, an assistant. The user's name is Tom and he lives in Oslo. Date: 3 May."
    for question in (
        "Who am I?",
        "What is my name?",
        "Where do I live?",
        "What day is it today?",
        "Who are you?",
    ):
        assert not changes_nothing(prompt, question)
        assert changes_nothing("You are a helpful assistant.", question)
    assert changes_nothing(prompt, "What is my desk?")
