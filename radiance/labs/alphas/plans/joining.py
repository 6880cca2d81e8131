"""One idea of several quantities: lists, sums, weights, differences, and the same said twice."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from radiance.labs.alphas.plans.directing import direction
from radiance.labs.alphas.plans.measuring import Bag, Read, measured, replace_quantity
from radiance.labs.alphas.plans.plan import Joined, Quantity
from radiance.labs.alphas.plans.words import Token


def joined_reading(tokens: Sequence[Token]) -> tuple[Read, tuple[Joined, ...]] | None:
    """The quantity that is traded, and what it is joined with."""
    if (both := _both(tokens)) is not None:
        return both
    if (listed := _listed(tokens)) is not None:
        return listed
    if (restated := _restated(tokens)) is not None:
        return joined_reading(restated)
    whole = measured(tokens)
    if whole is not None and whole.quantity.measure in _OF_TWO:
        return whole, ()
    between = combined = False
    for place, token in enumerate(tokens):
        if re.search(r"\b(?:difference|spread|gap) (?:between|of)", token.text):
            between = True
        for how in ("times", "minus", "plus", "and"):
            if not token.has("joint", how) and not (
                how == "plus" and combined and token.text in ("with", "and")
            ):
                continue
            if between and token.text == "and":
                how = "minus"
            elif token.text == "and" and any(t.text == "between" for t in tokens[:place]):
                continue
            before, after = tokens[:place], tokens[place + 1 :]
            left, right = measured(before), measured(after)
            if left is None or right is None or not _names_something(after):
                continue
            if how in ("and", "minus") and whole is not None and whole.quantity.measure == "means":
                continue
            if how == "minus" and _is_before(left, right):
                days = left.quantity.days
                return Read(Quantity("acceleration", "close", days), left.sign, 1.0), ()
            if how == "and" and not _is_second(after, left, right):
                continue
            further = () if how == "minus" else (joined_reading(after) or (right, ()))[1]
            first, joined = _joined(before, left, after, right, how)
            return first, (joined, *further)
        combined |= token.text in _COMBINED
    return None if whole is None else (whole, ())


def _restated(tokens: Sequence[Token]) -> list[Token] | None:
    """What is behind a colon or full stop, where that says the same idea again and has its days."""
    for place, token in enumerate(tokens):
        if not token.has("stop") or token.text not in (".", ":", "?"):
            continue
        first, rest = tokens[:place], list(tokens[place + 1 :])
        idea, again = measured(first), measured(rest)
        if (
            idea is not None
            and again is not None
            and again.is_dated
            and not idea.is_dated
            and again.certainty >= 0.8
            and idea.quantity.series == again.quantity.series
            and any(each.has(kind) for each in rest for kind in ("series", "named", "growth"))
        ):
            for kind in ("attitude", "reversal", "degree"):
                if not any(each.has(kind) for each in rest):
                    rest = [*(each for each in first if each.has(kind)), *rest]
            return rest
    return None


_COMBINED = ("combine", "combining", "combined", "blend", "mix", "pair", "marry", "join")
_LISTED = re.compile(
    r"combin|blend|mix|composite|multi ?factor|equal|score|sum of|average of|ranks of|add up"
    r"|factors"
)


def _listed(tokens: Sequence[Token]) -> tuple[Read, tuple[Joined, ...]] | None:
    """Three quantities or more with commas or "and" between them: the sum of their ranks."""
    pieces: list[list[Token]] = [[]]
    for token in tokens:
        if token.text in (",", ";", ":", "and", "plus", "and also", "then"):
            pieces.append([])
        else:
            pieces[-1].append(token)
    reads = [read for piece in pieces if (read := measured(piece)) and read.certainty >= 0.7]
    names = {(read.quantity.measure, read.quantity.series, read.quantity.days) for read in reads}
    text = " ".join(token.text for token in tokens)
    is_list = len(reads) >= 3 and len(names) == len(reads) and _LISTED.search(text)
    if not is_list or any(token.has("joint", "minus") for token in tokens):
        return None
    first, *others = reads
    return first, tuple(
        Joined("plus", read.quantity, 1 if read.sign > 0 else -1) for read in others
    )


def _is_before(left: Read, right: Read) -> bool:
    """Whether a return is taken from itself: "this month's less last month's"."""
    alike = ("growth", "acceleration", "change")
    return (
        left.quantity.measure in alike
        and right.quantity.measure in alike
        and left.quantity.series == right.quantity.series
        and left.quantity.days == right.quantity.days
    )


_OF_TWO = ("comovement", "position", "up_share", "signed_share", "persistence")


def _both(tokens: Sequence[Token]) -> tuple[Read, tuple[Joined, ...]] | None:
    """Price and volume that "both rose": one over the days said, weighted by the other."""
    bag = Bag.of(tokens)
    is_volume = "volume" in bag.series
    if not (is_volume and any(token.text in ("both", "together") for token in tokens)):
        return None
    growth = next((token.values("growth")[0] for token in tokens if token.has("growth")), None)
    if growth is None or bag.has("correlation"):
        return None
    days = bag.one(20)
    price = Quantity("growth", "close", days)
    sign = direction(tokens, price, 1)
    return Read(price, sign, 0.9), (Joined("times", Quantity("growth", "volume", days), growth),)


def _names_something(tokens: Sequence[Token]) -> bool:
    kinds = ("series", "named", "growth", "mark", "days", "vague")
    return any(token.has(kind) for token in tokens for kind in kinds)


def _is_second(after: Sequence[Token], left: Read, right: Read) -> bool:
    """Whether what follows an "and" is a second opinion, not the other side or the same again."""
    if any(token.has("attitude") for token in after[:4]):
        return False
    if right.certainty < 0.75 or left.certainty < 0.75:
        return False
    one, other = left.quantity, right.quantity
    return (one.measure, one.series) != (other.measure, other.series)


def _joined(
    before: Sequence[Token], left: Read, after: Sequence[Token], right: Read, how: str
) -> tuple[Read, Joined]:
    if right.is_dated and not left.is_dated and left.quantity.measure == "growth":
        left = replace(left, quantity=replace_quantity(left.quantity, days=right.quantity.days))
    if how == "minus":
        # Days that are said once are both's: "overnight less intraday returns, over a month".
        if right.is_dated and not left.is_dated:
            left = measured([*before, *_dating(after)]) or left
        elif left.is_dated and not right.is_dated:
            right = measured([*after, *_dating(before)]) or right
        return left, Joined("minus", right.quantity)
    joint: Any = "times" if how == "times" else "plus"
    quantity, sign = right.quantity, right.sign
    if joint == "plus" and any(token.has("attitude", -1) for token in after[:3]):
        sign = -abs(sign)
    return left, Joined(joint, quantity, 1 if sign > 0 else -1)


def _dating(tokens: Sequence[Token]) -> list[Token]:
    """The days that are said, and whether they are summed or averaged."""
    return [
        Token(
            token.text, tuple(pair for pair in token.meanings if pair in _DATING or "days" in pair)
        )
        for token in tokens
        if token.has("days") or any(pair in _DATING for pair in token.meanings)
    ]


_DATING = (("mark", "total"), ("mark", "average"))
