"""Each page says the numbers of its twin in JSON, and each chart its rows, without any script."""

import json
import re
import urllib.request
from typing import Any

import pytest

from radiance.web import wording
from tests.page_paths import page_paths
from tests.support import Client
from tests.web.reading import text_of
from tests.web.test_site import fetch


def leaves(value: Any, keys: tuple[str, ...]) -> list[tuple[str, Any]]:
    """The numbers below any of these keys, wherever they stand."""
    found: list[tuple[str, Any]] = []
    if isinstance(value, dict):
        for name, inner in value.items():
            if name == "drawn":  # places in a picture
                continue
            if name in keys and isinstance(inner, int | float) and not isinstance(inner, bool):
                found.append((name, inner))
            found += leaves(inner, keys)
    elif isinstance(value, list):
        for inner in value:
            found += leaves(inner, keys)
    return found


def variants(value: float) -> set[str]:
    """The ways in which a page may write a number."""
    found = {
        wording.number(value),
        wording.plain(value),
        wording.signed(value),
        wording.duration(value),
    }
    return {*found, wording.percent(value), wording.size(value), f"{value:.4g}", str(value)}


# What each page's twin holds that must be read on the page: keys whose numbers are all shown.
SHOWN = {
    "/": ("answers", "updates", "examples", "retention_score", "recall_exact"),
    "/learn": ("example_count",),
    "/learn/{job_id}": ("example_count",),
    "/cycles": ("cycle_id", "updates", "examples", "loss"),
    "/cycles/{cycle_id}": ("projected_ratio", "tokens", "seconds", "evaluating_s"),
    "/checkpoints": ("new_exact", "recall_exact", "retention_score"),
    "/checkpoints/{checkpoint_id}": ("new_exact", "retention_score", "bwt", "steps", "seed"),
    "/compare": ("a", "b", "measured"),
    "/gate": ("passed", "failed", "skipped"),
    "/gate/{checkpoint_id}": ("value", "limit"),
    "/audit": ("number",),
}


def only(pattern: str, markup: str) -> str:
    """The one place where it stands, in the group of the pattern."""
    (found,) = re.findall(pattern, markup, re.DOTALL)
    return found


def twin_of(path: str) -> str:
    bare, _, query = path.partition("?")
    return "/overview.json" if path == "/" else f"{bare}.json?{query}"


@pytest.mark.parametrize("place", [0, 1, 2], ids=["rejected", "serving", "before"])
def test_a_page_says_the_numbers_of_its_twin_and_its_charts_their_rows(
    client: Client, place: int
) -> None:
    seen = set()
    for declared, path in page_paths(client, place).items():
        asked = urllib.request.Request(client.url + path, headers={"Accept": "text/html"})
        with client.open(asked) as answer:
            policy, kind = (answer.headers[n] for n in ("Content-Security-Policy", "Content-Type"))
            page = only(r"<main\b.*</main>", answer.read().decode())
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert kind.startswith("text/html")

        status, kind, sent = fetch(client, twin_of(path), "application/json")
        assert (status, kind) == (200, "application/json")
        text, twin = text_of(page), json.loads(sent)
        for name, value in leaves(twin, SHOWN.get(declared, ())):
            seen.add((declared, name))
            assert any(form in text for form in variants(value)), (path, name, value)
        for chart in (*twin.values(), *twin.get("charts", ())):
            if not isinstance(chart, dict) or "series" not in chart:
                continue
            figure = only(rf'<figure[^>]*\bid="chart-{chart["id"]}".*?</figure>', page)
            rows = only(r"<tbody>(.*?)</tbody>", figure)
            cells = [text_of(cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", rows, re.DOTALL)]
            assert cells == [wording.plain(v) for row in chart["rows"] for v in row[1:]], chart[
                "id"
            ]
            drawn = "".join(re.findall(r"<svg[^>]*\blines\b.*?</svg>", figure, re.DOTALL))
            lines = len(re.findall(r"<(?:polyline|circle)\b", drawn))
            assert lines == sum(
                any(row[place] is not None for row in chart["rows"])
                for place in range(1, len(chart["series"]) + 1)
            ), chart["id"]
    assert {path for path, _ in seen} == set(SHOWN)
