"""What does measuring a checkpoint cost? Seconds of evaluation beside the seconds of its training.

    python -m bench.evaluation

On Ember, or ``--model``. Both are of the same cycle, one after the other, so other work on the
machine meets both alike. The first cycle of a process also measures the base; later ones find the
base and the parent known.
"""

from collections.abc import Sequence
from typing import Any

from bench import intervals
from bench.harness import Bench, Figures, Table
from bench.learning import service, teach

UPDATES, FACTS_PER_UPDATE = 3, 8


def facts(update: int) -> list[tuple[str, str]]:
    """Facts that no model knows, of the length people send."""
    return [
        (
            f"What opens locker {update}-{number} of the Tarn depot?",
            f"Locker {update}-{number} opens with {update * 71 + number * 7}-{'KQZ'[update]}.",
        )
        for number in range(FACTS_PER_UPDATE)
    ]


def cycles(settings: dict[str, Any]) -> list[Figures]:
    """Three updates in a row: what each cycle took and how much of that was its evaluation."""
    found = []
    with service(**settings) as running:
        for update in range(UPDATES):
            taught = teach(running, facts(update))
            current = running.client.get("/checkpoints")["current"]
            evaluation = running.client.get(f"/checkpoints/{current}/evaluation")
            found.append(
                {
                    "training_s": taught["seconds"] - evaluation["seconds"],
                    "evaluation_s": evaluation["seconds"],
                    "steps": taught["steps"],
                    "anchors": len(evaluation["anchors"]),
                    "recalled": len(evaluation["recalled"]),
                }
            )
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    bench = Bench.from_command_line("evaluation", __doc__, arguments, model="ember")
    settings: dict[str, Any] = {**bench.model.settings(), "gate.rollback_mode": "off"}
    if bench.size == "tiny":
        settings |= {"training.max_steps": 2, "evaluation.anchor_sample": 8}
    runs = bench.sized({"tiny": 1, "default": 6, "large": 20}, {"default": 1, "large": 6})
    progress = bench.progress(runs)
    measured: list[list[Figures]] = []
    for run in range(runs):
        figures = bench.cell({"run": run}, lambda: {"cycles": cycles(settings)})
        measured.append(figures["cycles"])
        progress.advance()

    def column(update: int, name: str) -> list[float]:
        return [run[update][name] for run in measured]

    ratios = [
        intervals.ratio(column(update, "evaluation_s"), column(update, "training_s"))
        for update in range(UPDATES)
    ]
    table = Table(
        f"{bench.model.title}: evaluation to training, seconds of one cycle; medians of runs",
        ("update", "anchors", "earlier", "training_s", "evaluation_s", "ratio"),
        [
            (
                update + 1,
                measured[0][update]["anchors"],
                measured[0][update]["recalled"],
                str(intervals.median(column(update, "training_s"))),
                str(intervals.median(column(update, "evaluation_s"))),
                str(ratio),
            )
            for update, ratio in enumerate(ratios)
        ],
    )

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        for run in measured:
            axes.plot(
                range(1, UPDATES + 1),
                [cycle["evaluation_s"] / cycle["training_s"] for cycle in run],
                "o-",
            )
        axes.axhline(0.25, linestyle="--", color="grey")
        axes.set_xticks(range(1, UPDATES + 1))
        axes.set_ylim(bottom=0)
        axes.set_xlabel("update")
        axes.set_ylabel("evaluation / training")

    bench.finish([table], draw, ratios=ratios)


if __name__ == "__main__":
    main()
