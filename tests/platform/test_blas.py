"""The BLAS that MLX computes with uses this processor, also where it came out before it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from radiance import platform

_IS_X86 = bool(platform._processor_features())


@pytest.fixture
def unknowing(tmp_path: Path) -> str:
    """A library that takes every processor for an old one unless it is told."""
    if (compiler := shutil.which("cc")) is None:
        pytest.skip("no C compiler (cc) on PATH")
    code, built = tmp_path / "blas.c", tmp_path / "libold.so"
    code.write_text(
        "#include <stdlib.h>\n"
        'char *corename(void) { char *told = getenv("OPENBLAS_CORETYPE");'
        ' return told ? told : "Prescott"; }\n'
    )
    subprocess.run([compiler, "-shared", "-fPIC", "-o", built, code], check=True)
    return str(built)


@pytest.mark.parametrize(
    ("features", "chosen"),
    [
        ({"sse2"}, None),
        ({"avx2", "fma"}, "Haswell"),
        ({"avx2", "fma", "avx512f", "avx512bw", "avx512dq", "avx512vl"}, "SkylakeX"),
        ({"avx2", "fma", "avx512f"}, "Haswell"),
    ],
)
def test_an_old_blas_is_told_the_kernels(
    unknowing: str, features: set[str], chosen: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENBLAS_CORETYPE", "")  # so that it is as before after the test
    monkeypatch.delenv("OPENBLAS_CORETYPE")
    monkeypatch.setattr(platform, "_processor_features", lambda: frozenset(features))
    platform._choose_kernels(unknowing, "corename")
    assert os.environ.get("OPENBLAS_CORETYPE") == chosen
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Zen")
    platform._choose_kernels(unknowing, "corename")
    assert os.environ["OPENBLAS_CORETYPE"] == "Zen", "a person's choice stands"


@pytest.mark.skipif(not _IS_X86, reason="other processors do not say what they can do")
def test_kernels_are_those_of_this_processor() -> None:
    environment = {k: v for k, v in os.environ.items() if k != "OPENBLAS_CORETYPE"}
    code = "from radiance.platform import load_fast_blas; print(load_fast_blas().detail)"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    is_recent = "avx2" in platform._processor_features()
    assert not (is_recent and done.stdout.strip().endswith(tuple(platform._UNKNOWN_CORES)))


_THREADS = """
import ctypes
from pathlib import Path
from radiance.platform import load_fast_blas

print(load_fast_blas().name)
import numpy

libraries = Path(numpy.__file__).parents[1] / "numpy.libs"
for path in libraries.glob("libscipy_openblas64_*"):
    print(ctypes.CDLL(path).scipy_openblas_get_num_threads64_())
for name in ("libopenblas.so.0", "libopenblas.so"):
    try:
        print(ctypes.CDLL(name).openblas_get_num_threads())
    except OSError:
        pass
"""


@pytest.mark.skipif(platform.IS_MACOS, reason="Accelerate computes there")
@pytest.mark.parametrize("chosen", [None, "3"])
def test_half_the_cores_are_for_every_blas_unless_it_is_said(chosen: str | None) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "OPENBLAS_NUM_THREADS"}
    environment |= {"OPENBLAS_NUM_THREADS": chosen} if chosen else {}
    code = [sys.executable, "-c", _THREADS]
    done = subprocess.run(code, env=environment, capture_output=True, text=True, check=True)
    _, *counts = done.stdout.split()
    cores = os.cpu_count() or 1
    wanted = min(int(chosen), cores) if chosen else max(1, cores // 2)
    assert set(counts) <= {str(wanted)}, done.stdout
