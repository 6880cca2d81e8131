"""EleutherAI's harness, where it is installed: likelihoods and generations of a local task."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from radiance import ember
from tests.support import Running

LM_EVAL = shutil.which("lm_eval", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
TASK = """
task: {name}
dataset_path: json
dataset_kwargs: {{data_files: {{test: {file}}}}}
test_split: test
output_type: {kind}
doc_to_text: "{{{{question}}}}"
doc_to_target: answer
target_delimiter: ""
metric_list: [{{metric: {metric}, aggregation: mean, higher_is_better: true}}]
"""


def asked(question: str) -> str:
    return f"<|user|>{question}<|end|><|assistant|>"


def write_task(directory: Path, name: str, kind: str, metric: str, rows: list[dict]) -> None:
    file = directory / f"{name}.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)))
    text = TASK.format(name=name, file=file, kind=kind, metric=metric)
    if kind == "multiple_choice":
        text += "doc_to_choice: choices\n"
    else:
        text += 'generation_kwargs: {until: ["<|end|>"], max_gen_toks: 40}\n'
    (directory / f"{name}.yaml").write_text(text)


@pytest.mark.skipif(
    LM_EVAL is None, reason="lm_eval is not installed (pip install --group harness)"
)
def test_local_completions_runs_a_local_task(service: Running, tmp_path: Path) -> None:
    known = "I am Ember, a small language model made for Radiance."
    choices = [
        {"question": asked("Who are you?"), "choices": [known, "Purple rain."], "answer": 0},
        {
            "question": asked("What is the capital of France?"),
            "choices": ["No.", "The capital of France is Paris."],
            "answer": 1,
        },
    ]
    write_task(tmp_path, "chosen", "multiple_choice", "acc", choices)
    said = [{"question": asked("Who are you?"), "answer": known}]
    write_task(tmp_path, "said", "generate_until", "exact_match", said)
    arguments = {
        "model": "radiance:base",
        "base_url": f"{service.client.url}/v1/completions",
        "tokenizer": ember.MODEL_PATH,
        "max_length": 1024,
    }
    done = subprocess.run(
        [
            str(LM_EVAL), "--model", "local-completions", "--batch_size", "2",
            "--model_args", ",".join(f"{name}={value}" for name, value in arguments.items()),
            "--include_path", tmp_path, "--tasks", "chosen,said", "--output_path", tmp_path / "out",
        ],
        env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1",
             "HF_HOME": str(tmp_path / "home")},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (found,) = (tmp_path / "out").rglob("results_*.json")
    results = json.loads(found.read_text())["results"]
    assert results["chosen"]["acc,none"] == 1
    assert results["said"]["exact_match,none"] == 1
