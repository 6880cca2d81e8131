"""Numbers as people write them into tables, and cells that say nothing. Pure."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

_UNKNOWN = (
    *("", "-", "--", "—", "–", ".", "?", "n/a", "#n/a", "na", "n.a.", "nan", "null", "none", "nil"),
    # Of databases and pandas, and Excel's errors; blanks are taken out before.
    *("\\n", "<na>", "nat", "-null", "#n/an/a", "#div/0!", "#value!", "#ref!", "#name?", "#num!"),
)
_CODES = "USD|EUR|GBP|GBX|CHF|JPY|CNY|RMB|INR|KRW|HKD|SGD|TWD|AUD|CAD|NZD|SEK|NOK|DKK|PLN|BRL|ZAR"
_CLUTTER = (
    "[\\s\u00a0\u2009\u202f'’]|(?:US|CA?|AU?|HK|SG?|NT|NZ|R|MX)?[$]|[€£¥₹₩₽₺₪฿₫]"
    f"|^(?:{_CODES}|Rs\\.?|kr\\.?)|(?:{_CODES}|kr\\.?|zł|Kč)$"
)
_SUFFIXES = {
    **{"k": 1e3, "tsd": 1e3, "万": 1e4, "亿": 1e8, "%": 0.01},
    **dict.fromkeys(("m", "mn", "mln", "mio"), 1e6),
    **dict.fromkeys(("b", "bn", "mrd"), 1e9),
}
_SUFFIX = re.compile(rf"(.*\d\.?)({'|'.join(sorted(_SUFFIXES, key=len, reverse=True))})\.?")
_NOT_PLAIN = r"[,kKmMbBtT%万亿]|\..*\."
POINT = r",\d+\.|\.\d{1,2}$|\.\d{4,}|^[-+]?0?\.\d|,\d{2,3},\d{3}"  # only where the point is decimal
COMMA = r"\.\d+,|,\d{1,2}$|,\d{4,}|^[-+]?0?,\d|\.\d{3}\.\d{3}"
UNCLEAR = r"\d,\d{3}$"  # thousands, or a decimal comma


class NoNumber(ValueError):
    """A cell is no number; ``row`` is its place."""

    def __init__(self, row: int) -> None:
        super().__init__(row)
        self.row = row


def compute() -> Any:
    """Arrow's functions: slow to import, and only readers of files need them."""
    import pyarrow.compute

    return pyarrow.compute


def plain(column: Any) -> Any:
    """Numbers as written, without currency signs and blanks, null where a cell says nothing."""
    import pyarrow as pa

    pc = compute()
    column = pc.utf8_trim_whitespace(column)
    column = pc.replace_substring(column, "\u2212", "-")
    column = pc.replace_substring_regex(column, r"^\((.*)\)$", r"-\1")
    column = pc.replace_substring_regex(column, r"^([^-].*\d)-$", r"-\1")  # SAP's minus
    column = pc.replace_substring_regex(column, _CLUTTER, "")
    is_unknown = pc.is_in(pc.utf8_lower(column), pa.array(_UNKNOWN))
    return pc.if_else(is_unknown, pa.scalar(None, pa.string()), column)


def first(columns: Mapping[str, Any], pattern: str) -> tuple[int, str] | None:
    """Row and name of the first cell in which a pattern is found."""
    pc = compute()
    for name, column in columns.items():
        found = pc.index(pc.match_substring_regex(column, pattern), True).as_py()
        if found >= 0:
            return found, name
    return None


def parsed(column: Any, *, is_comma: bool) -> np.ndarray:
    """What ``plain`` gave as float64, NaN where it is null.

    Args:
        column: Texts.
        is_comma: Whether a comma is the decimal mark.

    Raises:
        NoNumber: A cell is none.
    """
    import pyarrow as pa

    try:
        if is_comma or first({"": column}, _NOT_PLAIN):
            raise pa.ArrowInvalid
        return column.cast(pa.float64()).to_numpy()
    except pa.ArrowInvalid:
        texts = column.to_pylist()
    read = _reader(is_comma)
    values = np.full(len(texts), np.nan)
    for row, text in enumerate(texts):
        if text is None:
            continue
        try:
            values[row] = read(text)
        except ValueError:
            raise NoNumber(row) from None
    return values


def _reader(is_comma: bool) -> Callable[[str], float]:
    thousands, mark = (".", ",") if is_comma else (",", ".")

    def read(text: str) -> float:
        lower, factor = text.lower(), 1.0
        if match := _SUFFIX.fullmatch(lower):
            lower, factor = match[1], _SUFFIXES[match[2]]
        whole, dot, part = lower.partition(mark)
        if thousands in whole:
            groups = whole.lstrip("+-").split(thousands)
            sizes = [len(group) for group in groups]
            if sizes[-1] != 3 or not 1 <= sizes[0] <= 3 or set(sizes[1:-1]) - {2, 3}:
                raise ValueError
            whole = whole.replace(thousands, "")
        if "_" in lower:
            raise ValueError
        return float(whole + ("." if dot else "") + part) * factor

    return read
