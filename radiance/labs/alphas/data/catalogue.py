"""The 101 formulas of Kakushadze (2016) in the language of this lab.

The formulas lie in ``formulas.json`` with the paper's notice beside them (``FORMULAS.md``). They
are as printed, but for the notation: #29's ``min(x, 5)`` is written ``ts_min``, which the paper's
appendix says it means, and ``IndClass.x`` is ``x``.
"""

import functools
import json
from dataclasses import dataclass
from pathlib import Path

from radiance.errors import NotFound
from radiance.labs.alphas.language.checker import Checked, check
from radiance.labs.alphas.language.semantics import DEFAULT, Readings

CITATION = "Z. Kakushadze, 101 Formulaic Alphas, Wilmott Magazine 2016(84), 72-81; arXiv:1601.00991"
DELAY_0 = frozenset({42, 48, 53, 54})
_PATH = Path(__file__).with_name("formulas.json")


@dataclass(frozen=True)
class Formula:
    """One of the 101.

    Attributes:
        number: The paper's.
        delay: Days between the data and the trade it is meant for.
    """

    number: int
    text: str

    @property
    def delay(self) -> int:
        return 0 if self.number in DELAY_0 else 1

    def checked(self, readings: Readings = DEFAULT) -> Checked:
        return check(self.text, readings)


@functools.cache
def formulas() -> tuple[Formula, ...]:
    """All 101, by number."""
    rows = json.loads(_PATH.read_text(encoding="utf-8"))
    return tuple(Formula(int(number), text) for number, text in rows.items())


def formula(number: int) -> Formula:
    """One of them.

    Raises:
        NotFound: There is none of that number.
    """
    if not 1 <= number <= len(formulas()):
        raise NotFound(
            f"There is no alpha {number}.", field="alpha", value=number, remedy="Ask for 1 to 101."
        )
    return formulas()[number - 1]
