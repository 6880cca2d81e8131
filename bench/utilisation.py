"""How much of the machine's matrix-product speed a training step and a decode step reach.

Model FLOPs are counted as the field counts them (PaLM, Chowdhery et al., 2022, appendix B): what
the mathematics of a batch asks for, nothing for what is computed twice. The yardstick is plain
sgemm of the same sizes in the same process, alternating with the step, each product with a matrix
of its own, so that memory is read as the model reads it. What takes the rest is measured by name,
each part alone, at the sizes of the step.
"""

import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.harness import Figures, Table
from bench.models import Model
from bench.processes import Rounds
from bench.training import facts

_HEAD = "output head"


@dataclass(frozen=True)
class Shapes:
    """The matrix products of a model and a batch.

    Attributes:
        linears: How many layers have each (inputs, outputs).
        rank: Of the adapter on each of them.
        hidden: Width of the hidden states.
        vocab: Width of the output head.
        layers: Blocks.
        heads: Query heads of a block, and key heads.
        head_width: Of each.
    """

    linears: Mapping[tuple[int, int], int]
    rank: int
    hidden: int
    vocab: int
    layers: int
    heads: tuple[int, int]
    head_width: int

    def step_flops(self, rows: int, width: int, targets: int) -> dict[str, int]:
        """Of a training step with frozen weights, by part.

        A frozen weight costs 2 FLOP a number and token forward and 2 for the gradient of its input;
        an adapter's also 2 for its own.

        Args:
            rows: Sequences.
            width: Tokens of each.
            targets: Tokens that are learned; only they pass the output head.
        """
        tokens = rows * width
        attended = rows * width * (width + 1) // 2  # a token sees itself and those before it
        return {
            "linear layers": 4 * tokens * sum(i * o * n for (i, o), n in self.linears.items()),
            "adapter": 6
            * tokens
            * self.rank
            * sum((i + o) * n for (i, o), n in self.linears.items()),
            "attention": 3 * 4 * attended * self.heads[0] * self.head_width * self.layers,
            _HEAD: 4 * targets * self.hidden * self.vocab,
        }

    def decode_flops(self, rows: int, context: int) -> dict[str, int]:
        """Of one decode step of so many rows after so many tokens each, by part."""
        linear = sum(i * o * n for (i, o), n in self.linears.items())
        return {
            "linear layers": 2 * rows * linear,
            "attention": 4 * rows * context * self.heads[0] * self.head_width * self.layers,
            _HEAD: 2 * rows * self.hidden * self.vocab,
        }


def shapes_of(lora: Any, base: Any) -> Shapes:
    """Of a base model with LoRA on all its linear layers (``LoraModel``, ``BaseModel``)."""
    counted: Counter[tuple[int, int]] = Counter()
    for name, shape in lora.shapes.items():
        if name.endswith("lora_a"):
            outputs = lora.shapes[name.removesuffix("a") + "b"][1]
            counted[shape[0], outputs] += 1
    settings = base.config.get("text_config") or base.config
    heads = int(settings["num_attention_heads"])
    return Shapes(
        linears=dict(counted),
        rank=next(iter(lora.shapes.values()))[1],
        hidden=base.hidden_size,
        vocab=base.vocab_size,
        layers=len(lora.model.layers),
        heads=(heads, int(settings.get("num_key_value_heads") or heads)),
        head_width=int(settings.get("head_dim") or base.hidden_size // heads),
    )


# ── In a process of its own ─────────────────────────────────────────────────────────────────────


def measure(rounds: Rounds, model: str, count: int, streams: Sequence[int], context: int) -> None:
    """Each round: a training step of ``count`` examples, decode steps, and sgemm of their sizes.

    Args:
        streams: Rows that decode together.
        context: Tokens each has behind it.
    """
    from radiance import config
    from radiance.engine.model.encoding import Encoder
    from radiance.training.batches import make_batch
    from radiance.training.gradient import GradientComputer
    from radiance.training.lora import LoraModel
    from tests.support import drain, example

    base = Model(model).load()
    import mlx.core as mx

    lora = LoraModel(base, config.TrainingSettings())
    shapes = shapes_of(lora, base)
    encoder = Encoder(base.tokenizer, base.context_tokens, base.end_token)
    taught = [example(n, *fact) for n, fact in enumerate(facts(count, seed=0))]
    batch = make_batch([encoder.example(one) for one in taught])
    gradient_computer, vector = GradientComputer(lora), lora.initial(None)
    rows = batch.tokens.shape[0]
    width = -(-_computed_tokens(gradient_computer, batch) // rows)
    mx.eval(vector)

    def step() -> None:
        mx.eval(drain(gradient_computer.gradient(vector, batch)))

    decoders = {streams_: _decoder(base, streams_, context) for streams_ in streams}
    for _ in rounds:
        products = _step_products(shapes, rows * width, batch.target_count)
        figures: Figures = {
            "step_s": _timed(step, 1),
            "sgemm_s": sum(products.values()),
            "products_s": products,
            "parts_s": _step_parts(shapes, rows, width, batch.target_count),
            "flops": shapes.step_flops(rows, width, batch.target_count),
            "rows": rows,
            "width": width,
            "targets": batch.target_count,
            "decode": {},
        }
        for streams_, decode in decoders.items():
            figures["decode"][str(streams_)] = {
                "step_s": _timed(decode, 3),
                "sgemm_s": sum(_decode_products(shapes, streams_).values()),
                "flops": shapes.decode_flops(streams_, context),
            }
        rounds.report(figures)


def _computed_tokens(gradient_computer: Any, batch: Any) -> int:
    """Tokens that a gradient computes: what rows have in common once, padding hardly any."""
    if not gradient_computer.is_blockwise:
        return batch.tokens.size
    return sum(line.tokens.size for line in gradient_computer._pack(batch, None))


def _timed(run: Callable[[], None], times: int) -> float:
    """Median seconds of processors for a run: a step may use two cores where a product uses one."""
    seconds = []
    for _ in range(times):
        began = time.process_time()
        run()
        seconds.append(time.process_time() - began)
    return statistics.median(seconds)


def _products(rows: int, inputs: int, outputs: int, number: int = 1, *, backward: bool) -> float:
    """Seconds of so many ``x W'``, (rows, inputs) by (inputs, outputs), and of each ``g W``."""
    import mlx.core as mx

    x, g = mx.random.normal((rows, inputs)), mx.random.normal((rows, outputs))
    weights = [mx.random.normal((outputs, inputs)) for _ in range(number)]
    mx.eval(x, g, weights)

    def run() -> None:
        for weight in weights:
            mx.eval(x @ weight.T)
            if backward:
                mx.eval(g @ weight)

    return _timed(run, 2)


def _step_products(shapes: Shapes, tokens: int, targets: int) -> dict[str, float]:
    """Seconds of plain sgemm for a training step's products, by size, without the adapter's."""
    found = {
        f"{inputs} x {outputs}": _products(tokens, inputs, outputs, number, backward=True)
        for (inputs, outputs), number in shapes.linears.items()
    }
    return found | {_HEAD: _products(targets, shapes.hidden, shapes.vocab, backward=True)}


def _decode_products(shapes: Shapes, rows: int) -> dict[str, float]:
    found = {
        f"{inputs} x {outputs}": _products(rows, inputs, outputs, number, backward=False)
        for (inputs, outputs), number in shapes.linears.items()
    }
    return found | {_HEAD: _products(rows, shapes.hidden, shapes.vocab, backward=False)}


def _step_parts(shapes: Shapes, rows: int, width: int, targets: int) -> dict[str, float]:
    """Seconds of what is no product with a frozen weight, forward and backward, each part alone."""
    import mlx.core as mx

    from radiance.engine.model import elementwise
    from radiance.training.losses import log_normaliser

    (queries, keys), head = shapes.heads, shapes.head_width
    inner = max(outputs for _, outputs in shapes.linears)
    normal = mx.random.normal
    mask = mx.triu(mx.full((width, width), -1e9), k=1)

    def attention(q: Any, k: Any, v: Any) -> Any:
        return mx.fast.scaled_dot_product_attention(q, k, v, scale=head**-0.5, mask=mask)

    def rotated(x: Any) -> Any:
        return mx.fast.rope(x, head, traditional=False, base=10_000.0, scale=1.0, offset=0)

    def adapter(x: Any, a: Any, b: Any) -> Any:
        return (x @ a) @ b

    def gated(gate: Any, up: Any) -> Any:
        return elementwise.sigmoid(gate) * gate * up

    def loss(logits: Any) -> Any:
        return log_normaliser(logits).sum()

    hidden = normal((rows, width, shapes.hidden))
    gates = [normal((rows, width, inner)) for _ in range(2)]
    mx.eval(gates)
    q = normal((rows, queries, width, head))
    k, v = (normal((rows, keys, width, head)) for _ in range(2))
    weight = mx.ones((shapes.hidden,))
    times: dict[str, tuple[int, float]] = {
        "attention": (shapes.layers, _both_ways(attention, q, k, v)),
        "norms": (
            2 * shapes.layers,
            _both_ways(lambda x: mx.fast.rms_norm(x, weight, 1e-5), hidden),
        ),
        "gate of the MLP": (shapes.layers, _timed(lambda: mx.eval(gated(*gates)), 2)),
        "rotary angles": (shapes.layers, _both_ways(rotated, q) + _both_ways(rotated, k)),
        "loss over the vocabulary": (1, _both_ways(loss, normal((targets, shapes.vocab)))),
    }
    adapters = 0.0
    for (inputs, outputs), number in shapes.linears.items():
        x, a, b = (
            normal((rows * width, inputs)),
            normal((inputs, shapes.rank)),
            normal((shapes.rank, outputs)),
        )
        adapters += number * _both_ways(adapter, x, a, b)
    return {name: number * seconds for name, (number, seconds) in times.items()} | {
        "adapter": adapters
    }


def _both_ways(function: Callable[..., Any], *inputs: Any) -> float:
    """Seconds of a function and of its gradients by all its inputs."""
    import mlx.core as mx

    output = function(*inputs)
    cotangent = mx.ones_like(output)
    mx.eval(output, cotangent, *inputs)

    def run() -> None:
        outputs, gradients = mx.vjp(function, list(inputs), [cotangent])
        mx.eval(outputs, gradients)

    return _timed(run, 2)


def _decoder(base: Any, rows: int, context: int) -> Callable[[], None]:
    """One decode step of the bare model, again and again at the same place."""
    import mlx.core as mx
    from mlx_lm.models.cache import make_prompt_cache

    cache: Any = make_prompt_cache(base.model)
    base.model(mx.full((rows, context), 7), cache=cache)
    mx.eval([layer.state for layer in cache])
    token = mx.full((rows, 1), 9)

    def step() -> None:
        mx.eval(base.model(token, cache=cache))
        for layer in cache:
            layer.trim(1)

    step()
    return step


# ── For a person ────────────────────────────────────────────────────────────────────────────────


def tables(title: str, found: Sequence[Figures]) -> Iterator[Table]:
    """Shares by round as medians, and what takes the rest of a training step."""
    first = found[0]

    def of_step(value: Callable[[Figures], float]) -> float:
        return statistics.median([value(figures) for figures in found])

    flops = sum(first["flops"].values())
    step, sgemm = of_step(lambda f: f["step_s"]), of_step(lambda f: f["sgemm_s"])
    rows: list[tuple[object, ...]] = [
        (
            f"training step, {first['rows']} x {first['width']} tokens, {first['targets']} learned",
            *_share_row(flops, step, sgemm, of_step(lambda f: f["sgemm_s"] / f["step_s"])),
        )
    ]
    for streams in first["decode"]:
        decode = [figures["decode"][streams] for figures in found]
        seconds = statistics.median([d["step_s"] for d in decode])
        plain = statistics.median([d["sgemm_s"] for d in decode])
        share = statistics.median([d["sgemm_s"] / d["step_s"] for d in decode])
        total = sum(decode[0]["flops"].values())
        rows.append(
            (
                f"decode step of the bare model, {streams} rows",
                *_share_row(total, seconds, plain, share),
            )
        )
    yield Table(
        f"{title}: model FLOPs, and the share of plain sgemm's speed at the same sizes",
        ("what", "GFLOP", "ms", "GFLOP/s", "sgemm alone, ms", "share reached"),
        rows,
    )
    parts = {name: of_step(lambda f, n=name: f["parts_s"][n]) for name in first["parts_s"]}
    rest = step - sgemm - sum(parts.values())
    named = {"products with frozen weights (sgemm alone)": sgemm, **parts}
    yield Table(
        f"{title}: where a training step's time goes, each part measured alone",
        ("part", "ms", "share of the step"),
        [
            (name, 1000 * seconds, f"{seconds / step:.0%}")
            for name, seconds in (*named.items(), ("the rest: copies, dispatch, recomputing", rest))
        ],
    )


def _share_row(flops: int, seconds: float, plain: float, share: float) -> tuple[object, ...]:
    return flops / 1e9, 1000 * seconds, flops / seconds / 1e9, 1000 * plain, f"{share:.0%}"
