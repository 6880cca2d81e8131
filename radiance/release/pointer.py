"""The stable pointer: which checkpoint answers requests, and who moves it.

The registry holds the pointer (its newest release) and the audit log. This object makes the engine
and ``adapters/stable`` follow it, whoever moved it: a learning cycle, the monitor or a person.
"""

import contextlib
import functools
import threading
from collections.abc import Callable, Collection

from radiance import records
from radiance.engine.adapters.layers import does_fit, linear_layers
from radiance.engine.requests import BASE, SERVING, TRAINING, Weights
from radiance.engine.worker import Engine
from radiance.errors import ConfigError, CorruptCheckpoint, EngineFailed, StorageError
from radiance.jobs.queue import JobQueue
from radiance.records import Checkpoint
from radiance.registry import acceptance
from radiance.registry.served_base import ServedBase
from radiance.registry.store import Registry
from radiance.storage.reserve import Reserve, spend_nothing
from radiance.telemetry import get_logger

NAMED = {"base": BASE, "stable": SERVING, "training": TRAINING}
"""The weights that a name other than a checkpoint's id stands for."""
_log = get_logger(__name__)


class StablePointer:
    """Moves what serves. Safe to use from several threads.

    Args:
        engine: Serves the checkpoint that the pointer names.
        registry: Keeps the pointer, with the reason of each move in the audit log.
        jobs: The jobs that a forced promotion pardons.
        on_serve: Told which checkpoint serves, whenever it is another one than before.
        reserve: Room that is given up for a move where the disk is full; None: there is none.
    """

    def __init__(
        self,
        engine: Engine,
        registry: Registry,
        jobs: JobQueue,
        on_serve: Callable[[str], None] = lambda checkpoint_id: None,
        reserve: Reserve | None = None,
    ) -> None:
        self._engine, self._registry, self._jobs = engine, registry, jobs
        self._on_serve = on_serve
        self._spend = spend_nothing if reserve is None else reserve.spend
        self._lock = threading.Lock()
        self._is_link_behind = False

    def rollback(self, to: str | None, actor: str, reason: str) -> records.Release:
        """Serve an earlier checkpoint again, or the base; see ``Registry.rollback``."""
        release = self._spend(lambda: self._registry.rollback(to, actor, reason))
        self.follow()
        _log.info("rolled_back", checkpoint=release.checkpoint_id, actor=actor, reason=reason)
        return release

    def promote(
        self, checkpoint_id: str, actor: str, reason: str, *, force: bool = False
    ) -> records.Release:
        """Serve a checkpoint by hand; see ``Registry.promote``."""
        release = self._spend(
            lambda: self._registry.promote(
                checkpoint_id,
                actor,
                reason,
                force=force,
                on_pardon=lambda connection: self._jobs.pardon(connection, checkpoint_id),
            )
        )
        self.follow()
        _log.info("promoted_by_hand", checkpoint=checkpoint_id, actor=actor, reason=reason)
        return release

    def pin(self, checkpoint_id: str | None, actor: str, reason: str) -> records.Pin:
        """Hold the pointer where it is, or at a checkpoint; see ``Registry.pin``."""
        pin = self._spend(lambda: self._registry.pin(checkpoint_id, actor, reason))
        self.follow()
        _log.info("pinned", checkpoint=pin.checkpoint_id, actor=actor, reason=reason)
        return pin

    def unpin(self, actor: str, reason: str) -> None:
        """Let the pointer move by itself again; see ``Registry.unpin``."""
        self._spend(lambda: self._registry.unpin(actor, reason))
        _log.info("unpinned", actor=actor, reason=reason)

    def accept_anchors(
        self, anchors: Collection[str] | None, actor: str, reason: str
    ) -> list[records.OverwrittenAnchor]:
        """Accept what is overwritten in what serves; see ``registry.acceptance``."""
        accepted = acceptance.accept(self._registry, anchors, actor, reason)
        self.follow()
        _log.info("anchors_accepted", anchors=len(accepted), actor=actor, reason=reason)
        return accepted

    def follow(self) -> None:
        """Make the engine and ``adapters/stable`` follow the registry; harmless when repeated.

        The move is on record: where the disk fails, the link follows later (``settle``).

        Raises:
            EngineFailed: The engine hangs; the link has moved, and the engine follows once it can.
            CorruptCheckpoint: The checkpoint's files are not the ones that were committed.
        """
        with self._lock:
            current = self._registry.current()
            try:
                if current is None:
                    self._engine.serve(BASE)
                elif (current.checkpoint_id, current.status) != (
                    self._engine.source.checkpoint_id,
                    self._engine.source.status,
                ):
                    self._engine.serve(weights_of(current, self._registry))
                    self._on_serve(current.checkpoint_id)
            except EngineFailed:  # it hangs: it follows once it moves again, or ends
                self._point_link()
                raise
            self._point_link()

    def settle(self) -> None:
        """Have the link follow where a disk that failed kept it behind; harmless when repeated."""
        if self._is_link_behind:
            with self._lock:
                self._point_link()

    def _point_link(self) -> None:
        was_behind, self._is_link_behind = self._is_link_behind, True
        try:
            self._registry.point_stable()
            self._is_link_behind = False
        except StorageError as error:
            if not was_behind:
                _log.warning("stable_link_is_behind", error=str(error))

    def weights(self, name: str) -> Weights:
        """The weights of "base", "stable", "training" or a checkpoint's id.

        Raises:
            NotFound: There is no such checkpoint.
            Conflict: It has learned what was forgotten since, or its weights were pruned.
            CorruptCheckpoint: Its files are gone.
        """
        if name in NAMED:
            return NAMED[name]
        self._registry.check_can_serve(name)
        weights = weights_of(self._registry.get(name), self._registry)
        if weights.path is None or not weights.path.is_dir():
            raise CorruptCheckpoint(f"{name}: its files are gone from adapters/")
        return weights


def check_base(name: str, engine: Engine, registry: Registry) -> None:
    """See that what serves was trained on the base model that is loaded.

    Args:
        name: Of that base model, as the settings have it.
        engine: Has loaded it.
        registry: Knows from now on what it may serve.

    Raises:
        ConfigError: It was trained on another, and its numbers mean nothing here.
    """
    base = engine.base
    layers = functools.cache(lambda: engine.call(lambda: linear_layers(base.skeleton())))
    served = ServedBase(name, base.content_hash, lambda adapter: does_fit(adapter, layers()))
    registry.serve_on(served)
    if (current := registry.current()) is None:
        return
    if (other := registry.other_base(current.checkpoint_id)) is not None:
        raise ConfigError(
            f'base_model (is "{name}"): {current.checkpoint_id}, which serves in this root, was '
            f"trained on another base model, {other}. Start with that one again, or name another "
            "--root for this one. Or start with that one, have it serve bare (radiance checkpoints "
            "rollback --to base), and start with this one then."
        )
    with contextlib.suppress(CorruptCheckpoint):  # told where its files are looked at
        if served.is_changed(registry.manifest(current.checkpoint_id)):
            effect = "It was trained on other weights, or another configuration, of the same name."
            _log.warning("base_model_changed", checkpoint=current.checkpoint_id, effect=effect)


def weights_named(checkpoint_id: str | None, registry: Registry) -> Weights:
    """The weights of a checkpoint by its id, or of the base.

    Raises:
        NotFound: There is no such checkpoint.
    """
    return BASE if checkpoint_id is None else weights_of(registry.get(checkpoint_id), registry)


def weights_of(checkpoint: Checkpoint, registry: Registry) -> Weights:
    """A checkpoint's weights, as the engine is asked for them."""
    return Weights(
        "checkpoint",
        checkpoint.checkpoint_id,
        checkpoint.status,
        checkpoint.content_hash,
        registry.path(checkpoint.checkpoint_id),
    )
