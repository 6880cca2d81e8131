"""A prompt as words: numbers and durations made alike, and the longest known phrases together."""

import re
from dataclasses import dataclass
from typing import Any

from radiance.labs.alphas.plans.lexicon import ADJECTIVES, ENTRIES, NUMBERS, UNITS, VAGUE

Meaning = tuple[str, Any]
_MOST_DAYS = 1_000


@dataclass(frozen=True)
class Token:
    """A word or phrase and all it may mean here.

    Attributes:
        meanings: Pairs of kind and value, as ``lexicon.ENTRIES`` has them; ("days", n) for a
            duration, ("number", x) for a percentage or another number, ("stop", c) for a mark
            between clauses.
    """

    text: str
    meanings: tuple[Meaning, ...] = ()

    def values(self, kind: str) -> list[Any]:
        return [value for found, value in self.meanings if found == kind]

    def has(self, kind: str, value: Any = None) -> bool:
        return any(k == kind and (value is None or v == value) for k, v in self.meanings)


def normalized(text: str) -> str:
    """Lower case, one space, numbers as digits, durations as ``<days>``."""
    text = text.lower().replace("’", "'").replace("–", "-").replace("—", " , ")
    text = re.sub(r"'s\b|s'(?= )|'", lambda found: "s" if found[0] != "'" else "", text)
    text = re.sub(r"\be\.g\.|\bi\.e\.", ",", text)
    text = re.sub(
        r"\b(\d+)\s*-\s*(\d+) (?=(?:month )?(?:price )?(?:momentum|return))", _skipping, text
    )
    text = text.replace("%", " percent ").replace("&", " and ").replace("+", " plus ")
    text = re.sub(r"(?<=[a-z0-9])-(?=[a-z0-9])|_", " ", text)
    text = re.sub(r"(?<!\d)\.(?!\d)|\.(?=\s|$)", " . ", text)
    text = re.sub(r"([,;:()!?/*])", r" \1 ", text)
    text = re.sub(r"\s+", " ", text).strip()
    text = re.sub(
        r"\b(twenty|thirty|forty|fifty|sixty|ninety) "
        r"(one|two|three|four|five|six|seven|eight|nine)\b",
        lambda found: str(NUMBERS[found[1]] + NUMBERS[found[2]]),
        text,
    )
    text = re.sub(r"\b(?:one|a) hundred\b", "100", text)
    text = re.sub(rf"\b(?:{'|'.join(NUMBERS)})\b", lambda found: str(NUMBERS[found[0]]), text)
    return _durations(text)


def _skipping(found: re.Match[str]) -> str:
    long, short = sorted((int(found[1]), int(found[2])), reverse=True)
    return f"{long} months skipping {short} months "


def _durations(text: str) -> str:
    units = "|".join(UNITS)
    for words, days in sorted(VAGUE.items(), key=lambda pair: -len(pair[0])):
        text = re.sub(rf"\b(?:a |the |last |past )*{words}\b", f"{{{days}}}", text)
    for words, days in sorted(ADJECTIVES.items(), key=lambda pair: -len(pair[0])):
        text = re.sub(rf"\b(?:a |the |last |past )*{words}(?:ly)?\b", f"<{days}>", text)

    def counted(found: re.Match[str]) -> str:
        days = round(float(found[1]) * UNITS[found[2]])
        return f"<{days}>" if 0 < days <= _MOST_DAYS else found[0]

    text = re.sub(r"\b(\d+) and a half (?=week|month|quarter|year)", r"\1.5 ", text)
    text = re.sub(
        rf"\b(\d+(?:\.\d+)?) ?(?:trading |business |market |calendar )?({units})s?\b", counted, text
    )
    text = re.sub(
        r"\b(\d+) ?d\b", lambda f: f"<{f[1]}>" if 0 < int(f[1]) <= _MOST_DAYS else f[0], text
    )
    text = re.sub(r"\b(\d+) ?(w|wk|wks|m|mo|mos|mth|q|y|yr|yrs)\b", _abbreviated, text)
    text = re.sub(
        r"\b(?:a|an|the|this|last|past|one|each|previous|prior|full|whole|same|per|every) "
        r"(?:\w+ )??(week|month|quarter|year)s?\b",
        lambda found: f"{'last ' if 'last' in found[0] else ''}<{UNITS[found[1]]}>",
        text,
    )
    return re.sub(r"\b(week|month|quarter|year)s?\b", lambda f: f"<{UNITS[f[1]]}>", text)


def _abbreviated(found: re.Match[str]) -> str:
    days = int(found[1]) * {"w": 5, "m": 21, "q": 63, "y": 252}[found[2][0]]
    return f"<{days}>" if 0 < days <= _MOST_DAYS else found[0]


def tokenize(prompt: str) -> list[Token]:
    """The words of a prompt, the longest known phrases together."""
    text = _bare_days(normalized(prompt))
    tokens: list[Token] = []
    at = 0
    while at < len(text):
        if text[at] == " ":
            at += 1
            continue
        length, meanings = 0, []
        for kind, value, pattern in ENTRIES:
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
            r"bollinger|\.\d|th\b|cents",
            after,
        ) or re.search(r"(?:top|\$|number|no|bottom|above|below|than|least|most|power) ?$", before)
        return found[0] if is_other or not 2 <= number <= _MOST_DAYS else f"<{number}>"

    return re.sub(r"(?<![\d.<{$-])\b(\d+)\b(?![\d.>}])", made, text)
