"""Floors of coverage: which files make a package's figure, and that one without any has none."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tools import coverage_floors


def entry(lines: int, ran: int, branches: int = 0, taken: int = 0) -> dict[str, Any]:
    counts = {"num_statements": lines, "covered_lines": ran}
    return {"summary": {**counts, "num_branches": branches, "covered_branches": taken}}


MEASURED = {
    "radiance/gate/rules.py": entry(8, 8, 2, 1),
    "radiance/gate/rows.py": entry(10, 10),
    "radiance/gates.py": entry(100, 0),
    "radiance/registry/audit.py": entry(4, 3),
}


def test_a_room_is_a_folder_or_a_file_and_counts_lines_and_branches() -> None:
    floors = {"radiance/gate": 95, "radiance/registry/audit.py": 80, "radiance/gone": 1}
    assert list(coverage_floors.figures(floors, MEASURED)) == [
        ("radiance/gate", 95, 95.0),
        ("radiance/registry/audit.py", 80, 75.0),
        ("radiance/gone", 1, 0.0),
    ]


@pytest.mark.parametrize(("floor", "code"), [(95, 0), (95.1, 1)])
def test_a_room_below_its_floor_fails_the_command(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    floor: float,
    code: int,
) -> None:
    report, project = tmp_path / "coverage.json", tmp_path / "pyproject.toml"
    report.write_text(json.dumps({"files": MEASURED}))
    project.write_text(f'[tool.radiance.coverage-floors]\n"radiance/gate" = {floor}\n')
    monkeypatch.setattr(sys, "argv", ["floors", str(report), "--project", str(project)])
    assert coverage_floors.main() == code
    assert ("BELOW" in capsys.readouterr().out) == bool(code)
