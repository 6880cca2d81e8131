"""A prompt as words: the longest known phrases together, each with all it may mean."""

import re
from dataclasses import dataclass
from typing import Any

from radiance.labs.alphas.plans.lexicon import entries
from radiance.labs.alphas.plans.spelling import MOST_DAYS

Meaning = tuple[str, Any]


@dataclass(frozen=True)
class Token:
    """A word or phrase and all it may mean here.

    Attributes:
        meanings: Pairs of kind and value, as ``lexicon.entries()`` has them; ("days", n) for a
            duration, ("number", x) for a percentage or another number, ("stop", c) for a mark
            between clauses.
    """

    text: str
    meanings: tuple[Meaning, ...] = ()

    def values(self, kind: str) -> list[Any]:
        return [value for found, value in self.meanings if found == kind]

    def has(self, kind: str, value: Any = None) -> bool:
        return any(k == kind and (value is None or v == value) for k, v in self.meanings)


def tokenize(text: str) -> list[Token]:
    """The words of a ``normalized`` prompt, the longest known phrases together."""
    text = _bare_days(text)
    tokens: list[Token] = []
    at = 0
    while at < len(text):
        if text[at] == " ":
            at += 1
            continue
        length, meanings = 0, []
        for kind, value, pattern in entries():
            if (found := pattern.match(text, at)) and found.end() > at:
                size = len(found[0].rstrip())
                if size > length:
                    length, meanings = size, []
                if size == length:
                    meanings.append((kind, value))
        word = re.compile(r"<(\d+)>|\{(\d+)\}|-?\d+(?:\.\d+)?|[a-z]+\w*|\S").match(text, at)
        assert word is not None
        if length >= len(word[0]) and not (word[1] and length == len(word[0])):
            tokens += _split(text[at : at + length], meanings)
            at += length
            continue
        if word[1]:
            tokens.append(Token(word[0], (("days", int(word[1])),)))
        elif word[2]:
            tokens.append(Token(word[0], (("vague", int(word[2])),)))
        elif advs := re.fullmatch(r"adv(\d+)", word[0]):
            tokens.append(Token(word[0], (("series", "dollars"), ("mark", "average"))))
            tokens.append(Token("", (("days", int(advs[1])),)))
        elif re.fullmatch(r"-?\d+(?:\.\d+)?", word[0]):
            tokens.append(Token(word[0], (("number", float(word[0])),)))
        elif word[0] in ",;:.()!?/":
            tokens.append(Token(word[0], (("stop", word[0]),)))
        elif word[0] == "*":
            tokens.append(Token(word[0], (("joint", "times"),)))
        else:
            tokens.append(Token(word[0]))
        at = word.end()
    return tokens


def _split(text: str, meanings: list[Meaning]) -> list[Token]:
    """A phrase, and the durations that stand inside it."""
    inside = [Token(f"<{days}>", (("days", int(days)),)) for days in re.findall(r"<(\d+)>", text)]
    return [Token(text, tuple(meanings)), *inside]


def _bare_days(text: str) -> str:
    """Numbers without a unit that can only be days, as in "RSI(14)" or "20 versus 120 days"."""

    def made(found: re.Match[str]) -> str:
        number = int(found[1])
        after = text[found.end() : found.end() + 14].lstrip()
        before = text[max(0, found.start() - 8) : found.start()]
        is_other = re.match(
            r"percent|pct|standard|sigma|times|x\b|stocks|names|shares|deviation|dollar|usd|std|bps|"
            r"bollinger|\.\d|th\b|cents|ranks|signals|factors|parts|things|measures|ingredients|"
            r"components|ideas|legs|quantities|bucks|sds?\b|z\b|of (?:the|them|these)\b|variables",
            after,
        ) or re.search(r"(?:top|\$|number|no|bottom|above|below|than|least|most|power) ?$", before)
        return found[0] if is_other or not 2 <= number <= MOST_DAYS else f"<{number}>"

    return re.sub(r"(?<![\d.<{$-])\b(\d+)\b(?![\d.>}])", made, text)
