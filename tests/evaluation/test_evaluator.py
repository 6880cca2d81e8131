"""What the evaluator measures equals what a plain computation says, and obeys the laws of KL."""

import itertools
from dataclasses import replace
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlx.utils import tree_unflatten

from radiance import config, ember
from radiance.anchors import local
from radiance.engine.worker import Engine
from radiance.evaluation.anchor_sample import anchor_texts
from radiance.evaluation.evaluator import AdapterEvaluator, Measured, ProbeText
from radiance.evaluation.outputs import OutputCache, adapter_key
from radiance.evaluation.summary import Past
from radiance.records import Evaluation, Probe
from radiance.training.gradient import GradientComputer
from radiance.training.lora import LoraModel
from tests.example_counts import examples
from tests.support import FACTS, drain, example


class Bench:
    """An evaluator over Ember with adapters of any size. Use it on the engine thread."""

    def __init__(self, engine: Engine, anchors: int = 24) -> None:
        self.lora = LoraModel(engine.base, config.TrainingSettings(r=4))
        self.gradient_computer = GradientComputer(self.lora)
        self.evaluator = AdapterEvaluator(self.lora, self.gradient_computer)
        self.base = self.lora.initial(None)
        listed = local.read_set(ember.MODEL_PATH / "anchors.jsonl")
        self.anchors = anchor_texts(engine.encoder, listed, anchors)
        encode = engine.encoder.example
        self.facts = [ProbeText(encode(example(i, *fact)), "A_2") for i, fact in enumerate(FACTS)]

    def adapter(self, size: float, seed: int = 1) -> mx.array:
        noise = mx.random.normal((self.lora.size,), key=mx.random.key(seed))
        return self.base + noise * size if size else self.base

    def evaluate(
        self, candidate: mx.array, parent: mx.array, **texts: list[ProbeText]
    ) -> Evaluation:
        given: Any = {"learned": self.facts, "held_back": [], "anchors": self.anchors}
        given |= {"recalled": []} | texts
        return drain(
            self.evaluator.evaluate(
                candidate, parent, **given, past=Past(("A_1",)), anchors_hash="h"
            )
        )

    def log_probs(self, vector: mx.array, text: ProbeText) -> tuple[mx.array, mx.array]:
        """Plainly: the whole model on one text; (targets, vocabulary) and the targets.

        Summed in float64: MLX's own sum over a vocabulary is wrong in the fifth digit.
        """
        self.lora.model.update(tree_unflatten(list(self.lora.unflatten(vector).items())))
        tokens = mx.array(text.example.tokens)
        logits = self.lora.model(tokens[None, :-1])[0]
        own = [place for place, c in enumerate(text.example.is_completion[1:]) if c]
        exact = np.array(logits[mx.array(own)]).astype(np.float64)
        exact -= exact.max(axis=-1, keepdims=True)
        exact -= np.log(np.exp(exact).sum(axis=-1, keepdims=True))
        return mx.array(exact.astype(np.float32)), tokens[1:][mx.array(own)]


@pytest.fixture(scope="module")
def bench(engine: Engine) -> Bench:
    return engine.call(lambda: Bench(engine))


def test_probe_equals_a_plain_computation(engine: Engine, bench: Bench) -> None:
    def compare() -> None:
        vectors = [bench.adapter(0.05, 1), bench.adapter(0.05, 2), bench.base]
        texts = [*bench.anchors[:3], *bench.facts[:3]]
        probes = drain(bench.evaluator.probe(vectors[0], vectors[1], texts))
        for text, probe in zip(texts, probes, strict=True):
            (own, targets), (parent, _), (base, _) = (bench.log_probs(v, text) for v in vectors)
            losses = [-x[mx.arange(len(targets)), targets] for x in (own, parent, base)]
            exact = [bool((x.argmax(-1) == targets).all()) for x in (own, parent, base)]
            found = [probe.loss, probe.parent_loss, probe.base_loss]
            plain = [float(np.array(x).mean()) for x in losses]
            # Logits of some twenty nats have float32's digits to 2e-6.
            assert found == pytest.approx(plain, rel=1e-4, abs=3e-6)
            assert [probe.is_exact, probe.was_exact_in_parent, probe.was_exact_in_base] == exact
            for value, other in ((probe.kl_base, base), (probe.kl_parent, parent)):
                divergence = (mx.exp(other) * (other - own)).sum(-1).mean()
                assert value == pytest.approx(np.array(divergence).item(), rel=1e-3, abs=1e-6)
            assert (probe.id, probe.group) == (text.example.example_id, text.group)
            assert probe.tokens == len(targets)

    engine.call(compare)


@given(
    sizes=st.tuples(*[st.sampled_from([0.0, 1e-6, 0.01, 0.1, 1.0])] * 2),
    seeds=st.tuples(*[st.integers(0, 3)] * 2),
)
@examples(10)
def test_divergence_is_never_negative_and_zero_between_equals(
    engine: Engine, bench: Bench, sizes: tuple[float, float], seeds: tuple[int, int]
) -> None:
    def check() -> list[Probe]:
        candidate, parent = (bench.adapter(*of) for of in zip(sizes, seeds, strict=True))
        return drain(bench.evaluator.probe(candidate, parent, bench.anchors[:4]))

    for probe in engine.call(check):
        assert probe.kl_base >= 0
        assert probe.kl_parent >= 0
        if sizes[0] == 0:
            assert probe.kl_base == 0
        if sizes[0] == sizes[1] and (seeds[0] == seeds[1] or not sizes[0]):
            assert probe.kl_parent == 0
            assert probe.parent_loss == probe.loss


def test_adapter_that_adds_nothing_forgets_nothing(engine: Engine, bench: Bench) -> None:
    report = engine.call(lambda: bench.evaluate(bench.base, bench.base)).report
    assert report.eval_loss == report.finetune_loss
    assert report.anchor_ce_delta == 0
    assert report.forgetting_kl == 0
    assert report.drift_loss == 0
    assert report.retention_score == 1


def test_harmful_adapter_shows(engine: Engine, bench: Bench) -> None:
    found = engine.call(lambda: bench.evaluate(bench.adapter(0.2), bench.base))
    report = found.report
    assert report.anchor_ce_delta is not None
    assert report.anchor_ce_delta > 0.5
    assert report.forgetting_kl is not None
    assert report.forgetting_kl > 0.5
    assert report.retention_score is not None
    assert report.retention_score < 0.5
    assert found.anchors_hash == "h"
    assert {probe.group for probe in found.anchors} == {text.group for text in bench.anchors}
    assert found.seconds > 0


def test_first_checkpoint_drifts_as_far_as_it_forgets(engine: Engine, bench: Bench) -> None:
    """Its parent is the base. A later one is measured from its own parent."""
    first = engine.call(lambda: bench.evaluate(bench.adapter(0.02, 1), bench.base)).report
    assert first.drift_loss == first.forgetting_kl
    assert first.drift_loss
    later = engine.call(lambda: bench.evaluate(bench.adapter(0.02, 2), bench.adapter(0.02, 1)))
    assert later.report.drift_loss != later.report.forgetting_kl
    assert later.anchors[0].parent_loss != later.anchors[0].base_loss


def test_without_anchors_nothing_is_said_of_forgetting(engine: Engine, bench: Bench) -> None:
    report = engine.call(lambda: bench.evaluate(bench.base, bench.base, anchors=[])).report
    assert report.forgetting_loss is report.anchor_ce_delta is report.retention_score is None
    assert report.forgetting_kl is report.drift_loss is None


def test_each_kind_of_text_lands_where_it_belongs(engine: Engine, bench: Bench) -> None:
    held, earlier, learned = (
        bench.facts[:2],
        [ProbeText(bench.facts[2].example, "A_1")],
        bench.facts[3:],
    )
    found = engine.call(
        lambda: bench.evaluate(
            bench.adapter(0.01), bench.base, learned=learned, held_back=held, recalled=earlier
        )
    )
    for probes, texts in (
        (found.learned, learned),
        (found.held_back, held),
        (found.recalled, earlier),
        (found.anchors, bench.anchors),
    ):
        assert [p.id for p in probes] == [t.example.example_id for t in texts]
    assert found.report.recall_loss == found.recalled[0].loss


def test_what_is_known_of_an_adapter_is_not_computed_again(
    engine: Engine, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The base and a parent that was a candidate before cost no forward pass."""
    texts = bench.anchors[:5]

    def passes(candidate: mx.array, parent: mx.array) -> tuple[int, list[Probe]]:
        counted = []
        target_rows = bench.gradient_computer.target_rows

        def counting(*arguments: Any) -> Any:
            counted.append(arguments)
            return target_rows(*arguments)

        with monkeypatch.context() as patch:
            patch.setattr(bench.gradient_computer, "target_rows", counting)
            probes = drain(bench.evaluator.probe(candidate, parent, texts))
        return len(counted), probes

    def check() -> None:
        drain(bench.evaluator.probe(bench.adapter(0.03, 7), bench.base, texts))
        count, warm = passes(bench.adapter(0.03, 8), bench.adapter(0.03, 7))
        assert count == 1
        cold = AdapterEvaluator(bench.lora, bench.gradient_computer)
        plain = drain(cold.probe(bench.adapter(0.03, 8), bench.adapter(0.03, 7), texts))
        for kept, anew in zip(warm, plain, strict=True):
            assert kept.kl_base == pytest.approx(anew.kl_base, rel=1e-3)
            assert kept.parent_loss == pytest.approx(anew.parent_loss, rel=1e-3)
            assert kept.kl_base != kept.kl_parent

    engine.call(check)


def test_what_is_kept_has_a_bound(engine: Engine, bench: Bench) -> None:
    def check() -> None:
        texts = [text.example for text in bench.anchors[:8]]
        key, most = adapter_key(bench.base), 40_000
        outputs = OutputCache(bench.gradient_computer, most)
        plain = drain(OutputCache(bench.gradient_computer).rows(bench.base, key, texts))
        assert sum(rows.nbytes for rows in plain) > most
        for _ in range(2):
            found = drain(outputs.rows(bench.base, key, texts))
            assert all(mx.array_equal(a, b).item() for a, b in zip(plain, found, strict=True))
        assert outputs.size_bytes <= most

    engine.call(check)


@pytest.mark.parametrize(("memory_gib", "most_mib"), [(1, 32), (8, 256), (16, 512), (512, 512)])
def test_that_bound_follows_the_machine_s_memory(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, memory_gib: int, most_mib: int
) -> None:
    monkeypatch.setattr("radiance.platform.memory_bytes", lambda: memory_gib << 30)
    assert OutputCache(bench.gradient_computer)._most_bytes == most_mib << 20


def test_it_tells_how_far_it_is(engine: Engine, bench: Bench) -> None:
    def events() -> list[Measured]:
        pieces = bench.evaluator.probe(bench.base, bench.base, bench.anchors)
        return [event for event in pieces if event is not None]

    told = engine.call(events)
    assert told[-1] == Measured(len(bench.anchors), len(bench.anchors))
    assert [event.done for event in told] == sorted(event.done for event in told)


def test_leeway_keeps_what_is_nearly_as_likely(engine: Engine) -> None:
    """What is exact with some leeway is exact with more, and without any it is the argmax."""

    def check() -> None:
        bench = Bench(engine, anchors=12)
        candidate = bench.adapter(0.2)
        exact = []
        for leeway in (0.0, 0.1, 0.7, 3.0, 100.0):
            texts = [replace(text, leeway=leeway) for text in bench.anchors]
            probes = drain(bench.evaluator.probe(candidate, bench.base, texts))
            exact.append([probe.is_exact for probe in probes])
        for less, more in itertools.pairwise(exact):
            assert all(not a or b for a, b in zip(less, more, strict=True))
        assert not all(exact[0])
        assert all(exact[-1])
        plain = drain(bench.evaluator.probe(candidate, bench.base, bench.anchors))
        assert [probe.is_exact for probe in plain] == exact[0]

    engine.call(check)


def test_outputs_of_adapters_that_are_not_asked_again_are_not_kept(
    engine: Engine, bench: Bench
) -> None:
    """A service that learns for months would keep a hundred texts of each of its checkpoints."""

    def check() -> None:
        texts = [text.example for text in bench.anchors[:2]]
        outputs, sizes = OutputCache(bench.gradient_computer), []
        for number in range(20):
            for key in (b"base", b"%d" % number, b"%d" % (number + 1)):  # a parent, its candidate
                drain(outputs.rows(bench.base, key, texts))
            sizes.append(outputs.size_bytes)
        assert sizes[-1] == sizes[8] > 0
        assert outputs.size_bytes == sum(kept.rows.nbytes for kept in outputs._kept.values())
        assert (b"base", texts[0]) in outputs._kept

    engine.call(check)


def test_what_the_base_makes_of_new_examples_is_not_kept_for_ever(
    engine: Engine, bench: Bench
) -> None:
    """It is asked of each update's examples once, and of the anchors again and again."""

    def check() -> None:
        texts = [text.example for text in bench.anchors[:12]]
        outputs = OutputCache(bench.gradient_computer)
        for number, new in enumerate(texts[1:]):
            for key in (b"base", b"%d" % number):
                drain(outputs.rows(bench.base, key, texts[:1]))
                drain(outputs.rows(bench.base, key, [new]))
        of_base = [text for key, text in outputs._kept if key == b"base"]
        assert of_base[-2:] == [texts[0], texts[-1]]
        assert len(of_base) <= 1 + 6
        assert outputs.size_bytes == sum(kept.rows.nbytes for kept in outputs._kept.values())

    engine.call(check)
