"""The signal lab's page in Chromium: knobs, run, cancel, run again, export, the export offline."""

import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.axe import violations
from tests.browser.test_every_page import LEAST_TYPE
from tests.support import Running

RUN_MS = 120_000
INK = """async (figures) => {
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    return figures.map((figure) => {
        const plot = figure.querySelector(".plot");
        const canvas = plot.querySelector("canvas");
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        let ink = 0;
        for (let at = 3; at < data.length; at += 4) ink += data[at] > 0;
        return { ink, lines: plot.uplot.series.length - 1 };
    });
}"""


SMALL = {
    "preset": "quick",
    "seeds": 2,
    "market": {"history_days": 300, "test_days": 120},
    "adaptation": {"steps": 20},
}


@pytest.fixture
def page(browser: Any, shared_ember: Running) -> Iterator[Any]:
    """A page that fails its test on a script error, a console error or a failed request."""
    context = browser.new_context(base_url=shared_ember.client.url, accept_downloads=True)
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda m: wrong.append(m.text) if m.type == "error" else None)
    # A stream of events ends when it is opened anew, and with its page.
    page.on(
        "requestfailed",
        lambda r: None if "/events?" in r.url else wrong.append(f"{r.url}: {r.failure}"),
    )
    yield page
    context.close()
    assert [
        text for text in wrong if "400 (Bad Request)" not in text
    ] == []  # that one is asked for


def set_knob(page: Any, name: str, value: str) -> None:
    knob = page.locator(f"[name='{name}']")
    page.evaluate(
        "name => document.getElementsByName(name)[0].closest('details').open = true", name
    )
    if knob.evaluate("element => element.tagName") == "SELECT":
        knob.select_option(value)
    else:
        knob.fill(value)
        knob.dispatch_event("change")


def choose_small(page: Any) -> None:
    page.get_by_label("Quick").check()
    for name, value in {
        "seeds": "2",
        "market.history_days": "300",
        "market.test_days": "120",
        "adaptation.steps": "20",
    }.items():
        set_knob(page, name, value)


def run(page: Any) -> None:
    page.get_by_role("button", name="Run", exact=True).click()


def test_knobs_run_cancel_run_again_export_and_the_export_offline(
    page: Any, browser: Any, shared_ember: Running, tmp_path: Path
) -> None:
    kept = shared_ember.client.get("/signals/runs")["kept"]
    page.goto("/signals")
    page.get_by_text("An arrow is a step of learning").wait_for()

    # A long run, three knobs turned, and cancelled.
    page.get_by_label("Stress+").check()
    set_knob(page, "adaptation.steps", "20000")
    set_knob(page, "portfolio.rebalance", "threshold")
    set_knob(page, "seeds", "50")
    assert page.locator("label.changed").count() == 3
    run(page)
    cancel = page.get_by_role("button", name="Cancel")
    cancel.wait_for()
    assert page.get_by_role("button", name="Run", exact=True).is_disabled()  # one at a time
    page.locator(".stage", has_text="adapters").wait_for(timeout=RUN_MS)
    cancel.click()
    page.get_by_text("cancelled").wait_for()
    assert shared_ember.client.get("/signals/runs")["kept"] == kept

    # A knob that is wrong and out of sight is brought into sight; what was turned stays turned.
    set_knob(page, "portfolio.max_weight", "99")
    knob = page.locator("[name='portfolio.max_weight']")
    knob.evaluate("element => element.closest('details').open = false")
    run(page)
    knob.wait_for()
    knob.fill(knob.evaluate("element => element.defaultValue"))
    choose_small(page)
    assert page.locator("[name='portfolio.rebalance']").input_value() == "threshold"

    # A small one, to its end.
    before = page.url
    run(page)
    page.wait_for_url(lambda url: url != before, timeout=RUN_MS)
    page.get_by_text("Equity after cost").wait_for()
    page.wait_for_function("document.querySelectorAll('#result .plot canvas').length === 2")
    for drawn in page.locator("#result figure.chart").evaluate_all(INK):
        assert drawn["lines"] == 7 + 2 * 3  # seven methods, and the ends of three bands
        assert drawn["ink"] > 5000
    assert page.locator("#result .mark circle").count() == 7
    for name in ("Stress MSE by context", "Gate and monitors"):
        assert page.get_by_role("heading", name=name).is_visible()

    # And again with one knob changed: what changed is said.
    set_knob(page, "portfolio.speed", "1")
    first = page.url
    run(page)
    page.wait_for_url(lambda url: url != first, timeout=RUN_MS)
    changed = page.get_by_role("region", name="What changed")
    assert "portfolio.speed" in changed.inner_text()

    # The export stands alone: no network, no server.
    with page.expect_download() as caught:
        page.get_by_role("link", name="Report, HTML").click()
    report = tmp_path / "report.html"
    caught.value.save_as(report)
    offline = browser.new_context(offline=True)
    alone = offline.new_page()
    asked: list[str] = []
    alone.on("request", lambda r: asked.append(r.url))
    alone.goto(report.as_uri())
    assert alone.get_by_text("LoRA + anchor + projection").first.is_visible()
    assert alone.locator("svg.lines polyline").count() == 14
    lengths = alone.locator("svg.lines polyline").evaluate_all(
        "found => found.map(line => line.getTotalLength())"
    )
    assert min(lengths) > 300
    assert asked == [report.as_uri()]
    offline.close()


def test_a_refused_knob_is_said_and_shown(page: Any) -> None:
    page.goto("/signals")
    choose_small(page)
    page.locator("[name='adaptation.methods'][value='naive']").uncheck()
    run(page)
    page.get_by_text("lacks naive").wait_for()
    assert page.locator("[name='adaptation.methods']").first.is_visible()


@pytest.fixture
def kept(shared_ember: Running) -> str:
    """A run with a result."""
    client = shared_ember.client
    if not client.get("/signals/runs")["kept"]:
        run_id = client.post("/signals/runs", SMALL)["run_id"]
        while client.get(f"/signals/runs/{run_id}")["status"] == "running":
            time.sleep(0.05)
    return client.get("/signals/runs")["kept"][0]


def test_without_javascript_it_has_the_same_numbers(
    browser: Any, shared_ember: Running, kept: str
) -> None:
    client = shared_ember.client
    context = browser.new_context(base_url=client.url, java_script_enabled=False)
    page = context.new_page()
    page.goto(f"/signals?run={kept}")
    shown = page.locator("#result").inner_text()
    assert page.locator("#result svg.lines polyline").count() == 14
    twin = client.get(f"/signals.json?run={kept}")
    naive = next(m for m in twin["result"]["methods"] if m["name"] == "naive")
    assert f"{naive['means']['drift_mse']['value']:.4g}" in shown
    assert page.locator("[name='market.history_days']").input_value() == "300"
    page.locator("summary", has_text="Adaptation").click()
    page.locator("[name='adaptation.steps']").fill(
        "20000"
    )  # it does not end before it is cancelled
    page.get_by_role("button", name="Run", exact=True).click()  # a form, sent as forms are
    page.get_by_role("button", name="Cancel").click()
    page.get_by_text("cancelled").wait_for()
    context.close()


def test_labs_and_their_reports_are_for_anybody_and_fit_a_phone(
    browser: Any, shared_ember: Running, kept: str, tmp_path: Path
) -> None:
    report = tmp_path / "report.html"
    with urllib.request.urlopen(
        f"{shared_ember.client.url}/signals/runs/{kept}/report.html"
    ) as answer:
        report.write_bytes(answer.read())
    context = browser.new_context(base_url=shared_ember.client.url)
    page = context.new_page()
    texts: set[str] = set()
    for path in (
        "/signals",
        "/alphas?prompt=Hello&constrained=yes",
        report.as_uri(),
    ):
        page.set_viewport_size({"width": 1280, "height": 800})
        page.emulate_media(color_scheme="light")
        page.goto(path)
        page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
        assert [(path, *found) for found in violations(page, texts)] == []
        page.emulate_media(color_scheme="dark")  # other colours, the same elements
        assert [(path, *found) for found in violations(page, texts, in_another_theme=True)] == []
        page.set_viewport_size({"width": 320, "height": 640})
        assert page.evaluate("document.documentElement.scrollWidth") <= 320, path
        assert page.evaluate(LEAST_TYPE) >= 9, path
    context.close()
