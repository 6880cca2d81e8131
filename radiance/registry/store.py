"""Commits checkpoints, says which one is served, and moves that pointer forth and back.

The newest row of ``releases`` is the truth about what is served; ``adapters/stable`` is a link for
people and other programs that follows it. A checkpoint's directory is published before its row is
written, so a row always has its files; a directory without a row is a candidate that a repeated
cycle will find again.
"""

import re
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Literal

from radiance import records
from radiance.errors import Cancelled, Conflict, CorruptCheckpoint, NotFound, RegistryError
from radiance.records import Checkpoint, CheckpointStatus, Cycle, Manifest, Release
from radiance.registry import manifest as manifests
from radiance.registry import reconciliation
from radiance.registry.rows import (
    BASE,
    CURRENT,
    STABLE_LINK,
    current_id,
    insert_release,
    to_checkpoint,
    to_release,
)
from radiance.storage import files
from radiance.storage.sqlite import Connection, Database, Row, to_json, to_text

_NUMBER = re.compile(r"A_\d{4}-\d{2}-\d{2}_(\d{4,})")


class Registry:
    """All checkpoints. Safe to use from several threads.

    Args:
        db: Where their rows are kept.
        adapters_path: Where their files are kept; made if it is missing.
        clock: The time that is noted for what happens now; aware, UTC.
    """

    def __init__(
        self,
        db: Database,
        adapters_path: Path,
        clock: Callable[[], datetime] = records.now,
    ) -> None:
        self._db = db
        self._adapters = adapters_path
        self._clock = clock
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
            for path in self._adapters.iterdir()
            if (match := _NUMBER.search(path.name))
        ]
        number = max([row["value"] if row else 0, *on_disk]) + 1
        connection.execute("INSERT OR REPLACE INTO sequences VALUES ('checkpoint', ?)", (number,))
        return f"A_{today.isoformat()}_{number:04d}"

    def staging(self, checkpoint_id: str) -> Path:
        """A new, empty directory for the trainer to write the two adapter files into."""
        return files.fresh_directory(self._adapters / f"{files.TEMPORARY_PREFIX}{checkpoint_id}")

    def find_candidate(self, cycle: Cycle) -> Manifest | None:
        """What an earlier run of this very cycle has published already, if it is whole."""
        directory = self._adapters / cycle.candidate_id
        try:
            found = manifests.read(directory)
            manifests.verify(directory, found)
        except CorruptCheckpoint:
            return None
        return found if found.fingerprint == cycle.fingerprint else None

    def commit(
        self,
        cycle: Cycle,
        staging: Path,
        manifest: Manifest,
        status: CheckpointStatus,
        *,
        promote: bool | None = None,
        actor: str = "gate",
        reason: str = "It passed the gate.",
    ) -> Checkpoint:
        """Publish a candidate for ever and, if it is promoted, make it the one that is served.

        Repeating a cycle is harmless: files that its earlier run has published are kept, and so is
        the row that it has written. ``adapters/stable`` is left to ``point_stable``.

        Args:
            cycle: The cycle that made it.
            staging: The directory from ``staging``; not looked at when the files are published.
            manifest: What it is; its hashes must match the files.
            status: The gate's decision: stable, risky or rejected.
            promote: Whether to release it in the same transaction; None means when it is stable.
            actor: Who decided.
            reason: Why it is released, as a sentence.

        Raises:
            CorruptCheckpoint: The staged files do not match the manifest.
            Cancelled: It is to be promoted, but what is served is no longer the checkpoint it
                continues from: somebody rolled back meanwhile. Nothing was committed.
            RegistryError: The id belongs to another checkpoint.
            StorageError: The disk or the database failed.
        """
        checkpoint_id = cycle.candidate_id
        if (row := self._find(checkpoint_id)) is not None:
            if row["fingerprint"] != cycle.fingerprint:
                raise RegistryError(f"{checkpoint_id} is already the id of another checkpoint.")
            return to_checkpoint(row, self._current_id())
        if promote is None:
            promote = status == CheckpointStatus.STABLE
        if promote:
            _check_parent_is_served(cycle, self._current_id())
        published = self.find_candidate(cycle)
        if published is None:
            final = self._adapters / checkpoint_id
            manifests.verify(staging, manifest)
            manifests.write(staging, manifest)
            if final.exists():
                files.remove_directory(final)
            files.publish_directory(staging, final)
            published = manifest
        with self._db.transaction() as connection:
            connection.execute(
                "INSERT INTO checkpoints (id, parent_id, status, created_at, cycle_id, fingerprint,"
                " content_hash, report, job_ids) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    checkpoint_id,
                    cycle.parent_id,
                    status,
                    to_text(published.created_at),
                    cycle.id,
                    cycle.fingerprint,
                    published.content_hash,
                    to_json(published.report),
                    to_json(cycle.job_ids),
                ),
            )
            if promote:
                _check_parent_is_served(cycle, current_id(connection))
                at = self._clock()
                insert_release(connection, checkpoint_id, "promote", actor, reason, at)
        return self.get(checkpoint_id)

    # ------------------------------------------------------------------------- reading

    def current(self) -> Checkpoint | None:
        """The checkpoint that is served; None while it is the bare base model."""
        current = self._current_id()
        return None if current is None else self.get(current)

    def get(self, checkpoint_id: str) -> Checkpoint:
        """The checkpoint of that id.

        Raises:
            NotFound: There is none.
        """
        return to_checkpoint(self._row(checkpoint_id), self._current_id())

    def all(self, limit: int) -> list[Checkpoint]:
        """The newest checkpoints, newest first."""
        rows = self._db.read("SELECT * FROM checkpoints ORDER BY number DESC LIMIT ?", (limit,))
        current = self._current_id()
        return [to_checkpoint(row, current) for row in rows]

    def committed(self) -> set[str]:
        """Ids of every checkpoint with a row, whatever its status; for ``Jobs.recover``."""
        return {row["id"] for row in self._db.read("SELECT id FROM checkpoints")}

    def ancestors(self, checkpoint_id: str) -> list[str]:
        """The checkpoint, its parent, its parent's parent, and so on down to the base.

        Raises:
            NotFound: There is no such checkpoint.
        """
        self._row(checkpoint_id)
        rows = self._db.read(
            """
            WITH RECURSIVE chain (id, parent_id, depth) AS (
                SELECT id, parent_id, 0 FROM checkpoints WHERE id = ?
                UNION ALL
                SELECT checkpoints.id, checkpoints.parent_id, depth + 1
                FROM chain JOIN checkpoints ON checkpoints.id = chain.parent_id
            )
            SELECT id FROM chain ORDER BY depth
            """,
            (checkpoint_id,),
        )
        return [row["id"] for row in rows]

    def manifest(self, checkpoint_id: str) -> Manifest:
        """The manifest of a checkpoint.

        Raises:
            NotFound: There is no such checkpoint.
            CorruptCheckpoint: Its manifest is missing or not the one that was committed.
        """
        row = self._row(checkpoint_id)
        found = manifests.read(self.path(checkpoint_id))
        if found.content_hash != row["content_hash"]:
            raise CorruptCheckpoint(
                f"{checkpoint_id}: its manifest names weights of SHA-256 {found.content_hash}, but"
                f" {row['content_hash']} was committed."
            )
        return found

    def path(self, checkpoint_id: str) -> Path:
        """The directory of a checkpoint."""
        return self._adapters / checkpoint_id

    def verify(self, checkpoint_id: str) -> None:
        """Check that a checkpoint's files are the ones that were committed.

        Raises:
            NotFound: There is no such checkpoint.
            CorruptCheckpoint: A file is missing or differs; it names both hashes.
        """
        manifests.verify(self.path(checkpoint_id), self.manifest(checkpoint_id))

    def damaged(self) -> dict[str, str]:
        """What ``reconcile`` last found wrong with checkpoints, as sentences by id."""
        rows = self._db.read("SELECT id, damage FROM checkpoints WHERE damage IS NOT NULL")
        return {row["id"]: row["damage"] for row in rows}

    def releases(self, limit: int) -> list[Release]:
        """The newest moves of the stable pointer, newest first."""
        rows = self._db.read("SELECT * FROM releases ORDER BY number DESC LIMIT ?", (limit,))
        return [to_release(row) for row in rows]

    # ------------------------------------------------------------------------- releasing

    def release(
        self,
        checkpoint_id: str | None,
        action: Literal["promote", "rollback"],
        actor: str,
        reason: str,
        at: datetime,
    ) -> Release:
        """Record that ``checkpoint_id`` (None: the base) is served from now on.

        ``adapters/stable`` is left to ``point_stable``, so that the swap in memory can come first.

        Raises:
            NotFound: There is no such checkpoint.
            Conflict: It was rejected.
            CorruptCheckpoint: Its files are not the ones that were committed.
        """
        if checkpoint_id is not None:
            if self._row(checkpoint_id)["status"] == CheckpointStatus.REJECTED:
                raise Conflict(
                    f"{checkpoint_id} was rejected and is never served.",
                    field="checkpoint",
                    value=checkpoint_id,
                    remedy="Choose a stable or risky checkpoint.",
                )
            self.verify(checkpoint_id)
        with self._db.transaction() as connection:
            return insert_release(connection, checkpoint_id, action, actor, reason, at)

    def rollback(self, to: str | None, actor: str, reason: str) -> Release:
        """Serve an earlier checkpoint again. ``adapters/stable`` is left to ``point_stable``.

        Args:
            to: Which one; "base" is the bare base model; None is the one that was served before
                the present one. Rolling back twice goes back two, not forth again.
            actor: Who asks for it.
            reason: Why, as a sentence.

        Raises:
            NotFound: There is no such checkpoint.
            Conflict: It was rejected, or it is served already.
            CorruptCheckpoint: Its files are not the ones that were committed.
        """
        history = self.history()
        current = history[-1]
        if to is None and current is None:
            raise Conflict(
                "The base model is served already; there is nothing before it.",
                field="checkpoint",
                remedy="Name the checkpoint to go to.",
            )
        target = history[-2] if to is None else None if to == BASE else to
        if target == current:
            raise Conflict(
                f"{current or BASE} is served already.",
                field="checkpoint",
                value=to,
                remedy="Name another checkpoint.",
            )
        return self.release(target, "rollback", actor, reason, self._clock())

    def history(self) -> list[str | None]:
        """What was served, oldest (None, the base) to the present, without what was rolled back."""
        served: list[str | None] = [None]
        for row in self._db.read("SELECT checkpoint_id, action FROM releases ORDER BY number"):
            target = row["checkpoint_id"]
            if row["action"] == "rollback" and target in served:
                while served[-1] != target:
                    served.pop()
            elif target != served[-1]:
                served.append(target)
        return served

    def point_stable(self) -> None:
        """Make ``adapters/stable`` follow what is served; no link while that is the base."""
        current = self._current_id()
        link = self._adapters / STABLE_LINK
        if current is None:
            files.remove_link(link)
        else:
            files.point_link(link, current)

    def reconcile(self) -> list[str]:
        """Bring files, rows and the stable link into agreement, at start.

        Unfinished temporaries are deleted. Directories without a row are left alone. Where what is
        served is missing or damaged, the newest whole one served before it is released instead, or
        the base.

        Returns:
            What was found and done, as sentences.
        """
        return reconciliation.reconcile(self, self._db, self._adapters, self._clock)

    # ------------------------------------------------------------------------- rows

    def _find(self, checkpoint_id: str) -> Row | None:
        rows = self._db.read("SELECT * FROM checkpoints WHERE id = ?", (checkpoint_id,))
        return rows[0] if rows else None

    def _row(self, checkpoint_id: str) -> Row:
        row = self._find(checkpoint_id)
        if row is None:
            raise NotFound(
                f"There is no checkpoint {checkpoint_id!r}.",
                field="checkpoint",
                value=checkpoint_id,
                remedy="Use an id that GET /checkpoints lists.",
            )
        return row

    def _current_id(self) -> str | None:
        rows = self._db.read(CURRENT)
        return rows[0]["checkpoint_id"] if rows else None


def _check_parent_is_served(cycle: Cycle, current: str | None) -> None:
    if cycle.parent_id != current:
        raise Cancelled(
            f"{cycle.candidate_id} continues from {cycle.parent_id or BASE}, but by now"
            f" {current or BASE} is served. Its examples must be trained again from there."
        )
