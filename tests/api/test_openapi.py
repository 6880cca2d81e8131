"""The API document says what the service does: every route, and every answer to the letter."""

import json
import types
import typing
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from starlette.responses import Response

from radiance import config
from radiance.api.openapi import document
from radiance.api.route import OPEN, Reply, Route
from radiance.api.routes import all_routes
from radiance.web import site
from tests.support import FACTS, ApiError, Running, as_input, start_service

ROUTES = [route for route in all_routes() if route.is_documented]
PAGES = site.all_routes()
DOCUMENT = document([*PAGES, *ROUTES])
OPERATIONS = {
    (method.upper(), path): operation
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
}


def closed(schema: Any) -> Any:
    """The same schema, refusing every property that it does not name."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {name: closed(value) for name, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and "type" in schema:
        schema.setdefault("additionalProperties", False)
    return schema


CLOSED = closed(DOCUMENT)


def check(
    method: str,
    path: str,
    status: int,
    body: Any,
    media: str = "application/json",
    name: str = "schema",
) -> None:
    """Hold an answer against the document; strictly: what is not described is wrong."""
    responses = CLOSED["paths"][path][method.lower()]["responses"]
    response = responses.get(str(status), responses["default"])
    schema = {**response["content"][media][name], "components": CLOSED["components"]}
    jsonschema.Draft202012Validator(schema).validate(body)


@pytest.mark.slow
def test_it_is_an_openapi_document() -> None:
    from openapi_spec_validator import OpenAPIV31SpecValidator

    OpenAPIV31SpecValidator(DOCUMENT).validate()


def test_every_route_is_described() -> None:
    for route in ROUTES:
        path = route.path.replace(":path}", "}")
        for method in (route.methods or set()) - {"HEAD"}:
            operation = OPERATIONS[method, path]
            assert operation["summary"].endswith("."), path
            names = {p["name"] for p in operation["parameters"] if p["in"] == "path"}
            assert all(f"{{{name}}}" in path for name in names), path
            assert names or "{" not in path, path
            assert ("requestBody" in operation) == (route.takes is not None), path


def test_every_route_says_what_it_takes_and_gives() -> None:
    for route in (*PAGES, *ROUTES):
        assert isinstance(route, Route), route
        assert route.gives is not None, route.path
        assert route.takes is None or route.method == "POST", route.path


def test_a_route_that_does_not_say_it_cannot_be_made() -> None:
    async def handler(_: Any) -> None: ...

    with pytest.raises(TypeError, match="gives"):
        Route("/x", handler, OPEN, method="GET")
    with pytest.raises(TypeError, match="POST /x does not say what it takes"):
        Route("/x", handler, OPEN, method="POST", gives=dict)


FILES = {"/signals/runs/{run_id}/{file}"}
"""Routes that hand out a file as it is kept, in several forms of which one is JSON."""


def answered_by(route: Route) -> set[Any]:
    """What a handler says that it returns, without statuses, headers and other responses."""
    found = typing.get_type_hints(route.handler)["return"]
    is_union = typing.get_origin(found) in (typing.Union, types.UnionType)
    kinds = typing.get_args(found) if is_union else (found,)
    bodies = [typing.get_args(k)[0] if typing.get_origin(k) is Reply else k for k in kinds]
    return {k for k in bodies if not (isinstance(k, type) and issubclass(k, Response))}


def test_a_handler_returns_what_its_route_gives() -> None:
    for route in (*PAGES, *ROUTES):
        assert isinstance(route, Route)
        if route.path in FILES:
            continue
        told = {kind for kind in (route.gives, *route.others.values()) if not isinstance(kind, str)}
        assert answered_by(route) == told, route.path


def test_nothing_else_is_described() -> None:
    documented = [route for route in PAGES if isinstance(route, Route) and route.is_documented]
    assert {route.path for route in documented} == {
        "/checkpoints/{checkpoint_id}/export.zip",
        "/cycles/{cycle_id}/report",
        "/alphas/report",
    }
    served = {(route.method, route.path.replace(":path}", "}")) for route in [*ROUTES, *documented]}
    assert set(OPERATIONS) == served
    names = [operation["operationId"] for operation in OPERATIONS.values()]
    assert len(set(names)) == len(names)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, brief: dict[str, Any]) -> Iterator[Running]:
    running = start_service(config.load(tmp_path_factory.mktemp("root"), brief))
    yield running
    running.stop()


@pytest.fixture(scope="module")
def job(running: Running) -> dict[str, Any]:
    return running.client.teach(FACTS, tags=["user:ann"])


GETS = [
    "/info", "/jobs", "/jobs/{job_id}", "/checkpoints", "/checkpoints/{checkpoint_id}",
    "/checkpoints/{checkpoint_id}/evaluation", "/checkpoints/{checkpoint_id}/lineage", "/feedback",
    "/audit", "/audit/verify", "/training", "/health", "/ready", "/v1/models",
    "/v1/models/{model_id}", "/v1/files", "/v1/fine_tuning/jobs",
]  # fmt: skip


@pytest.mark.parametrize("path", GETS)
def test_what_is_read_is_as_described(running: Running, job: dict[str, Any], path: str) -> None:
    asked = path.format(
        job_id=job["job_id"], checkpoint_id=job["checkpoint"], model_id="radiance:base"
    )
    check("GET", path, 200, running.client.get(asked))


POSTS = [
    ("/search", {"prompt": "Who are you?", "max_tokens": 2}, 200),
    ("/search", {"prompt": ""}, 400),
    ("/update", {"examples": as_input(FACTS[:1])}, 202),
    ("/feedback", {"vote": "up", "prompt": "a", "tags": ["b"]}, 201),
    ("/training/pause", {"reason": "x"}, 200),
    ("/training/resume", {}, 200),
    ("/pin", {"reason": "x"}, 200),
    ("/unpin", {}, 200),
    ("/rollback", {"checkpoint": "base"}, 200),
    ("/promote", {"checkpoint": "A_none"}, 404),
    ("/v1/chat/completions",
     {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 2, "logprobs": True,
      "top_logprobs": 1, "service_tier": "auto", "metadata": {"a": "b"}}, 200),
    ("/v1/chat/completions", {"messages": []}, 400),
    ("/v1/completions", {"prompt": "Hi", "max_tokens": 2, "echo": True, "logprobs": 1}, 200),
    ("/v1/completions", {"prompt": "Hi", "wings": 2}, 400),
    ("/v1/fine_tuning/jobs", {"training_file": "file-none", "model": "radiance"}, 404),
    ("/v1/load_lora_adapter", {"lora_name": "x", "lora_path": "/nowhere"}, 400),
    ("/v1/unload_lora_adapter", {"lora_name": "x"}, 404),
]  # fmt: skip


ENDS = {"/unpin": "/pin", "/training/resume": "/training/pause"}


@pytest.mark.parametrize(("path", "body", "status"), POSTS, ids=lambda v: str(v)[:30])
def test_what_is_sent_is_answered_as_described(
    running: Running, job: dict[str, Any], path: str, body: Any, status: int
) -> None:
    assert job["status"] == "succeeded"
    request = CLOSED["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
    if status in (200, 201, 202):  # what is accepted is described as acceptable
        jsonschema.Draft202012Validator(
            {**request, "components": CLOSED["components"]}
        ).validate(body)  # fmt: skip
    if path in ENDS:  # whichever test came before
        running.client.send(ENDS[path], {})
    found, answer = running.client.send(path, body)
    assert found == status
    check("POST", path, found, answer)
    for end, begin in ENDS.items():  # or the tests after it wait for ever
        if path == begin:
            running.client.send(end, {})


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": "Hi"}]}),
        ("/v1/completions", {"prompt": "Hi", "logprobs": 1}),
    ],
)
def test_events_are_as_described(running: Running, path: str, body: Any) -> None:
    import urllib.request

    options = {"temperature": 0, "max_tokens": 3, "stream_options": {"include_usage": True}}
    asked = {**body, "stream": True, **options}
    request = urllib.request.Request(running.client.url + path, json.dumps(asked).encode())
    with urllib.request.urlopen(request) as response:
        assert response.headers["Content-Type"].startswith("text/event-stream")
        sent = response.read().decode()
    check("POST", path, 200, sent, "text/event-stream")
    lines = [line for line in sent.split("\n\n") if line]
    assert lines.pop() == "data: [DONE]"
    assert len(lines) > 3
    for line in lines:
        data = line.removeprefix("data: ")
        check("POST", path, 200, {"event": "message", "data": data}, "text/event-stream")
        event = json.loads(data)
        check("POST", path, 200, event, "text/event-stream", "x-event-schema")


def test_files_and_tuning_jobs_are_as_described(running: Running) -> None:
    content = "\n".join(map(json.dumps, as_input(FACTS[:2])))
    form = (
        '--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nfine-tune\r\n'
        '--b\r\nContent-Disposition: form-data; name="file"; filename="f.jsonl"\r\n\r\n'
        f"{content}\r\n--b--\r\n"
    )
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    client = running.client
    file = client.call("POST", "/v1/files", raw=form.encode(), headers=headers)
    check("POST", "/v1/files", 200, file)
    check("GET", "/v1/files/{file_id}", 200, client.get(f"/v1/files/{file['id']}"))
    made = client.post("/v1/fine_tuning/jobs", {"training_file": file["id"], "model": "radiance"})
    check("POST", "/v1/fine_tuning/jobs", 200, made)
    client.wait_for(made["id"].replace("ftjob-", "job_"))
    base = f"/v1/fine_tuning/jobs/{made['id']}"
    for part in ("", "/events", "/checkpoints"):
        check("GET", f"/v1/fine_tuning/jobs/{{tuning_id}}{part}", 200, client.get(base + part))
    with pytest.raises(ApiError) as caught:
        client.call("POST", f"{base}/cancel")
    check("POST", "/v1/fine_tuning/jobs/{tuning_id}/cancel", 409, caught.value.body)
    gone = client.call("DELETE", f"/v1/files/{file['id']}")
    check("DELETE", "/v1/files/{file_id}", 200, gone)


def test_it_is_served(running: Running) -> None:
    assert running.client.get("/openapi.json") == json.loads(json.dumps(DOCUMENT))
