"""Everything on record of one cycle, as one HTML file that needs nothing else, and as JSON.

Reads the database and the files of a root, beside a running service or without one, and changes
nothing. Texts of examples are left out unless they are asked for: a report is made to be handed on.
"""

from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from statistics import fmean

import msgspec

from radiance import __version__, records
from radiance.errors import CorruptCheckpoint
from radiance.examples.store import ExampleStore
from radiance.jobs.cycles import CycleLog, PastCycle
from radiance.records import Evaluation, Example, Probe
from radiance.registry import audit, curves
from radiance.registry.acceptance import acceptances
from radiance.registry.checkpoints import Checkpoints
from radiance.storage.sqlite import DatabaseSnapshot
from radiance.web.charts import cycle as cycle_charts
from radiance.web.charts.intervals import interval
from radiance.web.charts.lines import Chart
from radiance.web.rendering import Data
from radiance.web.reports.standalone import render_alone

_SUITES = (
    ("anchors", "Anchors"),
    ("learned", "New examples"),
    ("held_back", "Examples held back"),
    ("recalled", "Earlier examples"),
)
_MOST_HURT = 25


def read(database: Path, adapters: Path, cycle_id: int, *, with_texts: bool = False) -> Data:
    """What is on record of a cycle, as JSON can hold it.

    Args:
        database: ``runs/radiance.db``.
        adapters: ``adapters/``.
        cycle_id: Which one; the running one as far as it was saved.
        with_texts: Whether the examples' texts are wanted besides their ids and hashes.

    Raises:
        NotFound: There is no such cycle; the remedy names which there are.
        StorageError: The database cannot be read.
    """
    with DatabaseSnapshot(database) as db:
        cycle = CycleLog(db).get(cycle_id)
        registry = Checkpoints(db, adapters)
        checkpoint = registry.find(cycle.candidate_id)
        recorded = curves.all_of(db, cycle_id)
        rows = db.read(
            "SELECT examples.id FROM examples JOIN cycle_jobs USING (job)"
            " WHERE cycle_id = ? ORDER BY job, place",
            (cycle_id,),
        )
        examples = ExampleStore(db).by_ids([row["id"] for row in rows])
        manifest = evaluation = decision = damage = None
        overwritten: list[Data] = []
        settings: Data = {}
        if checkpoint is not None:
            decision = registry.decision(checkpoint.checkpoint_id)
            for entry in audit.about(db, checkpoint.checkpoint_id):
                settings = settings or entry.to_plain()["body"].get("settings", {})
            try:
                manifest = registry.manifest(checkpoint.checkpoint_id)
                evaluation = registry.evaluation(checkpoint.checkpoint_id)
                overwritten = _overwritten(db, evaluation)
            except CorruptCheckpoint as error:
                damage = str(error)
    shown = msgspec.to_builtins(decision)
    if decision is not None:
        for plain, row in zip(shown["rows"], decision.rows, strict=True):
            plain["drawn"] = interval(row)
    if manifest is not None:
        settings = {**settings, "training": manifest.training, "anchor": manifest.anchor}
    return audit.plain(
        {
            "kind": "cycle",
            "cycle_id": cycle_id,
            "made_at": records.now().isoformat(timespec="seconds"),
            "version": __version__,
            "cycle": msgspec.to_builtins(cycle),
            "checkpoint": msgspec.to_builtins(checkpoint),
            "manifest": msgspec.to_builtins(manifest),
            "damage": damage,
            "decision": shown,
            "suites": [] if evaluation is None else _suites(evaluation),
            "overwritten": overwritten,
            "hurt": [] if evaluation is None else _hurt(evaluation.anchors),
            "resources": resources(cycle, recorded, evaluation),
            "steps": cycle_charts.steps(recorded),
            "projected_ratio": cycle_charts.projected_ratio(recorded),
            "charts": cycle_charts.draw(recorded, bool(evaluation and evaluation.held_back)),
            "curves": {
                name: [[step, value] for step, value in curve.items()]
                for name, curve in sorted(recorded.items())
            },
            "examples": [_example(example, with_texts) for example in examples],
            "replayed_ids": [] if manifest is None else list(manifest.replayed_ids),
            "settings": settings,
            "commands": _commands(cycle, checkpoint is not None and manifest is not None),
        }
    )


def render(data: Data) -> str:
    """The report as HTML: style and drawings inside, no script, nothing to be fetched."""
    data = data | {"charts": msgspec.convert(data["charts"], list[Chart])}
    return render_alone("cycle_report.html", f"Cycle {data['cycle_id']}", data)


def resources(
    cycle: PastCycle, recorded: cycle_charts.Curves, evaluation: Evaluation | None
) -> Data:
    """What a cycle took; None where it was not recorded.

    Returns:
        ``seconds`` from its lease to its end, ``evaluating_s`` of them spent measuring, ``tokens``
        trained on without padding, ``peak_memory_bytes`` of the device.
    """
    ends = [job.finished_at for job in cycle.jobs if job.finished_at and job.cycle_id == cycle.id]
    begun = [job.started_at for job in cycle.jobs if job.started_at and job.cycle_id == cycle.id]
    took = max(ends) - min(begun) if ends and begun else None
    tokens = recorded.get("tokens")
    memory = recorded.get("peak_memory_bytes")
    return {
        "seconds": None if took is None else took / timedelta(seconds=1),
        "evaluating_s": None if evaluation is None else evaluation.seconds,
        "tokens": None if not tokens else round(sum(tokens.values())),
        "peak_memory_bytes": None if not memory else round(max(memory.values())),
    }


def _suites(evaluation: Evaluation) -> list[Data]:
    """Each suite before and after: its mean loss and the share answered exactly."""
    found = []
    for name, label in _SUITES:
        probes: tuple[Probe, ...] = getattr(evaluation, name)
        if probes:
            found.append(
                {
                    "name": name,
                    "label": label,
                    "count": len(probes),
                    "base_loss": fmean(p.base_loss for p in probes),
                    "loss_before": fmean(p.parent_loss for p in probes),
                    "loss_after": fmean(p.loss for p in probes),
                    "base_exact": fmean(p.was_exact_in_base for p in probes),
                    "exact_before": fmean(p.was_exact_in_parent for p in probes),
                    "exact_after": fmean(p.is_exact for p in probes),
                    "kl_base": fmean(p.kl_base for p in probes),
                }
            )
    return found


def _hurt(anchors: Iterable[Probe]) -> list[Data]:
    """The anchors whose loss rose most."""
    worst = sorted(anchors, key=lambda probe: probe.parent_loss - probe.loss)[:_MOST_HURT]
    return [
        {
            "id": probe.id,
            "loss_before": probe.parent_loss,
            "loss_after": probe.loss,
            "rise": probe.loss - probe.parent_loss,
            "was_exact": probe.was_exact_in_parent,
            "is_exact": probe.is_exact,
        }
        for probe in worst
        if probe.loss > probe.parent_loss
    ]


def _overwritten(db: DatabaseSnapshot, evaluation: Evaluation) -> list[Data]:
    """The anchors that were overwritten by then, with what people said of each until now."""
    known = acceptances(db)
    return [
        {
            **msgspec.to_builtins(each),
            "job_id": each.job_id,
            "accepted": msgspec.to_builtins(known.get((each.anchor, each.example_id))),
        }
        for each in evaluation.overwritten
    ]


def _example(example: Example, with_texts: bool) -> Data:
    found: Data = {"id": example.id, "content_hash": example.content_hash}
    if with_texts:
        found |= {"messages": msgspec.to_builtins(example.messages), "text": example.text}
    return found


def _commands(cycle: PastCycle, has_checkpoint: bool) -> list[Data]:
    """What shows again what the report says, on the machine that has the root."""
    told = [
        (f"radiance report {cycle.id} --out cycle-{cycle.id}.html", "this report, made anew"),
        (f"radiance report {cycle.id} --json", "its numbers"),
    ]
    if has_checkpoint:
        name = cycle.candidate_id
        told += [
            (f"radiance audit show {name}", "what was decided, and all it rested on"),
            ("radiance audit verify", "whether that record is whole"),
            (f"radiance eval {name}", "the anchors' metrics, measured again"),
            (f"radiance reproduce {name}", "the training itself, compared bit for bit"),
        ]
    return [{"command": command, "shows": shows} for command, shows in told]
