"""An open page follows a service that goes away and comes back."""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from radiance import config
from tests.support import start_service


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
