"""Which lane a test runs in, which process runs it, and what is said of the skipped at the end.

The folders ``browser``, ``crash`` and ``e2e`` are lanes of their own; ``slow`` is marked by hand.
``make quick`` leaves all four out: it has the unit and API tests, on the tiny base or on Ember as
it is shipped. What learns facts on Ember, starts several processes, kills, or drives a browser is
in ``make test`` alone.
"""

from collections import Counter

import pytest

from tests.shared_data import FOLDER, REPOSITORY, VARIABLE, missing_path

_FOLDERS = ("browser", "crash", "e2e")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with its lane; files with long ones come first, so no process idles last.

    `make` gives a process whole files (``--dist=loadfile``): what the tests of a file share, a
    taught service say, is made once.
    """
    long_files = set()
    for item in items:
        folder = item.path.relative_to(REPOSITORY / "tests").parts[0]
        if folder in _FOLDERS:
            item.add_marker(folder)
        if folder in _FOLDERS or item.get_closest_marker("slow"):
            long_files.add(item.path)
    items.sort(key=lambda item: item.path not in long_files)


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
