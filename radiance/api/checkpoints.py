"""/checkpoints: what was learned, what the gate decided on it, and what was measured of it."""

from typing import Annotated

import msgspec
from msgspec import Meta
from msgspec.structs import asdict
from starlette.requests import Request

from radiance.api.auth.access import actor_of
from radiance.api.bodies import checked_reason, checked_text, list_limit
from radiance.api.services import Services, services_of
from radiance.records import Checkpoint, Decision, Evaluation, Manifest, Pin, Votes
from radiance.registry import labels
from radiance.registry.labels import Label

MOST_NAME, MOST_NOTE = 80, 2000  # characters


class CheckpointAnswer(Checkpoint, frozen=True, kw_only=True):
    """A checkpoint, what people call it, the gate's decision, its votes and its manifest."""

    label: Label | None
    decision: Decision | None
    feedback: Votes
    manifest: Manifest


class CheckpointList(msgspec.Struct):
    """Checkpoints, the newest first, and by their ids what people call them."""

    current: str | None
    pinned: Pin | None
    checkpoints: list[Checkpoint]
    labels: dict[str, Label]


class LabelBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /checkpoints/{checkpoint_id}/label; what is left out is taken away.

    Attributes:
        name: On one line.
        note: What is to be remembered of it.
    """

    name: Annotated[str, Meta(max_length=MOST_NAME)] = ""
    note: Annotated[str, Meta(max_length=MOST_NOTE)] = ""


class LabelAnswer(msgspec.Struct):
    """A checkpoint and what it is called now."""

    checkpoint_id: str
    label: Label


class PruneBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /prune.

    Attributes:
        keep: So many of the newest keep their weights; null: as retention.keep_checkpoints has it.
        dry_run: Only says what would be done.
    """

    keep: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    dry_run: bool = False
    reason: Annotated[str, Meta(max_length=1000)] = ""


class PruneAnswer(msgspec.Struct):
    """Checkpoints whose weights are given up, or would be.

    Attributes:
        checkpoints: Their ids, the oldest first.
        size_bytes: What their weights take; they go within the time that a request may take.
        kept: How many keep their weights, by why.
    """

    checkpoints: tuple[str, ...]
    size_bytes: int
    kept: dict[str, int]


def prune_checkpoints(request: Request, body: PruneBody) -> PruneAnswer:
    """Give up the weights of checkpoints that nothing needs; the rest of them stays."""
    retention = services_of(request).retention
    if body.dry_run:
        found = retention.preview(body.keep)
    else:
        reason = checked_reason(body.reason, "Asked for through POST /prune.")
        found = retention.prune(actor_of(request), reason, body.keep)
    return PruneAnswer(found.checkpoints, found.size_bytes, dict(found.kept))


def list_checkpoints(request: Request) -> CheckpointList:
    """The newest checkpoints first."""
    registry = services_of(request).registry
    listed = registry.all(list_limit(request))
    known = labels.labels(registry.db)
    ids = [checkpoint.checkpoint_id for checkpoint in listed]
    return CheckpointList(
        current=registry.current_id(),
        pinned=registry.pinned(),
        checkpoints=listed,
        labels={id: known[id] for id in ids if id in known},
    )


def show_checkpoint(request: Request) -> CheckpointAnswer:
    """One checkpoint, what the gate decided on it, how it was voted on, and its manifest."""
    services, checkpoint_id = services_of(request), request.path_params["checkpoint_id"]
    registry = services.registry
    return CheckpointAnswer(
        **asdict(registry.get(checkpoint_id)),
        label=labels.labels(registry.db).get(checkpoint_id),
        manifest=registry.manifest(checkpoint_id),
        decision=registry.decision(checkpoint_id),
        feedback=services.feedback.votes(checkpoint_id),
    )


def show_evaluation(request: Request) -> Evaluation:
    """Everything that was measured of a checkpoint, probe by probe."""
    return services_of(request).registry.evaluation(request.path_params["checkpoint_id"])


def label_checkpoint(request: Request, body: LabelBody) -> LabelAnswer:
    """Give a checkpoint a name and a note; both are in the audit log."""
    services, checkpoint_id = services_of(request), request.path_params["checkpoint_id"]
    given = give_label(services, checkpoint_id, body.name, body.note, actor_of(request))
    return LabelAnswer(checkpoint_id, given)


def give_label(services: Services, checkpoint_id: str, name: str, note: str, actor: str) -> Label:
    """Check what a checkpoint is to be called, and put it on record.

    Raises:
        RequestError: It holds what is not text.
        NotFound: There is no such checkpoint.
    """
    shown = " ".join(checked_text(name, "name").split())
    return labels.label(services.registry, checkpoint_id, shown, checked_text(note, "note"), actor)
