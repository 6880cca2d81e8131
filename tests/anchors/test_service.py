"""What a service makes of anchors that it cannot have, and of those it can."""

import json
import logging
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from radiance.anchors import common
from radiance.anchors.sets import MOST_PROMPTS
from radiance.training.self_samples import SELF_GENERATED
from tests.shared_data import STORIES, needs
from tests.support import FACTS, Running

BRIEF = {"training.max_steps": 2, "anchor.own_samples": 0, "anchor.method": "naive"}


@pytest.mark.parametrize("named", ["auto", "hf"])
def test_offline_it_measures_forgetting_on_common_knowledge_and_says_so(
    serve: Callable[..., Running], caplog: pytest.LogCaptureFixture, named: str
) -> None:
    caplog.set_level(logging.WARNING, "radiance")
    running = serve(**{"evaluation.anchor_provider": named})
    (told,) = [
        record.msg
        for record in caplog.records
        if isinstance(record.msg, dict) and record.msg["event"] == "anchors_missing"
    ]
    assert "tnn1t1s/news-100-sept-2023" in told["reason"]
    assert "common knowledge" in told["effect"]
    checkpoint = running.client.teach(FACTS[:2])["checkpoint"]
    info = running.client.get("/info")
    assert info["loss_curves"]["forgetting_loss"] != [None]
    assert info["forgetting_summary"]["retention_score"] is not None
    assert info["anchors"]["source"] == common.SOURCE
    assert info["anchors"]["answered_by_base"] == len(common.read_set())
    assert "tnn1t1s/news-100-sept-2023" in info["anchors"]["missing"]
    measured = running.client.get(f"/checkpoints/{checkpoint}/evaluation")["anchors"]
    groups = Counter(probe["group"] for probe in measured)
    assert groups.pop(SELF_GENERATED) > 0
    assert sum(groups.values()) == MOST_PROMPTS
    overview = running.client.get("/overview.json")
    assert any("tnn1t1s" in alert["text"] for alert in overview["alerts"])


def test_without_any_anchors_nothing_is_measured(serve: Callable[..., Running]) -> None:
    running = serve(**{"evaluation.anchor_provider": "none"})
    running.client.teach(FACTS[:1])
    info = running.client.get("/info")
    assert info["loss_curves"]["forgetting_loss"] is None
    assert info["anchors"] == {
        "source": "",
        "count": 0,
        "own": 0,
        "answered_by_base": 0,
        "missing": None,
    }


@pytest.mark.slow
@needs(STORIES)
def test_long_news_and_own_anchors_are_measured_by_context(
    serve_ember: Callable[..., Running], tmp_path: Path
) -> None:
    """A dataset in the shape of the default one, its texts longer than the model's context."""
    news = [" ".join(f"On day {day} of story {n}." for day in range(70)) for n in range(2)]
    import datasets  # takes most of a second, in every process that collects tests

    datasets.disable_progress_bars()
    (tmp_path / "news").mkdir()
    datasets.Dataset.from_dict({"text": news}).to_parquet(tmp_path / "news" / "train.parquet")
    (tmp_path / "anchors").mkdir()
    own = {"input": "Who is Lily?", "output": "A girl.", "context": "people", "id": "lily"}
    (tmp_path / "anchors" / "mine.jsonl").write_text(json.dumps(own) + "\n")
    settings = {"evaluation.anchor_dataset": str(tmp_path / "news"), "evaluation.anchor_sample": 4}
    running = serve_ember(base_model=str(STORIES), **settings, **BRIEF)
    checkpoint = running.client.teach(FACTS[:2])["checkpoint"]
    measured = running.client.get(f"/checkpoints/{checkpoint}/evaluation")["anchors"]
    assert [(probe["id"], probe["group"]) for probe in measured] == [
        ("lily", "people"),
        ("news.0", "general"),
        ("news.0#2", "general"),
        ("news.1", "general"),
    ]
    assert running.client.get("/info")["loss_curves"]["forgetting_loss"] != [None]
