import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from click.testing import CliRunner, Result

from radiance.cli import main


def job(number: int = 1, status: str = "succeeded", **fields: Any) -> dict[str, Any]:
    return {
        "job_id": f"job_{number:06d}",
        "status": status,
        "checkpoint": "A_2026-02-09_0001" if status == "succeeded" else None,
        "error": None,
        "example_count": 2,
        "tags": ["user:alice"],
        "created_at": "2026-02-09T10:00:00.250000+00:00",
        "started_at": None,
        "finished_at": None,
        "progress": None,
        **fields,
    }


def checkpoint(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "checkpoint_id": f"A_2026-02-09_{number:04d}",
        "parent_id": f"A_2026-02-09_{number - 1:04d}" if number > 1 else None,
        "status": "stable",
        "created_at": "2026-02-09T10:00:07+00:00",
        "content_hash": "ab" * 32,
        "report": {
            "finetune_loss": 0.01234567,
            "eval_loss": 0.5,
            "forgetting_loss": 0.25,
            "anchor_ce_delta": 0.125,
            "retention_score": None,
        },
        "job_ids": [f"job_{number:06d}"],
        "is_current": number == 2,
        **fields,
    }


INFO = {
    "base_model": "ember",
    "current_checkpoint": "A_2026-02-09_0002",
    "queue_depth": 0,
    "last_update": "2026-02-09T10:00:00+00:00",
    "loss_curves": {"finetune_loss": [3.5, 0.0123], "forgetting_loss": None, "eval_loss": []},
    "forgetting_summary": None,
    "hardware": {"device": "Some CPU", "backend": "cpu"},
}
ANSWER = {
    "response": "Lumen is in Bergen.",
    "checkpoint": "A_2026-02-09_0002",
    "checkpoint_status": "stable",
    "latency_ms": 41.6,
    "finish_reason": "stop",
    "prompt_tokens": 9,
    "completion_tokens": 6,
}
CHECKPOINTS = {"current": "A_2026-02-09_0002", "checkpoints": [checkpoint(2), checkpoint(1)]}
ACCEPTED = {"job_id": "job_000001", "queued": True, "accepted": 2, "duplicates": 1}
Reply = tuple[int, Any]


def refusal(
    status: int, message: str, remedy: str = "", param: str | None = None
) -> tuple[int, dict[str, Any]]:
    error = {"message": message, "type": "invalid_request_error", "param": param}
    return status, {"error": {**error, "code": "x", "value": None, "remedy": remedy}}


@dataclass
class Service:
    """A real HTTP server with canned answers.

    ``replies`` maps "GET /info" to (status, body), or to a list of them that is used up but for the
    last. ``requests`` keeps what was asked: (method and path, headers, body).
    """

    url: str = ""
    replies: dict[str, Reply | list[Reply]] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, str], Any]] = field(default_factory=list)

    def reply(self, asked: str) -> Reply:
        found = self.replies.get(asked) or self.replies.get(asked.partition("?")[0])
        if found is None:
            return refusal(404, f"There is no {asked}.", remedy="See README.")
        if isinstance(found, list):
            return found.pop(0) if len(found) > 1 else found[0]
        return found

    job = staticmethod(job)
    refusal = staticmethod(refusal)

    @property
    def asked(self) -> list[str]:
        return [request[0] for request in self.requests]


@pytest.fixture
def service() -> Iterator[Service]:
    """A server that knows the documented answers; a test may put others into ``replies``."""
    state = Service(
        replies={
            "POST /search": (200, ANSWER),
            "POST /update": (202, ACCEPTED),
            "GET /info": (200, INFO),
            "GET /jobs": (200, {"jobs": [job(2, "failed", error="it diverged"), job(1)]}),
            "GET /jobs/job_000001": (200, job(1)),
            "POST /jobs/job_000001/cancel": (200, job(1, "cancelled")),
            "POST /jobs/job_000001/retry": (200, job(1, "queued")),
            "GET /checkpoints": (200, CHECKPOINTS),
            "GET /checkpoints/A_2026-02-09_0001": (
                200,
                {
                    **checkpoint(1),
                    "manifest": {"steps": 60, "seed": 0, "example_ids": ["job_000001.0"]},
                },
            ),
            "POST /rollback": (200, {"current_checkpoint": None, "release": {"number": 3}}),
        }
    )

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            content = self.rfile.read(size)
            asked = f"{self.command} {self.path}"
            state.requests.append(
                (asked, dict(self.headers), json.loads(content) if content else None)
            )
            status, body = state.reply(asked)
            payload = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        do_GET = do_POST = answer  # noqa: N815 - http.server's names

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield state
    server.shutdown()
    thread.join()
    server.server_close()


Invoke = Callable[..., Result]


@pytest.fixture
def radiance(monkeypatch: pytest.MonkeyPatch) -> Invoke:
    """Runs a command line in this process."""
    monkeypatch.delenv("RADIANCE_URL", raising=False)

    def invoke(*arguments: str, input: str | bytes | None = None) -> Result:
        return CliRunner(catch_exceptions=False).invoke(main, arguments, input=input)

    return invoke


@pytest.fixture
def client(radiance: Invoke, service: Service, monkeypatch: pytest.MonkeyPatch) -> Invoke:
    """Runs a command line against the service."""
    monkeypatch.setenv("RADIANCE_URL", service.url)
    return radiance
