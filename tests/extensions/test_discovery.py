"""Extensions of others: found by their entry points, and harmless where they are broken."""

import subprocess
import sys
from pathlib import Path

import pytest

from radiance import config, extensions
from radiance.errors import ConfigError
from radiance.extensions import Extension
from radiance.labs.alphas.settings import AlphasSettings
from tests.support import REPOSITORY

STRANGER = '''
from typing import Annotated
import click
from msgspec import Meta
from starlette.responses import PlainTextResponse
from radiance.config import Section
from radiance.extensions import Extension

class Greetings(Section, frozen=True):
    """Whom to greet."""

    times: Annotated[int, Meta(description="How often.", ge=1)] = 1

@click.command()
def greet():
    """Greet."""
    click.echo("hello")

class Stranger(Extension):
    name = "stranger"
    settings = Greetings
    presets = {"loud": {"stranger.times": 3}}

    def commands(self):
        return (greet,)
'''


def installed(folder: Path, entries: dict[str, str], modules: dict[str, str]) -> dict[str, str]:
    """What a process needs to find a distribution with these entry points and modules."""
    info = folder / "other-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")
    lines = "\n".join(f"{name} = {value}" for name, value in entries.items())
    (info / "entry_points.txt").write_text(f"[radiance.extensions]\n{lines}\n")
    for name, text in modules.items():
        (folder / f"{name}.py").write_text(text)
    return {"PYTHONPATH": f"{folder}:{REPOSITORY}", "PATH": ""}


def radiance(environment: dict[str, str], folder: Path, *words: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "radiance", *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.slow
def test_another_distribution_adds_a_command_a_section_and_a_preset(tmp_path: Path) -> None:
    at = installed(tmp_path, {"stranger": "other:Stranger"}, {"other": STRANGER})
    assert radiance(at, tmp_path, "greet") == (0, "hello\n")
    assert "# How often. (>= 1)\ntimes = 1" in radiance(at, tmp_path, "config", "--default")[1]
    assert "times = 3" in radiance(at, tmp_path, "config", "--preset", "loud")[1]
    code, said = radiance(at, tmp_path, "config", "--set", "stranger.times=0")
    assert (code, "stranger.times" in said) == (2, True)
    (tmp_path / "radiance.toml").write_text("[stranger]\ntime = 2\n")
    code, said = radiance(at, tmp_path, "config")
    assert (code, "Did you mean 'times'?" in said) == (2, True)


@pytest.mark.slow
def test_a_broken_one_is_left_out_and_told_where_it_matters(tmp_path: Path) -> None:
    entries = {
        "raises": "broken:Nothing", "nothing": "other:Missing", "number": "other:NUMBER",
        "nameless": "twin:Nameless", "gone": "no_such_package.extension:X", "twin": "twin:Twin",
    }  # fmt: skip
    modules = {
        "broken": "raise RuntimeError('out of paint')",
        "other": "NUMBER = int",
        "twin": "from radiance.extensions import Extension\n"
        "class Twin(Extension):\n    name = 'signals'\n"
        "class Nameless(Extension): ...\n",
    }
    at = installed(tmp_path, entries, modules)
    code, said = radiance(at, tmp_path, "--help")
    assert (code, " alphas " in said) == (0, True)
    (tmp_path / "radiance.toml").write_text("[raises]\nx = 1\n")
    code, said = radiance(at, tmp_path, "config")
    assert code == 2
    assert "does not load (RuntimeError: out of paint)" in said
    (tmp_path / "radiance.toml").write_text("[gone]\nx = 1\n")
    assert "is not installed" in radiance(at, tmp_path, "config")[1]
    (tmp_path / "radiance.toml").unlink()
    said = radiance(at, tmp_path, "doctor")[1]
    for name in ("raises", "nothing", "number", "nameless"):
        assert f"{name} does not load" in said
    assert "another extension of the name signals" in said  # the first on the path is kept
    assert "gone" not in said


def test_a_section_of_the_core_cannot_be_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    class Greedy(Extension):
        name = "engine"
        settings = AlphasSettings

    monkeypatch.setattr(extensions, "installed", lambda: (Greedy(),))
    with pytest.raises(ConfigError, match=r"\[engine\].*Uninstall that extension"):
        config.config_class.__wrapped__()


def test_a_config_made_by_hand_has_every_section_at_its_defaults() -> None:
    assert config.Config().section(AlphasSettings) == AlphasSettings()


def test_the_labs_are_found_as_anybody_s_would_be() -> None:
    assert [found.name for found in extensions.installed()] == ["signals", "alphas"]
    assert extensions.discover().broken == {}


def test_a_command_of_the_core_does_not_look_for_extensions(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "from radiance.cli import main\n"
        "main(['search', '--help'], standalone_mode=False)\n"
        "print([name for name in sys.modules if name.startswith('radiance.labs')])\n"
        "print('importlib.metadata' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={"PYTHONPATH": str(REPOSITORY), "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-2:] == ["[]", "False"]
