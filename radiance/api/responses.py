"""What the service's own routes answer with, as types: their schemas in the OpenAPI document.

Handlers build plain data. A test holds what they really send against these, strictly.
"""

from typing import Any, Literal

import msgspec

from radiance.api.canary import CanaryShown
from radiance.learning.pause_switch import Pause
from radiance.records import (
    Checkpoint,
    Decision,
    Feedback,
    Job,
    Manifest,
    Pin,
    Release,
    Supersession,
    Votes,
)
from radiance.release.monitor import MonitorState


class ErrorBody(msgspec.Struct):
    """What went wrong.

    Attributes:
        param: Path of the offending field, as in ``examples[2].input``.
        value: What stood there.
        remedy: What to do about it.
    """

    message: str
    type: str
    param: str | None
    code: str
    value: Any
    remedy: str


class ErrorAnswer(msgspec.Struct):
    """The body of every answer that is not 2xx."""

    error: ErrorBody


class SearchAnswer(msgspec.Struct):
    """An answer, and the checkpoint that gave it; null is the base, or an upstream (provider)."""

    response: str
    checkpoint: str | None
    checkpoint_status: Literal["stable", "risky", "rejected", "training", "base", "upstream"]
    latency_ms: float
    finish_reason: Literal["stop", "length"]
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    adapter_hash: str
    provider: str


class UpdateAnswer(msgspec.Struct):
    """An accepted update."""

    job_id: str
    queued: bool
    accepted: int
    duplicates: int
    supersedes: list[Supersession]
    may_supersede: list[Supersession]


class FeedbackAnswer(Feedback, frozen=True, kw_only=True):
    """A kept vote, with all votes of its checkpoint."""

    votes: Votes


class FeedbackList(msgspec.Struct):
    """Votes, the newest first."""

    feedback: list[Feedback]


class TrainingProgress(msgspec.Struct):
    """How far the running cycle is.

    Attributes:
        most_seconds_left: Until it takes no more steps, should it take all; None while unknown.
    """

    checkpoint: str
    cycle_id: int
    stage: Literal["gathering", "training", "evaluating"]
    step: int
    max_steps: int
    finetune_loss: float | None
    most_seconds_left: float | None


class TrainingAnswer(msgspec.Struct):
    """Whether training runs, and what holds it up."""

    state: Literal["paused", "running", "idle"]
    held_up_by: str | None
    pause: Pause | None
    priority: str
    when: list[str]
    quiet_hours: list[str]
    preparing: str | None
    progress: TrainingProgress | None


class JobAnswer(Job, frozen=True, kw_only=True):
    """A job, with its progress while it trains."""

    progress: TrainingProgress | None
    preparing: str | None


class JobWithSupersedes(JobAnswer, frozen=True, kw_only=True):
    """A job, and what it corrects."""

    supersedes: list[Supersession]


class JobList(msgspec.Struct):
    """Jobs, the newest first."""

    jobs: list[JobAnswer]


class CheckpointAnswer(Checkpoint, frozen=True, kw_only=True):
    """A checkpoint, what the gate decided on it, its votes and its manifest."""

    decision: Decision | None
    feedback: Votes
    manifest: Manifest


class CheckpointList(msgspec.Struct):
    """Checkpoints, the newest first."""

    current: str | None
    pinned: Pin | None
    checkpoints: list[Checkpoint]


class LineageExample(msgspec.Struct):
    """An example that a checkpoint learned."""

    id: str
    content_hash: str
    shown: str
    superseded_by: str | None


class LineageJob(msgspec.Struct):
    """A job that a checkpoint learned."""

    job_id: str
    tags: list[str]
    created_at: str
    examples: list[LineageExample]


class Generation(msgspec.Struct):
    """One checkpoint of a lineage."""

    checkpoint_id: str
    parent_id: str | None
    status: str
    is_current: bool
    created_at: str
    cycle_id: int
    content_hash: str
    audit_entries: list[int]
    jobs: list[LineageJob]


class BaseNamed(msgspec.Struct):
    """The base model of a lineage."""

    model: str
    hash: str


class LineageAnswer(msgspec.Struct):
    """A checkpoint and its ancestors, the newest first."""

    checkpoint: str
    lineage: list[Generation]
    continues_at: str | None
    base: BaseNamed


class MoveAnswer(msgspec.Struct):
    """The stable pointer has moved."""

    current_checkpoint: str | None
    release: Release


class PinAnswer(msgspec.Struct):
    """The stable pointer is held, or free (null)."""

    current_checkpoint: str | None
    pinned: Pin | None


class EntryAnswer(msgspec.Struct):
    """An entry of the audit log."""

    number: int
    at: str
    action: str
    actor: str
    subject: str | None
    body: dict[str, Any]
    previous_hash: str
    hash: str


class EntryList(msgspec.Struct):
    """Entries, the newest first."""

    entries: list[EntryAnswer]


class Health(msgspec.Struct):
    """The process is alive."""

    status: Literal["ok"]
    version: str


class Ready(msgspec.Struct):
    """Tokens can be delivered."""

    ready: bool


class NotReady(msgspec.Struct):
    """Tokens cannot be delivered."""

    ready: bool
    reason: str


class Curves(msgspec.Struct):
    """Losses over time; of anchors null where there are none."""

    finetune_loss: list[Any]
    forgetting_loss: list[Any] | None
    eval_loss: list[Any]
    retention_score: list[Any] | None
    drift_loss: list[Any] | None
    recall_exact: list[Any]


class Forgetting(msgspec.Struct):
    """What the served checkpoint forgot."""

    anchor_ce_delta: float
    retention_score: float | None


class Hardware(msgspec.Struct):
    """What MLX computes on."""

    device: str
    backend: str


class LastDecision(Decision, frozen=True, kw_only=True):
    """What the gate decided last."""

    checkpoint: str


class GateAnswer(msgspec.Struct):
    """The gate's policy, and what it decided last."""

    gate: str
    rollback_mode: str
    last_decision: LastDecision | None


class InfoAnswer(msgspec.Struct):
    """The service at a glance."""

    base_model: str
    current_checkpoint: str | None
    pinned: Pin | None
    queue_depth: int
    last_update: str | None
    loss_curves: Curves
    forgetting_summary: Forgetting | None
    hardware: Hardware
    version: str
    update_mode: str
    waiting_examples: int
    context_tokens: int
    training: TrainingProgress | None
    preparing: str | None
    gate: GateAnswer
    feedback: dict[str, Votes]
    monitor: MonitorState
    canary: CanaryShown | None
    uptime_s: float
