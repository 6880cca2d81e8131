"""What the handlers work with."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from starlette.requests import Request

from radiance.anchors.sets import AnchorSet
from radiance.config import Config
from radiance.documents.questions import PassageQuestions
from radiance.documents.store import Documents
from radiance.engine.watchdog import EngineWatchdog
from radiance.engine.worker import Engine
from radiance.errors import Conflict
from radiance.examples.facts import Facts
from radiance.examples.ownership import Overwritings
from radiance.examples.store import ExampleStore
from radiance.extensions import Part
from radiance.fallback.chain import Chain
from radiance.jobs.cycles import CycleLog
from radiance.jobs.fine_tuning import FineTunings
from radiance.jobs.queue import JobQueue
from radiance.jobs.uploads import Uploads
from radiance.learning.forgetting import Forgetting
from radiance.learning.pause import TrainingPause
from radiance.learning.pipeline import Pipeline
from radiance.learning.question_maker import QuestionMaker
from radiance.memory.memory import Memory
from radiance.registry.backup_schedule import BackupSchedule
from radiance.registry.curves import MetricCurves
from radiance.registry.names import CheckpointNames
from radiance.registry.root_watch import RootWatch
from radiance.registry.store import Registry
from radiance.release.canary import CanaryRouter
from radiance.release.experiments import Experiments
from radiance.release.feedback import FeedbackLog
from radiance.release.monitor import Monitor
from radiance.release.outcome_trials import OutcomeTrials
from radiance.release.pointer import StablePointer
from radiance.release.retention import Retention

P = TypeVar("P", bound=Part)


@dataclass(frozen=True)
class Services:
    """Everything a running service consists of.

    Attributes:
        anchors: What must survive; forgetting is measured on it.
        started_at: When it was first ready, as the clock had it then.
        ready_since_s: The same by ``time.monotonic``, which nobody sets.
        parts: What extensions run in it, by the extension's name.
    """

    config: Config
    engine: Engine
    jobs: JobQueue
    examples: ExampleStore
    facts: Facts
    overwritings: Overwritings
    documents: Documents
    passage_questions: PassageQuestions
    question_maker: QuestionMaker
    memory: Memory
    cycles: CycleLog
    registry: Registry
    curves: MetricCurves
    pipeline: Pipeline
    pointer: StablePointer
    training_pause: TrainingPause
    feedback: FeedbackLog
    monitor: Monitor
    uploads: Uploads
    forgetting: Forgetting
    tunings: FineTunings
    names: CheckpointNames
    engine_watchdog: EngineWatchdog
    root_watch: RootWatch
    backups: BackupSchedule
    retention: Retention
    experiments: Experiments
    outcome_trials: OutcomeTrials
    canary: CanaryRouter
    chain: Chain
    anchors: AnchorSet
    started_at: datetime
    ready_since_s: float
    parts: Mapping[str, Part]

    @property
    def uptime_s(self) -> float:
        """Seconds since it was first ready."""
        return time.monotonic() - self.ready_since_s

    @property
    def has_anchors(self) -> bool:
        """Whether forgetting is measured."""
        return bool(self.anchors)

    @property
    def recalls(self) -> bool:
        """Whether memory answers a request that does not say if it should."""
        return self.config.memory.mode != "off"

    def extension(self, kind: type[P]) -> P:
        """What an extension runs in this service, found by its type.

        Raises:
            LookupError: No extension runs such a part.
        """
        for part in self.parts.values():
            if isinstance(part, kind):
                return part
        raise LookupError(f"no extension runs a {kind.__name__}")

    def check_learns(self) -> None:
        """Refuse what is to be learned where this service cannot learn.

        Raises:
            Conflict: The base model is in parts.
            Unavailable: The root is not the one that was opened: nothing can be kept.
        """
        self.root_watch.check()
        how = self.config.engine.shard
        if how != "none":
            raise Conflict(
                f"The base model is sharded ({how}), and training needs it whole: nothing new is "
                "accepted.",
                remedy='Stop the service and teach one with engine.shard = "none", on a machine '
                "that the model fits. Checkpoints made there serve here.",
            )

    @property
    def held_up(self) -> str | None:
        """Why what was accepted is not learned now, as a clause; None where nothing holds it up."""
        if (held := self.pipeline.held) is not None:
            return held.reason
        return self.training_pause.objection()

    @property
    def not_ready(self) -> str | None:
        """Why no tokens can be delivered, as a clause; None while they can."""
        if not self.pipeline.is_alive:
            return "the pipeline has died"
        return self.engine_watchdog.fault or self.root_watch.fault


ServicesGetter = Callable[[], Services]


def services_of(request: Request) -> Services:
    """The running service's parts.

    Raises:
        Unavailable: It is still starting.
    """
    getter: ServicesGetter = request.app.state.services
    return getter()
