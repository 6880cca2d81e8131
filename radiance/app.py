"""The composition root: from a Config to a running service, and the order of starting and stopping.

Start: lock the root, open the database, put files and rows in order, load the model, serve the
stable checkpoint, run cycles. HTTP answers from the beginning: /health at once, /ready when tokens
can be delivered. Stop is the reverse; a cycle in training saves its state and goes on next time.
"""

import faulthandler
import os
import threading
from collections.abc import Callable
from pathlib import Path

from radiance import ember, platform, records
from radiance.alphas.desk import Desk
from radiance.anchors import provider
from radiance.api.rooms import Rooms
from radiance.config import Config
from radiance.engine.ranks import Ranks
from radiance.engine.worker import Engine
from radiance.errors import Unavailable
from radiance.intake.feedback import FeedbackLog
from radiance.intake.fine_tuning import FineTunings
from radiance.intake.jobs import Jobs
from radiance.intake.pause import PauseSwitch
from radiance.intake.uploads import Uploads
from radiance.learner import Learner
from radiance.monitor import Monitor
from radiance.neighbour import Neighbour
from radiance.pacer import Pacer
from radiance.pipeline import Pipeline
from radiance.registry.curves import Curves
from radiance.registry.experiments import Experiments
from radiance.registry.names import Names
from radiance.registry.store import Registry
from radiance.signals.runs import Runs
from radiance.storage import files
from radiance.storage.lives import SETTLED_AFTER_S, Lives
from radiance.storage.sqlite import Database
from radiance.supervisor import Supervisor
from radiance.telemetry import get_logger
from radiance.traffic import Traffic
from radiance.training.blockwise import Differentiator
from radiance.training.distributed import Shared, agree
from radiance.training.lora import LoraModel
from radiance.upstreams.chain import Chain

CRASH_LOG = "crash.log"
_OTHERS_LOAD_S = 3600.0  # a rank may still be reading its model
_log = get_logger(__name__)


class Service:
    """A Radiance service over one root.

    Args:
        config: All settings.
        base_path: The base model's directory, found beforehand.
        ranks: The other processes that train with this one, which is rank 0, or with
            ``engine.shard`` have the other parts of the base model; None: there are none.
        give_up: Called where the engine delivers nothing and will not again, with the reason.
        on_look: Called every second by whoever watches the engine.
    """

    def __init__(
        self,
        config: Config,
        base_path: Path,
        ranks: Ranks | None = None,
        give_up: Callable[[str], None] = lambda reason: None,
        on_look: Callable[[], None] = lambda: None,
    ) -> None:
        self._config = config
        self._ranks = ranks
        self._base_path = base_path
        self._give_up, self._on_look = give_up, on_look
        self._supervisor: Supervisor | None = None
        self._rooms: Rooms | None = None
        self._closing: list[Callable[[], None]] = []
        self._state_lock = threading.Lock()
        self._stop_asked = False

    @property
    def rooms(self) -> Rooms:
        """What the handlers work with.

        Raises:
            Unavailable: The service has not started, or has stopped.
        """
        if self._rooms is None:
            raise Unavailable("the service is stopping" if self._stop_asked else "starting")
        return self._rooms

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
        """Take everything down, last started first; safe to call at any time and twice."""
        self._stop_asked = True
        with self._state_lock:
            self._rooms = None
            if self._supervisor is not None:
                self._supervisor.expect_end()
            while self._closing:
                self._closing.pop()()

    def _start(self) -> None:
        config = self._config
        for path in (config.adapters_path, config.anchors_path, config.runs_path):
            files.make_directory(path)
        self._lock_root()
        died_of_itself = self._watch_crashes()
        deaths = self._count_deaths()
        database = Database(config.database_path)
        self._closing.append(database.close)
        jobs, curves = Jobs(database), Curves(database)
        registry = Registry(database, config.adapters_path)
        for finding in registry.reconcile():
            _log.warning("reconciled", finding=finding)
        recovered = jobs.recover(
            died_of_itself,
            config.training.max_deaths,
            config.training.max_interruptions,
            registry.accepted(),
        )
        for job in recovered:
            _log.warning("job_recovered", job=job.job_id, status=job.status, error=job.error)
        files.sweep_temporaries(config.runs_path)

        anchors = provider.load(config, ember.MODEL_PATH / "anchors.jsonl")
        if anchors.missing:
            effect = "Forgetting is not measured or prevented, but on anchors of your own."
            _log.warning("anchors_missing", effect=effect, reason=anchors.missing)
        chain, desk = Chain(config.chain), _desk(config)
        is_sharded = config.engine.shard != "none"
        engine = Engine(
            config.base_model,
            self._base_path,
            config.backend,
            config.engine,
            config.server.max_waiting_requests,
            config.server.request_timeout_s,
            config.training.priority,
            self._ranks if is_sharded else None,
        )
        supervisor = self._supervisor = Supervisor(
            engine, config.engine.wedged_after_s, self._give_up, self._on_look
        )
        self._closing += [supervisor.stop, engine.stop]  # it also watches the engine stop
        engine.start()
        supervisor.start()
        differentiate = None if is_sharded else self._share(engine)
        learner = Learner(config, engine, jobs, registry, curves, anchors, differentiate)
        switch = PauseSwitch(database)
        if self._is_crash_loop(deaths) and switch.get() is None:
            switch.set(True, "safe mode", f"the process died {deaths} times soon after its start")
        standing = "the base model is sharded (engine.shard)" if is_sharded else None
        pacer = Pacer(engine, switch, Neighbour(config.training), standing)
        pipeline = Pipeline(config, engine, learner, jobs, registry, curves, pacer.objection)
        pipeline.serve_current()
        self._closing.append(pipeline.stop)
        self._closing.append(pacer.stop)
        pacer.start()
        pipeline.start()
        feedback = FeedbackLog(database)
        monitor = Monitor(config, engine, registry, pipeline, feedback, anchors.examples)
        self._closing.append(monitor.stop)
        monitor.start()
        lab = Runs(config.runs_path / "signals")
        self._closing.append(lab.stop)
        experiments = Experiments(database, registry.audit)
        traffic = Traffic(config, engine, registry, experiments, feedback)
        self._closing.append(traffic.stop)
        traffic.start()
        self._rooms = Rooms(
            config=config,
            engine=engine,
            jobs=jobs,
            registry=registry,
            curves=curves,
            pipeline=pipeline,
            pacer=pacer,
            feedback=feedback,
            monitor=monitor,
            lab=lab,
            uploads=Uploads(database, config.runs_path / "files"),
            tunings=FineTunings(database, jobs),
            names=Names(database),
            supervisor=supervisor,
            experiments=experiments,
            traffic=traffic,
            desk=desk,
            chain=chain,
            has_anchors=bool(anchors),
            started_at=records.now(),
        )
        current = registry.current()
        _log.info(
            "service_ready",
            base_model=config.base_model,
            backend=engine.device.backend,
            blas=platform.load_fast_blas().name,
            checkpoint=current.checkpoint_id if current else None,
            waiting_jobs=jobs.depth(),
        )

    def _share(self, engine: Engine) -> Callable[[LoraModel], Differentiator]:
        """What makes gradients: alone, or with the other ranks, once they are found to fit."""
        ranks = self._ranks
        if ranks is None:
            return Differentiator
        engine.call(
            lambda: agree(ranks, engine.base, self._config.training), patience_s=_OTHERS_LOAD_S
        )

        def make(lora: LoraModel) -> Differentiator:
            shared = Shared(lora, ranks)
            self._closing.append(lambda: engine.call(shared.end))
            return shared

        return make

    def _lock_root(self) -> None:
        descriptor = platform.lock_file(self._config.runs_path / "radiance.lock")
        if descriptor is None:
            raise Unavailable(
                f"{self._config.root} is served by another process. Stop it, or use another --root."
            )
        self._closing.append(lambda: os.close(descriptor))

    def _count_deaths(self) -> int:
        """Quick deaths in a row before this start; this one counts until it has lasted."""
        lives = Lives(self._config.runs_path / "lives.json")
        deaths = lives.begin()
        timer = threading.Timer(SETTLED_AFTER_S, lives.settle)
        timer.daemon = True
        timer.start()

        def end() -> None:
            timer.cancel()
            lives.settle()

        self._closing.append(end)
        return deaths

    def _is_crash_loop(self, deaths: int) -> bool:
        """Whether to start in safe mode: serve what was promoted last, and train nothing."""
        limit = self._config.server.safe_mode_deaths
        if not limit or deaths < limit:
            return False
        remedy = "Look at the log and at runs/crash.last.log; then: radiance training resume."
        _log.error("safe_mode", quick_deaths=deaths, remedy=remedy)
        return True

    def _watch_crashes(self) -> bool:
        """Have a fatal signal leave a trace; say whether the last process left one.

        A Metal out-of-memory aborts the process and cannot be caught; a kill from outside leaves
        nothing. The difference decides how soon a job is put in quarantine.
        """
        path = self._config.runs_path / CRASH_LOG
        trace = path.read_text(errors="replace") if path.exists() else ""
        if trace:
            _log.error("last_process_crashed", trace=trace[-2000:])
            files.write_durably(path.with_name("crash.last.log"), trace.encode())
        stream = path.open("w")
        faulthandler.enable(stream)

        def close() -> None:
            faulthandler.disable()
            stream.close()

        self._closing.append(close)
        return bool(trace)


def _desk(config: Config) -> Desk:
    given = (config.alphas.data, config.alphas.groups)
    data, groups = (config.root / path if path else None for path in given)
    return Desk(data, groups, config.runs_path / "alpha_trials.json")
