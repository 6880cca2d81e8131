"""Row 16: every route under each key, name and origin, held to what docs/ACCESS.md says."""

import dataclasses
import http.client
import json
import re
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.processes import REPOSITORY, Figures
from bench.survival.service import BRIEFLY, Started, disorder, running
from bench.survival.trials import Plan, Row, Trial, verdict
from radiance.api.auth import keys
from radiance.config import load

_PAGE = REPOSITORY / "docs" / "ACCESS.md"
_LINE = re.compile(r"\| (GET|POST|DELETE|PUT|PATCH) \| `([^`]+)` \| (\w+) \|")
_SAFE = ("GET", "HEAD", "OPTIONS")
_FOREIGN = "evil.example"
_ANSWERED = 0


def documented() -> list[tuple[str, str, str]]:
    """The routes of the page: method, path, scope."""
    return _LINE.findall(_PAGE.read_text(encoding="utf-8"))


@dataclass(frozen=True)
class _Caller:
    """Whoever sends a request.

    Attributes:
        name: Of the kind.
        scope: What its key allows; "" is no key that is known.
        headers: That say so.
        is_session: Whether it is a signed-in browser.
    """

    name: str
    scope: str
    headers: Mapping[str, str]
    is_session: bool = False


def expected(
    method: str, scope: str, caller: _Caller, host: str, origin: str, needs_key: bool
) -> int:
    """The status by the table of the page, line by line; 0 is "answered"."""
    changes = method not in _SAFE
    if host == "foreign":
        return 421
    if changes and origin == "foreign":
        return 403
    if scope == "none" or not needs_key:
        return _ANSWERED
    if not caller.scope:
        return 401
    if scope != "any" and caller.scope not in (scope, "admin"):
        return 403
    if caller.is_session and changes and origin != "own":
        return 403
    return _ANSWERED


def _send(port: int, method: str, path: str, headers: Mapping[str, str]) -> tuple[int, str]:
    """Status and code of an answer, whose body is left; a body that no route can use is sent."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        body = None if method in _SAFE else iter([b"{"])
        sent = {"Accept": "application/json", "Content-Type": "application/json", **headers}
        if body is not None:  # of no known length, which no form is read with
            sent["Transfer-Encoding"] = "chunked"
        connection.request(method, path, body, sent, encode_chunked=body is not None)
        answer = connection.getresponse()
        text = answer.read() if answer.status >= 400 else b""
        try:
            return answer.status, json.loads(text)["error"]["type"]
        except (ValueError, KeyError, TypeError):
            return answer.status, ""
    finally:
        connection.close()


def _sign_in(port: int, secret: str) -> str:
    """The cookie of a browser that signs in."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        form = urllib.parse.urlencode({"key": secret})
        origin = {"Origin": f"http://127.0.0.1:{port}"}
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        connection.request("POST", "/sign-in", form, {**origin, **kind})
        answer = connection.getresponse()
        answer.read()
        return (answer.getheader("Set-Cookie") or "").partition(";")[0]
    finally:
        connection.close()


def _callers(port: int, secrets: Mapping[str, str]) -> Iterator[_Caller]:
    yield _Caller("no key", "", {})
    yield _Caller("an unknown key", "", {"Authorization": "Bearer rk_nobody"})
    for scope, secret in secrets.items():
        yield _Caller(f"a key of scope {scope}", scope, {"Authorization": f"Bearer {secret}"})
        cookie = _sign_in(port, secret)
        yield _Caller(f"a browser of scope {scope}", scope, {"Cookie": cookie}, is_session=True)


def _matrix(plan: Plan, root: Path, needs_key: bool) -> Figures:
    made = {scope: keys.new_key(frozenset({scope}), scope) for scope in keys.SCOPES}
    path = load(root).keys_path
    path.parent.mkdir(parents=True, exist_ok=True)
    keys.write_file(path, [key for _, key in made.values()])
    secrets = {str(scope): secret for scope, (secret, _) in made.items()}
    required = "always" if needs_key else "auto"
    wrong: list[str] = []
    statuses: dict[str, int] = {}
    with running(root, plan.base, *BRIEFLY, f'access.required="{required}"') as service:
        own = f"127.0.0.1:{service.port}"
        hosts = {"own": own, "foreign": _FOREIGN}
        origins = {"none": {}, "own": {"Origin": f"http://{own}"}}
        origins["foreign"] = {"Origin": f"https://{_FOREIGN}"}
        everybody = list(_callers(service.port, secrets if needs_key else {}))
        for method, path_of, scope in documented():
            if (method, path_of) == ("POST", "/sign-out"):
                continue  # it would sign out whoever comes next; the line below asks it
            for caller in everybody:
                for host, name in hosts.items():
                    for origin, more in origins.items():
                        headers = {"Host": name, **more, **caller.headers}
                        at = re.sub(r"[{}]|:path", "", path_of)
                        status, kind = _send(service.port, method, at, headers)
                        is_refusal = status in (401, 403, 421) and kind != ""
                        found = status if is_refusal else _ANSWERED
                        wanted = expected(method, scope, caller, host, origin, needs_key)
                        if found != wanted or status >= 500:
                            wrong.append(
                                f"{method} {path_of}, {caller.name}, Host {host}, Origin {origin}: "
                                f"{status}, not {wanted or 'answered'}"
                            )
                        statuses[str(found)] = statuses.get(str(found), 0) + 1
        out = _send(service.port, "POST", "/sign-out", {"Host": own})[0]
        if out >= 400:
            wrong.append(f"POST /sign-out: {out}")
        wrong += _disorder(service, secrets["admin"] if needs_key else "")
    return verdict(wrong, requests=sum(statuses.values()), refused=statuses)


def _disorder(service: Started, key: str) -> list[str]:
    """The same as ``disorder``, asked with a key."""
    return disorder(service._replace(client=dataclasses.replace(service.client, key=key)))


def _tell(figures: Sequence[Figures]) -> str:
    requests = sum(one.get("requests", 0) for one in figures)
    refused = {status: 0 for one in figures for status in one.get("refused", {})}
    for one in figures:
        for status, count in one.get("refused", {}).items():
            refused[status] += count
    told = ", ".join(
        f"{count} {'answered' if status == '0' else status}"
        for status, count in sorted(refused.items())
    )
    return f"{requests} requests: {told}"


ROWS = (
    Row(
        16,
        "every route under each key, session, Host and Origin, as docs/ACCESS.md says",
        lambda plan: [
            Trial("keys are needed", lambda root: _matrix(plan, root, True), 900),
            Trial("keys are not needed", lambda root: _matrix(plan, root, False), 600),
        ],
        _tell,
    ),
)
