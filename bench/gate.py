"""How often does the strict gate promote harm and refuse the harmless, by the number of anchors?

    python -m bench.gate [--model smollm2]

Candidates of known truth: an adapter is trained for real on Ember (or ``--model``), and applied in
doses, so that each family runs from no harm to much. Their truth is what they do to all 881 facts
that Ember knows and its lists name; on another base, to its answers to common knowledge. Then the
gate decides on random subsets of those as anchors, again and again; the adapters are evaluated
once, the subsets are drawn from what was measured.

*Severity* is the largest ratio of a true figure to its limit in [gate] (mean rise, mean of the
worst tenth, broken share, drift, worst context): a candidate of severity 1 or more is harmful, one
of 1/4 or less harmless. What lies between may go either way; how wide that zone is, is what anchors
buy.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bench import harness
from bench.candidates import FAMILIES, POLICY, Candidate, all_facts, candidates
from bench.harness import Bench, Figures, Table
from bench.intervals import Interval, mean, proportion
from bench.models import Model
from radiance.ember import Fact
from radiance.gate import intervals
from radiance.gate.rules import decide
from radiance.records import EvalReport, Evaluation, Probe

HARMLESS = 0.25  # severity up to which a candidate counts as harmless
ANCHORS = (10, 25, 50, 100, 200, 400)


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    families: int
    seeds: int
    doses: tuple[float, ...]
    draws: int
    facts: int | None = None
    settings: dict[str, Any] = field(default_factory=dict)


SIZES: dict[harness.Size, Size] = {
    "tiny": Size(1, 1, (1.0,), 4, 40, {"training.max_steps": 3}),
    "default": Size(5, 1, (0.5, 0.75, 0.875, 1.0, 1.25), 200),
    "large": Size(5, 5, (0.25, 0.5, 0.6, 0.7, 0.75, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5), 1000),
}
OTHER_SIZES: dict[harness.Size, Size] = {"default": Size(5, 1, (0.75, 1.0), 200)}


# ── Decisions ───────────────────────────────────────────────────────────────────────────────────


def decisions(
    candidate: Candidate, facts: Sequence[Fact], anchors: int, draws: int
) -> tuple[int, dict[str, int]]:
    """How often the gate promotes a candidate on random anchors, and how often each rule fails."""
    generator = np.random.default_rng([anchors, candidate.seed])
    loss, before, kl, exact, was_exact = candidate.probes
    probes = [
        Probe(
            id=fact.id,
            group=fact.context,
            tokens=1,
            loss=loss[i],
            parent_loss=before[i],
            base_loss=before[i],
            kl_base=kl[i],
            kl_parent=kl[i],
            is_exact=bool(exact[i]),
            was_exact_in_parent=bool(was_exact[i]),
            was_exact_in_base=bool(was_exact[i]),
        )
        for i, fact in enumerate(facts)
    ]
    promoted, failed = 0, dict.fromkeys(_RULES, 0)
    for _ in range(draws):
        chosen = generator.choice(len(facts), min(anchors, len(facts)), replace=False)
        sample = Evaluation(EvalReport(0.0, 0.0), anchors=tuple(probes[i] for i in chosen))
        decision = decide(sample, POLICY)
        promoted += decision.promote
        for row in decision.rows:
            if row.verdict == "fail":
                failed[row.rule] += 1
    return promoted, failed


_RULES = (
    *("anchor_mean", "anchor_cvar", "anchor_broken", "worst_context"),
    *("drift", "catastrophic", "cumulative"),
)


def evidence(found: Sequence[Candidate], anchors: int, draws: int) -> list[list[object]]:
    """What to hold against the limit of anchor_mean: the value itself, or a bound of it?"""
    limit, confidence = POLICY.max_anchor_mean, POLICY.confidence
    t = intervals.t_quantile(confidence, anchors - 1)
    kinds: dict[str, Callable[[np.ndarray], float]] = {
        "the mean itself": lambda x: float(x.mean()),
        "Student's upper bound": lambda x: float(x.mean() + t * x.std(ddof=1) / anchors**0.5),
        "Hall's upper bound (ours)": lambda x: intervals.mean(x, confidence).high,
        "Hall's lower bound (refuse only what is proven)": lambda x: (
            intervals.mean(x, confidence).low
        ),
    }
    generator = np.random.default_rng(anchors)
    rates: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in kinds}
    for candidate in found:
        rises = candidate.probes[0] - candidate.probes[1]
        truth = rises.mean() / limit
        if HARMLESS < truth < 1:
            continue
        samples = [generator.choice(rises, anchors, replace=False) for _ in range(draws)]
        for name, figure in kinds.items():
            passed = float(np.mean([figure(sample) < limit for sample in samples]))
            rates[name][int(truth < 1)].append(passed if truth >= 1 else 1 - passed)
    return [[name, _mean(harm), _mean(safe)] for name, (harm, safe) in rates.items()]


def _mean(rates: Sequence[float]) -> Interval | str:
    return mean(rates) if rates else "-"


# ── The bench ───────────────────────────────────────────────────────────────────────────────────


def main(arguments: Sequence[str] | None = None) -> None:
    bench = Bench.from_command_line("gate", __doc__, arguments, model="ember")
    size = bench.sized(SIZES, OTHER_SIZES)
    facts = all_facts(bench.model, size.facts)
    contexts = [fact.context for fact in facts]
    pairs = [(family, seed) for seed in range(size.seeds) for family in FAMILIES[: size.families]]
    counts = [count for count in ANCHORS if count <= len(facts)]
    progress = bench.progress(len(pairs))
    found: list[Candidate] = []
    cells: list[Figures] = []
    for family, seed in pairs:
        kept = bench.out / f"gate.{bench.size}.probes"
        for candidate in candidates(
            bench.model, family, seed, size.doses, facts, kept, size.settings
        ):
            found.append(candidate)
            cells += [
                _cell(bench, candidate, facts, contexts, anchors, size.draws) for anchors in counts
            ]
        progress.advance(family.name)
    tables = [
        _rates(bench.model, cells, counts, size.draws),
        Table(
            f"anchor_mean alone on 100 anchors: what is held against {POLICY.max_anchor_mean}",
            ("evidence", "harm promoted", "harmless refused"),
            evidence(found, 100, size.draws) if len(facts) >= 100 else [],
        ),
        _truths(found, contexts, cells),
    ]
    bench.finish(tables, lambda figure: _draw(figure, cells, counts), policy=_limits())


def _limits() -> Figures:
    return {
        name: getattr(POLICY, name)
        for name in POLICY.__struct_fields__
        if name.startswith(("max_", "confidence", "cvar", "context"))
    }


def _cell(
    bench: Bench,
    candidate: Candidate,
    facts: Sequence[Fact],
    contexts: Sequence[str],
    anchors: int,
    draws: int,
) -> Figures:
    names = {"family": candidate.family, "seed": candidate.seed, "dose": candidate.dose}

    def compute() -> Figures:
        promoted, failed = decisions(candidate, facts, anchors, draws)
        return {"promoted": promoted / draws, "severity": candidate.severity(contexts), **failed}

    settings = {"anchors": anchors, "draws": draws, "policy": _limits()}
    return {**names, "anchors": anchors, **bench.cell({**names, **settings}, compute)}


def _rates(model: Model, cells: Sequence[Figures], counts: Sequence[int], draws: int) -> Table:
    """False promotions and false refusals, and how wide the zone between is."""
    rows: list[list[object]] = []
    for anchors in counts:
        own = [cell for cell in cells if cell["anchors"] == anchors]
        harmful = [cell["promoted"] for cell in own if cell["severity"] >= 1]
        close = [cell["promoted"] for cell in own if 1 <= cell["severity"] < 2]
        harmless = [1 - cell["promoted"] for cell in own if cell["severity"] <= HARMLESS]
        worst = max(harmful, default=0.0)
        rows.append(
            [
                anchors,
                _mean(harmful),
                str(proportion(round(worst * draws), draws)),
                _mean(close),
                _mean(harmless),
                _passes_up_to(own),
            ]
        )
    columns = (
        *("anchors", "harm promoted", "the worst candidate", "severity 1 to 2"),
        *("harmless refused", "nine in ten pass up to severity"),
    )
    title = f"{model.title}: strict gate, {draws} random sets of anchors per candidate"
    return Table(title, columns, rows)


def _passes_up_to(cells: Sequence[Figures]) -> float:
    """The severity below which every candidate passes at least nine times in ten."""
    refused = [cell["severity"] for cell in cells if cell["promoted"] < 0.9]
    passing = [cell["severity"] for cell in cells if cell["severity"] < min(refused, default=1e9)]
    return max(passing, default=0.0)


def _truths(found: Sequence[Candidate], contexts: Sequence[str], cells: Sequence[Figures]) -> Table:
    at_100 = {
        (cell["family"], cell["seed"], cell["dose"]): cell["promoted"]
        for cell in cells
        if cell["anchors"] == 100
    }
    rows = [
        [
            one.family,
            one.seed,
            one.dose,
            *(round(value, 4) for value in one.truth(contexts).values()),
            round(one.severity(contexts), 3),
            at_100.get((one.family, one.seed, one.dose), "-"),
        ]
        for one in found
    ]
    columns = (
        *("family", "seed", "dose", "mean", "CVaR", "broken", "drift", "worst context"),
        *("severity", "promoted on 100 anchors"),
    )
    return Table(f"The candidates, measured on {len(contexts)} facts", columns, rows)


def _draw(figure: Any, cells: Sequence[Figures], counts: Sequence[int]) -> None:
    """Share of promotions against true severity, one curve per number of anchors."""
    axes = figure.subplots()
    for place, anchors in enumerate(counts):
        own = sorted(
            (max(cell["severity"], 0.01), cell["promoted"])
            for cell in cells
            if cell["anchors"] == anchors
        )
        severities, promoted = np.array(own).T
        # Monotone by pooling neighbours: the families differ in kind, not only in severity.
        line = axes.plot(severities, _falling(promoted), label=f"{anchors} anchors", lw=1.5)
        marks = "os^Dvx"[place % 6]
        axes.plot(severities, promoted, marks, ms=3, alpha=0.4, color=line[0].get_color())
    axes.axvline(1, color="0.4", ls="--", lw=1)
    axes.axvline(HARMLESS, color="0.4", ls=":", lw=1)
    axes.axhline(0.05, color="0.8", lw=1)
    axes.axhline(0.9, color="0.8", lw=1)
    axes.set(xscale="log", xlabel="true severity (largest figure / its limit)", ylim=(-0.02, 1.02))
    axes.set(ylabel="share of promotions", title="Strict gate by number of anchors")
    axes.legend(frameon=False)


def _falling(values: np.ndarray) -> np.ndarray:
    """The falling sequence closest to values: pool adjacent violators."""
    blocks: list[list[float]] = []
    for value in values:
        blocks.append([float(value), 1.0])
        while len(blocks) > 1 and blocks[-2][0] < blocks[-1][0]:
            last, weight = blocks.pop()
            total = blocks[-1][1] + weight
            blocks[-1] = [(blocks[-1][0] * blocks[-1][1] + last * weight) / total, total]
    return np.concatenate([np.full(round(weight), value) for value, weight in blocks])


if __name__ == "__main__":
    main()
