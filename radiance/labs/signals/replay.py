"""The same methods on real daily bars, walking forward, one stress period held out at a time.

A fold holds one period out of everything: the backbone is not fitted on it, no anchor lists it, no
update learns from it. All folds are one batched computation. Time only moves forward: an update at
a close knows labels whose horizon has passed, periods that have ended, and features that look
back. A period in the history is one that the deployed model must not forget, so its error is the
mean over all later checkpoints; a later one is met by the checkpoint that is in force when it
comes.
"""

import hashlib
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

import mlx.core as mx
import msgspec
import numpy as np

from radiance import __version__, config, records
from radiance.config.derived import derived
from radiance.labs.signals import bars as market_bars
from radiance.labs.signals import gate, portfolio, summary
from radiance.labs.signals.adaptation import Material, adapt
from radiance.labs.signals.backbone import Linear, Lora, fresh_lora
from radiance.labs.signals.findings import find_replay
from radiance.labs.signals.folds import Data, Folds, load
from radiance.labs.signals.gate import Outputs
from radiance.labs.signals.methods import Method, find_methods
from radiance.labs.signals.results import (
    MEASURE_BY_NAME,
    MEASURES,
    MethodResult,
    StudyResult,
    Verdict,
)
from radiance.labs.signals.routing import Router
from radiance.labs.signals.settings import ReplaySettings, StudySettings
from radiance.labs.signals.study import training_settings
from radiance.records import Decision, content_hash

_STEPS_SHARE = 4  # an update takes a quarter of a study's steps: there are many in a row


def run_replay(
    study: StudySettings,
    settings: ReplaySettings,
    path: Path,
    on_progress: Callable[[str, int, int], None] = lambda stage, done, total: None,
    features: Path | None = None,
) -> StudyResult:
    """Walk through the bars of a file; ``features``, a file too, take the place of the lab's.

    Raises:
        ConfigError: The file cannot be used, or holds no stress to hold out.
    """
    began = time.perf_counter()
    data = load(settings, path, features)
    methods = find_methods(study.adaptation)
    walk = _ReplayRun(study, settings, data, methods)
    updates = range(data.start, len(data.bars.dates) - 1, settings.update_days)
    for number, day in enumerate(updates):
        walk.update(day, min(day + settings.update_days, len(data.bars.dates) - 1))
        on_progress("updates", number + 1, len(updates))
    results = walk.results()
    pairs = summary.paired(results)
    dates = data.bars.dates
    return StudyResult(
        kind="replay",
        study=study,
        replay=settings,
        units=[period.name for period in data.periods],
        window={
            "market": f"{len(data.bars.symbols)} symbols, {path.name}",
            "bars": " ".join(data.bars.said),
            "features": ", ".join(data.features),
            "history": f"{dates[0]} to {dates[data.start - 1]}",
            "live": f"{dates[data.start]} to {dates[-1]}, {len(updates)} updates",
        },
        methods=results,
        paired=pairs,
        operating_curve=[],
        findings=find_replay(results, pairs, walk.errors_of_silence()),
        anchors_hash=walk.anchors_hash,
        settings_hash=content_hash([study, settings]),
        versions={name: version(name) for name in ("mlx", "numpy")} | {"radiance": __version__},
        created_at=records.now().isoformat(timespec="seconds"),
        seconds={"replay": round(time.perf_counter() - began, 3)},
    )


class _ReplayRun:
    """All folds and methods, from update to update."""

    def __init__(
        self, study: StudySettings, settings: ReplaySettings, data: Data, methods: list[Method]
    ) -> None:
        self._study, self._settings, self._data, self._methods = study, settings, data, methods
        training = training_settings(study.adaptation)
        steps = max(1, derived(training.max_steps) // _STEPS_SHARE)
        self._training = _with_steps(training, steps)
        self._rows = Folds(data, settings.window_days)
        self._folds = self._rows.places
        self._backbone = Linear(self._rows.history(), ridge=1e-2)
        self._names = [method.name for method in methods]
        fresh = fresh_lora(self._backbone.shapes, derived(training.r), self._folds)
        self._vectors = np.repeat(fresh[:, None], len(methods), axis=1)
        self._served = self._vectors.copy()  # what the gate let pass last
        shape = (len(self._folds), len(methods), len(data.bars.dates), len(data.bars.symbols))
        self._said, self._live = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        self._held_out: list[list[np.ndarray]] = [[] for _ in self._folds]
        self._decisions: list[dict[tuple[int, str], Decision]] = []
        self._conflicts, self._distortion = [], []
        self._digest = hashlib.sha256()
        self._routers: list[Router] = []

    @property
    def anchors_hash(self) -> str:
        return self._digest.hexdigest()

    def update(self, day: int, until: int) -> None:
        """Learn at the close of ``day``, be judged, and speak on the days up to ``until``."""
        data = self._data
        calm = [self._rows.calm_days(fold, day) for fold in self._folds]
        learned, check = zip(*(self._rows.split(days) for days in calm), strict=True)
        past = [p for p in data.periods if p.last + data.horizon < day]
        anchors, contexts = zip(
            *(self._rows.anchor_rows(f, past, day, 0) for f in self._folds), strict=True
        )
        judged, _ = zip(
            *(self._rows.anchor_rows(f, past, day, 1) for f in self._folds), strict=True
        )
        self._routers = [
            Router(
                data.inputs[days, 0, data.places].astype(np.float64),
                data.inputs[rows[:, 0], 0, data.places].astype(np.float64),
                kinds,
                self._study.adaptation.caution,
            )
            for days, rows, kinds in zip(learned, anchors, contexts, strict=True)
        ]
        material = self._material(learned, anchors, contexts[0], day)
        seeds = [day * 100 + fold for fold in self._folds]
        adapted = adapt(
            self._backbone, material, self._methods, self._training, self._vectors, seeds
        )
        self._vectors = adapted.vectors
        self._conflicts.append(adapted.interference)
        self._distortion.append(adapted.distortion)
        self._decide(check, judged)
        self._speak(day, until)

    def results(self) -> list[MethodResult]:
        """What it comes to."""
        data = self._data
        live = slice(data.start, len(data.bars.dates) - 1)
        paper, operated = (self._trade(said[:, :, live]) for said in (self._said, self._live))
        stress = np.repeat(data.stress[None, live], len(self._folds) * len(self._methods), axis=0)
        ours = summary.portfolio_measures(paper, stress)
        theirs = summary.portfolio_measures(operated, stress)
        errors = self._errors()
        found = []
        for place, method in enumerate(self._methods):
            rows = np.arange(len(self._folds)) * len(self._methods) + place
            values = {
                name: errors[name][:, place] for name in ("drift_mse", "stress_mse", "stress_shift")
            }
            values |= {name: v[rows] for name, v in ours.items()}
            values["interference"] = np.mean(self._conflicts, axis=0)[:, place]
            values["distortion"] = np.mean(self._distortion, axis=0)[:, place]
            per_unit = {m.name: summary.plain(values[m.name]) for m in MEASURES}
            last = [self._decisions[-1].get((fold, method.name)) for fold in self._folds]
            found.append(
                MethodResult(
                    name=method.name,
                    label=method.label,
                    summary=method.summary,
                    per_unit=per_unit,
                    means={m.name: summary.estimate(per_unit[m.name], m.ends) for m in MEASURES},
                    contexts={
                        period.name: [
                            per_unit["stress_mse"][fold] if fold == other else None
                            for fold in self._folds
                        ]
                        for other, period in enumerate(data.periods)
                    },
                    equity=summary.band(paper.equity[rows]),
                    drawdown=summary.band(paper.drawdown[rows]),
                    verdict=self._verdict(method),
                    operated={
                        name: summary.estimate(v[rows], MEASURE_BY_NAME[name].ends)
                        for name, v in theirs.items()
                    },
                    decisions=[decision for decision in last if decision is not None],
                    checksums=[
                        hashlib.sha256(vector.tobytes()).hexdigest()
                        for vector in self._vectors[:, place]
                    ],
                )
            )
        return found

    def errors_of_silence(self) -> tuple[float, float]:
        """The errors of predicting nothing, on live ordinary days and on the held-out periods."""
        data, (calm, held) = self._data, self._measured()
        squares = np.square(data.labels, dtype=np.float64).mean(axis=1)
        return float(squares[calm].mean()), float(np.mean([squares[days].mean() for days in held]))

    def _material(
        self,
        learned: Sequence[np.ndarray],
        anchors: Sequence[np.ndarray],
        contexts: np.ndarray,
        day: int,
    ) -> Material:
        data, size = self._data, 8192
        chosen = []
        for fold, days in enumerate(learned):
            draw = np.random.default_rng([fold, day, 2])
            chosen.append(
                (draw.choice(days, size=size), draw.integers(len(data.bars.symbols), size=size))
            )
        inputs = np.stack([data.inputs[rows] for rows in chosen])
        held = np.stack([data.inputs[rows[:, 0], rows[:, 1]] for rows in anchors])
        outputs = np.array(self._backbone(mx.array(held)[:, None])[:, 0])
        self._digest.update(held.tobytes())
        self._digest.update(outputs.tobytes())
        return Material(
            inputs=inputs,
            labels=np.stack([data.labels[rows] for rows in chosen])[..., None],
            opening=self._opening(inputs),
            anchors=held,
            outputs=outputs,
            contexts=contexts,
            anchor_opening=self._opening(held),
        )

    def _opening(self, inputs: np.ndarray) -> np.ndarray:
        """How far routed adapters act, (folds, rows) float32, of inputs (folds, rows, inputs)."""
        pairs = zip(self._routers, inputs, strict=True)
        found = [router(rows[:, self._data.places].astype(np.float64)) for router, rows in pairs]
        return np.stack(found).astype(np.float32)

    # ── Learning, judging, speaking ─────────────────────────────────────────────────────────────

    def _say(self, vectors: np.ndarray, days: Sequence[np.ndarray]) -> np.ndarray:
        """Outputs on each fold's days, of equal number, (folds, methods, days, symbols)."""
        data, training = self._data, self._training
        inputs = np.stack([data.inputs[d] for d in days])  # (folds, days, symbols, inputs)
        folds, count, symbols, width = inputs.shape
        flat = inputs.reshape(folds, count * symbols, width)
        routed = np.array([m.is_routed for m in self._methods])[None, :, None]
        opening = np.where(routed, self._opening(flat)[:, None], np.float32(1.0))[..., None]
        scale = derived(training.alpha) / derived(training.r)
        lora = Lora(
            self._backbone.shapes, mx.array(vectors), derived(training.r), scale, mx.array(opening)
        )
        out = np.array(self._backbone(mx.array(flat)[:, None], lora))
        return out.reshape(folds, len(self._methods), count, symbols)

    def _decide(self, check: Sequence[np.ndarray], judged: Sequence[np.ndarray]) -> None:
        """Judge every candidate; what passes is served from now on."""
        new = self._say(self._vectors, check)
        rows = [np.unique(r[:, 0]) for r in judged]
        count = min(len(days) for days in rows)
        rows = [days[np.linspace(0, len(days) - 1, count).round().astype(int)] for days in rows]
        held = self._say(self._vectors, rows)
        deployed, naive = self._names.index("none"), self._names.index("naive")
        decisions = {}
        for fold in self._folds:
            for place, method in enumerate(self._methods):
                if method.anchor is None:
                    continue
                decision = gate.judge(
                    self._outputs(new[fold], place, deployed, naive, check[fold], "new"),
                    self._outputs(held[fold], place, deployed, naive, rows[fold], "stress"),
                    self._study.policy,
                    self.anchors_hash,
                )
                decisions[fold, method.name] = decision
                if decision.promote:
                    self._served[fold, place] = self._vectors[fold, place]
        self._decisions.append(decisions)

    def _outputs(
        self, said: np.ndarray, place: int, deployed: int, naive: int, days: np.ndarray, kind: str
    ) -> Outputs:
        data = self._data
        names = [kind if kind == "new" else self._period_of(day) for day in days.tolist()]
        returns = market_bars.next_returns(data.bars)[days]
        return Outputs(said[place], said[deployed], said[naive], data.labels[days], returns, names)

    def _period_of(self, day: int) -> str:
        return next((p.name for p in self._data.periods if p.first <= day <= p.last), "rough")

    def _speak(self, day: int, until: int) -> None:
        days = [np.arange(day, until)] * len(self._folds)
        self._said[:, :, day:until] = self._say(self._vectors, days)
        self._live[:, :, day:until] = self._say(self._served, days)
        for fold, period in enumerate(self._data.periods):
            if period.first < self._data.start:
                held = np.flatnonzero(self._data.stress & self._rows.held(fold))
                self._held_out[fold].append(
                    self._say(self._vectors, [held] * len(self._folds))[fold]
                )

    def _measured(self) -> tuple[np.ndarray, list[np.ndarray]]:
        """Live ordinary days, and each fold's held-out stress days, whose labels are known."""
        data = self._data
        known = np.arange(len(data.stress)) < len(data.stress) - data.horizon
        live = np.arange(len(data.stress)) >= data.start
        held = [np.flatnonzero(known & data.stress & self._rows.held(fold)) for fold in self._folds]
        return np.flatnonzero(known & live & ~data.stress), held

    def _errors(self) -> dict[str, np.ndarray]:
        data, (calm, held) = self._data, self._measured()
        drift = np.square(self._said[:, :, calm] - data.labels[calm]).mean(axis=(2, 3))
        stress, shift = np.zeros_like(drift), np.zeros_like(drift)
        for fold in self._folds:
            days = held[fold]
            said = self._held_out[fold] or [self._said[fold][:, days]]
            for one in said:
                used = one[:, : len(days)]
                stress[fold] += np.square(used - data.labels[days]).mean(axis=(1, 2)) / len(said)
                shift[fold] += np.square(used - used[:1]).mean(axis=(1, 2)) / len(said)
        return {"drift_mse": drift, "stress_mse": stress, "stress_shift": shift}

    def _trade(self, said: np.ndarray) -> portfolio.Outcome:
        data, (folds, methods) = self._data, said.shape[:2]
        live = slice(data.start, len(data.bars.dates) - 1)
        volatility = market_bars.daily_volatility(data.bars)[live]
        expected = said * volatility / np.sqrt(data.horizon)

        def rows(values: np.ndarray) -> np.ndarray:
            return np.broadcast_to(values, (folds * methods, *values.shape))

        change = np.diff(data.stress.astype(int), prepend=0)[live] != 0
        return portfolio.simulate(
            expected.reshape(folds * methods, *said.shape[2:]).astype(np.float64),
            rows(market_bars.next_returns(data.bars)[live]),
            rows(volatility),
            rows(1.0 + data.stress[live]),  # spreads taken as twice as wide under stress
            rows(change),
            self._study.portfolio,
        )

    def _verdict(self, method: Method) -> Verdict | None:
        """Over all updates of all folds."""
        if method.anchor is None:
            return None
        every = [d[fold, method.name] for d in self._decisions for fold in self._folds]
        rules = {
            row.rule: sum(o.verdict == "fail" for d in every for o in d.rows if o.rule == row.rule)
            / len(every)
            for row in every[0].rows
        }
        return Verdict(sum(d.promote for d in every) / len(every), 0.0, rules, {})


def _with_steps(training: config.TrainingSettings, steps: int) -> config.TrainingSettings:
    return msgspec.structs.replace(
        training,
        max_steps=steps,
        cooldown_steps=max(1, steps // 3),
        batch_size=512,
        warmup_steps=min(5, steps),
    )
