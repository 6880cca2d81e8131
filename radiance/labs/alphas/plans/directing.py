"""Which way a clause goes: who is liked, how much of what, and whether it is expected to turn."""

import re
from collections.abc import Sequence

from radiance.labs.alphas.plans.plan import Quantity
from radiance.labs.alphas.plans.words import Token


def direction(tokens: Sequence[Token], quantity: Quantity, flip: int) -> int:
    """The sign of a clause: who is liked, how much of what, and whether it is expected to turn."""
    text = " ".join(token.text for token in tokens)
    if (tail := _tail(tokens)) is not None:
        # A small loss is a high return, and few days since a peak are a late one.
        turned = (quantity.measure == "minimum" and "loss" in text) or (
            quantity.measure in ("high_age", "low_age") and re.search(r"\b(?:since|ago)\b", text)
        )
        return -tail if turned else tail
    attitude = next((t.values("attitude")[0] for t in tokens if t.has("attitude")), None)
    reverses = any(token.has("reversal") for token in tokens)
    polarity = _polarity(tokens, quantity)
    if quantity.measure == "to_low":
        return (attitude or 1) * polarity * flip
    if quantity.measure == "minimum":
        mild = any(token.text in ("mild", "small", "smaller", "smallest") for token in tokens)
        return -1 if attitude == 1 and not mild and _has_big(tokens) else 1
    if reverses and quantity.measure not in ("deviation", "means", "breakout"):
        return -1
    sign = (attitude or 1) * polarity
    # "drawdown" and the like name the low side; without a liking they stand for the number itself.
    return sign * flip if attitude is not None or flip > 0 or polarity < 0 else sign


def _has_big(tokens: Sequence[Token]) -> bool:
    return any(token.text in ("worst", "big", "biggest", "largest", "huge") for token in tokens)


_TAIL = re.compile(
    r"(?P<low>low(?:er|est)?|few|fewer|fewest|short(?:er|est)?|small(?:er|est)?|less|least|narrow(?:er)?"
    r"|the less negative|negative)"
    r"|(?P<high>high(?:er|est)?|more(?: recent)?|larg(?:er|est)|big(?:ger|gest)?|most|top"
    r"|positive|closer|wider|the more)"
)
_GOOD = ("good", "better", "preferred", "first", "best", "fine", "wins", "desirable", "attractive")


def _tail(tokens: Sequence[Token]) -> int | None:
    """What "low is good" or "the closer the better" says of the number; None without it."""
    texts = [token.text for token in tokens if not token.has("stop")]
    for place, text in enumerate(texts):
        words = text.split()
        if not words or words[-1] not in _GOOD or (words[-1] in ("best", "first") and place == 0):
            continue
        for before in reversed(texts[max(0, place - 4) : place]):
            if found := _TAIL.fullmatch(before):
                if before == "negative" and "less" in texts:
                    return 1
                return -1 if found["low"] else 1
    return None


def _polarity(tokens: Sequence[Token], quantity: Quantity) -> int:
    """The side of the number that a clause talks of first: "losers" and "calm" are low."""
    least = any(token.text == "least" for token in tokens)
    text = " ".join(token.text for token in tokens)
    if quantity.measure in ("to_high", "to_low"):
        text = re.sub(r"within (?:\w+ )?distance|(?:spitting|touching|striking) distance", "", text)
        return -1 if re.search(r"\b(?:far|away|distance|furthest|farthest)\b", text) else 1
    if quantity.measure in ("high_age", "low_age"):
        return -1 if re.match(r"(?:.* )?(?:old|stale)\b", text) else 1
    if quantity.measure == "position":
        return (
            -1 if re.search(r"\b(?:bottom|lower|under|near (?:the|its|their) low)\b", text) else 1
        )
    if quantity.measure == "up_share":
        return -1 if re.search(r"\b(?:few|fewer|fewest|rarely|seldom|low|lowest)\b", text) else 1
    if quantity.measure in ("group_beta", "market_beta"):
        low = (
            r"\b(?:low(?:er|est)?|small(?:er|est)?|little|least|less) "
            r"(?:\w+ ){0,2}?(?:beta|sensitiv|with the)"
        )
        return -1 if re.search(rf"{low}|betting against beta|\bbab\b|\bleast\b", text) else 1
    if quantity.measure in ("ratio", "zscore", "surprise", "means"):
        for token in tokens:
            if re.search(r"\b(?:below|under|beneath)\b", token.text):
                return -1
            if re.search(r"\babove\b", token.text):
                return 1
    for token in tokens:
        named = token.values("named")
        if named and named[0][1] == quantity.series:
            place = list(tokens).index(token)
            return named[0][3] * (-1 if place and tokens[place - 1].text == "least" else 1)
        if quantity.series in ("close", "open", "vwap") and quantity.measure in (
            "growth",
            "skipped",
            "acceleration",
            "change",
        ):
            if token.has("growth", -1):
                return 1 if least else -1
            if token.text in ("worst", "bottom", "weakest", "weak"):
                return -1
            if token.has("growth", 1):
                return _nearby(tokens, token)
            continue
        if quantity.series in ("gap", "place") and token.has("series", quantity.series):
            if re.search(r"\b(?:below|lower|under|bottom|lows?|downs?)\b", token.text):
                return -1
            if re.search(r"\b(?:above|higher|over|top|highs?|ups?|strong)\b", token.text):
                return 1
        if quantity.series in ("gap", "day") and token.text in ("up", "higher", "down", "lower"):
            return 1 if token.text in ("up", "higher") else -1
        if quantity.measure in ("signed_share", "up_share") and token.text in (
            "less",
            "down",
            "up",
        ):
            continue
        if quantity.measure == "means" and token.text in ("slow", "fast"):
            continue
        signs = token.values("degree")
        if signs and token.text not in ("over", "most", "above", "recently", "right", "up"):
            return signs[0]
        if token.text in ("above", "up", "over") and quantity.measure in (
            "ratio",
            "zscore",
            "means",
        ):
            return 1
        if any(
            word in token.text for word in ("oversold", "below", "under the", "bottom", "dries up")
        ):
            return -1
    return 1


def _nearby(tokens: Sequence[Token], token: Token) -> int:
    """The sign of the adjective right before a neutral word such as "return" or "momentum"."""
    place = list(tokens).index(token)
    for before in reversed(tokens[max(0, place - 4) : place]):
        if before.text in (
            "low",
            "lowest",
            "weak",
            "weakest",
            "worst",
            "negative",
            "small",
            "least",
            "poor",
            "bottom",
            "smallest",
        ):
            return -1
        if before.has("attitude") or before.has("stop"):
            break
    return 1
