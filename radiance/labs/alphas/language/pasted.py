"""What comes along when expressions are pasted from papers and programs, and what to write."""

import re

_LABEL = re.compile(r"\s*(?:alpha|gtja|factor)[ _]?\W?[ _]?\d{1,4}\s*:(?!:)\s*", re.IGNORECASE)
_CHARACTERS = {
    "[": "Write the value of d days ago as delay(x, d).",
    "{": "Write it without LaTeX and braces.",
    "\\": "Write it without LaTeX.",
    "%": "Write a share as a number: 0.2 for 20 %.",
    "Δ": "Write delta(x, d).",
    "∆": "Write delta(x, d).",
    "σ": "Write stddev(x, d).",
    "ρ": "Write correlation(x, y, d).",
    "Σ": "Write sum(x, d).",
    "∑": "Write sum(x, d).",
    "√": "Write x ^ 0.5.",
    "∧": "Write &&.",
    "∨": "Write ||.",
} | dict.fromkeys("“”„‘’`", "Leave the quotation marks out.")
_WORDS = {
    "if": "Write condition ? x : y.",
    "else": "Write condition ? x : y.",
    "where": "Write condition ? x : y.",
    "not": "Write x == 0.",
}


_MODULES = ("np", "numpy", "pd", "pandas", "math", "ta", "talib")


def label_end(text: str) -> int:
    """Where the expression begins behind its number in a paper, as in "Alpha#12: "."""
    found = _LABEL.match(text)
    return found.end() if found else 0


def remedy_for_character(character: str) -> str:
    """What to write in place of a character that the language has not; blank: nobody knows."""
    return _CHARACTERS.get(character, "")


def remedy_for_word(word: str) -> str:
    """The same for a word that stands where none is expected."""
    return _WORDS.get(word.lower(), "")


def remedy_for_method(name: str) -> str:
    """The same for a call written behind what it is of, as pandas has it: ``close.shift(1)``."""
    value, dot, method = name.partition(".")
    if not dot:
        return ""
    if value.lower() in _MODULES:
        return f"Write {method} without {value}."
    return f"Write calls around what they are of: delay({value}, 1), not {value}.{method}(1)."
