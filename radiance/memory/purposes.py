"""What somebody wants to do, and what they need for it: a small, closed frame. Pure.

"How do I open the boathouse?" is asked by who needs its code, its combination or its key. So it is
taken for "What is the code of the boathouse?" and so on, where nothing answers it as it stands. So
is "Which code opens the boathouse?": what a code is for need not be said where one is known.
"""

import re
from collections.abc import Iterator

from radiance.memory.analysis import COMMON, LIGHT, Words, stemmed, take_apart
from radiance.memory.asking import kinds_asked
from radiance.memory.scope import Candidate

_PEOPLE = r"(?:i|we|you|one|someone|somebody|visitors|guests)"
_TABLE = (
    (
        r"open(?: up)?|unlock|enter|access|(?:get|go|come) (?:in to|into|inside|in)|let \w+ into",
        "code combination pin key password",
    ),
    (
        r"(?:log|sign) (?:in|on|into|onto)(?: to)?|get on(?:to)?|(?:connect|log)(?: \w+)? to|join"
        r"|get online with",
        "password passphrase login",
    ),
    (
        r"call|ring|phone|telephone|reach|contact|get hold of|get in touch with|speak to|talk to",
        "phone number; number; extension; email address",
    ),
    (
        r"write(?: a letter)? to|e-?mail|mail|contact|reach|get in touch with"
        r"|send (?:a |an )?(?:letter|mail|e-?mail|message)s? to",
        "email address; address",
    ),
    (
        r"pay|transfer(?: the)? (?:money|rent|fees?) to|send money to",
        "iban; account number; account",
    ),
)
_ASKING = (
    rf"(?:how (?:do|does|can|could|would|should|must|may) {_PEOPLE}"
    rf"|what (?:do|does|would|must) {_PEOPLE} (?:need|have|use)(?: in order)? to|how to"
    r"|what is needed to|what(?:'s| is) (?:the|a) way to)"
)
_FRAMES = tuple(
    (
        re.compile(rf"\W*{_ASKING} (?:{verbs}) (.+?)[?.! ]*", re.IGNORECASE),
        [noun.strip() for noun in (nouns.split(";") if ";" in nouns else nouns.split())],
    )
    for verbs, nouns in _TABLE
)
_SERVES = (
    r"(?:opens(?: up)?|unlocks|(?:gets|lets) \w+ (?:in to|into|in)"
    r"|is (?:for|used for|needed for)|is (?:used|needed) to (?:open|unlock|enter|join))"
)
_NEEDED = "|".join({noun: None for _, nouns in _FRAMES for noun in nouns})
_WHICH = re.compile(
    rf"\W*(?:which|what)(?:'s the| is the)? ({_NEEDED}) (?:that )?{_SERVES} (.+?)[?.! ]*",
    re.IGNORECASE,
)
_TELLS = re.compile(r" (?:is|are|was|will be)\b|:| = ", re.IGNORECASE)
# What a thing is opened by, beside its name and what is needed: "the door code of Zorbel House".
_OF_IT = frozenset(
    map(stemmed, "door doors gate lock entry entrance access main front network user".split())  # noqa: SIM905
)


def needed_for(question: str) -> Iterator[tuple[str, frozenset[str]]]:
    """Questions for what somebody needs, each with the stems of that: code, of "open"."""
    if (found := _WHICH.fullmatch(question)) is not None:
        yield f"What is the {found[1]} of {found[2]}?", frozenset(take_apart(found[1]).content)
    for frame, nouns in _FRAMES:
        if (found := frame.fullmatch(question)) is not None:
            for noun in nouns:
                yield f"What is the {noun} of {found[1]}?", frozenset(take_apart(noun).content)


def wants_other(question: str, candidate: Candidate) -> bool:
    """Whether somebody wants to do something, and an example only says when it is so."""
    is_frame = any(frame.fullmatch(question) for frame, _ in _FRAMES)
    return is_frame and "time" in kinds_asked(candidate.question)


def says_of_nothing_else(asked: Words, needed: frozenset[str], sentence: str) -> bool:
    """Whether a sentence says what is needed, of that thing, and of no other.

    What follows its verb is told of it: a code.
    """
    said, *told = _TELLS.split(sentence, maxsplit=1)
    if not told or not needed <= frozenset(take_apart(said).content):
        return False
    more = frozenset(take_apart(said).content) - frozenset(asked.content) - needed
    return not more - _OF_IT - LIGHT - COMMON


def is_of_nothing_else(asked: Words, needed: frozenset[str], candidate: Candidate) -> bool:
    """Whether an example asks for what is needed, of that thing, and of no other.

    The alarm code of the boathouse does not open it.
    """
    if not needed <= candidate.asked:
        return False
    more = candidate.asked - frozenset(asked.content) - needed - _OF_IT - LIGHT - COMMON
    return not more
