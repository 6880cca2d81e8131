"""What was measured of a checkpoint, and what the gate made of it."""

from enum import StrEnum
from typing import Literal

import msgspec


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
        overwritten: How many anchors it no longer answers as the base does because something
            learned says otherwise, accepted or not; None where there are no anchors.
        bleeding: Share of the questions of the taught kind about names that were never taught that
            are answered with a taught value, in [0, 1]; None where none could be made.
        untaught_as_base: Share of those that are answered as by the base, in [0, 1].
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
    overwritten: int | None = None
    bleeding: float | None = None
    untaught_as_base: float | None = None


class OverwrittenAnchor(msgspec.Struct, frozen=True):
    """An anchor that the base answered and a checkpoint does not: something learned says otherwise.

    Attributes:
        anchor: Its id.
        context: What it stands for.
        example_id: What says otherwise: ``job_000128.3``, an example of that job.
        since: The first checkpoint of the lineage that no longer answered it.
        is_accepted: Whether a person had accepted that when the checkpoint was measured.
        is_unintended: Whether the update that was judged did it, and did not say that it means to.
    """

    anchor: str
    context: str
    example_id: str
    since: str
    is_accepted: bool = False
    is_unintended: bool = False

    @property
    def job_id(self) -> str:
        """The job whose example says otherwise."""
        return self.example_id.partition(".")[0]


class UntaughtProbe(msgspec.Struct, frozen=True):
    """How a candidate answers a question of the taught kind about a name that was never taught.

    Attributes:
        id: ``job_000128.3~Vimka``: the example it was made from and what stands in the place of the
            word that example is about.
        has_taught_value: Whether the answer has a value that was taught of others, and the base's
            has not.
        is_as_base: Whether it is the base's answer, word for word.
    """

    id: str
    has_taught_value: bool
    is_as_base: bool


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
        is_exact: Whether the candidate, given the right tokens so far, chooses every one. Of a text
            that the base wrote itself: whether it finds no token less than half as likely as
            another.
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
        overwritten: Anchors that this checkpoint or an ancestor overwrote and that are not
            answered as by the base again.
        untaught: Questions of the taught kind about names that were never taught.
        is_task: Whether the new examples are inputs of a task, not learned by heart.
    """

    report: EvalReport
    anchors_hash: str = ""
    learned: tuple[Probe, ...] = ()
    held_back: tuple[Probe, ...] = ()
    anchors: tuple[Probe, ...] = ()
    recalled: tuple[Probe, ...] = ()
    seconds: float = 0.0
    overwritten: tuple[OverwrittenAnchor, ...] = ()
    untaught: tuple[UntaughtProbe, ...] = ()
    is_task: bool = False


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


class MetricPoint(msgspec.Struct, frozen=True):
    """One value of one named metric at one step of one cycle."""

    cycle_id: int
    step: int
    name: str
    value: float
