"""What a checkpoint learned and what it forgot, measured before it can serve."""

import itertools
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import mlx.core as mx
import numpy as np

from radiance.engine.encoding import EncodedExample
from radiance.evaluation.outputs import Outputs, adapter_key
from radiance.evaluation.summary import Past, summarise
from radiance.records import Evaluation, Probe
from radiance.training.batches import by_length
from radiance.training.blockwise import Differentiator
from radiance.training.lora import LoraModel

T = TypeVar("T")
Pieces = Generator[Any, None, T]

_ROWS = 16  # texts per batch


@dataclass(frozen=True)
class Text:
    """A text to measure.

    Attributes:
        group: An anchor's context; for an example, the checkpoint that taught it.
    """

    example: EncodedExample
    group: str


@dataclass(frozen=True)
class Measured:
    """So many texts of an evaluation are measured."""

    done: int
    total: int


class Evaluator:
    """Measures adapters over one base. Belongs to the engine thread.

    Args:
        anchors: The anchors measured for every checkpoint; empty switches forgetting off.
        anchors_hash: Identity of the set they are from; "" where there are none.
    """

    def __init__(
        self,
        lora: LoraModel,
        differentiator: Differentiator,
        anchors: Sequence[Text],
        anchors_hash: str,
    ) -> None:
        self._differentiator = differentiator
        self._outputs = Outputs(differentiator)
        self._base = lora.initial(None)
        self._anchors = anchors
        self._anchors_hash = anchors_hash

    def evaluate(
        self,
        candidate: mx.array,
        parent: mx.array,
        learned: Sequence[Text],
        held_back: Sequence[Text],
        recalled: Sequence[Text],
        past: Past,
    ) -> Pieces[Evaluation]:
        """Measure one adapter beside the one it continues from and beside the base.

        Yields None between pieces, and Measured as it goes on.

        Args:
            candidate: The adapter, (parameters,) float32.
            parent: The one it continues from; ``LoraModel.initial(None)`` where that is the base.
            learned: What it was trained on anew; not empty.
            held_back: New examples it was not trained on.
            recalled: Earlier examples that are still valid.
            past: What was measured of the checkpoints it descends from.
        """
        began = time.monotonic()
        kinds = {
            "learned": learned,
            "held_back": held_back,
            "anchors": self._anchors,
            "recalled": recalled,
        }
        texts = [text for kind in kinds.values() for text in kind]
        probes = yield from self.probe(candidate, parent, texts)
        rest = iter(probes)
        measured = {name: tuple(itertools.islice(rest, len(kind))) for name, kind in kinds.items()}
        return Evaluation(
            report=summarise(**measured, past=past),
            anchors_hash=self._anchors_hash,
            seconds=time.monotonic() - began,
            **measured,
        )

    def probe(
        self, candidate: mx.array, parent: mx.array, texts: Sequence[Text]
    ) -> Pieces[list[Probe]]:
        """Measure texts under a candidate, its parent and the base; in the order given."""
        vectors = [candidate, parent, self._base]
        keys = [adapter_key(vector) for vector in vectors]
        probes: dict[int, Probe] = {}
        for group in by_length([text.example for text in texts], _ROWS):
            chosen = [texts[index] for index in group]
            examples = [text.example for text in chosen]
            rows = {}
            for key, vector in zip(keys, vectors, strict=True):
                if key not in rows:
                    found = yield from self._outputs.rows(vector, key, examples)
                    rows[key] = mx.concatenate(found)
            targets = mx.array(np.concatenate([_targets(example) for example in examples]))
            table = yield from self._compare([rows[key] for key in keys], targets)
            ends = np.cumsum([0, *(sum(example.is_completion[1:]) for example in examples)])
            for place, index in enumerate(group):
                own = table[:, ends[place] : ends[place + 1]]
                probes[index] = _probe(chosen[place], own)
            yield Measured(len(probes), len(texts))
        return [probes[index] for index in range(len(texts))]

    def _compare(self, rows: Sequence[mx.array], targets: mx.array) -> Pieces[np.ndarray]:
        """Loss and hit of each target under candidate, parent and base, and both divergences.

        Args:
            rows: Of the candidate, the parent and the base, (n, width) each; one object where two
                are the same adapter.
            targets: (n,) the right tokens.

        Returns:
            (8, n) float64: three losses, three hits, KL from base and from parent.
        """
        parts = []
        for part in self._differentiator.parts(rows[0]):
            own: dict[int, mx.array] = {}
            for array in rows:
                if id(array) not in own:
                    own[id(array)] = self._differentiator.log_probs(array[part])
            candidate, parent, base = (own[id(array)] for array in rows)
            right = targets[part, None]
            measured = [-mx.take_along_axis(x, right, axis=-1)[:, 0] for x in own.values()]
            hits = [mx.argmax(x, axis=-1) == right[:, 0] for x in own.values()]
            order = [list(own).index(id(array)) for array in rows]
            columns = [measured[place] for place in order] + [hits[place] for place in order]
            columns += [_divergence(base, candidate), _divergence(parent, candidate)]
            stacked = mx.stack([column.astype(mx.float32) for column in columns])
            mx.eval(stacked)
            parts.append(np.array(stacked, dtype=np.float64))
            yield None
        return np.concatenate(parts, axis=1)


def _divergence(p: mx.array, q: mx.array) -> mx.array:
    """KL(p || q) of each row of log-probabilities (n, vocabulary), in nats: (n,), never negative.

    A token that p excludes adds nothing, as in the limit. Rounding may bring the sum below zero by
    some 1e-7; a divergence is not.
    """
    share = mx.exp(p)
    terms = mx.where(share > 0, share * (p - q), 0.0)
    return mx.maximum(terms.sum(axis=-1), 0.0)


def _targets(example: EncodedExample) -> np.ndarray:
    """The tokens to predict, in order: every learned one but the first of the sequence."""
    return np.array(
        [
            token
            for token, learned in zip(example.tokens[1:], example.is_completion[1:], strict=True)
            if learned
        ],
        dtype=np.int32,
    )


def _probe(text: Text, table: np.ndarray) -> Probe:
    loss, parent_loss, base_loss, *_, kl_base, kl_parent = (float(x) for x in table.mean(axis=1))
    is_exact, was_exact_in_parent, was_exact_in_base = (bool(hits.all()) for hits in table[3:6])
    return Probe(
        id=text.example.example_id,
        group=text.group,
        tokens=table.shape[1],
        loss=loss,
        parent_loss=parent_loss,
        base_loss=base_loss,
        kl_base=kl_base,
        kl_parent=kl_parent,
        is_exact=is_exact,
        was_exact_in_parent=was_exact_in_parent,
        was_exact_in_base=was_exact_in_base,
    )
