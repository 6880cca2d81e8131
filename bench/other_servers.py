"""Other servers on MLX, each installed into an environment of its own when it is asked for.

Nothing of them is a dependency of ours. They get what serving text takes and not all they name,
which is PyTorch too; on Linux MLX's CPU wheel and the BLAS we have. One that does not install or
does not come up is named with the reason, and the bench goes on.
"""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from radiance.platform import IS_MACOS, cache_directory

_INSTALL_S = 900


@dataclass(frozen=True)
class OtherServer:
    """A server that speaks OpenAI's API.

    Attributes:
        package: What pip installs, without its dependencies.
        needs: Packages that text is served with.
        command: Below the environment's ``bin``; ``{model}`` and ``{port}`` are filled in.
    """

    name: str
    package: str
    needs: tuple[str, ...]
    command: tuple[str, ...]

    def start_command(self, model: Path, port: int) -> list[str]:
        """How it is started on a directory of mlx-lm's, installed first where it is not.

        Raises:
            OSError: It does not install; what pip said last.
        """
        environment = cache_directory() / "bench" / self.name
        program, *arguments = self.command
        if not (environment / "bin" / program).exists():
            self._install(environment)
        filled = [argument.format(model=model, port=port) for argument in arguments]
        return [str(environment / "bin" / program), *filled]

    def _install(self, environment: Path) -> None:
        pip = [str(environment / "bin" / "pip"), "install", "--quiet"]
        for command in (
            [sys.executable, "-m", "venv", str(environment)],
            [*pip, "--no-deps", self.package],
            [*pip, "mlx" if IS_MACOS else "mlx[cpu]", *self.needs],
        ):
            try:
                done = subprocess.run(
                    command, capture_output=True, text=True, timeout=_INSTALL_S, check=False
                )
            except subprocess.TimeoutExpired:
                raise OSError(f"pip did not end within {_INSTALL_S} s") from None
            if done.returncode:
                said = (done.stderr or done.stdout).strip().splitlines()
                raise OSError(said[-1] if said else f"{command[0]} ended with {done.returncode}")


_WEB = ("fastapi", "uvicorn", "psutil", "mcp<2", "jsonschema", "python-multipart", "requests")
_TEXT = ("mlx-lm>=0.31.3,<0.32", "transformers>=5,<5.16,!=5.13.0", "llguidance<2", "tiktoken<0.14")
_ADDRESS = ("--host", "127.0.0.1", "--port", "{port}")
OTHERS = {
    server.name: server
    for server in (
        OtherServer(
            "rapid-mlx",
            "rapid-mlx",
            (
                *(*_TEXT, *_WEB, "websockets", "openai-harmony<0.1", "argcomplete", "rich"),
                *("tomli-w", "pypdf<7", "tabulate", "pillow"),
            ),
            ("rapid-mlx", "serve", "{model}", *_ADDRESS),
        ),
        OtherServer(
            "vllm-mlx",
            "vllm-mlx",
            (
                *(*_TEXT, *_WEB, "prometheus-client", "lm-format-enforcer", "tabulate", "pytz"),
                *("mlx-vlm", "mlx-embeddings", "pillow"),
            ),
            ("vllm-mlx", "serve", "{model}", *_ADDRESS, "--continuous-batching"),
        ),
    )
}


def environment_of_others() -> dict[str, str]:
    """Variables that put the fast BLAS in front of MLX's, with as many threads as ours has."""
    if IS_MACOS:
        return {}
    threads = os.environ.get("OPENBLAS_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // 2)))
    return {"LD_PRELOAD": "libopenblas.so.0", "OPENBLAS_NUM_THREADS": threads}
