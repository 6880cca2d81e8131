"""``make fuzz``: thousands of requests after /openapi.json to a real service, by Schemathesis.

Every operation is asked with what its schema allows and with what it does not, alone and in
sequences. No answer may be a 5xx, and each must be one that the document describes. The service is
a process of its own on a base model that knows nothing, in a folder that is deleted afterwards.
"""

import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from tests.tiny_base import write_tiny_base

_CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
_SETTINGS = {
    "training.max_steps": "1",
    "anchor.own_samples": "2",
    "evaluation.anchor_provider": "none",
    "log.level": "error",
}
_START_S, _REQUEST_S = 60, 60


def main(arguments: list[str]) -> int:
    """Run it; the exit status is Schemathesis's.

    Args:
        arguments: The command ``schemathesis``, and options for ``schemathesis run``.
    """
    schemathesis, *options = arguments
    schemathesis = str(Path(schemathesis).absolute())
    with tempfile.TemporaryDirectory() as folder:
        base = write_tiny_base(Path(folder, "base"))
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            port = found.getsockname()[1]
        address = f"http://127.0.0.1:{port}"
        settings = [f"--set={name}={value}" for name, value in _SETTINGS.items()]
        command = [sys.executable, "-m", "radiance", "run", f"--root={folder}/root"]
        command += [f"--port={port}", f"--base-model={base}", *settings]
        with subprocess.Popen(command) as service:
            try:
                _wait(service, address)
                return _fuzz(schemathesis, address, options, Path(folder))
            finally:
                service.terminate()


def _wait(service: subprocess.Popen[bytes], address: str) -> None:
    end = time.monotonic() + _START_S
    while time.monotonic() < end and service.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/ready", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise SystemExit("the service did not start")


def _fuzz(schemathesis: str, address: str, options: list[str], folder: Path) -> int:
    command = [schemathesis, "run", f"{address}/openapi.json", "--checks", ",".join(_CHECKS)]
    command += [f"--request-timeout={_REQUEST_S}", "--continue-on-failure"]
    # Its own folder: it leaves a database of what failed beside whatever it is run in.
    return subprocess.run([*command, *options], cwd=folder, check=False).returncode


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
