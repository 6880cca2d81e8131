"""The first page: what serves, what is learned now, what is known, what was refused and why."""

import math
from typing import Any

import msgspec
from starlette.requests import Request

from radiance.api.anchors import overwritten_in_service
from radiance.api.knowledge import known_states
from radiance.api.services import Services
from radiance.records import Checkpoint, CheckpointStatus, EvalReport
from radiance.registry.store import BASE
from radiance.web import alerts, events, wording
from radiance.web.charts.lines import Chart, chart
from radiance.web.decided import decided
from radiance.web.named import names
from radiance.web.page import Data, Page
from radiance.web.pages.anchors import described
from radiance.web.pages.experiment import brief
from radiance.web.pages.training import held_up, progress_of
from radiance.web.told import told

_RECENT = 5
_CURVE_CHECKPOINTS = 50
_NO_FAILURES = ("stop", "length", "Cancelled")


def prepare(services: Services) -> None:
    """Read once what is kept from then on, so that the first visitor need not wait for it."""
    events.state_of(services)
    _knows(services)


def describe(services: Services, _: Request) -> Data:
    """Everything at a glance."""
    newest = services.registry.all(_CURVE_CHECKPOINTS)
    return {
        "base_model": services.config.base_model,
        "backend": services.engine.device.backend,
        "device": services.engine.device.name,
        "started_at": services.started_at.isoformat(),
        "alerts": msgspec.to_builtins(alerts.of(services)),
        "serving": _serving(services),
        "traffic": _traffic(services),
        "queue": _queue(services),
        "cycle": progress_of(services),
        "preparing": services.pipeline.preparing,
        "decision": _decision(services, newest),
        "known": _known(services),
        "refused": _refused(services, newest),
        "retention": retention(newest),
        "anchors": {
            "source": services.anchors.source,
            "count": len(services.anchors),
            "own": services.anchors.own,
            "missing": services.anchors.missing,
        },
        "overwritten": _overwritten(services),
        "held_up": held_up(services),
        "experiment": brief(services),
        "knows": _knows(services),
        "names": names(services),
    }


def _overwritten(services: Services) -> Data:
    found = overwritten_in_service(services)
    left = [each for each in found.anchors if each.accepted is None]
    return {
        "count": found.count,
        "not_accepted": found.not_accepted,
        "rows": described(services, left[:_RECENT]),
    }


def _knows(services: Services) -> Data:
    """How many facts are known, and how many of these from memory alone."""
    tip = services.registry.current_id()
    counts = services.facts.count(services.registry.ancestors(tip), tip)
    return {
        "facts": sum(counts[state] for state in known_states(services)),
        "waiting": counts["waiting"] if services.recalls else 0,
    }


def _serving(services: Services) -> Data:
    current = services.registry.current()
    releases = services.registry.releases(1)
    pin = services.registry.pinned()
    found: Data = {
        "checkpoint": current.checkpoint_id if current else BASE,
        "status": current.status if current else CheckpointStatus.BASE,
        "since": releases[0].at.isoformat() if releases else services.started_at.isoformat(),
        "why": releases[0].reason if releases else "Nothing was learned yet.",
        "pinned": msgspec.to_builtins(pin),
        "updates": 0,
        "examples": 0,
        "report": msgspec.to_builtins(current.report) if current else None,
    }
    if current is not None:
        updates, examples = services.registry.taught(current.checkpoint_id)
        found |= {"updates": updates, "examples": examples}
    return found


def _traffic(services: Services) -> Data:
    """What answers were like since the start; quantiles are upper ends of a histogram's buckets."""
    stats = services.engine.stats
    gap, ended = stats.inter_token_s, stats.ended
    mean = gap.total / gap.count if gap.count else None
    return {
        "answers": ended.get("stop", 0) + ended.get("length", 0),
        "failures": sum(n for how, n in ended.items() if how not in _NO_FAILURES),
        "tokens_per_s": 1 / mean if mean else None,
        "first_token_p50_s": stats.first_token_s.quantile(0.5),
        "first_token_p95_s": stats.first_token_s.quantile(0.95),
        "decoding": stats.rows_decoding,
        "waiting": stats.rows_waiting,
    }


def _queue(services: Services) -> Data:
    oldest = services.jobs.oldest_waiting_at()
    return {
        "mode": services.config.update.mode,
        "jobs": services.jobs.depth(),
        "examples": services.jobs.waiting_examples(),
        "oldest": oldest.isoformat() if oldest else None,
        "last_update": msgspec.to_builtins(services.jobs.last_update()),
    }


def _decision(services: Services, newest: list[Checkpoint]) -> Data | None:
    for checkpoint in newest[:1]:
        decision = decided(services, checkpoint.checkpoint_id)
        if decision is not None:
            return {
                "checkpoint": checkpoint.checkpoint_id,
                "status": decision["status"],
                "at": checkpoint.created_at.isoformat(),
                "why": decision["why"],
            }
    return None


def _known(services: Services) -> list[Data]:
    """What was learned last and is served now."""
    current = services.registry.current()
    if current is None:
        return []
    found: list[Data] = []
    for checkpoint_id in services.registry.ancestors(current.checkpoint_id, _RECENT):
        checkpoint = services.registry.get(checkpoint_id)
        for example in reversed(services.examples.of_jobs(checkpoint.job_ids)):
            found.append({**told(example), "checkpoint": checkpoint_id})
            if len(found) == _RECENT:
                return found
    return found


def _refused(services: Services, newest: list[Checkpoint]) -> list[Data]:
    """What the gate refused last, and why."""
    rejected = [c for c in newest if c.status == CheckpointStatus.REJECTED][:3]
    found = []
    for checkpoint in rejected:
        decision = decided(services, checkpoint.checkpoint_id)
        examples = services.examples.of_jobs(checkpoint.job_ids[:1])
        found.append(
            {
                "checkpoint": checkpoint.checkpoint_id,
                "at": checkpoint.created_at.isoformat(),
                "why": decision["why"] if decision else "",
                "example": told(examples[0]) if examples else None,
            }
        )
    return found


def retention(newest: list[Checkpoint]) -> Chart:
    """Recall of what was there before, checkpoint by checkpoint."""
    rows = [
        [c.checkpoint_id, c.report.retention_score, c.report.recall_exact, c.report.new_exact]
        for c in reversed(newest)
    ]
    sentence = "No checkpoint was made yet."
    if newest:
        report = newest[0].report
        sentence = f"The newest checkpoint answers {_shares(report)} word for word."
        if report.overwritten:
            count = wording.plural(report.overwritten, "old fact")
            verb = "was" if report.overwritten == 1 else "were"
            sentence = f"{count} {verb} overwritten and left out of this. Of the rest, the" + (
                sentence.removeprefix("The")
            )
    return chart(
        "retention",
        "Answered exactly, share of",
        sentence,
        "Checkpoint",
        ["Anchors", "Earlier examples", "New examples"],
        rows,
        categories=True,
        low=_lower_end(rows),
        high=1,
    )


def _shares(report: EvalReport) -> str:
    """What of it is answered, as far as it was measured: ``98 % of the old facts and …``."""
    parts = [
        (report.retention_score, "of the old facts that the base model knew"),
        (report.recall_exact, "of the earlier examples"),
        (report.new_exact, "of its new ones"),
    ]
    told = [f"{wording.percent(value)} {what}" for value, what in parts if value is not None]
    if len(told) < 2:
        return "".join(told) or "nothing that was measured"
    return f"{', '.join(told[:-1])} and {told[-1]}"


def _lower_end(rows: list[list[Any]]) -> float:
    """Of an axis of shares: a tenth below 1 at least, else one anchor's loss looks like a fall."""
    known = [value for row in rows for value in row[1:] if value is not None]
    return min(0.9, math.floor(10 * min(known, default=1)) / 10)


PAGE = Page(
    path="/",
    title="Overview",
    template="overview.html",
    describe=describe,
    topics=(
        "serving",
        "queue",
        "cycle",
        "checkpoints",
        "alerts",
        "traffic",
        "pause",
        "experiment",
    ),
    nav="Overview",
    scripts=("notify.js",),
)
