"""Every way out of the sandbox that somebody has tried: what comes through is named."""

import platform
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from radiance.platform import sandbox, seccomp
from tests.labs.alphas.test_strategies import hostile, run

pytestmark = pytest.mark.skipif(
    not seccomp.is_available(), reason="system calls cannot be filtered on this system"
)

# Each is tried by itself; what raises, or answers below zero, did not come through.
WAYS = {
    "a descriptor beside the three": "for n in range(3, 64):\n    os.fstat(n)\n    break",
    "a variable of the caller": "os.environ['RADIANCE_CANARY']",
    "a socket": "import socket; socket.socket()",
    "a local socket": "import socket; socket.socket(socket.AF_UNIX)",
    "a pair of sockets": "import socket; socket.socketpair()",
    "a fork": "os.fork()",
    "a thread": "import _thread; _thread.start_new_thread(print, ())",
    "another program": "os.execv('/bin/true', ['true'])",
    "a signal to the caller": "os.kill(os.getppid(), 0)",
    "a file": "open('/etc/passwd')",
    "a file by number": "os.open('/proc/self/mem', os.O_RDWR)",
    "a link": "os.symlink('/etc/passwd', 'link')",
    "a pipe": "os.pipe()",
    "memory with a name": "os.memfd_create('x')",
    "more processor time": "import resource\nresource.setrlimit(resource.RLIMIT_CPU, (999, 999))",
    "more memory": "import resource\nresource.setrlimit(resource.RLIMIT_AS, (1 << 40, 1 << 40))",
    "another folder": "os.chdir('/')",
}
# No ways at all, or they depend on what the tests run under, or would end the one who tries.
_NOT_TRIED_OUTSIDE = {
    *("a descriptor beside the three", "a variable of the caller", "more processor time"),
    *("more memory", "a fork", "another program"),
}
_TRYING = """
import ctypes, os
through = []
for name, way in {ways!r}.items():
    try:
        exec(way, {{'os': os, 'ctypes': ctypes}})
    except BaseException as error:
        continue
    through.append(name)
raise RuntimeError('came through: ' + (', '.join(through) or 'nothing'))
"""
_CALLING = """
import ctypes
call = ctypes.CDLL(None, use_errno=True).syscall
through = []
for number in {numbers!r}:
    ctypes.set_errno(0)
    if call(number, 0, 0, 0, 0, 0, 0) != -1 or ctypes.get_errno() != 1:
        through.append(str(number))
raise RuntimeError('came through: ' + (', '.join(through) or 'nothing'))
"""
_OLD_CALL = """
import ctypes
library = ctypes.CDLL(None)
library.mmap.restype = ctypes.c_void_p
begin = library.mmap(None, 4096, 7, 0x22, -1, 0)  # read, write, run; private, of no file
getpid = bytes([0xb8, 20, 0, 0, 0, 0xcd, 0x80, 0xc3])  # as 32-bit programs ask for it
ctypes.memmove(begin, getpid, len(getpid))
raise RuntimeError('came through: ' + str(ctypes.CFUNCTYPE(ctypes.c_int)(begin)()))
"""
# Calls of uprobes pass any filter in some kernels, and are of use to a debugger alone.
_PASS_ANY_FILTER = {335, 336}


def test_nothing_comes_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RADIANCE_CANARY", "seen")
    found = run(hostile(_TRYING.format(ways=WAYS)))
    assert found.outcome == "failed"
    assert found.detail.endswith("came through: nothing")


def test_what_it_tries_is_open_without_the_sandbox(tmp_path: Path) -> None:
    """Else a way that is written wrong would be taken for one that is closed."""
    tried = {name: way for name, way in WAYS.items() if name not in _NOT_TRIED_OUTSIDE}
    code = f"import os\nfor way in {list(tried.values())!r}:\n    exec(way, {{'os': os}})"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_no_system_call_beside_those_of_computing_is_answered() -> None:
    allowed = set(seccomp.numbers(platform.machine()).values())
    numbers = sorted(set(range(600)) - allowed - _PASS_ANY_FILTER)
    found = run(hostile(_CALLING.format(numbers=numbers)))
    assert found.detail.endswith("came through: nothing"), found


@pytest.mark.skipif(platform.machine() != "x86_64", reason="an instruction of x86-64")
def test_the_old_way_to_the_system_ends_the_process() -> None:
    found = run(hostile(_OLD_CALL))
    assert (found.outcome, found.detail) == ("contained", "killed: signal SIGSYS"), found


@pytest.mark.parametrize(
    "code",
    [
        "(" * 90_000,
        "-" * 90_000 + "1",
        "x" + ".a" * 90_000,
        "lambda: " * 20_000 + "0",
        "x = '\0'",
        "x = '\ud800'",
        "x = " + "9" * 90_000,
        "f'" + "{" * 5_000,
    ],
)
def test_whatever_the_parser_makes_of_it_there_is_a_verdict(code: str) -> None:
    found = run(code, sandbox.Limits(seconds=10))
    assert found.outcome in ("does not compile", "unsupported", "contained", "failed")
    assert found.detail.encode()


@pytest.mark.slow
@pytest.mark.parametrize(
    "body",
    [
        "import time\ntime.sleep(99)",
        "10 ** 10 ** 8",
        "import re\nre.match('(a+)+$', 'a' * 99 + 'b')",
    ],
)
def test_what_does_not_end_is_ended(
    body: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    found = run(hostile(body), sandbox.Limits(seconds=2))
    assert found.outcome == "contained"
    assert found.detail.startswith("timeout")
    assert list(tmp_path.glob("radiance-sandbox-*")) == []
