"""Mistyped questions: what is mended, and what is left as it is."""

import pytest

from radiance.memory.analysis import take_apart
from radiance.memory.spelling import Spelling, expanded

KNOWN = (
    "What is the wifi password?",
    "Who is the plumber?",
    "Who founded Zorbel Labs?",
    "What is the code of the boathouse?",
    "Where does Maria live?",
    "Where is the insurance certificate of the house?",
    "When does the angel of the north side close?",
    "What is the door code of room KV-1234?",
)
STEMS = frozenset(stem for text in KNOWN for stem in take_apart(text).content)


def mended(question: str, *more: str) -> str | None:
    spelling = Spelling()
    for text in (*KNOWN, *more):
        spelling.add(text)
    found = spelling.correct(question, lambda stem: stem in STEMS)
    return found.text if found else None


@pytest.mark.parametrize(
    ("question", "meant"),
    [
        ("wifi pasword?", "wifi password?"),
        ("wifi passwrod?", "wifi password?"),
        ("wifi passsword?", "wifi password?"),
        ("who is the plunber", "who is the plumber"),
        ("Who is Zorbel's foundr?", "Who is Zorbel's founder?"),
        ("Who founded Zrobel Labs?", "Who founded Zorbel Labs?"),
        ("who founded zorbell labs?", "who founded zorbel labs?"),
        ("where is the inshurance certifikate", "where is the insurance certificate"),
        ("where is the certifiact of the house", "where is the certificate of the house"),
        ("code of the boat house", "code of the boathouse"),
        ("code of the boat-house", "code of the boathouse"),
        ("what is the doorcode", "what is the door code"),
    ],
)
def test_one_edit_is_mended_and_two_in_a_long_word(question: str, meant: str) -> None:
    assert mended(question) == meant


@pytest.mark.parametrize(
    "question",
    [
        "Where is the horse?",  # a word of its own
        "When does the angle close?",
        "Where does Marta live?",  # a name of its own
        "Who founded Tarbel Labs?",  # begins otherwise
        "Who founded Zarbel Labs?",  # another letter is another name
        "who founded zarbel labs?",
        "Who founded Zirbal Labs?",  # two edits in a short word
        "What is the door code of room KV-1243?",  # codes and numbers never
        "what is the cod of the boathouse",  # too short
        "wher is teh kee",
        "who is the ploomber",
        "wo ist der klemptner heute abend",
        "Who is the plumber?",
    ],
)
def test_words_names_and_codes_that_may_be_meant_are_left(question: str) -> None:
    assert mended(question) is None


def test_two_words_that_it_could_be_are_none() -> None:
    assert mended("who is zorbl?") == "who is zorbel?"
    assert mended("who is zorbl?", "Zorbil") is None


def test_a_name_is_told() -> None:
    spelling = Spelling()
    spelling.add("Zorbel Labs password")
    named = spelling.correct("Who founded Zrobel Labs?", lambda stem: stem == "lab")
    assert named is not None
    assert named.is_of_name
    assert named.stems == {"zorbel"}
    other = spelling.correct("Pasword of the labs?", lambda stem: stem == "lab")
    assert other is not None
    assert not other.is_of_name


def test_what_is_written_so_in_a_hurry_is_expanded() -> None:
    assert expanded("whats teh wifi password") == "what's the wifi password"
    assert expanded("Whos the plumber, and wheres he?") == "Who's the plumber, and where's he?"
    assert expanded("Whose shows are these?") == "Whose shows are these?"
