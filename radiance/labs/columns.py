"""Which column of a table is which, by what its header calls it. Pure."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from radiance.errors import ConfigError

_MOST_HEADS, _MOST_SHOWN = 8, 40  # of a header in a message: columns, and characters of each
_UNIT = re.compile(r"\s*[(\[]\s*(?:[$€£¥]|[A-Za-z]{3}|shares?|in [A-Za-z]{3})\s*[)\]]\s*$")


def chosen(
    path: Path, heads: Sequence[str], names: Mapping[str, Sequence[str]], guessed: list[str]
) -> dict[str, int]:
    """The one column of each name that there is, and what was guessed of that.

    Raises:
        ConfigError: Two columns are one by name, or none is known.
    """
    found: dict[str, int] = {}
    for name, places in named(heads, names).items():
        if len(places) > 1:
            both = " and ".join(repr(heads[place]) for place in places)
            raise ConfigError(f"{path}: has the columns {both}. Keep one of them.")
        found[name] = places[0]
        own = heads[places[0]].strip()
        if column_name(own).replace("_", "") != name.replace("_", ""):
            guessed.append(f"column {own} is {name}")
    if not found:
        told = ", ".join(head.strip()[:_MOST_SHOWN] for head in heads[:_MOST_HEADS])
        raise ConfigError(f"{path}: has none of the columns {', '.join(names)}; it has {told}.")
    return found


def named(heads: Sequence[str], names: Mapping[str, Sequence[str]]) -> dict[str, list[int]]:
    """Where columns are: each by its name, else by another that it goes by, else without a unit."""
    found: dict[str, list[int]] = {}
    for cut in (lambda head: head, lambda head: _UNIT.sub("", head)):
        written = [column_name(cut(head)) for head in heads]
        for name, others in names.items():
            for candidate in (name, *others) if name not in found else ():
                places = [place for place, head in enumerate(written) if head == candidate]
                if places:
                    found[name] = places
                    break
    return found


def column_name(head: str) -> str:
    """A header as names are compared: lower case, _ for whatever is no letter or digit."""
    return re.sub(r"[\W_]+", "_", head.strip().casefold()).strip("_")


def further(
    heads: Sequence[str], chosen: Mapping[str, int], is_kept: Sequence[bool]
) -> dict[str, int]:
    """Columns that nothing asks for by name, by the name that an expression can write.

    Two of one name are neither, and the numbers of rows that pandas writes are no column.
    """
    taken, names = set(chosen.values()), [column_name(head) for head in heads]
    return {
        name: place
        for place, name in enumerate(names)
        if is_kept[place]
        and place not in taken
        and name not in chosen
        and names.count(name) == 1
        and re.fullmatch(r"(?!unnamed_\d)[a-z_][a-z_0-9]*", name)
    }
