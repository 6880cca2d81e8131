"""What a pronoun stands for within one message, and where that is not clear."""

import pytest

from radiance.memory.pronouns import leans_on_a_statement, with_name


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("I met Ana Ruiz yesterday. What is her email?", "What is Ana Ruiz's email?"),
        ("Hello! I met Ana Ruiz last week. How can I reach her?", "How can I reach Ana Ruiz?"),
        ("I can't reach Ana Ruiz. Can I write to her by mail?", "Can I write to Ana Ruiz by mail?"),
        ("Yesterday I spoke to Ana Ruiz. Where does she sit?", "Where does Ana Ruiz sit?"),
        ("Ana Ruiz called me today. What's her desk?", "What's Ana Ruiz's desk?"),
        ("Ana Ruiz is our new accountant. What is her desk?", "What is Ana Ruiz's desk?"),
        (
            "We are going to Zorbel Labs on Monday. When does it open?",
            "When does Zorbel Labs open?",
        ),
        ("I called Zorbel Labs. Who are their guards?", "Who are Zorbel Labs's guards?"),
        ("I need to call KV-12 now. What is its number?", "What is KV-12's number?"),
    ],
)
def test_the_only_name_takes_the_place_of_the_pronoun(text: str, asked: str) -> None:
    assert with_name(text) == asked


@pytest.mark.parametrize(
    "text",
    [
        "My brother works at Zorbel Labs. What is his email?",
        "I met Ana Ruiz's sister. What is her email?",
        "I met the sister of Ana Ruiz. What is her email?",
        "Ana Ruiz is a friend of my brother. What is his email?",
        "I met Ana Ruiz and Bob Li. What is his email?",
        "I met Ana Ruiz, Bob Li. What is his email?",
        "Tom met Ana Ruiz. What is his email?",
        "I met Ana Ruiz. Bob was late. What is his email?",
        "I lost my key at Zorbel Labs. Where is it?",
        "Ana Ruiz bought two lamps. Who makes them?",
        "Ana Ruiz has moved. What is her desk?",
        "Ana Ruiz was our accountant. What is her desk?",
        "I went to Zorbel House 2. What is its code?",
        "I met him. What is his email?",
    ],
)
def test_where_another_could_be_meant_nothing_does(text: str) -> None:
    assert with_name(text) is None
    assert leans_on_a_statement(text)


@pytest.mark.parametrize(
    "text",
    [
        "What is the email of Ana Ruiz?",
        "I met Ana Ruiz yesterday. What is the email of Ana Ruiz?",
        "I met Ana Ruiz yesterday. What is this?",
        "Who is Ana Ruiz? What is her email?",
        "Tell me about Zorbel Labs. Who founded it?",
        "Thank you. Who leads the library, and where is their desk?",
        "I met Ana Ruiz yesterday.\nWhat is her email?",
        "I met Ana Ruiz yesterday. It was her birthday.",
        "",
    ],
)
def test_what_leans_on_no_statement_is_left_as_it_is(text: str) -> None:
    assert with_name(text) is None
    assert not leans_on_a_statement(text)
