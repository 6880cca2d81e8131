"""Pages in Chromium: what is drawn, what follows the service, and the numbers of each twin."""

import urllib.request
from collections.abc import Callable
from typing import Any

import pytest

from radiance.web import wording
from tests.page_paths import page_paths
from tests.support import FACTS, Running


@pytest.fixture(scope="module", autouse=True)
def taught(shared_service: Running) -> Running:
    """Two checkpoints to show."""
    shared_service.client.teach(FACTS[:1])
    shared_service.client.teach(FACTS[1:2])
    return shared_service


@pytest.fixture
def open_page(open_at: Callable[..., Any], taught: Running) -> Callable[..., Any]:
    """Open pages of that service: ``open_page("/", color_scheme="dark")``."""
    return lambda path, **options: open_at(taught.client.url, path, **options)


def ink(page: Any) -> dict[str, list[int]]:
    """By chart, how many pixels have each series' colour while it alone is shown.

    Lines that lie on one another would hide one another.
    """
    return page.evaluate(
        """async () => {
            const drawn = () => new Promise((done) =>
                requestAnimationFrame(() => requestAnimationFrame(done)));
            const count = (plot, series) => {
                const canvas = plot.root.querySelector("canvas");
                const all = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
                const colour = series.stroke(plot).match(/[\\d.]+/g).map(Number);
                let found = 0;
                for (let at = 0; at < all.data.length; at += 4)
                    if (all.data[at + 3] > 200
                        && [0, 1, 2].every((c) => Math.abs(all.data[at + c] - colour[c]) < 12))
                        found++;
                return found;
            };
            const counts = {};
            for (const place of document.querySelectorAll("figure.chart .plot")) {
                const plot = place.uplot;
                counts[place.closest("figure").id] = [];
                for (let shown = 1; shown < plot.series.length; shown++) {
                    for (let other = 1; other < plot.series.length; other++)
                        plot.setSeries(other, { show: other === shown });
                    await drawn();
                    counts[place.closest("figure").id].push(count(plot, plot.series[shown]));
                }
            }
            return counts;
        }"""
    )


def test_charts_have_ink_and_a_table_that_says_the_same(
    open_page: Callable[..., Any], taught: Running
) -> None:
    page = open_page("/")
    for path in page_paths(taught.client).values():
        page.goto(path)
        for name, counts in ink(page).items():
            cells = page.locator(f"#{name} tbody tr").evaluate_all(
                "rows => rows.map(row => [...row.cells].slice(1).map(cell => cell.textContent))"
            )
            has_values = [
                any(value != "–" for value in column) for column in zip(*cells, strict=True)
            ]
            assert [count > 2 for count in counts] == has_values, (path, name, counts)


def numbers_of(page: Any) -> list[str]:
    """What tables, figures and sentences of a page say, without how long ago anything was."""
    return page.evaluate(
        """() => {
            const found = [];
            const walker = document.createTreeWalker(
                document.getElementById("main"), NodeFilter.SHOW_TEXT);
            while (walker.nextNode()) {
                const { data, parentElement } = walker.currentNode;
                if (parentElement.closest(
                    "time, noscript, script, template, .plot, .legend b, svg")) continue;
                found.push(...data.split(/\\s+/).filter((word) => /\\d/.test(word)));
            }
            return found;
        }"""
    )


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


def test_the_same_numbers_without_javascript_and_in_the_twin(
    open_page: Callable[..., Any], taught: Running
) -> None:
    seen = set()
    scripted, page = open_page("/"), open_page("/", java_script_enabled=False)
    for declared, path in page_paths(taught.client).items():
        scripted.goto(path)
        told = numbers_of(scripted)
        page.goto(path)
        text = page.locator("#main").text_content() or ""
        empty = page.locator(".plot").evaluate_all("all => all.map(e => e.clientHeight)")
        assert set(empty) <= {0}, "no place is kept for what only scripts draw"
        assert told or declared not in SHOWN, path
        assert [word for word in told if word not in text] == [], path

        bare, _, query = path.partition("?")
        twin = taught.client.get("/overview.json" if path == "/" else f"{bare}.json?{query}")
        for name, value in leaves(twin, SHOWN.get(declared, ())):
            seen.add((declared, name))
            assert any(form in text for form in variants(value)), (path, name, value)
        for chart in (*twin.values(), *twin.get("charts", ())):
            if not isinstance(chart, dict) or "series" not in chart:
                continue
            figure = page.locator(f"#chart-{chart['id']}")
            cells = figure.locator("tbody td").all_text_contents()
            assert cells == [wording.plain(v) for row in chart["rows"] for v in row[1:]], chart[
                "id"
            ]
            lines = figure.locator("svg.lines polyline, svg.lines circle").count()
            assert lines == sum(
                any(row[place] is not None for row in chart["rows"])
                for place in range(1, len(chart["series"]) + 1)
            ), chart["id"]
    assert {path for path, _ in seen} == set(SHOWN)


def test_a_new_checkpoint_appears_by_itself(open_page: Callable[..., Any], taught: Running) -> None:
    page = open_page("/")
    page.locator("#live[data-state=live]").wait_for()
    page.evaluate("window.notReloaded = true")
    made = taught.client.teach(FACTS[2:3])["checkpoint"]
    page.locator("#serving", has_text=made).wait_for()
    assert page.evaluate("window.notReloaded")


def test_twins_and_policy(taught: Running) -> None:
    for path in page_paths(taught.client).values():
        bare, _, query = path.partition("?")
        twin = "/overview.json" if path == "/" else f"{bare}.json?{query}"
        assert taught.client.get(twin)
        asked = urllib.request.Request(taught.client.url + path, headers={"Accept": "text/html"})
        with urllib.request.urlopen(asked) as answer:
            policy = answer.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert answer.headers["Content-Type"].startswith("text/html")


def test_rolled_back_and_promoted_by_keyboard_alone(
    open_page: Callable[..., Any], taught: Running
) -> None:
    page = open_page("/checkpoints")

    def reach(name: str) -> None:
        """Press Tab until the link or button has the focus."""
        for _ in range(200):
            page.keyboard.press("Tab")
            text = page.evaluate(
                "document.activeElement.ariaLabel ?? document.activeElement.textContent.trim()"
            )
            if text == name:
                return
        raise AssertionError(f"{name} cannot be reached by Tab")

    before = taught.client.get("/info")["current_checkpoint"]
    reach("Roll back…")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Roll back to").wait_for()
    reach("Roll back")
    page.keyboard.press("Enter")
    page.get_by_text("Rolled back:").wait_for()
    assert taught.client.get("/info")["current_checkpoint"] != before

    page.goto(f"/checkpoints/{before}")
    reach("Promote…")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name=f"Promote {before}?").wait_for()
    reach("Promote")
    page.keyboard.press("Enter")
    page.get_by_text("Promoted:").wait_for()
    assert taught.client.get("/info")["current_checkpoint"] == before


def test_taught_from_the_page_through_to_what_serves(open_page: Callable[..., Any]) -> None:
    page = open_page("/learn")
    page.get_by_label("Question", exact=True).fill(FACTS[3][0])
    page.get_by_label("Answer", exact=True).fill(FACTS[3][1])
    page.locator("#tags").fill("pumps 100%")
    page.get_by_role("button", name="Teach it").click()
    page.get_by_text("Served. Ask it").wait_for(timeout=120_000)
    page.goto("/knowledge?tag=pumps+100%25&q=garden")
    found = page.locator(".facts > li")
    assert found.count() == 1
    assert FACTS[3][1] in found.inner_text()
