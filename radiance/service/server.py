"""A service in a process: its server, its signals and exit code, and the other ranks' part.

``serve`` runs until it is told to stop, ``train`` until nothing waits. Under ``mlx.launch`` every
process comes here; rank 0 becomes the service, the others help it until it ends.
"""

import asyncio
import contextlib
import errno
import gc
import logging
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import uvicorn
from starlette.applications import Starlette

from radiance import ember
from radiance.api.auth.access import tls_files
from radiance.api.routes import create_app
from radiance.config import Config, is_loopback
from radiance.engine.assembly import assemble
from radiance.engine.model.base import load_base
from radiance.engine.model.device import select_device
from radiance.engine.model.finding import find_base
from radiance.engine.replica import follow
from radiance.engine.sharding.ranks import Ranks
from radiance.engine.watchdog import ProcessWatchdog
from radiance.errors import ConfigError, LostRank, RadianceError, Unavailable
from radiance.platform import bound_malloc_arenas
from radiance.records import Job
from radiance.service import app
from radiance.service.crash_loop import CRASH_LOG
from radiance.service.protocol import bounded_by
from radiance.telemetry import configure_logging, get_logger
from radiance.training.distributed import serve_rank
from radiance.web import site
from radiance.web.pages import overview

_GRACEFUL_STOP_S = 30
# How long a thread that computes keeps the interpreter from one that wants it: Python's 0.005 s is
# as long as a token takes, and an answer changes threads dozens of times, each of which would wait
# that long while a client keeps the event loop busy.
_SWITCH_S = 0.0005
_LOOK_S = 0.2  # how often `train` looks whether all is trained
_ALL = 1 << 31
_log = get_logger(__name__)


def serve(config: Config, *, is_distributed: bool = False) -> int:
    """Run the service until it is told to stop (SIGTERM, SIGINT, SIGHUP).

    Args:
        config: All settings.
        is_distributed: Train together with the other processes that ``mlx.launch`` started. Rank 0
            serves; the others compute their share until it ends.

    Returns:
        The exit code: 0 stopped as asked, 1 it could not start or failed, 2 a setting is unusable.

    Raises:
        ConfigError: The base model is not there, or API keys or TLS files cannot be used.
        LostRank: This is another rank than 0, and one is gone.
        Unavailable: Nothing can listen at the address; nothing was started.
    """
    bound_malloc_arenas()  # before there are threads
    configure_logging(config.log)
    tls = tls_files(config)
    base_path = find_base(config.base_model, ember.MODEL_PATH)
    ranks = _ranks(config, is_distributed)
    if ranks is not None and ranks.rank:
        return _help(config, base_path, ranks)
    watchdog = ProcessWatchdog(
        config.runs_path / CRASH_LOG, 2 * config.engine.wedged_after_s + _GRACEFUL_STOP_S
    )
    service = app.Service(config, base_path, ranks, watchdog.end_process, watchdog.stay_alive)
    outcome = _Outcome()

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        starting = asyncio.get_running_loop().run_in_executor(None, _start, service, outcome)
        starting.add_done_callback(lambda _: outcome.stop_on_failure(server))
        yield
        await asyncio.to_thread(service.stop)
        watchdog.close()

    application = create_app(lambda: service.services, config, lifespan)
    server = _AnnouncedServer(
        uvicorn.Config(
            site.install(application, lambda: server.should_exit),
            host=config.server.host,
            port=config.server.port,
            ssl_certfile=tls[0] if tls else None,
            ssl_keyfile=tls[1] if tls else None,
            log_config=None,
            log_level=logging.WARNING,
            access_log=False,
            http=bounded_by(config.server),
            server_header=False,
            timeout_graceful_shutdown=_GRACEFUL_STOP_S,
        ),
        config.root,
    )
    if not is_loopback(config.server.host):
        _warn_of_others(config, is_encrypted=tls is not None)

    def stop(*_: object) -> None:
        server.should_exit = True

    # Uvicorn installs its own handlers while it runs and raises the signal again when it has
    # stopped; with ours beneath, a stop that was asked for ends with code 0.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # a closed terminal, too
        signal.signal(number, stop)
    server.run()
    return outcome.code if server.started else 1


def train(config: Config, *, is_distributed: bool = False) -> list[Job]:
    """Train all that waits, without serving; SIGTERM and SIGINT stop it, to go on next time.

    Args:
        config: All settings.
        is_distributed: As of ``serve``.

    Returns:
        The jobs that waited, as they are now; empty on another rank than 0.

    Raises:
        ConfigError: The base model is not there, or the ranks do not fit each other.
        LostRank: Another rank is gone; what it was helping with waits again.
        Unavailable: Another process serves this root.
    """
    configure_logging(config.log)
    if config.engine.shard != "none":
        raise ConfigError(
            f'engine.shard (is "{config.engine.shard}"): training needs the whole base model on '
            'each machine. Set it to "none".'
        )
    base_path = find_base(config.base_model, ember.MODEL_PATH)
    ranks = Ranks() if is_distributed else None
    if ranks is not None and ranks.rank:
        _help(config, base_path, ranks)
        return []
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    at_once = msgspec.structs.replace(config.update, mode="immediate")
    service = app.Service(msgspec.structs.replace(config, update=at_once), base_path, ranks)
    try:
        service.start()
        if (pause := service.services.training_pause.pause_in_force) is not None:
            raise Unavailable(
                f"Training is paused by {pause.actor}: {pause.reason}. Start the service and end "
                "that: radiance training resume."
            )
        jobs = service.services.jobs
        found = [job for job in reversed(jobs.recent(_ALL)) if job.finished_at is None]
        while any(job.finished_at is None for job in found) and not stopped.wait(_LOOK_S):
            found = [jobs.get(job.job_id) for job in found]
            if ranks is not None and not ranks.is_whole:
                raise LostRank("Another rank was lost. What it helped with waits for the next run.")
        return found
    finally:
        service.stop()


def _ranks(config: Config, is_distributed: bool) -> Ranks | None:
    if is_distributed:
        return Ranks()
    if config.engine.shard != "none":
        raise ConfigError(
            f'engine.shard (is "{config.engine.shard}"): needs the processes that mlx.launch '
            "starts, as in: mlx.launch --hosts mac1,mac2 -- radiance run --distributed."
        )
    return None


def _help(config: Config, base_path: Path, ranks: Ranks) -> int:
    """Be another rank than 0: compute what is sent until that ends."""
    _log.info("helping", rank=ranks.rank, ranks=ranks.size, shard=config.engine.shard)
    device = select_device(config.backend)
    if config.engine.shard == "none":
        serve_rank(ranks, load_base(config.base_model, base_path, device), config.training)
    else:
        name = config.base_model
        follow(assemble(name, base_path, device, config.engine, ranks), ranks)
    return 0


def _warn_of_others(config: Config, *, is_encrypted: bool) -> None:
    """Say what others can do to a service that they reach."""
    host = config.server.host
    if config.access.required == "never":
        remedy = "Anybody who reaches this address can ask and teach: access.required is never."
        _log.warning("open_to_others", host=host, remedy=remedy)
    elif not is_encrypted:
        remedy = "Keys and prompts cross the network unencrypted: set server.tls_cert."
        _log.warning("not_encrypted", host=host, remedy=remedy)


class _Outcome:
    """How the service ended."""

    def __init__(self) -> None:
        self.code = 0

    def stop_on_failure(self, server: uvicorn.Server) -> None:
        if self.code:
            server.should_exit = True


class _AnnouncedServer(uvicorn.Server):
    """Says where it listens, once it does; with port 0 nobody knows beforehand."""

    def __init__(self, config: uvicorn.Config, root: Path) -> None:
        super().__init__(config)
        self._root = root

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await _see_that_it_is_free(self.config.host, self.config.port)
        await super().startup(sockets)
        scheme = "https" if self.config.is_ssl else "http"
        for listening in self.servers:
            for listener in listening.sockets:
                host, port = listener.getsockname()[:2]
                shown = f"[{host}]" if ":" in host else host
                _log.info("listening", url=f"{scheme}://{shown}:{port}", root=str(self._root))


async def _see_that_it_is_free(host: str, port: int) -> None:
    """See that one can listen at an address, before anything is opened or learned.

    Raises:
        Unavailable: One cannot.
    """
    try:
        probe = await asyncio.get_running_loop().create_server(asyncio.Protocol, host, port)
    except OSError as error:
        raise Unavailable(_why_not(host, port, error)) from None
    probe.close()
    await probe.wait_closed()


def _why_not(host: str, port: int, error: OSError) -> str:
    at = f"{host}:{port}"
    if error.errno == errno.EADDRINUSE:
        return (
            f"Something listens at {at} already: perhaps this service, started before. Stop it, or "
            "name another port by --port."
        )
    if error.errno == errno.EACCES:
        return f"Only root may listen at {at}. Name a port from 1024 on by --port."
    reason = error.strerror or str(error)
    return f"Nothing can listen at {at} ({reason}). Name an address of this machine by --host."


def _start(service: app.Service, outcome: _Outcome) -> None:
    try:
        service.start()
        with contextlib.suppress(RadianceError):  # a page says it, where it stays so
            overview.prepare(service.services)
        # What lives as long as the process is not looked at again by the garbage collector: with
        # it a collection stops every request for a tenth of a second.
        gc.collect()
        gc.freeze()
        sys.setswitchinterval(_SWITCH_S)
    except ConfigError as error:
        outcome.code = 2
        _log.error("start_failed", error=str(error))
    except RadianceError as error:
        outcome.code = 1
        _log.error("start_failed", error=str(error))
    except BaseException:
        outcome.code = 1
        _log.exception("start_failed")
        raise
