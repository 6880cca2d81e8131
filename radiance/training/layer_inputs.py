"""What texts give to each adapted layer of a model, one layer after the other."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from dataclasses import dataclass
from typing import NamedTuple

import mlx.core as mx
import numpy as np
from mlx_lm.models.cache import KVCache
from threadpoolctl import threadpool_limits

from radiance.engine.adapters.slot_model import SlotModel
from radiance.engine.adapters.slots import Adapter, SlotTable
from radiance.engine.model.base import BaseModel
from radiance.engine.model.device import has_kernels
from radiance.engine.model.encoding import EncodedExample
from radiance.engine.tasks import Pieces
from radiance.training.batches import by_length, make_batch
from radiance.training.beginnings import common_beginning, for_rows, plain_cache
from radiance.training.lora import LoraModel

_ROWS = 16
_MOST_INPUTS = 1024  # per layer, spread over all texts of a kind, which bounds memory
_PIECE_S = 0.005


@dataclass(frozen=True)
class LayersSeen:
    """The inputs of so many layers have been looked at."""

    done: int
    total: int


class Inputs(NamedTuple):
    """What texts of a kind give to a layer, each different one once.

    Attributes:
        rows: (n, d_in) float32, each multiplied by the square root of how often it is given, so
            that their products are those of all inputs.
        count: How many inputs that is.
    """

    rows: np.ndarray
    count: int


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

    One layer's inputs are in memory at a time: the texts go through the model together. What all
    texts begin with goes through once. On a module tree of its own, so that nothing of the trained
    one is touched. The function runs in a thread beside, on one core, so that decoding goes on:
    NumPy's BLAS threads wait for one another by spinning, which holds it up.

    Args:
        base: Read only.
        lora: Its adapted layers.
        vector: The adapter under which the texts give their inputs, (parameters,) float32.
        kinds: Texts of each kind; none of a kind give inputs (0, d_in).
        use: Called with the paths of the layers that are given the same input (q, k and v are),
            and with the Inputs of each kind.
        most: Inputs of each kind, of those that its texts give.
    """
    adapter = lora.adapter(vector)
    recorder = _Recorder(adapter.pairs)
    model = SlotModel(base.twin(), recorder, base.vocab_size, has_kernels())
    reader = _Reader(model, recorder, adapter)
    texts = [example for examples in kinds for example in examples]
    reader.begin([example.tokens for example in texts])
    given = [reader.read(examples, most) for examples in kinds]
    layers = next(groups for groups in given if groups)[0].layers
    executor = ThreadPoolExecutor(1)
    try:
        used: Future[None] | None = None
        for done, paths in enumerate(layers):
            yield LayersSeen(done, len(layers))
            width = lora.shapes[f"{paths[0]}.lora_a"][0]
            first = reader.of_beginning(done, width)
            inputs = []
            for groups in given:
                parts = [np.zeros((0, width), np.float32)]
                times = np.zeros(len(first))
                for group in groups:
                    rows = group.rows.popleft()
                    mx.eval(rows)
                    parts.append(np.array(rows))
                    times += group.times
                    yield None
                is_given = times > 0
                parts.append(first[is_given] * np.sqrt(times[is_given, None], dtype=np.float32))
                count = sum(map(len, parts[:-1])) + int(times.sum())
                inputs.append(Inputs(np.concatenate(parts), count))
            if used is not None:
                yield from _until_done(used)
            used = executor.submit(_on_one_core, use, paths, *inputs)
        if used is not None:
            yield from _until_done(used)
    finally:
        executor.shutdown(wait=False)  # a training that is called off does not wait for it


@dataclass(frozen=True)
class _Group:
    """What texts that went through the model together give to each layer, in the layers' order.

    Attributes:
        layers: Their paths, those that are given the same together.
        rows: By layer, each (n, d_in) float32; lazy.
        times: How often each token of the beginning is among their inputs, (tokens,).
    """

    layers: list[tuple[str, ...]]
    rows: deque[mx.array]
    times: np.ndarray


class _Reader:
    """Has texts go through a model; lazily, so that layer after layer is computed.

    What follows the last layer that is adapted never is.
    """

    def __init__(self, model: SlotModel, recorder: _Recorder, adapter: Adapter) -> None:
        self._model, self._recorder = model, recorder
        self._slot = recorder.fill(adapter)
        self._beginning: list[KVCache] | None = None
        self._first: list[mx.array] = []  # by layer
        self._shared = 0

    def begin(self, texts: Sequence[Sequence[int]]) -> None:
        """Read what they all begin with, if that pays."""
        tokens = common_beginning(texts, min(map(len, texts)) - 2)
        self._beginning = plain_cache(self._model.model) if tokens else None
        if self._beginning is not None:
            self._shared = len(tokens)
            given = self._given(mx.array([list(tokens)]), self._beginning)
            self._first = [x[0].astype(mx.float32) for _, x in given]

    def _given(
        self, tokens: mx.array, known: Sequence[KVCache] | None
    ) -> list[tuple[tuple[str, ...], mx.array]]:
        """What each layer is given, (rows, tokens, d_in), with the paths it is given to; lazy."""
        self._recorder.given.clear()
        self._model(tokens, self._model.make_row_cache(self._slot, known, len(tokens)))
        given = _distinct(self._recorder.given)
        self._recorder.given.clear()
        return given

    def of_beginning(self, layer: int, width: int) -> np.ndarray:
        """What the beginning gives to a layer of some width, (tokens, width) float32."""
        if not self._first:
            return np.zeros((0, width), np.float32)
        mx.eval(self._first[layer])
        return np.array(self._first[layer])

    def read(self, examples: Sequence[EncodedExample], most: int) -> list[_Group]:
        """Texts of one kind, of whose inputs at most so many count: every so many-th."""
        shared = self._shared
        total = sum(len(example.tokens) - 1 for example in examples)
        every, seen = max(1, -(-total // most)), 0
        found = []
        for numbers in by_length(examples, _ROWS):
            longest = max(len(examples[index].tokens) for index in numbers)
            tokens = make_batch([examples[index] for index in numbers]).tokens
            tokens = tokens[:, shared : longest - 1]
            width = shared + tokens.shape[1]
            places = np.array(
                [
                    row * width + place
                    for row, index in enumerate(numbers)
                    for place in range(len(examples[index].tokens) - 1)
                ]
            )
            chosen = places[-seen % every :: every]
            seen += len(places)
            row, place = chosen // width, chosen % width
            own = place >= shared
            at = mx.array(row[own] * (width - shared) + place[own] - shared, dtype=mx.int32)
            known = None if self._beginning is None else for_rows(self._beginning, len(numbers))
            given = self._given(tokens, known)
            rows = (x.reshape(-1, x.shape[-1])[at].astype(mx.float32) for _, x in given)
            times = np.bincount(place[~own], minlength=shared)
            found.append(_Group([paths for paths, _ in given], deque(rows), times))
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
