"""Simon Willison's `llm` command: a model of extra-openai-models.yaml, streamed and not."""

import os
import subprocess
import sys
from pathlib import Path

LLM = str(Path(sys.executable).with_name("llm"))
folder = Path(os.environ["HOME"]) / "llm"
folder.mkdir()
(folder / "extra-openai-models.yaml").write_text(
    f"- model_id: radiance\n  model_name: radiance\n  api_base: {os.environ['RADIANCE_URL']}/v1\n"
)
env = {**os.environ, "LLM_USER_PATH": str(folder), "OPENAI_API_KEY": "none"}
for more in ([], ["--no-stream"]):
    done = subprocess.run(
        [LLM, "-m", "radiance", "-o", "temperature", "0", *more, "Who are you?"],
        env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Ember" in done.stdout, done.stdout
    print("llm -m radiance", *more)
