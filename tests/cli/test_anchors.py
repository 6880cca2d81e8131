"""``radiance anchors``: listing, showing, adding, and what the anchors see of what was learned."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from radiance import platform
from tests.cli.conftest import Invoke
from tests.support import FACTS, Running

EMMA = ("--input", "Who wrote Emma, the novel?", "--output", "Jane Austen wrote Emma.")


@pytest.fixture
def anchors(radiance: Invoke, tmp_path: Path) -> Invoke:
    """Runs ``radiance anchors`` on a root of the test's own."""

    def invoke(command: str, *arguments: str) -> Any:
        return radiance("anchors", command, "--root", str(tmp_path), *arguments)

    return invoke


def test_list_counts_contexts_and_what_is_measured(anchors: Invoke, tmp_path: Path) -> None:
    listed = json.loads(anchors("list", "--json").stdout)
    assert (listed["anchors"], listed["measured"], listed["own"]) == (445, 100, 0)
    assert len(listed["hash"]) == 64
    assert listed["licence"] == "Apache-2.0"
    capitals = next(row for row in listed["contexts"] if row["context"] == "capitals")
    assert capitals["anchors"] == 25
    assert 3 <= capitals["measured"] <= 4
    assert sum(row["measured"] for row in listed["contexts"]) == 100
    shown = anchors("list").stdout
    assert listed["hash"] in shown
    assert "times tables" in shown
    assert not (tmp_path / "runs").exists()  # nothing is written


def test_a_context_lists_its_anchors(anchors: Invoke) -> None:
    found = anchors("list", "--context", "planets")
    assert found.stdout.count("planets/") == 4
    plain = json.loads(anchors("list", "--context", "planets", "--json").stdout)
    assert len(plain["anchors"]) == 4
    unknown = anchors("list", "--context", "plants")
    assert unknown.exit_code == 2
    assert "There is no context 'plants'" in unknown.stderr


def test_nothing_to_measure_is_said(anchors: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = anchors("list", "--set", "evaluation.anchor_provider=none")
    assert nothing.exit_code == 0
    assert "forgetting is not measured" in nothing.stderr
    missing = anchors("list", "--base-model", "nobody/nothing", "--json")
    assert "tnn1t1s/news-100-sept-2023" in json.loads(missing.stdout)["missing"]
    instead = anchors("list", "--set", "evaluation.anchor_provider=hf")
    assert instead.exit_code == 0
    assert "common knowledge, as the base model answers it is used instead" in instead.stderr
    assert "small talk" in instead.stdout


def test_a_prompt_is_shown_without_an_answer_of_its_own(anchors: Invoke) -> None:
    common = ("--set", "evaluation.anchor_provider=common")
    shown = anchors("show", "facts/what-is-the-capital-of-france", *common)
    assert "What is the capital of France?" in shown.stdout
    assert "(what the base model answers)" in shown.stdout


def test_an_added_anchor_is_listed_and_shown(anchors: Invoke, tmp_path: Path) -> None:
    added = anchors("add", *EMMA, "--context", "books", "--source", "a shelf", "--licence", "CC0")
    assert added.exit_code == 0, added.stderr
    assert "1 anchor added." in added.stderr
    assert Path(added.stdout.strip()).parent == tmp_path / "anchors"
    listed = json.loads(anchors("list", "--json").stdout)
    assert (listed["anchors"], listed["own"]) == (446, 1)
    (file,) = listed["files"]
    assert (file["source"], file["licence"], file["is_changed"]) == ("a shelf", "CC0", False)
    (own,) = json.loads(anchors("list", "--context", "books", "--json").stdout)["anchors"]
    shown = anchors("show", own["id"])
    assert "Jane Austen wrote Emma." in shown.stdout
    assert "No checkpoint was measured" in shown.stderr
    again = anchors("add", *EMMA)
    assert "0 anchors added, 1 held already." in again.stderr
    assert again.exit_code == 0


def test_a_file_is_added_whole_or_not(anchors: Invoke, tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("input,output,context\nWho?,Ada.,people\nWhere?,Here.,\nWho?,Ada.,\n")
    before = json.loads(anchors("list", "--json").stdout)
    answer = json.loads(anchors("add", str(path), "--context", "notes", "--json").stdout)
    assert (answer["added"], answer["given"]) == (2, 2)
    listed = json.loads(anchors("list", "--json").stdout)
    assert listed["files"][0]["source"] == "mine.csv"
    assert {"people", "notes"} < {row["context"] for row in listed["contexts"]}
    assert listed["hash"] != before["hash"]
    path.write_text("input,output\nWhen?,Now.\nWho?,Eve.\n")
    refused = anchors("add", str(path))
    assert refused.exit_code == 2
    assert 'has another answer to "Who?"' in refused.stderr
    assert '"Ada."' in refused.stderr
    assert json.loads(anchors("list", "--json").stdout) == listed


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ((), "Give FILE, or --input and --output"),
        (("--input", "Who?"), "Give FILE, or --input and --output"),
        (("facts.jsonl", *EMMA), "Give FILE, or --input and --output"),
        (("--input", "Who?", "--output", " "), "output is blank"),
        (("--input", "Who?", "--output", "Ada.", "--context", "a\nb"), "--context is not one line"),
        (("facts.jsonl",), "facts.jsonl, line 2: has none of"),
        (("nowhere.jsonl",), "does not exist"),
        (
            ("--input", "What is the capital of Iraq?", "--output", "It is Basra."),
            "capitals/iraq has another answer",
        ),
    ],
)
def test_bad_input_is_named(
    anchors: Invoke,
    arguments: tuple[str, ...],
    problem: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("facts.jsonl").write_text('{"text": "Fine."}\n{"input": "Alone?"}\n')
    refused = anchors("add", *arguments)
    assert refused.exit_code == 2
    assert problem in refused.stderr
    assert not list(tmp_path.glob("anchors/*"))


def test_two_do_not_add_at_once(anchors: Invoke, tmp_path: Path) -> None:
    anchors("add", *EMMA)
    held = platform.lock(tmp_path / "runs" / "anchors.lock")
    assert held is not None
    refused = anchors("add", "--input", "Who?", "--output", "Ada.")
    assert refused.exit_code == 1
    assert "Another process adds anchors" in refused.stderr


def test_unknown_anchor_is_named(anchors: Invoke) -> None:
    refused = anchors("show", "capitals/atlantis")
    assert refused.exit_code == 2
    assert "There is no anchor 'capitals/atlantis'" in refused.stderr


def test_coverage_before_anything_was_learned(anchors: Invoke) -> None:
    nothing = anchors("coverage")
    assert nothing.exit_code == 0
    assert "was taught nothing" in nothing.stderr
    assert json.loads(anchors("coverage", "--json").stdout)["examples"] == []
    none = anchors("coverage", "--set", "evaluation.anchor_provider=none")
    assert none.exit_code == 2
    assert "There are no anchors" in none.stderr


@pytest.mark.slow
def test_losses_and_coverage_beside_the_service(
    serve_ember: Callable[..., Running], anchors: Invoke, tmp_path: Path
) -> None:
    """What was learned is looked at while the service owns the root, which stays as it is."""
    sample = {"evaluation.anchor_sample": 8}
    running = serve_ember(**sample, **{"training.max_steps": 2, "anchor.own_samples": 0})
    checkpoint = running.client.teach(FACTS[:2])["checkpoint"]
    limited = ("--set", "evaluation.anchor_sample=8")

    listed = json.loads(anchors("list", *limited, "--json").stdout)
    context = next(row["context"] for row in listed["contexts"] if row["measured"])
    members = json.loads(anchors("list", "--context", context, "--json").stdout)["anchors"]
    shown = [json.loads(anchors("show", member["id"], "--json").stdout) for member in members]
    assert {one["checkpoint"] for one in shown} == {checkpoint}
    (loss,) = [row for one in shown for row in one["losses"]]
    assert loss["loss"] >= 0
    assert f"{loss['base_loss']:.4g}" in anchors("show", loss["window"]).stdout

    files = {path: path.read_bytes() for path in (tmp_path / "adapters").rglob("*.*")}
    found = json.loads(anchors("coverage", *limited, "--threshold", "1", "--json").stdout)
    assert found["checkpoint"] == checkpoint
    assert [row["asks"] for row in found["examples"]] == [question for question, _ in FACTS[:2]]
    assert found["far"] == [row["id"] for row in found["examples"]]
    for row in found["examples"]:
        cosines = [abs(pull["cosine"]) for pull in row["pulls"]]
        assert len(cosines) == 3
        assert cosines == sorted(cosines, reverse=True)
        assert 0 < cosines[0] <= 1
    assert files == {path: path.read_bytes() for path in (tmp_path / "adapters").rglob("*.*")}

    table = anchors("coverage", *limited, "--threshold", "0", "--top", "1", "--examples", "1")
    assert FACTS[0][0] in table.stdout
    assert "FAR FROM EVERY ANCHOR" not in table.stdout
    assert "No example lies far" in table.stderr
    assert sys.stderr.isatty() or "\r" not in table.stderr
