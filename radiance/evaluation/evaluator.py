"""What a checkpoint learned and what it forgot, measured before it can serve."""

import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import mlx.core as mx
import msgspec
import numpy as np

from radiance.engine.model.encoding import EncodedExample
from radiance.engine.tasks import Pieces
from radiance.evaluation.comparison import compare
from radiance.evaluation.outputs import OutputCache, adapter_key
from radiance.evaluation.summary import Past, stats
from radiance.records import EvalReport, Evaluation, OverwrittenAnchor, Probe
from radiance.training.batches import by_length
from radiance.training.gradient import GradientComputer
from radiance.training.lora import LoraModel

_ROWS = 16  # texts per batch


@dataclass(frozen=True)
class ProbeText:
    """A text to measure.

    Attributes:
        group: An anchor's context; for an example, the checkpoint that taught it.
        leeway: How much less likely than the likeliest, in nats, each token may be for the text to
            count as exact; 0: it must be chosen.
    """

    example: EncodedExample
    group: str
    leeway: float = 0.0


@dataclass(frozen=True)
class Measured:
    """So many texts of an evaluation are measured."""

    done: int
    total: int


class AdapterEvaluator:
    """Measures adapters over one base. Belongs to the engine thread."""

    def __init__(self, lora: LoraModel, gradient_computer: GradientComputer) -> None:
        self._gradient_computer = gradient_computer
        self._outputs = OutputCache(gradient_computer)
        self._base = lora.initial(None)

    def evaluate(
        self,
        candidate: mx.array,
        parent: mx.array,
        learned: Sequence[ProbeText],
        held_back: Sequence[ProbeText],
        anchors: Sequence[ProbeText],
        recalled: Sequence[ProbeText],
        past: Past,
        anchors_hash: str,
        contradicted: Sequence[ProbeText] = (),
        find_overwritten: Callable[[Sequence[Probe]], tuple[OverwrittenAnchor, ...]] = lambda _: (),
    ) -> Pieces[Evaluation]:
        """Measure one adapter beside the one it continues from and beside the base.

        Yields None between pieces, and Measured as it goes on.

        Args:
            candidate: The adapter, (parameters,) float32.
            parent: The one it continues from; ``LoraModel.initial(None)`` where that is the base.
            learned: What it was trained on anew; not empty.
            held_back: New examples it was not trained on.
            anchors: Without those that were superseded before; empty where forgetting is not
                measured.
            recalled: Earlier examples that are still valid.
            past: What was measured of the checkpoints it descends from.
            anchors_hash: Identity of the set the anchors are from; "" where there are none.
            contradicted: Further anchors, which something learned says otherwise of; they do not
                count as forgotten.
            find_overwritten: From the probes of all anchors, which of them are overwritten.
        """
        began = time.monotonic()
        kinds = {
            "learned": learned,
            "held_back": held_back,
            "anchors": anchors,
            "recalled": recalled,
            "contradicted": contradicted,
        }
        probes = yield from self.probe_kinds(candidate, parent, kinds)
        overwritten = find_overwritten([*probes["anchors"], *probes.pop("contradicted")])
        return Evaluation(
            report=msgspec.convert(
                stats(**probes, past=past, overwritten=len(overwritten)), EvalReport
            ),
            anchors_hash=anchors_hash,
            seconds=time.monotonic() - began,
            overwritten=overwritten,
            learned=probes["learned"],
            held_back=probes["held_back"],
            anchors=probes["anchors"],
            recalled=probes["recalled"],
        )

    def prepare(self, texts: Sequence[ProbeText]) -> Pieces[None]:
        """Have the base's outputs of texts at hand before a candidate is measured on them.

        Yields None between pieces, and Measured as it goes on. What is there by then stays.
        """
        key, done = adapter_key(self._base), 0
        for group in by_length([text.example for text in texts], _ROWS):
            examples = [texts[index].example for index in group]
            yield from self._outputs.rows(self._base, key, examples)
            done += len(group)
            yield Measured(done, len(texts))

    def probe_kinds(
        self, candidate: mx.array, parent: mx.array, kinds: Mapping[str, Sequence[ProbeText]]
    ) -> Pieces[dict[str, tuple[Probe, ...]]]:
        """Measure texts of several kinds in batches they share; by kind, in the order given."""
        texts = [text for kind in kinds.values() for text in kind]
        rest = iter((yield from self.probe(candidate, parent, texts)))
        return {name: tuple(itertools.islice(rest, len(kind))) for name, kind in kinds.items()}

    def probe(
        self, candidate: mx.array, parent: mx.array, texts: Sequence[ProbeText]
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
            computer, of_each = self._gradient_computer, [rows[key] for key in keys]
            parts = computer.parts(of_each[0])
            table = yield from compare(computer.logits, of_each, targets, parts)
            ends = np.cumsum([0, *(sum(example.is_completion[1:]) for example in examples)])
            for place, index in enumerate(group):
                own = table[:, ends[place] : ends[place + 1]]
                probes[index] = _probe(chosen[place], own)
            yield Measured(len(probes), len(texts))
        return [probes[index] for index in range(len(texts))]


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


def _probe(text: ProbeText, table: np.ndarray) -> Probe:
    loss, parent_loss, base_loss, *_, kl_base, kl_parent = (float(x) for x in table.mean(axis=1))
    is_exact, was_exact_in_parent, was_exact_in_base = (
        bool((gaps <= text.leeway).all()) for gaps in table[3:6]
    )
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
