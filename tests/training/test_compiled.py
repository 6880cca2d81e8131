"""The step compiled, as on Metal and CUDA, equals the step uncompiled, as on the CPU."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import sys
import mlx.core as mx
import numpy as np
from radiance import config
from radiance.engine.worker import Engine
from pathlib import Path
from tests.support import drain
from tests.training.test_gradient import setting

engine = Engine("tiny", Path(sys.argv[1]), "cpu", config.EngineSettings(), max_waiting=2)
engine.start()

def compare():
    _, computer, vector, batch = setting(engine, r=4, dropout=0.2)
    key = mx.random.key(1)
    plain = drain(computer.gradient(vector, batch, key))
    mx.enable_compile()
    _, compiled, _, _ = setting(engine, r=4, dropout=0.2)
    for _ in range(2):
        traced = drain(compiled.gradient(vector, batch, key))
        for ours, theirs in zip(traced, plain, strict=True):
            assert np.allclose(np.array(ours), np.array(theirs), rtol=1e-3, atol=1e-4)

engine.call(compare)
engine.stop()
print("equal")
"""


@pytest.mark.usefixtures("forked")
@pytest.mark.slow  # g++ for half a minute
@pytest.mark.skipif(shutil.which("g++") is None, reason="MLX compiles for the CPU with g++")
def test_compiled_step_equals_the_uncompiled(tmp_path: Path, tiny_base: Path) -> None:
    # A TMPDIR of its own: MLX's cache of compiled kernels is not safe between processes.
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(Path.cwd())}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tiny_base)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "equal", done.stderr[-2000:]
