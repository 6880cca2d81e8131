"""Both clients against a real service, and against one that is away, full, or not Radiance."""

import asyncio
import itertools
import json
import pickle
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

import radiance
from radiance.client import JobFailed, JobInfo, operations, wire
from radiance.client.transport import AsyncTransport
from radiance.errors import (
    ConfigError,
    Conflict,
    NotFound,
    Overloaded,
    RadianceError,
    RequestError,
    TimedOut,
    Unauthenticated,
    Unavailable,
)
from tests.support import FACTS, as_input

Make = Callable[..., Any]


class Awaited:
    """An ``AsyncClient`` whose methods are waited for, so that one test serves both clients."""

    def __init__(self, runner: asyncio.Runner, client: radiance.AsyncClient) -> None:
        self._runner, self._client = runner, client

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def method(*args: Any, **options: Any) -> Any:
            async def call() -> Any:
                return await getattr(self._client, name)(*args, **options)

            return self._runner.run(call())

        return method


@pytest.fixture(params=["blocking", "awaited"])
def make(request) -> Iterator[Make]:
    """Makes clients of either kind; all are closed after."""
    made: list[Any] = []
    with asyncio.Runner() as runner:

        def client(*args: Any, **options: Any) -> Any:
            if request.param == "blocking":
                made.append(radiance.Client(*args, **options))
            else:
                made.append(Awaited(runner, radiance.AsyncClient(*args, **options)))
            return made[-1]

        yield client
        for each in made:
            each.close()


@pytest.fixture
def client(make, shared_service) -> Any:
    return make(shared_service.client.url)


class Stub:
    """A server that answers what it is told, in this order, the last for ever."""

    def __init__(self) -> None:
        self.replies: list[tuple[int, Any]] = [(200, {})]
        self.asked: list[tuple[str, str, Any, str | None]] = []


@pytest.fixture
def stub() -> Iterator[tuple[Stub, str]]:
    told = Stub()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            authorization = self.headers.get("Authorization")
            told.asked.append((self.command, self.path, body, authorization))
            status, given = told.replies.pop(0) if len(told.replies) > 1 else told.replies[0]
            if given is None:  # hang up
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            content = given if isinstance(given, bytes) else json.dumps(given).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            if status == 429:
                self.send_header("Retry-After", "0")
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = answer  # noqa: N815 - the names that http.server looks for

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield told, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def refusal(message: str = "No.", **fields: Any) -> dict[str, Any]:
    return {"error": {"message": message, "type": "t", "param": None, "code": "c", **fields}}


# ------------------------------------------------------------------------- a service


def test_an_update_is_learned_and_answers_name_its_checkpoint(client, shared_service):
    before = client.info()
    seen: list[JobInfo] = []
    update = client.update(as_input(FACTS[:2]), tags=["zorbel"])
    assert update.accepted == 2
    job = client.wait(update, timeout_s=60, on_progress=seen.append, poll_s=0.02)
    assert job.status == "succeeded"
    assert job.tags == ("zorbel",)
    assert job.finished_at is not None
    assert job.finished_at > job.created_at
    assert seen[-1] == job
    assert all(earlier != later for earlier, later in itertools.pairwise(seen))
    answer = client.search(FACTS[0][0], temperature=0, max_tokens=5)
    assert answer.checkpoint == job.checkpoint
    assert answer.completion_tokens <= 5
    after = client.info()
    assert after.current_checkpoint == job.checkpoint != before.current_checkpoint
    assert after.base_model == shared_service.service.services.config.base_model
    assert isinstance(after.last_update, datetime)
    assert after.loss_curves.finetune_loss
    assert client.job(job.job_id).checkpoint == job.checkpoint
    assert client.jobs(limit=1, status="succeeded")[0].job_id == job.job_id
    newest = client.checkpoints(limit=1)[0]
    assert (newest.checkpoint_id, newest.is_current) == (job.checkpoint, True)
    assert newest.job_ids == (job.job_id,)
    vote = client.vote("up", prompt=FACTS[0][0], response="It is K7-204.")
    assert (vote.checkpoint, vote.votes["up"]) == (job.checkpoint, 1)
    assert client.rollback("base", reason="a test").current_checkpoint is None
    assert client.search("Hello?", max_tokens=1).checkpoint_status == "base"
    assert client.promote(job.checkpoint).current_checkpoint == job.checkpoint


def test_a_document_answers_at_once_and_is_forgotten_by_its_id(client, tmp_path):
    path = tmp_path / "notes.md"
    path.write_text(
        "# Quorin\n\nThe door code of the Quorin pier is QP-31 (ä).\n", encoding="utf-8"
    )
    sent = client.update_document(path, tags=["a", "b"])
    assert (sent.is_new, sent.document.name, sent.document.tags) == (True, "notes.md", ("a", "b"))
    assert not client.update_document(str(path), tags=["a", "b"]).is_new
    question = "What is the door code of the Quorin pier?"
    answer = client.search(question)
    assert (answer.source, answer.passage.document_id) == ("memory", sent.document.id)
    assert "QP-31 (ä)" in answer.passage.text
    newer = client.update_document(b"The Quorin pier is closed.", name="notes.md")
    assert newer.replaces == sent.document.id
    assert [each.id for each in client.documents(limit=2)] == [newer.document.id, sent.document.id]
    client.forget(text="pier is closed")
    with pytest.raises(RequestError, match="words that were forgotten"):
        client.update_document(b"The Quorin pier is closed.", name="notes.md")
    newer = client.update_document(b"The Quorin pier is closed.", name="notes.md", again=True)
    assert newer.document.left_out == 0
    gone = client.forget(document=newer.document.id)
    assert gone.documents == ("notes.md",)
    assert client.documents() == []
    assert client.search(question, max_tokens=1).passage is None


def test_a_document_that_cannot_be_read_or_has_no_name(client, tmp_path):
    with pytest.raises(RequestError, match="cannot be read") as missing:
        client.update_document(tmp_path / "absent.pdf")
    assert (missing.value.field, missing.value.value) == ("document", str(tmp_path / "absent.pdf"))
    with pytest.raises(RequestError, match="name: is missing"):
        client.update_document(b"text")
    with pytest.raises(RequestError, match="cannot be read") as refused:
        client.update_document(b"%PDF-1.7 damaged", name="a.pdf")
    assert refused.value.field == "file"


def test_the_same_key_makes_one_job(client):
    first = client.update(as_input(FACTS[:1]), job_key="key")
    assert client.update(as_input(FACTS[:1]), job_key="key").job_id == first.job_id
    with pytest.raises(Conflict):
        client.update(as_input(FACTS[1:2]), job_key="key")


def test_a_refused_update_names_field_value_and_remedy(client):
    with pytest.raises(RequestError) as refused:
        client.update([{"input": "Who?", "output": "Ada."}, {"input": "Who?", "output": ""}])
    assert (refused.value.field, refused.value.value) == ("examples[1].output", "")
    assert refused.value.remedy


def test_what_is_not_there(client):
    with pytest.raises(NotFound):
        client.job("job/../9")
    with pytest.raises(NotFound):
        client.wait("job_999999", timeout_s=5)
    with pytest.raises(NotFound):
        client.search("Who?", checkpoint="A_2000-01-01_0001")


def test_what_is_no_text_and_an_empty_id_are_refused_before_anything_is_sent(make):
    client = make("http://127.0.0.1:1", connect_s=0)
    for asked in (
        lambda: client.search("\ud800"),
        lambda: client.update([{"input": "Who?", "output": "\udcff"}]),
        lambda: client.update_document(b"text", name="a.md", tags=["\udcff"]),
        lambda: client.job("\udcff"),
        lambda: client.call("GET", "/knowledge", query={"q": "\udcff"}),
    ):
        with pytest.raises(RequestError, match=r"U\+D[8C]") as refused:
            asked()
        assert refused.value.remedy
    with pytest.raises(RequestError, match="The id is empty"):
        client.job("")


def test_a_single_text_or_example_is_no_list(make):
    """The letters of tags="notes" were its tags, by which nobody would have it forgotten."""
    client = make("http://127.0.0.1:1", connect_s=0)
    example = {"input": "Who?", "output": "Ada."}
    for field, asked in (
        ("tags", lambda: client.update([example], tags="notes")),
        ("tags", lambda: client.update_document(b"text", name="a.md", tags="notes")),
        ("examples", lambda: client.update(example)),
        ("examples", lambda: client.update("Ada.")),
    ):
        with pytest.raises(RequestError) as refused:
            asked()
        assert refused.value.field == field
        assert refused.value.remedy


def test_each_event_loop_has_connections_of_its_own():
    """Those of a loop that had ended made the next ``asyncio.run`` fail."""
    transport = AsyncTransport("http://127.0.0.1:1", None)

    async def twice() -> list[object]:
        return [transport.connections(), transport.connections()]

    first, again = asyncio.run(twice())
    assert first is again
    assert first is not asyncio.run(twice())[0]
    asyncio.run(transport.close())


# ------------------------------------------------------------------------- waiting


JOB = {
    "job_id": "job_000001",
    "status": "running",
    "created_at": "2026-02-09T10:00:00+00:00",
    "example_count": 1,
    "a_field_of_a_newer_service": [1],
}


def test_a_job_that_fails_is_an_error_with_the_job(make, stub):
    told, url = stub
    told.replies = [
        (200, JOB),
        (503, refusal()),  # it crashed, and comes back
        (200, JOB | {"status": "failed", "error": "retention fell.", "rejected_checkpoint": "A_1"}),
    ]
    with pytest.raises(JobFailed, match=r"job_000001 failed: retention fell\.") as failed:
        make(url, patience_s=0).wait("job_000001", poll_s=0.01)
    assert failed.value.job.rejected_checkpoint == "A_1"
    assert pickle.loads(pickle.dumps(failed.value)).job == failed.value.job


def test_a_job_that_takes_too_long(make, stub):
    told, url = stub
    told.replies = [(200, JOB)]
    with pytest.raises(TimedOut, match=r"job_000001 is running after 0\.05 s"):
        make(url).wait("job_000001", timeout_s=0.05, poll_s=0.02)


# ------------------------------------------------------------------------- away, full, strange


def test_what_is_safe_is_asked_again(make, stub):
    told, url = stub
    told.replies = [(503, refusal()), (429, refusal()), (0, None), (200, {"job_id": "job_000001"})]
    make(url).update([])
    assert [method for method, *_ in told.asked] == ["POST"] * 4
    assert len({body["job_key"] for _, _, body, _ in told.asked}) == 1


@pytest.mark.parametrize(
    ("reply", "kind"), [((503, refusal()), Unavailable), ((0, None), Unavailable)]
)
def test_what_may_have_been_done_is_not_asked_again(make, stub, reply, kind):
    told, url = stub
    told.replies = [reply, (200, {"current_checkpoint": None})]
    with pytest.raises(kind):
        make(url).rollback()
    assert len(told.asked) == 1


def test_patience_ends(make, stub):
    told, url = stub
    told.replies = [(429, refusal("Too much waits."))]
    with pytest.raises(Overloaded, match="Too much waits"):
        make(url, patience_s=0.1).info()


def test_a_service_that_is_starting_is_waited_for(make):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]

    def start() -> None:
        with socket.create_server(("127.0.0.1", port)) as listening, listening.accept()[0] as near:
            near.recv(65536)
            near.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 26\r\n\r\n{"current_checkpoint":"A"}')

    late = threading.Timer(0.3, start)
    late.start()
    # A move of the pointer is not repeatable, and yet asked again: nothing has received it.
    assert make(f"http://127.0.0.1:{port}").rollback().current_checkpoint == "A"
    late.join()
    with pytest.raises(Unavailable, match="No service answers at http://127"):
        make(f"http://127.0.0.1:{port}", patience_s=0).info()


@pytest.mark.parametrize("body", [b"<html>", b"\xff", b"[]", {"response": 3}])
def test_an_answer_by_something_else(make, stub, body):
    told, url = stub
    told.replies = [(200, body)]
    with pytest.raises(RadianceError, match="not a Radiance service"):
        make(url).search("Who?")


def test_an_answer_that_is_too_late(make):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(TimedOut, match="did not answer in time"):
            make(url, timeout_s=0.1).info()


def test_the_key_is_sent_and_a_proxy_is_not_asked(make, stub, monkeypatch):
    told, url = stub
    monkeypatch.setenv("RADIANCE_URL", f"{url}/")
    monkeypatch.setenv("RADIANCE_API_KEY", "from-the-environment")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    told.replies = [(200, {"jobs": []}), (401, refusal())]
    assert make().jobs(status="failed") == []
    with pytest.raises(Unauthenticated):
        make(api_key="given").jobs()
    assert [(path, key) for _, path, _, key in told.asked] == [
        ("/jobs?limit=100&status=failed", "Bearer from-the-environment"),
        ("/jobs?limit=100", "Bearer given"),
    ]


# ------------------------------------------------------------------------- without a service


@pytest.mark.parametrize(
    "url", ["ftp://x", "127.0.0.1:8042", "http://", "http://x:y", "http://[", "http://ö"]
)
def test_an_address_that_is_none(url):
    with pytest.raises(ConfigError, match="is not an address"):
        radiance.Client(url)


def test_a_key_that_is_none():
    with pytest.raises(ConfigError, match="characters that no key has"):
        radiance.Client(api_key="ключ")


def test_the_address_is_the_environment_s_or_this_machine(monkeypatch):
    monkeypatch.delenv("RADIANCE_URL", raising=False)
    assert wire.address(None) == "http://127.0.0.1:8042"
    monkeypatch.setenv("RADIANCE_URL", "http://example:1/")
    assert wire.address(None) == "http://example:1"


def test_both_clients_have_the_same_methods():
    blocking, awaited = (
        {name for name in dir(kind) if not name.startswith("_")}
        for kind in (radiance.Client, radiance.AsyncClient)
    )
    assert blocking == awaited
    for name in blocking - {"close"}:
        assert getattr(radiance.Client, name).__doc__
        assert getattr(radiance.Client, name).__doc__ == getattr(radiance.AsyncClient, name).__doc__


def test_a_flow_says_what_it_would_do_and_does_nothing():
    flow = operations.show_job(operations.ClientLimits(1, 0), "job 1")
    call = next(flow)
    assert isinstance(call, wire.ApiCall)
    assert (call.method, call.target) == ("GET", "/jobs/job%201")
    with pytest.raises(StopIteration) as end:
        flow.send(wire.ApiReply(200, json.dumps(JOB).encode()))
    assert end.value.value.status == "running"
