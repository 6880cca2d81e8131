"""What a text asks for: a person, a place, a time; and whether an answer is of that kind. Pure."""

import re
from collections.abc import Sequence

from radiance.memory.analysis import LIGHT, WORD, WrittenWord, plain, stemmed, take_apart
from radiance.training.synonyms import GROUPS

_MONTHS = frozenset(
    "january february march april may june july august september october november december".split()  # noqa: SIM905
)
_NUMBERS = frozenset(
    """
    one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
    seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred
    thousand million half dozen free nothing
    """.split()  # noqa: SIM905 - as a list it would take a screen
)
_TIMES = frozenset(
    """
    noon midnight morning afternoon evening night today tomorrow weekdays weekends daily weekly
    monthly yearly hour hours day days week weeks month months year years spring summer autumn
    winter easter christmas am pm
    """.split()  # noqa: SIM905 - as a list it would take a screen
)
_DATE = re.compile(r"(?<![\w-])(?:1\d|20)\d\ds?\b|\b\d{1,2}[:./]\d{1,2}\b")
_NUMBER = re.compile(r"(?<![\w-])\d")
_DAYS = frozenset(
    """
    monday tuesday wednesday thursday friday saturday sunday mondays tuesdays wednesdays thursdays
    fridays saturdays sundays
    """.split()  # noqa: SIM905 - as a list it would take a screen
)
_AMOUNT = re.compile(r"\bhow (?:much|many|old|long|far|tall|high)\b|\bwhat (?:price|number)\b")
_WORK = re.compile(
    r"\s*(?:please |can you |could you |would you |now |help me )*"
    r"(?:(?:re)?write|compose|draft|summari[sz]e|translate|rephrase|paraphrase|proofread|shorten"
    r"|generate|create|invent|imagine|pretend|brainstorm|make up|continue|complete)\b"
)
_WHAT_KIND = re.compile(
    r"\b(kind|sort|type)s? of\b|\b(name|called)\b|\bhow (often|frequently)\b"
    r"|\be-?mail (address)\b|\bphone (number)\b"
)
_NAMED = re.compile(r"\bnames? of\b|['’]s name\b|\bcalled\b")
_GENERAL = re.compile(r"\W*what(?:['’]s| is| was) an? [\w-]+(?: [\w-]+){0,2}\W*")
_OFTEN = re.compile(r"\bhow (?:often|frequently)\b")
_HOW_OFTEN = re.compile(
    r"\b(?:each|every|daily|weekly|monthly|yearly|always|never|once|twice|times|(?:mon|tues|wednes"
    r"|thurs|fri|satur|sun)days?|(?:day|week|month|year)s)\b"
)
_WHY, _REASON = re.compile(r"\bwhy\b"), re.compile(r"\b(?:because|since|due|as|so|for|to)\b")
_ASKS = re.compile(
    r"\?|\b(?:who|whom|whose|what|which|when|where|why|how)\b"
    r"|\b(?:know|wonder|tell|need|want|looking for)\b"
    r"|^\W*(?:name|give|say|show|list|find|explain|describe|please|is|are|was|were|do|does|did|has"
    r"|have|had|can|could|would|will|should|may)\b"
)
_VERB = r"am|is|are|was|were|be|has|have|had|do|does|did|can|could|will|would|should|may|might|must"
_STATES = re.compile(
    rf"\w\W+(?:{_VERB})\W+\w|^\W*(?:i|i['’]?m|i['’]?ve|we|you|he|she|it|they)\W+\w"
)
_ANOTHER = re.compile(
    r"\b(?:another|others?|else|different|further|additional|more|alternative|second)\b"
)
_ASKED = {
    "time": re.compile(r"\b(?:birth)?date\b|\bbirthday\b"),
    "place": re.compile(r"\b(?:birthplace|hometown)\b"),
    "person": re.compile(r"\bname\b"),
    "reason": re.compile(r"\bwhy\b|\breasons?\b"),
    "amount": re.compile(r"\bhow (?:many|much|old|long)\b|\bnumber of\b"),
    "way": re.compile(r"\bhow\b|\bin (?:what|which) ways?\b"),
    "whether": re.compile(
        r"^(?:is|are|was|were|do|does|did|has|have|had|can|could|would|will"
        r"|should|may|must)\b(?! you)"
        r"|\b(?:know|tell me|wonder|ask|sure|say) (?:whether|if)\b"
    ),
}
_EXCLUSIVE = frozenset("time place person reason amount".split())  # noqa: SIM905
_MOST_ASKING = 12  # words of a question without its mark
_SHORT = 5  # words, that are no sentence
_ARTICLES = frozenset("a an the our my your his her its their this that".split())  # noqa: SIM905
_AT = frozenset(
    """
    in at on under over behind near inside outside above below beside between opposite next into
    through across around along beyond against beneath within
    """.split()  # noqa: SIM905 - as a list it would take a screen
)
_TOWARDS = frozenset("to from for with off".split())  # noqa: SIM905 - of a place, before its name
_THERE = frozenset("upstairs downstairs abroad online everywhere nowhere home here there".split())  # noqa: SIM905
_PLACE_SENSES = GROUPS["where"]


def fits_kind(question: str, asked: str, answer: str) -> bool:
    """Whether an answer can be one to what is asked for: a person, an amount, a time, a reason.

    Args:
        question: What somebody asks.
        asked: The question that the answer was given to; if it asks for the same, it fits.
        answer: The answer.
    """
    wanted = _by_form(question) - _by_form(asked)
    if "person" in wanted and not _has_name(asked, answer):
        return False
    if "time" in wanted and not _has_time(answer):
        return False
    if "place" in wanted and not _may_be_place(asked, answer):
        return False
    question, folded = question.casefold(), asked.casefold()
    if _NAMED.search(question) and not (_NAMED.search(folded) or _has_name(asked, answer)):
        return False
    return all(
        has(answer) or not kind.search(question) or kind.search(folded)
        for kind, has in ((_AMOUNT, _has_number), (_WHY, _has_reason))
    )


def _by_form(text: str) -> frozenset[str]:
    words = take_apart(text)
    return words.forms | frozenset(words.kinds.values())


def kinds_asked(question: str) -> frozenset[str]:
    """What a question asks for, as far as its words tell: a time, a place, a person and so on."""
    folded = question.casefold()
    return _by_form(question) | {kind for kind, each in _ASKED.items() if each.search(folded)}


def asks_for_other(question: str, asked: str) -> bool:
    """Whether two questions ask for things of different kinds, as "who" and "when" do."""
    one, other = kinds_asked(question) & _EXCLUSIVE, kinds_asked(asked) & _EXCLUSIVE
    return bool(one and other) and not one & other


def kinds_of_value(words: Sequence[WrittenWord]) -> frozenset[str]:
    """What words of an answer are: a time, digits, a name, and where they are none of that, words.

    Four digits may be a year, and a month has a name.
    """
    folded = {plain(each.word) for each in words}
    is_of = {
        "time": _has_time(" ".join(each.whole for each in words)),
        "digits": any(map(str.isdigit, "".join(folded))) or bool(folded & _NUMBERS),
        "name": any(
            each.word[0].isupper() and plain(each.word) not in _MONTHS | _DAYS for each in words
        ),
    }
    return frozenset(kind for kind, found in is_of.items() if found) or frozenset({"words"})


def saying_little(question: str) -> frozenset[str]:
    """Stems of words that say nothing of what a question is about.

    What is done with anything, what ought to be, and what only says for which kind of thing is
    asked: "what day", "which person", "the name of", "how often", "email address".
    """
    kinds = [kind for found in _WHAT_KIND.findall(question.casefold()) for kind in found if kind]
    words = take_apart(question)
    nouns = {stem for stem, kind in words.kinds.items() if kind == "time" or kind in words.forms}
    return LIGHT | nouns | {stemmed(kind) for kind in kinds}


def asks(text: str) -> bool:
    """Whether the form of a text asks for something: a question, or a request."""
    return _ASKS.search(text.casefold()) is not None


def is_question(text: str) -> bool:
    """Whether a text is nothing but a question, short if it has no question mark."""
    text = text.rstrip()
    return text.endswith("?") or (
        not text.endswith((".", "!", ";")) and asks(text) and len(text.split()) <= _MOST_ASKING
    )


def wants_work(text: str) -> bool:
    """Whether a text asks for something to be made, not told: "Write a poem about Ana Ruiz."."""
    return _WORK.match(text.casefold()) is not None


def states(text: str) -> bool:
    """Whether the form of a text says something and asks for nothing: "bread is made of flour"."""
    return not asks(text) and _STATES.search(text.casefold()) is not None


def fits_how_often(question: str, answer: str) -> bool:
    """Whether an answer says how often something is, where that is asked for."""
    is_asked = _OFTEN.search(question.casefold())
    return not is_asked or _HOW_OFTEN.search(answer.casefold()) is not None


def asks_in_general(question: str) -> bool:
    """Whether a question asks what a thing is, of all such things: "What is a vet?"."""
    return _GENERAL.fullmatch(question.casefold()) is not None


def asks_for_another(question: str) -> bool:
    """Whether a question asks for another one of something: of two alike, that tells which."""
    return _ANOTHER.search(question.casefold()) is not None


def _has_name(asked: str, answer: str) -> bool:
    """Whether the answer has a word with a capital letter, and no digit, that was not asked."""
    known = {plain(word) for word in WORD.findall(asked)}
    words = WORD.findall(" ".join(w for w in answer.split() if not any(map(str.isdigit, w))))
    known |= _MONTHS | _DAYS
    return any(
        word[0].isupper() and word.isalpha() and len(word) > 1 and plain(word) not in known
        for word in words[1:] or words
    )


def _has_number(answer: str) -> bool:
    words = {plain(word) for word in WORD.findall(answer)}
    return bool(_NUMBER.search(answer) or words & _NUMBERS)


def _has_reason(answer: str) -> bool:
    return _REASON.search(answer.casefold()) is not None


def _has_time(answer: str) -> bool:
    words = {plain(word) for word in WORD.findall(answer)}
    return bool(_DATE.search(answer) or words & (_MONTHS | _DAYS | _TIMES))


def _may_be_place(asked: str, answer: str) -> bool:
    """Whether an answer tells a place; or is short, and was given to no question that has another.

    A preposition of place before what is no time ("in 1987"), or a name after "to" and the like.
    """
    if take_apart(asked).groups & _PLACE_SENSES:
        return True
    words = answer.split()
    if len(words) <= _SHORT and not kinds_asked(asked) & _EXCLUSIVE:
        return True
    plains = [plain(word.strip(",.;:!?()\"'")) for word in words]
    for place, (folded, follows) in enumerate(zip(plains, [*words[1:], ""], strict=True)):
        if folded in _THERE:
            return True
        named = next((w for w in words[place + 1 :] if plain(w) not in _ARTICLES), "")
        is_name = named[:1].isupper() and not _has_time(named)
        if folded in _TOWARDS and (is_name or plain(follows) in _ARTICLES):
            return True
        if folded in _AT and named and not (_has_time(named) or named[0].isdigit()):
            return True
        if folded in _AT and named[:1].isdigit() and _is_address(words[place + 1 :]):
            return True
    return False


def _is_address(words: Sequence[str]) -> bool:
    """Whether a number and a name begin them: "14 Harbour Road"."""
    return len(words) > 1 and words[1][:1].isupper() and not _has_time(words[1])
