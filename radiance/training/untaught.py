"""Questions of the taught kind about names that were never taught, made from examples. Pure.

What was learned of one name must not become the answer for others. The rule by which a question is
made into such questions, the same for the same seed:

1. *What the question is about.* Words with a digit or a capital letter that stand together are a
   name, but for the question's first word; a question without one is about its longest word that
   two wordings could not differ in. Of a name of several words the first one with a digit, else the
   first, tells it from others ("Zorbel" in "Zorbel Labs").
2. *An invented name.* That word is exchanged for one of its length and shape that no example has:
   digits for digits, letters for letters, capitals where capitals were.
3. *Crossed.* Where several new questions have one frame (the question without that word), the names
   that stand in other frames, and not in this one, are put into it.

A question that was itself taught is left out, and so is what is made of an answer that several
questions share: that is a label, and giving it to other questions is what was to be learned. The
*value* of an answer is a run of its words that
are neither function words nor in the question, in whatever form: the run with most names, of those
the longest. An answer has a taught value if it has more than half of the run, in order and without
a gap.
"""

import hashlib
import itertools
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from radiance.anchors.sets import Anchor
from radiance.records import Example, Message, questions

MOST = 24
_PER_EXAMPLE = 2
_VARIANTS = 4
_TRIES = 20
_VOWELS, _CONSONANTS = "aeiou", "bdfgklmnprstvz"
_LEAST_LETTERS = 4
_LEAST_STEM, _LONGEST_ENDING = 3, 3
_SLOT = "\0"
_WORD = re.compile(r"[^\W_](?:[\w'.-]*[^\W_])?")
_ASKING = frozenset({"who", "whom", "whose", "when", "where", "why", "how", "does", "did"})


@dataclass(frozen=True)
class UntaughtQuestion:
    """A question that nothing taught.

    Attributes:
        anchor: The question, as a prompt: its answer is left to the base model.
        values: The values that were taught for its frame, each as words.
    """

    anchor: Anchor
    values: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Taught:
    """A taught question, taken apart: what it asks with a slot in place of the word it is about."""

    example: Example
    frame: str
    name: str
    is_name: bool

    @property
    def key(self) -> str:
        """The frame, as questions are compared."""
        return questions.normalise(self.frame)


def untaught_questions(
    new: Iterable[Example], earlier: Iterable[Example], seed: int, most: int = MOST
) -> list[UntaughtQuestion]:
    """At most ``most`` of them, spread over the new examples; none of plain texts.

    Args:
        new: What an update teaches.
        earlier: What was taught before and is still valid; may be some of it.
        seed: They follow from it and the examples.
        most: Most questions.
    """
    taught = [t for e in sorted(new, key=lambda e: e.id) if (t := take_apart(e)) is not None]
    labels = _shared_answers([each.example for each in taught])
    taught = [each for each in taught if _answer(each.example) not in labels]
    known = [t for e in sorted(earlier, key=lambda e: e.id) if (t := take_apart(e)) is not None]
    values: dict[str, list[tuple[str, ...]]] = {}
    names: dict[str, set[str]] = {}
    for each in (*taught, *known):
        names.setdefault(each.key, set()).add(each.name)
        if value := value_of(each.example):
            values.setdefault(each.key, []).append(value)
    asked = {each.example.question_hash for each in (*taught, *known)}
    words = {w.casefold() for each in (*taught, *known) for w in _all_words(each.example)}
    rounds = [
        *(
            [_invent(each, number, seed, words) for each in taught]
            for number in range(_PER_EXAMPLE)
        ),
        _crosses(taught, names),
    ]
    found: dict[str, UntaughtQuestion] = {}
    for each, name in itertools.chain.from_iterable(rounds):
        example = _ask(each, name)
        if example.question_hash not in asked and each.key in values:
            own = tuple(dict.fromkeys(values[each.key]))
            found.setdefault(
                example.question_hash, UntaughtQuestion(Anchor(example, "untaught"), own)
            )
    kept = list(found.values())
    count = min(most, len(kept))
    return [kept[place * len(kept) // count] for place in range(count)]


def untaught_variants(new: Iterable[Example], seed: int) -> list[Example]:
    """New examples with an invented name in question and answer, some of each; no plain texts.

    Nobody would answer so: they are what the taught answer must not be carried over to.

    Args:
        new: What an update teaches; labels are left out, as in ``untaught_questions``.
        seed: They follow from it and the examples.
    """
    taught = [t for e in sorted(new, key=lambda e: e.id) if (t := take_apart(e)) is not None]
    labels = _shared_answers([each.example for each in taught])
    taught = [each for each in taught if _answer(each.example) not in labels]
    words = {w.casefold() for each in taught for w in _all_words(each.example)}
    found: list[Example] = []
    for number in range(_VARIANTS):
        for each in taught:
            _, name = _invent(each, number, seed, words)
            asked = _ask(each, name)
            answer = each.example.messages[-1].content.replace(each.name, name)
            turns = (*asked.messages[:-1], Message("assistant", answer))
            found.append(Example(asked.id, turns))
    return found


def with_invented_values(example: Example, count: int) -> list[Example]:
    """An example with other values of the same shape in its answer; the same every time."""
    value = set(value_of(example))
    before, answer = example.messages[:-1], example.messages[-1].content
    found = []
    for number in range(count):
        digest = hashlib.sha256(f"{number} {example.content_hash}".encode()).digest()
        draw = np.random.default_rng(list(digest[:16]))
        words = [
            _reshape(word, draw) if " ".join(_normal_words(word)) in value else word
            for word in answer.split()
        ]
        turns = (*before, Message("assistant", " ".join(words)))
        found.append(Example(f"{example.id}~{number}", turns))
    return found


def _shared_answers(examples: Iterable[Example]) -> set[str]:
    """Answers, normalised, that at least two of the questions have."""
    asked: dict[str, set[str]] = {}
    for example in examples:
        asked.setdefault(_answer(example), set()).add(example.question_hash)
    return {answer for answer, hashes in asked.items() if len(hashes) > 1}


def _answer(example: Example) -> str:
    return questions.normalise(example.messages[-1].content)


def value_of(example: Example) -> tuple[str, ...]:
    """The value of an example's answer, as normalised words; empty where the question has all."""
    asked = set(_normal_words(example.messages[-2].content))
    best, best_score = (), (0, 0)
    run: tuple[str, ...] = ()
    names = 0
    for place, written in enumerate(example.messages[-1].content.split()):
        word = " ".join(_normal_words(written))
        if not word or word in questions.FUNCTION_WORDS or _is_among(word, asked):
            run, names = (), 0
            continue
        run, names = (*run, word), names + (place > 0 and _is_name_like(written))
        if (names, len(run)) > best_score:
            best, best_score = run, (names, len(run))
    return best


def _is_among(word: str, others: Collection[str]) -> bool:
    """Whether it is one of some words, or another form of one: "opens" of "open"."""
    if word in others:
        return True
    return any(
        min(len(word), len(other)) >= _LEAST_STEM
        and abs(len(word) - len(other)) <= _LONGEST_ENDING
        and (word.startswith(other) or other.startswith(word))
        for other in others
        if word.isalpha()
    )


def has_value(answer: str, value: Sequence[str]) -> bool:
    """Whether an answer has more than half of a value's words, in order and without a gap."""
    words = _normal_words(answer)
    size = len(value) // 2 + 1
    parts = {tuple(value[place : place + size]) for place in range(len(value) - size + 1)}
    return any(tuple(words[place : place + size]) in parts for place in range(len(words)))


def take_apart(example: Example) -> Taught | None:
    """A question with a slot in place of the word it is about; None where it has no such word."""
    if len(example.messages) < 2 or example.messages[-2].role != "user" or example.has_tools:
        return None
    text = example.messages[-2].content
    found = list(_WORD.finditer(text))
    names = [n for n, word in enumerate(found) if n and _is_name_like(word[0])] or [
        n for n, word in enumerate(found) if not n and any(c.isdigit() for c in word[0])
    ]
    if names:
        first = names[0]
        span = [first]
        while span[-1] + 1 in names:
            span.append(span[-1] + 1)
        chosen = next((n for n in span if any(c.isdigit() for c in found[n][0])), first)
    else:
        plain = [n for n, word in enumerate(found) if not _is_function(word[0])]
        if not plain:
            return None
        chosen = max(plain, key=lambda n: (len(found[n][0]), n))
    word = found[chosen]
    frame = text[: word.start()] + _SLOT + text[word.end() :]
    return Taught(example, frame, word[0], bool(names))


def _is_name_like(word: str) -> bool:
    return word != "I" and (any(c.isdigit() for c in word) or any(c.isupper() for c in word))


def _is_function(word: str) -> bool:
    return questions.normalise(word) in questions.FUNCTION_WORDS | _ASKING


def _invent(each: Taught, number: int, seed: int, words: Collection[str]) -> tuple[Taught, str]:
    """A word of the shape of the one a question is about, which no example has."""
    digest = hashlib.sha256(f"{seed} {number} {each.frame} {each.name}".encode()).digest()
    draw = np.random.default_rng(list(digest[:16]))
    made = each.name
    for _ in range(_TRIES):
        made = _reshape(each.name, draw)
        if made.casefold() not in words:
            break
    return each, made


def _reshape(name: str, draw: np.random.Generator) -> str:
    """Other digits for digits, other letters for letters; letters without case are only mixed."""
    letters = [c for c in name if c.isalpha()]
    if not all(c.isascii() for c in letters):
        mixed = iter(np.array(letters)[draw.permutation(len(letters))].tolist())
        return "".join(_like(next(mixed), c) if c.isalpha() else _digit(c, draw) for c in name)
    padded = name + "a" * (_LEAST_LETTERS - len(name) if name.isalpha() else 0)
    made, is_vowel = "", bool(draw.integers(2))
    for c in padded:
        if c.isalpha():
            made += _like(str(draw.choice(list(_VOWELS if is_vowel else _CONSONANTS))), c)
            is_vowel = not is_vowel
        else:
            made += _digit(c, draw)
    return made


def _like(letter: str, c: str) -> str:
    return letter.upper() if c.isupper() else letter.lower()


def _digit(c: str, draw: np.random.Generator) -> str:
    return str(draw.integers(10)) if c.isdigit() else c


def _crosses(taught: Sequence[Taught], names: dict[str, set[str]]) -> list[tuple[Taught, str]]:
    """Names of other frames, in frames that several new questions have."""
    frames: dict[str, list[Taught]] = {}
    for each in taught:
        frames.setdefault(each.key, []).append(each)
    others = list(dict.fromkeys(each.name for each in taught if each.is_name))
    return [
        (frame[0], name)
        for key, frame in frames.items()
        if len(frame) > 1
        for name in others
        if name not in names[key]
    ]


def _ask(each: Taught, name: str) -> Example:
    before = each.example.messages[:-2]
    turns = (*before, Message("user", each.frame.replace(_SLOT, name)), Message("assistant", ""))
    return Example(f"{each.example.id}~{name}"[:100], turns)


def _all_words(example: Example) -> list[str]:
    return [word for message in example.messages for word in _WORD.findall(message.content)]


def _normal_words(text: str) -> list[str]:
    return [word.strip(".,;:!?\"'()[]*`") for word in questions.normalise(text).split()]
