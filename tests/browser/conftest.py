"""Debian's Chromium behind every test here; a page that fails its test on any error of its own."""

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from radiance import config
from tests.support import Running, start_service

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip with the reason where there is no browser. Called for all items: look at ours only."""
    for item in items:
        if "tests/browser/" in item.path.as_posix():
            item.add_marker(pytest.mark.browser)
            if CHROMIUM is None:
                item.add_marker(pytest.mark.skip(reason="needs Chromium on PATH"))


def until(page: Any, condition: str) -> None:
    """Wait until an expression is true; the pages' policy forbids that the browser polls it."""
    while not page.evaluate(condition):
        page.wait_for_timeout(30)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # Without a sandbox: it does not start as root in a container.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def shared_ember(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """As elsewhere, but it learns a fact in seconds: little is held and measured meanwhile."""
    brief = {"anchor.own_samples": 8, "evaluation.anchor_sample": 24, "training.cooldown_steps": 5}
    running = start_service(config.load(tmp_path_factory.mktemp("root"), brief))
    yield running
    running.stop()


@pytest.fixture
def open_at(browser: Any) -> Iterator[Callable[..., Any]]:
    """Open pages of any service: ``open_at(url, "/", color_scheme="dark")``.

    Errors of scripts and of the console fail the test, but for a service that it has stopped.
    """
    wrong: list[str] = []
    contexts: list[Any] = []

    def open_at(url: str, path: str, **options: Any) -> Any:
        context = browser.new_context(base_url=url, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda m: wrong.append(m.text) if m.type == "error" else None)
        page.goto(path)
        return page

    yield open_at
    for context in contexts:
        context.close()
    gone = (
        "ERR_CONNECTION",
        "ERR_SOCKET_NOT_CONNECTED",  # a kept connection whose service went away before its next use
        "ERR_INCOMPLETE",
        "ERR_EMPTY_RESPONSE",
        "ERR_CONTENT_LENGTH",
        "of 503",
    )
    assert [text for text in wrong if not any(name in text for name in gone)] == []
