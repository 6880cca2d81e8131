"""The words that people ask for alphas in, and what they mean: ``words.txt``, read in.

``ENTRIES`` has a kind, a value and a pattern for each. The kinds: ``attitude`` (who is liked),
``reversal``, ``series``, ``named`` (a whole quantity in a word), ``growth`` (a price's way),
``degree`` (high or low), ``mark`` (a measure), ``scope`` (a group), ``joint`` (what
begins a clause).
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen twenty"
)
NUMBERS: dict[str, int] = {word: number for number, word in enumerate(_SMALL.split(" "))} | {
    "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "ninety": 90, "hundred": 100,
}  # fmt: skip
UNITS = {"day": 1, "session": 1, "bar": 1, "week": 5, "month": 21, "quarter": 63, "year": 252}
ADJECTIVES = {
    "weekly": 5, "biweekly": 10, "fortnightly": 10, "monthly": 21, "quarterly": 63,
    "half yearly": 126, "semi annual": 126, "semiannual": 126, "yearly": 252, "annual": 252,
    "annually": 252, "fortnight": 10, "half a year": 126, "half year": 126,
    "half of the year": 126, "year and a half": 378,
}  # fmt: skip
VAGUE = {
    "few days": 5, "several days": 5, "couple of days": 2, "few sessions": 5, "few weeks": 15,
    "couple of weeks": 10, "few months": 63, "couple of months": 42, "several months": 126,
    "short term": 5, "near term": 5, "short run": 5, "medium term": 63, "intermediate term": 126,
    "mid term": 63, "long term": 252, "longer term": 120, "long run": 252,
}  # fmt: skip
_PATH = Path(__file__).with_name("words.txt")


def _entries() -> Iterator[tuple[str, Any, re.Pattern[str]]]:
    kind, value, patterns = "", "", list[str]()
    for line in [*_PATH.read_text(encoding="utf-8").splitlines(), "end"]:
        if line.startswith("    "):
            patterns += line.strip().split(" ; ")
        elif line and not line.startswith("#"):
            if patterns:
                yield kind, _value(value), re.compile(rf"(?:{'|'.join(patterns)})(?![a-z0-9])")
            kind, _, value = line.partition(" ")
            patterns = []


def _value(text: str) -> Any:
    """A number, a name, or a measure with its series, its usual days and its sign."""
    parts = [int(part) if part.lstrip("-").isdecimal() else part for part in text.split(" ")]
    return parts[0] if len(parts) == 1 else tuple(parts)


ENTRIES: list[tuple[str, Any, re.Pattern[str]]] = list(_entries())
