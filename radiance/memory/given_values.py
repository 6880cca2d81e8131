"""Questions that give a value themselves: whether it is that, and what it is the value of. Pure.

*Whether.* "Is the door code of Zorbel House QX-99?" asks for the door code, and the answer tells
that it is another one. A few words in a row that the example has not are the value that is meant,
if they are of the kind of the example's own and no longer; everything else must be what the example
is about. "Was Zorbel Labs founded in Berlin?" is not answered with who founded it.
*Reversed.* "Which badge opens the server room?" asks for the name, and gives what was the answer.
All of the value stands in the question. Where the rest of it does, too, and the answer names what
it is about, the answer is one to this question as well; else the example is shown.

Both are asked only where nothing was found by what the examples ask (``matching``). They are strict
rather than calibrated: what shares no more than a value with a question is found by neither.
"""

import re
from collections.abc import Sequence

from radiance.memory.analysis import (
    LIGHT,
    Words,
    WrittenWord,
    as_written,
    take_apart,
)
from radiance.memory.asking import asks, kinds_asked, kinds_of_value
from radiance.memory.matching import Found
from radiance.memory.scope import Candidate, is_about

_MOST_SHOWN, _MOST_ALIKE = 3, 0.99
_MANY = 3  # words, which stand together in a question by no chance
_LEAST_COVERED = 0.5  # of an example's question, by one that gives another value
_ASKING_FOR_MORE = re.compile(
    r"\b(?:when|where|why|how)\b"
    r"|\b(?:what|which) (?:date|day|year|month|time|city|country|place|nation|town)\b"
)
_ARTICLES = frozenset("a an the our my your his her its their".split())  # noqa: SIM905
_AT_A_PLACE = "in at on under over behind near inside above below beside between from to"
_AT_A_TIME = "in at on by from until till since before after during for"
# What a word before a value tells of its kind.
_TELLS: dict[str, set[str]] = {}
for _kind, _words in (
    ("place", _AT_A_PLACE),
    ("time", _AT_A_TIME),
    ("person", "by from with to for"),
    ("reason", "because for"),
    ("amount", "for at"),
):
    for _word in _words.split():
        _TELLS.setdefault(_word, set()).add(_kind)
_OTHERS = frozenset("with without against about into through of because".split())  # noqa: SIM905
_PREPOSITIONS = _OTHERS | _TELLS.keys()
_VALUE_OF_KIND = {
    "time": {"time"},
    "person": {"name"},
    "amount": {"digits"},
    "place": {"any"},
    "reason": {"any"},
}
_NAME_LIKE = re.compile(r"\W*(?:[A-Z]|[\w-]*\d)")
_SIDE_CLAUSE = re.compile(r"(?<=\w),? (?:when|while|if|where|because)\b.*", re.IGNORECASE)
_TITLES = frozenset("dr mr mrs ms prof".split())  # noqa: SIM905


def answering(question: str, candidates: Sequence[Candidate]) -> Found:
    """The example that answers a question which gives a value; those that it may be about; none.

    Args:
        question: What somebody asks.
        candidates: What has some of its words.
    """
    asked = take_apart(question)
    if not asked.content or not asks(question):
        return Found()
    if "whether" in kinds_asked(question):
        fitting = [c for c in candidates if _is_whether(question, asked, c)]
        return _found(asked, fitting, is_sure=True)
    if _ASKING_FOR_MORE.search(question.casefold()):
        return Found()
    fitting = [c for c in candidates if _has_value(asked, c)]
    silent = {stem for stem, kind in asked.kinds.items() if kind in asked.forms}
    words = set(asked.content) - silent - LIGHT - _PREPOSITIONS
    beside = {c: words - _telling_value(c) for c in fitting}
    whole = [c for c in fitting if _covers(c, asked, beside[c])]
    whole = [c for c in whole if beside[c] or _is_more(asked, c)]
    if telling := [c for c in whole if beside[c] and _names_itself(c)]:
        return _found(asked, telling, is_sure=True)
    near = [c for c in fitting if _is_near(asked, c, beside[c])]
    return _found(asked, whole or near, is_sure=False)


def _found(asked: Words, candidates: Sequence[Candidate], *, is_sure: bool) -> Found:
    """Each answer once where it is sure; of several none is surely meant."""
    firsts = {(c.answer_hash, "" if is_sure else c.question_hash): c for c in candidates}
    shown = tuple(firsts.values())[:_MOST_SHOWN]
    scores = tuple(_score(asked, candidate) for candidate in shown)
    return Found(shown, scores, "sure" if is_sure and len(firsts) == 1 else "close")


def _score(asked: Words, candidate: Candidate) -> float:
    """The share of a question's words that an example has; 1 is the very same question's alone."""
    having = sum(_is_covered(stem, asked, candidate) for stem in asked.content)
    return min(_MOST_ALIKE, having / len(asked.content))


def _value(candidate: Candidate) -> frozenset[str]:
    """Stems of the answer that its question has not, nor a synonym of: "called" of "name"."""
    asked, said = take_apart(candidate.question), take_apart(candidate.answer)
    own = candidate.said - candidate.asked - _TITLES
    return frozenset(s for s in own if not said.senses.get(s, frozenset()) & asked.groups) or own


def _telling_value(candidate: Candidate) -> frozenset[str]:
    """The same; of a person's name with a number the name alone: "Karim Haddad, 0555 3391"."""
    own = _value(candidate)
    names = own & take_apart(candidate.answer).names
    words = frozenset(stem for stem in names if stem.isalpha() and len(stem) > 1)
    return words if len(words) > 1 and names == own else own


def _is_covered(stem: str, asked: Words, candidate: Candidate) -> bool:
    if stem in candidate.asked or stem in candidate.said:
        return True
    return bool(asked.senses.get(stem, frozenset()) & candidate.groups)


def _covers(candidate: Candidate, asked: Words, words: set[str]) -> bool:
    return all(_is_covered(stem, asked, candidate) for stem in words)


# ── Whether it is another value ─────────────────────────────────────────────────────────────────


def _is_whether(question: str, asked: Words, candidate: Candidate) -> bool:
    """Whether a question asks if an example's value is the one that it gives."""
    places = [n for n, stem in enumerate(asked.content) if not _is_covered(stem, asked, candidate)]
    if not places:  # it is the very value
        return _value(candidate) <= set(asked.content) and _is_about_it(asked, candidate)
    if places[-1] - places[0] >= len(places):
        return False  # more than a value is missing
    given = asked.content[places[0] : places[-1] + 1]
    rest = Words(
        tuple(stem for stem in asked.content if stem not in given),
        asked.names - frozenset(given),
        asked.pairs,
        {stem: groups for stem, groups in asked.senses.items() if stem not in given},
    )
    if not _is_about_it(rest, candidate):
        return False
    written = as_written(question)
    begin = next(n for n, each in enumerate(written) if each.stem == given[0])
    end = max(n for n, each in enumerate(written) if each.stem == given[-1]) + 1
    # "under the mat": the preposition is said of the value, and may be a word of it.
    told_by = [each.word.casefold() for each in written[: begin + 1]]
    if told_by[-1] not in _PREPOSITIONS:
        told_by.pop()
    before = next((word for word in told_by[::-1] if word not in _ARTICLES), "")
    value = [each for each in written[begin:end] if each.stem in given]
    return _fits(value, before, rest, candidate)


def _is_about_it(rest: Words, candidate: Candidate) -> bool:
    """Whether what stands beside a value is what an example asks."""
    words = set(rest.content)
    if candidate.name and candidate.name not in words:
        return False
    if not is_about(rest, candidate):
        return False
    wanted = candidate.asked - LIGHT
    return sum(_is_asked(s, rest, candidate) for s in wanted) >= _LEAST_COVERED * len(wanted)


def _is_asked(stem: str, rest: Words, candidate: Candidate) -> bool:
    groups = candidate.senses.get(stem, frozenset())
    return stem in rest.content or bool(groups & rest.groups)


def _fits(value: Sequence[WrittenWord], before: str, rest: Words, candidate: Candidate) -> bool:
    """Whether a value may be given in the place of an example's own.

    Args:
        value: Its words.
        before: The word before them, but for articles.
        rest: The question without it.
        candidate: The example.
    """
    answer = as_written(candidate.answer)
    own = [each for each in answer if each.stem in _value(candidate)]
    if not own or _length(value) > _length(own):
        return False
    kinds, own_kinds = kinds_of_value(value), kinds_of_value(own)
    if kinds == {"words"}:
        # Nothing tells these from a word of what is asked: "the key of the cellar".
        if not all(_is_asked(stem, rest, candidate) for stem in candidate.asked - LIGHT):
            return False
    elif not _NAME_LIKE.match(value[0].whole) and "time" not in kinds:
        return False
    is_code = _length(value) == _length(own) == 1 and own_kinds == {"words"} and "digits" in kinds
    if not kinds & own_kinds and not is_code:
        return False
    wanted = kinds_asked(_main_clause(candidate.question)) & _VALUE_OF_KIND.keys()
    if any(not {*kinds, "any"} & _VALUE_OF_KIND[kind] for kind in wanted):
        return False
    if before in _PREPOSITIONS:
        said = {each.word.casefold() for each in (*as_written(candidate.question), *answer)}
        return before in said or bool(_TELLS.get(before, set()) & wanted)
    return "place" not in wanted or "name" in kinds


def _length(words: Sequence[WrittenWord]) -> int:
    """How many words there are between spaces: "K-17" is one."""
    return len(dict.fromkeys(each.whole for each in words))


def _main_clause(question: str) -> str:
    """A question without what it says of when or where: "Who feeds the cat when we are away?"."""
    return _SIDE_CLAUSE.sub("", question)


# ── What it is the value of ─────────────────────────────────────────────────────────────────────


def _has_value(asked: Words, candidate: Candidate) -> bool:
    """Whether a question has all of an example's value, and that tells one thing from others."""
    words, value = set(asked.content), _telling_value(candidate)
    if not value or not value <= words:
        return False
    if candidate.name and candidate.name in words:
        return False  # what it is about is given as well
    is_number = all(stem.isdecimal() for stem in value)
    is_one_word = len(value) == 1 and not value & asked.names
    return len(words) > 1 if is_one_word or is_number else True


def _is_more(asked: Words, candidate: Candidate) -> bool:
    """Whether a question that has nothing but a value asks for what it is the value of.

    "What is green tea?" asks for more than who drinks it.
    """
    value = _telling_value(candidate)
    return bool(value & asked.names or set(asked.content) - value) or len(value) >= _MANY


def _names_itself(candidate: Candidate) -> bool:
    """Whether an answer says what it is the answer about."""
    if candidate.name:
        return candidate.name in candidate.said
    return bool(candidate.said & candidate.asked)


def _is_near(asked: Words, candidate: Candidate, beside: set[str]) -> bool:
    """Whether a question shares more with an example than its value."""
    value = _telling_value(candidate)
    is_telling = len(value) > 1 or bool(value & asked.names)
    return is_telling and any(_is_covered(stem, asked, candidate) for stem in beside)
