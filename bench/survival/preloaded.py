"""Libraries in C between a process and the system's calls, compiled when they are used."""

import shutil
import subprocess
from pathlib import Path

from bench.survival.trials import Skipped
from radiance.platform import IS_MACOS


def compile_library(source: Path, library: Path) -> None:
    """Compile a library for LD_PRELOAD.

    Args:
        source: In C.
        library: Where it is written.

    Raises:
        Skipped: No compiler, or a system without LD_PRELOAD.
    """
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if IS_MACOS or compiler is None:
        raise Skipped("it takes Linux and a C compiler (cc)")
    command = [compiler, "-shared", "-fPIC", "-O2", "-o", str(library), str(source), "-ldl"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Skipped(f"the library does not compile: {done.stderr[:200]}")
