"""What of the root is on disk, opened, its files, rows and jobs in line with one another."""

from contextlib import ExitStack
from dataclasses import dataclass

from radiance.config import Config
from radiance.examples.store import ExampleStore
from radiance.jobs.queue import JobQueue
from radiance.memory.memory import Memory
from radiance.memory.minilm import Aside, open_embedder
from radiance.registry.curves import MetricCurves
from radiance.registry.reconciliation import reconcile
from radiance.registry.root_watch import RootWatch, check_whole
from radiance.registry.store import Registry
from radiance.release.experiments import Experiments
from radiance.release.feedback import FeedbackLog
from radiance.service import own_log
from radiance.storage import files
from radiance.storage.sqlite import Database
from radiance.telemetry import get_logger

_log = get_logger(__name__)


@dataclass(frozen=True)
class Stores:
    """What is on disk, opened."""

    database: Database
    examples: ExampleStore
    jobs: JobQueue
    registry: Registry
    curves: MetricCurves
    memory: Memory
    experiments: Experiments
    feedback: FeedbackLog

    def tidy(self, config: Config) -> None:
        """Keep what is derived or only of its day within the bounds of ``[retention]``."""
        bounds = config.retention
        self.curves.keep_newest(bounds.keep_curves)
        self.experiments.keep_newest(bounds.keep_experiments)
        self.feedback.keep_newest(bounds.keep_votes)
        own_log.keep_within(config.runs_path / own_log.NAME, bounds.log_bytes)


def open_stores(
    config: Config,
    crashed: bool,
    root_watch: RootWatch,
    on_stop: ExitStack,
    aside: Aside,
) -> Stores:
    """Open the database, and bring files, rows and jobs in line with one another.

    Args:
        config: All settings.
        crashed: Whether the last process did.
        root_watch: Started once the database is found whole.
        on_stop: Closes what is opened here.
        aside: Runs short work in pieces on the engine's thread.

    Raises:
        StorageError: The disk or the database failed.
    """
    database = Database(config.database_path)
    on_stop.callback(database.close)
    check_whole(database)
    on_stop.callback(root_watch.stop)
    root_watch.start(database)
    registry = Registry(database, config.adapters_path)
    examples = ExampleStore(database)
    memory = Memory(
        database,
        examples,
        registry.ancestors,
        lambda: current.checkpoint_id if (current := registry.current()) else None,
        config.memory.max_wrong,
        open_embedder(config.memory.embedder, aside),
        config.memory.max_near,
    )
    memory.open()
    jobs = JobQueue(database, index=memory.add, most_waiting=config.update.max_waiting_jobs)
    for finding in reconcile(registry):
        _log.warning("reconciled", finding=finding)
    recovered = jobs.recover(
        crashed,
        config.training.max_deaths,
        config.training.max_interruptions,
        registry.accepted(),
    )
    for job in recovered:
        _log.warning("job_recovered", job=job.job_id, status=job.status, error=job.error)
    files.sweep_temporaries(config.runs_path)
    experiments, feedback = Experiments(database, registry.audit), FeedbackLog(database)
    curves = MetricCurves(database)
    return Stores(database, examples, jobs, registry, curves, memory, experiments, feedback)
