"""`python -m tools.clients PYTHON [NAME ...]`: which clients work, and what each did."""

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from radiance import ember

PROGRAMS = Path(__file__).parent / "programs"
_START_S, _PROGRAM_S = 120, 300


def main(python: str, names: list[str]) -> int:
    """Run the programs, all by default; the number of those that failed."""
    python = os.path.abspath(python)  # not resolved: the link is what makes it that environment's
    found = sorted(path for path in PROGRAMS.glob("*.py") if not names or path.stem in names)
    failed = []
    with tempfile.TemporaryDirectory() as folder, service(Path(folder) / "root") as url:
        for path in found:
            said = run(python, path, url, Path(folder) / path.stem)
            is_fine = said.returncode == 0
            print(f"{'passed' if is_fine else 'FAILED'}  {path.stem}", flush=True)
            for line in (said.stdout if is_fine else said.stdout + said.stderr).splitlines():
                print(f"        {line}", flush=True)
            if not is_fine:
                failed.append(path.stem)
    print(
        f"{len(found) - len(failed)} of {len(found)} clients passed"
        + "".join(map(", not {}".format, failed))
    )
    return len(failed)


def run(python: str, path: Path, url: str, home: Path) -> "subprocess.CompletedProcess[str]":
    """One program, with a home of its own: none reads the settings or keys of who runs this."""
    home.mkdir()
    here = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    env = {
        **here,
        "HOME": str(home),
        "PYTHONWARNINGS": "ignore",
        "RADIANCE_URL": url,
        "RADIANCE_TOKENIZER": str(ember.MODEL_PATH),
    }
    try:
        return subprocess.run(
            [python, str(path)],
            cwd=home, env=env, capture_output=True, text=True, timeout=_PROGRAM_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess([], 1, "", f"did not end within {_PROGRAM_S} s")


@contextmanager
def service(root: Path) -> Iterator[str]:
    """A service on Ember over an empty root; its address."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "radiance", "run", "--root", str(root), "--port", str(port)]
    root.mkdir()
    with (root / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            _wait_until_ready(process, url, root / "log")
            yield url
        finally:
            process.terminate()
            process.wait(60)


def _wait_until_ready(process: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    until = time.monotonic() + _START_S
    while time.monotonic() < until and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/ready", timeout=5):
                return
        except OSError:  # refused, or 503 until it has started
            time.sleep(0.2)
    raise SystemExit(f"the service did not start:\n{log.read_text()}")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    sys.exit(main(sys.argv[1], sys.argv[2:]) > 0)
