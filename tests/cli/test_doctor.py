"""`radiance doctor` and the things it looks at."""

import json
import os
import shutil
from collections import namedtuple

import pytest

from radiance import config, ember, platform
from radiance.cli import checks
from radiance.cli.settings import Settings
from radiance.storage.sqlite import Database
from tests.gguf_files import write_model


@pytest.fixture
def root(tmp_path):
    (tmp_path / "runs").mkdir()
    return tmp_path


@pytest.fixture
def model(tmp_path):
    """A directory that looks like a base model from outside."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"")
    return str(folder)


def named(findings, name):
    [finding] = [finding for finding in findings if finding.name == name]
    return finding


def test_a_sound_root(radiance, root, model):
    result = radiance("doctor", "--root", str(root), "--base-model", model)
    lines = result.stdout.splitlines()
    assert result.exit_code == 0
    assert result.stderr == "No check failed.\n"
    assert any(line.startswith("ok    python      3.") for line in lines)
    assert any(line.startswith("ok    mlx         mlx 0.") for line in lines)
    assert any(line.startswith("ok    backend     ") for line in lines)
    assert any(line.startswith("ok    base model  ") for line in lines)
    assert any(line.startswith(("ok    blas", "warn  blas")) for line in lines)


def test_json_and_exit_code_on_a_failure(radiance, root, model):
    result = radiance(
        *("doctor", "--root", str(root), "--base-model", "no such model", "--json"),
    )
    assert result.exit_code == 1
    data = json.loads(result.stdout)
    assert data["ok"] is False
    [failed] = [check for check in data["checks"] if check["status"] == "fail"]
    assert failed["name"] == "base model"
    assert 'Use "ember"' in failed["detail"]
    assert set(failed) == {"name", "status", "detail", "remedy"}


def test_bad_settings_are_a_finding_and_the_rest_goes_on(root):
    (root / "radiance.toml").write_text("[training]\nlr = 'fast'\n")
    findings = checks.examine(Settings(root))
    assert named(findings, "settings").status == "fail"
    assert "training.lr" in named(findings, "settings").detail
    assert named(findings, "database").status == "ok"


def test_a_backend_that_is_not_here(root):
    findings = checks.examine(Settings(root, overrides={"backend": "cuda"}))
    backend = named(findings, "backend")
    assert backend.status == "ok" or 'backend (is "cuda")' in backend.detail


def test_a_root_that_does_not_exist_yet(tmp_path):
    finding = checks.check_root(tmp_path / "new")
    assert (finding.status, "radiance run" in finding.remedy) == ("warn", True)
    assert checks.check_disk(tmp_path / "new" / "deeper").detail.endswith(str(tmp_path))
    assert checks.check_service(tmp_path / "new").detail == "no service runs on this root"


def test_a_root_that_cannot_be_written(root, monkeypatch):
    def refuse(dir):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(checks.tempfile, "TemporaryFile", refuse)
    finding = checks.check_root(root)
    assert (finding.status, finding.detail) == ("fail", f"{root}: Permission denied")


@pytest.mark.parametrize(("free", "status"), [(1 << 40, "ok"), (1 << 30, "warn"), (1, "fail")])
def test_disk(root, monkeypatch, free, status):
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(free))
    assert checks.check_disk(root).status == status


@pytest.mark.parametrize(("pages", "status"), [(1 << 22, "ok"), (1 << 18, "warn")])
def test_memory(monkeypatch, pages, status):
    values = {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": pages}
    monkeypatch.setattr(os, "sysconf", values.__getitem__)
    assert checks.check_memory().status == status


def test_a_slow_blas_has_a_remedy(monkeypatch):
    slow = platform.Blas("reference", "no OpenBLAS found; install libopenblas0-pthread")
    monkeypatch.setattr(platform, "load_fast_blas", lambda: slow)
    finding = checks.check_blas()
    assert finding.status == "warn"
    assert finding.remedy == "No OpenBLAS found; install libopenblas0-pthread."


def test_mlx_that_is_missing(monkeypatch):
    def missing(name):
        raise checks.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(checks.metadata, "version", missing)
    assert checks.check_mlx().status == "fail"


def test_a_running_service_is_seen_and_left_alone(root):
    path = root / "runs" / "radiance.db"
    Database(path).close()
    before = path.stat().st_mtime_ns
    held = platform.lock(root / "runs" / "radiance.lock")
    assert held is not None
    try:
        findings = checks.examine(Settings(root))
    finally:
        os.close(held)
    assert named(findings, "service").detail == "a running service owns this root"
    assert "is in use" in named(findings, "database").detail
    assert path.stat().st_mtime_ns == before


def test_the_lock_is_given_back(root):
    (root / "runs" / "radiance.lock").touch()
    assert checks.check_service(root).detail == "no service runs on this root"
    held = platform.lock(root / "runs" / "radiance.lock")
    assert held is not None
    os.close(held)


def test_the_database_is_opened_and_read(root):
    config = Settings(root).load()
    assert checks.check_database(config).detail == "none yet"
    Database(config.database_path).close()
    assert "is sound" in checks.check_database(config).detail
    config.database_path.write_bytes(b"not a database" * 1000)
    finding = checks.check_database(config)
    assert finding.status == "fail"
    assert "damaged" in finding.detail


@pytest.mark.parametrize(
    ("cached", "status"), [("/cache/config.json", "ok"), (None, "warn"), (object(), "warn")]
)
def test_a_hub_id_is_looked_up_in_the_cache_only(root, monkeypatch, cached, status):
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_: cached)
    config = Settings(root, overrides={"base_model": "org/name-4bit"}).load()
    finding = checks.check_base_model(config)
    assert (finding.status, "org/name-4bit" in finding.detail) == (status, True)


def test_a_named_model_that_is_not_here_is_not_downloaded(root, tmp_path, monkeypatch):
    monkeypatch.setenv("RADIANCE_CACHE", str(tmp_path / "cache"))
    config = Settings(root, overrides={"base_model": "smollm2"}).load()
    finding = checks.check_base_model(config)
    assert (finding.status, finding.detail) == ("warn", "smollm2 is not downloaded yet")
    assert "radiance models get smollm2" in finding.remedy
    assert not (tmp_path / "cache").exists()


def test_an_embedder_that_is_not_here_is_not_downloaded(root, tmp_path, monkeypatch):
    monkeypatch.setenv("RADIANCE_CACHE", str(tmp_path / "cache"))
    words, minilm = (
        checks.check_embedder(Settings(root, overrides={"memory.embedder": name}).load())
        for name in ("words", "minilm")
    )
    assert words.status == "ok"
    assert (minilm.status, "radiance models get minilm" in minilm.remedy) == ("fail", True)
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("kind", "memory_bytes", "said"),
    [
        ("F16", 1 << 34, "float16"),
        ("Q4_1", 1 << 34, "Q4_1, computed in float32"),
        ("Q4_1", 1 << 20, "does not fit in half of the memory"),
    ],
)
def test_how_a_quantized_model_is_computed_is_said(
    root, tmp_path, monkeypatch, kind, memory_bytes, said
):
    monkeypatch.setattr(platform, "memory_bytes", lambda: memory_bytes)
    file = write_model(tmp_path / "m.gguf", ember.MODEL_PATH, kind)
    config = Settings(root, overrides={"base_model": str(file), "backend": "cpu"}).load()
    finding = checks.check_base_model(config)
    assert (finding.status, said in finding.detail) == ("ok", True)


def test_a_file_that_cannot_be_the_base_model_fails(root, tmp_path):
    file = write_model(tmp_path / "m.gguf", ember.MODEL_PATH, more={"llama.expert_count": 8})
    finding = checks.check_base_model(Settings(root, overrides={"base_model": str(file)}).load())
    assert (finding.status, "a mixture of 8 experts" in finding.detail) == ("fail", True)


def test_what_serves_and_was_trained_on_another_base_fails(checkpointed_root, tiny_base):
    same = config.load(checkpointed_root, {"base_model": str(tiny_base)})
    assert checks.check_base_model(same).status == "ok"
    other = checks.check_base_model(config.load(checkpointed_root))
    assert other.status == "fail"
    assert "was trained on another" in other.detail
    assert str(tiny_base) in other.detail
