"""What the handlers work with."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from starlette.requests import Request

from radiance.alphas.desk import Desk
from radiance.config import Config
from radiance.engine.worker import Engine
from radiance.errors import Conflict
from radiance.intake.feedback import FeedbackLog
from radiance.intake.fine_tuning import FineTunings
from radiance.intake.jobs import Jobs
from radiance.intake.uploads import Uploads
from radiance.monitor import Monitor
from radiance.pacer import Pacer
from radiance.pipeline import Pipeline
from radiance.registry.curves import Curves
from radiance.registry.experiments import Experiments
from radiance.registry.names import Names
from radiance.registry.store import Registry
from radiance.signals.runs import Runs
from radiance.supervisor import Supervisor
from radiance.traffic import Traffic
from radiance.upstreams.chain import Chain


@dataclass(frozen=True)
class Rooms:
    """Everything a running service consists of.

    Attributes:
        has_anchors: Whether forgetting is measured.
    """

    config: Config
    engine: Engine
    jobs: Jobs
    registry: Registry
    curves: Curves
    pipeline: Pipeline
    pacer: Pacer
    feedback: FeedbackLog
    monitor: Monitor
    lab: Runs
    uploads: Uploads
    tunings: FineTunings
    names: Names
    supervisor: Supervisor
    experiments: Experiments
    traffic: Traffic
    desk: Desk
    chain: Chain
    has_anchors: bool
    started_at: datetime

    def check_learns(self) -> None:
        """Refuse what is to be learned where this service cannot learn.

        Raises:
            Conflict: The base model is in parts.
        """
        how = self.config.engine.shard
        if how != "none":
            raise Conflict(
                f"The base model is sharded ({how}), and training needs it whole: nothing new is "
                "accepted.",
                remedy='Stop the service and teach one with engine.shard = "none", on a machine '
                "that the model fits. Checkpoints made there serve here.",
            )

    @property
    def not_ready(self) -> str | None:
        """Why no tokens can be delivered, as a clause; None while they can."""
        if not self.pipeline.is_alive:
            return "the pipeline has died"
        return self.supervisor.fault


RoomsGetter = Callable[[], Rooms]


def rooms_of(request: Request) -> Rooms:
    """The running service's rooms.

    Raises:
        Unavailable: It is still starting.
    """
    getter: RoomsGetter = request.app.state.rooms
    return getter()
