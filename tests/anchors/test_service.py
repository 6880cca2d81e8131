"""What a service makes of anchors that it cannot have, and of those it can."""

import json
import logging
from collections.abc import Callable
from pathlib import Path

import datasets
import pytest

from radiance.errors import ConfigError
from tests.shared_data import STORIES, needs
from tests.support import FACTS, Running

BRIEF = {"training.max_steps": 2, "anchor.own_samples": 0, "anchor.method": "naive"}


@needs(STORIES)
def test_offline_it_starts_and_says_that_forgetting_is_not_measured(
    serve_ember: Callable[..., Running], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "radiance")
    running = serve_ember(base_model=str(STORIES))
    (told,) = [
        record.msg
        for record in caplog.records
        if isinstance(record.msg, dict) and record.msg["event"] == "anchors_missing"
    ]
    assert "tnn1t1s/news-100-sept-2023" in told["reason"]
    assert "not measured" in told["effect"]
    assert running.client.get("/info")["loss_curves"]["forgetting_loss"] is None


def test_a_named_dataset_that_cannot_be_had_keeps_it_from_starting(
    serve_ember: Callable[..., Running],
) -> None:
    with pytest.raises(ConfigError, match="news-100-sept-2023"):
        serve_ember(**{"evaluation.anchor_provider": "hf"})


@needs(STORIES)
def test_long_news_and_own_anchors_are_measured_by_context(
    serve_ember: Callable[..., Running], tmp_path: Path
) -> None:
    """A dataset in the shape of the default one, its texts longer than the model's context."""
    news = [" ".join(f"On day {day} of story {n}." for day in range(70)) for n in range(2)]
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
