"""Shared fixtures: the real engine on the embedded model, and a real service on a loopback port."""

import logging
import os
import threading
import tomllib
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants
from hypothesis import HealthCheck, settings

from radiance import config, ember, extensions
from radiance.engine.worker import Engine
from tests.support import REPOSITORY, Running, start_service

settings.register_profile(
    "radiance", deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=50
)
settings.load_profile("radiance")


def pytest_configure() -> None:
    """The labs are found by what is installed: an older installation would hide them."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = project["entry-points"][extensions.GROUP].items()
    found = {(e.name, e.value) for e in metadata.entry_points(group=extensions.GROUP)}
    if not declared <= found:
        raise pytest.UsageError(
            "The installed entry points are older than pyproject.toml. Run `make check`, or "
            "`.venv/bin/pip install --no-deps --editable .`."
        )


@pytest.fixture(scope="session", autouse=True)
def _offline() -> Iterator[None]:
    """No test asks the Hub, whether or not it could be reached; nor do the processes it starts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(os.environ, "HF_HUB_OFFLINE", "1")
        patch.setattr(constants, "HF_HUB_OFFLINE", True)
        yield


@pytest.fixture(autouse=True)
def _loggers() -> Iterator[None]:
    """A command run in this process sets up logging; the tests after it read logs as before."""
    loggers = [logging.getLogger(name) for name in ("radiance", "uvicorn")]
    before = [(logger.handlers[:], logger.propagate, logger.level) for logger in loggers]
    yield
    for logger, (handlers, propagate, level) in zip(loggers, before, strict=True):
        logger.handlers, logger.propagate = handlers, propagate
        logger.setLevel(level)


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """An engine on Ember, shared by the tests that leave it as they found it."""
    engine = Engine("ember", ember.MODEL_PATH, "cpu", config.EngineSettings(), max_waiting=1000)
    engine.start()
    yield engine
    engine.stop()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Start services over ``tmp_path``: ``serve(**{"training.r": 4})``; all are stopped after."""
    running: list[Running] = []

    def start(root: Path = tmp_path, **overrides: Any) -> Running:
        started = start_service(config.load(root, overrides))
        running.append(started)
        return started

    yield start
    for started in reversed(running):
        started.stop()


@pytest.fixture(scope="module")
def shared_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One service for the tests of a module that do not mind one another."""
    running = start_service(config.load(tmp_path_factory.mktemp("root")))
    yield running
    running.stop()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish() -> None:
    """A thread that is still running would keep the whole run from ending: say which, and fail.

    Python waits for such threads after the summary, and no test's time limit covers that.
    """
    left = [t for t in threading.enumerate() if t is not threading.main_thread() and not t.daemon]
    for thread in left:
        thread.join(timeout=5)
    if stuck := [thread.name for thread in left if thread.is_alive()]:
        raise pytest.UsageError(f"threads are still running after the tests: {stuck}")
