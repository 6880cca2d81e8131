"""How a run of tests begins and ends. The fixtures that all share are in tests/fixtures.py."""

import contextlib
import gc
import importlib
import os
import shutil
import tempfile
import threading
import tomllib
from collections.abc import Generator
from importlib import metadata
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from radiance import extensions
from tests.example_counts import QUICK_EXAMPLES, USUAL_EXAMPLES
from tests.shared_data import REPOSITORY

pytest_plugins = ["tests.lanes"]

settings.register_profile(
    "radiance",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    max_examples=USUAL_EXAMPLES,
)
settings.register_profile("quick", settings.get_profile("radiance"), max_examples=QUICK_EXAMPLES)
settings.load_profile("radiance")


_MEMORY = Path("/dev/shm")  # Linux keeps its files in memory
_ROOM_BYTES = 4 << 30
_in_memory: list[Path] = []


def pytest_configure(config: pytest.Config) -> None:
    gc.disable()  # until all is imported and collected
    # The threads of a BLAS wait for one another by spinning, and there is a process for each core.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    _check_entry_points()
    _keep_temporary_files_in_memory()
    is_worker = hasattr(config, "workerinput")
    if is_worker or config.getoption("dist", "no") == "no":
        # What hands tests out to others runs none: it need not import all that the fixtures do.
        config.pluginmanager.import_plugin("tests.fixtures")


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """What is imported and collected stays: garbage is looked for in what comes after it.

    Five thousand tests are a million objects, which took a second of a core to look through again
    and again while they were collected.
    """
    _import_beginning_elsewhere(session.config)
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def _import_beginning_elsewhere(config: pytest.Config) -> None:
    """Have each process of a run import other tests first.

    Of a new checkout pytest rewrites the assertions of every file, a dozen seconds of a core, and
    keeps what it wrote: so each process rewrites its share and reads that of the others.
    """
    worker = getattr(config, "workerinput", None)
    if worker is None or [Path(path).name for path in config.args] != ["tests"]:
        return
    ignored = [Path(path).resolve() for path in config.getoption("ignore") or ()]
    tests = [
        path
        for path in sorted((REPOSITORY / "tests").rglob("test_*.py"))
        if not any(path.is_relative_to(folder) for folder in ignored)
    ]
    first = len(tests) * int(worker["workerid"].removeprefix("gw")) // worker["workercount"]
    for path in tests[first:] + tests[:first]:
        name = ".".join(path.relative_to(REPOSITORY).with_suffix("").parts)
        # What cannot be imported, or is skipped, is told of when it is collected.
        with contextlib.suppress(Exception, pytest.skip.Exception):
            importlib.import_module(name)


def pytest_unconfigure() -> None:
    for folder in _in_memory:
        shutil.rmtree(folder, ignore_errors=True)


def _keep_temporary_files_in_memory() -> None:
    """Have the tests' files in memory where the system has room there and TMPDIR names no place.

    Tests wait for thousands of syncs, which cost milliseconds on a disk and nothing in memory. The
    kernel keeps both over a kill. The files go when the run ends; with TMPDIR they stay.
    """
    if "TMPDIR" in os.environ or not os.access(_MEMORY, os.W_OK):
        return  # a worker of xdist has what the first process chose
    if shutil.disk_usage(_MEMORY).free < _ROOM_BYTES:
        return
    folder = tempfile.mkdtemp(prefix="radiance-tests-", dir=_MEMORY)
    _in_memory.append(Path(folder))
    os.environ["TMPDIR"] = folder
    tempfile.tempdir = None  # asked for once and then kept


def _check_entry_points() -> None:
    """The labs are found by what is installed: an older installation would hide them."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = project["entry-points"][extensions.GROUP].items()
    found = {(e.name, e.value) for e in metadata.entry_points(group=extensions.GROUP)}
    if not declared <= found:
        raise pytest.UsageError(
            "The installed entry points are older than pyproject.toml. Run `make check`, or "
            "`.venv/bin/pip install --no-deps --editable .`."
        )


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish() -> None:
    """A thread that is still running would keep the whole run from ending: say which, and fail.

    Python waits for such threads after the summary, and no test's time limit covers that.
    """
    gc.collect()
    gc.freeze()  # pytest looks for garbage five times more
    left = [t for t in threading.enumerate() if t is not threading.main_thread() and not t.daemon]
    for thread in left:
        thread.join(timeout=5)
    if stuck := [thread.name for thread in left if thread.is_alive()]:
        raise pytest.UsageError(f"threads are still running after the tests: {stuck}")
