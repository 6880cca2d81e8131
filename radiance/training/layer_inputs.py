"""What texts give to each adapted layer of a model, one layer after the other."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from dataclasses import dataclass

import mlx.core as mx
import mlx.nn as nn
import numpy as np
from threadpoolctl import threadpool_limits

from radiance.engine.adapters.slots import SlotModel, SlotTable
from radiance.engine.model.base import BaseModel
from radiance.engine.model.encoding import EncodedExample
from radiance.engine.tasks import Pieces
from radiance.training.batches import by_length, make_batch
from radiance.training.lora import LoraModel

_ROWS = 16
_MOST_INPUTS = 1024  # per layer, spread over all texts of a kind, which bounds memory
_PIECE_S = 0.005


@dataclass(frozen=True)
class LayersSeen:
    """The inputs of so many layers have been looked at."""

    done: int
    total: int


class _Recorder(SlotTable):
    """A slot table that remembers what each adapted layer was given last, in their order."""

    def __init__(self, paths: Iterable[str]) -> None:
        super().__init__()
        self._paths = frozenset(paths)
        self.given: dict[str, mx.array] = {}

    def adapt(self, path: str, x: mx.array, y: mx.array) -> mx.array:
        if path in self._paths:
            self.given[path] = x
        return super().adapt(path, x, y)


def each_input(
    base: BaseModel,
    lora: LoraModel,
    vector: mx.array,
    kinds: Sequence[Sequence[EncodedExample]],
    use: Callable[..., None],
    most: int = _MOST_INPUTS,
) -> Pieces[None]:
    """Give what texts make of each layer's input to a function; LayersSeen as it goes on.

    One layer's inputs are in memory at a time: the texts go through the model together. On a module
    tree of its own, so that nothing of the trained one is touched. The function runs in a thread
    beside, on one core, so that decoding goes on: NumPy's BLAS threads wait for one another by
    spinning, which holds it up.

    Args:
        base: Read only.
        lora: Its adapted layers.
        vector: The adapter under which the texts give their inputs, (parameters,) float32.
        kinds: Texts of each kind; none of a kind give inputs (0, d_in).
        use: Called with the paths of the layers that are given the same input (q, k and v are),
            and with the inputs of each kind, (n, d_in) float32.
        most: Inputs of each kind, of those that its texts give.
    """
    adapter = lora.adapter(vector)
    recorder = _Recorder(adapter.pairs)
    model = SlotModel(base.twin(), recorder, base.vocab_size).model
    slot = recorder.fill(adapter)
    given = [_rows_by_layer(model, recorder, slot, examples, most) for examples in kinds]
    layers = [paths for paths, _ in next(groups for groups in given if groups)[0]]
    executor = ThreadPoolExecutor(1)
    try:
        used: Future[None] | None = None
        for done, paths in enumerate(layers):
            yield LayersSeen(done, len(layers))
            inputs = []
            for groups in given:
                parts = []
                for group in groups:
                    rows = group.popleft()[1]
                    mx.eval(rows)
                    parts.append(np.array(rows))
                    yield None
                width = lora.shapes[f"{paths[0]}.lora_a"][0]
                inputs.append(np.concatenate([np.zeros((0, width), np.float32), *parts]))
            if used is not None:
                yield from _until_done(used)
            used = executor.submit(_on_one_core, use, paths, *inputs)
        if used is not None:
            yield from _until_done(used)
    finally:
        executor.shutdown(wait=False)  # a training that is called off does not wait for it


def _rows_by_layer(
    model: nn.Module,
    recorder: _Recorder,
    slot: int,
    examples: Sequence[EncodedExample],
    most: int,
) -> list[deque[tuple[tuple[str, ...], mx.array]]]:
    """For each group of texts the inputs by layer; lazy, so that layer after layer is computed.

    What follows the last layer that is adapted never is.
    """
    total = sum(len(example.tokens) - 1 for example in examples)
    every, seen = max(1, -(-total // most)), 0
    found = []
    for group in by_length(examples, _ROWS):
        batch = make_batch([examples[index] for index in group])
        width = batch.tokens.shape[1]
        places = [
            row * width + place
            for row, index in enumerate(group)
            for place in range(len(examples[index].tokens) - 1)
        ]
        chosen = mx.array(places[-seen % every :: every], dtype=mx.int32)
        seen += len(places)
        recorder.given.clear()
        recorder.route([slot] * len(group))
        model(batch.tokens)
        found.append(
            deque(
                (paths, x.reshape(-1, x.shape[-1])[chosen].astype(mx.float32))
                for paths, x in _distinct(recorder.given)
            )
        )
    recorder.given.clear()
    return found


def _distinct(given: Mapping[str, mx.array]) -> list[tuple[tuple[str, ...], mx.array]]:
    """Each array once, with all layers that were given it."""
    paths: dict[int, list[str]] = {}
    for path, x in given.items():
        paths.setdefault(id(x), []).append(path)
    return [(tuple(group), given[group[0]]) for group in paths.values()]


def _on_one_core(use: Callable[..., None], *arguments: object) -> None:
    import scipy.linalg  # noqa: F401  # its BLAS is to be there when cores are limited

    with threadpool_limits(1, user_api="blas"):
        use(*arguments)


def _until_done(future: "Future[None]") -> Pieces[None]:
    while not wait_for([future], timeout=_PIECE_S).done:
        yield None
    return future.result()
