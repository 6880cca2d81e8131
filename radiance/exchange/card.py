"""The model card of an exported checkpoint: what it is, what made it, what was measured.

It tells how much was learned and how it was judged, and nothing of what the examples say: tags and
texts stay here. Pure.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from radiance.records import Checkpoint, Decision, Manifest

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_MOST_ANCESTORS = 50
_USE = {
    "mlx": """```sh
mlx_lm.generate --model {base} --adapter-path . --prompt "…"
radiance import .
```""",
    "peft": """```python
from peft import PeftModel
from transformers import AutoModelForCausalLM

model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained("{base}"), ".")
```""",
    "fused": """```sh
mlx_lm.generate --model . --prompt "…"
radiance run --base-model .
```""",
    "gguf": """```sh
llama-cli -m model.gguf -p "…"
ollama create NAME -f Modelfile
radiance run --base-model ./model.gguf
```""",
    "gguf-lora": """```sh
llama-cli -m base.gguf --lora adapter.gguf -p "…"
radiance import .
```

`base.gguf` is `{base}` as a GGUF file. The Modelfile is for Ollama; name the base in it.""",
}
_REPORT = {
    "finetune_loss": "cross-entropy on what it was trained on, nats per token",
    "eval_loss": "on held-back examples, where there were any",
    "forgetting_loss": "on the anchors",
    "anchor_ce_delta": "on the anchors, over the base's",
    "retention_score": "share of the anchors that are still answered exactly",
    "forgetting_kl": "KL from the base on the anchors, nats per token",
    "bleeding": "share of names never taught that are answered with a taught value",
    "drift_loss": "KL from the checkpoint before on the anchors, nats per token",
    "new_exact": "share of the new examples answered exactly",
    "recall_exact": "share of earlier examples still answered exactly",
    "acc": "average accuracy over all updates",
    "bwt": "backward transfer",
}


@dataclass(frozen=True)
class CardSubject:
    """What a card tells of.

    Attributes:
        manifest: Of the checkpoint.
        decision: What the gate made of it; None where it was imported.
        lineage: It and its ancestors, newest first.
        examples: How many examples all of them learned.
        tags: How many different tags those have.
    """

    manifest: Manifest
    decision: Decision | None
    lineage: Sequence[Checkpoint]
    examples: int
    tags: int


def model_card(subject: CardSubject, form: str) -> str:
    """The card as Markdown with the Hub's metadata.

    Args:
        subject: What it tells of.
        form: As `radiance export` has them.
    """
    manifest = subject.manifest
    parts = [
        _metadata(manifest, form),
        f"# {manifest.checkpoint_id}",
        _what(subject, form),
        "## Use",
        _USE[form].format(base=manifest.base_model),
        "## Data",
        _data(subject),
        "## Lineage",
        _table(
            ("checkpoint", "made", "status", "weights (SHA-256)"),
            (
                (c.checkpoint_id, f"{c.created_at:%Y-%m-%d %H:%M} UTC", c.status, c.content_hash)
                for c in subject.lineage[:_MOST_ANCESTORS]
            ),
        ),
        f"Base: `{manifest.base_model}`, hash `{manifest.base_hash}`.",
        "## Measured",
        _measured(manifest),
        "## Gate",
        _gate(subject.decision),
        "## Training",
        _training(manifest),
    ]
    return "\n\n".join(parts) + "\n"


def _metadata(manifest: Manifest, form: str) -> str:
    libraries = {"peft": "peft", "gguf": "gguf", "gguf-lora": "gguf"}
    lines = ["---", f"library_name: {libraries.get(form, 'mlx')}"]
    if _HUB_ID.fullmatch(manifest.base_model):
        relation = "finetune" if form in ("fused", "gguf") else "adapter"
        lines += [f"base_model: {manifest.base_model}", f"base_model_relation: {relation}"]
    lines += ["pipeline_tag: text-generation", "tags:", "- radiance", "- lora", "---"]
    return "\n".join(lines)


def _what(subject: CardSubject, form: str) -> str:
    manifest = subject.manifest
    kind = {
        "mlx": "A LoRA adapter in mlx-lm's format",
        "peft": "A LoRA adapter in PEFT's format",
        "fused": "A model with a LoRA adapter fused in",
        "gguf": "A model with a LoRA adapter fused in, as a GGUF file for llama.cpp",
        "gguf-lora": "A LoRA adapter in llama.cpp's format",
    }[form]
    text = f"{kind} for `{manifest.base_model}`, made by Radiance {manifest.versions['radiance']}."
    if manifest.imported is not None:
        text += f" It was imported from `{manifest.imported.source}` and not judged by any gate."
    return text


def _data(subject: CardSubject) -> str:
    count = len(subject.lineage)
    updates = "1 update" if count == 1 else f"{count} updates"
    return (
        f"Learned from {subject.examples} examples in {updates}, "
        f"{len(subject.manifest.example_ids)} of them in the last, under {subject.tags} tags. "
        f"{len(subject.manifest.replayed_ids)} earlier ones were replayed in the last. "
        "The examples themselves are not part of this repository; an adapter can repeat what it "
        "was taught, so share it only with whom you would show them."
    )


def _measured(manifest: Manifest) -> str:
    report = manifest.report
    found = {name: getattr(report, name) for name in _REPORT}
    rows = [(name, f"{v:.4g}", _REPORT[name]) for name, v in found.items() if v is not None]
    return _table(("figure", "value", "of what"), rows) if rows else "Nothing was measured."


def _gate(decision: Decision | None) -> str:
    if decision is None:
        return "No gate judged it."
    rows = [
        (row.rule, _number(row.value), _number(row.limit), _range(row.low, row.high), row.verdict)
        for row in decision.rows
    ]
    table = _table(("rule", "value", "limit", "interval", "verdict"), rows)
    return f"{decision.reason}\n\n{table}" if rows else decision.reason


def _training(manifest: Manifest) -> str:
    names = ("r", "alpha", "target_modules", "lr", "batch_size")
    rows: list[tuple[str, Any]] = [
        (name, manifest.training[name]) for name in names if name in manifest.training
    ]
    if manifest.imported is None:
        rows += [("steps", manifest.steps), ("seed", manifest.seed)]
    rows += [(f"{name} version", version) for name, version in manifest.versions.items()]
    return _table(("setting", "value"), rows)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _range(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"{low:.4g} to {high:.4g}"


def _table(headers: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = [headers, ["---"] * len(headers), *rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines)


def _cell(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return " ".join(text.split()).replace("|", r"\|")
