"""Every table in sight as CSV: what a page tells of its rows, by where it stands in its JSON.

``?csv=cycles`` on a page's URL gives the list ``cycles`` of its JSON twin, ``?csv=charts.loss`` the
chart of that id; each with the rows that the rest of the query asks for. Pure.
"""

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from radiance.errors import NotFound
from radiance.web.charts.lines import Chart

_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet would compute
_links: ContextVar[Callable[[str], dict[str, str]] | None] = ContextVar("links", default=None)


def to_csv(name: str, *sources: Any) -> str:
    """A table as CSV, its columns named in the first line.

    Text that a spreadsheet would take for a formula gets an apostrophe in front. What lies deeper
    in a row gets a column of its own: ``report.retention_score``; a list is JSON in one cell.

    Args:
        name: Where it stands: names of JSON objects, ids or places of list entries, with dots.
        sources: What is looked through, in this order.

    Raises:
        NotFound: There is no table.
    """
    for source in sources:
        found = _table(_at(source, name.split(".")))
        if found is not None:
            break
    else:
        raise NotFound(
            f"This page has no table {name!r}.",
            field="csv",
            value=name,
            remedy="Follow the links below its tables.",
        )
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    columns, rows = found
    writer.writerow(map(_cell, columns))
    writer.writerows(map(_cell, row) for row in rows)
    return written.getvalue()


def _at(value: Any, path: Sequence[str]) -> Any:
    """What lies at a path; None where nothing does. Names may have dots themselves."""
    if not path:
        return value
    for end in range(len(path), 0, -1):
        inner = _inner(value, ".".join(path[:end]))
        if inner is not None and (found := _at(inner, path[end:])) is not None:
            return found
    return None


def _inner(value: Any, name: str) -> Any:
    if isinstance(value, Mapping):
        return value.get(name)
    if isinstance(value, list):
        named = (each for each in value if isinstance(each, dict) and each.get("id") == name)
        at = int(name) if name.isdecimal() and len(name) < 6 else len(value)
        return next(named, value[at] if at < len(value) else None)
    return None


def _table(value: Any) -> tuple[Sequence[Any], Sequence[Sequence[Any]]] | None:
    """Columns and rows of a chart, of a table of text, or of a list of JSON objects."""
    if isinstance(value, Chart):
        return [value.x, *value.columns], value.rows
    if isinstance(value, dict) and "rows" in value and "columns" in value:
        first = [value["x"]] if "x" in value else []
        return [*first, *value["columns"]], value["rows"]
    if hasattr(value, "rows") and hasattr(value, "columns"):
        return value.columns, list(value.rows)
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        return None
    flat = [dict(_flat(row)) for row in value]
    columns = list(dict.fromkeys(name for row in flat for name in row))
    return columns, [[row.get(name) for name in columns] for row in flat]


def _flat(row: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in row.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA) and not _is_number(value) else value
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | tuple) else value


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


# ── Links ───────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def linked(links: Callable[[str], dict[str, str]]) -> Iterator[None]:
    """While a page is rendered: where its tables are found, by their names."""
    token = _links.set(links)
    try:
        yield
    finally:
        _links.reset(token)


def links_of(name: str) -> dict[str, str] | None:
    """Where a table is found as ``csv`` and ``json``; None in what stands alone."""
    links = _links.get()
    return links(name) if links else None
