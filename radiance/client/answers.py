"""What the service answers, as values.

Fields that a newer service adds are ignored, and those that an older one lacks have defaults. Words
such as a status are plain strings, since a newer service may have more of them.
"""

from datetime import datetime
from typing import Any

import msgspec

from radiance.errors import TrainingError

_ENDED = ("succeeded", "failed", "cancelled", "quarantined")


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """An accepted example that answers a prompt, or may be meant.

    Attributes:
        score: How alike the two are; 1 is the very same question.
        question: As it was taught.
    """

    example_id: str
    job_id: str
    score: float
    question: str


class PassageMatch(msgspec.Struct, frozen=True, kw_only=True):
    """A passage of a document that answers a prompt.

    Attributes:
        document: The name of its document.
        place: Headings, page or line, for people.
        score: How much of the question it says, in [0, 1].
        text: All of it; the answer may be its best sentence alone.
    """

    passage_id: str
    document_id: str
    document: str
    place: str
    score: float
    text: str


class SearchResult(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a prompt.

    Attributes:
        checkpoint: The checkpoint that gave it; None is the base model or an upstream.
        checkpoint_status: "stable", "risky", "rejected", "training", "base", "upstream" or
            "memory".
        finish_reason: "stop", or "length" where ``max_tokens`` cut it off.
        cached_tokens: How many tokens of the prompt did not have to be computed.
        provider: "local", or the upstream that answered.
        source: "memory" is the text of an accepted example or of a document; else "weights" or
            "upstream".
        matches: The example that was found, or those that the question could mean.
        passage: Of a document, where it answers.
    """

    response: str
    checkpoint: str | None
    checkpoint_status: str
    latency_ms: float
    finish_reason: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    adapter_hash: str = ""
    provider: str = "local"
    source: str = "weights"
    matches: tuple[Match, ...] = ()
    passage: PassageMatch | None = None


class Correction(msgspec.Struct, frozen=True):
    """An earlier example that the example ``by`` corrects."""

    example_id: str
    by: str


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """An update that the service has on disk.

    Attributes:
        duplicates: How many examples were left out as repeated.
        known: How many say what was learned before; where what serves still answers all of them so,
            nothing is trained.
        echoes: How many have their very question as their answer: most often a slip.
        supersedes: Earlier examples that it corrects.
        may_supersede: Earlier examples that look corrected in other words, and stay.
    """

    job_id: str
    accepted: int = 0
    duplicates: int = 0
    known: int = 0
    echoes: int = 0
    supersedes: tuple[Correction, ...] = ()
    may_supersede: tuple[Correction, ...] = ()


class JobProgress(msgspec.Struct, frozen=True, kw_only=True):
    """How far the training of a job is.

    Attributes:
        checkpoint: The checkpoint that it is to become.
        stage: "gathering", "training" or "evaluating".
        most_seconds_left: Until it takes no more steps, should it take all; None while unknown.
    """

    checkpoint: str
    stage: str
    step: int
    max_steps: int
    finetune_loss: float | None = None
    most_seconds_left: float | None = None


class JobInfo(msgspec.Struct, frozen=True, kw_only=True):
    """An update, and what became of it.

    Attributes:
        status: "queued", "running", "succeeded", "failed", "cancelled" or "quarantined".
        checkpoint: The checkpoint that holds its examples, once it succeeded.
        rejected_checkpoint: The checkpoint that the gate refused, where it failed by that.
        error: Why it failed or was quarantined, as a sentence.
        progress: While it trains.
        preparing: What the service prepares before it can train, where it does.
        was_known: Whether what served answered all of it before, so that nothing was trained.
        learns: "facts" or "task"; "" where the service does not say.
    """

    job_id: str
    status: str
    created_at: datetime
    example_count: int
    tags: tuple[str, ...] = ()
    started_at: datetime | None = None
    finished_at: datetime | None = None
    checkpoint: str | None = None
    rejected_checkpoint: str | None = None
    error: str | None = None
    progress: JobProgress | None = None
    preparing: str | None = None
    supersedes: tuple[Correction, ...] = ()
    was_known: bool = False
    learns: str = ""

    @property
    def has_ended(self) -> bool:
        """Whether its status is final."""
        return self.status in _ENDED


class JobFailed(TrainingError):
    """A job that was waited for ended otherwise than by succeeding.

    Attributes:
        job: The job, with ``status``, ``error`` and ``rejected_checkpoint``.
    """

    def __init__(self, job: JobInfo) -> None:
        super().__init__(f"{job.job_id} {job.status}: {job.error or 'no reason was given'}")
        self.job = job

    def __reduce__(self) -> tuple[type["JobFailed"], tuple[JobInfo]]:
        return JobFailed, (self.job,)


class CheckpointInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A checkpoint, and what was measured of it.

    Attributes:
        parent_id: The checkpoint that it continues from; None is the base model.
        status: "stable", "risky" or "rejected".
        report: What was measured: losses, retention, recall.
        job_ids: The jobs that it learned.
        is_current: Whether it answers requests now.
        is_imported: Whether it was made elsewhere.
        is_pruned: Whether its weights were deleted, so that it cannot serve.
    """

    checkpoint_id: str
    parent_id: str | None
    status: str
    created_at: datetime
    report: dict[str, Any] = {}
    job_ids: tuple[str, ...] = ()
    is_current: bool = False
    is_imported: bool = False
    is_pruned: bool = False


class Curves(msgspec.Struct, frozen=True, kw_only=True):
    """Losses in nats per token and shares in [0, 1], as the service lists them, the newest last.

    Those of anchors are None where there are no anchors.
    """

    finetune_loss: list[Any] = []
    eval_loss: list[Any] = []
    recall_exact: list[Any] = []
    forgetting_loss: list[Any] | None = None
    retention_score: list[Any] | None = None
    drift_loss: list[Any] | None = None


class ServiceInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The service at a glance.

    Attributes:
        current_checkpoint: The checkpoint that serves; None is the bare base model.
        queue_depth: How many updates wait or are being trained.
        update_mode: "immediate" or "batched".
        hardware: ``{"device", "backend"}``.
        forgetting_summary: ``{"anchor_ce_delta", "retention_score"}`` of what serves.
        training: How far the running cycle is; None while none runs.
    """

    base_model: str
    current_checkpoint: str | None
    queue_depth: int
    version: str = ""
    last_update: datetime | None = None
    update_mode: str = ""
    waiting_examples: int = 0
    context_tokens: int = 0
    hardware: dict[str, Any] = {}
    loss_curves: Curves = Curves()
    forgetting_summary: dict[str, float | None] | None = None
    training: JobProgress | None = None
    preparing: str | None = None
    uptime_s: float = 0.0


class DocumentInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A document that memory answers from.

    Attributes:
        name: As it was sent: a file's name, or its path within a folder.
        title: As it names itself; "" where it does not.
        format: "pdf", "word", "html", "markdown" or "text".
        pages: Of a PDF.
        passages: How many are kept.
        left_out: How many are not, as they have words that were forgotten.
        replaced_by: The newer document of the same name; memory answers from that one alone.
    """

    id: str
    name: str
    added_at: datetime
    title: str = ""
    format: str = ""
    content_hash: str = ""
    size_bytes: int = 0
    pages: int | None = None
    passages: int = 0
    left_out: int = 0
    tags: tuple[str, ...] = ()
    replaced_by: str | None = None


class DocumentReceipt(msgspec.Struct, frozen=True, kw_only=True):
    """A document that was sent, and is on the service's disk.

    Attributes:
        is_new: False where the same was there already.
        replaces: The document of the same name that memory answered from until then.
        learned: What becomes of it, as a sentence.
        alike: Documents of other names that have a passage of it word for word.
    """

    document: DocumentInfo
    is_new: bool
    replaces: str | None = None
    learned: str = ""
    alike: tuple[str, ...] = ()


class DocumentPage(msgspec.Struct, frozen=True):
    """Documents, the newest first."""

    documents: tuple[DocumentInfo, ...]


class Forgotten(msgspec.Struct, frozen=True, kw_only=True):
    """What was forgotten, or by a dry run would be.

    Attributes:
        forget: The request as it is on record, with its ``number``; None of a dry run.
        count: How many examples.
        passages: How many passages of documents, and ``documents``, the names of these.
        checkpoints: Those that had learned one: they never serve again.
        serves: What serves without them; None is the base model.
        queued_again: Jobs that are learned again.
        cancelled: Jobs that only checkpoints aside from what served had learned (rolled back, held
            by a pin): a retry has them learned.
        alike: Ids of other examples that have the same value; they stay.
    """

    forget: dict[str, Any] | None
    count: int
    passages: int = 0
    documents: tuple[str, ...] = ()
    examples: tuple[dict[str, str], ...] = ()
    checkpoints: tuple[str, ...] = ()
    serves: str | None = None
    queued_again: tuple[str, ...] = ()
    cancelled: tuple[str, ...] = ()
    alike: tuple[str, ...] = ()


class ForgetInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A request to forget, and how far it is.

    Attributes:
        status: "erasing", "relearning" or "done".
        examples: What was forgotten: content hashes by the examples' ids.
        passages: The same of documents and of passages.
        is_gone: Whether what serves tells the forgotten values no better than weights that never
            saw them; None where that was not measured, or not yet.
    """

    number: int
    at: datetime
    status: str
    examples: dict[str, str]
    actor: str = ""
    reason: str = ""
    checkpoints: tuple[str, ...] = ()
    queued_again: tuple[str, ...] = ()
    likelihood: dict[str, Any] | None = None
    passages: dict[str, str] = {}
    is_gone: bool | None = None
    finished_at: datetime | None = None


class ForgetPage(msgspec.Struct, frozen=True):
    """Requests to forget, the newest first."""

    forgets: tuple[ForgetInfo, ...]


class Move(msgspec.Struct, frozen=True):
    """What serves after the stable pointer has moved; None is the bare base model."""

    current_checkpoint: str | None


class Vote(msgspec.Struct, frozen=True, kw_only=True):
    """A kept vote, with all votes of its checkpoint by direction."""

    number: int
    checkpoint: str | None
    vote: str
    votes: dict[str, int] = {}


class JobPage(msgspec.Struct, frozen=True):
    """The body of GET /jobs."""

    jobs: tuple[JobInfo, ...]


class CheckpointPage(msgspec.Struct, frozen=True):
    """The body of GET /checkpoints."""

    checkpoints: tuple[CheckpointInfo, ...]
