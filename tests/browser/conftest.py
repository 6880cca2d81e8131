"""Debian's Chromium behind every test here; a page that fails its test on any error of its own."""

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support import Running

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip with the reason where there is no browser. Called for all items: look at ours only."""
    for item in items:
        if "tests/browser/" in item.path.as_posix():
            item.add_marker(pytest.mark.browser)
            if CHROMIUM is None:
                item.add_marker(pytest.mark.skip(reason="needs Chromium on PATH"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # Without a sandbox: it does not start as root in a container.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Any, shared_ember: Running) -> Iterator[Callable[..., Any]]:
    """Open pages: ``open_page("/", color_scheme="dark")``; script and console errors fail."""
    wrong: list[str] = []
    contexts: list[Any] = []

    def open_page(path: str, **options: Any) -> Any:
        context = browser.new_context(base_url=shared_ember.client.url, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda m: wrong.append(m.text) if m.type == "error" else None)
        page.goto(path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []
