"""The dashboard where keys are needed: signed in by hand, used, signed out."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from radiance import config
from radiance.api.auth import keys
from tests.browser.axe import violations
from tests.support import FACTS, Running, start_service


@pytest.fixture(scope="module")
def keyed(
    tmp_path_factory: pytest.TempPathFactory, tiny_base: Path
) -> Iterator[tuple[Running, dict[str, str]]]:
    """A service that asks for a key, and a key of each scope."""
    root = tmp_path_factory.mktemp("keyed")
    settings = config.load(
        root,
        {
            "base_model": str(tiny_base),
            "access.required": "always",
            "evaluation.anchor_provider": "none",
            "anchor.own_samples": 0,
            "training.max_steps": 3,
        },
    )
    made = {scope: keys.new_key(frozenset({scope}), scope) for scope in keys.SCOPES}
    keys.write_file(settings.keys_path, [key for _, key in made.values()])
    secrets: dict[str, str] = {scope: secret for scope, (secret, _) in made.items()}
    running = start_service(settings, key=secrets["admin"])
    running.client.teach(FACTS[:1])
    yield running, secrets
    running.stop()


@pytest.fixture
def visit(browser: Any, keyed: tuple[Running, dict[str, str]]) -> Iterator[Any]:
    """A page of a browser that is signed in nowhere; errors of scripts fail the test."""
    context = browser.new_context(base_url=keyed[0].client.url)
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda m: wrong.append(m.text) if m.type == "error" else None)
    yield page
    context.close()
    assert [text for text in wrong if "403 (Forbidden)" not in text] == []  # that is asked for


def sign_in(page: Any, secret: str) -> None:
    page.get_by_label("API key").fill(secret)
    page.keyboard.press("Enter")


def test_signed_in_by_hand_asked_pinned_and_signed_out(
    visit: Any, keyed: tuple[Running, dict[str, str]]
) -> None:
    running, secrets = keyed
    visit.goto("/gate")
    visit.get_by_role("heading", name="Sign in").wait_for()
    assert violations(visit) == []
    assert visit.get_by_role("navigation", name="Pages").get_by_role("link").count() == 0
    sign_in(visit, "rk_wrong")
    visit.get_by_text("This key is not known here.").wait_for()
    sign_in(visit, secrets["admin"])
    visit.get_by_role("heading", name="Gate").wait_for()
    assert visit.evaluate("document.cookie") == ""
    visit.locator("#live[data-state=live]").wait_for()
    visit.goto("/ask")
    visit.get_by_label("Question").fill(FACTS[0][0])
    visit.get_by_role("button", name="Ask", exact=True).click()
    visit.locator(".turn .source", has_text="From").wait_for()
    visit.goto("/move?action=pin")
    visit.get_by_role("button", name="Pin", exact=True).click()
    visit.get_by_text("Pinned: only a person").wait_for()
    entry = running.client.get("/audit?limit=1")["entries"][0]
    assert (entry["action"], entry["actor"]) == ("pin", "dashboard:admin")
    visit.get_by_role("button", name="Sign out").click()
    visit.get_by_role("heading", name="Sign in").wait_for()
    visit.goto("/gate")
    visit.get_by_role("heading", name="Sign in").wait_for()


def test_a_reader_sees_no_more_than_the_key_allows(
    visit: Any, keyed: tuple[Running, dict[str, str]]
) -> None:
    visit.goto("/checkpoints")
    sign_in(visit, keyed[1]["infer"])
    visit.get_by_role("heading", name="Checkpoints").wait_for()
    names = visit.get_by_role("navigation", name="Pages").get_by_role("link").all_inner_texts()
    assert "Gate" in names
    assert not {"Learn", "Audit log"} & set(names)
    assert visit.get_by_role("link", name="Roll back…").count() == 0
    visit.goto("/audit")
    visit.get_by_role("link", name="Sign in with another key").wait_for()


def test_an_open_page_leads_to_sign_in_when_its_session_ends(
    visit: Any, keyed: tuple[Running, dict[str, str]]
) -> None:
    running, secrets = keyed
    visit.goto("/audit")
    sign_in(visit, secrets["admin"])
    visit.locator("#live[data-state=live]").wait_for()
    visit.context.clear_cookies()
    verb = "/unpin" if running.client.get("/info")["pinned"] else "/pin"
    running.client.post(verb, {"reason": "so that something changes"})
    visit.wait_for_url("**/sign-in?next=%2Faudit")


def test_a_key_that_only_teaches_lands_where_it_may(
    visit: Any, keyed: tuple[Running, dict[str, str]]
) -> None:
    visit.goto("/sign-in")
    sign_in(visit, keyed[1]["update"])
    visit.get_by_role("heading", name="Learn").wait_for()
