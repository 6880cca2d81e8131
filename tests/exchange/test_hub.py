"""push and pull against a server on this machine that speaks the Hub's protocol."""

import base64
import hashlib
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from radiance import config
from radiance.cli import main
from tests.shared_data import REPOSITORY
from tests.support import FACTS, WITHOUT_ANCHORS, start_service

REPO = "user/my-adapter"


class FakeHub:
    """Repositories of models in memory. Only what push and pull need of the Hub's HTTP API."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.is_private: bool | None = None
        self.messages: list[str] = []
        self.asked: list[str] = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                data = self.rfile.read(length)
                hub.asked.append(f"POST {self.path}")
                if self.headers.get("Authorization") != "Bearer hf_right":
                    self.answer(401, {"error": "Invalid username or password."})
                elif self.path == "/api/repos/create":
                    body = json.loads(data)
                    hub.is_private = body.get("private", body.get("visibility") == "private")
                    self.answer(200, {"url": f"{hub.url}/{REPO}"})
                elif self.path.startswith("/api/validate-yaml"):
                    self.answer(200, {"errors": [], "warnings": []})
                elif "/preupload/" in self.path:
                    files = [
                        {"path": f["path"], "uploadMode": "regular", "shouldIgnore": False}
                        for f in json.loads(data)["files"]
                    ]
                    self.answer(200, {"files": files})
                elif "/commit/" in self.path:
                    for line in data.splitlines():
                        entry = json.loads(line)
                        if entry["key"] == "header":
                            hub.messages.append(entry["value"]["summary"])
                        if entry["key"] == "file":
                            value = entry["value"]
                            hub.files[value["path"]] = base64.b64decode(value["content"])
                    url = f"{hub.url}/{REPO}/commit/{hub.sha}"
                    self.answer(200, {"success": True, "commitOid": hub.sha, "commitUrl": url})
                else:
                    self.answer(404, {"error": self.path})

            def do_GET(self) -> None:
                hub.asked.append(f"{self.command} {self.path}")
                path = self.path.partition("?")[0]
                if path in (f"/api/models/{REPO}", f"/api/models/{REPO}/revision/main"):
                    siblings = [{"rfilename": name} for name in hub.files]
                    self.answer(200, {"id": REPO, "sha": hub.sha, "siblings": siblings})
                elif path.startswith(f"/api/models/{REPO}/tree/"):
                    entries = [
                        {
                            "type": "file",
                            "path": n,
                            "size": len(d),
                            "oid": hashlib.sha1(d).hexdigest(),
                        }
                        for n, d in hub.files.items()
                    ]
                    self.answer(200, entries)
                elif "/resolve/" in path and path.rpartition("/")[2] in hub.files:
                    data = hub.files[path.rpartition("/")[2]]
                    headers = {
                        "ETag": f'"{hashlib.sha1(data).hexdigest()}"',
                        "X-Repo-Commit": hub.sha,
                    }
                    self.answer(200, data, headers)
                else:
                    self.answer(404, {"error": path}, {"X-Error-Code": "RepoNotFound"})

            do_HEAD = do_GET  # noqa: N815 - http.server's names

            def answer(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                for name, value in (headers or {}).items():
                    self.send_header(name, value)
                if not isinstance(body, bytes):
                    self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(data)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    @property
    def sha(self) -> str:
        return hashlib.sha1(repr(sorted(self.files.items())).encode()).hexdigest()


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    made = FakeHub()
    thread = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("root")
    settings = {"training.max_steps": 3, **WITHOUT_ANCHORS}
    running = start_service(config.load(folder, settings))
    try:
        assert running.client.teach(FACTS)["status"] == "succeeded"
    finally:
        running.stop()
    return folder


def radiance(hub: FakeHub, home: Path, *arguments: str, token: str = "hf_right"):
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(REPOSITORY),
        "HOME": str(home),
        "HF_HOME": str(home / "hf"),
        "HF_ENDPOINT": hub.url,
        "HF_TOKEN": token,
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
    return subprocess.run(
        [sys.executable, "-m", "radiance", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.slow
@pytest.mark.parametrize("form", ["mlx", "peft"])
def test_what_is_pushed_is_pulled_and_taken_in(hub, root, tmp_path, form):
    options = ["--format", form, "--root", str(root)]
    pushed = radiance(hub, tmp_path, "push", "stable", REPO, *options, "--yes")
    assert pushed.returncode == 0, pushed.stderr
    assert pushed.stdout.strip() == f"{hub.url}/{REPO}/commit/{hub.sha}"
    assert hub.is_private is True
    [message] = hub.messages
    assert re.fullmatch(r"A_\d{4}-\d\d-\d\d_0001, by radiance push", message)
    weights = "adapters.safetensors" if form == "mlx" else "adapter_model.safetensors"
    assert set(hub.files) == {weights, "adapter_config.json", "manifest.json", "README.md"}
    hub.files["evil.py"] = b"import os"  # what else a repository holds is not fetched

    pulled = radiance(hub, tmp_path, "pull", REPO, str(tmp_path / "here"))
    assert pulled.returncode == 0, pulled.stderr
    assert (tmp_path / "here" / weights).read_bytes() == hub.files[weights]
    assert not (tmp_path / "here" / "evil.py").exists()

    other = start_service(config.load(tmp_path / "other", WITHOUT_ANCHORS))
    try:
        taken = radiance(hub, tmp_path, "import", REPO, "--url", other.client.url)
        assert taken.returncode == 0, taken.stderr
        shown = other.client.get(f"/checkpoints/{taken.stdout.strip()}")
        assert shown["manifest"]["imported"]["source"].startswith(f"{REPO}@")
        assert shown["manifest"]["imported"]["format"] == form
    finally:
        other.stop()


def test_the_hub_s_refusals_are_told(hub, root, tmp_path):
    refused = radiance(
        *(hub, tmp_path, "push", "stable", REPO, "--root", str(root), "--yes"), token="hf_wrong"
    )
    assert refused.returncode == 2
    assert f"{REPO}: the Hub refuses (" in refused.stderr
    assert "hf auth whoami" in refused.stderr
    assert hub.files == {}
    missing = radiance(hub, tmp_path, "pull", "user/other")
    assert missing.returncode == 2, missing.stderr
    assert "user/other: the Hub refuses (" in missing.stderr


def test_a_hub_that_cannot_be_reached_is_told(hub, root, tmp_path):
    """A push ended in a traceback."""
    hub.server.server_close()
    for command in (("push", "stable", REPO, "--root", str(root), "--yes"), ("pull", REPO)):
        done = radiance(hub, tmp_path, *command)
        assert done.returncode == 1
        assert f"Error: {REPO}: the Hub cannot be reached (" in done.stderr
        assert "Traceback" not in done.stderr


def test_nothing_leaves_without_a_yes(root):
    result = CliRunner().invoke(main, ["push", "stable", REPO, "--root", str(root)])
    assert result.exit_code == 2
    assert "Confirm it with --yes" in result.stderr


@pytest.mark.parametrize("name", ["adapter", "a/b/c", "../x", "user/"])
def test_a_repository_is_user_and_name(name, root):
    result = CliRunner().invoke(main, ["pull", name])
    assert result.exit_code == 2
    assert "Name it as user/name." in result.stderr
