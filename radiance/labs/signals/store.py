"""Where results lie: ``runs/signals/<run>/`` with result.json, report.html and macros.tex.

A run's directory is written under a temporary name and renamed, so none is ever seen half.
"""

import contextlib
import re
import secrets
from collections.abc import Mapping
from pathlib import Path

import msgspec

from radiance.errors import NotFound, RequestError
from radiance.labs.signals.own import Judgement
from radiance.labs.signals.results import StudyResult, decode, encode
from radiance.records import now
from radiance.storage import files

FOLDER = "signals"
RESULT, REPORT, MACROS = "result.json", "report.html", "macros.tex"
MEMO = "memo.md"
_NAME = "name.txt"
MOST_NAME = 80  # characters
RUN_ID = re.compile(r"S_\d{4}-\d{2}-\d{2}_\d{4}")
OWN_ID = re.compile(r"P_\d{4}-\d{2}-\d{2}_\d{4}")
"""Runs on predictions of one's own, whose result is a ``Judgement``."""


def new_id(folder: Path, letter: str = "S") -> str:
    """The next free ``S_2026-11-24_0001``."""
    day = now().date().isoformat()
    taken = [p.name for p in folder.glob(f"{letter}_{day}_*")] if folder.is_dir() else []
    last = max((int(name.rsplit("_", 1)[-1]) for name in taken), default=0)
    return f"{letter}_{day}_{last + 1:04}"


def save(
    result: StudyResult | Judgement, folder: Path, run_id: str, exports: Mapping[str, str]
) -> Path:
    """Keep a result with its exports; the directory.

    Args:
        result: What to keep.
        folder: ``runs/signals``.
        run_id: From ``new_id``.
        exports: Further files by their names, from ``view.exports``.

    Raises:
        StorageError: The disk failed.
    """
    files.make_directory(folder)
    temporary = files.fresh_directory(
        folder / f"{files.TEMPORARY_PREFIX}{run_id}-{secrets.token_hex(4)}"
    )
    (temporary / RESULT).write_bytes(encode(result))
    for name, text in exports.items():
        (temporary / name).write_text(text, encoding="utf-8")
    files.publish_directory(temporary, folder / run_id)
    return folder / run_id


def names(folder: Path, pattern: re.Pattern[str] = RUN_ID) -> list[str]:
    """The runs that are kept, oldest first; of ``OWN_ID`` those on predictions of one's own."""
    found = folder.iterdir() if folder.is_dir() else ()
    return sorted(p.name for p in found if pattern.fullmatch(p.name))


def load_own(folder: Path, run_id: str) -> Judgement:
    """A judgement that was kept.

    Raises:
        NotFound: There is none of that name.
    """
    path = folder / run_id / RESULT
    if not OWN_ID.fullmatch(run_id) or not path.is_file():
        raise NotFound(
            f"There is no run {run_id}.",
            field="run_id",
            value=run_id,
            remedy="`radiance signals list` names them.",
        )
    return msgspec.json.decode(path.read_bytes(), type=Judgement)


def load(folder: Path, run_id: str) -> StudyResult:
    """A result that was kept.

    Raises:
        NotFound: There is none of that name.
        RequestError: Its file is not a result.
    """
    return read(_kept(folder, run_id) / RESULT)


def given_names(folder: Path) -> dict[str, str]:
    """By run the name that a person gave it."""
    found = {}
    for run_id in names(folder):
        with contextlib.suppress(OSError):
            found[run_id] = (folder / run_id / _NAME).read_text(encoding="utf-8")
    return found


def give_name(folder: Path, run_id: str, name: str) -> None:
    """Call a run by a name, on one line; "" takes it away. Durable on return.

    Raises:
        NotFound: There is no such run.
        StorageError: The disk failed.
    """
    path = _kept(folder, run_id) / _NAME
    if name:
        files.write_durably(path, name.encode())
    else:
        files.remove_file(path)


def remove(folder: Path, run_id: str) -> None:
    """Delete a run with all that was kept of it; what is on record of it stays.

    Raises:
        NotFound: There is no such run.
        StorageError: The disk failed.
    """
    files.remove_directory(_kept(folder, run_id))


def _kept(folder: Path, run_id: str) -> Path:
    path = folder / run_id
    if not RUN_ID.fullmatch(run_id) or not (path / RESULT).is_file():
        raise NotFound(
            f"There is no run {run_id}.",
            field="run_id",
            value=run_id,
            remedy="`radiance signals list` names them.",
        )
    return path


def read(path: Path) -> StudyResult:
    """A result from a file.

    Raises:
        RequestError: It cannot be read, or is not a result.
    """
    try:
        return decode(path.read_bytes())
    except OSError as error:
        reason = error.strerror or str(error)
    except msgspec.DecodeError as error:
        reason = str(error)
    raise RequestError(
        f"{path}: is not a study's result ({reason}).",
        field="result",
        value=str(path),
        remedy="Name a result.json that `radiance signals run` wrote.",
    )
