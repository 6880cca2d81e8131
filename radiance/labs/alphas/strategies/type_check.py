"""Strategies against QuantConnect's types: which calls and names does its API not have?

Lean takes every name of its API in PascalCase too, as older algorithms have it, and the stubs know
the newer spelling alone. So a name the checker does not know is tried in that spelling before it
counts.
"""

import ast
import importlib.util
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

# The star import does not export these by its stubs, though Lean's own module does.
_PRELUDE = (
    "from AlgorithmImports import *\nfrom datetime import datetime, timedelta, date, time\n"
    "import math, random, json, os, sys\nimport numpy as np\nimport pandas as pd\n"
)
_GIVEN = ("AddReference", "clr", "Func", "Action", "plt")  # by Lean's run time, in no stub
# Errors that an invented call or name makes: the stubs are stricter than Lean, whose own algorithms
# make others.
_COUNTED = ("attr-defined", "call-overload", "call-arg", "name-defined")
# Where the checker does not know what a thing is: None that is set later, elements of a mixed list,
# an API's method in whose place the algorithm, or .NET, has a value.
_BLURRED = re.compile(
    r'^("None"|"object"|overloaded function) has no attribute|"(Callable|Collection)\['
)
_KEYWORD = re.compile(r'^Unexpected keyword argument "(\w+)".*; did you mean "(\w+)"')
_MOST_PASSES = 6  # behind a name that is not known others come to light
_TIMEOUT_S = 120.0
_ERROR = re.compile(
    r"strategy\.py:(\d+):\d+:(\d+):(\d+): error: (.*?)\s*\[([a-z-]+)\]$", re.MULTILINE
)
_UNKNOWN = re.compile(r'^(.*) has no attribute "(\w+)"')


@dataclass(frozen=True)
class _Diagnostic:
    """An error; where its expression ends: line from 1, column from 0 behind the last character."""

    line: int
    end: tuple[int, int]
    message: str
    kind: str


def type_errors(code: str) -> tuple[str, ...] | None:
    """Calls and names that QuantConnect's API does not have, each with its line.

    None where mypy or the stubs lack, or they took too long.

    Raises:
        SyntaxError: It is no Python.
    """
    if any(importlib.util.find_spec(name) is None for name in ("mypy", "AlgorithmImports")):
        return None
    lines = (_PRELUDE + code).split("\n")
    originals: dict[str, str] = {}
    found = _check("\n".join(lines))
    for _ in range(_MOST_PASSES):
        if found is None or not _respell(lines, found, originals):
            break
        found = _check("\n".join(lines))
    if found is None:
        return None
    offset = _PRELUDE.count("\n")
    is_whole = not _imports_unknown_names(code)
    return tuple(
        f"line {error.line - offset}: {_as_written(error.message, originals)}"
        for error in found
        if error.line > offset and _counts(error, is_whole)
    )


def _check(text: str) -> list[_Diagnostic] | None:
    with tempfile.TemporaryDirectory(prefix="radiance-types-") as folder:
        path = Path(folder) / "strategy.py"
        path.write_text(text, encoding="utf-8")
        command = [
            *(sys.executable, "-m", "mypy", "--no-error-summary", "--check-untyped-defs"),
            *("--cache-dir", str(Path(tempfile.gettempdir()) / "radiance-mypy")),
            *("--ignore-missing-imports", "--follow-imports=silent", "--show-error-end", str(path)),
        ]
        try:
            done = subprocess.run(
                command, cwd=folder, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
            )
        except subprocess.TimeoutExpired:
            return None
    return [
        _Diagnostic(int(line), (int(end_line), int(end)), message, kind)
        for line, end_line, end, message, kind in _ERROR.findall(done.stdout)
    ]


def _respell(lines: list[str], found: Iterable[_Diagnostic], originals: dict[str, str]) -> bool:
    """Spell unknown attributes as the stubs might; whether there was one left to try.

    Args:
        lines: Of the text, changed in place.
        found: Errors in it.
        originals: New spelling → as it was written; what is spelled anew is put in.
    """
    changed = False
    # From the right, so that the columns of what is still to come stay.
    for error in sorted(set(found), key=lambda error: error.end, reverse=True):
        unknown = _UNKNOWN.match(error.message) if error.kind == "attr-defined" else None
        if unknown is None:
            continue
        owner, name = unknown.groups()
        spelling = _next_spelling(name, originals.get(name), is_class=owner.startswith('"type['))
        row, end = error.end[0] - 1, error.end[1]
        begin = end - len(name)
        if spelling is None or begin < 0 or lines[row][begin:end] != name:
            continue
        lines[row] = lines[row][:begin] + spelling + lines[row][end:]
        originals[spelling] = originals.get(name, name)
        changed = True
    return changed


def _next_spelling(name: str, original: str | None, is_class: bool) -> str | None:
    """What to try for a name: of a class the constant first, of an object the method."""
    written = original or name
    if not re.fullmatch(r"[A-Z][A-Za-z0-9]*", written):
        return None
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", written)
    apart = re.sub(r"(?<=[A-Za-z])(?=\d)", "_", words)
    spellings = [written, words.lower(), apart.lower()]
    if is_class:
        spellings[1:1] = [words.upper(), apart.upper()]
    spellings = list(dict.fromkeys(spellings))
    rest = spellings[spellings.index(name) + 1 :] if name in spellings else []
    return next((spelling for spelling in rest if spelling != name), None)


def _as_written(message: str, originals: dict[str, str]) -> str:
    return re.sub(r'(?<=")\w+(?=")', lambda name: originals.get(name[0], name[0]), message)


def _counts(error: _Diagnostic, is_whole: bool) -> bool:
    if error.kind not in _COUNTED or _BLURRED.search(error.message):
        return False
    keyword = _KEYWORD.match(error.message)
    if keyword and keyword[1].lower() == keyword[2].replace("_", ""):
        return False
    if error.kind != "name-defined":
        return True
    name = re.search(r'Name "([\w.]+)" is not defined', error.message)
    return is_whole and (name is None or name[1] not in _GIVEN)


def _imports_unknown_names(code: str) -> bool:
    """Whether names may come by a star import from a module that is not here."""
    stars = [
        node.module
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.ImportFrom) and node.module and node.names[0].name == "*"
    ]
    return any(not _is_there(module) for module in stars)


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module.split(".")[0]) is not None
    except (ImportError, ValueError):
        return False
