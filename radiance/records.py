"""The immutable values that pass between rooms.

They know nothing of HTTP, SQL or MLX. Times are aware UTC ``datetime``; ratios lie in [0, 1].
"""

import hashlib
import json
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Literal

import msgspec

from radiance import wording

Role = Literal["system", "user", "assistant"]


def now() -> datetime:
    """The present moment, aware, in UTC."""
    return datetime.now(UTC)


def canonical_json(value: Any) -> bytes:
    """The one byte string of a JSON value that hashes are taken of: sorted keys, no spaces."""
    return json.dumps(
        msgspec.to_builtins(value),
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
    ).encode()


def content_hash(value: Any) -> str:
    """SHA-256 of ``canonical_json(value)``, in hexadecimal."""
    return hashlib.sha256(canonical_json(value)).hexdigest()


class Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One turn of a chat."""

    role: Role
    content: str


class Example(msgspec.Struct, frozen=True):
    """Something to learn, after curation: either a chat whose assistant turns are learned, or text.

    Attributes:
        id: ``job_000128.3``: the job that brought it and its place there; unique for ever.
        messages: The chat, ending with an assistant turn; empty for plain text.
        text: The plain text, learned whole; empty for a chat.
        tags: The tags of the update that brought it.
    """

    id: str
    messages: tuple[Message, ...] = ()
    text: str = ""
    tags: tuple[str, ...] = ()

    @property
    def content_hash(self) -> str:
        """Identity of what is learned, whoever sent it: two equal examples have equal hashes."""
        return content_hash([[m.role, m.content] for m in self.messages] or self.text)

    @property
    def question_hash(self) -> str:
        """Identity of what is asked: the newest of two examples that share it is the valid one.

        Letter case, space, the punctuation of sentences and contractions do not make another
        question; see ``wording.normalise``. A plain text asks nothing and is its own question.
        """
        if not self.messages:
            return content_hash(self.text)
        return content_hash([[m.role, wording.normalise(m.content)] for m in self.messages[:-1]])


class Supersession(msgspec.Struct, frozen=True):
    """An example that is no longer valid because a newer one answers its question differently.

    Attributes:
        example_id: The old one. It stays in the database, and is valid again wherever the newer
            one is not part of the lineage that is served.
        by: The newer one.
    """

    example_id: str
    by: str


class Votes(msgspec.Struct, frozen=True):
    """How often answers were voted up and down."""

    up: int = 0
    down: int = 0


class Feedback(msgspec.Struct, frozen=True):
    """One vote on an answer.

    Attributes:
        number: Rising for ever.
        checkpoint: The checkpoint that answered; None is the base.
        prompt: What was asked; "" where it was not told.
        response: What was answered; "" where it was not told.
    """

    number: int
    at: datetime
    checkpoint: str | None
    vote: Literal["up", "down"]
    prompt: str = ""
    response: str = ""
    comment: str = ""
    tags: tuple[str, ...] = ()


class JobStatus(StrEnum):
    """A job's life: queued → running → one of the rest. A running job is leased by a cycle."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    QUARANTINED = "quarantined"


class Job(msgspec.Struct, frozen=True):
    """One accepted update and what became of it.

    Attributes:
        job_id: ``job_000128``.
        checkpoint: The checkpoint that holds its examples, once it succeeded.
        error: Why it failed or was quarantined, as a sentence.
        rejected_checkpoint: The checkpoint that the gate refused, where it failed by that.
        cycle_id: The cycle that trains or trained it.
        deaths: How often the process died of itself (abort, segmentation fault) while it trained.
        interruptions: How often the process was killed from outside in a row without progress.
    """

    job_id: str
    status: JobStatus
    created_at: datetime
    example_count: int
    tags: tuple[str, ...] = ()
    cycle_id: int | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    checkpoint: str | None = None
    error: str | None = None
    rejected_checkpoint: str | None = None
    deaths: int = 0
    interruptions: int = 0


class Recipe(msgspec.Struct, frozen=True):
    """How one job is to be trained, where that is not as in the settings. Such a job runs alone.

    Numbers, not factors: applying it twice is applying it once.

    Attributes:
        training: Values of the ``[training]`` section by name.
        validation: What is measured beside it and not learned.
    """

    training: dict[str, int | float] = {}
    validation: tuple[Example, ...] = ()


class Upload(msgspec.Struct, frozen=True):
    """A file that somebody sent to be learned from.

    Attributes:
        id: ``file-`` and 24 hexadecimal digits; unique for ever.
        name: As it was sent.
        content_hash: SHA-256 of its bytes.
    """

    id: str
    at: datetime
    name: str
    purpose: str
    size_bytes: int
    content_hash: str


class FineTuning(msgspec.Struct, frozen=True):
    """What was asked for with a job that was made of a file.

    Attributes:
        model: The weights to go on from, as named.
        training_file: Id of the file that is learned.
        validation_file: Id of the file that is only measured.
        suffix: Ends the name of the model that comes of it.
        hyperparameters: As asked: numbers, or "auto".
        is_in_method: Whether they came in ``method``, the newer way.
        seed: What the order of the examples depends on.
        metadata: The caller's own.
    """

    model: str
    training_file: str
    validation_file: str | None
    suffix: str | None
    hyperparameters: dict[str, int | float | str]
    is_in_method: bool
    seed: int
    metadata: dict[str, str] | None = None


class Cycle(msgspec.Struct, frozen=True):
    """One run of the pipeline: which jobs it leased, what it starts from, what it will be called.

    Attributes:
        id: Number of the cycle, rising for ever.
        fingerprint: Hash of (parent, example ids, training settings). A cycle repeated after a
            crash has the same fingerprint and so meets its own candidate.
        candidate_id: The id its checkpoint gets, ``A_2026-02-09_0012``.
        parent_id: The stable checkpoint it continues from; None for the base.
        job_ids: The jobs it leased, oldest first.
    """

    id: int
    fingerprint: str
    candidate_id: str
    parent_id: str | None
    job_ids: tuple[str, ...]


class CheckpointStatus(StrEnum):
    """What became of a checkpoint. ``training`` and ``base`` appear in answers only."""

    STABLE = "stable"
    RISKY = "risky"
    REJECTED = "rejected"
    TRAINING = "training"
    BASE = "base"


class EvalReport(msgspec.Struct, frozen=True):
    """What one checkpoint scored, in brief. Losses are in nats per completion token.

    Attributes:
        finetune_loss: Cross-entropy on the examples it was trained on; None where it was imported.
        eval_loss: On the held-back examples; on the new ones where none were held back.
        forgetting_loss: Cross-entropy on the anchors; None where there are none.
        anchor_ce_delta: ``forgetting_loss`` minus the base model's; None where there are none.
        retention_score: Share of the anchors the base answered exactly that are still answered
            exactly (teacher-forced greedy), in [0, 1]; None where there are none.
        forgetting_kl: KL(M0 || M0 + A_t) on the anchors' completions; None where there are none.
        drift_loss: KL(M0 + A_{t-1} || M0 + A_t) on the anchors; None where there are none.
        new_exact: Share of the new examples answered exactly, in [0, 1].
        recall_exact: Share of the earlier examples that are measured which are still answered
            exactly, in [0, 1]; None before there are any.
        recall_loss: Cross-entropy on those earlier examples; None before there are any.
        acc: Average accuracy over all updates so far, this one included, in [0, 1].
        bwt: Backward transfer over the earlier updates, in [-1, 1]; None before there are any.
        fwt: Forward transfer: how much better than by the base the examples of the second update
            and later ones were answered just before they were learned, in [-1, 1]; None before
            there are any.
        forgetting: Average over earlier updates of the best past accuracy minus today's, in
            [-1, 1]; None before there are any.
    """

    finetune_loss: float | None = None
    eval_loss: float | None = None
    forgetting_loss: float | None = None
    anchor_ce_delta: float | None = None
    retention_score: float | None = None
    forgetting_kl: float | None = None
    drift_loss: float | None = None
    new_exact: float | None = None
    recall_exact: float | None = None
    recall_loss: float | None = None
    acc: float | None = None
    bwt: float | None = None
    fwt: float | None = None
    forgetting: float | None = None


class Probe(msgspec.Struct, frozen=True):
    """How one text is answered by a candidate, by its parent and by the base.

    Attributes:
        id: Of the anchor or example.
        group: An anchor's context; for an earlier example, the checkpoint that taught it.
        tokens: Completion tokens measured.
        loss: Mean cross-entropy of the candidate, in nats per token.
        parent_loss: Of the checkpoint it continues from (the base where there is none).
        base_loss: Of the base.
        kl_base: Mean KL(base || candidate) over the completion's positions, in nats.
        kl_parent: Mean KL(parent || candidate), in nats.
        is_exact: Whether the candidate, given the right tokens so far, chooses every one.
    """

    id: str
    group: str
    tokens: int
    loss: float
    parent_loss: float
    base_loss: float
    kl_base: float
    kl_parent: float
    is_exact: bool
    was_exact_in_parent: bool
    was_exact_in_base: bool


class Evaluation(msgspec.Struct, frozen=True):
    """Everything measured of one candidate: the report and the single probes behind it.

    Attributes:
        anchors_hash: Hash of the anchor suite; "" where there is none.
        learned: The new examples it was trained on.
        held_back: The new examples it was not trained on.
        anchors: The anchors.
        recalled: Earlier accepted examples.
        seconds: What the evaluation took.
    """

    report: EvalReport
    anchors_hash: str = ""
    learned: tuple[Probe, ...] = ()
    held_back: tuple[Probe, ...] = ()
    anchors: tuple[Probe, ...] = ()
    recalled: tuple[Probe, ...] = ()
    seconds: float = 0.0


class TaskAccuracy(msgspec.Struct, frozen=True):
    """How much of what one update taught is answered after another: a place of the matrix R[i, j].

    Attributes:
        checkpoint_id: After which update, i.
        task: The checkpoint that taught it, j; the same one for what was learned anew.
        examples: How many were measured.
        accuracy: Share of them that the checkpoint answers exactly, in [0, 1].
        parent_accuracy: That its parent answers exactly.
        base_accuracy: That the base answers exactly.
    """

    checkpoint_id: str
    task: str
    examples: int
    accuracy: float
    parent_accuracy: float
    base_accuracy: float


class GateRow(msgspec.Struct, frozen=True):
    """One rule of the gate applied to one candidate.

    Attributes:
        rule: Its name, "anchor_mean".
        value: What was measured; None where there was nothing to measure.
        limit: What it was held against.
        low: Lower end of the value's confidence interval; None where it has none.
        high: Upper end.
        verdict: "skipped" where there was nothing to measure.
        detail: What was measured, in words and units.
    """

    rule: str
    value: float | None
    limit: float
    low: float | None
    high: float | None
    verdict: Literal["pass", "fail", "skipped"]
    detail: str = ""


class Decision(msgspec.Struct, frozen=True):
    """What the gate decided on a candidate.

    Attributes:
        status: What the checkpoint becomes: stable, risky or rejected.
        promote: Whether it is served from now on.
        reason: Why, as a sentence.
        rows: Every rule with what it saw, also those that had no say.
        scaled_to: The share of the step from parent to candidate that was kept, in (0, 1].
    """

    status: CheckpointStatus
    promote: bool
    reason: str
    rows: tuple[GateRow, ...] = ()
    scaled_to: float = 1.0


class Imported(msgspec.Struct, frozen=True):
    """Where an adapter comes from that was not trained here.

    Attributes:
        source: The directory or Hub repository it was read from.
        format: What it was stored as.
        declared_base: The base model that its configuration names; "" where it names none.
    """

    source: str
    format: Literal["mlx", "peft"]
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
    imported: Imported | None = None


class Checkpoint(msgspec.Struct, frozen=True):
    """A checkpoint as the registry knows it.

    Attributes:
        cycle_id: The cycle that made it; 0 where it was imported.
        is_current: Whether it answers requests now.
        is_imported: Whether it was made elsewhere. It is ``risky``: no gate judged it.
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


class Evidence(msgspec.Struct, frozen=True):
    """What a candidate was made from and judged by, beside its manifest; for the audit log.

    Attributes:
        examples: ``content_hash`` of every example it learned anew, by id.
        replayed: The same for the earlier examples that were mixed in.
        superseded: Which earlier examples its own correct.
        settings: The sections that shaped it and the decision on it, in full, by name.
    """

    examples: dict[str, str] = {}
    replayed: dict[str, str] = {}
    superseded: tuple[Supersession, ...] = ()
    settings: dict[str, Any] = {}


class MetricPoint(msgspec.Struct, frozen=True):
    """One value of one named metric at one step of one cycle."""

    cycle_id: int
    step: int
    name: str
    value: float
