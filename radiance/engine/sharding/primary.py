"""What rank 0 tells the processes that hold the other parts of a sharded base model.

Every forward pass sums over all ranks, so all must make the same passes in the same order. Only
rank 0 decides anything: its requests, clocks and clients are nobody else's. What it does to the
batch, the slots and the known prompts goes out as a list of acts before the next pass, and the
others do the same (``replica``). Tokens are chosen by rank 0 alone and summed like everything
else, so neither random numbers nor rounding can set the ranks apart.
"""

import contextlib
import io
from collections.abc import Mapping
from typing import Any

import mlx.core as mx
import msgspec
from mlx_lm.generate import generation_stream

from radiance.engine.sharding.ranks import Ranks
from radiance.errors import LostRank

Pairs = Mapping[str, tuple[mx.array, mx.array]]


class Fill(msgspec.Struct, frozen=True, tag=True):
    """An adapter was put into a slot; whole, as safetensors."""

    slot: int
    weights: bytes
    scale: float


class Free(msgspec.Struct, frozen=True, tag=True):
    """A slot was emptied."""

    slot: int


class Insert(msgspec.Struct, frozen=True, tag=True):
    """A row joined the batch; ``known`` tokens of its prompt were in the prompt cache."""

    uid: int
    known: int
    tokens: list[int]
    max_tokens: int
    slot: int
    cache_key: str
    ignore_end: bool


class DecodeStep(msgspec.Struct, frozen=True, tag=True):
    """A decode step."""


class Remove(msgspec.Struct, frozen=True, tag=True):
    """A row left early; ``keep``: what it processed went into the prompt cache."""

    uid: int
    keep: bool


class Clear(msgspec.Struct, frozen=True, tag=True):
    """All rows left."""


class OpenScoring(msgspec.Struct, frozen=True, tag=True):
    """Texts are about to be read with one slot."""

    number: int
    slot: int
    rows: int


class ScoreChunk(msgspec.Struct, frozen=True, tag=True):
    """The next tokens of these texts were processed."""

    number: int
    tokens: list[list[int]]


class CloseScoring(msgspec.Struct, frozen=True, tag=True):
    """These texts have been read."""

    number: int


class Shutdown(msgspec.Struct, frozen=True, tag=True):
    """Rank 0 ends."""


Act = (
    Fill
    | Free
    | Insert
    | DecodeStep
    | Remove
    | Clear
    | OpenScoring
    | ScoreChunk
    | CloseScoring
    | Shutdown
)
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[Act])


class Primary:
    """Rank 0's side.

    Args:
        ranks: The group; this process is its rank 0.
    """

    def __init__(self, ranks: Ranks) -> None:
        self.ranks = ranks
        self._acts: list[Act] = []
        self._opened = 0

    def tell(self, act: Act) -> None:
        """Tell it with whatever is sent next."""
        self._acts.append(act)

    def send(self, *acts: Act) -> None:
        """Send these acts and those not sent yet; an empty list shows whether all ranks are there.

        Raises:
            LostRank: A rank is gone.
        """
        sent, self._acts = [*self._acts, *acts], []
        with mx.stream(generation_stream):  # one stream, so that sums keep their order
            self.ranks.send(_encoder.encode(sent))

    def end(self) -> None:
        """Let the others go."""
        with contextlib.suppress(LostRank):
            self.send(Shutdown())

    def open(self, slot: int, rows: int) -> int:
        """The number of a reading that begins."""
        self._opened += 1
        self.tell(OpenScoring(self._opened, slot, rows))
        return self._opened

    def share(self, tokens: mx.array) -> mx.array:
        """Rank 0's tokens on every rank; lazy, as a part of the step."""
        return mx.distributed.all_sum(tokens.astype(mx.uint32), group=self.ranks.group)


def received(ranks: Ranks) -> list[Act]:
    """On another rank: what rank 0 sends next.

    Raises:
        LostRank: A rank is gone.
    """
    with mx.stream(generation_stream):
        return _decoder.decode(ranks.send())


def packed(pairs: Pairs) -> bytes:
    """LoRA pairs by module path as safetensors."""
    stream: Any = io.BytesIO()
    tensors = {}
    for path, (a, b) in pairs.items():
        tensors[f"{path}.lora_a"], tensors[f"{path}.lora_b"] = a, b
    mx.save_safetensors(stream, tensors)
    return stream.getvalue()


def unpacked(data: bytes) -> dict[str, tuple[mx.array, mx.array]]:
    """The pairs of ``packed``."""
    stream: Any = io.BytesIO(data)
    tensors: Any = mx.load(stream, format="safetensors")
    paths = [name.removesuffix(".lora_a") for name in tensors if name.endswith(".lora_a")]
    return {path: (tensors[f"{path}.lora_a"], tensors[f"{path}.lora_b"]) for path in paths}
