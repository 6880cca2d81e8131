"""`radiance service`: what it would install, and the log."""

import os
import plistlib
import sys
from pathlib import Path

import pytest

from radiance import platform
from radiance.platform import service_manager


def test_what_is_installed_can_be_looked_at_first(radiance, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setenv("HF_HOME", "/models")
    arguments = ["--root", str(tmp_path), "--port", "0", "--set", "training.lr=1e-4", "--print"]
    monkeypatch.setattr(platform, "IS_MACOS", False)
    unit = radiance("service", "install", *arguments).stdout
    assert f'ExecStart="{sys.executable}" "-m" "radiance" "run" "--root" "{tmp_path}"' in unit
    assert '"training.lr=0.0001"' in unit
    assert "hf_secret" not in unit
    assert 'Environment="HF_HOME=/models"' in unit
    monkeypatch.setattr(platform, "IS_MACOS", True)
    settings = plistlib.loads(radiance("service", "install", *arguments).stdout.encode())
    assert settings["ProgramArguments"][-4:] == [
        *("--set", "training.lr=0.0001"),
        *("--set", "server.port=0"),
    ]
    assert "HF_TOKEN" not in settings["EnvironmentVariables"]
    assert settings["StandardErrorPath"] == str(tmp_path / "runs" / "service.log")


def test_settings_that_would_not_start_are_not_installed(radiance, tmp_path):
    (tmp_path / "radiance.toml").write_text("[training]\nr = 0\n")
    result = radiance("service", "install", "--root", str(tmp_path), "--print")
    assert result.exit_code == 2
    assert "training.r" in result.stderr


def test_a_local_base_model_is_named_by_its_whole_path(radiance, tmp_path, monkeypatch):
    (tmp_path / "model").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(platform, "IS_MACOS", False)
    unit = radiance("service", "install", "--base-model", "model", "--print").stdout
    assert str(tmp_path / "model") in unit


@pytest.mark.parametrize(("is_running", "code"), [(True, 0), (False, 1)])
def test_status(radiance, monkeypatch, tmp_path, is_running, code):
    class Stub:
        def state(self) -> service_manager.State:
            pid = 7 if is_running else None
            return service_manager.State(True, is_running, pid, None, tmp_path / "x.plist")

    monkeypatch.setattr(service_manager, "manager", lambda name, boot: Stub())
    result = radiance("service", "status", "--json")
    assert result.exit_code == code
    assert f'"running": {str(is_running).lower()}' in result.stdout


def test_the_end_of_the_log(radiance, tmp_path):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "service.log").write_bytes(b"".join(b"line %d\n" % n for n in range(100)))
    result = radiance("service", "logs", "--root", str(tmp_path), "--lines", "2")
    assert result.stdout == "line 98\nline 99\n"
    missing = radiance("service", "logs", "--root", str(tmp_path / "nowhere"))
    assert missing.exit_code == 2
    assert "there is no log" in missing.stderr
    assert "--root" in missing.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_under_sudo_the_folders_are_the_user_s(radiance, tmp_path, monkeypatch):
    class Stub:
        def install(self, definition: service_manager.Definition) -> Path:
            return tmp_path / "x.plist"

    monkeypatch.setattr(service_manager, "manager", lambda name, boot: Stub())
    monkeypatch.setenv("SUDO_UID", "12345")
    monkeypatch.setenv("SUDO_GID", "12346")
    root = tmp_path / "new" / "root"
    assert radiance("service", "install", "--root", str(root)).exit_code == 0
    owners = [(path.stat().st_uid, path.stat().st_gid) for path in (root, root / "runs")]
    assert owners == [(12345, 12346)] * 2
    assert tmp_path.stat().st_uid != 12345
