"""Sessions of signed-in browsers: they end, there are not too many, and only our pages use them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.datastructures import Headers
from starlette.testclient import TestClient

from radiance import config, limits
from radiance.api.auth import keys, sessions
from radiance.api.auth.sessions import IDLE_S, LONGEST_S, Sessions
from radiance.api.routes import create_app
from radiance.errors import Unavailable
from radiance.web import site

HTML = {"Accept": "text/html"}
OWN = {"Origin": "http://127.0.0.1"}


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_session_ends_when_idle_and_in_the_end() -> None:
    clock = Clock()
    kept = Sessions(clock)
    secret = kept.begin("digest")
    assert kept.find(secret) == "digest"
    assert kept.find(secret + "x") is None
    for _ in range(int(LONGEST_S // IDLE_S)):
        clock.now += IDLE_S - 1
        assert kept.find(secret) == "digest"
    clock.now += IDLE_S
    assert kept.find(secret) is None

    idle = kept.begin("digest")
    assert len(kept) == 1  # the ended one was swept out
    clock.now += IDLE_S + 1
    assert kept.find(idle) is None


def test_the_least_used_one_makes_room() -> None:
    clock = Clock()
    kept = Sessions(clock)
    found = []
    for _ in range(1000):
        clock.now += 1
        found.append(kept.begin(f"digest {len(found)}"))
    clock.now += 1
    assert kept.find(found[0]) == "digest 0"
    kept.begin("digest")
    assert len(kept) == 1000
    assert kept.find(found[0]) == "digest 0"
    assert kept.find(found[1]) is None


def test_nobody_is_signed_out_by_another_s_key() -> None:
    clock = Clock()
    kept = Sessions(clock)
    admin = kept.begin("admin")
    for _ in range(1100):
        clock.now += 1
        kept.begin("infer")
    assert kept.find(admin) == "admin"
    assert len(kept) == limits.SESSIONS_OF_A_KEY.value + 1


@pytest.mark.parametrize(
    ("headers", "is_own"),
    [
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "same-site", "origin": "http://localhost:3000"}, False),
        ({"sec-fetch-site": "none"}, False),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"origin": "http://localhost:8042"}, True),
        ({"origin": "http://localhost:3000"}, False),
        ({"origin": "null"}, False),
        ({}, False),
    ],
)
def test_who_may_act_by_a_cookie(headers: dict[str, str], is_own: bool) -> None:
    assert sessions.is_own_page(Headers({"host": "localhost:8042", **headers})) == is_own


# ── Behind a real table of URLs; the service itself never starts ────────────────────────────────


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("signed")


@pytest.fixture
def secrets(root: Path) -> dict[str, str]:
    made = {scope: keys.new_key(frozenset({scope}), scope) for scope in keys.SCOPES}
    keys.write_file(config.load(root).keys_path, [key for _, key in made.values()])
    return {scope: secret for scope, (secret, _) in made.items()}


@pytest.fixture
def browser(root: Path, secrets: dict[str, str]) -> Iterator[TestClient]:
    def never_started() -> None:
        raise Unavailable("starting")

    settings = {"access.required": "always", "server.cors_origins": ["http://localhost:3000"]}
    app = site.install(create_app(never_started, config.load(root, settings)))  # type: ignore[arg-type]
    with TestClient(
        app, base_url="http://127.0.0.1", raise_server_exceptions=False, follow_redirects=False
    ) as client:
        yield client


def sign_in(browser: TestClient, secret: str, target: str = "") -> str:
    """Where the browser is sent."""
    answer = browser.post(f"/sign-in{target}", data={"key": secret}, headers={**HTML, **OWN})
    assert answer.status_code == 303
    return answer.headers["location"]


def test_whoever_is_not_signed_in_is_sent_to_and_comes_back(
    browser: TestClient, secrets: dict[str, str]
) -> None:
    sent = browser.get("/checkpoints?before=A_1", headers=HTML)
    assert (sent.status_code, sent.headers["location"]) == (
        303,
        "/sign-in?next=%2Fcheckpoints%3Fbefore%3DA_1",
    )
    assert browser.get("/checkpoints", headers={"Accept": "application/json"}).status_code == 401
    form = browser.get(sent.headers["location"], headers=HTML)
    assert form.status_code == 200
    assert 'action="/sign-in?next=%2Fcheckpoints%3Fbefore%3DA_1"' in form.text
    assert sign_in(browser, secrets["infer"], "?next=%2Fcheckpoints%3Fbefore%3DA_1") == (
        "/checkpoints?before=A_1"
    )
    # It comes as far as the service, which has not started.
    assert browser.get("/checkpoints", headers=HTML).status_code == 503


@pytest.mark.parametrize(
    "target",
    ["//evil.example", "https://evil.example/", "/\\evil.example", "evil", "http:///[", ""],
)
def test_nobody_is_sent_elsewhere(
    browser: TestClient, secrets: dict[str, str], target: str
) -> None:
    answer = browser.post(
        "/sign-in", params={"next": target}, data={"key": secrets["infer"]}, headers=OWN
    )
    assert answer.headers["location"] == "/"


def test_the_cookie_is_not_the_key_and_no_script_reads_it(
    browser: TestClient, secrets: dict[str, str]
) -> None:
    answer = browser.post("/sign-in", data={"key": f" {secrets['admin']}\n"}, headers=OWN)
    cookie = answer.headers["set-cookie"]
    assert secrets["admin"] not in cookie
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(cookie.split("; "))
    assert "Secure" not in cookie
    browser.base_url = "https://127.0.0.1"
    answer = browser.post(
        "/sign-in", data={"key": secrets["admin"]}, headers={"Origin": "https://127.0.0.1"}
    )
    assert "Secure" in answer.headers["set-cookie"]


def test_a_wrong_key_is_refused_and_not_shown(browser: TestClient) -> None:
    for given, told in (("rk_wrong", "not known here"), ("", "no key in the box")):
        answer = browser.post("/sign-in", data={"key": given}, headers=OWN)
        assert answer.status_code == 403
        assert told in answer.text
        assert "rk_wrong" not in answer.text
        assert "set-cookie" not in answer.headers


def test_scopes_hold_and_the_navigation_follows(
    browser: TestClient, secrets: dict[str, str]
) -> None:
    sign_in(browser, secrets["infer"])
    refused = browser.get("/audit", headers=HTML)
    assert refused.status_code == 403
    assert "lacks the scope admin" in refused.text
    assert "Sign in with another key" in refused.text
    assert 'href="/checkpoints"' in refused.text
    assert 'href="/learn"' not in refused.text
    assert "Signed in: infer" in refused.text
    assert browser.post("/rollback", json={}, headers=OWN).status_code == 403
    sign_in(browser, secrets["admin"])
    assert browser.get("/audit", headers=HTML).status_code == 503
    assert browser.post("/rollback", json={}, headers=OWN).status_code == 503


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://localhost:3000"},  # listed for those who send a key
        {"Origin": "http://localhost:3000", "Sec-Fetch-Site": "same-site"},
        {"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"},
    ],
)
def test_no_other_page_acts_by_the_cookie(
    browser: TestClient, secrets: dict[str, str], headers: dict[str, str]
) -> None:
    sign_in(browser, secrets["admin"])
    assert browser.post("/rollback", json={}, headers=headers).status_code == 403
    key = {"Authorization": f"Bearer {secrets['admin']}"}
    if "evil" not in headers.get("Origin", ""):
        assert browser.post("/rollback", json={}, headers={**headers, **key}).status_code == 503


def test_signed_out_and_revoked_ones_are_out(
    browser: TestClient, root: Path, secrets: dict[str, str]
) -> None:
    sign_in(browser, secrets["admin"])
    kept = dict(browser.cookies)
    assert browser.post("/sign-out", headers={**HTML, **OWN}).headers["location"] == "/sign-in"
    assert not browser.cookies
    browser.cookies.update(kept)  # a copy is of no use
    assert browser.get("/info").status_code == 401

    sign_in(browser, secrets["infer"])
    assert browser.get("/info").status_code == 503
    keys.write_file(config.load(root).keys_path, [keys.new_key(frozenset({"infer"}), "other")[1]])
    assert browser.get("/info").status_code == 401


def test_without_keys_there_is_nothing_to_sign_in_to(root: Path) -> None:
    def never_started() -> None:
        raise Unavailable("starting")

    app = site.install(create_app(never_started, config.load(root)))  # type: ignore[arg-type]
    with TestClient(app, base_url="http://127.0.0.1", follow_redirects=False) as client:
        assert client.get("/sign-in?next=/gate").headers["location"] == "/gate"
        answer = client.post("/sign-in", data={"key": "any"}, headers=OWN)
        assert answer.status_code == 403
