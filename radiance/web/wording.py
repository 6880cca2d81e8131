"""How values read: the templates' filters. Pure."""

import re
from datetime import UTC, datetime
from typing import Any

from radiance import records
from radiance.records.text import short

ABSENT = "–"
_POWER = re.compile(r"(\d)e([+-]?\d+)(?![\w.])")
_MINUS = re.compile(r"(?<![\w.)])-(?=\.?\d)")
_PERCENT = re.compile(r"(?<=\d)%")
_FACTOR = re.compile(r"^[x/](?=\d)")
_SIGNS = {"x": "\N{MULTIPLICATION SIGN}", "/": "\N{DIVISION SIGN}"}
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_MODELS = {"base": "the base model", "stable": "what serves", "training": "what is in training"}
_STATUSES = {"current": "serves", "rejected": "refused", "reject": "refuse"}
_UNITS = ((86400 * 365, "year"), (86400, "day"), (3600, "h"), (60, "min"), (1, "s"))


def number(value: Any, digits: int = 3) -> str:
    """A number to so many significant digits, or a dash; whole ones with thin spaces."""
    if value is None:
        return ABSENT
    if isinstance(value, str):  # one that is not finite, as the audit log keeps it
        return value
    if isinstance(value, int):
        return f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")
    shown = f"{value:.{digits}g}"
    if "e" in shown and 1e-4 <= abs(value) < 1e6:
        shown = f"{value:.0f}"
    return typeset(shown)


def typeset(text: str) -> str:
    """A text with numbers as a program writes them, with its numbers as people do.

    ``-0.5`` gets a minus sign, ``95%`` a space, ``3.5e-08`` a power of ten, ``x1.2`` and ``/8`` the
    signs for times and divided by; a lone hyphen stands for what is not there.
    """
    if text == "-":
        return ABSENT
    text = _POWER.sub(lambda m: f"{m[1]}\N{MIDDLE DOT}10{_raised(int(m[2]))}", text)
    text = _FACTOR.sub(lambda m: _SIGNS[m[0]], text)
    return _PERCENT.sub("\N{NARROW NO-BREAK SPACE}%", _MINUS.sub("\N{MINUS SIGN}", text))


def _raised(power: int) -> str:
    return str(power).translate(_SUPERSCRIPTS)


def numbered(checkpoint_id: str) -> str:
    """The number of a checkpoint, where its whole id does not fit: ``#12``."""
    number = checkpoint_id.rpartition("_")[2].lstrip("0")
    return f"#{number}" if number.isdecimal() else checkpoint_id


def model(name: str) -> str:
    """What a person calls one of the models that can be named: a checkpoint by its id."""
    return _MODELS.get(name, name)


def status(name: str) -> str:
    """What pages call a status or an act: one word for one thing, whatever the records have."""
    return _STATUSES.get(name, name)


def plain(value: Any) -> str:
    """A number of a table that is drawn: six significant digits, as a program reads them."""
    return ABSENT if value is None else f"{value:.6g}"


def percent(value: Any, digits: int = 0) -> str:
    """A ratio as percent, or a dash; never 100 where it is not all, nor 0 where it is something."""
    if value is None:
        return ABSENT
    shown = f"{100 * value:.{digits}f}"
    if value < 1 and shown.startswith("100"):
        shown = f"{100 * value:.{digits + 2}f}" if value < 0.9999 else "99.99"
    if value > 0 and float(shown) == 0:
        shown = typeset(f"{100 * value:.2g}")
    if value < 0:
        shown = shown.replace("-", "\N{MINUS SIGN}", 1)
    return f"{shown}\N{NARROW NO-BREAK SPACE}%"


def signed(value: Any, digits: int = 2) -> str:
    """A change, with its sign, or a dash."""
    if value is None:
        return ABSENT
    shown = number(abs(value), digits)
    return shown if value == 0 else f"{'+' if value > 0 else chr(0x2212)}{shown}"


def plural(count: int, one: str, many: str = "") -> str:
    """``1 example``, ``3 examples``."""
    return f"{number(count)} {one if count == 1 else many or one + 's'}"


def duration(seconds: Any) -> str:
    """``40 s``, ``3 min``, ``2 h 5 min``, or a dash."""
    if seconds is None:
        return ABSENT
    if 0 < seconds < 0.0995:
        return f"{1000 * seconds:.2g} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 120:
        return f"{whole} s"
    if whole < 7200:
        return f"{whole // 60} min"
    if whole < 86400 * 2:
        rest = whole % 3600 // 60
        return f"{whole // 3600} h {rest} min" if rest else f"{whole // 3600} h"
    return f"{whole // 86400} days"


def ago(value: Any, now: datetime | None = None) -> str:
    """``3 min ago``; of an ISO text or a time, or a dash."""
    at = _time(value)
    if at is None:
        return ABSENT
    seconds = ((now or records.now()) - at).total_seconds()
    if seconds < 5:
        return "just now"
    for size, name in _UNITS:
        if seconds >= size:
            count = int(seconds // size)
            return f"{plural(count, name, name if len(name) < 4 else '')} ago"
    return "just now"


def moment(value: Any) -> str:
    """A time to the second, in UTC, or a dash."""
    at = _time(value)
    return ABSENT if at is None else at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def size(count: Any) -> str:
    """Bytes as a person says them."""
    if count is None:
        return ABSENT
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= scale:
            return f"{count / scale:.3g} {unit}"
    return f"{count} B"


def _time(value: Any) -> datetime | None:
    if isinstance(value, str):
        return datetime.fromisoformat(value)
    return value


FILTERS = {
    "ago": ago,
    "duration": duration,
    "model": model,
    "moment": moment,
    "number": number,
    "numbered": numbered,
    "percent": percent,
    "plain": plain,
    "plural": plural,
    "short": short,
    "signed": signed,
    "size": size,
    "status": status,
    "typeset": typeset,
}
