"""What somebody should look at now, in sentences. ``judge`` is pure; ``of`` asks the service."""

import shutil
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from radiance import records
from radiance.api.anchors import overwritten_in_service
from radiance.api.services import Services
from radiance.examples.ownership import Overwriting
from radiance.gate.rules import CATASTROPHIC
from radiance.records import CheckpointStatus, GateRow, JobStatus
from radiance.web import wording

Level = Literal["bad", "warn"]
_STUCK_AFTER = timedelta(minutes=10)
_MOST_OVERWRITINGS = 5  # the newest
_LEAST_FREE_RATIO, _LEAST_FREE_BYTES = 0.05, 1_000_000_000


class Alert(msgspec.Struct, frozen=True):
    """Something that is not as it should be.

    Attributes:
        text: What, as a sentence.
        link: The page that tells more.
    """

    level: Level
    name: str
    text: str
    link: str = ""


class Signs(msgspec.Struct, frozen=True, kw_only=True):
    """What is judged.

    Attributes:
        checkpoint: What serves; "" is the base.
        waiting_since: When the oldest queued job that is due was accepted; None where none waits.
        is_training: Whether a cycle runs.
        failing: Rows of the monitor that failed.
        anchors_missing: Why the anchors that the settings name are not there; "" where they are.
        anchors_instead: What is measured on instead.
        held_up_by: Why training may not run now, as a clause; "" where it may.
        overwritten: Anchors that are overwritten in what serves and not accepted.
        bleeding: Of what serves, where it is above the gate's limit.
        forgot_too_much: Whether what serves is risky by more than that.
        overwritings: Updates of the last day that answer otherwise what another key taught.
        backup_fault: Why the last backup failed, as a clause; "" where none did.
        alarms: Contradictions that were found in the audit log at start.
    """

    engine_is_ready: bool = True
    pipeline_is_alive: bool = True
    status: str = CheckpointStatus.BASE
    checkpoint: str = ""
    has_anchors: bool = True
    anchors_missing: str = ""
    anchors_instead: str = ""
    overwritten: int = 0
    bleeding: float | None = None
    forgot_too_much: bool = True
    waiting_since: datetime | None = None
    held_up_by: str = ""
    is_training: bool = False
    quarantined: int = 0
    failing: tuple[GateRow, ...] = ()
    overwritings: tuple[Overwriting, ...] = ()
    backup_fault: str = ""
    free_bytes: int = 1 << 60
    total_bytes: int = 1 << 60


def judge(signs: Signs, now: datetime) -> list[Alert]:
    """The alerts, worst first."""
    found = []
    if not signs.engine_is_ready:
        found.append(Alert("bad", "engine", "The engine does not answer: nothing can be asked."))
    if not signs.pipeline_is_alive:
        found.append(Alert("bad", "pipeline", "The pipeline has died: nothing is learned."))
    free, total = signs.free_bytes, signs.total_bytes
    if free < min(_LEAST_FREE_BYTES, _LEAST_FREE_RATIO * total):
        found.append(
            Alert("bad", "disk", f"The disk is nearly full: {wording.size(free)} are left.")
        )
    found += [
        Alert("bad", row.rule, f"What serves shows a bad sign: {_reading(row)}", "/checkpoints")
        for row in signs.failing
    ]
    if signs.backup_fault:
        text = f"The last backup failed: {signs.backup_fault.rstrip('.')}. It is tried again."
        found.append(Alert("bad", "backup", text))
    if signs.overwritten:
        what = wording.plural(signs.overwritten, "old fact")
        text = f"What serves overwrote {what} of the base model, and nobody has accepted that."
        found.append(Alert("warn", "overwritten", text, "/anchors"))
    if signs.bleeding is not None:
        text = (
            f"What serves bleeds: {wording.percent(signs.bleeding)} of the questions about names"
            f" that were never taught got a taught value."
        )
        found.append(Alert("warn", "bleeding", text, "/gate"))
    if signs.status == CheckpointStatus.RISKY and signs.forgot_too_much:
        text = "What serves is marked risky: it forgot more than the gate's limit."
        found.append(Alert("warn", "risky", text, f"/gate/{signs.checkpoint}"))
    found += [_told(each) for each in signs.overwritings[-_MOST_OVERWRITINGS:]]
    if signs.quarantined:
        text = f"{wording.plural(signs.quarantined, 'job')} crashed the process and were set aside."
        found.append(Alert("warn", "quarantine", text, "/learn?status=quarantined"))
    since = signs.waiting_since
    if signs.held_up_by and signs.waiting_since is not None:
        text = f"Updates wait, for training is held up ({signs.held_up_by.rstrip('.')})."
        found.append(Alert("warn", "held_up", text, "/training"))
    elif since is not None and not signs.is_training and now - since > _STUCK_AFTER:
        text = f"The queue is stuck: its oldest update came {wording.ago(since, now)}."
        found.append(Alert("warn", "queue", text, "/learn"))
    if not signs.has_anchors:
        text = "There are no anchors: forgetting is not measured."
        found.append(Alert("warn", "anchors", text))
    if signs.anchors_missing:
        text = (
            f"The anchors that the settings name are missing: {signs.anchors_missing} Until a start"
            f" finds them, forgetting is measured on {signs.anchors_instead}."
        )
        found.append(Alert("warn", "anchors", text))
    return found


def _told(found: Overwriting) -> Alert:
    """Named by its update, so that each is sent once."""
    owner = f"the API key {found.owner}" if found.owner else "who came without a key"
    by = f"the API key {found.by}" if found.by else "somebody without a key"
    text = (
        f"{wording.plural(found.answers, 'answer')} that {owner} had taught"
        f" {'was' if found.answers == 1 else 'were'} overwritten by {by}."
    )
    return Alert("warn", f"overwriting_{found.job}", text, f"/learn/{found.job}")


def of(services: Services) -> list[Alert]:
    """What should be looked at in a running service."""
    overwritten = overwritten_in_service(services).not_accepted
    current = services.registry.current()
    bled = current.report.bleeding if current else None
    immediate = services.config.update.mode == "immediate"
    disk = shutil.disk_usage(services.config.root)
    signs = Signs(
        engine_is_ready=services.engine.is_ready,
        pipeline_is_alive=services.pipeline.is_alive,
        status=services.engine.source.status,
        checkpoint=services.engine.source.checkpoint_id or "",
        has_anchors=services.has_anchors,
        anchors_missing=services.anchors.missing,
        anchors_instead=services.anchors.source,
        overwritten=overwritten,
        bleeding=bled if bled is not None and bled > services.config.gate.max_bleeding else None,
        forgot_too_much=not overwritten or _forgot_too_much(services),
        held_up_by=services.training_pause.objection() or "",
        waiting_since=services.jobs.oldest_waiting_at() if immediate else None,
        is_training=services.pipeline.progress is not None
        or services.pipeline.preparing is not None,
        quarantined=len(services.jobs.recent(100, JobStatus.QUARANTINED)),
        failing=tuple(row for row in services.monitor.state.rows if row.verdict == "fail"),
        overwritings=tuple(services.overwritings.recent()),
        backup_fault=services.backups.fault or "",
        free_bytes=disk.free,
        total_bytes=disk.total,
    )
    return judge(signs, records.now())


def _forgot_too_much(services: Services) -> bool:
    """Whether the gate found what serves catastrophic, whatever else it found."""
    served = services.engine.source.checkpoint_id
    decision = services.registry.decision(served) if served else None
    return decision is None or any(
        row.rule == CATASTROPHIC and row.verdict == "fail" for row in decision.rows
    )


def _reading(row: GateRow) -> str:
    name = row.rule.replace("_", " ")
    return f"{name} is {wording.number(row.value)}, and its limit {wording.number(row.limit)}."
