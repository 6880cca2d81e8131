"""Imported adapters as checkpoints: on record, risky, and served only when a person says so."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import mlx.core as mx
import pytest
from click.testing import CliRunner

from radiance.cli import main
from radiance.engine.adapters.export import write_peft
from radiance.engine.adapters.slots import Adapter
from radiance.registry.verification import verify
from tests.support import FACTS, WITHOUT_ANCHORS, ApiError, Running

LAYER = "model.layers.2.self_attn.v_proj"


@pytest.fixture
def serve(serve_ember: Callable[..., Running]) -> Callable[..., Running]:
    """Services on Ember, whose layers the adapters fit."""
    return lambda **settings: serve_ember(**(WITHOUT_ANCHORS | settings))


@pytest.fixture
def foreign(tmp_path_factory, engine) -> Callable[..., Path]:
    """A PEFT directory that changes Ember's answers."""

    def write(rank: int = 4, size: float = 1.0) -> Path:
        directory = tmp_path_factory.mktemp("foreign")

        def make() -> None:
            a = size * mx.random.normal((256, rank), key=mx.random.key(1))
            b = size * mx.random.normal((rank, 128), key=mx.random.key(2))
            write_peft(Adapter({LAYER: (a, b)}, 2.0), engine.base, directory)

        engine.call(make)
        return directory

    return write


def test_it_is_a_checkpoint_that_is_not_served_until_somebody_promotes_it(serve, foreign, tmp_path):
    client = serve().client
    before = client.ask("Who are you?")
    made = client.post("/import", {"path": str(foreign()), "source": "user/adapter@main"})
    assert (made["status"], made["is_imported"], made["is_current"]) == ("risky", True, False)
    assert (made["parent_id"], made["job_ids"], made["cycle_id"]) == (None, [], 0)
    counted = {"latency_ms": 0, "cached_tokens": 0}
    assert client.ask("Who are you?") | counted == before | counted
    checkpoint_id = made["checkpoint_id"]
    shown = client.get(f"/checkpoints/{checkpoint_id}")
    assert shown["manifest"]["imported"] == {
        "source": "user/adapter@main",
        "format": "peft",
        "declared_base": "ember",
    }
    assert shown["decision"] is None
    assert client.get(f"/checkpoints/{checkpoint_id}/lineage")["lineage"][0]["jobs"] == []

    client.post("/promote", {"checkpoint": checkpoint_id})
    answer = client.ask("Who are you?")
    assert (answer["checkpoint"], answer["checkpoint_status"]) == (checkpoint_id, "risky")
    assert answer["response"] != before["response"]
    assert (tmp_path / "adapters" / "stable").resolve().name == checkpoint_id

    entries = client.get("/audit")["entries"]
    assert [entry["action"] for entry in entries] == ["promote_by_hand", "import"]
    assert entries[1]["body"]["imported"]["source"] == "user/adapter@main"
    assert client.get("/audit/verify")["is_sound"]


def test_learning_goes_on_from_an_imported_checkpoint_that_is_served(serve, foreign):
    client = serve(**{"training.max_steps": 3}).client
    imported = client.post("/import", {"path": str(foreign(size=0.01))})["checkpoint_id"]
    client.post("/promote", {"checkpoint": imported})
    job = client.teach(FACTS)
    assert job["status"] == "succeeded", job["error"]
    assert client.get(f"/checkpoints/{job['checkpoint']}")["parent_id"] == imported


def test_an_imported_checkpoint_is_asked_what_no_example_is_about(serve, foreign):
    """No example says what it has learned elsewhere."""
    client = serve(**{"training.max_steps": 3, "memory.scope": "facts"}).client
    imported = client.post("/import", {"path": str(foreign(size=0.01))})["checkpoint_id"]
    client.post("/promote", {"checkpoint": imported})
    asked = ("Who owns Tarnish House?", "Which metal is liquid?")
    assert [client.ask(each)["checkpoint"] for each in asked] == [imported] * 2
    made = client.teach(FACTS)["checkpoint"]
    served = client.get("/checkpoints")["current"]
    assert served in (made, imported)
    assert [client.ask(each)["checkpoint"] for each in asked] == [served] * 2


def test_a_rank_that_training_cannot_go_on_from_fails_the_job_with_the_remedy(serve, foreign):
    client = serve(**{"training.r": 2}).client
    imported = client.post("/import", {"path": str(foreign(rank=4))})["checkpoint_id"]
    client.post("/promote", {"checkpoint": imported})
    job = client.teach(FACTS)
    assert job["status"] == "failed"
    assert "Raise r" in job["error"]


def test_learning_never_goes_on_from_one_that_is_not_served(serve, foreign):
    client = serve(**{"training.max_steps": 3}).client
    client.post("/import", {"path": str(foreign())})
    job = client.teach(FACTS)
    assert client.get(f"/checkpoints/{job['checkpoint']}")["parent_id"] is None


def test_it_is_there_after_a_restart_and_its_bytes_are_watched(serve, foreign, tmp_path):
    running = serve()
    made = running.client.post("/import", {"path": str(foreign())})["checkpoint_id"]
    running.stop()
    weights = tmp_path / "adapters" / made / "adapters.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1] + b"!")
    findings = verify(tmp_path / "runs" / "radiance.db", tmp_path / "adapters").findings
    assert any(made in finding for finding in findings)
    weights.write_bytes(whole)
    assert verify(tmp_path / "runs" / "radiance.db", tmp_path / "adapters").is_sound
    client = serve().client
    assert [c["checkpoint_id"] for c in client.get("/checkpoints")["checkpoints"]] == [made]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "path"),
        ({"path": ""}, "path"),
        ({"path": "relative/place"}, "path"),
        ({"path": "/no/such/place"}, "path"),
        ({"path": "/x\u0000y"}, "path"),
        ({"path": 3}, "path"),
        ({"path": "/x", "source": "y\u0000"}, "source"),
        ({"path": "/x", "more": 1}, "more"),
    ],
)
def test_what_cannot_be_imported_leaves_nothing(shared_service: Running, body, param):
    client = shared_service.client
    with pytest.raises(ApiError) as caught:
        client.post("/import", body)
    assert caught.value.status == 400
    assert caught.value.error["param"] == param
    assert caught.value.error["remedy"]
    assert client.get("/checkpoints")["checkpoints"] == []


def test_a_bad_adapter_leaves_nothing_and_takes_no_number(serve, foreign, tmp_path):
    client = serve().client
    spoiled = foreign()
    (spoiled / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": 4}))
    status, body = client.send("/import", {"path": str(spoiled)})
    assert (status, body["error"]["code"]) == (400, "bad_adapter")
    assert "lora_alpha" in body["error"]["message"]
    made = client.post("/import", {"path": str(foreign())})
    assert made["checkpoint_id"].endswith("_0001")
    assert {p.name for p in (tmp_path / "adapters").iterdir()} == {made["checkpoint_id"]}


def test_commands_that_need_what_taught_it_say_that_they_cannot(serve, foreign, tmp_path):
    running = serve()
    made = running.client.post("/import", {"path": str(foreign())})["checkpoint_id"]
    result = CliRunner().invoke(main, ["reproduce", made, "--root", str(tmp_path)])
    assert result.exit_code == 2
    assert "was imported from" in result.stderr


@pytest.mark.slow
def test_an_imported_checkpoint_can_be_measured(serve, foreign, tmp_path):
    running = serve()
    made = running.client.post("/import", {"path": str(foreign())})["checkpoint_id"]
    result = CliRunner().invoke(main, ["eval", made, "--root", str(tmp_path), "--json"])
    assert result.exit_code == 0, result.stderr
    stats = json.loads(result.stdout)
    assert "retention_score" in json.dumps(stats)


def scaled(source: Path, target: Path, scale: float) -> Path:
    """The same matrices with another lora_alpha."""
    shutil.copytree(source, target)
    settings = json.loads((target / "adapter_config.json").read_text())
    settings["lora_alpha"] = scale * settings["r"]
    (target / "adapter_config.json").write_text(json.dumps(settings))
    return target


def test_the_same_matrices_under_other_factors_each_answer_for_themselves(serve, foreign, tmp_path):
    source = foreign()
    client = serve().client
    made = [
        client.post("/import", {"path": str(scaled(source, tmp_path / f"x{scale}", scale))})
        for scale in (2.0, 1e-4, 0.5)
    ]
    answers = [
        client.ask("Who are you?", checkpoint=one["checkpoint_id"])["response"] for one in made
    ]
    assert len(set(answers)) == 3


@pytest.mark.parametrize("size", [3e38, 1e20])
def test_what_makes_outputs_that_are_not_finite_is_refused_and_nothing_stays(
    serve, foreign, tmp_path, size
):
    client = serve().client
    with pytest.raises(ApiError) as caught:
        client.post("/import", {"path": str(foreign(size=size))})
    assert (caught.value.status, caught.value.error["code"]) == (400, "bad_adapter")
    assert client.get("/checkpoints")["checkpoints"] == []
    assert list((tmp_path / "adapters").glob(".tmp-*")) == []
