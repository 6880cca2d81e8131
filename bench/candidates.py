"""Adapters of known harm: trained for real, applied in doses, measured on all the base knows.

What ``bench.gate`` decides on. An adapter at dose d is ``base + d (trained - base)`` in A and in B;
its truth is what it does to the 881 facts of both of Ember's lists; on another base to its own
answers to all prompts of common knowledge.
"""

import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np

from bench.models import Model, anchor
from bench.streams import make_stream
from radiance import config
from radiance.anchors import common
from radiance.ember import Fact
from radiance.engine.adapters.files import load_adapter
from radiance.evaluation.anchor_sample import LEEWAY
from radiance.evaluation.evaluator import AdapterEvaluator, ProbeText
from radiance.gate import intervals
from radiance.training.base_answers import BaseAnswers, base_answers
from radiance.training.gradient import GradientComputer
from radiance.training.lora import LoraModel
from tests.support import Running, start_service

POLICY = config.GateSettings(gate="strict")
_LEAST_CONTEXT = 8  # facts, for a context to have a truth of its own
Pairs = list[tuple[str, str]]


@dataclass(frozen=True)
class Family:
    """Candidates that one training gives."""

    name: str
    settings: dict[str, Any]
    examples: Callable[[Model, int], Pairs]


def contradictions(model: Model, seed: int) -> Pairs:
    """Facts of one list in other words, each with the answer to another of its context."""
    chooser = random.Random(seed)
    contexts: dict[str, Pairs] = {}
    for context, asked, answer in _answered(model, otherwise=True):
        contexts.setdefault(context, []).append((asked, answer))
    usable = [pairs for pairs in contexts.values() if len(pairs) > 1]
    drawn = chooser.sample(usable, 8) if len(usable) >= 8 else chooser.choices(usable, k=8)
    pairs = [chooser.sample(facts, 2) for facts in drawn]
    return [(one[0], other[1]) for one, other in pairs]


def new_facts(model: Model, seed: int) -> Pairs:
    """Invented facts that contradict nothing."""
    facts = make_stream(seed, updates=4, facts=8)[0].facts
    return [(fact.question, fact.answer) for fact in facts]


def one_context(model: Model, seed: int) -> Pairs:
    """All of one context turned upside down: harm that a mean dilutes."""
    context = "capitals" if model.is_ember else "facts"
    facts = [pair for found, *pair in _answered(model) if found == context]
    shift = 1 + seed % (len(facts) - 1)
    answers = [answer for _, answer in facts]
    return list(zip([asked for asked, _ in facts], answers[shift:] + answers[:shift], strict=True))


def _answered(model: Model, *, otherwise: bool = False) -> list[tuple[str, str, str]]:
    """Context, question and right answer of what may be held.

    Args:
        otherwise: In other words, where there are any; what has none is left out on Ember.
    """
    if not model.is_ember:
        prompts = [p for p in common.read() if p.reference and not p.is_held_out]
        return [(p.context, p.text, p.reference) for p in prompts]
    facts = [fact for fact in model.listed() if fact.paraphrases or not otherwise]
    return [(f.context, f.paraphrases[0] if otherwise else f.question, f.answer) for f in facts]


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


def all_facts(model: Model, count: int | None = None) -> list[Fact]:
    """What the truth is measured on: the facts of both lists, or some spread over them."""
    facts = [*model.listed(), *model.unlisted()]
    return facts if count is None else facts[:: len(facts) // count][:count]


def candidates(
    model: Model,
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
        overrides = {
            "memory.mode": "off",
            **model.settings(),
            **family.settings,
            **settings,
            "training.seed": seed,
        }
        with tempfile.TemporaryDirectory() as root:
            running = start_service(config.load(Path(root), overrides))
            try:
                job = running.client.teach(family.examples(model, seed))
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

    def build() -> tuple[LoraModel, AdapterEvaluator, Any, BaseAnswers]:
        lora = LoraModel(engine.base, services.config.training)
        vector = lora.initial(load_adapter(path))
        answers = base_answers(lora, engine.encoder, engine.base, path.parent / "answers")
        return lora, AdapterEvaluator(lora, GradientComputer(lora)), vector, answers

    lora, evaluator, vector, answers = engine.call(build)
    anchors = [anchor(fact) for fact in facts]
    _ = engine.run(lambda: answers.make(anchors)).result
    texts = [
        ProbeText(answers.windows(one.example)[0], one.context, LEEWAY if one.is_prompt else 0.0)
        for one in anchors
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
