"""Published peers on our tasks: Avalanche's A-GEM and our projection, PEFT's OSF and our method.

    pip install --group peers
    python -m bench.peers

A-GEM: Avalanche trains a small network on one half of scikit-learn's digits, then on the other with
A-GEM. At every step of the second half our projection gets the same gradients in the same process;
compared are the projected gradients and what each costs.

OSF (orthogonal subspace fine-tuning, peft.OSFConfig): Ember through transformers learns a stream of
updates, each merged into the base before the next, with the trainer settings of ours (batch, steps,
stop) and the learning rate that did best on a stream of its own. Recall is exact agreement of the
greedy answer, given the right tokens so far, for both.
"""

import importlib.util
import random
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench import intervals
from bench.harness import Bench, Figures, Table
from bench.streams import Update, make_stream, valid_after
from radiance.records import Example, Message

NEEDED = ("torch", "avalanche", "peft", "sklearn")
# Epochs over the digits; seeds of the stream, updates, most steps of an update.
SIZES = {"tiny": (1, 0, 0, 0), "default": (4, 2, 4, 200), "large": (4, 5, 8, 400)}
OSF_RATES = (3e-4, 1e-3, 3e-3)
BATCH_SIZE, STOP_LOSS, CHECK_EVERY = 8, 0.02, 10


# ── A-GEM ───────────────────────────────────────────────────────────────────────────────────────


def agem(epochs: int) -> Figures:
    """Both projections at every step of the second half of the digits."""
    import mlx.core as mx
    import torch
    from avalanche.benchmarks import benchmark_from_datasets
    from avalanche.benchmarks.utils.classification_dataset import (
        _make_taskaware_tensor_classification_dataset as make_dataset,
    )
    from avalanche.training import AGEM
    from avalanche.training.plugins import AGEMPlugin, EvaluationPlugin
    from sklearn.datasets import load_digits

    from radiance.training.projection import project

    random.seed(0)
    torch.manual_seed(0)
    torch.set_num_threads(1)
    steps: list[Figures] = []

    class Watched(AGEMPlugin):
        """Avalanche's own plugin; what it is given and what it makes of it is looked at."""

        def after_backward(self, strategy: Any, **kwargs: Any) -> None:
            if not self.buffers:
                return
            before = _flat_gradient(strategy.model)
            began = time.perf_counter()
            super().after_backward(strategy, **kwargs)
            theirs_s = time.perf_counter() - began
            theirs = _flat_gradient(strategy.model)
            gradient, reference = (mx.array(v) for v in (before, self.reference_gradients.numpy()))
            mx.eval(gradient, reference)
            began = time.perf_counter()
            projected = project(gradient, reference)
            mx.eval(projected)
            ours_s = time.perf_counter() - began
            ours, constraint = np.array(projected), np.array(reference, dtype=np.float64)
            scale = np.linalg.norm(before) * np.linalg.norm(constraint)
            steps.append(
                {
                    "conflict": bool(before.astype(np.float64) @ constraint < 0),
                    "difference": float(np.linalg.norm(ours - theirs) / np.linalg.norm(before)),
                    "against_ours": float(min(0.0, ours.astype(np.float64) @ constraint) / scale),
                    "against_theirs": float(
                        min(0.0, theirs.astype(np.float64) @ constraint) / scale
                    ),
                    "ours_us": 1e6 * ours_s,
                    "theirs_us": 1e6 * theirs_s,
                }
            )

    images, labels = load_digits(return_X_y=True)
    halves = [labels < 5, labels >= 5]
    datasets = [
        make_dataset(
            torch.tensor(images[half] / 16, dtype=torch.float32), torch.tensor(labels[half])
        )
        for half in halves
    ]
    benchmark: Any = benchmark_from_datasets(train=datasets)
    model = torch.nn.Sequential(
        torch.nn.Linear(64, 2048), torch.nn.ReLU(), torch.nn.Linear(2048, 10)
    )
    strategy = AGEM(
        model=model,
        optimizer=torch.optim.SGD(model.parameters(), lr=0.1),
        criterion=torch.nn.CrossEntropyLoss(),
        patterns_per_exp=200,
        sample_size=64,
        train_mb_size=32,
        train_epochs=epochs,
        evaluator=EvaluationPlugin(),
    )
    strategy.plugins = [
        Watched(p.patterns_per_experience, p.sample_size) if isinstance(p, AGEMPlugin) else p
        for p in strategy.plugins
    ]
    for experience in benchmark.train_stream:
        strategy.train(experience)
    return {"parameters": sum(p.numel() for p in model.parameters()), "steps": steps}


def _flat_gradient(model: Any) -> np.ndarray:
    return np.concatenate([p.grad.detach().numpy().reshape(-1) for p in model.parameters()]).copy()


# ── OSF ─────────────────────────────────────────────────────────────────────────────────────────


def osf(seed: int, updates: int, max_steps: int, rate: float) -> Figures:
    """A stream learned by PEFT's OSF at its default rank, merged after every update."""
    import torch
    from peft import OSFConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    from radiance import ember

    torch.manual_seed(seed)
    torch.set_num_threads(1)
    exam = _Exam(make_stream(seed, updates))
    model: Any = AutoModelForCausalLM.from_pretrained(ember.MODEL_PATH, dtype=torch.float32)
    known = [exam.exact(model, facts) for facts in (exam.listed, exam.unlisted)]
    new = []
    for update in exam.stream:
        adapted: Any = get_peft_model(model, OSFConfig(target_modules="all-linear"))
        parameters = [p for p in adapted.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(parameters, lr=rate, weight_decay=0.0)
        examples = exam.encode(update.facts)
        for step in range(1, max_steps + 1):
            size = min(BATCH_SIZE, len(examples))
            optimizer.zero_grad()
            losses = exam.losses(adapted, random.Random(step).sample(examples, size))
            torch.cat(losses).mean().backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            if step % CHECK_EVERY == 0:
                with torch.no_grad():
                    worst = max(float(loss.mean()) for loss in exam.losses(adapted, examples))
                if worst < STOP_LOSS:
                    break
        model = adapted.merge_and_unload()
        new.append(float(np.mean(exam.exact(model, exam.encode(update.facts)))))
    valid = valid_after(exam.stream, updates)
    earlier = [fact for facts in valid[:-1] for fact in facts]
    kept = [
        np.mean([now for now, was in zip(exam.exact(model, facts), before, strict=True) if was])
        for facts, before in zip((exam.listed, exam.unlisted), known, strict=True)
    ]
    return {
        "new": float(np.mean(new)),
        "earlier": float(np.mean(exam.exact(model, exam.encode(earlier)))),
        "listed": float(kept[0]),
        "unlisted": float(kept[1]),
    }


class _Exam:
    """The stream and the old facts as tokens, and a torch model's losses and answers on them."""

    def __init__(self, stream: list[Update]) -> None:
        from radiance import ember
        from radiance.engine.model.base import load_base
        from radiance.engine.model.device import select_device
        from radiance.engine.model.encoding import Encoder

        base = load_base("ember", ember.MODEL_PATH, select_device("cpu"))
        self._encoder = Encoder(base.tokenizer, base.context_tokens, base.end_token)
        self.stream = stream
        self.listed = self.encode(ember.listed_facts())
        self.unlisted = self.encode(ember.unlisted_facts())

    def encode(self, facts: Sequence[Any]) -> list[Any]:
        turns = [(Message("user", f.question), Message("assistant", f.answer)) for f in facts]
        return [self._encoder.example(Example("probe", messages)) for messages in turns]

    def losses(self, model: Any, examples: Sequence[Any]) -> list[Any]:
        """Cross-entropy of each example's completion tokens, in nats."""
        import torch

        logits, targets, learned = self._forward(model, examples)
        losses = torch.nn.functional.cross_entropy(
            logits.transpose(1, 2), targets, reduction="none"
        )
        return [row[mask] for row, mask in zip(losses, learned, strict=True)]

    def exact(self, model: Any, examples: Sequence[Any]) -> list[bool]:
        """Whether greedy decoding chooses every completion token, given those before it."""
        import torch

        found: list[bool] = []
        with torch.no_grad():
            for start in range(0, len(examples), 16):
                some = examples[start : start + 16]
                logits, targets, learned = self._forward(model, some)
                hits = (logits.argmax(-1) == targets) | ~learned
                found += hits.all(dim=1).tolist()
        return found

    def _forward(self, model: Any, examples: Sequence[Any]) -> tuple[Any, Any, Any]:
        """Logits, targets and which of them are completion, of a batch padded on the right."""
        import torch

        width = max(len(example.tokens) for example in examples)
        tokens = torch.zeros((len(examples), width), dtype=torch.long)
        learned = torch.zeros((len(examples), width), dtype=torch.bool)
        for row, example in enumerate(examples):
            tokens[row, : len(example.tokens)] = torch.tensor(example.tokens)
            learned[row, : len(example.tokens)] = torch.tensor(example.is_completion)
        return model(tokens[:, :-1]).logits.float(), tokens[:, 1:], learned[:, 1:]


def ours(seed: int, updates: int, max_steps: int, naive: bool) -> Figures:
    """The same stream learned by our trainer, by the default method or naively."""
    from bench.students import Method, Student

    method = Method("default")
    if naive:
        method = Method("naive", {"replay_ratio": 0.0, "reworded_ratio": 0.0}, {"method": "naive"})
    with tempfile.TemporaryDirectory() as folder:
        student = Student(method, Path(folder), max_steps, seed)
        found = list(student.learn(make_stream(seed, updates)))
    return {
        "new": float(np.mean([update["new"] for update in found])),
        **{name: found[-1][name] for name in ("earlier", "listed", "unlisted")},
    }


# ── The bench ───────────────────────────────────────────────────────────────────────────────────


def missing() -> list[str]:
    """Packages of the peers group that are not installed."""
    return [name for name in NEEDED if importlib.util.find_spec(name) is None]


def main(arguments: Sequence[str] | None = None) -> None:
    bench = Bench.from_command_line("peers", __doc__, arguments)
    if absent := missing():
        print(f"skipped: {', '.join(absent)} not installed; pip install --group peers")
        return
    warnings.filterwarnings("ignore")  # the peers' own
    epochs, seeds, updates, max_steps = SIZES[bench.size]
    found = bench.cell({"what": "A-GEM", "epochs": epochs}, lambda: agem(epochs))
    tables = [_agem_table(found)]
    ways: dict[str, list[Figures]] = {}
    if seeds:
        ways = streams(bench, seeds, updates, max_steps)
        tables.append(
            Table(
                f"{updates} updates of 8 facts, at the end of the stream, {seeds} seeds",
                ("way", "new", "earlier", "listed kept", "unlisted kept"),
                [
                    (
                        name,
                        *(
                            intervals.mean([figures[key] for figures in runs])
                            for key in ("new", "earlier", "listed", "unlisted")
                        ),
                    )
                    for name, runs in ways.items()
                ],
            )
        )

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        axes.boxplot([[step[key] for step in found["steps"]] for key in ("theirs_us", "ours_us")])
        axes.set_xticks([1, 2], ["Avalanche's A-GEM", "ours"])
        axes.set_ylabel("one projection, microseconds")
        axes.set_yscale("log")

    bench.finish(tables, draw)


def _agem_table(found: Figures) -> Table:
    steps = found["steps"]
    of = {key: [step[key] for step in steps] for key in steps[0]}
    return Table(
        f"One projection of {found['parameters']} gradients, Avalanche's A-GEM and ours",
        ("steps", "in conflict", "largest difference", "worst inner product, theirs", "ours", "µs"),
        [
            (
                len(steps),
                sum(of["conflict"]),
                f"{max(of['difference']):.1e} of the gradient",
                f"{min(of['against_theirs']):.1e}",
                f"{min(of['against_ours']):.1e}",
                f"theirs {intervals.median(of['theirs_us'])}, ours "
                f"{intervals.median(of['ours_us'])}",
            )
        ],
    )


def streams(bench: Bench, seeds: int, updates: int, max_steps: int) -> dict[str, list[Figures]]:
    """Every way on every seed. OSF's learning rate is chosen on a stream that none is judged on."""
    progress = bench.progress(len(OSF_RATES) + 3 * seeds)

    def run(way: str, compute: Callable[..., Figures], seed: int, **options: Any) -> Figures:
        cell = {"way": way, "seed": seed, "updates": updates, "max_steps": max_steps, **options}
        figures = bench.cell(cell, lambda: compute(seed, updates, max_steps, **options))
        progress.advance(way)
        return figures

    tried = {rate: run("OSF", osf, 1000, rate=rate) for rate in OSF_RATES}
    rate = max(OSF_RATES, key=lambda rate: sum(tried[rate].values()))
    return {
        f"PEFT OSF, lr {rate:g}": [run("OSF", osf, seed, rate=rate) for seed in range(seeds)],
        "ours, naive": [run("naive", ours, seed, naive=True) for seed in range(seeds)],
        "ours": [run("ours", ours, seed, naive=False) for seed in range(seeds)],
    }


if __name__ == "__main__":
    main()
