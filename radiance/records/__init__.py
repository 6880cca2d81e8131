"""The immutable values that pass between packages.

They know nothing of HTTP, SQL or MLX. Times are aware UTC ``datetime``; ratios lie in [0, 1].
"""

from radiance.records.canonical import canonical_json, content_hash, now
from radiance.records.checkpoints import (
    Acceptance,
    Checkpoint,
    Evidence,
    Imported,
    Manifest,
    Pin,
    Release,
)
from radiance.records.documents import Document, Passage, PassageQuestion
from radiance.records.examples import Example, Feedback, Message, Role, Supersession, Votes
from radiance.records.forgetting import Asked, ForgetRequest, ForgetStatus, Likelihood
from radiance.records.jobs import Cycle, FineTuning, Job, JobStatus, Recipe, Upload, origin_hash
from radiance.records.measurements import (
    CheckpointStatus,
    Decision,
    EvalReport,
    Evaluation,
    GateRow,
    MetricPoint,
    OverwrittenAnchor,
    Probe,
    TaskAccuracy,
    UntaughtProbe,
)

__all__ = [
    "Acceptance",
    "Asked",
    "Checkpoint",
    "CheckpointStatus",
    "Cycle",
    "Decision",
    "Document",
    "EvalReport",
    "Evaluation",
    "Evidence",
    "Example",
    "Feedback",
    "FineTuning",
    "ForgetRequest",
    "ForgetStatus",
    "GateRow",
    "Imported",
    "Job",
    "JobStatus",
    "Likelihood",
    "Manifest",
    "Message",
    "MetricPoint",
    "OverwrittenAnchor",
    "Passage",
    "PassageQuestion",
    "Pin",
    "Probe",
    "Recipe",
    "Release",
    "Role",
    "Supersession",
    "TaskAccuracy",
    "UntaughtProbe",
    "Upload",
    "Votes",
    "canonical_json",
    "content_hash",
    "now",
    "origin_hash",
]
