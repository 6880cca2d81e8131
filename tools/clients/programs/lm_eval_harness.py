"""EleutherAI's harness: its local models for texts and for chats, over tasks written here."""

import json
import os
import subprocess
import sys
from pathlib import Path

LM_EVAL = str(Path(sys.executable).with_name("lm_eval"))
URL = os.environ["RADIANCE_URL"]
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
{more}
"""
EMBER = "I am Ember, a small language model made for Radiance."
ROWS = {
    "chosen": {"question": "<|user|>Who are you?<|end|><|assistant|>",
               "choices": [EMBER, "Purple rain."], "answer": 0},
    "said": {"question": "Who are you?", "answer": EMBER},
}  # fmt: skip
for name, kind, metric, more in (
    ("chosen", "multiple_choice", "acc", "doc_to_choice: choices"),
    ("said", "generate_until", "exact_match", "generation_kwargs: {max_gen_toks: 40}"),
):
    file = Path(f"{name}.jsonl").resolve()
    file.write_text(json.dumps(ROWS[name]))
    task = TASK.format(name=name, file=file, kind=kind, metric=metric, more=more)
    Path(f"{name}.yaml").write_text(task)


def score(task: str, metric: str, *arguments: str) -> float:
    done = subprocess.run(
        [LM_EVAL, *arguments, "--tasks", task, "--include_path", ".", "--output_path", task],
        env={**os.environ, "OPENAI_API_KEY": "none", "HF_HUB_OFFLINE": "1",
             "HF_DATASETS_OFFLINE": "1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    (found,) = Path(task).rglob("results_*.json")
    return json.loads(found.read_text())["results"][task][f"{metric},none"]


tokenizer = os.environ["RADIANCE_TOKENIZER"]  # log-likelihoods are asked for by token
args = f"model=radiance,base_url={URL}/v1/completions,tokenizer={tokenizer},max_length=1024"
assert score("chosen", "acc", "--model", "local-completions", "--model_args", args) == 1
print("local-completions, by log-likelihood")
args = f"model=radiance,base_url={URL}/v1/chat/completions"
chat = ("--model", "local-chat-completions", "--apply_chat_template", "--model_args", args)
assert score("said", "exact_match", *chat) == 1
print("local-chat-completions, by what it says")
