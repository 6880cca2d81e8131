"""Python's processes, forked from one that has imported Radiance: starts without the imports.

What a service imports takes two seconds of a core, and tests start dozens of them. A forked process
is one like any other, with its own files, environment, signals and exit code. How an interpreter
starts is tried where that is the point: tests/test_readme.py, tests/test_packaging.py,
tests/browser/test_story.py.
"""

import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
import types
from collections.abc import Sequence
from multiprocessing import forkserver
from multiprocessing.context import ForkServerProcess
from multiprocessing.process import current_process
from multiprocessing.reduction import DupFd
from typing import Any

from radiance.platform import IS_MACOS

# What a service imports, its extensions and a first cycle.
_PRELOADED = (
    "mlx_lm.models.llama",
    "radiance.cli.run",
    "radiance.cli.train",
    "radiance.labs.alphas.routes",
    "radiance.labs.signals.routes",
    "radiance.service.server",
    "scipy.special",
    "transformers.models.llama.configuration_llama",
    "tests.frozen",
)
_BLAS_THREADS = "OPENBLAS_NUM_THREADS"
_SIMPLE = {"args", "stdin", "stdout", "stderr", "cwd", "env", "text", "bufsize"}


class Popen(subprocess.Popen):
    """A ``subprocess.Popen`` that forks where it is to run this Python with ``-m`` or ``-c``.

    All else is started as ever: so is what is given a library to load first, and everything on
    macOS, where a process that has loaded Metal cannot be forked.
    """

    _forked: ForkServerProcess | None = None

    def __init__(self, args: Any, *rest: Any, **options: Any) -> None:
        is_python = not isinstance(args, str) and [*args[:1]] == [sys.executable]
        is_forked = is_python and args[1] in ("-c", "-m") and not rest and {*options} <= _SIMPLE
        is_preloaded = "LD_PRELOAD" in (options.get("env") or os.environ)
        self._is_forked = is_forked and not is_preloaded and not IS_MACOS
        super().__init__(args, *rest, **options)

    def _execute_child(self, args: Any, *rest: Any) -> None:
        if not self._is_forked:
            super()._execute_child(args, *rest)  # type: ignore[misc]
            return
        # In the order in which it is called: executable, preexec_fn, close_fds, pass_fds, cwd, env,
        # startupinfo, creationflags, shell; then both ends of each pipe.
        cwd, env = rest[4], rest[5]
        input_, output, errors = rest[9], rest[12], rest[14]
        given = [input_, 1 if output == -1 else output, 2 if errors == -1 else errors]
        environment = dict(os.environ if env is None else env)
        arguments = (_Files(given), str(cwd or os.getcwd()), environment, [*map(str, args[1:])])
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([*_PRELOADED])
        # Whatever still runs when the tests end is ended with them.
        self._forked = context.Process(target=_run, args=arguments, daemon=True)
        _start_the_first()
        self._forked.start()
        assert self._forked.pid is not None
        self.pid = self._forked.pid
        self._child_created = True
        self._close_pipe_fds(*rest[9:15])  # type: ignore[attr-defined]

    def _internal_poll(self, *rest: Any, **options: Any) -> int | None:
        if self._forked is None:
            return super()._internal_poll(*rest, **options)  # type: ignore[misc]
        if self.returncode is None:
            self.returncode = self._forked.exitcode
        return self.returncode

    def _wait(self, timeout: float | None) -> int:
        if self._forked is None:
            return super()._wait(timeout)  # type: ignore[misc]
        self._forked.join(timeout)
        if self._internal_poll() is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
        return self.returncode


class _Files:
    """Open files that are given to a process as its input, output and error output."""

    def __init__(self, numbers: Sequence[int]) -> None:
        self.numbers = numbers

    def __reduce__(self) -> Any:
        return _files, ([number if number == -1 else DupFd(number) for number in self.numbers],)


def _files(passed: list[Any]) -> _Files:
    return _Files([one if one == -1 else one.detach() for one in passed])


def _start_the_first() -> None:
    """Start the process that the others are forked from, where it does not run.

    With one thread for BLAS: processes side by side would wait for one another's threads, which
    wait by spinning.
    """
    # Its socket's folder goes with the files of all tests, not when this process ends, after that.
    kept: dict[str, Any] = current_process()._config  # type: ignore[attr-defined]
    if "tempdir" not in kept:
        kept["tempdir"] = tempfile.mkdtemp()
    before = os.environ.get(_BLAS_THREADS)
    os.environ[_BLAS_THREADS] = "1"
    try:
        forkserver.ensure_running()
    finally:
        if before is None:
            del os.environ[_BLAS_THREADS]
        else:
            os.environ[_BLAS_THREADS] = before


def _run(files: _Files, cwd: str, environment: dict[str, str], arguments: list[str]) -> None:
    """In the process: be the Python that was to be started."""
    for number, file in enumerate(files.numbers):
        if file != -1:
            os.dup2(file, number)
            os.close(file)
    sys.stdin = os.fdopen(0, closefd=False)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    kind, what, *rest = arguments
    sys.argv = [kind, *rest]
    if kind == "-m":
        runpy.run_module(what, run_name="__main__", alter_sys=True)
        return
    main = types.ModuleType("__main__")
    sys.modules["__main__"] = main
    exec(compile(what, "<string>", "exec"), main.__dict__)
