"""The user's own anchors are kept for good, once, and never two answers to one question."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from huggingface_hub.errors import HTTPError, RepositoryNotFoundError

from radiance import ember
from radiance.anchors import common, own, provider
from radiance.anchors.rows import to_anchor
from radiance.anchors.sets import Anchor, AnchorSet, unite
from radiance.config import Config, EvaluationSettings, load
from radiance.errors import ConfigError, RequestError
from radiance.storage import files, steps

AT = datetime(2026, 2, 9, 10, tzinfo=UTC)
PUBLISHED = ember.MODEL_PATH / "anchors.jsonl"


def qa(question: str, answer: str, **fields: Any) -> Anchor:
    return to_anchor({"input": question, "output": answer, **fields}, None)


def held(folder: Path) -> AnchorSet:
    return unite([a for addition in own.read(folder) for a in addition.anchors], AnchorSet())


def add(
    folder: Path, *anchors: Anchor, existing: AnchorSet | None = None
) -> own.ManifestEntry | None:
    return own.add(folder, anchors, existing or held(folder), "notes", "CC0-1.0", AT)


def test_what_is_added_is_there_with_its_manifest(tmp_path: Path) -> None:
    folder = tmp_path / "anchors"
    chat = [{"role": r, "content": r[0]} for r in ("system", "user", "assistant")]
    anchors = [
        qa("Who?", "Ada.", context="people"),
        to_anchor({"text": "Süß.", "id": "mine"}, None),
        to_anchor({"messages": chat}, None),
    ]
    entry = add(folder, *anchors)
    (addition,) = own.read(folder)
    assert addition.anchors == tuple(anchors)
    assert addition.entry == entry
    assert not addition.is_changed
    told = json.loads((folder / "manifest.json").read_text())["files"]
    assert told == [
        {
            "file": addition.file,
            "source": "notes",
            "licence": "CC0-1.0",
            "sha256": files.hash_file(folder / addition.file),
            "count": 3,
            "added_at": "2026-02-09T10:00:00Z",
        }
    ]


def test_adding_again_adds_nothing(tmp_path: Path) -> None:
    assert add(tmp_path, qa("Who?", "Ada."), qa("Who?", "Ada."))
    assert add(tmp_path, qa("Who?", "Ada.", context="other")) is None
    second = add(tmp_path, qa("Who?", "Ada."), qa("Where?", "Here."))
    assert second
    assert second.count == 1
    assert [len(addition.anchors) for addition in own.read(tmp_path)] == [1, 1]


@pytest.mark.parametrize(
    ("anchors", "problem"),
    [
        ([qa("WHO? ", "Eve.")], 'own.* has another answer to "WHO\\? ": "Ada."'),
        ([qa("When?", "Now."), qa("when?", "Later.")], 'another answer to "when\\?"'),
        ([qa("When?", "Now.", id="mine")], "There is an anchor 'mine' already"),
        ([qa("When?", "Now.", id="a"), qa("How?", "So.", id="a")], "There is an anchor 'a'"),
    ],
)
def test_contradictions_are_refused_and_nothing_is_kept(
    tmp_path: Path, anchors: list[Anchor], problem: str
) -> None:
    add(tmp_path, qa("Who?", "Ada."), qa("Where?", "Here.", id="mine"))
    before = sorted(tmp_path.iterdir())
    with pytest.raises(RequestError, match=problem):
        add(tmp_path, qa("What else?", "Nothing."), *anchors)
    assert sorted(tmp_path.iterdir()) == before


def test_published_answers_are_not_contradicted(tmp_path: Path) -> None:
    existing = provider.load(Config(root=tmp_path), PUBLISHED)
    anchor = qa("What is the capital of Iraq?", "The capital of Iraq is Basra.")
    with pytest.raises(RequestError, match="capitals/iraq has another answer"):
        add(tmp_path, anchor, existing=existing)


class Cut(BaseException):
    pass


def test_cut_off_before_any_step_it_is_added_whole_or_not(tmp_path: Path) -> None:
    taken = -1
    is_finished = False
    while not is_finished:
        taken += 1
        folder = tmp_path / str(taken)
        left = iter(range(taken))

        def cut(name: str, left: Iterator[int] = left) -> None:
            if next(left, None) is None:
                raise Cut(name)

        steps.set_hook(cut)
        try:
            add(folder, qa("Who?", "Ada."))
            is_finished = True
        except Cut:
            pass
        finally:
            steps.set_hook(None)
        survived = own.read(folder)
        assert not any(addition.is_changed or not addition.entry for addition in survived)
        assert (add(folder, qa("Who?", "Ada.")) is None) == bool(survived)
        assert [len(addition.anchors) for addition in own.read(folder)] == [1]
    assert taken >= 9  # the folder, and four for each of the two files


def test_files_put_there_by_hand_count_and_changes_show(tmp_path: Path) -> None:
    entry = add(tmp_path, qa("Who?", "Ada."))
    assert entry
    (tmp_path / "by-hand.jsonl").write_text('{"text": "Some text."}\n')
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "not.jsonl").write_text("nonsense")
    with (tmp_path / entry.file).open("a") as file:
        file.write('{"text": "More."}\n')
    changed, by_hand = own.read(tmp_path)
    assert (changed.is_changed, len(changed.anchors)) == (True, 2)
    assert (by_hand.entry, by_hand.is_changed) == (None, False)
    assert by_hand.anchors[0].example.id == "by-hand.1"


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("mine.jsonl", '{"text": ""}', "mine.jsonl, line 1: text is blank"),
        ("manifest.json", "{", "manifest.json: cannot be read"),
        ("manifest.json", '{"files": [{"file": 1}]}', "manifest.json: cannot be read"),
    ],
)
def test_damage_is_named(tmp_path: Path, name: str, content: str, problem: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(ConfigError, match=problem):
        own.read(tmp_path)


# ----------------------------------------------------------------------------- provider


def test_own_anchors_come_beside_every_provider(tmp_path: Path) -> None:
    add(tmp_path / "anchors", qa("Who?", "Ada."))
    (tmp_path / "list.jsonl").write_text('{"text": "Some text."}\n')
    settings = {"evaluation.anchor_provider": "local", "evaluation.anchor_path": "list.jsonl"}
    assert len(provider.load(load(tmp_path, settings), PUBLISHED)) == 2
    assert len(provider.load(load(tmp_path), PUBLISHED)) == 446
    alone = provider.load(load(tmp_path, {"evaluation.anchor_provider": "none"}), PUBLISHED)
    assert (len(alone), alone.own, alone.source) == (1, 1, "")


@pytest.mark.parametrize("named", ["auto", "hf"])
def test_offline_common_knowledge_takes_the_place_of_the_named_dataset(
    tmp_path: Path, named: Any
) -> None:
    settings = EvaluationSettings(anchor_provider=named)
    other = Config(base_model="elsewhere/model", evaluation=settings, root=tmp_path)
    anchors = provider.load(other, PUBLISHED)
    assert anchors.anchors == common.read_set().anchors
    assert "tnn1t1s/news-100-sept-2023" in anchors.missing
    add(tmp_path / "anchors", qa("Who?", "Ada."))
    with_own = provider.load(other, PUBLISHED)
    assert (with_own.own, with_own.missing) == (1, anchors.missing)


def test_what_is_not_missing_is_not_said_to_be(tmp_path: Path) -> None:
    assert provider.load(Config(root=tmp_path), PUBLISHED).missing == ""
    asked_for = EvaluationSettings(anchor_provider="common")
    assert provider.load(Config(evaluation=asked_for, root=tmp_path), PUBLISHED).missing == ""


def test_a_dataset_that_the_hub_does_not_have_is_an_error_to_whoever_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(name: str, **_: Any) -> None:
        response: Any = httpx.Response(404, request=httpx.Request("GET", "http://localhost"))
        raise RepositoryNotFoundError("404 Client Error.", response=response)

    monkeypatch.setattr("huggingface_hub.snapshot_download", refuse)
    base = "elsewhere/model"
    named = EvaluationSettings(anchor_provider="hf")
    with pytest.raises(ConfigError, match="404"):
        provider.load(Config(base_model=base, evaluation=named, root=tmp_path), PUBLISHED)
    assert "404" in provider.load(Config(base_model=base, root=tmp_path), PUBLISHED).missing


def test_a_dataset_that_breaks_off_is_missing_and_no_error_to_who_did_not_name_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_off(name: str, **_: Any) -> None:
        raise HTTPError("peer closed connection")

    monkeypatch.setattr("huggingface_hub.snapshot_download", break_off)
    found = provider.load(Config(base_model="elsewhere/model", root=tmp_path), PUBLISHED)
    assert "peer closed connection" in found.missing


def test_what_this_machine_should_have_is_an_error(tmp_path: Path) -> None:
    for settings, problem in (
        (EvaluationSettings(anchor_provider="local"), 'anchor_path \\(is ""\\)'),
        (EvaluationSettings(anchor_provider="local", anchor_path="nothing"), "cannot read"),
    ):
        with pytest.raises(ConfigError, match=problem):
            provider.load(Config(evaluation=settings, root=tmp_path), PUBLISHED)


def test_auto_with_another_base_reads_the_named_dataset(tmp_path: Path) -> None:
    dataset = tmp_path / "dataset"
    dataset.mkdir()
    (dataset / "train.jsonl").write_text('{"text": "News."}\n')
    settings = {"base_model": "elsewhere/model", "evaluation.anchor_dataset": str(dataset)}
    assert len(provider.load(load(tmp_path, settings), PUBLISHED)) == 1


def test_an_id_used_twice_is_named(tmp_path: Path) -> None:
    (tmp_path / "anchors").mkdir()
    (tmp_path / "anchors" / "mine.jsonl").write_text('{"text": "x", "id": "capitals/iraq"}\n')
    with pytest.raises(ConfigError, match="two anchors have the id 'capitals/iraq'"):
        provider.load(Config(root=tmp_path), PUBLISHED)
