"""Processes that compute together, as ``mlx.launch`` starts them or by hand."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.ports import free_ports
from tests.shared_data import REPOSITORY


def launch(arguments: Sequence[str], ranks: int = 2, log: Any = subprocess.PIPE) -> Any:
    """Start ``python arguments`` as ranks on this machine, by MLX's own launcher."""
    launcher = Path(sys.executable).with_name("mlx.launch")
    port = str(free_ports(ranks)[0])
    command = [launcher, "-n", str(ranks), "-p", port, "--python", sys.executable, "--"]
    return subprocess.Popen(
        [*command, *arguments],
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=subprocess.STDOUT,
        cwd=REPOSITORY,
        env=_environment(),
    )


def start_ranks(arguments: Sequence[str], directory: Path, ranks: int = 2) -> list[Any]:
    """Start ``python arguments`` as ranks without a launcher, which would end the others with one.

    Their output is in ``directory/rank0.log`` and so on.
    """
    hosts = directory / "hosts.json"
    hosts.write_text(json.dumps([[f"127.0.0.1:{port}"] for port in free_ports(ranks)]))
    started = []
    for rank in range(ranks):
        with (directory / f"rank{rank}.log").open("wb") as log:
            started.append(
                subprocess.Popen(
                    [sys.executable, *arguments],
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    cwd=REPOSITORY,
                    env={**_environment(), "MLX_RANK": str(rank), "MLX_HOSTFILE": str(hosts)},
                )
            )
    return started


def finish(process: Any, seconds: float = 200) -> str:
    """What it has written, once it has ended."""
    try:
        output, _ = process.communicate(timeout=seconds)
    except BaseException:
        process.kill()
        raise
    return (output or b"").decode()


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(REPOSITORY), "OPENBLAS_NUM_THREADS": "1"}
