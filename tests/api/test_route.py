from typing import Any

import msgspec
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient

from radiance.api.route import OPEN, Reply, get, post
from radiance.api.routes import create_app
from radiance.config import Config
from radiance.errors import Unavailable


class Sum(msgspec.Struct):
    total: int
    note: str | None = None


async def plain(_: Request) -> Sum:
    return Sum(3)


async def dressed(_: Request) -> Reply[Sum]:
    return Reply(Sum(4, "é"), 207, {"X-Sum": "4"})


async def otherwise(_: Request) -> PlainTextResponse:
    return PlainTextResponse("five", 203)


@pytest.fixture
def client() -> Any:
    def starting() -> Any:
        raise Unavailable("starting")

    app = create_app(starting, Config())
    app.router.routes += [
        get("/plain", plain, OPEN, gives=Sum),
        post("/made", plain, OPEN, takes=None, gives=Sum, status=201),
        get("/dressed", dressed, OPEN, gives=Sum),
        get("/otherwise", otherwise, OPEN, gives="text/plain"),
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
