"""The lab's decisions in an audit log of the service's own kind.

A log of its own, ``runs/signals/radiance.db`` with its ``audit.head``, hash-chained by
``registry/audit.py``: a service may run over the same root, and no signal is one of its
checkpoints. ``radiance audit log --root ROOT/runs/signals`` does not read it, since that looks for
``runs/`` below; ``radiance signals audit`` does.
"""

from pathlib import Path
from typing import Any

from radiance import records
from radiance.labs.signals.results import MethodResult, StudyResult
from radiance.registry import audit
from radiance.registry.audit import Audit, AuditEntry
from radiance.registry.verification import Verification, verify_chain
from radiance.storage.sqlite import Database, DatabaseSnapshot

FILE = "radiance.db"


def record(result: StudyResult, folder: Path, run_id: str) -> int:
    """Write one entry for every decision, and one for every rollback; how many.

    Each has the anchor suite's hash, the adapter's checksum, what was measured, the settings and
    the window of data.

    Raises:
        StorageError: The disk or the database failed; nothing was written.
    """
    database = Database(folder / FILE)
    try:
        log = Audit(database)
        log.settle(records.now())
        count = 0
        for method in result.methods:
            for place, decision in enumerate(method.decisions):
                body = _body(result, run_id, method, place)
                subject = f"{run_id}/{method.name}/{result.units[place]}"
                # One transaction each: after a crash the head file may be one entry behind.
                with log.sealed(), database.transaction() as connection:
                    action = "promote" if decision.promote else "reject"
                    audit.append(connection, action, "gate", subject, body, records.now())
                count += 1
                if method.verdict is None or place not in method.verdict.rollbacks:
                    continue
                body = {"run": run_id, "reason": method.verdict.rollbacks[place]}
                with log.sealed(), database.transaction() as connection:
                    audit.append(connection, "rollback", "monitor", subject, body, records.now())
                count += 1
        return count
    finally:
        database.close()


def _body(result: StudyResult, run_id: str, method: MethodResult, place: int) -> dict[str, Any]:
    return {
        "run": run_id,
        "method": method.name,
        "unit": result.units[place],
        "anchors_hash": result.anchors_hash,
        "adapter": method.checksums[place],
        "metrics": {name: values[place] for name, values in method.per_unit.items()},
        "decision": method.decisions[place],
        "settings_hash": result.settings_hash,
        "settings": result.study,
        "data_window": result.window,
        "versions": result.versions,
    }


def verify(folder: Path) -> Verification:
    """Whether the log is whole.

    Raises:
        StorageError: There is none, or it is too damaged to be read.
    """
    return verify_chain(folder / FILE)


def entries(folder: Path, limit: int) -> list[AuditEntry]:
    """The newest entries, newest first."""
    if not (folder / FILE).exists():
        return []
    with DatabaseSnapshot(folder / FILE) as db:
        return audit.recent(db, limit)
