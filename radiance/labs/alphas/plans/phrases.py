"""What a prompt says in set phrases, heard before its words are looked at one by one.

Clipping, positions only beyond a threshold to either side, and limits of the share price: each is
taken out of the text, so that its numbers and directions are not read as those of the idea. The
patterns are text: `re` compiles and keeps each when it is first used, not at the service's start.
"""

import re
from dataclasses import dataclass

from radiance.labs.alphas.plans.plan import Condition, Quantity

_USUAL_CLIP, _USUAL_BANDS, _PENNY = 3.0, 2.0, 5.0


def _any(words: str) -> str:
    """One of several patterns, parted by " ; "."""
    return f"(?:{'|'.join(words.split(' ; '))})"


def _many(words: str) -> str:
    """Any number of them, each with a space behind."""
    return f"(?:{_any(words)} )*"


_SIGMAS = _any(
    "standard deviations? ; std ?devs? ; stds? ; sds? ; sigmas? ; z ?scores? ; deviations"
)
_START = r"(?:[,(;.] )?"
_CLIPPED = (
    _START
    + _many("but ; and ; with ; then")
    + _many("the ; any ; extreme ; outliers? ; extremes? ; values? ; tails?")
    + _many("are ; is ; being ; get ; should be")
    + _any(
        "winsori[sz](?:ed?|ing|ation) ; clip(?:ped|ping|s)? ; truncat(?:ed?|ing|ion)"
        " ; trim(?:med|ming)? ; capped ; cap(?:ping)?"
        "(?= (?:it|the (?:signal|outliers|extremes|values)|outliers|extremes|at))"
    )
    + f"(?: {_any('the ; any ; extremes? ; outliers? ; tails? ; it ; them ; values? ; signal')}"
    r"|(?: scores?| z ?scores?| returns?| result))*"
    + f"(?: {_any('at ; to ; beyond ; above ; within ; outside ; by ; of ; with ; the')}"
    r"|(?: plus| or| minus| /| top| bottom| and| a)){0,6}"
    rf"(?: (?P<number>\d+(?:\.\d+)?)(?: (?:percent(?:iles?)?|cross sectional|{_SIGMAS}))*)?"
    r"(?: (?:on |at |in )?(?:both|each|either) (?:sides?|ends?|tails?))?(?: \))?"
)
_FLAT = _any(
    "flat ; nothing ; neutral ; zero ; out ; out of it ; no positions? ; no trades? ; cash"
    " ; aside ; 0"
)
_BETWEEN = _any(
    "in ?between ; inside ; within ; otherwise ; else ; elsewhere ; in the middle ; between"
)
_OUTSIDE = (
    _START
    + _many(
        r"\band ; but ; stay ; staying ; be ; is ; am ; i ; do ; doing ; hold ; holding ; we"
        " ; stand ; remain ; with"
    )
    + rf"\b{_FLAT}"
    + f"(?: {_any('if ; when ; while ; for everything ; for the rest ; in the ; anything')})?"
    + f"(?: (?:{_BETWEEN}|{_any('them ; the 2 ; the bands? ; those(?: levels)? ; both ; these')}"
    r"|it is)){1,4}"
    rf"|{_START}(?:\band )?{_BETWEEN}"
    + f"(?: {_any('the ; them ; those ; 2 ; bands? ; we ; i ; you ; it ; stay(?:ing)? ; be ; is')}"
    rf"|(?: do| hold| remain| sit| have| ,)){{0,4}} {_FLAT}\b"
    r"|\bonly (?:at|in|on) (?:the )?extremes\b"
)
_BANDS = r"\b(?:bollinger|bands?)\b"
_BEYOND = (
    r"\b(?:by )?(?:(?:more than|over|at least|beyond|greater than|>) ?)?"
    rf"(?P<number>\d+(?:\.\d+)?) {_SIGMAS}"
)
_LEVELS = (
    rf"{_any('below ; under ; less than ; beneath ; drops? (?:below|under) ; <')} ?(?P<low>\d\d?)\b"
    rf"(?P<between>.*?)\b{_any('above ; over ; more than ; exceeds? ; >')} ?(?P<high>\d\d)\b"
    r"|\b(?P<low2>[1-4]\d) ?(?:/|and|or|-) ?(?P<high2>[5-9]\d)\b"
)
_LEAVES_OUT = _any(
    "exclud(?:es?|ing) ; ignor(?:e|ing) ; skip(?:ping)? ; drop(?:ping)? ; remov(?:e|ing) ; ex"
    " ; without ; leav(?:e|ing) out ; filter(?:ing)? out ; throw(?:ing)? out"
)
_PRICE = (
    _START
    + _many(
        r"\bbut ; not ; never ; and ; provided ; as long as ; with ; where ; if ; for ; only ; in"
        " ; when ; among ; on ; those ; names ; stocks ; shares ; the ; trad(?:e|ing|ed) ; priced"
        " ; that ; which ; whose ; costs? ; share ; price[sd]? ; closes? ; closing ; is ; are ; of"
        " ; a ; keep ; stay(?:ing)? away from ; avoid(?:ing)? ; universe ; anything ; must be"
    )
    + "(?P<side>above|over|at least|more than|greater than|higher than|not below"
    "|nothing (?:below|under|cheaper than)"
    "|no(?:ne| stocks| names| shares)?(?: priced)? (?:below|under)"
    f"|{_LEAVES_OUT} "
    + _many(
        "anything ; everything ; all ; names ; stocks ; shares ; those ; prices ; priced ; trading"
        " ; that ; are ; is"
    )
    + "(?:below|under)"
    "|min(?:imum)?(?: share)?(?: price)?(?: of)?|>=?|below|under|cheaper than|less than|<) "
    r"(?:\$ ?(?P<price>\d+(?:\.\d+)?)|(?P<price2>\d+(?:\.\d+)?) ?(?:dollars?|bucks|usd))"
    r"(?: (?:a|per) share| each| or more| at least)?(?: \))?"
)
_NO_PENNIES = (
    _START
    + _many("but ; and ; please")
    + f"(?:(?:{_LEAVES_OUT}|no|not|except(?: for)?|avoiding) (?:in )?(?:the |any |all )?"
    "penny(?: ?stocks?| names)?"
    "|penny ?stocks? (?:are )?(?:out|excluded|aside|removed|dropped|ignored|filtered out))(?: \\))?"
)


@dataclass(frozen=True)
class Heard:
    """What was heard, and the text without it.

    Attributes:
        clip: Standard deviations; 0: none.
        beyond: Distance from the middle, in the measure's own unit; 0: none.
        price: A limit of the share price; None: none.
    """

    text: str
    clip: float = 0.0
    beyond: float = 0.0
    price: Condition | None = None


def hear(text: str) -> Heard:
    """``text``: as ``spelling.normalized`` gives it."""
    rest, clip = _clipped(text)
    rest, price = _priced(rest)
    rest, beyond = _thresholded(rest)
    return Heard(re.sub(r"\s+", " ", rest).strip(" ,"), clip, beyond, price)


def _clipped(text: str) -> tuple[str, float]:
    found = re.search(_CLIPPED, text)
    if found is None:
        return text, 0.0
    said = float(found["number"] or 0)
    is_share = "percent" in found[0] or not 1 <= said <= 10
    return _without(text, found), _USUAL_CLIP if is_share else said


def _priced(text: str) -> tuple[str, Condition | None]:
    price, limit = Quantity("level", "close"), None
    if (found := re.search(_NO_PENNIES, text)) is not None:
        text, limit = _without(text, found), Condition(price, True, _PENNY)
    if (found := re.search(_PRICE, text)) is not None:
        bound = float(found["price"] or found["price2"])
        is_under = re.fullmatch(r"below|under|cheaper than|less than|<", found["side"])
        is_out = re.search(r"\b(?:avoid|stay|never|not (?!below))", found[0])
        text, limit = _without(text, found), Condition(price, not is_under or bool(is_out), bound)
    return text, limit


def _thresholded(text: str) -> tuple[str, float]:
    """Bands and levels, where between them there is to be no position."""
    if re.search(r"\brsi|relative strength index", text):
        levels = re.search(_LEVELS, text)
        if levels is None:
            return text, 0.0
        low = float(levels["low"] or levels["low2"])
        high = float(levels["high"] or levels["high2"])
        beyond = round(min(50 - low, high - 50) / 100, 4)
        if beyond <= 0:
            return text, 0.0
        # The levels are no days; which way they are meant is kept.
        said = f"oversold {levels['between']} overbought" if levels["low"] else " "
        text = text.replace(levels[0], said)
        return re.sub(_OUTSIDE, " ", text), beyond
    has_bands, outside = re.search(_BANDS, text), re.search(_OUTSIDE, text)
    said_sigmas = re.search(_BEYOND, text)
    if outside is None or not (has_bands or said_sigmas):
        return text, 0.0
    sigmas = float(said_sigmas["number"]) if said_sigmas else _USUAL_BANDS
    return re.sub(_BEYOND, " zscore ", _without(text, outside)), sigmas


def _without(text: str, found: re.Match[str]) -> str:
    return f"{text[: found.start()]} {text[found.end() :]}"
