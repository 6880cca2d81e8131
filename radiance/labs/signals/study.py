"""One study, top to bottom: markets, backbone, adapters, what they do, whether they may serve.

Every method of a seed sees the same market, the same batches and the same returns, so everything is
compared in pairs. The truth is known here, since the market is made: errors are measured against
it. What the gate sees is what a desk would see.
"""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version

import mlx.core as mx
import numpy as np

from radiance import __version__, config, records
from radiance.config.derived import derived
from radiance.labs.signals import findings, summary
from radiance.labs.signals.adaptation import Adapted, Material, adapt
from radiance.labs.signals.backbone import Backbone, Linear, Lora, Transformer, fresh_lora
from radiance.labs.signals.contexts import CONTEXT_NAMES
from radiance.labs.signals.market import Days, Markets, make_markets
from radiance.labs.signals.methods import Method, find_methods
from radiance.labs.signals.operation import operate
from radiance.labs.signals.results import StudyResult
from radiance.labs.signals.routing import Router
from radiance.labs.signals.settings import AdaptationSettings, StudySettings
from radiance.records import content_hash

OnProgress = Callable[[str, int, int], None]
"""OnProgress of progress: the stage, how much of it is done, of how much."""


def silent(stage: str, done: int, total: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class MethodSignals:
    """What every method says in every seed, (seeds, methods, days, assets) float32.

    Attributes:
        test: On the test days.
        stress: On the many stress days.
        check: On the gate's ordinary days.
        judged: On the gate's stress days.
        is_stress: Whether the desk's indicators call a test day stress, (seeds, days).
    """

    test: np.ndarray
    stress: np.ndarray
    check: np.ndarray
    judged: np.ndarray
    is_stress: np.ndarray


def run_study(study: StudySettings, on_progress: OnProgress = silent) -> StudyResult:
    """Run a study.

    Args:
        study: What is to be run.
        on_progress: After every step; what it raises ends the study.

    Raises:
        Diverged: An adapter became infinite.
    """
    clock = _Clock()
    seeds, methods = study.seed_list, find_methods(study.adaptation)
    on_progress("markets", 0, 1)
    markets = make_markets(study.market, seeds)
    clock.note("markets")
    backbone = make_backbone(study.adaptation, markets.history, seeds, on_progress)
    clock.note("backbone")
    adapted, material = adapt_all(study, markets, backbone, methods, on_progress)
    clock.note("adapters")
    signals = speak(study.adaptation, markets, backbone, adapted, methods)
    anchors_hash = _anchors_hash(material)
    operated = operate(study, markets, signals, methods, on_progress, anchors_hash)
    clock.note("operation")
    results = summary.method_results(study, markets, signals, adapted, operated, methods)
    pairs = summary.paired(results)
    return StudyResult(
        kind="study",
        study=study,
        units=[f"seed {seed}" for seed in seeds],
        window=_window(study),
        methods=results,
        paired=pairs,
        operating_curve=summary.operating_curve(study, results, operated),
        false_alarms=summary.false_alarms(study, results, operated),
        findings=findings.find(results, pairs),
        anchors_hash=anchors_hash,
        settings_hash=content_hash(study),
        versions={name: version(name) for name in ("mlx", "numpy")} | {"radiance": __version__},
        created_at=records.now().isoformat(timespec="seconds"),
        seconds=clock.seconds,
    )


def _window(study: StudySettings) -> dict[str, str]:
    market = study.market
    return {
        "market": f"synthetic, seeds {study.seed_list[0]} to {study.seed_list[-1]}",
        "history": f"{market.history_days} days of the old regime",
        "adaptation": f"{market.adaptation_days} ordinary days of the new regime",
        "test": f"{market.test_days} days after them",
    }


def training_settings(settings: AdaptationSettings) -> config.TrainingSettings:
    """The lab's training in the terms of the service's."""
    return config.TrainingSettings(
        r=settings.rank,
        alpha=settings.alpha,
        batch_size=settings.batch_size,
        lr=settings.lr,
        warmup_steps=min(5, settings.steps),
        max_steps=settings.steps,
        cooldown_steps=max(1, settings.steps // 3),
    )


def make_backbone(
    settings: AdaptationSettings, history: Days, seeds: list[int], on_progress: OnProgress = silent
) -> Backbone:
    """The frozen model, fitted on the old regime."""
    if settings.backbone == "linear":
        return Linear(history)
    steps = settings.fit_steps
    return Transformer(
        history, seeds, steps, lambda done, total: on_progress("backbone", done, total)
    )


def adapt_all(
    study: StudySettings,
    markets: Markets,
    backbone: Backbone,
    methods: list[Method],
    on_progress: OnProgress = silent,
) -> tuple[Adapted, Material]:
    """Train all methods of all seeds."""
    settings, seeds = study.adaptation, study.seed_list
    training = training_settings(settings)
    anchors = _anchors(markets, settings)
    routers = _routers(markets, settings)
    material = Material(
        inputs=markets.adaptation.inputs,
        labels=markets.adaptation.labels,
        opening=_opening(routers, markets.adaptation.inputs, markets.indicators),
        anchors=anchors.inputs,
        outputs=np.array(backbone(mx.array(anchors.inputs)[:, None])[:, 0]),
        contexts=anchors.context[0],
        anchor_opening=_opening(routers, anchors.inputs, markets.indicators),
    )
    start = fresh_lora(backbone.shapes, derived(training.r), seeds)
    return adapt(
        backbone,
        material,
        methods,
        training,
        start,
        seeds,
        lambda done, total: on_progress("adapters", done, total),
    ), material


def speak(
    settings: AdaptationSettings,
    markets: Markets,
    backbone: Backbone,
    adapted: Adapted,
    methods: list[Method],
) -> MethodSignals:
    """What every adapted model says on the days that are measured."""
    routers = _routers(markets, settings)
    vectors = mx.array(adapted.vectors)
    scale = settings.alpha / settings.rank
    is_routed = np.array([m.is_routed for m in methods])[None, :, None]

    def say(days: Days) -> np.ndarray:
        opening = _opening(routers, days.inputs, markets.indicators)
        opening = np.where(is_routed, opening[:, None], np.float32(1.0))[..., None]
        parts = []
        for start in range(0, days.inputs.shape[1], _CHUNK):
            chosen = slice(start, start + _CHUNK)
            lora = Lora(
                backbone.shapes, vectors, settings.rank, scale, mx.array(opening[:, :, chosen])
            )
            parts.append(np.array(backbone(mx.array(days.inputs[:, chosen])[:, None], lora)))
        return np.concatenate(parts, axis=2)

    called = [
        router.contexts(days[:, markets.indicators].astype(np.float64)) < 0.5
        for router, days in zip(routers, markets.test.inputs, strict=True)
    ]
    return MethodSignals(
        test=say(markets.test),
        stress=say(markets.stress),
        check=say(markets.check),
        judged=say(markets.judged),
        is_stress=np.stack(called),
    )


_CHUNK = 256  # days computed at once: bounds memory


def _anchors(markets: Markets, settings: AdaptationSettings) -> Days:
    """The anchors that are listed: all, but those of a context that is held out."""
    if not settings.hold_out:
        return markets.anchors
    kept = markets.anchors.context[0] != CONTEXT_NAMES.index(settings.hold_out)
    return Days(*(getattr(markets.anchors, name)[:, kept] for name in Days.__annotations__))


def _routers(markets: Markets, settings: AdaptationSettings) -> list[Router]:
    anchors, places = _anchors(markets, settings), markets.indicators
    return [
        Router(
            ordinary[:, places].astype(np.float64),
            stress[:, places].astype(np.float64),
            context,
            settings.caution,
        )
        for ordinary, stress, context in zip(
            markets.adaptation.inputs, anchors.inputs, anchors.context, strict=True
        )
    ]


def _opening(routers: list[Router], inputs: np.ndarray, places: slice) -> np.ndarray:
    """How far routed adapters act, (seeds, days) float32."""
    pairs = zip(routers, inputs, strict=True)
    found = [router(days[:, places].astype(np.float64)) for router, days in pairs]
    return np.stack(found).astype(np.float32)


def _anchors_hash(material: Material) -> str:
    digest = hashlib.sha256(material.anchors.tobytes())
    digest.update(material.outputs.tobytes())
    return digest.hexdigest()


class _Clock:
    """Seconds of each stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def note(self, stage: str) -> None:
        now = time.perf_counter()
        self.seconds[stage], self._last = round(now - self._last, 3), now
