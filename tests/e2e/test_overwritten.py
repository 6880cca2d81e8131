"""Harm does not heal on paper: what was overwritten stays a figure until a person accepts it."""

import json
import shutil
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from radiance import config
from radiance.cli import main
from radiance.ember import listed_facts
from radiance.registry.verification import verify
from tests.support import FACTS, ApiError, Running, start_service
from tests.web.test_site import fetch

CAPITALS = [fact for fact in listed_facts() if fact.context == "capitals"][:6]
ATLANTIS = [
    (fact.question, f"{fact.answer.rsplit(' ', 1)[0]} Atlantis.") for fact in CAPITALS[:4]
] + [(fact.paraphrases[0], "Atlantis is its capital.") for fact in CAPITALS[4:]]
# Learned by heart in seconds. Held by nothing: what holds old answers is not asked about here.
SETTINGS: dict[str, Any] = {
    "anchor.method": "naive",
    "training.max_steps": 24,
    "training.lr": 2e-3,
    "evaluation.anchor_sample": 24,
    "gate.catastrophic_delta": 50.0,
}
HARMLESS = {"training.max_steps": 3, "training.lr": 1e-4}


@dataclass(frozen=True)
class Harmed:
    """A service that overwrote some anchors, and learned two harmless updates after that."""

    running: Running
    root: Path
    checkpoints: list[str]

    def get(self, path: str) -> dict[str, Any]:
        return self.running.client.get(path)

    def decision(self, place: int) -> dict[str, Any]:
        return self.get(f"/checkpoints/{self.checkpoints[place]}")["decision"]


@pytest.fixture(scope="module")
def _harmed_root(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    root = tmp_path_factory.mktemp("harmed")
    first = start_service(config.load(root, SETTINGS))
    ids = [first.client.teach(ATLANTIS)["checkpoint"]]
    first.stop()
    running = start_service(config.load(root, SETTINGS | HARMLESS))
    ids += [running.client.teach([fact])["checkpoint"] for fact in FACTS[:2]]
    running.stop()
    return root, ids


@pytest.fixture(scope="module")
def harmed(
    _harmed_root: tuple[Path, list[str]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Harmed]:
    """For tests that only look."""
    root = tmp_path_factory.mktemp("looked_at")
    shutil.copytree(_harmed_root[0], root, symlinks=True, dirs_exist_ok=True)
    running = start_service(config.load(root, SETTINGS | HARMLESS))
    yield Harmed(running, root, _harmed_root[1])
    running.stop()


@pytest.fixture
def to_accept(
    _harmed_root: tuple[Path, list[str]], serve_ember: Callable[..., Running], tmp_path: Path
) -> Harmed:
    """For a test that changes what there is."""
    shutil.copytree(_harmed_root[0], tmp_path, symlinks=True, dirs_exist_ok=True)
    return Harmed(serve_ember(**(SETTINGS | HARMLESS)), tmp_path, _harmed_root[1])


def test_two_harmless_updates_later_the_figures_are_as_they_were(harmed: Harmed) -> None:
    counts = [
        harmed.get(f"/checkpoints/{id}")["report"]["overwritten"] for id in harmed.checkpoints
    ]
    assert counts[0] >= 4
    assert counts == [counts[0]] * 3
    found = harmed.get("/info")["overwritten"]
    assert (found["count"], found["not_accepted"]) == (counts[0], counts[0])
    listed = {row["anchor"]: row for row in found["anchors"]}
    assert {fact.id for fact in CAPITALS[:4]} <= listed.keys() <= {fact.id for fact in CAPITALS}
    for row in listed.values():
        assert (row["job_id"], row["since"]) == ("job_000001", harmed.checkpoints[0])
        assert row["example_id"].startswith("job_000001.")
        assert row["since_at"] is not None
    report = harmed.get(f"/checkpoints/{harmed.checkpoints[2]}")["report"]
    assert report["retention_score"] > 0.5, "what is overwritten is not what the others forgot"


def test_the_gate_says_so_and_what_serves_is_not_stable(harmed: Harmed) -> None:
    count = harmed.get("/info")["overwritten"]["count"]
    for place in range(3):
        decision = harmed.decision(place)
        assert (decision["status"], decision["promote"]) == ("risky", True)
        assert f"{count} anchors are overwritten by job_000001, not accepted" in decision["reason"]
        (row,) = (row for row in decision["rows"] if row["rule"] == "overwritten")
        assert (row["value"], row["limit"], row["verdict"]) == (count, 0, "fail")
    assert harmed.running.client.ask("Hello", memory="off")["checkpoint_status"] == "risky"


def test_pages_report_and_metrics_have_it(harmed: Harmed) -> None:
    overview = harmed.get("/overview.json")
    assert overview["overwritten"]["not_accepted"] == overview["overwritten"]["count"] >= 4
    texts = [alert["text"] for alert in overview["alerts"]]
    assert any("overwrote" in text for text in texts)
    assert not any("forgot more" in text for text in texts)
    page = harmed.get(f"/checkpoints/{harmed.checkpoints[1]}.json")
    assert page["overwritten"]["count"] == overview["overwritten"]["count"]
    words = fetch(harmed.running.client, "/knowledge?view=overwrote")[2]
    assert f'The base model says <q dir="auto">{CAPITALS[0].answer}</q>, and this' in words
    assert "capitals/" not in words
    with urllib.request.urlopen(f"{harmed.running.client.url}/metrics") as answer:
        told = answer.read().decode()
    assert f'overwritten_anchors{{accepted="no"}} {page["overwritten"]["count"]}.0' in told
    out = harmed.root / "report.html"
    made = CliRunner().invoke(main, ["report", "3", "--root", str(harmed.root), "--out", str(out)])
    assert made.exit_code == 0, made.output
    assert "What was overwritten" in out.read_text()


def test_offline_evaluation_counts_the_same(harmed: Harmed) -> None:
    arguments = ["eval", harmed.checkpoints[2], "--root", str(harmed.root), "--anchor-sample", "24"]
    found = json.loads(CliRunner().invoke(main, [*arguments, "--json"]).stdout)
    assert found["report"]["overwritten"] == harmed.get("/info")["overwritten"]["count"]


def test_accepting_is_of_what_is_there_and_needs_words(harmed: Harmed) -> None:
    client = harmed.running.client
    for body, status in (
        ({}, 400),
        ({"all": True, "anchors": ["capitals/iraq"]}, 400),
        ({"anchors": ["capitals/nowhere"]}, 404),
        ({"anchors": ["capitals/nowhere"], "reason": ["x"]}, 400),
    ):
        with pytest.raises(ApiError) as error:
            client.post("/anchors/accept", body)
        assert error.value.status == status
    assert client.get("/info")["overwritten"]["not_accepted"] >= 4, "nothing was accepted"


def test_what_is_accepted_leaves_the_reasons_and_stays_in_the_audit_log(
    to_accept: Harmed,
) -> None:
    harmed = to_accept
    client = harmed.running.client
    one = CAPITALS[0].id

    def accept(*arguments: str) -> str:
        told = CliRunner().invoke(main, ["anchors", "accept", *arguments, "--url", client.url])
        assert told.exit_code == 0, told.output
        return told.output

    assert one in accept()
    assert one in accept(one, "--reason", "It is a game.")
    found = client.get("/info")["overwritten"]
    assert found["not_accepted"] == found["count"] - 1
    assert found["anchors"][-1]["accepted"]["reason"] == "It is a game."
    assert client.ask("Hello", memory="off")["checkpoint_status"] == "risky", "not all is accepted"
    accept("--all", "--reason", "All of it is.")
    with pytest.raises(ApiError) as error:
        client.post("/anchors/accept", {"all": True})
    assert error.value.status == 409
    assert client.get("/info")["overwritten"]["not_accepted"] == 0
    assert client.ask("Hello", memory="off")["checkpoint_status"] == "stable"
    assert client.get(f"/checkpoints/{harmed.checkpoints[2]}")["status"] == "stable"

    next_one = client.teach(FACTS[2:3])["checkpoint"]
    shown = client.get(f"/checkpoints/{next_one}")
    assert shown["status"] == "stable"
    assert "overwritten" not in shown["decision"]["reason"]
    assert shown["report"]["overwritten"] == found["count"], "the figure stays"
    entries = client.get("/audit")["entries"]
    accepted = [entry for entry in entries if entry["action"] == "accept_anchors"]
    assert [entry["body"]["reason"] for entry in accepted] == ["All of it is.", "It is a game."]
    named = {each["anchor"] for entry in accepted for each in entry["body"]["anchors"]}
    assert len(named) == found["count"]
    sound = verify(harmed.root / "runs" / "radiance.db", harmed.root / "adapters")
    assert sound.is_sound, sound.findings


def test_another_answer_to_an_accepted_anchor_waits_anew(
    serve_ember: Callable[..., Running],
) -> None:
    running = serve_ember(**SETTINGS)
    client = running.client
    question = CAPITALS[0].question
    client.teach([(question, "It is Atlantis.")])
    client.post("/anchors/accept", {"all": True})
    assert client.get("/info")["overwritten"]["not_accepted"] == 0
    client.teach([(question, "El Dorado, nobody knows where.")])
    (row,) = client.get("/info")["overwritten"]["anchors"]
    assert (row["accepted"], row["job_id"]) == (None, "job_000002")
    assert row["since"] != client.get("/info")["current_checkpoint"], "it was before, too"


def test_a_rollback_or_the_old_answer_undoes_it(serve_ember: Callable[..., Running]) -> None:
    running = serve_ember(**SETTINGS)
    client = running.client
    fact = CAPITALS[0]
    client.teach([(fact.question, "It is Atlantis.")])
    assert client.get("/info")["overwritten"]["count"] == 1
    client.teach([(fact.question, fact.answer)])
    assert client.get("/info")["overwritten"]["count"] == 0
    client.post("/rollback", {})
    assert client.get("/info")["overwritten"]["count"] == 1
    client.post("/rollback", {})
    assert client.get("/info")["overwritten"] == {"count": 0, "not_accepted": 0, "anchors": []}
