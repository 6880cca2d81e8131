"""A study of what models write: report.md, report.json, and a sheet to rate by hand.

The sheet hides which model wrote what; ``rating_key.json`` tells, for whoever counts the ratings.
"""

import csv
import io
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from radiance.errors import RequestError
from radiance.gate.intervals import Estimate
from radiance.labs.alphas.models.grading import MEANS_IT, OUTCOMES, Grade, Scores
from radiance.labs.alphas.models.study import AlphaStudySettings, read_settings
from radiance.records.text import short
from radiance.storage import files

_SHOWN = (MEANS_IT, "compiles", *OUTCOMES, "new", "copied", "distinct")
REPORT, PAGE, SHEET, KEY = "report.json", "report.md", "rating_sheet.csv", "rating_key.json"
_MOST_BYTES = 64_000_000
_RATED = ("on_topic_1_to_5", "sensible_1_to_5", "comment")


@dataclass(frozen=True)
class Judged:
    """One model's answers.

    Attributes:
        about: What is known of it besides: checkpoint, retention, constraint.
    """

    name: str
    grades: Sequence[Grade]
    scores: Scores
    about: Mapping[str, Any]


@dataclass(frozen=True)
class KeptStudy:
    """A report as it was read back.

    Attributes:
        settings: What it was made with.
        shown: The same as the file has it.
        models: By name, each with ``about``, ``scores`` and ``answers``.
    """

    settings: AlphaStudySettings
    shown: Mapping[str, Any]
    models: Mapping[str, Any]


def write(folder: Path, judged: Sequence[Judged], settings: AlphaStudySettings) -> None:
    """Write the report and the rating sheet under ``folder``.

    Raises:
        StorageError: The disk failed.
    """
    files.make_directory(folder)
    report = {
        "settings": settings.to_plain(),
        "models": {
            model.name: {
                "about": dict(model.about),
                "scores": model.scores.as_json(),
                "answers": [asdict(grade) for grade in model.grades],
            }
            for model in judged
        },
    }
    files.write_durably(folder / REPORT, json.dumps(report, indent=1).encode())
    files.write_durably(folder / PAGE, render(judged, settings.to_plain()).encode())
    sheet, key = rating_sheet(judged, settings.seed)
    files.write_durably(folder / SHEET, sheet.encode())
    files.write_durably(folder / KEY, json.dumps(key, indent=1).encode())


def read(folder: Path) -> KeptStudy:
    """The report that ``write`` left in ``folder``.

    Raises:
        RequestError: Its file cannot be read as one.
    """
    path = folder / REPORT
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ValueError("it is too large")
        kept = json.loads(path.read_bytes())
        shown, models = dict(kept["settings"]), dict(kept["models"])
        return KeptStudy(read_settings(shown, list(models)), shown, models)
    except (OSError, ValueError, KeyError, TypeError) as error:  # msgspec's are ValueErrors
        raise RequestError(
            f"{path}: is not an evaluation of alphas ({error}).",
            field="study",
            value=str(path),
            remedy="Name a folder that `radiance alphas eval --out` wrote.",
        ) from None


def is_report(folder: Path) -> bool:
    """Whether ``write`` was here: the report beside the key of the sheet."""
    return (folder / REPORT).is_file() and (folder / KEY).is_file()


def find(runs: Path) -> list[Path]:
    """The folders of the reports one or two levels below ``runs``, newest first."""
    return sorted(_folders(runs), key=lambda folder: -(folder / REPORT).stat().st_mtime)


def render(judged: Sequence[Judged], settings: Mapping[str, Any]) -> str:
    """The report as Markdown."""
    names = [model.name for model in judged]
    lines = [
        "# Alphas written by models",
        "",
        "; ".join(f"{name} {value}" for name, value in settings.items()) + ".",
        "",
        "Shares of all answers with 95 % intervals (Wilson). An answer means it if its signal "
        "orders symbols as the reference's does, at a mean daily rank correlation of 0.5 or more; "
        "its interval counts families of ideas, not wordings. Sharpe ratios are annual and net of "
        "costs, beside those of random expressions of the same length.",
        "",
        f"| | {' | '.join(names)} |",
        f"|---|{'---|' * len(names)}",
        f"| answers | {' | '.join(str(model.scores.answers) for model in judged)} |",
    ]
    for share in (name for name in _SHOWN if name in judged[0].scores.shares):
        cells = [percent(model.scores.shares[share]) for model in judged]
        lines.append(f"| {share} | {' | '.join(cells)} |")
    lines.append(f"| Sharpe, quartiles | {' | '.join(_spread(m.scores.sharpes) for m in judged)} |")
    lines.append(f"| random, quartiles | {' | '.join(_spread(m.scores.random) for m in judged)} |")
    cells = [percent(m.scores.beats_random) if m.scores.beats_random else "-" for m in judged]
    lines.append(f"| above random | {' | '.join(cells)} |")
    cells = [
        "-" if m.scores.best_deflated is None else f"{m.scores.best_deflated:.3f}" for m in judged
    ]
    lines.append(f"| deflated Sharpe of the best | {' | '.join(cells)} |")
    for model in judged:
        lines += ["", f"## {model.name}", ""]
        if model.about:
            lines += ["; ".join(f"{name} {value}" for name, value in model.about.items()), ""]
        lines += ["| outcome | likeness | prompt | answer |", "|---|---|---|---|"]
        lines += [
            f"| {grade.outcome} | {_likeness(grade)} | {_cell(grade.prompt)} | "
            f"`{_cell(grade.answer)}` |"
            for grade in model.grades
        ]
    return "\n".join(lines) + "\n"


def rating_sheet(judged: Sequence[Judged], seed: int) -> tuple[str, dict[str, str]]:
    """A CSV of what compiles, shuffled and without names, and which model wrote which row."""
    rows = [(model.name, grade) for model in judged for grade in model.grades if grade.compiles]
    random.Random(seed).shuffle(rows)
    text = io.StringIO()
    sheet = csv.writer(text, lineterminator="\n")
    sheet.writerow(["row", "prompt", "alpha", *_RATED])
    for number, (_, grade) in enumerate(rows, 1):
        sheet.writerow([number, _plain(grade.prompt), _plain(grade.alpha or ""), "", "", ""])
    return text.getvalue(), {str(number): name for number, (name, _) in enumerate(rows, 1)}


def percent(found: Estimate) -> str:
    """A share with its interval."""
    return f"{found.value:.0%} [{found.low:.0%}, {found.high:.0%}]"


def _folders(runs: Path) -> Iterator[Path]:
    for pattern in (f"*/{REPORT}", f"*/*/{REPORT}"):
        yield from (path.parent for path in runs.glob(pattern) if is_report(path.parent))


def _likeness(grade: Grade) -> str:
    return "-" if grade.likeness is None else f"{grade.likeness:.2f}"


def _spread(values: Sequence[float]) -> str:
    import numpy as np

    if not values:
        return "-"
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    return f"{low:.2f}, {middle:.2f}, {high:.2f}"


def _plain(text: str) -> str:
    """A cell that no spreadsheet takes for a formula of its own."""
    return f"'{text}" if text[:1] in "=+-@" else text


def _cell(text: str) -> str:
    return short(text.replace("|", "\\|").replace("`", "'"))
