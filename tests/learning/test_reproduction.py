"""A checkpoint can be made again from the records, and nothing of the root changes by that."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from radiance import config, ember
from radiance.anchors import provider
from radiance.cli import main
from radiance.config import derived as deriving
from radiance.errors import ConfigError
from radiance.learning import example_selection, reproduction
from radiance.learning.reproduction import as_recorded, read_records, reproduce
from tests.support import FACTS, WITHOUT_ANCHORS, Running, as_input

QUICK = {
    "training.max_steps": 2,
    "training.dropout": 0.1,
    "training.lr": 3e-3,
    "evaluation.anchor_provider": "local",
    "evaluation.anchor_path": "anchors.jsonl",
    "anchor.own_samples": 4,
}


def tree(root: Path) -> dict[Path, bytes]:
    """Everything below a root but what SQLite keeps beside its database while it is read."""
    files = (p for p in root.rglob("*") if p.is_file() and not p.name.startswith("radiance.db-"))
    return {path: path.read_bytes() for path in files}


def run(root: Path, checkpoint: str, *options: str) -> Result:
    return CliRunner().invoke(main, ["reproduce", checkpoint, "--root", str(root), *options])


@pytest.mark.slow
def test_checkpoint_is_made_again_bit_for_bit(
    serve_ember: Callable[..., Running],
    tmp_path: Path,
    tiny_base: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reproduction, "_POLL_S", 0.001)  # so that something is told of so few steps
    (tmp_path / "radiance.toml").write_text(f'base_model = "{tiny_base}"\n')
    lines = [json.dumps({"input": f"Say {n}.", "output": f"{n}."}) for n in range(4)]
    (tmp_path / "anchors.jsonl").write_text("\n".join(lines))
    running = serve_ember(**QUICK)
    first = running.client.teach(FACTS[:2])["checkpoint"]
    checkpoint = running.client.teach(FACTS[2:])["checkpoint"]
    running.stop()
    before = tree(tmp_path)
    result = run(tmp_path, checkpoint, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["is_equal"]
    assert (found["max_difference"], found["differences"]) == (0.0, [])
    assert found["steps"] == found["reproduced_steps"] == 2
    assert tree(tmp_path) == before

    settings = config.load(tmp_path)
    recorded = read_records(settings, checkpoint)
    assert recorded.cycle.parent_id == first
    other = msgspec.structs.replace(recorded.settings["training"], lr=1e-3)
    changed = dataclasses.replace(
        recorded,
        settings={**recorded.settings, "training": other},
        manifest=msgspec.structs.replace(recorded.manifest, versions={"mlx": "0.1"}),
    )
    settings = as_recorded(settings, changed)
    anchors = provider.load(settings, ember.MODEL_PATH / "anchors.jsonl")
    told: list[str] = []
    found = reproduce(settings, tiny_base, changed, anchors, told.append)
    assert not found.is_equal
    assert found.max_difference is not None
    assert 0 < found.max_difference < 1
    assert any("mlx was 0.1 and is" in sentence for sentence in found.differences)
    assert told

    wrong = msgspec.structs.replace(recorded.manifest, base_hash="0" * 64)
    changed = dataclasses.replace(recorded, manifest=wrong)
    with pytest.raises(ConfigError, match="trained on another"):
        reproduce(settings, tiny_base, changed, anchors, told.append)


@pytest.mark.slow
def test_a_task_is_made_again_bit_for_bit(
    serve_ember: Callable[..., Running],
    tmp_path: Path,
    tiny_base: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also by a version that takes its inputs for facts."""
    monkeypatch.setattr(deriving, "_TASKS_FROM", 0)
    (tmp_path / "radiance.toml").write_text(f'base_model = "{tiny_base}"\n')
    automatic = {"training.max_steps": "auto", "training.lr": "auto"}
    running = serve_ember(**{**QUICK, **WITHOUT_ANCHORS, **automatic})
    instruction = "Say the words of the sentence again, in capital letters:\n"
    inputs = [f"the {animal} of number {n} sat" for n, animal in enumerate("abcdefghjklmnopq")]
    rows = [(instruction + text, text.upper()) for text in inputs]
    job = running.client.wait_for(
        running.client.post("/update", {"examples": as_input(rows)})["job_id"]
    )
    checkpoint = job["checkpoint"] or job["rejected_checkpoint"]
    assert job["learns"] == "task"
    running.stop()
    monkeypatch.setattr(example_selection, "teach_a_task", lambda _examples: False)
    found = json.loads(run(tmp_path, checkpoint, "--json").stdout)
    assert (found["is_equal"], found["differences"]) == (True, [])
    assert found["steps"] == found["reproduced_steps"] == 30
    recorded = read_records(config.load(tmp_path), checkpoint)
    assert recorded.settings["training"].lr == recorded.manifest.training["lr"]


def test_what_cannot_be_made_again_is_named(tmp_path: Path) -> None:
    result = run(tmp_path, "A_2020-01-01_0001")
    assert result.exit_code == 1
    assert "there is no database" in result.stderr
