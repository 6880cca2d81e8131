"""Memory that was freed goes back to the system, though something above it is still in use."""

import subprocess
import sys

import pytest

from radiance import platform

_CODE = """
import ctypes
from radiance.platform import give_back_memory

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096

library = ctypes.CDLL(None)
library.malloc.restype, library.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
library.free.argtypes = [ctypes.c_void_p]
blocks = [library.malloc(1 << 16) for _ in range(1600)]
for block in blocks:
    ctypes.memset(block, 1, 1 << 16)
for block in blocks[:-1]:
    library.free(block)
held = resident()
give_back_memory()
print(held - resident())
"""


@pytest.mark.skipif(platform.IS_MACOS, reason="reads /proc")
def test_freed_memory_goes_back() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _CODE], capture_output=True, text=True, check=True, timeout=60
    )
    assert int(done.stdout) > 50 << 20


_ARENAS_OF_THREADS = """
import ctypes, re, sys, tempfile, threading
from radiance.platform import bound_malloc_arenas

library = ctypes.CDLL(None)
library.malloc.restype, library.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
library.free.argtypes = [ctypes.c_void_p]
if sys.argv[1:] == ["bound"]:
    bound_malloc_arenas()
together = threading.Barrier(8)

def allocate():
    together.wait()
    block = library.malloc(1 << 12)
    together.wait()
    library.free(block)

threads = [threading.Thread(target=allocate) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
library.fopen.restype = ctypes.c_void_p
library.malloc_info.argtypes = [ctypes.c_int, ctypes.c_void_p]
library.fclose.argtypes = [ctypes.c_void_p]
with tempfile.NamedTemporaryFile() as file:
    stream = library.fopen(file.name.encode(), b"w")
    library.malloc_info(0, stream)
    library.fclose(stream)
    print(len(re.findall(rb"<heap ", file.read())))
"""


@pytest.mark.skipif(platform.IS_MACOS, reason="glibc's arenas")
def test_threads_share_two_arenas() -> None:
    def arenas(*arguments: str) -> int:
        done = subprocess.run(
            [sys.executable, "-c", _ARENAS_OF_THREADS, *arguments],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        return int(done.stdout)

    assert arenas() > 2
    assert arenas("bound") <= 2
