"""GET /info: what is served, what is waiting, what was learned and forgotten."""

import msgspec
from msgspec.structs import asdict
from starlette.requests import Request

from radiance import __version__
from radiance.anchors.sets import AnchorSet
from radiance.api.anchors import OverwrittenList, overwritten_in_service
from radiance.api.canary import running_canary
from radiance.api.feedback import votes_by_checkpoint
from radiance.api.services import Services, services_of
from radiance.api.training import TrainingProgress, training_progress
from radiance.records import Checkpoint, Decision, Pin, Votes
from radiance.release.comparison import ExperimentReport
from radiance.release.monitor import MonitorState

_CURVE_POINTS = 1000


class LossCurves(msgspec.Struct):
    """Losses over time; of anchors null where there are none."""

    finetune_loss: list[float]
    forgetting_loss: list[float] | None
    retention_score: list[float] | None
    drift_loss: list[float] | None
    eval_loss: list[float]
    recall_exact: list[float]


class ForgettingSummary(msgspec.Struct):
    """What the served checkpoint forgot."""

    anchor_ce_delta: float
    retention_score: float | None


class Anchors(msgspec.Struct):
    """What forgetting is measured on.

    ``missing`` says why the anchors that the settings name are not among them; null: they are.
    """

    source: str
    count: int
    own: int
    answered_by_base: int
    missing: str | None


class Bleeding(msgspec.Struct):
    """Of questions about names that were never taught, shares: with a taught value, as the base."""

    taught_value: float
    as_base: float | None


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


class BaseWeights(msgspec.Struct):
    """The base model's weights: how they are stored, and how they are computed here."""

    stored: str
    computed: str
    bytes: int


class InfoAnswer(msgspec.Struct):
    """The service at a glance."""

    base_model: str
    weights: BaseWeights
    current_checkpoint: str | None
    pinned: Pin | None
    queue_depth: int
    last_update: str | None
    loss_curves: LossCurves
    forgetting_summary: ForgettingSummary | None
    anchors: Anchors
    overwritten: OverwrittenList
    bleeding: Bleeding | None
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
    canary: ExperimentReport | None
    uptime_s: float


def info(request: Request) -> InfoAnswer:
    """The service at a glance."""
    services = services_of(request)
    current = services.registry.current()
    last_update = services.jobs.last_update()
    device, base = services.engine.device, services.engine.base
    return InfoAnswer(
        base_model=services.config.base_model,
        weights=BaseWeights(base.stored.precision, base.computed_as, base.weight_bytes),
        current_checkpoint=current.checkpoint_id if current else None,
        pinned=services.registry.pinned(),
        queue_depth=services.jobs.depth(),
        last_update=last_update.isoformat() if last_update else None,
        loss_curves=_curves(services),
        forgetting_summary=_forgetting(services, current),
        anchors=_anchors(services.anchors),
        overwritten=overwritten_in_service(services),
        bleeding=_bleeding(current),
        hardware=Hardware(device.name, device.backend),
        version=__version__,
        update_mode=services.config.update.mode,
        waiting_examples=services.jobs.waiting_examples(),
        context_tokens=services.engine.encoder.context_tokens,
        training=training_progress(services),
        preparing=services.pipeline.preparing,
        gate=_gate(services),
        feedback=votes_by_checkpoint(services),
        monitor=services.monitor.state,
        canary=running_canary(services),
        uptime_s=round(services.uptime_s, 1),
    )


def _curves(services: Services) -> LossCurves:
    def last(name: str) -> list[float]:
        return services.curves.last(name, _CURVE_POINTS)

    def of_anchors(name: str) -> list[float] | None:
        return last(name) if services.has_anchors else None

    return LossCurves(
        finetune_loss=last("finetune_loss"),
        forgetting_loss=of_anchors("forgetting_loss"),
        retention_score=of_anchors("retention_score"),
        drift_loss=of_anchors("drift_loss"),
        eval_loss=last("eval_loss"),
        recall_exact=last("recall_exact"),
    )


def _forgetting(services: Services, current: Checkpoint | None) -> ForgettingSummary | None:
    if not services.has_anchors or current is None or current.report.anchor_ce_delta is None:
        return None
    return ForgettingSummary(current.report.anchor_ce_delta, current.report.retention_score)


def _bleeding(current: Checkpoint | None) -> Bleeding | None:
    if current is None or current.report.bleeding is None:
        return None
    return Bleeding(current.report.bleeding, current.report.untaught_as_base)


def _anchors(anchors: AnchorSet) -> Anchors:
    return Anchors(
        source=anchors.source,
        count=len(anchors),
        own=anchors.own,
        answered_by_base=anchors.prompts,
        missing=anchors.missing or None,
    )


def _gate(services: Services) -> GateAnswer:
    """The policy in force, and what the gate decided last, with every rule's row."""
    policy, last = services.config.gate, None
    for newest in services.registry.all(1):
        decision = services.registry.decision(newest.checkpoint_id)
        if decision is not None:
            last = LastDecision(checkpoint=newest.checkpoint_id, **asdict(decision))
    return GateAnswer(policy.gate, policy.rollback_mode, last)
