"""The composition root: from a Config to a running service, and the order of starting and stopping.

Start: lock the root, open the database, put files and rows in order, load the model, serve the
stable checkpoint, run cycles. HTTP answers from the beginning: /health at once, /ready when tokens
can be delivered. Stop is the reverse; a cycle in training saves its state and goes on next time.
"""

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

from radiance import ember, extensions, platform, records
from radiance.anchors import provider
from radiance.anchors.sets import AnchorSet
from radiance.api.services import Services
from radiance.config import Config
from radiance.config.derived import derive
from radiance.documents.questions import PassageQuestions
from radiance.documents.store import Documents
from radiance.engine.sharding.ranks import Ranks
from radiance.engine.tasks import Pieces, T, Task
from radiance.engine.watchdog import EngineWatchdog
from radiance.engine.worker import Engine
from radiance.errors import Unavailable
from radiance.evaluation.anchor_sample import accepted
from radiance.examples.facts import Facts
from radiance.examples.ownership import Overwritings
from radiance.examples.store import ExampleStore
from radiance.extensions import Part
from radiance.fallback.chain import Chain
from radiance.jobs.cycles import CycleLog
from radiance.jobs.fine_tuning import FineTunings
from radiance.jobs.uploads import Uploads
from radiance.learning.candidate import CandidateBuilder
from radiance.learning.forgetting import Forgetting
from radiance.learning.machine_conditions import MachineConditions
from radiance.learning.pause import TrainingPause
from radiance.learning.pause_switch import PauseSwitch
from radiance.learning.pipeline import Pipeline
from radiance.learning.question_maker import QuestionMaker
from radiance.registry.backup_schedule import BackupSchedule
from radiance.registry.names import CheckpointNames
from radiance.registry.root_watch import RootWatch, check_new
from radiance.registry.store import Registry
from radiance.release.canary import CanaryRouter
from radiance.release.monitor import Monitor
from radiance.release.outcome_trials import OutcomeTrials
from radiance.release.pointer import StablePointer, check_base
from radiance.release.retention import Retention
from radiance.service import crash_loop
from radiance.service.stores import Stores, open_stores
from radiance.storage import files
from radiance.telemetry import get_logger
from radiance.training.distributed import DistributedGradientComputer, agree
from radiance.training.gradient import GradientComputer
from radiance.training.lora import LoraModel
from radiance.web import alerts
from radiance.web.alert_sender import AlertSender

_MOST_EXPECTED = 500  # taught answers whose tokens are kept ready as drafts
_OTHERS_LOAD_S = 3600.0  # a rank may still be reading its model
_log = get_logger(__name__)


class Service:
    """A Radiance service over one root.

    Args:
        config: All settings.
        base_path: The base model's directory, found beforehand.
        ranks: The other processes that train with this one, which is rank 0, or with
            ``engine.shard`` have the other parts of the base model; None: there are none.
        give_up: Called where the engine delivers nothing and will not again; see
            ``EngineWatchdog``.
        on_look: Called every second by whoever watches the engine.
    """

    def __init__(
        self,
        config: Config,
        base_path: Path,
        ranks: Ranks | None = None,
        give_up: Callable[[str, bool], None] = lambda reason, is_of_training: None,
        on_look: Callable[[], None] = lambda: None,
    ) -> None:
        self._config = config
        self._ranks = ranks
        self._base_path = base_path
        self._give_up, self._on_look = give_up, on_look
        self._root_watch = RootWatch(config)
        self._engine: Engine | None = None
        self._engine_watchdog: EngineWatchdog | None = None
        self._services: Services | None = None
        self._on_stop = ExitStack()
        self._state_lock = threading.Lock()
        self._stop_asked = False

    @property
    def services(self) -> Services:
        """What the handlers work with.

        Raises:
            Unavailable: The service has not started, or has stopped.
        """
        if self._services is None:
            raise Unavailable("the service is stopping" if self._stop_asked else "starting")
        return self._services

    def start(self) -> None:
        """Bring everything up; returns when tokens can be delivered.

        Raises:
            Unavailable: Another process serves this root.
            ConfigError: The base model, the backend or the anchors cannot be used.
            StorageError: The disk or the database failed.
        """
        with self._state_lock:
            if not self._stop_asked:
                self._start()

    def stop(self) -> None:
        """Take everything down, last started first; safe to call at any time and twice.

        A part that cannot be closed does not keep the others open.

        Raises:
            Exception: What the first such part raised, once all others are closed.
        """
        self._stop_asked = True
        with self._state_lock:
            self._services = None
            if self._engine_watchdog is not None:
                self._engine_watchdog.expect_end()
            self._on_stop.close()

    def _start(self) -> None:
        config = self._config
        crashed, deaths = self._open_root()
        stores = open_stores(config, crashed, self._root_watch, self._on_stop, self._run_aside)
        anchors = self._load_anchors()  # before the engine, which takes longest
        engine = self._start_engine()
        self._services = self._start_workers(engine, stores, anchors, deaths)
        _log.info(
            "service_ready",
            base_model=config.base_model,
            backend=engine.device.backend,
            blas=platform.load_fast_blas().name,
            checkpoint=stores.registry.current_id(),
            waiting_jobs=stores.jobs.depth(),
        )

    def _open_root(self) -> tuple[bool, int]:
        """Lock the root; whether the last process crashed, and how many died quickly in a row."""
        config = self._config
        for path in (config.adapters_path, config.anchors_path, config.runs_path):
            files.make_directory(path)
        self._root_watch.lock(config.root)
        self._on_stop.callback(self._root_watch.close)
        check_new(config)
        crashed = crash_loop.record_crashes(config.runs_path, self._on_stop)
        return crashed, crash_loop.count_deaths(config.runs_path / "lives.json", self._on_stop)

    def _start_engine(self) -> Engine:
        """Load the base model, and watch over the thread that owns it."""
        config = self._config
        engine = self._engine = Engine(
            config.base_model,
            self._base_path,
            config.backend,
            config.engine,
            config.server.max_waiting_requests,
            config.server.request_timeout_s,
            config.training.priority,
            self._ranks if self._is_sharded else None,
        )
        watchdog = self._engine_watchdog = EngineWatchdog(
            engine, config.engine.wedged_after_s, self._give_up, self._on_look
        )
        self._on_stop.callback(watchdog.stop)  # it also watches the engine stop
        self._on_stop.callback(engine.stop)
        engine.start()
        watchdog.start()
        return engine

    def _run_aside(self, start: Callable[[], Pieces[T]]) -> Task[T]:
        """Short work in pieces on the engine's thread, which starts after the memory is opened."""
        if self._engine is None or not self._engine.is_alive:
            raise Unavailable("the engine is not running")
        return self._engine.aside(start)

    def _load_anchors(self) -> AnchorSet:
        """What must survive; a set that cannot be had now is named in the log."""
        anchors = provider.load(self._config, ember.MODEL_PATH / "anchors.jsonl")
        if anchors.missing:
            effect = f"Forgetting is measured on {anchors.source} instead."
            _log.warning("anchors_missing", effect=effect, reason=anchors.missing)
        return anchors

    def _start_workers(
        self, engine: Engine, stores: Stores, anchors: AnchorSet, deaths: int
    ) -> Services:
        """Start what learns, releases and watches, each on a thread of its own."""
        config = derive(self._config, engine.base.hidden_size)
        database, jobs, examples = stores.database, stores.jobs, stores.examples
        registry, curves, feedback = stores.registry, stores.curves, stores.feedback
        assert self._engine_watchdog is not None
        anchors = accepted(anchors, engine.encoder)
        builder = CandidateBuilder(
            self._config,
            engine,
            jobs,
            examples,
            registry,
            curves,
            anchors,
            self._gradient_computer(engine),
        )
        switch = PauseSwitch(database)
        limit = config.server.safe_mode_deaths
        if crash_loop.is_crash_loop(deaths, limit) and switch.get() is None:
            switch.set(True, "safe mode", f"the process died {deaths} times soon after its start")
        standing = "the base model is sharded (engine.shard)" if self._is_sharded else None
        reserve = self._root_watch.reserve
        pause = TrainingPause(engine, switch, MachineConditions(config.training), standing, reserve)
        pointer = StablePointer(
            engine,
            registry,
            jobs,
            lambda served: _expect_taught(engine, examples, registry, served),
            reserve,
        )
        check_base(config.base_model, engine, registry)
        pointer.follow()
        self._root_watch.once_sound(pointer.settle)
        documents = Documents(database, stores.memory.passages.add)
        passage_questions = PassageQuestions(database)
        maker = QuestionMaker(
            config.update, engine, documents, passage_questions, jobs, builder.preparation
        )
        pipeline = Pipeline(
            config,
            engine,
            builder,
            jobs,
            examples,
            registry,
            curves,
            pointer,
            lambda: pause.objection() or self._root_watch.fault,
            maker.prepare,
        )
        monitor = Monitor(
            config,
            engine,
            registry,
            pointer,
            feedback,
            anchors.examples,
            windows=builder.anchor_windows,
        )
        canary = CanaryRouter(config, engine, registry, stores.experiments, feedback)
        uploads = Uploads(
            database, config.runs_path / "files", most_bytes=config.server.max_files_bytes
        )
        forgetting = Forgetting(
            config,
            database,
            engine,
            jobs,
            registry,
            stores.memory,
            pointer,
            pipeline,
            canary,
            uploads,
            lambda: _forget_drafts(engine, examples, registry),
        )
        parts: dict[str, Part] = {}
        backups = BackupSchedule(config)
        retention = Retention(config, registry, lambda: stores.tidy(config))
        services = Services(
            config=config,
            engine=engine,
            jobs=jobs,
            examples=examples,
            facts=Facts(database),
            overwritings=Overwritings(database),
            documents=documents,
            passage_questions=passage_questions,
            question_maker=maker,
            memory=stores.memory,
            cycles=CycleLog(database),
            registry=registry,
            curves=curves,
            pipeline=pipeline,
            pointer=pointer,
            training_pause=pause,
            feedback=feedback,
            monitor=monitor,
            uploads=uploads,
            forgetting=forgetting,
            tunings=FineTunings(database, jobs),
            names=CheckpointNames(database),
            engine_watchdog=self._engine_watchdog,
            root_watch=self._root_watch,
            backups=backups,
            retention=retention,
            experiments=stores.experiments,
            outcome_trials=OutcomeTrials(database, registry.audit),
            canary=canary,
            chain=Chain(config.chain),
            anchors=anchors,
            started_at=records.now(),
            ready_since_s=time.monotonic(),
            parts=parts,
        )
        # First: settings of theirs that cannot be used are refused before anything is trained.
        self._start_extensions(services, parts)
        self._on_stop.callback(pipeline.stop)  # after the pause: a paused cycle could not end
        self._begin(pause)
        pipeline.start()
        self._begin(monitor)
        self._begin(canary)
        self._begin(stores.memory)
        self._begin(forgetting)
        self._begin(backups)
        self._begin(retention)
        name = f"{config.root} on {config.server.host}:{config.server.port}"
        self._begin(AlertSender(config.alerts, name, lambda: alerts.of(services)))
        return services

    def _start_extensions(self, services: Services, parts: dict[str, Part]) -> None:
        """Start what extensions run, and file it under their names."""
        for name, reason in extensions.discover().broken.items():
            _log.warning("extension_not_loaded", extension=name, reason=reason)
        for extension in extensions.installed():
            if (part := extension.start(services)) is not None:
                self._on_stop.callback(part.stop)
                parts[extension.name] = part

    def _begin(self, worker: "_Worker") -> None:
        self._on_stop.callback(worker.stop)
        worker.start()

    @property
    def _is_sharded(self) -> bool:
        return self._config.engine.shard != "none"

    def _gradient_computer(self, engine: Engine) -> Callable[[LoraModel], GradientComputer] | None:
        """What makes gradients: alone, or with the other ranks, once they are found to fit."""
        ranks = self._ranks
        if self._is_sharded:
            return None
        if ranks is None:
            return GradientComputer
        engine.call(
            lambda: agree(ranks, engine.base, self._config.training), patience_s=_OTHERS_LOAD_S
        )

        def make(lora: LoraModel) -> GradientComputer:
            shared = DistributedGradientComputer(lora, ranks)
            self._on_stop.callback(lambda: engine.call(shared.end))
            return shared

        return make


def _expect_taught(
    engine: Engine, examples: ExampleStore, registry: Registry, checkpoint_id: str
) -> None:
    """Have the engine draft what the served checkpoint was taught."""
    lineage = registry.ancestors(checkpoint_id)
    taught = examples.replay(_MOST_EXPECTED, (), 0, lineage)
    engine.expect([engine.encoder.example(e) for e in engine.encoder.taken(taught)])


def _forget_drafts(engine: Engine, examples: ExampleStore, registry: Registry) -> None:
    """Have the engine draft what is left of what the served checkpoint was taught, alone."""
    engine.forget_texts()
    if (current := registry.current_id()) is not None:
        _expect_taught(engine, examples, registry, current)


class _Worker(Protocol):
    def start(self) -> None: ...
    def stop(self) -> None: ...
