"""An open page follows a service that goes away and comes back."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from radiance import config
from tests.browser.conftest import until
from tests.support import FACTS, Running, as_input, start_service


def test_a_restart_shows_stale_and_then_recovers(browser: Any, tmp_path: Path) -> None:
    settings = config.load(
        tmp_path, {"evaluation.anchor_provider": "none", "anchor.own_samples": 0}
    )
    running = start_service(settings)
    url = running.client.url
    page = browser.new_context(base_url=url).new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    try:
        page.goto("/audit")
        live = page.locator("#live")
        page.locator("#live[data-state=live]").wait_for()
        page.evaluate("window.notReloaded = true")
        assert page.get_by_text("Nothing was recorded yet.").count() == 1
        running.stop()
        page.locator("#live[data-state=stale]").wait_for()
        assert "Stale since" in live.inner_text()

        running = start_service(settings, port=urlsplit(url).port or 0)
        page.locator("#live[data-state=live]").wait_for()
        running.client.post("/pin", {"reason": "after the restart"})
        page.get_by_role("cell", name="after the restart").wait_for()
        assert page.evaluate("window.notReloaded")
    finally:
        running.stop()
        page.context.close()
    assert wrong == []


def test_a_change_whose_page_could_not_be_fetched_is_shown_later(
    open_at: Callable[..., Any], serve: Callable[..., Running]
) -> None:
    client = serve().client
    page = open_at(client.url, "/audit")
    page.locator("#live[data-state=live]").wait_for()
    failed: list[str] = []

    def fail(route: Any) -> None:
        failed.append(route.request.url)
        if len(failed) == 1:
            route.abort("connectionreset")
        else:
            route.fulfill(status=503)
        if len(failed) == 2:
            page.unroute("**/audit", fail)

    page.route("**/audit", fail)
    client.post("/pin", {"reason": "while nothing could be fetched"})
    page.get_by_role("cell", name="while nothing could be fetched").wait_for()
    assert len(failed) == 2


def test_a_cycle_that_trains_can_be_read_and_looked_at_closely(
    open_at: Callable[..., Any], checkpointed_root: Path, serve: Callable[..., Running]
) -> None:
    running = serve(**{"training.max_steps": 4000, "training.stop_loss": 0.0})
    client = running.client
    job = client.post("/update", {"examples": as_input(FACTS)})["job_id"]
    client.wait_for_step(job, 8)
    cycle = client.get(f"/jobs/{job}")["cycle_id"]
    page = open_at(client.url, f"/cycles/{cycle}", viewport={"width": 390, "height": 700})
    until(page, "document.querySelectorAll('.plot .uplot').length > 3")
    page.locator("input[name=with]").first.check()
    page.evaluate("scrollTo(0, document.body.scrollHeight / 2)")
    page.evaluate(
        """() => {
            window.moved = [];
            const at = scrollY;
            addEventListener("scroll", () => {
                if (Math.abs(scrollY - at) > 2) moved.push(scrollY);
            });
            window.updates = 0;
            document.addEventListener("radiance:update", () => updates++);
            const plot = document.querySelector("#chart-loss .plot").uplot;
            plot.setScale("x", { min: 2, max: 5 });
        }"""
    )
    until(page, "updates >= 4")
    assert page.evaluate("moved") == []
    assert page.locator("input[name=with]").first.is_checked()
    scale = page.evaluate(
        "(({ min, max }) => [min, max])(document.querySelector('#chart-loss .plot').uplot.scales.x)"
    )
    assert scale == [2, 5]
    page.evaluate(
        "document.querySelector('#chart-loss .plot').uplot.setCursor({ left: 20, top: 20 })"
    )
    assert page.locator("#chart-loss .where").inner_text().startswith("Step ")
    client.post("/training/pause", {})


def test_a_range_that_is_being_dragged_outlasts_what_arrives_meanwhile(
    open_at: Callable[..., Any], checkpointed_root: Path, serve: Callable[..., Running]
) -> None:
    page = open_at(serve().client.url, "/cycles/1")
    until(page, "document.querySelector('#chart-loss .plot .u-over') !== null")
    over = page.locator("#chart-loss .plot .u-over")
    over.scroll_into_view_if_needed()
    box = over.bounding_box()

    def move_to(share: float) -> None:
        page.mouse.move(box["x"] + share * box["width"], box["y"] + box["height"] / 2, steps=4)

    range_of = """(({ min, max }) => max - min)(
        document.querySelector("#chart-loss .plot").uplot.scales.x)"""
    whole = page.evaluate(range_of)
    move_to(0.2)
    page.mouse.down()
    move_to(0.4)
    page.evaluate(
        """() => {
            const rows = document.querySelector("#chart-loss tbody");
            const row = rows.lastElementChild.cloneNode(true);
            row.firstElementChild.textContent = Number(row.firstElementChild.textContent) + 1;
            rows.append(row);
            document.dispatchEvent(new Event("radiance:update"));
        }"""
    )
    move_to(0.6)
    page.mouse.up()
    page.wait_for_timeout(100)
    assert page.evaluate(range_of) < 0.7 * whole
    points = "document.querySelector('#chart-loss .plot').uplot.data[0].length"
    assert page.evaluate(points) == page.locator("#chart-loss tbody tr").count(), "then it is drawn"
