"""Every page of the dashboard over a root that has learned: as HTML, as JSON, without scripts."""

import json
import re
import urllib.error
import urllib.request
from html import unescape
from html.parser import HTMLParser
from urllib.parse import urlencode

import pytest

from radiance.web.site import PAGES
from tests.support import Client

PATHS = sorted(page.path for page in PAGES)
# Elements that HTML never closes.
_VOID = {"meta", "link", "input", "br", "hr", "img", "area", "base", "col", "source", "wbr"}


def fetch(client: Client, path: str, accept: str = "text/html") -> tuple[int, str, str]:
    """Status, content type and body; errors are answers too."""
    request = urllib.request.Request(client.url + path, headers={"Accept": accept})
    try:
        with client.open(request) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers["Content-Type"], error.read().decode()


def filled(client: Client, path: str) -> str:
    """The path with the newest thing of each kind in place of its parameters."""
    newest = client.get("/checkpoints")["checkpoints"][0]
    document = client.get("/documents")["documents"][0]
    for name, value in (
        ("{document_id}", document["id"]),
        ("{checkpoint_id}", newest["checkpoint_id"]),
        ("{cycle_id}", str(newest["cycle_id"])),
        ("{job_id}", newest["job_ids"][0]),
        ("{chapter}", "SETTINGS"),
    ):
        path = path.replace(name, value)
    return path


def shown(client: Client, path: str) -> str:
    query = "?action=pin" if path == "/move" else ""
    status, kind, text = fetch(client, filled(client, path) + query)
    assert status == 200, text
    assert kind.startswith("text/html")
    return text


class Balanced(HTMLParser):
    """Whether every element is closed where it should be; and the links and ids met."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "a" and (href := found.get("href")):
            self.links.append(href)
        if name := found.get("id"):
            self.ids.append(name)
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        if tag in self.open:  # HTML lets li, p and table parts be closed by what follows
            while self.open.pop() != tag:
                pass


@pytest.mark.parametrize("path", PATHS)
def test_a_page_is_whole_html_that_loads_nothing_from_elsewhere(client: Client, path: str) -> None:
    text = shown(client, path)
    found = Balanced(text)
    assert found.open == []
    assert len(set(found.ids)) == len(found.ids), "an id stands once"
    assert re.search(r"<title>[^<]+</title>", text)
    assert text.count("<h1") == 1
    assert re.findall(r'(?:src|href)="(?:https?:)?//', text) == []
    assert re.findall(r"\son\w+=|<script(?![^>]*\bsrc=)(?![^>]*application/json)", text) == []


def test_what_a_page_links_is_there(client: Client) -> None:
    linked: dict[str, str] = {}
    for path in PATHS:
        for link in Balanced(shown(client, path)).links:
            target = link.partition("#")[0]
            if target.startswith("/") and "{" not in target:
                linked.setdefault(target, path)
    assert len(linked) > len(PATHS)
    statuses = {(path, link): fetch(client, link)[0] for link, path in linked.items()}
    assert {where: status for where, status in statuses.items() if status != 200} == {}


def test_every_page_is_reached_by_links_from_the_first(client: Client) -> None:
    """Only what asks to be confirmed, or belongs to one thing, has a parameter."""
    met, ahead = {"/"}, ["/"]
    while ahead:
        for link in Balanced(fetch(client, ahead.pop())[2]).links:
            path = link.partition("?")[0].partition("#")[0]
            if path.startswith("/") and path not in met:
                met.add(path)
                if path.count("/") == 1 and path in PATHS:
                    ahead.append(path)
    assert {path for path in PATHS if "{" not in path} <= met


@pytest.mark.parametrize("path", PATHS)
def test_what_was_taught_is_text_and_never_markup(client: Client, path: str) -> None:
    assert "<b>K9</b>" not in shown(client, path)


def test_markup_that_was_taught_is_shown_as_it_was_sent(client: Client) -> None:
    """The second job is the correction with markup in it."""
    text = fetch(client, "/learn/job_000002")[2]
    assert "&lt;b&gt;K9&lt;/b&gt; &amp; no other now." in text


def test_a_checkpoint_that_the_gate_rejected_says_so_and_why(client: Client) -> None:
    listed = client.get("/checkpoints")["checkpoints"]
    (rejected,) = [c for c in listed if c["status"] == "rejected"]
    page = fetch(client, f"/checkpoints/{rejected['checkpoint_id']}")[2]
    assert '<span class="pill rejected">refused</span>' in page
    assert "learned word for word" in page
    assert "Promote…" not in page
    text = fetch(client, f"/gate/{rejected['checkpoint_id']}")[2]
    assert "Serve it anyway…" in text
    assert f'href="/learn/{rejected["job_ids"][0]}">Teach it again…' in text
    decision = client.get(f"/checkpoints/{rejected['checkpoint_id']}")["decision"]
    failed = [row["rule"] for row in decision["rows"] if row["verdict"] == "fail"]
    assert failed
    assert all(rule in text or rule.replace("_", " ") in text for rule in failed)


def test_why_the_gate_refused_is_a_sentence_wherever_its_update_is_told(client: Client) -> None:
    (rejected,) = [
        c for c in client.get("/checkpoints")["checkpoints"] if c["status"] == "rejected"
    ]
    recorded = client.get(f"/checkpoints/{rejected['checkpoint_id']}")["decision"]["reason"]
    (job_id,) = rejected["job_ids"]
    for path in ("/learn", f"/learn/{job_id}", f"/cycles/{rejected['cycle_id']}"):
        page = fetch(client, path)[2]
        assert "he gate refused" in page, path
        assert recorded not in unescape(page), path


@pytest.mark.parametrize(
    ("path", "status"),
    [("/nowhere", 404), ("/cycles/999", 404), ("/checkpoints/A_2020-01-01_0001", 404)],
)
def test_what_is_not_there_is_a_page_for_people_and_an_error_for_programs(
    client: Client, path: str, status: int
) -> None:
    for accept, kind in (("text/html", "text/html"), ("application/json", "application/json")):
        found, answered, text = fetch(client, path, accept)
        assert found == status
        assert answered.startswith(kind)
    assert json.loads(text)["error"]["remedy"]


def test_a_form_that_is_refused_is_shown_again_with_what_was_typed(client: Client) -> None:
    body = urlencode({"checkpoint": "A_2020-01-01_0001", "reason": "<i>Try"})
    request = urllib.request.Request(
        f"{client.url}/move?action=promote",
        body.encode(),
        {"Accept": "text/html", "Content-Type": "application/x-www-form-urlencoded"},
    )
    with pytest.raises(urllib.error.HTTPError) as caught, client.open(request):
        pass
    with caught.value as error:
        text = error.read().decode()
    assert 400 <= caught.value.code < 500
    assert "&lt;i&gt;Try" in text
    assert "<i>Try" not in text
