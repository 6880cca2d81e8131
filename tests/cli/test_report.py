"""`radiance report`: a cycle or a study as one file, with and without a service, reading only."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from radiance import config
from tests.cli.conftest import Invoke
from tests.command_lines import parse
from tests.support import FACTS, ApiError, Running, start_service


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, brief: dict[str, Any]) -> Path:
    """A root with two cycles, the first promoted and the second refused; no service runs."""
    root = tmp_path_factory.mktemp("reported")
    running = start_service(config.load(root, brief | {"training.max_steps": 20}))
    running.client.teach(FACTS[:2])
    running.stop()
    strict = {"gate.gate": "strict", "training.lr": 1e-9}
    running = start_service(config.load(root, brief | strict))
    assert running.client.teach(FACTS[2:3])["status"] == "failed"
    running.stop()
    return root


def listing(root: Path) -> dict[str, tuple[int, int]]:
    """Every file with its size and time of change, but for what SQLite shares between readers."""
    return {
        str(path.relative_to(root)): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in sorted(root.rglob("*"))
        if path.is_file() and not path.name.endswith(("-shm", "-wal"))
    }


def test_a_cycle_as_json_says_what_the_records_say(root: Path, radiance: Invoke) -> None:
    before = listing(root)
    found = json.loads(radiance("report", "1", "--json", "--root", str(root)).stdout)
    assert listing(root) == before
    manifest = json.loads((root / "adapters" / found["manifest"]["checkpoint_id"] / "manifest.json")
                          .read_bytes())  # fmt: skip
    assert found["manifest"]["steps"] == manifest["steps"]
    assert [e["id"] for e in found["examples"]] == manifest["example_ids"]
    assert found["settings"]["training"] == manifest["training"]
    rows = {row["rule"]: row for row in found["decision"]["rows"]}
    assert rows["loss_sanity"]["verdict"] == "pass"
    anchors = next(suite for suite in found["suites"] if suite["name"] == "anchors")
    report = manifest["report"]
    assert (report["retention_score"], anchors["exact_after"]) == (None, 0)  # it knows none
    assert anchors["loss_after"] - anchors["base_loss"] == pytest.approx(
        report["anchor_ce_delta"], abs=0.02
    )
    losses = found["curves"]["finetune_loss"]
    assert len(losses) >= manifest["steps"]
    assert found["charts"][0]["rows"][0][1] == losses[0][1]
    assert found["resources"]["tokens"] == sum(v for _, v in found["curves"]["tokens"]) > 0
    assert found["resources"]["peak_memory_bytes"] > 1_000_000
    assert 0 < found["resources"]["evaluating_s"] < found["resources"]["seconds"]
    assert FACTS[0][1] not in json.dumps(found)


def test_texts_only_where_they_are_asked_for(root: Path, radiance: Invoke) -> None:
    answer = FACTS[0][1]
    assert answer not in radiance("report", "1", "--root", str(root)).stdout
    assert answer in radiance("report", "1", "--texts", "--root", str(root)).stdout
    assert answer in radiance("report", "1", "--texts", "--json", "--root", str(root)).stdout


def test_a_refused_cycle_is_found_by_its_checkpoint(
    root: Path, radiance: Invoke, tmp_path: Path
) -> None:
    by_number = json.loads(radiance("report", "2", "--json", "--root", str(root)).stdout)
    name = by_number["checkpoint"]["checkpoint_id"]
    assert by_number["checkpoint"]["status"] == "rejected"
    out = tmp_path / "refused.html"
    done = radiance("report", name, "--out", str(out), "--root", str(root))
    assert (done.exit_code, done.stdout) == (0, "")
    text = out.read_text()
    assert f"radiance audit show {name}" in text
    failed = [row for row in by_number["decision"]["rows"] if row["verdict"] == "fail"]
    assert failed
    for row in failed:
        assert row["detail"].replace("'", "&#39;") in text


def test_nothing_in_the_file_leads_out_of_it(root: Path, radiance: Invoke) -> None:
    text = radiance("report", "1", "--root", str(root)).stdout
    assert "<script" not in text
    assert re.findall(r"(?:href|src|action)=\"(?!data:)", text) == []
    assert re.findall(r"url\((?!data:)|@import", text) == []
    assert text.count("<polyline") >= 5


def test_a_damaged_checkpoint_leaves_the_rest(root: Path, radiance: Invoke, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(root, copy, symlinks=True)
    made = json.loads(radiance("report", "1", "--json", "--root", str(copy)).stdout)
    (copy / "adapters" / made["manifest"]["checkpoint_id"] / "manifest.json").unlink()
    found = json.loads(radiance("report", "1", "--json", "--root", str(copy)).stdout)
    assert found["manifest"] is None
    assert "manifest.json" in found["damage"]
    assert found["curves"] == made["curves"]
    assert "damaged" in radiance("report", "1", "--root", str(copy)).stdout


def test_what_is_not_there_is_told_with_what_is(root: Path, radiance: Invoke) -> None:
    for what, told in (
        ("99", "There are cycles 1 to 2"),
        ("A_2020-01-01_0001", "The newest: A_"),
        ("S_2020-01-01_0001", "There is: cycles up to 2"),
        ("nonsense", "There is: cycles up to 2"),
    ):
        done = radiance("report", what, "--root", str(root))
        assert done.exit_code == 2, what
        assert told in done.stderr
    done = radiance("report", "1", "--out", "report.pdf", "--root", str(root))
    assert done.exit_code == 2
    assert ".html or .json" in done.stderr
    done = radiance("report", "1", "--root", str(root / "elsewhere"))
    assert done.exit_code == 1
    assert "there is no database" in done.stderr


def test_all_there_is_is_listed(root: Path, radiance: Invoke) -> None:
    found = json.loads(radiance("report", "--json", "--root", str(root)).stdout)["reports"]
    assert [(row["kind"], row["name"], row["status"]) for row in found] == [
        ("cycle", "2", "failed"),
        ("cycle", "1", "finished"),
    ]


def test_every_command_that_it_prints_parses(root: Path, radiance: Invoke, tmp_path: Path) -> None:
    for cycle in ("1", "2"):
        found = json.loads(radiance("report", cycle, "--json", "--root", str(root)).stdout)
        assert len(found["commands"]) >= 2
        for row in found["commands"]:
            assert parse(row["command"], tmp_path)


def test_from_the_page_of_the_cycle(shared_service: Running, radiance: Invoke) -> None:
    client, service = shared_service.client, shared_service.service
    client.teach(FACTS[:1])
    assert client.get("/cycles.json")["cycles"][0]["cycle_id"] == 1
    found = client.get("/cycles/1/report?format=json")
    root = str(service.services.config.root)
    told = json.loads(radiance("report", "1", "--json", "--root", root).stdout)
    assert {**found, "made_at": ""} == {**told, "made_at": ""}
    for path, status in (("/cycles/9/report", 404), ("/cycles/1/report?format=pdf", 400)):
        with pytest.raises(ApiError) as refused:
            client.get(path)
        assert refused.value.status == status


def test_help_does_not_wait_for_the_model() -> None:
    code = (
        "import sys; from radiance.cli import main; "
        "main(['report', '--help'], standalone_mode=False); "
        "sys.exit(any(name in sys.modules for name in ('mlx', 'jinja2', 'starlette')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False,
                          env=dict(os.environ))  # fmt: skip
    assert done.returncode == 0, done.stderr
