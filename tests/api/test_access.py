"""Who may do what: keys and scopes on every route, and what web pages cannot do."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from click.testing import CliRunner
from starlette.testclient import TestClient

from radiance import config
from radiance.api.auth import keys
from radiance.api.auth.access import ANY, tls_files
from radiance.api.route import OPEN, Route
from radiance.api.routes import all_routes, create_app
from radiance.cli import main
from radiance.errors import ConfigError, Unavailable
from tests.support import start_service

ROUTES = all_routes()
SECRETS: dict[keys.Scope, str] = {}


def never_started() -> Any:
    raise Unavailable("starting")


def app_client(root: Path, **settings: Any) -> TestClient:
    app = create_app(never_started, config.load(root, settings))
    return TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with a key of each scope."""
    root = tmp_path_factory.mktemp("keyed")
    made = {scope: keys.new_key(frozenset({scope}), scope) for scope in keys.SCOPES}
    SECRETS.update({scope: secret for scope, (secret, _) in made.items()})
    keys.write_file(config.load(root).keys_path, [key for _, key in made.values()])
    return root


@pytest.fixture(scope="module")
def keyed(root: Path) -> Iterator[TestClient]:
    with app_client(root, **{"access.required": "always"}) as client:
        yield client


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def path_of(route: Route) -> str:
    return route.path.replace("{", "").replace("}", "")


# ----------------------------------------------------------------------------- keys and scopes


def test_every_route_has_a_scope_and_only_life_signs_are_open() -> None:
    assert all(isinstance(route, Route) for route in ROUTES)
    # And the pages' own styles and scripts, which a browser fetches without a key.
    found = {route.path for route in ROUTES if route.scope is OPEN}
    assert found == {"/health", "/ready"}
    assert {route.scope for route in ROUTES} == {OPEN, ANY, *keys.SCOPES}


@pytest.mark.parametrize("route", ROUTES, ids=lambda r: f"{min(r.methods)} {r.path}")
def test_every_route_asks_for_its_scope(keyed: TestClient, route: Route) -> None:
    (method,) = (route.methods or set()) - {"HEAD"}
    answer = keyed.request(method, path_of(route))
    if route.scope is OPEN:
        assert answer.status_code in (200, 503, 404)  # 404: no asset has the parameter's name
        return
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.json()["error"]["code"] == "invalid_api_key"
    for scope, secret in SECRETS.items():
        answer = keyed.request(method, path_of(route), headers=bearer(secret))
        if route.scope is ANY or scope in (route.scope, "admin"):
            # It came as far as the service, which starts; these two need none.
            has_answer = route.path in ("/openapi.json", "/metrics")
            assert answer.status_code == (200 if has_answer else 503)
        else:
            assert answer.status_code == 403
            assert route.scope in answer.json()["error"]["message"]
            assert f'scope="{route.scope}"' in answer.headers["www-authenticate"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"x-api-key": "infer"}, 503),
        ({"Authorization": "bearer infer"}, 503),
        ({"Authorization": "Bearer infer "}, 503),
        ({"Authorization": "Basic infer"}, 401),
        ({"Authorization": "Bearer"}, 401),
        ({"Authorization": "Bearer infer, infer"}, 401),
        ({"x-api-key": ""}, 401),
        ({"Authorization": "Bearer rk_\u00e9"}, 401),
    ],
)
def test_how_a_key_is_sent(keyed: TestClient, headers: dict[str, str], status: int) -> None:
    sent = {
        name.encode(): value.replace("infer", SECRETS["infer"]).encode()
        for name, value in headers.items()
    }
    assert keyed.get("/info", headers=sent).status_code == status


def test_loopback_needs_no_key_and_other_addresses_do(root: Path, tmp_path: Path) -> None:
    for host in ("127.0.0.1", "localhost", "::1", "127.8.8.8"):
        with app_client(tmp_path, **{"server.host": host}) as client:
            assert client.get("/info").status_code == 503
            assert client.get("/info", headers=bearer("EMPTY")).status_code == 503
    for host in ("0.0.0.0", "::", "192.168.1.7", "radiance.example"):
        with pytest.raises(ConfigError, match="radiance keys new") as caught:
            app_client(tmp_path, **{"server.host": host})
        assert host in str(caught.value)
        with app_client(root, **{"server.host": host}) as client:
            assert client.get("/info").status_code == 401
        with app_client(tmp_path, **{"server.host": host, "access.required": "never"}) as client:
            assert client.get("/info").status_code == 503


# ----------------------------------------------------------------------------- web pages


@pytest.mark.parametrize(
    ("host", "bind", "allowed", "known"),
    [
        ("localhost:8042", "127.0.0.1", (), True),
        ("LocalHost.", "127.0.0.1", (), True),
        ("127.0.0.1:1", "127.0.0.1", (), True),
        ("[::1]:8042", "127.0.0.1", (), True),
        ("app.localhost", "127.0.0.1", (), True),
        ("evil.example", "127.0.0.1", (), False),
        ("localhost.evil.example", "127.0.0.1", (), False),
        ("127.0.0.1.evil.example", "127.0.0.1", (), False),
        ("evillocalhost", "127.0.0.1", (), False),
        ("192.168.1.7", "127.0.0.1", (), False),
        ("192.168.1.7:8042", "0.0.0.0", (), True),
        ("evil.example", "0.0.0.0", (), False),
        ("mac.local", "mac.local", (), True),
        ("ai.example", "127.0.0.1", ("AI.example",), True),
        ("x.ai.example", "127.0.0.1", ("*.ai.example",), True),
        ("ai.example", "127.0.0.1", ("*.ai.example",), False),
        ("evil-ai.example", "127.0.0.1", ("*.ai.example",), False),
        ("any.example", "127.0.0.1", ("*",), True),
        ("", "127.0.0.1", (), False),
        ("[::1", "127.0.0.1", (), False),
    ],
)
def test_names_that_a_page_could_rebind_are_refused(
    tmp_path: Path, host: str, bind: str, allowed: tuple[str, ...], known: bool
) -> None:
    settings = {
        "server.host": bind,
        "server.allowed_hosts": list(allowed),
        "access.required": "never",
    }
    with app_client(tmp_path, **settings) as client:
        answer = client.get("/health", headers={"Host": host})
    assert answer.status_code == (200 if known else 421)
    if not known:
        assert answer.json()["error"]["code"] == "unknown_host"


@pytest.mark.parametrize(
    ("method", "headers", "passes"),
    [
        ("POST", {}, True),
        ("POST", {"Origin": "http://127.0.0.1"}, True),
        ("POST", {"Origin": "https://127.0.0.1"}, True),  # TLS may end before us
        ("POST", {"Origin": "http://127.0.0.1:3000"}, False),
        ("POST", {"Origin": "https://evil.example"}, False),
        ("POST", {"Origin": "null"}, False),
        ("POST", {"Sec-Fetch-Site": "same-origin", "Origin": "http://127.0.0.1"}, True),
        ("POST", {"Sec-Fetch-Site": "none"}, True),
        ("POST", {"Sec-Fetch-Site": "cross-site"}, False),
        ("POST", {"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1:3000"}, False),
        ("POST", {"Sec-Fetch-Site": "cross-site", "Origin": "https://chat.example"}, True),
        ("DELETE", {"Origin": "https://evil.example"}, False),
        ("GET", {"Origin": "https://evil.example"}, True),  # the browser shows it no answer
    ],
)
def test_pages_of_other_origins_change_nothing(
    tmp_path: Path, method: str, headers: dict[str, str], passes: bool
) -> None:
    with app_client(tmp_path, **{"server.cors_origins": ["https://chat.example"]}) as client:
        answer = client.request(method, "/search", headers=headers)
    assert (answer.status_code != 403) == passes
    if not passes:
        assert answer.json()["error"]["code"] == "unknown_origin"


def test_cors_is_off_unless_an_origin_is_listed(tmp_path: Path) -> None:
    asks = {
        "Origin": "https://chat.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }
    with app_client(tmp_path) as client:
        answer = client.options("/search", headers=asks)
        assert "access-control-allow-origin" not in answer.headers
        answer = client.get("/health", headers={"Origin": "https://chat.example"})
        assert "access-control-allow-origin" not in answer.headers
    with app_client(tmp_path, **{"server.cors_origins": ["https://chat.example"]}) as client:
        answer = client.options("/search", headers=asks)
        assert answer.headers["access-control-allow-origin"] == "https://chat.example"
        assert "authorization" in answer.headers["access-control-allow-headers"]
        answer = client.get("/health", headers={"Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    "origin", ["app://obsidian.md", "https://chat.example", "http://localhost:3000", "null"]
)
def test_a_page_of_a_listed_origin_may_reach_loopback(tmp_path: Path, origin: str) -> None:
    asks = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Private-Network": "true",
    }
    with app_client(tmp_path, **{"server.cors_origins": [origin]}) as client:
        answer = client.options("/search", headers=asks)
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-private-network"] == "true"
        answer = client.options("/search", headers={**asks, "Origin": "https://evil.example"})
        assert answer.status_code == 400


@pytest.mark.parametrize(
    "origin",
    [
        "https://chat.example/",
        "https://chat.example/page",
        "chrome-extension://*",
        "https://*.example",
        "HTTPS://chat.example",
        "https://Chat.example",
        "https://chat.example:443",
        "http://chat.example:80",
        "https://ü.example",
        "chat.example",
        "https://user@chat.example",
        "",
    ],
)
def test_an_origin_that_no_browser_sends_is_a_mistake(tmp_path: Path, origin: str) -> None:
    with pytest.raises(ConfigError, match=r"server\.cors_origins: .* can never match"):
        create_app(never_started, config.load(tmp_path, {"server.cors_origins": [origin]}))


# ----------------------------------------------------------------------------- TLS, whole


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def test_tls_files_are_checked_before_anything_starts(
    tmp_path: Path, authority: trustme.CA
) -> None:
    issued = authority.issue_cert("127.0.0.1")
    issued.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "both.pem"))
    authority.issue_cert("x.example").private_key_pem.write_to_path(str(tmp_path / "other.key"))
    assert tls_files(config.load(tmp_path)) is None
    one = config.load(tmp_path, {"server.tls_cert": "both.pem"})
    assert tls_files(one) == (str(tmp_path / "both.pem"), None)
    for bad in (
        {"server.tls_cert": "missing.pem"},
        {"server.tls_key": "both.pem"},
        {"server.tls_cert": "both.pem", "server.tls_key": "other.key"},
        {"server.tls_cert": "other.key"},
    ):
        with pytest.raises(ConfigError, match=r"^server\.tls_"):
            tls_files(config.load(tmp_path, bad))


def test_a_service_for_others_asks_for_keys_over_tls_and_the_commands_send_them(
    root: Path, brief: dict[str, Any], authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    issued = authority.issue_cert("localhost", "127.0.0.1")
    issued.private_key_and_cert_chain_pem.write_to_path(str(root / "tls.pem"))
    authority.cert_pem.write_to_path(str(root / "ca.pem"))
    settings = config.load(
        root, {"server.tls_cert": "tls.pem", "access.required": "always", **brief}
    )
    running = start_service(settings, key=SECRETS["admin"], trust=root / "ca.pem")
    try:
        monkeypatch.setenv("SSL_CERT_FILE", str(root / "ca.pem"))
        monkeypatch.setenv("RADIANCE_URL", running.client.url)
        monkeypatch.delenv("RADIANCE_API_KEY", raising=False)
        runner = CliRunner()
        refused = runner.invoke(main, ["search", "Hi"])
        assert refused.exit_code == 2
        assert "RADIANCE_API_KEY" in refused.stderr
        monkeypatch.setenv("RADIANCE_API_KEY", SECRETS["infer"])
        assert runner.invoke(main, ["search", "Hi", "--max-tokens", "4"]).exit_code == 0
        refused = runner.invoke(main, ["jobs", "list"])
        assert refused.exit_code == 2
        assert "scope update" in refused.stderr
        (root / "secret").write_text(SECRETS["update"] + "\n")
        listed = runner.invoke(main, ["jobs", "list", "--json", "--api-key", f"@{root}/secret"])
        assert (listed.exit_code, "Warning" in listed.stderr) == (0, False)
        listed = runner.invoke(main, ["jobs", "list", "--api-key", SECRETS["update"]])
        assert (listed.exit_code, "Warning" in listed.stderr) == (0, True)
        pinned = running.client.post("/pin", {"checkpoint": "base"})["pinned"]
        assert pinned["actor"] == "api:admin"
    finally:
        running.stop()


def test_a_service_for_others_without_keys_does_not_start(tmp_path: Path) -> None:
    arguments = ["run", "--root", str(tmp_path), "--host", "0.0.0.0", "--port", "0"]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 2
    assert "radiance keys new" in done.stderr
    assert not (tmp_path / "runs").exists()
