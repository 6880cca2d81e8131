"""Runs of the signal lab, for ``radiance report``."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from radiance.labs.signals import store
from radiance.labs.signals.view import report


@dataclass(frozen=True)
class RunReport:
    """One run that is kept.

    Attributes:
        path: Its folder.
    """

    path: Path
    kind: str = "signals"

    @property
    def name(self) -> str:
        return self.path.name

    def to_plain(self) -> dict[str, Any]:
        """Its result.

        Raises:
            RequestError: Its file cannot be read.
        """
        result = store.read(self.path / store.RESULT)
        found = msgspec.to_builtins(result, str_keys=True)
        return {"kind": self.kind, "name": self.name, "result": found}

    def to_html(self) -> str:
        """Its report, which needs nothing else.

        Raises:
            RequestError: Its file cannot be read.
        """
        return report.render(store.read(self.path / store.RESULT), None)


def find(runs: Path) -> list[RunReport]:
    """The runs below ``runs``, newest first."""
    folder = runs / store.FOLDER
    return [RunReport(folder / name) for name in reversed(store.names(folder))]


def at(path: Path) -> RunReport | None:
    """The run whose folder or ``result.json`` is ``path``."""
    folder = path.parent if path.name == store.RESULT else path
    return RunReport(folder) if (folder / store.RESULT).is_file() else None
