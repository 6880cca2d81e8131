"""What can be asked about checkpoints: their rows, their files, what is served and was served.

The newest row of ``releases`` is the truth about what is served. A checkpoint's directory is
published before its row is written, so a row always has its files.
"""

import sys
from collections.abc import Collection, Iterable
from pathlib import Path

import msgspec

from radiance.errors import Conflict, CorruptCheckpoint, NotFound
from radiance.records import (
    Checkpoint,
    Decision,
    Evaluation,
    Manifest,
    OverwrittenAnchor,
    Pin,
    Release,
    TaskAccuracy,
)
from radiance.registry import audit, evaluations
from radiance.registry import manifest as manifests
from radiance.registry.rows import CURRENT, pruned, to_checkpoint, to_pin, to_release
from radiance.registry.served_base import ServedBase
from radiance.storage.sqlite import Readable, Row, to_json


class Checkpoints:
    """All checkpoints, to read. Safe to use from several threads where the database is.

    Args:
        db: Where their rows are kept.
        adapters_path: Where their files are kept.
    """

    def __init__(self, db: Readable, adapters_path: Path) -> None:
        self._db = db
        self._adapters = adapters_path
        self._base: ServedBase | None = None
        self._other_bases: dict[str, str | None] = {}

    def serve_on(self, base: ServedBase) -> None:
        """Say which base model serves: what was trained on another may not from now on."""
        self._base = base

    def other_base(self, checkpoint_id: str) -> str | None:
        """The base model that a checkpoint was trained on, for a person, where it is another one.

        None where it is the one that serves, and where that is not known.
        """
        if self._base is None:
            return None
        if checkpoint_id not in self._other_bases:
            try:
                manifest = self.manifest(checkpoint_id)
            except CorruptCheckpoint:  # told where its files are looked at
                return None
            other = self._base.other(manifest, self.path(checkpoint_id))
            self._other_bases[checkpoint_id] = other
        return self._other_bases[checkpoint_id]

    def current_id(self) -> str | None:
        """The id of the checkpoint that is served; None while it is the bare base model."""
        rows = self._db.read(CURRENT)
        return rows[0]["checkpoint_id"] if rows else None

    def current(self) -> Checkpoint | None:
        """The checkpoint that is served; None while it is the bare base model."""
        current = self.current_id()
        return None if current is None else self.get(current)

    def get(self, checkpoint_id: str) -> Checkpoint:
        """The checkpoint of that id.

        Raises:
            NotFound: There is none.
        """
        return to_checkpoint(self._row(checkpoint_id), self.current_id())

    def find(self, checkpoint_id: str) -> Checkpoint | None:
        """The checkpoint of that id; None where there is none."""
        row = self._find(checkpoint_id)
        return None if row is None else to_checkpoint(row, self.current_id())

    def all(self, limit: int, before: str | None = None) -> list[Checkpoint]:
        """The newest checkpoints, newest first; only those made before ``before``, if it is given.

        Raises:
            NotFound: There is no checkpoint ``before``.
        """
        below = 1 << 62 if before is None else self._row(before)["number"]
        rows = self._db.read(
            "SELECT * FROM checkpoints WHERE number < ? ORDER BY number DESC LIMIT ?",
            (below, limit),
        )
        current = self.current_id()
        return [to_checkpoint(row, current) for row in rows]

    def some(self, checkpoint_ids: Iterable[str]) -> list[Checkpoint]:
        """The checkpoints of those ids, newest first; without those that there are not."""
        rows = self._db.read(
            "SELECT * FROM checkpoints WHERE id IN (SELECT value FROM json_each(?))"
            " ORDER BY number DESC",
            (to_json(list(checkpoint_ids)),),
        )
        current = self.current_id()
        return [to_checkpoint(row, current) for row in rows]

    def committed(self) -> set[str]:
        """Ids of every checkpoint with a row, whatever its status."""
        return {row["id"] for row in self._db.read("SELECT id FROM checkpoints")}

    def accepted(self) -> set[str]:
        """Ids of the checkpoints that were not rejected; for ``JobQueue.recover``."""
        rows = self._db.read("SELECT id FROM checkpoints WHERE status != 'rejected'")
        return {row["id"] for row in rows}

    def decision(self, checkpoint_id: str) -> Decision | None:
        """What the gate decided on a checkpoint when it was committed; None before there was one.

        Raises:
            NotFound: There is no such checkpoint.
        """
        self._row(checkpoint_id)
        for entry in audit.about(self._db, checkpoint_id):
            if entry.action in ("promote", "commit", "reject"):
                # Numbers that are not finite are words in the log.
                return msgspec.convert(entry.to_plain()["body"]["decision"], Decision, strict=False)
        return None

    # SQLite would take the index of the ids alone, and read a whole report at each step.

    def ancestors(self, checkpoint_id: str | None, limit: int = -1) -> list[str]:
        """The checkpoint, its parent, its parent's parent, and so on down to the base.

        Args:
            checkpoint_id: Where to begin; None is the base, of which there are none.
            limit: At most so many; all where it is negative.

        Raises:
            NotFound: There is no such checkpoint.
        """
        if checkpoint_id is None:
            return []
        self._row(checkpoint_id)
        rows = self._db.read(
            """
            WITH RECURSIVE chain (id, parent_id, depth) AS (
                SELECT id, parent_id, 0 FROM checkpoints WHERE id = ?
                UNION ALL
                SELECT checkpoints.id, checkpoints.parent_id, depth + 1
                FROM chain JOIN checkpoints INDEXED BY checkpoints_by_id
                    ON checkpoints.id = chain.parent_id
                LIMIT ?
            )
            SELECT id FROM chain ORDER BY depth
            """,
            (checkpoint_id, limit),
        )
        # Lineages are remembered, and each has the one before in it: they share their names.
        return [sys.intern(row["id"]) for row in rows]

    def is_ancestor(self, checkpoint_id: str, of: str) -> bool:
        """Whether ``checkpoint_id`` is ``of`` or an ancestor of it."""
        rows = self._db.read(
            """
            WITH RECURSIVE chain (id, parent_id) AS (
                SELECT id, parent_id FROM checkpoints WHERE id = :tip
                UNION ALL
                SELECT checkpoints.id, checkpoints.parent_id
                FROM chain JOIN checkpoints INDEXED BY checkpoints_by_id
                    ON checkpoints.id = chain.parent_id
                WHERE chain.id != :wanted  -- further back it cannot be
                    AND checkpoints.number >= (SELECT number FROM checkpoints WHERE id = :wanted)
            )
            SELECT 1 FROM chain WHERE id = :wanted
            """,
            {"tip": of, "wanted": checkpoint_id},
        )
        return bool(rows)

    def apart(self, one: str, other: str) -> tuple[list[str], list[str]]:
        """What each of two has in its lineage and the other has not, newest first.

        Raises:
            NotFound: There is no such checkpoint.
        """
        left: tuple[list[str], list[str]] = ([], [])
        tips: list[Row | None] = [self._row(one), self._row(other)]
        while (tips[0] and tips[0]["number"]) != (tips[1] and tips[1]["number"]):
            # A parent was made before its child, so the newer of the two is no ancestor of the
            # other.
            numbers = [tip["number"] if tip else 0 for tip in tips]
            newer = numbers.index(max(numbers))
            tip = tips[newer]
            assert tip is not None
            left[newer].append(tip["id"])
            tips[newer] = None if tip["parent_id"] is None else self._row(tip["parent_id"])
        return left

    def taught(self, checkpoint_id: str) -> tuple[int, int]:
        """How many updates, and examples of them, a checkpoint and its ancestors learned.

        Raises:
            NotFound: There is no such checkpoint.
        """
        self._row(checkpoint_id)
        (row,) = self._db.read(
            """
            WITH RECURSIVE chain (id, parent_id) AS (
                SELECT id, parent_id FROM checkpoints WHERE id = ?
                UNION ALL
                SELECT checkpoints.id, checkpoints.parent_id
                FROM chain JOIN checkpoints INDEXED BY checkpoints_by_id
                    ON checkpoints.id = chain.parent_id
            )
            SELECT COUNT(*) AS updates, COALESCE(SUM(example_count), 0) AS examples
            FROM chain JOIN jobs ON jobs.checkpoint = chain.id
            """,
            (checkpoint_id,),
        )
        return row["updates"], row["examples"]

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

    def evaluation(self, checkpoint_id: str) -> Evaluation:
        """Everything that was measured of a checkpoint before it could serve.

        Raises:
            NotFound: There is no such checkpoint.
            CorruptCheckpoint: Its evaluation is missing or cannot be read.
        """
        self._row(checkpoint_id)
        return evaluations.read(self.path(checkpoint_id))

    def overwritten_in(self, checkpoint_id: str | None) -> tuple[OverwrittenAnchor, ...]:
        """The anchors that a checkpoint had overwritten, or an ancestor, when it was measured.

        None of the base, of a checkpoint that an older Radiance made, or where its evaluation is
        damaged.
        """
        if checkpoint_id is None:
            return ()
        row = self._find(checkpoint_id)
        if row is None or not to_checkpoint(row, None).report.overwritten:
            return ()
        try:
            return evaluations.read(self.path(checkpoint_id)).overwritten
        except CorruptCheckpoint:
            return ()

    def accuracies(self, lineage: Collection[str], tasks: Collection[str]) -> list[TaskAccuracy]:
        """Places of the accuracy matrix: how these checkpoints answered what these updates taught.

        Besides, of each of them, how it answered what it learned itself.
        """
        return evaluations.accuracies(self._db, lineage, tasks)

    def best_accuracies(
        self, lineage: Collection[str], tasks: Collection[str]
    ) -> list[TaskAccuracy]:
        """How these checkpoints answered what they learned, and the best of each task since."""
        return evaluations.best_accuracies(self._db, lineage, tasks)

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

    def withdrawn(self) -> set[str]:
        """Ids of the checkpoints that learned what was forgotten since: they never serve again."""
        return {row["checkpoint_id"] for row in self._db.read("SELECT * FROM withdrawn")}

    def pruned(self) -> set[str]:
        """Ids of the checkpoints whose weights were deleted, as ``[retention]`` has it."""
        rows = self._db.read("SELECT id FROM checkpoints WHERE pruned_at IS NOT NULL")
        return {row["id"] for row in rows}

    def check_can_serve(self, checkpoint_id: str) -> None:
        """Refuse a checkpoint that must not serve, or has nothing to serve with.

        Raises:
            Conflict: It has learned what was forgotten since, its weights were pruned, or it was
                trained on another base model.
        """
        if checkpoint_id in self.withdrawn():
            raise Conflict(
                f"{checkpoint_id} has learned what was forgotten since, and never serves again.",
                field="checkpoint",
                value=checkpoint_id,
                remedy="Choose another checkpoint: `radiance forget --status` lists these.",
            )
        row = self._find(checkpoint_id)
        if row is not None and row["pruned_at"] is not None:
            raise pruned(checkpoint_id)
        if row is not None and (other := self.other_base(checkpoint_id)) is not None:
            raise Conflict(
                f"{checkpoint_id} was trained on another base model, {other}, and cannot serve on"
                " this one.",
                field="checkpoint",
                value=checkpoint_id,
                remedy="Choose another checkpoint, or start with that base model.",
            )

    def releases(self, limit: int) -> list[Release]:
        """The newest moves of the stable pointer, newest first."""
        rows = self._db.read("SELECT * FROM releases ORDER BY number DESC LIMIT ?", (limit,))
        return [to_release(row) for row in rows]

    def served_once(self, checkpoint_ids: Collection[str]) -> set[str]:
        """Those of some checkpoints that serve or have served."""
        rows = self._db.read(
            "SELECT DISTINCT checkpoint_id FROM releases"
            " WHERE checkpoint_id IN (SELECT value FROM json_each(?))",
            (to_json(list(checkpoint_ids)),),
        )
        return {row["checkpoint_id"] for row in rows}

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

    def served_before(self) -> str | None:
        """What was served before the present one and may serve again; None is the base."""
        *earlier, current = self.history()
        never = self.withdrawn() | self.pruned() | {current}
        left = (each for each in reversed(earlier) if each not in never)
        return next((each for each in left if each is None or not self.other_base(each)), None)

    def pinned(self) -> Pin | None:
        """Who holds the stable pointer where it is, and why; None while it moves by itself."""
        entry = audit.newest_of(self._db, ("pin", "unpin"))
        return None if entry is None else to_pin(entry)

    # ------------------------------------------------------------------------- rows

    def _find(self, checkpoint_id: str) -> Row | None:
        rows = self._db.read("SELECT * FROM checkpoints WHERE id = ?", (checkpoint_id,))
        return rows[0] if rows else None

    def _row(self, checkpoint_id: str) -> Row:
        row = self._find(checkpoint_id)
        if row is None:
            raise NotFound.named(
                "checkpoint", checkpoint_id, "checkpoint", "Use an id that GET /checkpoints lists."
            )
        return row
