"""A prompt's writing made alike: spelling, turns of phrase, numbers as digits, durations as days.

What goes through here is text before and after; ``words`` takes the result apart.
"""

import difflib
import functools
import re
from collections.abc import Callable

from radiance.labs.alphas.plans.lexicon import (
    ADJECTIVES,
    KEYWORDS,
    NUMBERS,
    SHORT_FORMS,
    UNITS,
    VAGUE,
    entries,
)

MOST_DAYS = 1_000
_ACTIVE = {
    "sold": "sell", "shorted": "short", "bought": "buy", "owned": "own", "faded": "fade",
    "purchased": "buy", "dumped": "sell",
}  # fmt: skip
_UNIT = "|".join(UNITS)


def _skipping(found: re.Match[str]) -> str:
    long, short = sorted((int(found[1]), int(found[2])), reverse=True)
    return f"{long} months skipping {short} months momentum"


def _to_active(found: re.Match[str]) -> str:
    return f"{_ACTIVE.get(found[2], found[2])} {found[1]} "


_Change = tuple[str, str | Callable[[re.Match[str]], str]]
_TURNS: list[_Change] = [
    (r"[’`]", "'"),
    (r"–", "-"),
    (r"—", " , "),
    (r"'s\b|s'(?= )|'", lambda found: "s" if found[0] != "'" else ""),
    (r"\be\.g\.|\bi\.e\.|\bi mean\b|\.\.+", ","),
    (r"^\s*(?:-\s*(?:1 ?(?:\*|x|times)\s*)?|minus )(?=[a-z(])", "negative of "),
    # "near the low -> long"
    (r"([^,;.:?!]+?) ?(?:->|=>|→|=) ?(?:then )?(?:go )?(long|buy|short|sell)\b", r"\2 \1 "),
    # "what gapped up gets sold"
    (
        r"([^,;.:?!]+?) (?:get|gets|are|is|should be|to be|will be|must be) "
        r"(sold|shorted|bought|owned|avoided|penali[sz]ed|faded|preferred|favou?red|purchased"
        r"|dumped)\b(?! off)",
        _to_active,
    ),
    (
        r"\bnot (?:very |too |so |that |overly |particularly |really |especially |much )?"
        r"(volatile|sensitive|liquid|correlated|expensive|active|busy|risky|big|large|high)\b",
        r"least \1",
    ),
    (r"\bnot (?:too |so |very |that )?far (?:below|from|under|off|away from)\b", "near"),
    (
        r"\b(?:do|does|did) ?(?:not|nt) (?:\w+ )?"
        r"(?=jump|move|swing|bounce|fluctuate|vary|react|trade|change)",
        "hardly ",
    ),
    (r"^because [^,.;:]*,|,? (?:because|due to) [^.;:]*", " "),
    (r"\b(\d+) ?(?:d|day)? ?(?:dma|sma|ma|ema|wma|dsma|dema)\b", r"\1 day moving average"),
    (r"\b(?:dma|sma|ma|ema) ?\(? ?(\d+)\b ?\)?", r"\1 day moving average "),
    (r"\bdaily (?=(?:mean )?(?:reversal|reversion|momentum|contrarian))", "1 day "),
    (r"(?<=[a-z])-(?=[a-z])", " "),
    (r"\b[a-z]+\b", lambda found: _spelled(found[0])),
    (
        r"\b(\d+)\s*m?\s*(?:-|_|minus)\s*(\d+)\s*m? (?:months? )?(?:price )?(?:momentum|returns?)",
        _skipping,
    ),
    (r"\bmomentum (?:\w+ )?\(?(\d+)\s*m?\s*[-_/,]\s*(\d+)\s*m?\b\)?", _skipping),
    (r"%", " percent "),
    (r"&", " and "),
    (r"\+", " plus "),
    (r"(?<=[a-z0-9])-(?=[a-z0-9])|_", " "),
    (r"(?<!\d)\.(?!\d)|\.(?=\s|$)", " . "),
    (r"([,;:()!?/*])", r" \1 "),
    (r"\s+", " "),
    # Numbers.
    (
        r"\b(twenty|thirty|forty|fifty|sixty|ninety) "
        r"(one|two|three|four|five|six|seven|eight|nine)\b",
        lambda found: str(NUMBERS[found[1]] + NUMBERS[found[2]]),
    ),
    (
        r"\b(?:(a|one|two|three|four|five) )?hundreds?(?: and)?"
        rf"(?: (?=(?:{'|'.join(NUMBERS)})\b|\d))?",
        lambda found: (
            f"{100 * NUMBERS.get(found[1] or 'one', 1)}{'+' if found[0].endswith(' ') else ''}"
        ),
    ),
    (r"\b(?:a )?half (?:a )?dozen\b", "6"),
    (r"\b(?:a )?dozen\b", "12"),
    (rf"\b(?:{'|'.join(NUMBERS)})\b", lambda found: str(NUMBERS[found[0]])),
    (r"\b(\d+)\+(\d+)\b", lambda found: str(int(found[1]) + int(found[2]))),
]


def normalized(text: str) -> str:
    """Lower case, one space, numbers as digits, durations as ``<days>``."""
    text = text.lower()
    for pattern, change in _TURNS:
        text = re.sub(pattern, change, text)
    return _durations(text.strip())


@functools.lru_cache(10_000)
def _spelled(word: str) -> str:
    """A short form in full; a word of the trade that is off by a letter or two, mended."""
    if word in SHORT_FORMS:
        return SHORT_FORMS[word]
    if len(word) < 6 or word in KEYWORDS or any(p.fullmatch(word) for _, _, p in entries()):
        return word
    if not word.endswith("s") and f"{word}s" in KEYWORDS:
        return word
    near = difflib.get_close_matches(word, KEYWORDS, n=1, cutoff=0.87)
    return near[0] if near else word


def _durations(text: str) -> str:
    for words, days in sorted(VAGUE.items(), key=lambda pair: -len(pair[0])):
        text = re.sub(rf"\b(?:a |the |last |past )*{words}\b", f"{{{days}}}", text)
    for words, days in sorted(ADJECTIVES.items(), key=lambda pair: -len(pair[0])):
        text = re.sub(rf"\b(?:a |the |last |past )*{words}(?:ly)?\b", f"<{days}>", text)

    def counted(found: re.Match[str]) -> str:
        return _of_days(round(float(found[1]) * UNITS[found[2]]), found[0])

    # "between 12 and 6 months"
    text = re.sub(
        r"\b(\d+)(?= (?:and|to|until|or|through|versus|vs|over|against|minus) \d+ "
        rf"({_UNIT})s?\b)",
        r"\1 \2",
        text,
    )
    text = re.sub(r"\b(\d+) and a half (?=week|month|quarter|year)", r"\1.5 ", text)
    text = re.sub(
        rf"\b(\d+(?:\.\d+)?) ?(?:trading |business |market |calendar )?({_UNIT})s?\b", counted, text
    )
    text = re.sub(
        r"\b(\d+) ?(?:td|dy|ds|d)\b", lambda found: _of_days(int(found[1]), found[0]), text
    )
    text = re.sub(
        r"\b(\d+) ?(w|wk|wks|m|mo|mos|mth|mths|mnth|mnths|q|qtr|qtrs|y|yr|yrs)\b",
        lambda found: _of_days(
            int(found[1]) * {"w": 5, "m": 21, "q": 63, "y": 252}[found[2][0]], found[0]
        ),
        text,
    )
    text = re.sub(
        r"\b(?:a|an|the|this|last|past|one|each|previous|prior|preceding|trailing|recent|full|whole"
        r"|same|per|every|single) (?:\w+ )??(week|month|quarter|year)s?\b",
        lambda found: f"{'last ' if 'last' in found[0] else ''}<{UNITS[found[1]]}>",
        text,
    )
    return re.sub(r"\b(week|month|quarter|year)s?\b", lambda found: f"<{UNITS[found[1]]}>", text)


def _of_days(days: int, said: str) -> str:
    return f"<{days}>" if 0 < days <= MOST_DAYS else said
