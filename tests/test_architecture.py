"""The layers hold, and what should be light is light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent
HEAVY = (
    *("mlx", "mlx_lm", "transformers", "starlette", "uvicorn", "numpy", "scipy", "datasets"),
    *("sqlite3", "structlog", "asyncio", "rich"),
)
LATE = ("datasets", "matplotlib", "pyarrow", "scipy")


@pytest.mark.parametrize(
    ("arguments", "exit_code"),
    [
        ("--help", 0),
        ("run --help", 0),
        ("info --url http://127.0.0.1:9", 1),
        ("search x --url nonsense", 2),
        ("run --port 99999", 2),
        ("config", 0),
    ],
)
def test_help_and_client_commands_load_nothing_heavy(arguments, exit_code, tmp_path):
    script = (
        "import sys\n"
        "from radiance.cli import main\n"
        "try:\n"
        f"    main({arguments.split()!r})\n"
        "except SystemExit as stop:\n"
        f"    assert stop.code == {exit_code}, stop.code\n"
        f"loaded = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "assert not loaded, loaded\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={"PYTHONPATH": str(REPOSITORY), "PATH": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_the_module_is_the_command(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "radiance", "--version"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(REPOSITORY), "PATH": ""},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout.split()[0]) == (0, "radiance")


def test_both_names_are_the_same_command():
    text = (REPOSITORY / "pyproject.toml").read_text()
    for name in ("radiance", "radiance-peft"):
        assert f'\n{name} = "radiance.cli:main"\n' in text


def test_the_python_surface_is_these_names_and_loads_when_asked():
    script = (
        "import sys, radiance\n"
        f"loaded = [name for name in {(*HEAVY, 'httpx', 'msgspec')!r} if name in sys.modules]\n"
        "assert not loaded, loaded\n"
        "names = ['AsyncClient', 'Client', 'RadianceError', '__version__']\n"
        "assert radiance.__all__ == names, radiance.__all__\n"
        "assert set(names) <= set(dir(radiance))\n"
        "assert all(hasattr(radiance, name) for name in names)\n"
        "assert not hasattr(radiance, 'Service')\n"
        "assert 'httpx' not in sys.modules\n"
        "with radiance.Client():\n"
        "    pass\n"
        "assert 'httpx' in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_what_no_start_of_the_service_needs_is_imported_where_it_is_used():
    modules = {
        path.relative_to(REPOSITORY).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted((REPOSITORY / "radiance").rglob("*.py"))
    }
    at_the_top = [
        (path, name)
        for path, text in modules.items()
        if any(late in text for late in LATE)
        for statement in ast.parse(text).body
        for name in imported(statement)
        if name.partition(".")[0] in LATE
    ]
    assert at_the_top == []


def imported(statement: ast.stmt) -> list[str]:
    """The modules that an import statement names; none for other statements."""
    if isinstance(statement, ast.Import):
        return [alias.name for alias in statement.names]
    return [statement.module or ""] if isinstance(statement, ast.ImportFrom) else []
