"""Questions of a passage, written by the base model itself, and kept only where it answers them.

What a sentence states is found by rule: a date, an amount, a code, a name that its beginning does
not have. The base is asked for a question with that answer, after examples of the same; then it is
asked its own question beside the sentence and its neighbours, and must answer with the value. What
is kept must also name what it is about, ask for what the value is, and say nothing that the passage
does not. A base that cannot do that for passages whose questions are known is not asked for any.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from radiance.documents.passages import sentences
from radiance.engine.tasks import Pieces
from radiance.memory import analysis, asking
from radiance.records import Message, Passage, questions

MOST_OF_PASSAGE = 6
_QUESTION_TOKENS, _ANSWER_TOKENS = 32, 24
_LEAST_WORDS, _MOST_WORDS = 4, 24
_MOST_CHARACTERS = 240  # of a sentence: a longer one is no answer
_MONTH = "(?:January|February|March|April|May|June|July|August|September|October|November|December)"
_DAY = "(?:Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)"
# What may be asked for and how a question for it begins, the more telling first; a later one may
# not overlap an earlier one.
_VALUES = tuple(
    (re.compile(pattern), begins)
    for pattern, begins in (
        (
            rf"\b\d{{1,2}} {_MONTH}(?: \d{{4}})?\b|\b{_MONTH} \d{{1,2}}(?:, \d{{4}})?\b",
            ("When", "On what date"),
        ),
        (rf"\b{_MONTH} \d{{4}}\b", ("When", "In which month")),
        (rf"\b{_DAY}s?\b", ("On which day", "When")),
        (
            r"[$€£]\s?\d[\d,.]*\d(?: (?:million|billion))?"
            r"|\b\d[\d,.]* (?:euros?|dollars|cents|pounds)\b",
            ("How much does", "How much"),
        ),
        (
            # "room 4.07" has no time, "at 4.07" and "4.07 pm" have
            r"\b\d{1,2}:\d{2}(?: ?[ap]\.?m\b)?|\b\d{1,2}\.\d{2} ?[ap]\.?m\b"
            r"|\b(?<=\bat )\d{1,2}\.\d{2}\b|\bnoon\b|\bmidnight\b",
            ("At what time", "When"),
        ),
        (r"\b[A-Z]{1,5}-?\d[\w-]*|\b\d+-?[A-Z][\w-]*", ("In which", "Which", "What is")),
        (r"\b(?:1[5-9]|20)\d\d\b", ("In what year", "When")),
        (r"\b\d[\d,.]*(?: ?%| percent)", ("How much", "What")),
        (r"\b\d[\d,.]* (?!and\b|lies\b|is\b)[a-z]{3,}", ("How many", "How")),
        (
            r"\b(?:Dr\. )?[A-Z][\w'’-]+(?: (?:of |de |van |von )?[A-Z][\w'’-]+)+",
            ("Who", "Where", "What"),
        ),
    )
)
_WORD = re.compile(r"[^\W_]+")
_COUNTED = re.compile(r"\d[\d,.]* [a-z]+")
# Asked for first, so that a small base sees what is wanted: nobody's documents have these.
_SHOWN = (
    (
        "The Halden ferry leaves the north pier at 07:40.",
        "07:40",
        "When does the Halden ferry leave the north pier?",
    ),
    (
        "The mill at Oster Bridge was restored by Petra Lind.",
        "Petra Lind",
        "Who restored the mill at Oster Bridge?",
    ),
    (
        "A day ticket for the Corvin museum costs 14 euros.",
        "14 euros",
        "How much does a day ticket for the Corvin museum cost?",
    ),
    (
        "The archive of Velm keeps its maps in room B12.",
        "B12",
        "In which room does the archive of Velm keep its maps?",
    ),
)
# Passages on which a base shows whether it can: each with its value, and a word of the question.
_TRIALS = (
    ("Tarn Valley Dairy was founded in 1934.", "1934", "tarn"),
    ("The pump house at Ellerby is inspected by Marta Quist.", "Marta Quist", "ellerby"),
    ("The library in Sorrel Street closes at 18:30.", "18:30", "sorrel"),
    ("A season pass for the Kettle Lake baths costs $85.", "$85", "kettle"),
    ("The spare key of the Nordal depot is kept in locker K17.", "K17", "nordal"),
    ("The annual fair of Brenning takes place on 12 September.", "12 September", "brenning"),
    ("The Astrid bridge is 412 metres long.", "412 metres", "astrid"),
    ("The choir of Pell Abbey is led by Simon Harrow.", "Simon Harrow", "pell"),
)
_LEAST_OF_TRIALS = 0.6
_MOST_AROUND = 3  # words
_LEAST_SHARED = 0.6  # of what a question says: the rest may be other words for the same


class Made(NamedTuple):
    """A question with its answer, which is a sentence of the passage.

    Attributes:
        value: What the sentence states and the question asks for.
    """

    question: str
    answer: str
    value: str


class _Draft(NamedTuple):
    sentence: str
    value: str
    begins: tuple[str, ...]


Answer = Callable[[Sequence[Sequence[Message]], int, Sequence[str]], Pieces[list[str]]]
"""Has the base answer chats greedily: with at most so many tokens each, and begun with a text."""


def write(passage: Passage, answer: Answer) -> Pieces[list[Made]]:
    """Questions of a passage that the base has written and can answer; yields None between pieces.

    Args:
        passage: What they are of.
        answer: Of the base.
    """
    drafts = list(_drafts(passage))[:MOST_OF_PASSAGE]
    begun = [(draft, begin) for draft in drafts for begin in draft.begins]
    asked = [_wanted(draft.sentence, draft.value) for draft, _ in begun]
    written = yield from answer(asked, _QUESTION_TOKENS, [begin for _, begin in begun])
    fitting: dict[str, tuple[_Draft, str]] = {}
    for (draft, _), text in zip(begun, written, strict=True):
        question = _cleaned(text)
        if fits(question, draft.value, draft.sentence, passage):
            fitting.setdefault(questions.normalise(question), (draft, question))
    kept = list(fitting.values())
    asked = [_reading(passage, draft.sentence, question) for draft, question in kept]
    read = yield from answer(asked, _ANSWER_TOKENS, [""] * len(asked))
    made: dict[tuple[str, str], Made] = {}
    for (draft, question), told in zip(kept, read, strict=True):
        if is_right(told, draft.value, question):
            one = Made(question, draft.sentence, draft.value)
            made.setdefault((draft.sentence, draft.value), one)
    return list(made.values())


def can_write(answer: Answer) -> Pieces[bool]:
    """Whether a base can: measured on passages whose right questions are known."""
    right = 0
    for sentence, value, about in _TRIALS:
        made = yield from write(Passage("", sentence), answer)
        right += any(about in one.question.casefold() and one.value == value for one in made)
    return right >= _LEAST_OF_TRIALS * len(_TRIALS)


def fits(question: str, value: str, sentence: str, passage: Passage) -> bool:
    """Whether a question asks, on its own, for a value of a sentence and names nothing else."""
    if not question.endswith("?") or _has(question, value):
        return False
    if not _LEAST_WORDS <= len(question.split()) <= _MOST_WORDS:
        return False
    asked = analysis.take_apart(question)
    said_above = " ; ".join(passage.headings)
    said = analysis.take_apart(f"{said_above} ; {sentence}")
    named = asked.names & set(said.content)
    # Without a name it is a question about nothing in particular, once the passage is out of sight.
    if not named or asked.names - set(said.content):
        return False
    if not all(number in f"{said_above} {sentence}" for number in _numbers(question)):
        return False
    share = len(set(asked.content) & set(said.content)) / len(set(asked.content))
    return share >= _LEAST_SHARED and asking.fits_kind(question, "", f"- {value}")


def _numbers(text: str) -> list[str]:
    """Its numbers and codes as they are written: 2/6/26 is none that has a 2, a 6 and a 26."""
    words = (word.strip(".,;:?!()\"'") for word in text.split())
    return [word for word in words if any(c.isdigit() for c in word)]


def _drafts(passage: Passage) -> Iterator[_Draft]:
    """What the sentences of a passage state, one value each before a second one of any."""
    found = [
        [_Draft(sentence, value, begins) for value, begins in _values(sentence)]
        for sentence in sentences(passage.text)
        if len(sentence) <= _MOST_CHARACTERS
    ]
    for place in range(max(map(len, found), default=0)):
        yield from (each[place] for each in found if place < len(each))


def _values(sentence: str) -> list[tuple[str, tuple[str, ...]]]:
    found: list[tuple[int, int, tuple[str, ...]]] = []
    for pattern, begins in _VALUES:
        # What is new mostly stands at the end, behind what it is said of.
        for match in reversed(list(pattern.finditer(sentence))):
            begin, end = match.span()
            before = sentence[:begin].split()
            is_subject = [word.casefold() for word in before] in ([], ["the"], ["a"], ["an"])
            if _COUNTED.fullmatch(match[0]) and before and before[-1][0].isupper():
                continue  # "Berth 7 lifts": a number behind a name belongs to it
            if not is_subject and all(end <= b or e <= begin for b, e, _ in found):
                found.append((begin, end, begins))
    return [(sentence[begin:end], begins) for begin, end, begins in found]


def _wanted(sentence: str, value: str) -> list[Message]:
    turns = []
    for text, answer, question in _SHOWN:
        turns += [Message("user", _ask(text, answer)), Message("assistant", question)]
    return [*turns, Message("user", _ask(sentence, value))]


def _ask(sentence: str, value: str) -> str:
    return f"Text: {sentence}\nWrite a question about the text with this answer: {value}"


def _reading(passage: Passage, sentence: str, question: str) -> list[Message]:
    turns = []
    for text, answer, asked in _SHOWN:
        turns += [
            Message("user", f"Text: {text}\nQuestion: {asked}"),
            Message("assistant", answer),
        ]
    under = "".join(f"{heading}: " for heading in passage.headings[-1:])
    text = f"{under}{_around(passage, sentence)}"
    return [*turns, Message("user", f"Text: {text}\nQuestion: {question}")]


def _around(passage: Passage, sentence: str) -> str:
    """A sentence with the one before it and the one after: a small base gets lost in more."""
    every = sentences(passage.text)
    place = every.index(sentence)
    return " ".join(every[max(0, place - 1) : place + 2])


def _cleaned(text: str) -> str:
    """The first line of what was written, as far as its question mark."""
    line = text.strip().partition("\n")[0].strip().strip('"')
    line = line.removeprefix("Question:").strip()
    return line[: line.find("?") + 1] if "?" in line else line


def is_right(told: str, value: str, question: str = "") -> bool:
    """Whether what the base reads out of the passage is the value, and not a sentence around it.

    The value first, and then nothing but words of the question, is the value as well.
    """
    first = told.strip().partition("\n")[0]
    # "412" answers how many metres as well as "412 metres" does.
    wanted = value.split()[0] if _COUNTED.fullmatch(value) else value
    if not _has(first, wanted):
        return False
    begin, _, rest = questions.normalise(first).partition(questions.normalise(wanted))
    repeats = set(_WORD.findall(rest)) <= set(_WORD.findall(questions.normalise(question)))
    is_short = len(first.split()) <= len(value.split()) + _MOST_AROUND
    return is_short or (not begin and repeats)


def _has(text: str, value: str) -> bool:
    return questions.normalise(value) in questions.normalise(text)
