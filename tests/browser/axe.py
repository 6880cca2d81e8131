"""axe-core on an open page: what of it some people cannot read or use."""

from typing import Any

from axe_playwright_python.base import AXE_SCRIPT

VIOLATIONS: dict[str, Any] = {"resultTypes": ["violations"]}
COLOURS: dict[str, Any] = {**VIOLATIONS, "runOnly": {"type": "tag", "values": ["cat.color"]}}
"""The rules of colours alone, for another theme of a page that was looked at."""


def violations(page: Any, options: dict[str, Any] = VIOLATIONS) -> list[tuple[str, str]]:
    """The rules that the page breaks, each with the first element that does.

    The script is half a megabyte, so a document is given it once.
    """
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    found = page.evaluate(
        """async (options) => (await axe.run(options)).violations
            .map((broken) => [broken.id, broken.nodes[0].html])""",
        options,
    )
    return [(rule, element) for rule, element in found]
