"""What was learned: checkpoints, and which of them is served."""

from datetime import datetime
from typing import Any, Literal

import msgspec

from radiance.records.examples import Supersession
from radiance.records.measurements import CheckpointStatus, EvalReport


class Imported(msgspec.Struct, frozen=True):
    """Where an adapter comes from that was not trained here.

    Attributes:
        source: The directory or Hub repository it was read from.
        format: What it was stored as.
        declared_base: The base model that its configuration names; "" where it names none.
    """

    source: str
    format: Literal["mlx", "peft", "gguf-lora", "fused", "gguf"]
    declared_base: str = ""


class Manifest(msgspec.Struct, frozen=True):
    """What a checkpoint is and where it came from: ``adapters/<id>/manifest.json``.

    Attributes:
        checkpoint_id: ``A_2026-02-09_0012``.
        parent_id: The checkpoint it continues from; None for the base.
        base_model: Name of the base model as configured.
        base_hash: Hash of the base model's configuration and weights.
        content_hash: SHA-256 of ``adapters.safetensors``.
        config_hash: SHA-256 of ``adapter_config.json``.
        example_ids: The examples it learned anew, in order.
        replayed_ids: Earlier examples that were mixed in.
        is_task: Whether most of the new ones were inputs of tasks, and were learned as those.
        training: The training settings it was made with.
        anchor: The settings of what held old behaviour.
        seed: The seed of its random numbers.
        steps: Optimizer steps taken.
        report: What it scored.
        versions: Versions of radiance, mlx and mlx-lm that made it.
        scaled_to: The share of the step from its parent that was kept, in (0, 1].
        imported: Where it comes from, if it was not trained here.
    """

    checkpoint_id: str
    parent_id: str | None
    base_model: str
    base_hash: str
    content_hash: str
    config_hash: str
    created_at: datetime
    fingerprint: str
    example_ids: tuple[str, ...]
    replayed_ids: tuple[str, ...]
    training: dict[str, Any]
    anchor: dict[str, Any]
    seed: int
    steps: int
    report: EvalReport
    versions: dict[str, str]
    scaled_to: float = 1.0
    is_task: bool = False
    imported: Imported | None = None


class Checkpoint(msgspec.Struct, frozen=True):
    """A checkpoint as the registry knows it.

    Attributes:
        cycle_id: The cycle that made it; 0 where it was imported.
        is_current: Whether it answers requests now.
        is_imported: Whether it was made elsewhere. It is ``risky``: no gate judged it.
        is_pruned: Whether its weights were deleted, as ``[retention]`` has it; it cannot serve.
    """

    checkpoint_id: str
    parent_id: str | None
    status: CheckpointStatus
    created_at: datetime
    cycle_id: int
    content_hash: str
    report: EvalReport
    job_ids: tuple[str, ...] = ()
    is_current: bool = False
    is_imported: bool = False
    is_pruned: bool = False


class Release(msgspec.Struct, frozen=True):
    """One move of the stable pointer; the newest says what is served.

    Attributes:
        checkpoint_id: What is served from then on; None is the bare base model.
        action: "promote" or "rollback".
        actor: Who did it: "gate", "cli", "api".
        reason: Why, as a sentence.
    """

    number: int
    checkpoint_id: str | None
    action: Literal["promote", "rollback"]
    actor: str
    reason: str
    at: datetime


class Pin(msgspec.Struct, frozen=True):
    """The stable pointer is held where it is: only a person moves it now.

    Attributes:
        checkpoint_id: What was served when it was pinned; None is the bare base model.
        actor: Who pinned it.
        reason: Why, as a sentence.
    """

    checkpoint_id: str | None
    actor: str
    reason: str
    at: datetime


class Acceptance(msgspec.Struct, frozen=True):
    """A person's word that an overwritten anchor is as it should be.

    Attributes:
        actor: Who accepted it.
        reason: Why, as a sentence.
    """

    actor: str
    reason: str
    at: datetime


class Evidence(msgspec.Struct, frozen=True):
    """What a candidate was made from and judged by, beside its manifest; for the audit log.

    Attributes:
        examples: ``content_hash`` of every example it learned anew, by id.
        replayed: The same for the earlier examples that were mixed in.
        superseded: Which earlier examples its own correct.
        jobs: ``Job.origin_hash`` of every job whose examples it learned anew, by id.
        settings: The sections that shaped it and the decision on it, in full, by name.
    """

    examples: dict[str, str] = {}
    replayed: dict[str, str] = {}
    superseded: tuple[Supersession, ...] = ()
    jobs: dict[str, str] = {}
    settings: dict[str, Any] = {}
