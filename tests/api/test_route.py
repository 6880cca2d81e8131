import threading
from dataclasses import dataclass
from typing import Any, cast

import msgspec
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient

from radiance.api.route import OPEN, Reply, get, post
from radiance.api.routes import create_app
from radiance.config import Config
from radiance.errors import Unavailable


class Terms(msgspec.Struct, forbid_unknown_fields=True):
    a: int
    b: int = 0


class Sum(msgspec.Struct):
    total: int
    note: str | None = None


async def plain(_: Request) -> Sum:
    return Sum(3)


async def dressed(_: Request) -> Reply[Sum]:
    return Reply(Sum(4, "é"), 207, {"X-Sum": "4"})


async def otherwise(_: Request) -> PlainTextResponse:
    return PlainTextResponse("five", 203)


def added(_: Request, body: Terms) -> Sum:
    return Sum(body.a + body.b)


async def added_soon(request: Request, body: Terms) -> Reply[Sum] | PlainTextResponse:
    return Reply(added(request, body), 202)


def told_where(_: Request) -> Sum:
    return Sum(threading.get_ident())


async def told_where_soon(_: Request) -> Sum:
    return Sum(threading.get_ident())


@dataclass
class Settled:
    config: Config


def starting() -> Any:
    raise Unavailable("starting")


@pytest.fixture
def client() -> Any:
    app = create_app(lambda: cast(Any, Settled(Config())), Config())
    app.router.routes += [
        get("/plain", plain, OPEN, gives=Sum),
        post("/made", plain, OPEN, takes=None, gives=Sum, status=201),
        get("/dressed", dressed, OPEN, gives=Sum),
        get("/otherwise", otherwise, OPEN, gives="text/plain"),
        post("/added", added, OPEN),
        post("/added-soon", added_soon, OPEN),
        get("/thread", told_where, OPEN),
        get("/loop", told_where_soon, OPEN),
    ]
    with TestClient(app, base_url="http://localhost") as client:
        yield client


def test_a_struct_is_the_body_and_the_route_has_the_status(client: TestClient) -> None:
    answer = client.get("/plain")
    assert (answer.status_code, answer.content) == (200, b'{"total":3,"note":null}')
    assert answer.headers["content-type"] == "application/json"
    assert client.post("/made").status_code == 201


def test_a_reply_has_a_status_and_headers_of_its_own(client: TestClient) -> None:
    answer = client.get("/dressed")
    assert (answer.status_code, answer.headers["x-sum"]) == (207, "4")
    assert answer.json() == {"total": 4, "note": "é"}


def test_a_response_goes_out_as_it_is(client: TestClient) -> None:
    answer = client.get("/otherwise")
    assert (answer.status_code, answer.text) == (203, "five")


def test_a_signature_says_what_a_route_takes_and_gives() -> None:
    for handler in (added, added_soon):
        route = post("/added", handler, OPEN)
        assert (route.takes, route.gives) == (Terms, Sum)
    assert get("/plain", plain, OPEN).gives is Sum
    with pytest.raises(TypeError, match="POST /plain does not say what it takes"):
        post("/plain", plain, OPEN)
    with pytest.raises(TypeError, match="GET /otherwise does not say what it gives"):
        get("/otherwise", otherwise, OPEN)


def test_a_handler_with_a_second_parameter_gets_the_body_checked(client: TestClient) -> None:
    for path, status in (("/added", 200), ("/added-soon", 202)):
        answer = client.post(path, json={"a": 3, "b": 4})
        assert (answer.status_code, answer.json()["total"]) == (status, 7)
        refused = client.post(path, json={"a": "x"})
        assert refused.status_code == 400
        assert refused.json()["error"]["param"] == "a"


def test_a_body_is_not_read_before_the_service_has_started() -> None:
    app = create_app(starting, Config())
    app.router.routes.append(post("/added", added, OPEN))
    with TestClient(app, base_url="http://localhost") as client:
        assert client.post("/added", json={"a": "x"}).status_code == 503


def test_a_handler_that_is_no_coroutine_runs_beside_the_event_loop(client: TestClient) -> None:
    where = client.get("/loop").json()["total"]
    assert where == client.get("/loop").json()["total"]
    assert client.get("/thread").json()["total"] != where
