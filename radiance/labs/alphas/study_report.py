"""Studies that are kept under ``runs/``: of the signal lab, and what models of the desk wrote.

Reads files, beside a running service or without one, and changes nothing.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec

from radiance import __version__, records
from radiance.errors import NotFound, RequestError
from radiance.labs.signals import store
from radiance.labs.signals.view import report as lab_report
from radiance.registry.rows import BASE
from radiance.web.standalone import render_alone

Data = dict[str, Any]
EVALUATION = "report.json"
_MADE_UP = "made up"
_MOST_BYTES = 64_000_000


class Study(msgspec.Struct, frozen=True):
    """One study.

    Attributes:
        kind: "signals", a run of the lab; "alphas", an evaluation of what models write.
        name: ``S_2026-11-24_0001``, or the folder below ``runs/``.
        path: Its folder.
    """

    kind: Literal["signals", "alphas"]
    name: str
    path: Path


def find(runs: Path) -> list[Study]:
    """The studies below ``runs/``, of the lab first, newest first."""
    lab = [
        Study("signals", name, runs / store.FOLDER / name)
        for name in reversed(store.names(runs / store.FOLDER))
    ]
    desk = [Study("alphas", path.relative_to(runs).as_posix(), path) for path in _evaluations(runs)]
    return [*lab, *sorted(desk, key=lambda study: _age(study.path))]


def get(runs: Path, name: str) -> Study:
    """A study by its name, or by the path of its folder or result.

    Raises:
        NotFound: There is none.
    """
    for study in find(runs):
        if name == study.name:
            return study
    path = Path(name)
    folder = path.parent if path.name in (EVALUATION, store.RESULT) else path
    if (folder / store.RESULT).is_file():
        return Study("signals", folder.name, folder)
    if _is_evaluation(folder):
        return Study("alphas", folder.name, folder)
    raise NotFound(
        f"There is no study {name!r}.",
        field="study",
        value=name,
        remedy="`radiance report` lists what there is.",
    )


def read(study: Study) -> Data:
    """What a study found, as JSON can hold it.

    Raises:
        RequestError: Its file cannot be read as one.
    """
    if study.kind == "signals":
        found = msgspec.to_builtins(store.read(study.path / store.RESULT), str_keys=True)
        return {"kind": "signals", "name": study.name, "result": found}
    found = evaluation(study.path)
    told = (
        (f"radiance report {study.name} --out report.html", "this report, made anew"),
        (again(found), "the study, run again"),
    )
    return {
        "kind": "alphas",
        "name": study.name,
        "made_at": records.now().isoformat(timespec="seconds"),
        "version": __version__,
        **found,
        "commands": [{"command": command, "shows": shows} for command, shows in told],
    }


def render(study: Study) -> str:
    """The study as HTML: style and drawings inside, no script, nothing to be fetched.

    Raises:
        RequestError: Its file cannot be read as one.
    """
    if study.kind == "signals":
        result = store.read(study.path / store.RESULT)
        return lab_report.render(result, None)
    return render_alone(
        "alphas/report.html", f"Alphas written by models: {study.name}", read(study)
    )


def evaluation(folder: Path) -> Data:
    """``settings`` and ``models`` of an evaluation of the desk.

    Raises:
        RequestError: Its file cannot be read as one.
    """
    path = folder / EVALUATION
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ValueError("it is too large")
        found = json.loads(path.read_bytes())
        return {"settings": dict(found["settings"]), "models": dict(found["models"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RequestError(
            f"{path}: is not an evaluation of alphas ({error}).",
            field="study",
            value=str(path),
            remedy="Name a folder that `radiance alphas eval --out` wrote.",
        ) from None


def again(found: Data) -> str:
    """The command that makes an evaluation again; files are named without their folders."""
    settings = found["settings"]
    names = [name for name in found["models"] if name != BASE]
    words = ["radiance alphas eval", names[-1] if names else BASE]
    for flag, name in (
        ("--count", "prompts"),
        ("--samples", "samples"),
        ("--temperature", "temperature"),
        ("--seed", "seed"),
    ):
        if name in settings:
            words.append(f"{flag} {settings[name]}")
    if settings.get("constrained"):
        words.append("--constrained")
    if (market := settings.get("market", _MADE_UP)) != _MADE_UP:
        words.append(f"--data {Path(str(market)).name}")
    return " ".join(words)


def _evaluations(runs: Path) -> Iterator[Path]:
    for pattern in (f"*/{EVALUATION}", f"*/*/{EVALUATION}"):
        for path in runs.glob(pattern):
            if _is_evaluation(path.parent):
                yield path.parent


def _is_evaluation(folder: Path) -> bool:
    """Whether ``radiance alphas eval --out`` wrote it: the report beside the sheet to rate."""
    return (folder / EVALUATION).is_file() and (folder / "rating_key.json").is_file()


def _age(folder: Path) -> float:
    return -(folder / EVALUATION).stat().st_mtime
