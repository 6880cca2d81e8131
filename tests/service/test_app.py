"""The order of starting and stopping, and what a part that fails leaves of the others."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from radiance import config, platform
from radiance.engine.worker import Engine
from radiance.errors import ConfigError, StorageError, Unavailable
from radiance.learning.pipeline import Pipeline
from radiance.records import Message
from radiance.release.canary import CanaryRouter
from radiance.release.monitor import Monitor
from radiance.service.app import Service
from tests.support import FACTS, Running

Make = Callable[..., Service]


@pytest.fixture
def make(tmp_path: Path, tiny_base: Path, brief: dict[str, Any]) -> Iterator[Make]:
    """Services over ``tmp_path``, without a server; all are stopped after."""
    made: list[Service] = []

    def service(**settings: Any) -> Service:
        loaded = config.load(tmp_path, brief | settings)
        made.append(Service(loaded, tiny_base))
        return made[-1]

    yield service
    for one in made:
        one.stop()


def is_free(root: Path) -> bool:
    """Whether another process could serve this root."""
    descriptor = platform.lock(root / "runs" / "radiance.lock")
    if descriptor is None:
        return False
    os.close(descriptor)
    return True


def full_disk(*_: object) -> None:
    raise StorageError("no space left on device")


@pytest.mark.parametrize("part", [CanaryRouter, Monitor, Pipeline])
def test_a_part_that_cannot_stop_leaves_nothing_else_open(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: Any
) -> None:
    stop = part.stop

    def stop_and_fail(self: Any) -> None:
        stop(self)  # its thread is not to outlive the test
        full_disk()

    monkeypatch.setattr(part, "stop", stop_and_fail)
    service = make()
    service.start()
    services = service.services
    with pytest.raises(StorageError, match="no space left"):
        service.stop()
    assert not services.engine.is_ready
    with pytest.raises(Unavailable, match="database is closed"):
        services.jobs.depth()
    assert is_free(tmp_path)


def test_everything_that_fails_to_stop_is_tried(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []

    def failing(part: Any) -> Callable[[Any], None]:
        stop = part.stop

        def fail(self: Any) -> None:
            stop(self)
            tried.append(part.__name__)
            full_disk()

        return fail

    for part in (CanaryRouter, Monitor, Pipeline, Engine):
        monkeypatch.setattr(part, "stop", failing(part))
    service = make()
    service.start()
    with pytest.raises(StorageError):
        service.stop()
    assert tried == ["CanaryRouter", "Monitor", "Pipeline", "Engine"], "last started first"
    assert is_free(tmp_path)


def test_it_says_whether_it_starts_serves_or_stops(make: Make) -> None:
    service = make()
    with pytest.raises(Unavailable, match="starting"):
        _ = service.services
    service.start()
    assert service.services.config.base_model
    service.stop()
    with pytest.raises(Unavailable, match="stopping"):
        _ = service.services


def test_a_stop_before_the_start_prevents_it(make: Make, tmp_path: Path) -> None:
    service = make()
    service.stop()
    service.start()
    with pytest.raises(Unavailable, match="stopping"):
        _ = service.services
    assert not (tmp_path / "runs").exists()


def test_stopping_twice_is_stopping_once(make: Make, tmp_path: Path) -> None:
    service = make()
    service.start()
    service.stop()
    service.stop()
    assert is_free(tmp_path)


def test_a_start_that_fails_gives_everything_back_when_stopped(make: Make, tmp_path: Path) -> None:
    """The anchors are read late: root, database and engine are open by then."""
    service = make(**{"evaluation.anchor_path": "nowhere.jsonl"})
    with pytest.raises(ConfigError, match=r"nowhere\.jsonl"):
        service.start()
    assert not is_free(tmp_path)
    service.stop()
    assert is_free(tmp_path)
    again = make()
    again.start()
    assert again.services.engine.call(lambda: 7) == 7


def test_the_start_says_what_serves_and_computes(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "radiance")
    make().start()
    messages = [r.msg for r in caplog.records if isinstance(r.msg, dict)]
    (told,) = [message for message in messages if message["event"] == "service_ready"]
    assert (told["checkpoint"], told["waiting_jobs"], told["backend"]) == (None, 0, "cpu")
    assert told["blas"] != "reference" or not platform.load_fast_blas().is_fast


def test_what_was_taught_is_drafted(checkpointed_root: Path, serve: Callable[..., Running]) -> None:
    """At the start what serves was taught, then what comes to serve; corrected answers are not."""
    running = serve(checkpointed_root)
    engine = running.service.services.engine
    speculation = engine._made.speculation
    assert speculation is not None
    known = speculation.known

    def drafted(question: str) -> str:
        prompt = engine.encoder.prompt([Message("user", question)])
        place = engine.call(lambda: known.answer_to(prompt))
        return "" if place is None else engine.base.tokenizer.decode(list(place[0][:-1]))

    assert drafted(FACTS[1][0]) == FACTS[1][1]
    assert drafted(FACTS[0][0]) == "It is <b>K9</b> & no other now."
    assert drafted(FACTS[2][0]) == "", "the gate rejected what was taught"
    rejected = running.service.services.registry.all(1)[0].checkpoint_id
    running.client.post("/promote", {"checkpoint": rejected, "force": True})
    assert drafted(FACTS[2][0]) == FACTS[2][1]
    running.client.teach(FACTS[3:4])
    assert drafted(FACTS[3][0]) == FACTS[3][1], "known by when the job has succeeded"


def test_what_another_base_s_template_refuses_is_set_aside(
    tiny_base: Path, tmp_path: Path, serve: Callable[..., Running]
) -> None:
    """Anchors and queued examples with a system turn, on a template without: all else goes on."""
    other = shutil.copytree(tiny_base, tmp_path / "other")
    settings = json.loads((other / "tokenizer_config.json").read_text())
    refusal = "{% if messages[0].role == 'system' %}{{ raise_exception('No system.') }}{% endif %}"
    settings["chat_template"] = refusal + settings["chat_template"]
    (other / "tokenizer_config.json").write_text(json.dumps(settings))
    system = [{"role": "system", "content": "Be brief."}]
    chat = [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "Mira."}]
    anchors = tmp_path / "anchors.jsonl"
    rows = [{"id": "kept", "messages": chat}, {"id": "aside", "messages": system + chat}]
    anchors.write_text("\n".join(map(json.dumps, rows)))
    options = {"evaluation.anchor_path": str(anchors)}
    root = tmp_path / "root"
    before = serve(root, **options)
    before.client.post("/training/pause", {"reason": "the base changes"})
    jobs = [
        before.client.post("/update", {"examples": [{"messages": turns}]})["job_id"]
        for turns in (system + chat, [{"role": "user", "content": "Where?"}, chat[1]])
    ]
    before.stop()
    after = serve(root, **options, base_model=str(other))
    assert [a.example.id for a in after.service.services.anchors.anchors] == ["kept"]
    refused = after.client.send("/update", {"examples": [{"messages": system + chat}]})
    assert refused[0] == 400
    assert refused[1]["error"]["param"] == "examples[0].messages[0].role"
    after.client.post("/training/resume", {})
    assert after.client.wait_for(jobs[1])["status"] == "succeeded"
    chats = {"messages": system + chat[:1], "max_tokens": 2}
    assert after.client.send("/v1/chat/completions", chats)[0] == 400
    assert after.client.send("/v1/chat/completions", {**chats, "messages": chat[:1]})[0] == 200
