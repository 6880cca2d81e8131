"""Commits checkpoints, and moves the pointer that says which one is served.

The newest row of ``releases`` is the truth about what is served; ``adapters/stable`` is a link for
people and other programs that follows it. A checkpoint's directory is published before its row is
written, so a row always has its files; a directory without a row is a candidate that a repeated
cycle will find again. Every change goes into the audit log in its own transaction.
"""

import re
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Literal

from radiance import records
from radiance.errors import Cancelled, Conflict, CorruptCheckpoint, RegistryError
from radiance.records import (
    Checkpoint,
    CheckpointStatus,
    Cycle,
    Decision,
    Evaluation,
    Evidence,
    Manifest,
    Pin,
    Release,
)
from radiance.registry import bodies, evaluations
from radiance.registry import manifest as manifests
from radiance.registry.audit import Action, Audit, append
from radiance.registry.checkpoints import Checkpoints
from radiance.registry.rows import (
    BASE,
    NO_CYCLE,
    STABLE_LINK,
    current_id,
    insert_checkpoint,
    insert_release,
    refuse_pruned,
    to_checkpoint,
    to_pin,
    to_release,
    why_held,
)
from radiance.storage import files
from radiance.storage.sqlite import Connection, Database, Row

_NUMBER = re.compile(r"A_\d{4}-\d{2}-\d{2}_(\d{4,})")
_AUTOMATIC = ("gate", "monitor")


class Registry(Checkpoints):
    """All checkpoints. Safe to use from several threads.

    Args:
        db: Where their rows are kept.
        adapters_path: Where their files are kept; made if it is missing.
        clock: The time that is noted for what happens now; aware, UTC.

    Attributes:
        db: As given; so are ``adapters_path`` and ``clock``.
        audit: The log that every change goes into.
    """

    def __init__(
        self,
        db: Database,
        adapters_path: Path,
        clock: Callable[[], datetime] = records.now,
    ) -> None:
        super().__init__(db, adapters_path)
        self.db, self.adapters_path, self.clock = db, adapters_path, clock
        self.audit = Audit(db)
        files.make_directory(adapters_path)

    # ------------------------------------------------------------------------- committing

    def new_checkpoint_id(self, connection: Connection, today: date) -> str:
        """``A_2026-02-09_0012``: a name no checkpoint ever had, in the open transaction.

        The number rises for ever. It also passes over every number found on disk, so that a lost
        database does not lead to two checkpoints of one name.
        """
        row = connection.execute("SELECT value FROM sequences WHERE name = 'checkpoint'").fetchone()
        on_disk = [
            int(match[1])
            for path in self.adapters_path.iterdir()
            if (match := _NUMBER.search(path.name))
        ]
        number = max([row["value"] if row else 0, *on_disk]) + 1
        connection.execute("INSERT OR REPLACE INTO sequences VALUES ('checkpoint', ?)", (number,))
        return f"A_{today.isoformat()}_{number:04d}"

    def staging(self, checkpoint_id: str) -> Path:
        """A new, empty directory for the trainer to write the two adapter files into."""
        return files.fresh_directory(
            self.adapters_path / f"{files.TEMPORARY_PREFIX}{checkpoint_id}"
        )

    def discard_staged(self, checkpoint_id: str) -> None:
        """Delete what was staged of a candidate that came to nothing; there may be none."""
        files.discard_directory(self.adapters_path / f"{files.TEMPORARY_PREFIX}{checkpoint_id}")

    def find_candidate(self, cycle: Cycle) -> tuple[Manifest, Evaluation] | None:
        """What an earlier run of this very cycle has published already, if it is whole."""
        directory = self.adapters_path / cycle.candidate_id
        try:
            found = manifests.read(directory)
            manifests.verify(directory, found)
            evaluation = evaluations.read(directory)
        except CorruptCheckpoint:
            return None
        is_whole = found.fingerprint == cycle.fingerprint and evaluation.report == found.report
        return (found, evaluation) if is_whole else None

    def commit(
        self,
        cycle: Cycle,
        staging: Path,
        manifest: Manifest,
        evaluation: Evaluation,
        decision: Decision,
        evidence: Evidence,
    ) -> Checkpoint:
        """Publish a candidate for ever and, if the gate promotes it, make it what is served.

        While the stable pointer is pinned it is committed all the same and not served. Repeating a
        cycle is harmless: files that its earlier run has published are kept, and so is the row that
        it has written. ``adapters/stable`` is left to ``point_stable``.

        Args:
            cycle: The cycle that made it.
            staging: The directory from ``staging``; not looked at when the files are published.
            manifest: What it is; its hashes must match the files.
            evaluation: What was measured of it; its report is the manifest's.
            decision: What the gate made of that.
            evidence: What the decision rests on, for the audit log.

        Raises:
            CorruptCheckpoint: The staged files do not match the manifest.
            Cancelled: It is to be promoted, but what is served is no longer the checkpoint it
                continues from: somebody moved the pointer meanwhile; or something was forgotten,
                which ended its cycle. Nothing was committed.
            RegistryError: The id belongs to another checkpoint.
            StorageError: The disk or the database failed.
        """
        checkpoint_id = cycle.candidate_id
        if (row := self._find(checkpoint_id)) is not None:
            if row["fingerprint"] != cycle.fingerprint:
                raise RegistryError(f"{checkpoint_id} is already the id of another checkpoint.")
            return to_checkpoint(row, self.current_id())
        if decision.promote:
            _check_parent_is_served(cycle, self.current_id())
        published = self.find_candidate(cycle)
        if published is None:
            self._publish(staging, manifest, evaluation)
            published = manifest, evaluation
        manifest, evaluation = published
        hashes = bodies.file_hashes(self.path(checkpoint_id))
        with self.audit.sealed(), self.db.transaction() as connection:
            self._check_goes_on(connection, cycle)
            row = insert_checkpoint(connection, cycle, manifest, decision.status)
            evaluations.insert(connection, checkpoint_id, evaluation)
            at, release, withheld = self.clock(), None, None
            if decision.promote:
                _check_parent_is_served(cycle, current_id(connection))
                withheld = why_held(connection)
            if decision.promote and withheld is None:
                release = insert_release(
                    connection, checkpoint_id, "promote", "gate", decision.reason, at
                )
            body = bodies.candidate(
                row, hashes, manifest, evaluation, decision, evidence, release, withheld
            )
            append(connection, _outcome(decision, release), "gate", checkpoint_id, body, at)
        return self.get(checkpoint_id)

    def reserve(self) -> str:
        """A new id, for a checkpoint that no cycle makes; if it comes to nothing, the id is lost.

        Raises:
            StorageError: The disk or the database failed.
        """
        with self.db.transaction() as connection:
            return self.new_checkpoint_id(connection, self.clock().date())

    def commit_imported(self, staging: Path, manifest: Manifest, actor: str) -> Checkpoint:
        """Publish an adapter that was made elsewhere. It is ``risky`` and not served.

        No gate has judged it, so only a person promotes it.

        Args:
            staging: The directory from ``staging`` of an id from ``reserve``.
            manifest: What it is and where it comes from; its hashes must match the files.
            actor: Who brought it.

        Raises:
            CorruptCheckpoint: The staged files do not match the manifest.
            StorageError: The disk or the database failed.
        """
        checkpoint_id = manifest.checkpoint_id
        self._publish(staging, manifest, Evaluation(manifest.report))
        hashes = bodies.file_hashes(self.path(checkpoint_id))
        origin = Cycle(NO_CYCLE, manifest.fingerprint, checkpoint_id, None, ())
        with self.audit.sealed(), self.db.transaction() as connection:
            row = insert_checkpoint(connection, origin, manifest, CheckpointStatus.RISKY)
            body = bodies.imported(row, hashes, manifest)
            append(connection, "import", actor, checkpoint_id, body, self.clock())
        return self.get(checkpoint_id)

    def record_failure(self, connection: Connection, cycle: Cycle, reason: str) -> None:
        """Log, in the open transaction, that a cycle ended without a candidate.

        Hold ``audit.sealed`` around that transaction.
        """
        body = {"reason": reason, "cycle": cycle}
        append(connection, "cycle_failed", "pipeline", None, body, self.clock())

    def _check_goes_on(self, connection: Connection, cycle: Cycle) -> None:
        """Leave nothing of a candidate whose cycle was ended meanwhile, or whose parent withdrawn.

        A cycle may be leased with a parent that is withdrawn before the lease is written.
        """
        found = connection.execute("SELECT status FROM cycles WHERE id = ?", (cycle.id,)).fetchone()
        was_ended = found is not None and found["status"] == "abandoned"
        if was_ended or cycle.parent_id in self.withdrawn():
            files.remove_directory(self.path(cycle.candidate_id))
            raise Cancelled(
                f"{cycle.candidate_id}: its cycle was ended meanwhile, as something was forgotten."
            )

    def _publish(self, staging: Path, manifest: Manifest, evaluation: Evaluation) -> None:
        final = self.path(manifest.checkpoint_id)
        manifests.verify(staging, manifest)
        evaluations.write(staging, evaluation)
        manifests.write(staging, manifest)
        if final.exists():
            files.remove_directory(final)
        files.publish_directory(staging, final)

    # ------------------------------------------------------------------------- moving the pointer

    def promote(
        self,
        checkpoint_id: str,
        actor: str,
        reason: str,
        *,
        force: bool = False,
        on_pardon: Callable[[Connection], object] = lambda connection: None,
    ) -> Release:
        """Serve a checkpoint by hand, whether or not it was ever served.

        Args:
            checkpoint_id: Which one.
            actor: Who asks for it.
            reason: Why, as a sentence.
            force: Also where the gate rejected it; it is ``risky`` from then on.
            on_pardon: Called in the same transaction if it was rejected until now.

        Raises:
            NotFound: There is no such checkpoint.
            Conflict: It was rejected and ``force`` is not given, or it is served already, or it
                has learned what was forgotten, or its weights were pruned.
            CorruptCheckpoint: Its files are not the ones that were committed.
        """
        if checkpoint_id == self.current_id():
            raise _served_already(checkpoint_id)
        return self.release(
            checkpoint_id,
            "promote",
            actor,
            reason,
            self.clock(),
            force=force,
            on_pardon=on_pardon,
        )

    def rollback(self, to: str | None, actor: str, reason: str) -> Release:
        """Serve an earlier checkpoint again. ``adapters/stable`` is left to ``point_stable``.

        Args:
            to: Which one; "base" is the bare base model; None is the one that was served before
                the present one. Rolling back twice goes back two, not forth again.
            actor: Who asks for it.
            reason: Why, as a sentence.

        Raises:
            NotFound: There is no such checkpoint.
            Conflict: It was rejected, or it is served already, or the pointer is pinned and it is
                no person who asks.
            CorruptCheckpoint: Its files are not the ones that were committed.
        """
        current = self.current_id()
        if to is None and current is None:
            raise Conflict(
                "The base model is served already; there is nothing before it.",
                field="checkpoint",
                remedy="Name the checkpoint to go to.",
            )
        target = self.served_before() if to is None else None if to == BASE else to
        if target == current:
            raise _served_already(target)
        return self.release(target, "rollback", actor, reason, self.clock())

    def release(
        self,
        checkpoint_id: str | None,
        action: Literal["promote", "rollback"],
        actor: str,
        reason: str,
        at: datetime,
        *,
        force: bool = False,
        on_pardon: Callable[[Connection], object] = lambda connection: None,
    ) -> Release:
        """Record that ``checkpoint_id`` (None: the base) is served from now on.

        ``adapters/stable`` is left to ``point_stable``, so that the swap in memory can come first.

        Raises:
            NotFound: There is no such checkpoint.
            Conflict: It was rejected and ``force`` is not given; or the pointer is pinned and it is
                no person who moves it.
            CorruptCheckpoint: Its files are not the ones that were committed.
        """
        became = self._check_usable(checkpoint_id, force)
        with self.audit.sealed(), self.db.transaction() as connection:
            if actor in _AUTOMATIC and (held := why_held(connection)) is not None:
                raise Conflict(held, remedy="Unpin it first: POST /unpin.")
            refuse_pruned(connection, checkpoint_id)
            before = current_id(connection)
            if became is not None:
                connection.execute(
                    "UPDATE checkpoints SET status = ? WHERE id = ?", (became[1], checkpoint_id)
                )
                on_pardon(connection)
            row = insert_release(connection, checkpoint_id, action, actor, reason, at)
            body = bodies.move(reason, before, row, became)
            name: Action = "rollback" if action == "rollback" else "promote_by_hand"
            append(connection, name, actor, checkpoint_id, body, at)
        return to_release(row)

    def pin(self, checkpoint_id: str | None, actor: str, reason: str) -> Pin:
        """Hold the stable pointer: until ``unpin`` only a person moves it.

        Cycles go on: their candidates are committed, and not promoted. A start still leaves a
        checkpoint whose files are damaged.

        Args:
            checkpoint_id: What to serve and hold; "base" is the bare base model; None is what is
                served now.
            actor: Who asks for it.
            reason: Why, as a sentence.

        Raises:
            NotFound: There is no such checkpoint.
            Conflict: It was rejected, or the pointer is pinned there already.
            CorruptCheckpoint: Its files are not the ones that were committed.
        """
        target = None if checkpoint_id == BASE else checkpoint_id
        self._check_usable(target, force=False)
        with self.audit.sealed(), self.db.transaction() as connection:
            current, at, row = current_id(connection), self.clock(), None
            if checkpoint_id is None:
                target = current
            refuse_pruned(connection, target)
            if target != current:
                action = "rollback" if target is None else "promote"
                row = insert_release(connection, target, action, actor, reason, at)
            elif why_held(connection) is not None:
                raise Conflict(
                    f"The stable pointer is pinned to {target or BASE} already.",
                    field="checkpoint",
                    value=checkpoint_id,
                    remedy="Name another checkpoint, or unpin it.",
                )
            entry = append(connection, "pin", actor, target, bodies.move(reason, current, row), at)
        pin = to_pin(entry)
        assert pin is not None
        return pin

    def unpin(self, actor: str, reason: str) -> None:
        """Let the stable pointer move by itself again, from the next cycle on.

        Raises:
            Conflict: It is not pinned.
        """
        with self.audit.sealed(), self.db.transaction() as connection:
            if why_held(connection) is None:
                raise Conflict(
                    "The stable pointer is not pinned.", remedy="There is nothing to do."
                )
            current = current_id(connection)
            body = bodies.move(reason, current, None)
            append(connection, "unpin", actor, current, body, self.clock())

    def _check_usable(self, checkpoint_id: str | None, force: bool) -> tuple[str, str] | None:
        """Refuse what cannot be served; its status now and then, where serving it changes that."""
        if checkpoint_id is None:
            return None
        self.check_can_serve(checkpoint_id)
        rejected = self._row(checkpoint_id)["status"] == CheckpointStatus.REJECTED
        if rejected and not force:
            raise Conflict(
                f"{checkpoint_id} was rejected and is not served.",
                field="checkpoint",
                value=checkpoint_id,
                remedy="Choose a stable or risky checkpoint, or promote it with force.",
            )
        self.verify(checkpoint_id)
        return (CheckpointStatus.REJECTED, CheckpointStatus.RISKY) if rejected else None

    def point_stable(self) -> None:
        """Make ``adapters/stable`` follow what is served; no link while that is the base."""
        current = self.current_id()
        link = self.adapters_path / STABLE_LINK
        if current is None:
            files.remove_link(link)
        else:
            files.point_link(link, current)


def _check_parent_is_served(cycle: Cycle, current: str | None) -> None:
    if cycle.parent_id != current:
        raise Cancelled(
            f"{cycle.candidate_id} continues from {cycle.parent_id or BASE}, but by now"
            f" {current or BASE} is served. Its examples must be trained again from there."
        )


def _outcome(decision: Decision, release: Row | None) -> Action:
    if release is not None:
        return "promote"
    return "reject" if decision.status == CheckpointStatus.REJECTED else "commit"


def _served_already(checkpoint_id: str | None) -> Conflict:
    return Conflict(
        f"{checkpoint_id or BASE} is served already.",
        field="checkpoint",
        value=checkpoint_id or BASE,
        remedy="Name another checkpoint.",
    )
