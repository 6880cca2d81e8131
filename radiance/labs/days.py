"""Days as people write them. Pure."""

import datetime
import re
from collections.abc import Callable, Sequence

import numpy as np

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_ZONE = r"(?:Z|[A-Z]{3,4}|[+-]\d{2}(?::?\d{2})?)?(?:\s*\[?[A-Z][A-Za-z]+/[A-Za-z_/]+\]?)?"
_TIME = (
    r"(?:[T ]+\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?\s*(?:[AaPp][Mm])?)?"
    rf"\s*{_ZONE}"
)
_YEAR_FIRST = re.compile(r"(\d{4})([-/._ ]|\. )(\d{1,2})\2(\d{1,2})\.?" + _TIME)
_CJK = re.compile(r"(\d{4})[年년]\s*(\d{1,2})[月월]\s*(\d{1,2})[日일]" + _TIME)
_COMPACT = re.compile(
    r"(\d{4})(\d{2})(\d{2})(?:\.0)?(?:[T ]+\d{4,6}|\d{6}|[T ]+\d{1,2}:\d{2}(?::\d{2})?)?" + _ZONE
)
_TO_THE_MINUTE = re.compile(r"(19\d\d|20\d\d)(0[1-9]|1[0-2])([0-2]\d|3[01])([01]\d|2[0-3])[0-5]\d")
_YEAR_LAST = re.compile(r"(\d{1,2})([-/._ ])(\d{1,2})\2(\d{4}|\d{2})\.?" + _TIME)
_NAMED = re.compile(
    r"(?:(?P<first>\d{1,2})(?:st|nd|rd|th)?[-/. ]*(?:of )?(?P<month>[A-Za-z]{3,9})\.?[-/,. ]*"
    r"|(?P<name>[A-Za-z]{3,9})\.?[-/. ]+(?P<second>\d{1,2})(?:st|nd|rd|th)?[-/,. ]+)"
    r"'?(?P<year>\d{4}|\d{2})(?::\d{2}:\d{2}(?::\d{2})?)?" + _TIME
)
_YEAR_NAMED = re.compile(
    r"(?P<year>\d{4})[-/. ](?P<month>[A-Za-z]{3,9})\.?[-/. ](?P<first>\d{1,2})" + _TIME
)
_WEEKDAY = re.compile(
    r"^(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*[.,]?\s+|\s+\(?(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*\)?$",
    re.IGNORECASE,
)
_DASHES = str.maketrans("\u2010\u2011\u2012\u2013\u2212", "-----")
_EPOCH = re.compile(r"(\d{9,10})(\d{3}|\d{6}|\d{9})?(?:\.0)?")
_SERIAL = re.compile(r"(\d{5})(?:\.\d+)?")
_SECONDS_PER_DAY = 86_400
_NOON = 43_200
_SUNDAY, _FRIDAY = 6, 4
_FIRST_SERIAL, _LAST_SERIAL = 25_569, 73_050  # 1970 and 2099
_SERIAL_ZERO = np.datetime64("1899-12-30", "D")  # of Excel, from March 1900 on
_FIRST_YEAR, _LAST_YEAR = 1800, 2199
_PIVOT = 70  # 69 is 2069, 70 is 1970: POSIX


class Unreadable(ValueError):
    """A text is no day; ``number`` is its place among those given."""

    def __init__(self, number: int, reason: str) -> None:
        super().__init__(reason)
        self.number = number


def to_days(texts: Sequence[str]) -> tuple[np.ndarray, str]:
    """Days of texts, (texts,) datetime64[D], and what was guessed of how they are written; or "".

    2020-01-31, 2020/1/31, 20200131, 31.01.2020, 31/01/2020 or 01/31/2020, 31-Jan-2020, 31JAN2020,
    January 31, 2020, 2020年1月31日, 31-01-20 or 20-01-31, each with a weekday, a time, a zone or
    none; seconds or less since 1970; Excel's numbers of days from 1970 on. The day is the one that
    is written, whatever the time zone.

    Raises:
        Unreadable: One is no day, or what comes first cannot be told.
    """
    by_order: list[tuple[int, int, int, int]] = []
    days = np.zeros(len(texts), "datetime64[D]")
    guess = ""
    since_1970: dict[int, int] = {}
    texts = [_WEEKDAY.sub("", text.translate(_DASHES)) for text in texts]
    for number, text in enumerate(texts):
        found = _fixed(text)
        if found is not None:
            days[number] = _day(number, text, *found)
        elif match := _YEAR_LAST.fullmatch(text):
            by_order.append((number, int(match[1]), int(match[3]), _year(match[4])))
        elif match := _EPOCH.fullmatch(text):
            since_1970[number] = int(match[1])
        elif (match := _SERIAL.fullmatch(text)) and _FIRST_SERIAL <= int(match[1]) <= _LAST_SERIAL:
            days[number] = _SERIAL_ZERO + int(match[1])
            guess = "dates are Excel's numbers of days"
        else:
            shown = f"{text!r} is no day" if text else "is empty"
            raise Unreadable(number, f"{shown}. Write days as 2020-01-31.")
    if since_1970:
        seconds = np.array(list(since_1970.values()), "datetime64[s]")
        days[list(since_1970)], moved = from_instants(seconds)
        guess = "dates are seconds since 1970" + (f", {moved}" if moved else "")
    if by_order and _is_year_first(by_order, texts):
        guess = "dates are year, month, day"
        for number, one, other, last in by_order:
            days[number] = _day(number, texts[number], _year(f"{one:02d}"), other, last % 100)
    elif by_order:
        is_day_first = _is_day_first(by_order, texts)
        guess = f"dates are {'day, month' if is_day_first else 'month, day'}, year"
        for number, one, other, year in by_order:
            day, month = (one, other) if is_day_first else (other, one)
            days[number] = _day(number, texts[number], year, month, day)
    return days, guess


def from_instants(instants: np.ndarray) -> tuple[np.ndarray, str]:
    """The days of a market's bars, whose time may be that of elsewhere; and what was guessed.

    Midnight in Shanghai is 16:00 of the day before in London. Where each bar is of one time in the
    second half of a day, some are of a Sunday and none of a Friday, the day after is meant.

    Args:
        instants: datetime64.
    """
    seconds = instants.astype("datetime64[s]").astype(np.int64)
    days, times = np.divmod(seconds, _SECONDS_PER_DAY)
    found = days.astype("datetime64[D]")
    if len(times) and times[0] >= _NOON and (times == times[0]).all():
        weekdays = (days + 3) % 7  # 1970 began on a Thursday
        if (weekdays == _SUNDAY).any() and not (weekdays == _FRIDAY).any():
            return found + 1, "times are of the evening before, elsewhere"
    return found, ""


def _fixed(text: str) -> tuple[int, int, int] | None:
    """Year, month and day of a text whose order is plain."""
    if match := _YEAR_FIRST.fullmatch(text):
        return int(match[1]), int(match[3]), int(match[4])
    if match := (
        _COMPACT.fullmatch(text) or _CJK.fullmatch(text) or _TO_THE_MINUTE.fullmatch(text)
    ):
        return int(match[1]), int(match[2]), int(match[3])
    if match := (_NAMED.fullmatch(text) or _YEAR_NAMED.fullmatch(text)):
        parts = match.groupdict()
        month = (parts["month"] or parts["name"])[:3].lower()
        if month in _MONTHS:
            day = int(parts["first"] or parts["second"])
            return _year(parts["year"]), _MONTHS.index(month) + 1, day
    return None


def _is_year_first(written: Sequence[tuple[int, int, int, int]], texts: Sequence[str]) -> bool:
    """Whether 20-01-31 is of 2020: by which reading the days lie closer together.

    Bars are of days in a row, so the wrong reading scatters them over decades.

    Raises:
        Unreadable: Both readings fit, and neither is closer.
    """
    matches = [_YEAR_LAST.fullmatch(texts[number]) for number, *_ in written]
    if any(match is not None and len(match[4]) == 4 for match in matches):
        return False
    spans: list[datetime.timedelta | None] = []
    for reading in (
        lambda one, other, last: (_year(f"{one:02d}"), other, last % 100),
        lambda one, other, last: (last, other, one),
        lambda one, other, last: (last, one, other),
    ):
        try:
            read = [datetime.date(*reading(one, other, last)) for _, one, other, last in written]
        except ValueError:
            spans.append(None)
        else:
            spans.append(max(read) - min(read))
    year_first, *year_last = spans
    fitting = [span for span in year_last if span is not None]
    if year_first is None or not fitting:
        return year_first is not None
    if year_first == min(fitting):
        if "-" not in texts[written[0][0]]:
            return False  # 31/01/20 and 31.01.20 have the year last
        raise Unreadable(
            written[0][0],
            f"{texts[written[0][0]]!r} may begin or end with the year. Write days as 2020-01-31.",
        )
    return year_first < min(fitting)


def _is_day_first(written: Sequence[tuple[int, int, int, int]], texts: Sequence[str]) -> bool:
    """Whether 03/04/2020 is in April: by those that can only be read one way, else by weekdays."""
    days_first = [number for number, one, _, _ in written if one > 12]
    months_first = [number for number, _, other, _ in written if other > 12]
    if days_first and months_first:
        raise Unreadable(
            months_first[0],
            f"{texts[months_first[0]]!r} has the month first, and {texts[days_first[0]]!r} the "
            "day. Write days as 2020-01-31.",
        )
    if days_first or months_first:
        return bool(days_first)
    if any("." in texts[number][:3] for number, *_ in written):
        return True  # 03.04.2020 is never written with the month first
    readings: list[Callable[[int, int], tuple[int, int]]] = [
        lambda one, other: (other, one),
        lambda one, other: (one, other),
    ]
    on_weekdays = [
        all(
            datetime.date(year, *reading(one, other)).weekday() < 5
            for _, one, other, year in written
            if one and other and year
        )
        for reading in readings
    ]
    if on_weekdays[0] != on_weekdays[1]:
        return on_weekdays[0]
    raise Unreadable(
        written[0][0],
        f"{texts[written[0][0]]!r} may be day and month or month and day. Write days as "
        "2020-01-31.",
    )


def _year(text: str) -> int:
    year = int(text)
    return year if len(text) == 4 else year + (1900 if year >= _PIVOT else 2000)


def _day(number: int, text: str, year: int, month: int, day: int) -> np.datetime64:
    try:
        found = datetime.date(year, month, day)
    except ValueError:
        raise Unreadable(number, f"{text!r} is no day. Write days as 2020-01-31.") from None
    if not _FIRST_YEAR <= year <= _LAST_YEAR:
        raise Unreadable(number, f"{text!r} is of no year between {_FIRST_YEAR} and {_LAST_YEAR}.")
    return np.datetime64(found, "D")
