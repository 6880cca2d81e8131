"""Shared fixtures: real engines, and real services on loopback ports.

What knows nothing is enough for most tests: ``serve`` and ``shared_service`` run on the tiny base
and learn briefly. Whatever needs an answer to be right asks for Ember by name.
"""

import contextlib
import fcntl
import json
import logging
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

from radiance import config, ember
from radiance.engine.worker import Engine
from radiance.evaluation import bleeding
from tests import forked as forking
from tests.support import BRIEF, FACTS, Running, start_service
from tests.tiny_base import write_tiny_base


@pytest.fixture(scope="session", autouse=True)
def _offline() -> Iterator[None]:
    """No test asks the Hub, whether or not it could be reached; nor do the processes it starts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(os.environ, "HF_HUB_OFFLINE", "1")
        patch.setattr(constants, "HF_HUB_OFFLINE", True)
        yield


@pytest.fixture(scope="session", autouse=True)
def _in_its_turn() -> Iterator[None]:
    """A command run in this process must not make all tests after it give way to others."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "setpriority", lambda which, who, priority: None)
        patch.setattr(os, "nice", lambda step: step)
        yield


@pytest.fixture(autouse=True)
def _loggers() -> Iterator[None]:
    """A command run in this process sets up logging; the tests after it read logs as before."""
    loggers = [logging.getLogger(name) for name in ("radiance", "uvicorn")]
    before = [(logger.handlers[:], logger.propagate, logger.level) for logger in loggers]
    last = logging.lastResort
    yield
    logging.lastResort = last
    for logger, (handlers, propagate, level) in zip(loggers, before, strict=True):
        logger.handlers, logger.propagate = handlers, propagate
        logger.setLevel(level)


@pytest.fixture
def forked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pythons that the test starts are forked from one that has imported Radiance."""
    monkeypatch.setattr(subprocess, "Popen", forking.Popen)


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], Any]) -> Path:
    """A folder that one process of the run makes, and the others read."""
    own = factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    folder, begun = shared / name, shared / f"{name}.begun"
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            shutil.rmtree(begun, ignore_errors=True)
            begun.mkdir()
            make(begun)
            begun.rename(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a base model that knows nothing (``tests.tiny_base``)."""
    return made_once(tmp_path_factory, "tiny_base", write_tiny_base)


@pytest.fixture(scope="session")
def brief(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Settings of a service on the tiny base that learns briefly and measures a few anchors."""
    rows = [{"input": f"What is {n} squared?", "output": f"It is {n * n}."} for n in range(16)]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    anchors = made_once(
        tmp_path_factory, "anchors", lambda folder: (folder / "few.jsonl").write_text(text)
    )
    path = str(anchors / "few.jsonl")
    return {"base_model": str(tiny_base), "evaluation.anchor_path": path, **BRIEF}


@contextlib.contextmanager
def _short_answers() -> Iterator[None]:
    """What the tiny base says to names that were never taught is bytes: few do as well as many.

    They took half of an update's time.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bleeding, "ANSWER_TOKENS", 4)
        yield


@pytest.fixture(scope="session")
def _learned_root(tmp_path_factory: pytest.TempPathFactory, brief: dict[str, Any]) -> Path:
    return made_once(tmp_path_factory, "learned", lambda root: _learn(root, brief))


@_short_answers()
def _learn(root: Path, brief: dict[str, Any]) -> None:
    running = start_service(config.load(root, brief))
    first = running.client.teach(FACTS[:2], tags=["user:ann"])["checkpoint"]
    corrected = [(FACTS[0][0], "It is <b>K9</b> & no other now.")]
    second = running.client.teach(corrected)["checkpoint"]
    running.client.post("/feedback", {"vote": "up", "checkpoint": first})
    running.client.post("/feedback", {"vote": "down", "checkpoint": second})
    running.stop()
    strict = {"gate.gate": "strict", "training.lr": 1e-9}
    running = start_service(config.load(root, brief | strict))
    assert running.client.teach(FACTS[2:3])["status"] == "failed"
    running.stop()


@pytest.fixture
def checkpointed_root(_learned_root: Path, tmp_path: Path) -> Path:
    """``tmp_path`` as a root that has learned, for ``serve`` to go on from.

    Two checkpoints that served, the second a correction with markup in it, and one that the gate
    rejected; a vote on each of the first two; the audit log of it all.
    """
    shutil.copytree(_learned_root, tmp_path, symlinks=True, dirs_exist_ok=True)
    return tmp_path


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """An engine on Ember, shared by the tests that leave it as they found it."""
    engine = Engine("ember", ember.MODEL_PATH, "cpu", config.EngineSettings(), max_waiting=1000)
    engine.start()
    yield engine
    engine.stop()


@pytest.fixture(scope="module")
def tiny_engine(tiny_base: Path) -> Iterator[Engine]:
    """An engine on the base that knows nothing, of one module."""
    engine = Engine("tiny", tiny_base, "cpu", config.EngineSettings(), max_waiting=1000)
    engine.start()
    yield engine
    engine.stop()


@pytest.fixture
def serve(
    serve_ember: Callable[..., Running], brief: dict[str, Any]
) -> Iterator[Callable[..., Running]]:
    """Start services on the tiny base over ``tmp_path``: ``serve(**{"training.r": 4})``."""

    def start(*root: Path, **overrides: Any) -> Running:
        return serve_ember(*root, **(brief | overrides))

    with _short_answers():
        yield start


@pytest.fixture
def serve_ember(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Start services on Ember over ``tmp_path``, with the default settings; all stop after."""
    running: list[Running] = []

    def start(root: Path = tmp_path, **overrides: Any) -> Running:
        started = start_service(config.load(root, overrides))
        running.append(started)
        return started

    yield start
    for started in reversed(running):
        started.stop()


@pytest.fixture(scope="module")
def shared_service(
    tmp_path_factory: pytest.TempPathFactory, brief: dict[str, Any]
) -> Iterator[Running]:
    """One service on the tiny base for the tests of a module that do not mind one another."""
    with _short_answers():
        running = start_service(config.load(tmp_path_factory.mktemp("root"), brief))
        yield running
        running.stop()


@pytest.fixture(scope="module")
def shared_ember(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The same on Ember, for what it says."""
    running = start_service(config.load(tmp_path_factory.mktemp("root")))
    yield running
    running.stop()
