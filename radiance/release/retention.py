"""Retention: what of the past is given up for room, and that nothing which may serve loses its own.

Of a checkpoint that nothing needs the weights are deleted; its row, manifest and measurements stay,
and the audit log says so. It is marked first, in the transaction that looks at what is needed, and
from then on nothing takes it up; the file goes once nobody who took it up before can still wait
for it. A kill in between leaves the file to the next start.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from radiance import extensions
from radiance.config import Config, RetentionSettings
from radiance.periodic import PeriodicThread
from radiance.registry.audit import append
from radiance.registry.labels import labels
from radiance.registry.manifest import WEIGHTS
from radiance.registry.rows import NO_CYCLE
from radiance.registry.store import Registry
from radiance.storage import files
from radiance.storage.sqlite import Row, to_json, to_text
from radiance.telemetry import get_logger

_TICK_S = 2.0
_log = get_logger(__name__)


@dataclass(frozen=True)
class StoredHistory:
    """What there is, as far as retention asks.

    Attributes:
        parents: The parent of every checkpoint by its id, the oldest first; None is the base.
        history: What was served, the oldest first, without what was rolled back.
        in_use: Why checkpoints are needed now, by id: pins, canaries, the cycle under way.
        wanted: Why people want others kept, by id: names, labels, tags, what was imported.
        gone: Those whose weights are not there, or are kept as evidence.
    """

    parents: Mapping[str, str | None]
    history: Sequence[str | None] = ()
    in_use: Mapping[str, str] = field(default_factory=dict)
    wanted: Mapping[str, str] = field(default_factory=dict)
    gone: Collection[str] = ()


@dataclass(frozen=True)
class Pruning:
    """What was pruned, or would be.

    Attributes:
        checkpoints: Ids of those whose weights are given up, the oldest first.
        size_bytes: What their weights take.
        kept: How many keep theirs, by why.
    """

    checkpoints: tuple[str, ...]
    size_bytes: int
    kept: Mapping[str, int]


def needed(past: StoredHistory, keep: int, keep_promoted: int) -> dict[str, str]:
    """Why each checkpoint keeps its weights, by id; who is not among them may lose theirs.

    Args:
        past: What there is.
        keep: So many of the newest; 0: all.
        keep_promoted: So many of those that served last.
    """
    there = [id for id in past.parents if id not in past.gone]
    found: dict[str, str] = {}
    if past.history and (serving := past.history[-1]) is not None:
        found[serving] = "serves"
    served = [id for id in past.history if id is not None and id in past.parents]
    may_return = [id for id in dict.fromkeys(reversed(served)) if id not in past.gone]
    for id in may_return[:keep_promoted]:
        found.setdefault(id, "served lately")
    for id, why in past.in_use.items():
        found.setdefault(id, why)
    for id in list(found):
        if (parent := past.parents.get(id)) is not None and (
            found[id] == "serves" or id in past.in_use
        ):
            found.setdefault(parent, "parent")
    for id in there[-keep:] if keep else there:
        found.setdefault(id, "newest" if keep else "all are kept")
    for id, why in past.wanted.items():
        found.setdefault(id, why)
    return {id: why for id, why in found.items() if id in there}


class Retention:
    """Gives up what settings say is not kept. Safe to use from several threads.

    Args:
        config: All settings.
        registry: The checkpoints.
        tidy: Called now and then beside, to keep the rest of ``runs/`` within its bounds.
        clock: Seconds, rising.
    """

    def __init__(
        self,
        config: Config,
        registry: Registry,
        tidy: Callable[[], object] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config, self._registry, self._db = config, registry, registry.db
        self._tidy, self._clock = tidy, clock
        self._marked: dict[str, float] = {}  # by this process: who waits for one may be alive
        self._done: set[str] = set()
        self._looked_at: tuple[object, ...] | None = None
        self._lock = threading.Lock()  # what is marked is known here before it could be deleted
        self._thread = PeriodicThread("retention", self.tick, _TICK_S, at_once=True)

    @property
    def settings(self) -> RetentionSettings:
        return self._config.retention

    def start(self) -> None:
        """Begin to look, now and every few seconds."""
        self._thread.start()

    def stop(self) -> None:
        """End that."""
        self._thread.stop()

    def tick(self) -> None:
        """Prune what is due, delete what was given up, and tidy the rest."""
        # What makes a checkpoint needless is in the log, but for a cycle's end and a name's.
        state = self._registry.audit.head().number, *self._in_use(), *self._named()
        if self.settings.keep_checkpoints and state != self._looked_at:
            self.prune("retention", "As [retention] has it.")
            self._looked_at = state
        self.delete_given_up()
        self._tidy()

    def preview(self, keep: int | None = None) -> Pruning:
        """What ``prune`` would do; nothing is changed."""
        with self._db.transaction():
            return self._plan(keep)

    def prune(self, actor: str, reason: str, keep: int | None = None) -> Pruning:
        """Give up the weights of what nothing needs; on record when this returns.

        Args:
            actor: Who asks for it.
            reason: Why, as a sentence.
            keep: So many of the newest checkpoints; None: as settings have it.

        Raises:
            StorageError: The disk or the database failed; nothing was given up.
        """
        if not self.preview(keep).checkpoints:  # the usual case writes nothing
            return self.preview(keep)
        at = self._registry.clock()
        with (
            self._lock,
            self._registry.audit.sealed(),
            self._db.transaction() as connection,
        ):
            plan = self._plan(keep)
            if plan.checkpoints:
                connection.execute(
                    "UPDATE checkpoints SET pruned_at = ?, damage = NULL"
                    " WHERE id IN (SELECT value FROM json_each(?))",
                    (to_text(at), to_json(plan.checkpoints)),
                )
                body = {"reason": reason, "checkpoints": plan.checkpoints}
                append(connection, "prune", actor, None, body, at)
            self._marked |= dict.fromkeys(plan.checkpoints, self._clock())
        for id in plan.checkpoints:
            _log.info("checkpoint_pruned", checkpoint=id, actor=actor)
        self._thread.wake()
        return plan

    def delete_given_up(self) -> list[str]:
        """Delete the weights that were given up and that nobody can wait for; their ids."""
        patience = self._config.server.request_timeout_s
        deleted = []
        with self._lock:
            for id in sorted(self._registry.pruned() - self._done):
                if self._clock() - self._marked.get(id, -float("inf")) <= patience:
                    continue
                weights = self._registry.path(id) / WEIGHTS
                if weights.exists():
                    files.remove_file(weights)
                    deleted.append(id)
                self._done.add(id)
                self._marked.pop(id, None)
        return deleted

    # ── Reading ─────────────────────────────────────────────────────────────────────────────────

    def _plan(self, keep: int | None) -> Pruning:
        """In the open transaction."""
        keep = self.settings.keep_checkpoints if keep is None else keep
        past = self._past()
        kept = needed(past, keep, self.settings.keep_promoted)
        given_up = [id for id in past.parents if id not in kept and id not in past.gone]
        sizes = sum(self._size(id) for id in given_up)
        return Pruning(tuple(given_up), sizes, Counter(kept.values()))

    def _size(self, id: str) -> int:
        try:
            return (self._registry.path(id) / WEIGHTS).stat().st_size
        except OSError:  # deleted by hand: there is nothing to keep
            return 0

    def _past(self) -> StoredHistory:
        registry, read = self._registry, self._db.read
        rows = read("SELECT id, parent_id, cycle_id, pruned_at FROM checkpoints ORDER BY number")
        return StoredHistory(
            parents={row["id"]: row["parent_id"] for row in rows},
            history=registry.history(),
            in_use=dict(self._in_use()),
            wanted=dict(self._wanted(rows)),
            gone=registry.withdrawn() | {row["id"] for row in rows if row["pruned_at"]},
        )

    def _in_use(self) -> Iterator[tuple[str, str]]:
        read, pin = self._db.read, self._registry.pinned()
        if pin is not None and pin.checkpoint_id is not None:
            yield pin.checkpoint_id, "pinned"
        for row in read("SELECT candidate FROM experiments WHERE ended_at IS NULL"):
            if row["candidate"] is not None:
                yield row["candidate"], "tried"
        for row in read("SELECT candidate_id, parent_id FROM cycles WHERE status = 'open'"):
            yield row["candidate_id"], "cycle under way"
            if row["parent_id"] is not None:
                yield row["parent_id"], "cycle under way"

    def _named(self) -> Iterator[tuple[str, str]]:
        for row in self._db.read("SELECT checkpoint_id FROM checkpoint_names ORDER BY name"):
            yield row["checkpoint_id"], "named"

    def _wanted(self, rows: Sequence[Row]) -> Iterator[tuple[str, str]]:
        read = self._db.read
        for row in rows:
            if row["cycle_id"] == NO_CYCLE:  # nothing here could make it again
                yield row["id"], "imported"
        yield from self._named()
        for row in read(
            "SELECT checkpoint FROM jobs JOIN fine_tunings ON fine_tunings.job = jobs.number"
            " WHERE checkpoint IS NOT NULL AND json_extract(request, '$.suffix') IS NOT NULL"
        ):
            yield row["checkpoint"], "named"
        for id, label in labels(self._db).items():
            if label.name or label.note:
                yield id, "labelled"
        for row in read(
            "SELECT DISTINCT checkpoint FROM jobs, json_each(jobs.tags) WHERE checkpoint IS NOT"
            " NULL AND json_each.value IN (SELECT value FROM json_each(?))",
            (to_json(self.settings.keep_tags),),
        ):
            yield row["checkpoint"], "tagged"
        undecided = "SELECT champion, candidate FROM outcome_trials WHERE verdict = 'undecided'"
        for row in read(undecided):
            yield row["champion"], "tried"
            yield row["candidate"], "tried"
        for extension in extensions.installed():
            for id in extension.checkpoints(self._config):
                yield id, "in the settings"
