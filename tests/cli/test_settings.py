"""From flags to a configuration, and `radiance run` and `radiance config`."""

import json
import sys
import types

import pytest
import tomli

from radiance import config as settings
from radiance.cli.settings import render, setting_names


@pytest.fixture
def served(monkeypatch):
    """Stands in for the service; keeps the configurations it was asked to serve."""
    asked = []
    process = types.ModuleType("radiance.service.server")
    process.serve = lambda config, **_: asked.append(config) or 7  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "radiance.service.server", process)
    monkeypatch.setattr("radiance.service.server", process, raising=False)
    return asked


def test_run_serves_the_flags_and_leaves_with_its_code(radiance, served, tmp_path):
    result = radiance(
        *("run", "--root", str(tmp_path), "--host", "::1", "--port", "0", "--log-level", "debug"),
        *("--base-model", "models/x", "--set", "training.lr=1e-4", "--set", "training.r = 4"),
    )
    assert result.exit_code == 7
    [config] = served
    assert config.root == tmp_path.resolve()
    assert (config.server.host, config.server.port) == ("::1", 0)
    assert (config.base_model, config.log.level) == ("models/x", "debug")
    assert (config.training.lr, config.training.r) == (1e-4, 4)


def test_the_documented_line_of_the_second_name(radiance, served):
    radiance(
        *("run", "--backend", "mps", "--base-model", "X", "--update-mode", "batched"),
        *("--batch-max-examples", "128", "--batch-max-age-min", "30"),
    )
    [config] = served
    assert (config.backend, config.base_model) == ("mps", "X")
    assert config.update == settings.UpdateSettings(
        mode="batched", max_examples=128, max_age_minutes=30.0
    )


def test_flags_win_over_the_file(radiance, served, tmp_path):
    (tmp_path / "radiance.toml").write_text("[server]\nport = 1\nhost = 'a'\n")
    radiance("run", "--root", str(tmp_path), "--port", "2")
    assert (served[0].server.port, served[0].server.host) == (2, "a")


def test_another_file(radiance, served, tmp_path):
    (tmp_path / "radiance.toml").write_text("[server]\nport = 1\n")
    other = tmp_path / "other.toml"
    other.write_text("[server]\nport = 3\n")
    radiance("run", "--root", str(tmp_path), "--config", str(other))
    assert served[0].server.port == 3


@pytest.mark.parametrize(("stop", "code"), [(KeyboardInterrupt(), 0), (SystemExit(3), 1)])
def test_the_server_s_own_ways_out_have_our_codes(radiance, served, monkeypatch, stop, code):
    def serve(config, **_):
        raise stop

    monkeypatch.setattr(sys.modules["radiance.service.server"], "serve", serve)
    assert radiance("run").exit_code == code


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--port", "99999"), "server.port (is 99999)"),
        (("--port", "x"), "--port"),
        (("--backend", "tpu"), "--backend"),
        (("--update-mode", "never"), "--update-mode"),
        (("--batch-max-examples", "0"), "update.max_examples (is 0)"),
        (("--set", "training.lr"), "not KEY=VALUE"),
        (("--set", "training.lr="), "not KEY=VALUE"),
        (("--set", "training.lrr=1"), "Did you mean training.lr?"),
        (("--set", "zzz=1"), "not a known key"),
        (("--set", "base_model.x=1"), "not a known key"),
        (("--set", "root=x"), "not a known key"),
        (("--set", "training.lr=fast"), "number or"),
        (("--set", "training.lr=nan"), "training.lr"),
        (("--set", "training.r=1.5"), "training.r (is 1.5)"),
        (("--set", "training.r=4\nseed=1"), "training.r"),
        (("--config", "nowhere.toml"), "nowhere.toml: cannot be read"),
        (("--nonsense",), "--nonsense"),
    ],
)
def test_what_cannot_be_used_is_usage(radiance, served, arguments, told):
    result = radiance("run", *arguments)
    assert result.exit_code == 2
    assert told in result.stderr
    assert served == []


@pytest.mark.parametrize(
    ("assignment", "value"),
    [
        ("base_model=ember", "ember"),
        ('base_model="a b"', "a b"),
        ("base_model=org/name-4bit", "org/name-4bit"),
        ("log.level=debug", "debug"),
        ("training.alpha=16", 16.0),
        ('training.target_modules=["q_proj", "v_proj"]', ("q_proj", "v_proj")),
    ],
)
def test_values_are_toml_or_bare_words(radiance, served, assignment, value):
    assert radiance("run", "--set", assignment).exit_code == 7
    found = served[0]
    for part in assignment.partition("=")[0].split("."):
        found = getattr(found, part)
    assert found == value


def test_config_prints_toml_that_reads_back(radiance, tmp_path):
    result = radiance("config", "--root", str(tmp_path), "--set", "training.lr=1e-05")
    assert result.exit_code == 0
    assert result.stderr == f"# root: {tmp_path.resolve()}\n"
    data = tomli.loads(result.stdout)
    assert data["training"]["lr"] == 1e-05
    assert data["training"]["target_modules"] == ["all-linear"]
    flat = [
        f"{name}.{key}" if isinstance(value, dict) else name
        for name, value in data.items()
        for key in (value if isinstance(value, dict) else [name])
    ]
    assert flat == setting_names()


def test_rendering_quotes_what_toml_must_have_quoted(tmp_path):
    name = 'quote " backslash \\ newline \n delete \x7f sun ☀'
    config = settings.load(tmp_path, {"base_model": name})
    assert tomli.loads(render(config))["base_model"] == name


def test_config_default_is_the_file_to_start_from(radiance):
    assert radiance("config", "--default").stdout == settings.render_default()


def test_config_as_json(radiance, tmp_path):
    data = json.loads(radiance("config", "--json", "--root", str(tmp_path)).stdout)
    assert data["root"] == str(tmp_path.resolve())
    assert data["server"]["port"] == 8042
