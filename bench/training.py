"""What a training step costs, beside mlx_lm.lora's own trainer on the same examples.

    python -m bench.training [--model smollm2]

Each side has a process of its own, over one base with LoRA of one rank and scale on every linear
layer, from the same weights, with the same examples in every batch, the same optimizer and BLAS;
they take turns. Theirs is ``mlx_lm.tuner.trainer.train`` itself: its loss with the prompt masked
(``--mask-prompt``), its padding, its compiled step. Counted are tokens of completions, which is
what is learned. Its loss also trains one padding token after every sequence (``steps <= lengths``),
so the loss curve is shown with that and without. Our full step learns, beside the new examples,
from as many replayed ones (not in a first update) and holds anchors and own samples.
"""

import contextlib
import io
import itertools
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from bench.harness import Bench, Figures, Side, Size, Table, alternate
from bench.intervals import median, ratio
from bench.models import Model
from bench.processes import Process, Rounds
from bench.streams import make_stream

THEIRS, NAIVE = "mlx_lm.lora", "ours, naive"
ANCHORED, WITH_REPLAY = "ours, anchored + projected", "ours, the same with replay"
WITHOUT_PADDING = "mlx_lm.lora, padding not trained"
# Examples, steps a round, rounds, rounds of warm-up, own samples.
SIZES: dict[Size, tuple[int, int, int, int, int]] = {
    "tiny": (8, 1, 1, 1, 0),
    "default": (64, 10, 30, 2, 64),
    "large": (64, 10, 120, 3, 64),
}
OTHER_SIZES: dict[Size, tuple[int, int, int, int, int]] = {
    "default": (64, 1, 6, 1, 16),
    "large": (64, 4, 30, 1, 64),
}
BATCH_SIZE, LR = 8, 1e-3


def facts(count: int, seed: int) -> list[tuple[str, str]]:
    """Questions and answers of a stream, in order."""
    stream = make_stream(seed, updates=max(4, count // 8), facts=8)
    return [(fact.question, fact.answer) for update in stream for fact in update.facts][:count]


# ── Sides: MLX is imported in their own processes ───────────────────────────────────────────────


class _Setup:
    """What both sides start from: the base on this thread, LoRA settings, the examples."""

    def __init__(self, model: Model, count: int) -> None:
        from radiance import config
        from radiance.engine.model.encoding import Encoder
        from radiance.training.lora import LoraModel

        # No clipping, warm-up or other wordings: mlx_lm.lora has none unless asked.
        self.settings = config.TrainingSettings(
            batch_size=BATCH_SIZE,
            lr=LR,
            max_grad_norm=1e9,
            warmup_steps=0,
            max_steps=10**6,
            eval_every=10**6,
            stop_loss=0,
            reworded_ratio=0,
        )
        self.base = model.load()
        self.encoder = Encoder(self.base.tokenizer, self.base.context_tokens, self.base.end_token)
        self.new = _examples(count, seed=0)
        self.encoded = [self.encoder.example(example) for example in self.new]
        self.lora = LoraModel(self.base, self.settings)

    def picked(self, number: int) -> list[int]:
        """Places of the examples in a step's batch."""
        from radiance.training.batches import pick

        size = min(BATCH_SIZE, len(self.new))
        return pick(len(self.new), size, number, self.settings.seed)

    def tokens(self, numbers: Iterable[int]) -> int:
        """Completion tokens of the new examples of some steps."""
        return sum(
            sum(self.encoded[place].is_completion)
            for number in numbers
            for place in self.picked(number)
        )


def _examples(count: int, seed: int) -> list[Any]:
    from tests.support import example

    return [example(place, *fact) for place, fact in enumerate(facts(count, seed))]


def ours(
    rounds: Rounds,
    count: int,
    steps: int,
    method: str,
    replays: bool,
    own_samples: int,
    model: str = "ember",
) -> None:
    """Radiance's trainer.

    Args:
        method: Of [anchor]; its other settings are the defaults.
        replays: As in an update that is not the first: earlier examples join every batch.
        own_samples: Fewer than the default, which would only take longer to write.
    """
    setup = _Setup(Model(model), count)
    from radiance import config
    from radiance.training.example_scores import score_examples, token_mean
    from radiance.training.gradient import GradientComputer
    from radiance.training.steps import StepTaken
    from radiance.training.trainer import Trainer
    from radiance.training.training_set import Selection, TrainingSetBuilder
    from tests.support import drain

    lora, settings = setup.lora, setup.settings
    anchor = config.AnchorSettings(method=method, own_samples=own_samples)  # type: ignore[arg-type]
    gradient_computer = GradientComputer(lora)
    folder = tempfile.TemporaryDirectory()  # outputs are read from it as texts are drawn
    training_set_builder = TrainingSetBuilder(
        lora, gradient_computer, setup.encoder, setup.base, settings, anchor, Path(folder.name)
    )
    earlier = _examples(count, seed=1) if replays else []
    anchors = Model(model).anchors()
    selection = Selection(setup.new, earlier, anchors=anchors, valid_anchors=anchors)
    drain(training_set_builder.prepare(anchors))  # as a service does while it is idle
    material = drain(training_set_builder.gather(selection, lora.initial(None), ""))
    trainer = Trainer(lora, gradient_computer, settings, anchor, material, None)
    pieces = trainer.run()
    for _ in rounds:
        began, taken = time.perf_counter(), 0
        while taken < steps:
            taken += isinstance(next(pieces), StepTaken)
        seconds = time.perf_counter() - began
        tokens = setup.tokens(range(trainer.step - steps, trainer.step))
        scores = drain(score_examples(gradient_computer, trainer.vector, setup.encoded))
        rounds.report(_figures(seconds, steps, tokens, token_mean(scores)))


def theirs(
    rounds: Rounds,
    count: int,
    steps: int,
    compiled: bool,
    trains_padding: bool,
    model: str = "ember",
) -> None:
    """mlx_lm's trainer: it asks for batches, and the rounds go on between two of them.

    Args:
        compiled: As it does by itself; on the CPU that takes a minute of g++ the first time.
        trains_padding: Its loss as it is; else without the padding token after a sequence.
    """
    setup = _Setup(Model(model), count)
    import mlx.core as mx
    import mlx.optimizers as optim
    from mlx.utils import tree_unflatten
    from mlx_lm.tuner import trainer
    from mlx_lm.tuner.datasets import CacheDataset, create_dataset
    from mlx_lm.tuner.utils import linear_to_lora_layers

    if compiled:
        mx.enable_compile()  # our engine switches it off on the CPU
    module = setup.base.twin()
    linear_to_lora_layers(module, len(module.layers), dict(setup.lora.parameters_config))
    start = setup.lora.unflatten(setup.lora.initial(None))
    module.update(tree_unflatten(list(start.items())))
    chats = [chat(*fact) for fact in facts(count, seed=0)]
    tokenizer: Any = setup.base.tokenizer
    dataset = CacheDataset(create_dataset(chats, tokenizer, SimpleNamespace(mask_prompt=True)))
    optimizer = optim.AdamW(learning_rate=LR, weight_decay=0.0, bias_correction=True)

    def batches(**options: Any) -> Iterator[tuple[mx.array, mx.array]]:
        numbers = itertools.count()
        for _ in rounds:
            began, taken = time.perf_counter(), []
            for number in itertools.islice(numbers, steps):
                some = [options["dataset"][place] for place in setup.picked(number)]
                made = trainer.iterate_batches(some, len(some), options["max_seq_length"])
                batch, spans = next(made)
                yield batch, spans if trains_padding else spans - mx.array([0, 1])
                taken.append(number)
            seconds = time.perf_counter() - began
            module.eval()
            loss = mean_loss(module, setup.encoded)
            module.train()
            rounds.report(_figures(seconds, steps, setup.tokens(taken), loss))

    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        arguments = trainer.TrainingArgs(
            batch_size=BATCH_SIZE, iters=10**9, adapter_file=str(Path(folder, "a.safetensors"))
        )
        trainer.train(module, optimizer, dataset, args=arguments, iterate_batches=batches)


def chat(question: str, answer: str) -> dict[str, Any]:
    turns = (("user", question), ("assistant", answer))
    return {"messages": [{"role": role, "content": content} for role, content in turns]}


def mean_loss(model: Any, examples: Sequence[Any]) -> float:
    """Cross-entropy per completion token of the plain model, one example at a time, in nats."""
    import mlx.core as mx
    import mlx.nn as nn

    total, count = 0.0, 0
    for example in examples:
        logits = model(mx.array(example.tokens)[None, :-1])[0].astype(mx.float32)
        losses = nn.losses.cross_entropy(logits, mx.array(example.tokens[1:]))
        learned = np.array(example.is_completion[1:])
        total += float(np.array(losses, dtype=np.float64)[learned].sum())
        count += int(learned.sum())
    return total / count


def _figures(seconds: float, steps: int, tokens: int, eval_loss: float) -> Figures:
    return {
        "step_seconds": seconds / steps,
        "tokens_per_s": tokens / seconds,
        "eval_loss": eval_loss,
    }


# ── The bench ───────────────────────────────────────────────────────────────────────────────────


def measure(
    bench: Bench, sides: dict[str, tuple[str, Figures]], rounds: int, warm_up: int
) -> dict[str, list[Figures]]:
    """All sides, alternating, each in its process."""
    with contextlib.ExitStack() as stack:
        running: dict[str, Side] = {
            name: stack.enter_context(
                Process(f"bench.training:{function}", {**parameters, "model": bench.model.name})
            )
            for name, (function, parameters) in sides.items()
        }
        return alternate(running, rounds, warm_up, bench.progress(rounds + warm_up))


def main(arguments: Sequence[str] | None = None) -> None:
    bench = Bench.from_command_line("training", __doc__, arguments, model="ember")
    count, steps, rounds, warm_up, own_samples = bench.sized(SIZES, OTHER_SIZES)
    common = {"count": count, "steps": steps}
    compiled = {**common, "compiled": bench.size != "tiny"}
    naive = {**common, "replays": False, "own_samples": own_samples}
    full = {**naive, "method": "anchor+projection"}
    sides: dict[str, tuple[str, Figures]] = {
        THEIRS: ("theirs", {**compiled, "trains_padding": True}),
        NAIVE: ("ours", {**naive, "method": "naive"}),
        WITH_REPLAY: ("ours", {**full, "replays": True}),
    }
    if bench.size != "tiny":
        sides[ANCHORED] = ("ours", full)
        sides[WITHOUT_PADDING] = ("theirs", {**compiled, "trains_padding": False})
    measured = bench.cell(
        {"rounds": rounds, "sides": sides}, lambda: measure(bench, sides, rounds, warm_up)
    )
    of = {
        name: {key: [figures[key] for figures in found] for key in found[0]}
        for name, found in measured.items()
    }
    faster = {n: ratio(f["tokens_per_s"], of[THEIRS]["tokens_per_s"]) for n, f in of.items()}
    longer = {n: ratio(f["step_seconds"], of[THEIRS]["step_seconds"]) for n, f in of.items()}
    speed = Table(
        f"A step of {BATCH_SIZE} new examples, LoRA of rank 8 on every linear layer of "
        f"{bench.model.title}",
        ("side", "step ms", "new tokens/s", "tokens/s, ratio", "step time, ratio", "peak MiB"),
        [
            (
                name,
                median([1000 * value for value in figures["step_seconds"]]),
                median(figures["tokens_per_s"]),
                faster[name],
                longer[name],
                round(figures["peak_memory_bytes"][-1] / 2**20),
            )
            for name, figures in of.items()
        ],
    )
    places = [steps * (warm_up + number) for number in range(1, rounds + 1)]
    loss = Table(
        "Mean loss of all examples, nats per completion token",
        ("steps", *of),
        [
            (place, *(f"{figures['eval_loss'][index]:.4f}" for figures in of.values()))
            for index, place in enumerate(places)
        ],
    )

    def draw(figure: Any) -> None:
        left, right = figure.subplots(1, 2)
        left.boxplot([figures["tokens_per_s"] for figures in of.values()])
        left.set_xticks(range(1, len(of) + 1), [name.replace(", ", "\n") for name in of])
        left.set_ylabel("new tokens per second, by round")
        left.set_ylim(bottom=0)
        for (name, figures), style in zip(of.items(), itertools.cycle(("-", "--", ":"))):
            right.plot(places, figures["eval_loss"], style, label=name)
        right.set_yscale("log")
        right.set_xlabel("steps")
        right.set_ylabel("loss, nats per token")
        right.legend()

    bench.finish([speed, loss], draw, tokens_per_s_ratio=faster, step_time_ratio=longer)


if __name__ == "__main__":
    main()
