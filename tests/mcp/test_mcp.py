"""The official SDK's own client on both of our transports, against real services."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import httpx2
import jsonschema
import pytest
from click.testing import CliRunner

from radiance import config
from radiance.api.auth import keys
from radiance.cli import main
from radiance.cli.client import ServiceClient
from radiance.cli.mcp import tools_client
from radiance.client import operations
from radiance.client.wire import NoConnection
from radiance.errors import RadianceError, Unavailable
from radiance.mcp.tools import TOOLS
from tests.support import FACTS, ApiError, Running, start_service

if TYPE_CHECKING:
    from mcp import Client

QUESTION, ANSWER = FACTS[0]
NAMES = {"ask", "remember", "correct", "forget", "what_do_you_know", "status"}
STDIO = pytest.param("stdio", marks=pytest.mark.slow)  # starts a process
TRANSPORTS = [STDIO, "http", "http-with-a-handshake"]


@asynccontextmanager
async def connected(running: Running, transport: str, key: str = "") -> "AsyncIterator[Client]":
    from mcp import Client, StdioServerParameters  # a second, in every process that collects tests
    from mcp.client.streamable_http import streamable_http_client

    url = running.client.url
    if transport == "stdio":
        command = ["-m", "radiance", "mcp", "--url", url]
        async with Client(
            StdioServerParameters(
                command=sys.executable, args=command, env={"RADIANCE_API_KEY": key}
            )
        ) as client:
            yield client
        return
    mode = "legacy" if "handshake" in transport else "auto"
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=60) as http,
        Client(streamable_http_client(f"{url}/mcp", http_client=http), mode=mode) as client,
    ):
        yield client


def run(
    running: Running, transport: str, does: "Callable[[Client], Awaitable[Any]]", key: str = ""
) -> Any:
    async def scenario() -> Any:
        async with connected(running, transport, key) as client:
            return await does(client)

    return asyncio.run(asyncio.wait_for(scenario(), 120))


async def done(client: "Client", tool: str, **arguments: Any) -> dict[str, Any]:
    """What a tool answers; its text says the same to programs that read only that."""
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    data, text = result.structured_content, result.content[0].text  # type: ignore[union-attr]
    assert data is not None
    says = tool == "ask" and data["response"]  # the base that knows nothing may say nothing
    assert text == says if says else json.loads(text) == data
    return data


async def refused(client: "Client", tool: str, **arguments: Any) -> dict[str, Any]:
    result = await client.call_tool(tool, arguments)
    assert result.is_error
    assert result.structured_content is not None
    error = result.structured_content["error"]
    assert error["message"] in result.content[0].text  # type: ignore[union-attr]
    return error


@pytest.fixture
def waiting(serve) -> Running:
    """A service that accepts and does not learn."""
    running = serve()
    running.client.post("/training/pause", {"reason": "a test"})
    return running


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_fact_is_taught_asked_corrected_and_forgotten(waiting: Running, transport: str) -> None:
    async def does(client: "Client") -> None:
        assert {tool.name for tool in (await client.list_tools()).tools} == NAMES
        receipt = await done(client, "remember", question=QUESTION, answer=ANSWER, tags=["labs"])
        answer = await done(client, "ask", question=QUESTION)
        assert (answer["response"], answer["source"]) == (ANSWER, "memory")
        job = await done(client, "status", job=receipt["job_id"])
        assert (job["status"], job["tags"]) == ("queued", ["labs"])
        corrected = await done(client, "correct", question=QUESTION, answer="It is Q1.")
        assert [one["example_id"] for one in corrected["supersedes"]] == ["job_000001.0"]
        known = await done(client, "what_do_you_know", words="code")
        assert [fact["answer"] for fact in known["facts"]] == ["It is Q1."]
        planned = await done(client, "forget", text="Q1", dry_run=True)
        assert planned["count"] == 2  # every answer to the question
        assert (await done(client, "status"))["queue_depth"] == 2
        await done(client, "forget", job=corrected["job_id"], reason="a test")
        assert not (await done(client, "what_do_you_know", words="Q1"))["facts"]

    run(waiting, transport, does)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_wrong_argument_is_named(shared_service: Running, transport: str) -> None:
    import mcp

    async def does(client: "Client") -> None:
        for tool, arguments, field in (
            ("ask", {}, "question"),
            ("ask", {"question": 3}, "question"),
            ("ask", {"question": "x", "max_token": 3}, "max_token"),
            ("ask", {"question": "word " * 9000}, "question"),
            ("ask", {"question": "x", "checkpoint": "A_1"}, "checkpoint"),
            ("remember", {"question": QUESTION, "answer": " "}, "answer"),
            ("remember", {"question": QUESTION, "answer": "x", "tags": [""]}, "tags[0]"),
            ("forget", {"job": "a", "tag": "b"}, None),  # all four are in the message
            ("what_do_you_know", {"limit": 0}, "limit"),
            ("status", {"job": "job_999999"}, "job"),
        ):
            error = await refused(client, tool, **arguments)
            assert error["field"] == field, (tool, arguments, error)
            assert error["remedy"]
        await done(client, "ask", question="x", checkpoint=None, max_tokens=1)
        with pytest.raises(mcp.MCPError, match="what_do_you_know"):
            await client.call_tool("dream", {})

    run(shared_service, transport, does)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_checkpoints_and_decisions_are_resources(
    serve: Callable[..., Running], checkpointed_root: Any, transport: str
) -> None:
    import mcp

    running = serve(checkpointed_root)
    kept = running.client.get("/checkpoints")["checkpoints"]
    entries = running.client.get("/audit")["entries"]

    async def does(client: "Client") -> None:
        async def read(uri: str) -> Any:
            (content,) = (await client.read_resource(uri)).contents
            return json.loads(content.text)  # type: ignore[union-attr]

        listed = [resource.uri for resource in (await client.list_resources()).resources]
        first = f"radiance://checkpoints/{kept[0]['checkpoint_id']}"
        assert listed[:3] == ["radiance://checkpoints", "radiance://decisions", first]
        templates = (await client.list_resource_templates()).resource_templates
        assert [t.uri_template for t in templates] == [
            "radiance://checkpoints/{id}",
            "radiance://decisions/{number}",
        ]
        assert (await read(listed[0]))["checkpoints"] == kept
        assert (await read(first))["checkpoint_id"] == kept[0]["checkpoint_id"]
        assert (await read(listed[1]))["entries"] == entries
        entry = entries[-1]
        assert await read(f"radiance://decisions/{entry['number']}") == entry
        for unknown in ("radiance://decisions/0", "radiance://checkpoints/A_1", "radiance://x"):
            with pytest.raises(mcp.MCPError) as caught:
                await client.read_resource(unknown)
            assert caught.value.code == -32002

    run(running, transport, does)


@pytest.fixture(scope="module")
def keyed(
    tmp_path_factory: pytest.TempPathFactory, brief: dict[str, Any]
) -> Iterator[tuple[Running, dict[str, str]]]:
    """A service that asks for keys, and one of each scope."""
    settings = config.load(tmp_path_factory.mktemp("keyed"), {**brief, "access.required": "always"})
    made = {scope: keys.new_key(frozenset({scope}), scope) for scope in keys.SCOPES}
    keys.write_file(settings.keys_path, [key for _, key in made.values()])
    secrets = {scope: secret for scope, (secret, _) in made.items()}
    running = start_service(settings, secrets["admin"])
    yield running, {**secrets}
    running.stop()


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_tool_needs_the_scope_of_what_it_does(
    keyed: tuple[Running, dict[str, str]], transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mcp

    running, secrets = keyed
    # The service's own key, if its environment has one, is never lent to a caller.
    monkeypatch.setenv("RADIANCE_API_KEY", secrets["admin"])

    async def as_reader(client: "Client") -> None:
        await done(client, "ask", question=QUESTION, max_tokens=2)
        await done(client, "what_do_you_know")
        for tool, arguments, scope in (
            ("remember", {"question": QUESTION, "answer": ANSWER}, "update"),
            ("correct", {"question": QUESTION, "answer": ANSWER}, "update"),
            ("status", {"job": "job_000001"}, "update"),
            ("forget", {"text": "x"}, "admin"),
        ):
            error = await refused(client, tool, **arguments)
            assert f"lacks the scope {scope}" in error["message"]
        with pytest.raises(mcp.MCPError, match="lacks the scope admin"):
            await client.read_resource("radiance://decisions")

    async def as_teacher(client: "Client") -> str:
        receipt = await done(client, "remember", question=transport, answer=ANSWER)
        error = await refused(client, "ask", question=QUESTION)
        assert "lacks the scope infer" in error["message"]
        return receipt["job_id"]

    run(running, transport, as_reader, secrets["infer"])
    # Each scope is its own: a key that may teach may not ask, unless it has both.
    assert run(running, transport, as_teacher, secrets["update"]).startswith("job_")


def test_correct_says_that_another_keys_answer_is_to_go(
    serve: Callable[..., Running], tmp_path: Path
) -> None:
    scopes: frozenset[keys.Scope] = frozenset({"infer", "update"})
    made = {name: keys.new_key(scopes, name) for name in ("ann", "bob")}
    keys.write_file(config.load(tmp_path).keys_path, [key for _, key in made.values()])
    running = serve(**{"access.required": "always", "update.supersede": "ask"})

    async def as_ann(client: "Client") -> str:
        return (await done(client, "remember", question=QUESTION, answer=ANSWER))["job_id"]

    async def as_bob(client: "Client") -> list[str]:
        error = await refused(client, "remember", question=QUESTION, answer="It is Q1.")
        assert "of another key" in error["message"]
        receipt = await done(client, "correct", question=QUESTION, answer="It is Q1.")
        return [one["example_id"] for one in receipt["supersedes"]]

    first = run(running, "http", as_ann, made["ann"][0])
    assert run(running, "http", as_bob, made["bob"][0]) == [f"{first}.0"]


def test_http_asks_for_a_key_and_keeps_pages_of_others_out(
    keyed: tuple[Running, dict[str, str]],
) -> None:
    running, secrets = keyed
    message = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    for headers, status in (
        ({}, 401),
        ({"Authorization": "Bearer rk_none"}, 401),
        ({"Authorization": f"Bearer {secrets['infer']}", "Origin": "https://a.example"}, 403),
    ):
        keyless = type(running.client)(running.client.url)
        with pytest.raises(ApiError) as caught:
            keyless.post("/mcp", message, headers={"Content-Type": "application/json", **headers})
        assert caught.value.status == status
    with pytest.raises(ApiError) as caught:
        running.client.get("/mcp")
    assert caught.value.status == 405


def test_the_schemas_are_plain_and_every_argument_is_described() -> None:
    for tool in TOOLS:
        jsonschema.Draft202012Validator.check_schema(tool.schema)
        assert tool.schema["additionalProperties"] is False
        assert "$ref" not in json.dumps(tool.schema)
        assert tool.description.endswith(".")
        for name, schema in tool.schema["properties"].items():
            assert schema.get("description"), (tool.name, name)


def test_where_no_service_listens_a_tool_waits_for_none(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(operations, "time", SimpleNamespace(monotonic=lambda: now))

    def waited_s(error: RadianceError) -> float:
        """How long a tool goes on asking a service that answers with ``error`` each time."""
        nonlocal now
        began = now
        flow = operations.search(tools_client(ServiceClient()).limits, QUESTION)
        for _ in flow:
            try:
                pause = flow.throw(error)
            except type(error):
                return now - began
            assert isinstance(pause, operations.Sleep)
            now += pause.seconds
        raise AssertionError("it has no answer")

    assert 0 < waited_s(NoConnection("Nothing listens.")) <= 2
    assert waited_s(Unavailable("It is starting.")) > 4


@pytest.mark.slow
def test_without_a_service_a_tool_says_so_and_how_to_start_one(
    shared_service: Running,
) -> None:
    away = Running(shared_service.service, type(shared_service.client)("http://127.0.0.1:9"), print)

    async def does(client: "Client") -> dict[str, Any]:
        return await refused(client, "status")

    assert "radiance run" in run(away, "stdio", does)["message"]


def test_without_the_sdk_it_is_said_how_to_get_it(
    shared_service: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "radiance.mcp.server", raising=False)
    for name in [name for name in sys.modules if name.partition(".")[0] in ("mcp", "mcp_types")]:
        monkeypatch.setitem(sys.modules, name, None)
    found = CliRunner().invoke(main, ["mcp"])
    assert found.exit_code == 2
    assert "pip install 'radiance[mcp]'" in found.output
    with pytest.raises(ApiError) as caught:
        shared_service.client.post("/mcp", {"jsonrpc": "2.0", "id": 1, "method": "ping"})
    assert caught.value.status == 404
    assert "radiance[mcp]" in caught.value.error["remedy"]


def test_a_name_that_stands_twice_is_refused_here_too(shared_service: Running) -> None:
    raw = b'{"jsonrpc": "2.0", "id": 1, "method": "ping", "params": {"x": 1, "x": 2}}'
    with pytest.raises(ApiError) as caught:
        shared_service.client.call("POST", "/mcp", raw=raw)
    assert (caught.value.status, caught.value.error["param"]) == (400, "params.x")
