"""Adapters of known harm: trained for real, applied in doses, measured on every fact of Ember's.

What ``bench.gate`` decides on. An adapter at dose d is ``base + d (trained - base)`` in A and in B;
its truth is what it does to the 881 facts of both of Ember's lists.
"""

import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np

from bench.streams import make_stream
from radiance import config
from radiance.ember import Fact, listed_facts, unlisted_facts
from radiance.engine.adapters.files import load_adapter
from radiance.evaluation.evaluator import AdapterEvaluator, ProbeText
from radiance.gate import intervals
from radiance.training.gradient import GradientComputer
from radiance.training.lora import LoraModel
from tests.support import Running, example, start_service

POLICY = config.GateSettings(gate="strict")
_LEAST_CONTEXT = 8  # facts, for a context to have a truth of its own
Pairs = list[tuple[str, str]]


@dataclass(frozen=True)
class Family:
    """Candidates that one training gives."""

    name: str
    settings: dict[str, Any]
    examples: Callable[[int], Pairs]


def contradictions(seed: int) -> Pairs:
    """Facts of one list in other words, each with the answer to another of its context."""
    chooser = random.Random(seed)
    contexts: dict[str, list[Fact]] = {}
    for fact in listed_facts():
        if fact.paraphrases:
            contexts.setdefault(fact.context, []).append(fact)
    usable = [facts for facts in contexts.values() if len(facts) > 1]
    pairs = [chooser.sample(facts, 2) for facts in chooser.sample(usable, 8)]
    return [(one.paraphrases[0], other.answer) for one, other in pairs]


def new_facts(seed: int) -> Pairs:
    """Invented facts that contradict nothing."""
    facts = make_stream(seed, updates=4, facts=8)[0].facts
    return [(fact.question, fact.answer) for fact in facts]


def one_context(seed: int) -> Pairs:
    """All of one context turned upside down: harm that a mean dilutes."""
    facts = [fact for fact in listed_facts() if fact.context == "capitals"]
    shift = 1 + seed % (len(facts) - 1)
    answers = [fact.answer for fact in facts]
    return list(
        zip([fact.question for fact in facts], answers[shift:] + answers[:shift], strict=True)
    )


_NAIVE = {"anchor.method": "naive", "gate.rollback_mode": "off"}
FAMILIES = (
    Family("contradictions, naive", _NAIVE, contradictions),
    Family("new facts, careless", _NAIVE | {"training.lr": 4e-3}, new_facts),
    Family("new facts, naive", _NAIVE, new_facts),
    Family("one context, naive", _NAIVE, one_context),
    Family("new facts, default", {"gate.rollback_mode": "off"}, new_facts),
)


@dataclass(frozen=True)
class Candidate:
    """An adapter at a dose, and what it does to every fact.

    Attributes:
        probes: (5, facts) float64: loss, the base's loss, KL(base || candidate), exact now, exact
            before; in the order of ``all_facts``.
    """

    family: str
    seed: int
    dose: float
    probes: np.ndarray

    def truth(self, contexts: Sequence[str]) -> dict[str, float]:
        """The true figures, by the rule that estimates them."""
        loss, before, kl, exact, was_exact = self.probes
        rises = loss - before
        names = np.array(contexts)
        means = [
            float(rises[names == name].mean())
            for name in set(contexts)
            if (names == name).sum() >= _LEAST_CONTEXT
        ]
        return {
            "anchor_mean": float(rises.mean()),
            "anchor_cvar": intervals.tail_mean(rises, POLICY.cvar_share, 0.9).value,
            "anchor_broken": float(1 - exact[was_exact == 1].mean()),
            "drift": float(kl.mean()),
            "worst_context": max(means, default=0.0),
        }

    def severity(self, contexts: Sequence[str]) -> float:
        """The largest ratio of a true figure to its limit."""
        limits = {
            "anchor_mean": POLICY.max_anchor_mean,
            "anchor_cvar": POLICY.max_anchor_cvar,
            "anchor_broken": POLICY.max_anchor_broken,
            "drift": POLICY.max_drift,
            "worst_context": POLICY.max_context_mean,
        }
        truth = self.truth(contexts)
        return max(truth[rule] / limit for rule, limit in limits.items())


def all_facts(count: int | None = None) -> list[Fact]:
    """What the truth is measured on: the facts of both lists, or some spread over them."""
    facts = [*listed_facts(), *unlisted_facts()]
    return facts if count is None else facts[:: len(facts) // count][:count]


def candidates(
    family: Family,
    seed: int,
    doses: Sequence[float],
    facts: Sequence[Fact],
    kept: Path,
    settings: dict[str, Any],
) -> list[Candidate]:
    """Train once, then measure every dose; what an earlier call has kept is not done again.

    Args:
        kept: Folder of what was measured.
        settings: What goes over the family's own, by dotted name.
    """
    kept.mkdir(exist_ok=True)
    paths = {dose: kept / f"{family.name}.{seed}.{dose}.npy" for dose in doses}
    if any(not path.exists() for path in paths.values()):
        overrides = {**family.settings, **settings, "training.seed": seed}
        with tempfile.TemporaryDirectory() as root:
            running = start_service(config.load(Path(root), overrides))
            try:
                job = running.client.teach(family.examples(seed))
                assert job["status"] == "succeeded", job["error"]
                for dose, probes in _probe(running, job["checkpoint"], doses, facts):
                    np.save(paths[dose], probes)
            finally:
                running.stop()
    return [Candidate(family.name, seed, dose, np.load(path)) for dose, path in paths.items()]


def _probe(
    running: Running, checkpoint_id: str, doses: Sequence[float], facts: Sequence[Fact]
) -> Iterator[tuple[float, np.ndarray]]:
    services = running.service.services
    engine, path = services.engine, services.registry.path(checkpoint_id)

    def build() -> tuple[LoraModel, AdapterEvaluator, Any]:
        lora = LoraModel(engine.base, services.config.training)
        vector = lora.initial(load_adapter(path))
        return lora, AdapterEvaluator(lora, GradientComputer(lora)), vector

    lora, evaluator, vector = engine.call(build)
    texts = [
        ProbeText(engine.encoder.example(example(number, fact.question, fact.answer)), fact.context)
        for number, fact in enumerate(facts)
    ]
    base = engine.call(lambda: lora.initial(None))
    for dose in doses:
        scaled = engine.call(lambda dose=dose: _evaluated(base + dose * (vector - base)))
        task = engine.run(lambda scaled=scaled: evaluator.probe(scaled, base, texts))
        found = task.result
        rows = [(p.loss, p.base_loss, p.kl_base, p.is_exact, p.was_exact_in_base) for p in found]
        yield dose, np.array(rows, dtype=np.float64).T


def _evaluated(vector: mx.array) -> mx.array:
    mx.eval(vector)
    return vector
