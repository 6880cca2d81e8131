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
    """Mark each test with its lane, and share them out: long ones first, else one at a time."""
    for item in items:
        folder = item.path.relative_to(REPOSITORY / "tests").parts[0]
        if folder in _FOLDERS:
            item.add_marker(folder)
        if _shares_module(item):
            item.add_marker(pytest.mark.xdist_group(str(item.path)))
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


def _shares_module(item: pytest.Item) -> bool:
    """Whether a fixture is made once for all tests of the module: two workers would make two."""
    fixtures = item._fixtureinfo.name2fixturedefs.values()  # type: ignore[attr-defined]
    return any(fixture.scope == "module" for found in fixtures for fixture in found)


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
