"""Does it forget? A stream of updates with corrections and a change of domain, by many methods.

    python -m bench.forgetting [--model smollm2] [--method default --method naive] [--seeds 0,1]

New facts are asked in the taught words and in others, and names that were never taught in the
taught words (bleeding: a taught value as their answer), facts of all earlier updates again, and of
the base's old knowledge both what the anchors list and what no anchor lists (Ember's facts; of
another base its own answers to common knowledge, held and held out). Every method trains with
the same rank, batch, and stopping rule; each cell (method, seed) is kept when it is finished. The
strengths of EWC and L2 were chosen on a stream that none is judged on (four updates, seed 1000).
"""

import argparse
import html
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench import intervals
from bench.harness import Bench, Figures, Size, Table
from bench.models import Model
from bench.streams import make_stream
from bench.students import Method, Student

_PLAIN: dict[str, Any] = {"replay_ratio": 0.0, "reworded_ratio": 0.0}
_REPLAY: dict[str, Any] = {"reworded_ratio": 0.0}
_DEPLOYED = {"reference": "deployed", "own_samples": 0}
METHODS = (
    Method("default"),
    Method("naive", _PLAIN, {"method": "naive"}),
    Method("replay", _REPLAY, {"method": "naive"}),
    Method("DER++", _REPLAY, {"method": "naive", "replay_logits": 0.5}),
    Method("A-GEM", _PLAIN, {"weight": 0.0, "project": "gradient"}, memory="gem"),
    Method("L2", _PLAIN, {"method": "naive"}, penalty="l2", penalty_weight=0.02),
    Method("EWC", _PLAIN, {"method": "naive"}, penalty="ewc", penalty_weight=10.0),
    Method("KL on anchors", _PLAIN, {"method": "anchor", "weight": 1.0, **_DEPLOYED}),
    Method("proposal", _PLAIN, {"weight": 0.05, **_DEPLOYED}),
    Method("null space", _PLAIN, {"weight": 0.0, "null_space": True, **_DEPLOYED}),
    Method("default, no projection", anchor={"method": "anchor"}),
    Method("default, no own samples", anchor={"own_samples": 0}),
    Method("default, no other wordings", {"reworded_ratio": 0.0}),
    Method("default, no replay", {"replay_ratio": 0.0}),
    Method("default, held to the deployed", anchor={"reference": "deployed"}),
    Method("default, contexts", anchor={"constraints": "contexts"}),
    Method("default, null space", anchor={"null_space": True}),
    Method("default, budget 0.03", anchor={"budget": 0.03}),
)
_SCALE: dict[Size, dict[str, Any]] = {
    "tiny": {
        "seeds": [0],
        "updates": 4,
        "facts": 2,
        "max_steps": 2,
        "own_samples": 4,
        "old_facts": 8,
    },
    "default": {"seeds": [0, 1, 2, 3, 4], "updates": 8, "facts": 8, "max_steps": 150},
    "large": {"seeds": list(range(10)), "updates": 16, "facts": 8, "max_steps": 400},
}
_OTHER_SCALE: dict[Size, dict[str, Any]] = {
    "default": {"seeds": [0], "updates": 4, "facts": 8, "max_steps": 100},
    "large": {"seeds": [0, 1, 2], "updates": 8, "facts": 8, "max_steps": 150},
}
_TINY_METHODS = ("default", "naive", "A-GEM", "EWC")
_LAST = ("earlier", "listed", "unlisted", "all_other_words", "acc", "bwt", "forgetting")
_MEANS = ("new", "new_other_words", "bleeding", "as_base", "steps", "step_seconds")


def run(model: Model, method: Method, seed: int, scale: dict[str, Any], cache: Path) -> Figures:
    """One cell: the whole stream by one method."""
    stream = make_stream(seed, scale["updates"], scale["facts"])
    fewer = (scale.get("own_samples"), scale.get("old_facts"))
    student = Student(method, cache, scale["max_steps"], seed, *fewer, model=model)
    updates = list(student.learn(stream))
    return {
        "updates": updates,
        **{name: updates[-1][name] for name in _LAST},
        **{name: float(np.mean([update[name] for update in updates])) for name in _MEANS},
        "superseded_given": updates[-1]["superseded_given"],
    }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--method", action="append")
    parser.add_argument("--seeds", default="")
    own, rest = parser.parse_known_args(arguments)
    bench = Bench.from_command_line("forgetting", __doc__, rest, model="ember")
    scale = bench.sized(_SCALE, _OTHER_SCALE)
    wanted = own.method
    if wanted is None and bench.size == "tiny":
        wanted = list(_TINY_METHODS)
    methods = [m for m in METHODS if wanted is None or m.name in wanted]
    seeds = [int(seed) for seed in own.seeds.split(",")] if own.seeds else scale["seeds"]
    found: dict[str, list[Figures]] = {}
    progress = bench.progress(len(methods) * len(seeds))
    with tempfile.TemporaryDirectory() as cache:
        for seed in seeds:
            for method in methods:
                cell = {"method": method.name, "seed": seed, **scale, "seeds": None}
                figures = bench.cell(
                    cell, lambda m=method, s=seed: run(bench.model, m, s, scale, Path(cache))
                )
                found.setdefault(method.name, []).append(figures)
                progress.advance(method.name)
    bench.finish(
        [_table(bench.model, found)], lambda figure: _draw(figure, found), methods=_summary(found)
    )
    _write_page(bench, found)


def _summary(found: dict[str, list[Figures]]) -> Figures:
    names = (*_MEANS, *_LAST, "superseded_given")
    return {
        method: {name: _mean_of(cells, name) for name in names} for method, cells in found.items()
    }


def _table(model: Model, found: dict[str, list[Figures]]) -> Table:
    columns = {
        "new": "new",
        "new_other_words": "new, other words",
        "earlier": "earlier updates",
        "listed": "old, listed",
        "unlisted": "old, unlisted",
        "bwt": "BWT",
        "superseded_given": "superseded",
        "bleeding": "bleeding",
        "as_base": "others as by the base",
        "steps": "steps",
        "step_seconds": "s / step",
    }
    rows = [
        [name, len(cells), *(str(_mean_of(cells, key) or "-") for key in columns)]
        for name, cells in found.items()
    ]
    title = "means over seeds with 95 % intervals: after each update (new), at the end (the rest)"
    return Table(f"{model.title}: {title}", ("method", "seeds", *columns.values()), rows)


def _mean_of(cells: Sequence[Figures], name: str) -> intervals.Interval | None:
    """Of the cells that have it: those of an older bench lack what it did not measure."""
    known = [cell[name] for cell in cells if cell.get(name) is not None]
    return intervals.mean(known) if known else None


def _points(found: dict[str, list[Figures]]) -> list[tuple[str, float, float]]:
    """Each method's means: new in other words, and the least of what must survive."""
    points = []
    for name, cells in found.items():
        new = float(np.mean([(cell["new"] + cell["new_other_words"]) / 2 for cell in cells]))
        kept = [min(cell[key] for key in ("earlier", "listed", "unlisted")) for cell in cells]
        points.append((name, new, float(np.mean(kept))))
    return points


def _draw(figure: Any, found: dict[str, list[Figures]]) -> None:
    axes = figure.subplots()
    for name, new, kept in _points(found):
        axes.scatter(kept, new, s=60 if name == "default" else 25)
        axes.annotate(name, (kept, new), xytext=(4, 3), textcoords="offset points", fontsize=7)
    axes.set_xlabel("least kept of: earlier updates, listed, unlisted old facts")
    axes.set_ylabel("new facts, mean of taught and other words")
    axes.set_title("Up and to the right is better")
    axes.grid(alpha=0.3)


def _write_page(bench: Bench, found: dict[str, list[Figures]]) -> None:
    """The same points as a page of its own: names appear under the pointer."""
    width, height = 720, 480
    dots = ""
    for name, new, kept in _points(found):
        x, y = 40 + kept * (width - 80), height - 40 - new * (height - 80)
        label = html.escape(name)
        dots += (
            f'<g><circle cx="{x:.0f}" cy="{y:.0f}" r="6"><title>{label}: new {new:.2f}, '
            f"kept {kept:.2f}</title></circle>"
            f'<text x="{x + 8:.0f}" y="{y + 4:.0f}">{label}</text></g>'
        )
    page = (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>bench.forgetting</title>'
        "<style>text{font:11px sans-serif}circle{fill:#36c;opacity:.7}</style>"
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="new against kept">'
        f'<path d="M40 40V{height - 40}H{width - 40}" fill="none" stroke="#888"/>'
        f'<text x="40" y="30">new facts, mean of taught and other words</text>'
        f'<text x="{width - 320}" y="{height - 12}">least kept of earlier, listed, unlisted</text>'
        f"{dots}</svg></html>"
    )
    stem = "forgetting" if bench.size == "default" else f"forgetting.{bench.size}"
    (bench.out / f"{stem}.html").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
