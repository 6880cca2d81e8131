"""Which lane a test runs in, which process runs it, and what is said of the skipped at the end.

The folders ``browser``, ``crash`` and ``e2e`` are lanes of their own; ``slow`` is marked by hand.
``make quick`` leaves all four out: it has the unit and API tests, on the tiny base or on Ember as
it is shipped. What learns facts on Ember, starts several processes, kills, or drives a browser is
in ``make test`` alone.
"""

import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.shared_data import FOLDER, REPOSITORY, VARIABLE, missing_path

_FOLDERS = ("browser", "e2e", "crash")
_STARTING = {"engine", "tiny_engine", "serve_ember", "shared_service", "shared_ember", "brief"}
"""Fixtures that start an engine or a service: most of what quick tests take."""
_APART = ("tests/bench/test_benches.py",)
"""Files whose tests take long and share nothing, so that each may go to another process."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Half as many processes again as cores, and one more for quick tests, which wait most.

    On two cores quick tests took 212 s in two processes, 176 in three and 167 in four.
    """
    cores = os.cpu_count() or 1
    return cores + cores // 2 + bool(config.getoption("markexpr"))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """As ``--dist=loadfile`` has it, but the tests of ``_APART`` one by one."""
    if config.getoption("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class ByFile(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = super()._split_scope(nodeid)
            return nodeid if file in _APART else file

    return ByFile(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with the lane of its folder."""
    for item in items:
        folder = item.path.relative_to(REPOSITORY / "tests").parts[0]
        if folder in _FOLDERS:
            item.add_marker(folder)


@pytest.hookimpl(specname="pytest_collection_modifyitems", trylast=True)
def pytest_order_files(items: list[pytest.Item]) -> None:
    """Have the long files first, so that no process idles last; of what is left to run.

    `make` gives a process whole files (``--dist=loadfile``): what the tests of a file share, a
    taught service say, is made once. Of a lane the files with most engines and services come first.
    """
    lanes = (*_FOLDERS, "slow")
    ranks: dict[Path, int] = {}
    starting: Counter[Path] = Counter()
    for item in items:
        found = (place for place, lane in enumerate(lanes) if item.get_closest_marker(lane))
        ranks[item.path] = min(next(found, len(lanes)), ranks.get(item.path, len(lanes)))
        starting[item.path] += not _STARTING.isdisjoint(getattr(item, "fixturenames", ()))
    items.sort(key=lambda item: (ranks[item.path], -starting[item.path]))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """A line for all test data that is missing, and one for each other reason to skip."""
    skipped = terminalreporter.stats.get("skipped", [])
    reasons = Counter(report.longrepr[2].removeprefix("Skipped: ") for report in skipped)
    missing = {path: count for reason, count in reasons.items() if (path := missing_path(reason))}
    if missing:
        paths = ", ".join(sorted(missing))
        count = sum(missing.values())
        terminalreporter.write_line(f"{count} skipped: {VARIABLE} ({FOLDER}) has no {paths}")
    for reason, count in sorted(reasons.items()):
        if not missing_path(reason):
            terminalreporter.write_line(f"{count} skipped: {reason}")
