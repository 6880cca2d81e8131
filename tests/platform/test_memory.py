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
