"""The core without its labs: a copy of the package from which they are deleted.

The copy is first on the path, so that the installed entry points name modules that are not there:
what somebody has who removes the labs. ``none`` hides the entry points too.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import REPOSITORY

Run = Callable[..., subprocess.CompletedProcess[str]]

HIDDEN = """
import importlib.metadata as metadata
real = metadata.entry_points
ours = "radiance.extensions"
metadata.entry_points = lambda **asked: [] if asked.get("group") == ours else real(**asked)
"""

SERVED = """
import json, sys, time
from pathlib import Path
from starlette.testclient import TestClient
from radiance import config, ember
from radiance.api.routes import create_app
from radiance.service.app import Service
from radiance.web import site

assert not [name for name in sys.modules if name.startswith("radiance.labs")]
settings = config.load(Path("root"), {
    "anchor.method": "naive", "evaluation.anchor_provider": "none", "training.max_steps": 2,
})
service = Service(settings, ember.MODEL_PATH)
service.start()
try:
    app = site.install(create_app(lambda: service.services, settings))
    with TestClient(app, "http://localhost") as client:
        found = {
            path: client.get(path).status_code
            for path in ("/info", "/health", "/ready", "/metrics", "/overview.json", "/signals",
                         "/alphas", "/alphas/trial", "/signals/runs")
        }
        asked = client.post("/search", json={"prompt": "Hi", "max_tokens": 2})
        found["/search"] = asked.status_code
        sent = client.post("/update", json={"examples": [{"input": "a?", "output": "b"}]})
        found["/update"] = sent.status_code
        page = client.get("/", headers={"accept": "text/html"})
        found["/"] = page.status_code
        paths = client.get("/openapi.json").json()["paths"]
        job = sent.json()["job_id"]
        while (state := client.get(f"/jobs/{job}").json())["status"] in ("queued", "running"):
            time.sleep(0.05)
finally:
    service.stop()
assert not [name for name in sys.modules if name.startswith("radiance.labs")]
print(json.dumps({
    "found": found,
    "job": state["status"],
    "labs": [path for path in paths if path.startswith(("/alphas", "/signals"))],
    "paths": len(paths),
    "navigation": [text for text in ("Overview", "Signal lab", "Alpha desk") if text in page.text],
}))
"""


@pytest.fixture(scope="module", params=["deleted", "none"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run a script against the package without its labs."""
    home = tmp_path_factory.mktemp(request.param)
    shutil.copytree(
        REPOSITORY / "radiance",
        home / "radiance",
        ignore=shutil.ignore_patterns("labs", "__pycache__", "model.safetensors"),
    )
    model = Path("radiance") / "ember" / "model" / "model.safetensors"
    (home / model).symlink_to(REPOSITORY / model)
    head = HIDDEN if request.param == "none" else ""

    def run(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", head + script, *arguments],
            cwd=home,
            env={"PYTHONPATH": str(home), "PATH": "", "HF_HUB_OFFLINE": "1"},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def command(run: Run, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run("import sys; from radiance.cli import main; main()", *arguments)


@pytest.mark.slow
def test_commands_work_and_name_no_lab(run: Run) -> None:
    done = command(run, "--help")
    assert done.returncode == 0, done.stderr
    assert " search " in done.stdout
    assert not {"alphas", "signals"} & set(done.stdout.split())
    done = command(run, "config")
    assert done.returncode == 0, done.stderr
    assert "[chain]" in done.stdout
    assert "[alphas]" not in done.stdout
    assert "[alphas]" not in command(run, "config", "--default").stdout
    done = command(run, "config", "--preset", "alphas-ember")
    assert (done.returncode, "is unknown" in done.stderr) == (2, True)
    assert command(run, "alphas", "list").returncode == 2
    assert command(run, "doctor", "--help").returncode == 0


def test_a_section_without_its_extension_is_an_error_that_says_so(run: Run, tmp_path: Path) -> None:
    (tmp_path / "radiance.toml").write_text('[alphas]\ndata = "bars.csv"\n')
    done = command(run, "config", "--root", str(tmp_path))
    assert done.returncode == 2
    assert "[alphas] is " in done.stderr
    assert "Install the extension, or delete the section." in done.stderr
    assert "Traceback" not in done.stderr
    (tmp_path / "radiance.toml").write_text("[trainin]\nlr = 1\n")
    assert "Did you mean 'training'?" in command(run, "config", "--root", str(tmp_path)).stderr


@pytest.mark.slow
def test_the_service_serves_and_learns(run: Run) -> None:
    done = run(SERVED)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    absent = dict.fromkeys(("/signals", "/alphas", "/alphas/trial", "/signals/runs"), 404)
    working = dict.fromkeys(("/info", "/health", "/ready", "/metrics", "/overview.json"), 200)
    assert told["found"] == {**working, **absent, "/search": 200, "/update": 202, "/": 200}
    assert told["job"] == "succeeded"
    assert told["labs"] == []
    assert told["paths"] > 30
    assert told["navigation"] == ["Overview"]
