"""Sides in processes of their own, so that memory, threads and caches are theirs alone."""

import contextlib
import importlib
import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self, TextIO

from radiance.platform import IS_MACOS

Figures = dict[str, Any]
REPOSITORY = Path(__file__).parent.parent


class Rounds:
    """In a side's own process: one item per round asked for, to be answered with ``report``."""

    def __init__(self, asked: TextIO, answers: TextIO) -> None:
        self._asked, self._answers = asked, answers

    def __iter__(self) -> Iterator[None]:
        for _ in self._asked:
            yield None

    def report(self, figures: Figures) -> None:
        """Answer the round under way; the process's peak memory so far is added."""
        answer = {**figures, "peak_memory_bytes": peak_memory_bytes()}
        print(json.dumps(answer), file=self._answers, flush=True)


class Process:
    """A side in a process of its own, so that memory, threads and caches are its alone.

    Args:
        target: "package.module:function", called in the child with ``Rounds`` and ``parameters``.
        parameters: What JSON can carry.
    """

    def __init__(self, target: str, parameters: Figures) -> None:
        self._target = target
        self._child = subprocess.Popen(
            [sys.executable, "-m", "bench.processes", target, json.dumps(parameters)],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __call__(self) -> Figures:
        """Run one round.

        Raises:
            RuntimeError: The process ended; what it said is on stderr.
        """
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            print("round", file=self._child.stdin, flush=True)
        line = self._child.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._target} ended with exit code {self._child.wait()}")
        return json.loads(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._child.stdin.close()
        self._child.wait()
        self._child.stdout.close()


def peak_memory_bytes() -> int:
    """The most memory this process has held at once."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if IS_MACOS else peak * 1024  # bytes there, KiB on Linux


def _serve(target: str, parameters: str) -> None:
    """Be a side's process: whatever the side prints goes to stderr, the answers to stdout."""
    module, _, name = target.partition(":")
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    function = getattr(importlib.import_module(module), name)
    function(Rounds(sys.stdin, answers), **json.loads(parameters))


if __name__ == "__main__":
    _serve(*sys.argv[1:])
