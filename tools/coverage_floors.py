"""Hold branch coverage, package by package, to the floors in pyproject.toml (`make coverage`).

Reads the JSON report of coverage.py. A package's figure is the share of its lines and branches that
the tests ran, as coverage.py counts it. Says every figure, and fails if one is below its floor.
"""

import argparse
import json
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any


def main() -> int:
    """The command; 0 if every package keeps its floor."""
    parser = argparse.ArgumentParser(description="Hold coverage by package to its floors.")
    parser.add_argument("report", type=Path, help="what coverage.py wrote as JSON")
    parser.add_argument("--project", type=Path, default=Path("pyproject.toml"))
    options = parser.parse_args()
    floors = tomllib.loads(options.project.read_text())["tool"]["radiance"]["coverage-floors"]
    measured = json.loads(options.report.read_text())["files"]
    is_kept = True
    for package, floor, found in figures(floors, measured):
        keeps = found >= floor
        is_kept = is_kept and keeps
        print(f"{package:<36} {found:6.1f} %  {'of' if keeps else 'BELOW'} {floor} %")
    return 0 if is_kept else 1


def figures(
    floors: Mapping[str, float], measured: Mapping[str, Any]
) -> Iterator[tuple[str, float, float]]:
    """Room, floor and share in percent, in the order of the floors.

    Args:
        floors: In percent, by the path of a folder or a file.
        measured: The files of coverage.py's report, by path.
    """
    for package, floor in floors.items():
        inside = [
            entry["summary"]
            for path, entry in measured.items()
            if path == package or path.startswith(f"{package}/")
        ]
        wanted = sum(s["num_statements"] + s["num_branches"] for s in inside)
        run = sum(s["covered_lines"] + s["covered_branches"] for s in inside)
        yield package, floor, 100 * run / wanted if wanted else 0.0


if __name__ == "__main__":
    sys.exit(main())
