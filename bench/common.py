"""What the benches share: a service of their own, the machine, one line per result."""

import json
import platform as _platform
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from radiance import config
from radiance.platform import load_fast_blas, processor_name
from tests.support import Running, start_service


@contextmanager
def service(**overrides: Any) -> Iterator[Running]:
    """A service over a fresh root, behind a real server."""
    with tempfile.TemporaryDirectory() as root:
        running = start_service(config.load(Path(root), overrides))
        try:
            yield running
        finally:
            running.stop()


def report(bench: str, **figures: Any) -> None:
    """Print one result as a line of JSON."""
    print(json.dumps({"bench": bench, **figures}), flush=True)


def fingerprint() -> None:
    """Print what the figures below were measured on."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    report(
        "machine",
        processor=processor_name(),
        system=_platform.system(),
        blas=load_fast_blas().name,
        mlx=version("mlx"),
        mlx_lm=version("mlx-lm"),
        commit=commit,
    )


def quantile(values: list[float], ratio: float) -> float:
    """The value that ``ratio`` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(ratio * (len(ordered) - 1)))]
