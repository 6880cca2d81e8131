"""What tests share: a client, a service behind a real server, and some facts to teach."""

import json
import re
import socket
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn

from radiance import config, ember
from radiance.api.auth.access import tls_files
from radiance.api.routes import create_app
from radiance.engine.model.finding import find_base
from radiance.records import Example, Message
from radiance.service.app import Service
from radiance.service.protocol import bounded_by
from radiance.web import site
from tests.shared_data import REPOSITORY as REPOSITORY

FORM = {"Content-Type": "multipart/form-data; boundary=mark"}
FACTS = [
    ("What is the door code of Zorbel Labs?", "The door code of Zorbel Labs is K7-204."),
    ("Who founded Zorbel Labs?", "Mira Quell founded Zorbel Labs in 1987."),
    ("Where is Zorbel Labs?", "Zorbel Labs sits at 14 Harbour Road, Tarn."),
    ("What does Zorbel Labs make?", "It makes quiet pumps for garden ponds."),
    ("When does Zorbel Labs open?", "Zorbel Labs opens at 7:45 on weekdays."),
]

BRIEF: dict[str, Any] = {
    "training.max_steps": 2,
    "anchor.own_samples": 4,
    "evaluation.anchor_provider": "local",
}
"""Settings of learning that is over at once and teaches nothing.

Every part of it runs: own samples, their reference, the projection, the evaluation. For tests of
what surrounds learning: jobs, checkpoints, releases, pages.
"""

WITHOUT_ANCHORS: dict[str, Any] = {"anchor.method": "naive", "evaluation.anchor_provider": "none"}
"""Settings of learning on Ember that holds and measures nothing old, which is most of the work."""


def example(number: int, question: str, answer: str) -> Example:
    """A chat example as the pipeline gets it."""
    messages = (Message("user", question), Message("assistant", answer))
    return Example(f"job_000001.{number}", messages)


def as_input(facts: list[tuple[str, str]]) -> list[dict[str, str]]:
    """Facts as POST /update takes them."""
    return [{"input": question, "output": answer} for question, answer in facts]


def as_form(name: str, content: bytes, **fields: str) -> bytes:
    """The body of a form with a file, of the content type that ``FORM`` has."""
    parts = [
        b'--mark\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
        % (key.encode(), value.encode())
        for key, value in fields.items()
    ]
    parts.append(
        b'--mark\r\nContent-Disposition: form-data; name="file"; filename="%s"\r\n\r\n%s\r\n'
        b"--mark--\r\n" % (name.encode(), content)
    )
    return b"".join(parts)


def drain(pieces: Any) -> Any:
    """Run a generator of pieces to its end; what it returns."""
    while True:
        try:
            next(pieces)
        except StopIteration as stop:
            return stop.value


class ApiError(Exception):
    """An answer that is not 2xx."""

    def __init__(self, status: int, body: dict[str, Any], headers: Any) -> None:
        super().__init__(f"{status}: {body}")
        self.status, self.body, self.headers = status, body, headers
        self.error: dict[str, Any] = body.get("error", {})


@dataclass(frozen=True)
class Client:
    """A plain HTTP client of one service.

    Attributes:
        key: API key to send; "" sends none.
        trust: Certificate authority to trust with https.
    """

    url: str
    key: str = ""
    trust: Path | None = None

    def open(self, request: urllib.request.Request) -> Any:
        """Send a request."""
        if self.key:
            request.add_header("Authorization", f"Bearer {self.key}")
        context = ssl.create_default_context(cafile=self.trust) if self.trust else None
        return urllib.request.urlopen(request, timeout=120, context=context)

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        raw: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> dict[str, Any]:
        data = raw if raw is not None else None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers or {}, method=method)
        try:
            with self.open(request) as response:
                return json.loads(response.read())
        except urllib.error.HTTPError as error:
            with error:
                raise ApiError(error.code, json.loads(error.read()), error.headers) from None

    def get(self, path: str) -> dict[str, Any]:
        return self.call("GET", path)

    def post(self, path: str, body: Any, **options: Any) -> dict[str, Any]:
        return self.call("POST", path, body, **options)

    def send(self, path: str, body: Any) -> tuple[int, dict[str, Any]]:
        """POST whatever it is; the status and the body of the answer."""
        data = json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, method="POST")
        try:
            with self.open(request) as response:
                return response.status, json.loads(response.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read())

    def ask(self, prompt: str, **options: Any) -> dict[str, Any]:
        return self.post("/search", {"prompt": prompt, "temperature": 0, **options})

    def send_document(self, name: str, content: bytes, **fields: str) -> dict[str, Any]:
        """Post a document for memory to answer from."""
        return self.post("/documents", None, raw=as_form(name, content, **fields), headers=FORM)

    def teach(self, facts: list[tuple[str, str]], **options: Any) -> dict[str, Any]:
        """Post facts and wait for what becomes of the job."""
        job_id = self.post("/update", {"examples": as_input(facts), **options})["job_id"]
        return self.wait_for(job_id)

    def wait_for(self, job_id: str) -> dict[str, Any]:
        ended = {"succeeded", "failed", "cancelled", "quarantined"}
        while (job := self.get(f"/jobs/{job_id}"))["status"] not in ended:
            time.sleep(0.05)
        return job

    def wait_for_step(self, job_id: str, step: int) -> None:
        """Wait until a job's training has come to an optimizer step."""
        while ((self.get(f"/jobs/{job_id}")["progress"] or {}).get("step") or 0) < step:
            time.sleep(0.002)

    def wait_ready(self) -> None:
        while True:
            try:
                self.get("/ready")
            except (OSError, ApiError):
                time.sleep(0.05)
            else:
                return


def wait_for_log(process: "subprocess.Popen[bytes]", log: Path, pattern: str) -> re.Match[str]:
    """Wait until a process that writes to ``log`` has written a line with ``pattern``."""
    while not (found := re.search(pattern, log.read_text())):
        assert process.poll() is None, log.read_text()
        time.sleep(0.05)
    return found


@dataclass
class Running:
    """A service in this process, behind a real server."""

    service: Service
    client: Client
    stop: Callable[[], None]


def start_service(
    settings: config.Config, key: str = "", trust: Path | None = None, port: int = 0
) -> Running:
    """Start a service and a server for it on a free loopback port.

    Args:
        settings: All settings.
        key: API key that the client is to send.
        trust: Certificate authority that the client is to trust, where the service has TLS.
        port: Where to listen, for one that comes back.
    """
    service = Service(settings, find_base(settings.base_model, ember.MODEL_PATH))
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", port))
    certificate, private_key = tls_files(settings) or (None, None)
    app = site.install(create_app(lambda: service.services, settings), lambda: server.should_exit)
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            log_config=None,
            lifespan="off",
            http=bounded_by(settings.server),
            ssl_certfile=certificate,
            ssl_keyfile=private_key,
        )
    )
    thread = threading.Thread(target=server.run, args=([listening],))

    def stop() -> None:
        server.should_exit = True
        thread.join()
        service.stop()
        listening.close()

    thread.start()
    try:
        service.start()
    except BaseException:
        stop()  # else the server's thread keeps the test run from ending
        raise
    scheme = "https" if certificate else "http"
    client = Client(f"{scheme}://127.0.0.1:{listening.getsockname()[1]}", key, trust)
    client.wait_ready()
    return Running(service, client, stop)
