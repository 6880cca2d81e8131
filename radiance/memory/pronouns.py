"""What a pronoun in a question refers to, where the same message names one thing before it. Pure.

"I met Ana Ruiz yesterday. What is her email?" asks for the email of Ana Ruiz. That is said only
where nothing else could be meant: one sentence with one name and nothing beside it that a pronoun
could stand for, and a question without a name. So every other word of that sentence must be of a
small list (to meet, to call, yesterday), or it says what the named one is ("Ana Ruiz is our new
accountant."). A brother, a lost key, a second name or news ("Ana Ruiz has moved.") make it unclear.
"""

import re

from radiance.memory.analysis import take_apart
from radiance.memory.asking import asks
from radiance.memory.chats import PLEASANTRY
from radiance.memory.tasks import is_plain

_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=\S)")
_WORD = re.compile(r"[^\W_](?:[\w.&-]*[^\W_])?(?:['’]\w+)?")
_PRONOUN = re.compile(r"\b(he|she|him|her|his|it|its|they|them|their)\b", re.IGNORECASE)
_OWNING = frozenset(("his", "its", "their"))
# After "her" what she has: "her email", but "reach her by email".
_NOT_OWNED = frozenset(
    """
    a an and about are as at by can could did do does for from has have if in is my now of on or our
    should so than that the then to today tomorrow up was when where will with
    """.split()  # noqa: SIM905 - as a list it would take a screen
)
_ELSE = re.compile(r"\b(?:this|that|these|those|there|then|one|ones|other|another|same|also|too)\b")
# Beside a name these are nothing that a pronoun could stand for, and no news of it.
_BESIDE = frozenset(
    """
    i i'm i've i'd i'll we we're we've we'd we'll me us am are was were be been being have had has
    will would must should can could can't cannot couldn't not do don't did didn't want wanted need
    needed like going go went get meet met meeting see saw seen seeing know knew talk talked
    talking speak spoke spoken speaking write wrote written writing call called calling phone
    phoned visit visited visiting contact contacted reach heard hear hearing email emailed remember
    trying try tried hope think thinking of about to with from at for on in the again just recently
    lately once twice now today tonight yesterday tomorrow morning afternoon evening night week
    month year last next this soon ago a an few two three days weeks months years monday tuesday
    wednesday thursday friday saturday sunday january february march april june july august
    september october november december
    """.split()  # noqa: SIM905 - as a list it would take a screen
)
_NAME = r"[A-Z0-9][\w.&-]*(?: [A-Z0-9][\w.&-]*){0,3}"
# No preposition in it: "a friend of my brother" could be either.
_WORD_OF_IT = r"(?!(?:of|at|in|on|with|from|for|by|and|or|to)\b)[a-z-]+"
_DESCRIBED = re.compile(rf"({_NAME}) is (?:a|an|the|my|our)(?: {_WORD_OF_IT}){{1,3}}[.!]")
_ONE_NAME = re.compile(rf"{_NAME}(?<!\d)|[A-Z][\w.&-]*\d")


def leans_on_a_statement(text: str) -> bool:
    """Whether a message states something, and then asks of it by a pronoun alone."""
    before, question = _apart(text)
    return _leans(text, question) and bool(before) and not any(map(asks, before))


def with_name(text: str) -> str | None:
    """The question that ends a message, the name it asks of in the place of its pronouns.

    None where it asks of none, or it is not clear of which.
    """
    before, question = _apart(text)
    if len(before) != 1 or not _leans(text, question) or _ELSE.search(question.casefold()):
        return None
    name = _only_name(before[0])
    if name is None:
        return None

    def named(found: re.Match[str]) -> str:
        follows = _WORD.match(question[found.end() :].lstrip())
        is_hers = follows is not None and follows[0].casefold() not in _NOT_OWNED
        pronoun = found[1].casefold()
        return f"{name}'s" if pronoun in _OWNING or (pronoun == "her" and is_hers) else name

    return _PRONOUN.sub(named, question)


def _apart(text: str) -> tuple[list[str], str]:
    """The sentences before the last one, without pleasantries, and that."""
    *before, last = _SENTENCE.split(text.strip())
    return [each for each in before if not PLEASANTRY.fullmatch(each.casefold())], last


def _leans(text: str, question: str) -> bool:
    is_question = is_plain(text) and asks(question) and not take_apart(question).names
    return is_question and _PRONOUN.search(question) is not None


def _only_name(sentence: str) -> str | None:
    """The one name in a statement beside which nothing else could be meant."""
    if described := _DESCRIBED.fullmatch(sentence):
        return described[1]
    words = list(_WORD.finditer(sentence))
    named = [word for word in words if word[0].casefold() not in _BESIDE]
    if not named or sentence.endswith("?"):
        return None
    told = sentence[named[0].start() : named[-1].end()]
    is_one = len(told.split()) == len(named) and _ONE_NAME.fullmatch(told)
    return told if is_one else None
