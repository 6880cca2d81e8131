"""Evaluations of what models write, for ``radiance report``."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from radiance import __version__, records
from radiance.labs.alphas.models import reporting
from radiance.web.reports.standalone import render_alone


@dataclass(frozen=True)
class EvaluationReport:
    """One evaluation.

    Attributes:
        name: Its folder below ``runs/``, or what it is called elsewhere.
        path: Its folder.
    """

    name: str
    path: Path
    kind: str = "alphas"

    def to_plain(self) -> dict[str, Any]:
        """What it says, with the commands that show it again.

        Raises:
            RequestError: Its file cannot be read.
        """
        found = reporting.read(self.path)
        told = (
            (f"radiance report {self.name} --out report.html", "this report, made anew"),
            (found.settings.command(), "the study, run again"),
        )
        return {
            "kind": self.kind,
            "name": self.name,
            "made_at": records.now().isoformat(timespec="seconds"),
            "version": __version__,
            "settings": dict(found.shown),
            "models": dict(found.models),
            "commands": [{"command": command, "shows": shows} for command, shows in told],
        }

    def to_html(self) -> str:
        """The same as HTML: style and drawings inside, no script, nothing to be fetched.

        Raises:
            RequestError: Its file cannot be read.
        """
        title = f"Alphas written by models: {self.name}"
        return render_alone("alphas/report.html", title, self.to_plain())


def find(runs: Path) -> list[EvaluationReport]:
    """The evaluations below ``runs``, newest first."""
    return [
        EvaluationReport(folder.relative_to(runs).as_posix(), folder)
        for folder in reporting.find(runs)
    ]


def at(path: Path) -> EvaluationReport | None:
    """The evaluation whose folder or ``report.json`` is ``path``."""
    folder = path.parent if path.name == reporting.REPORT else path
    return EvaluationReport(folder.name, folder) if reporting.is_report(folder) else None
