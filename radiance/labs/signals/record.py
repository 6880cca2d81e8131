"""The lab's decisions in an audit log of the service's own kind.

A log of its own, ``runs/signals/radiance.db`` with its ``audit.head``, hash-chained by
``registry/audit.py``: a service may run over the same root, and no signal is one of its
checkpoints. ``radiance audit log --root ROOT/runs/signals`` does not read it, since that looks for
``runs/`` below; ``radiance signals audit`` does.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from radiance import records
from radiance.labs.signals.own import Judgement
from radiance.labs.signals.results import MethodResult, StudyResult
from radiance.registry import audit
from radiance.registry.audit import Audit, AuditEntry
from radiance.registry.verification import Verification, verify_chain
from radiance.storage.sqlite import Database, DatabaseSnapshot

FILE = "radiance.db"


def record(result: StudyResult, folder: Path, run_id: str, approver: str | None = None) -> int:
    """Write one entry for every decision, and one for every rollback; how many.

    Each has the anchor suite's hash, the adapter's checksum, what was measured, the settings, the
    window of data, and who answers for it.

    Raises:
        StorageError: The disk or the database failed; nothing was written.
    """
    made: list[_Made] = []
    for method in result.methods:
        for place, decision in enumerate(method.decisions):
            body = {**_body(result, run_id, method, place), "approver": approver}
            subject = f"{run_id}/{method.name}/{result.units[place]}"
            made.append(("promote" if decision.promote else "reject", "gate", subject, body))
            if method.verdict is not None and place in method.verdict.rollbacks:
                body = {"run": run_id, "reason": method.verdict.rollbacks[place]}
                made.append(("rollback", "monitor", subject, body | {"approver": approver}))
    return _write(made, folder)


def record_own(found: Judgement, folder: Path, run_id: str) -> int:
    """The same of a signal of your own: the gate's decision, and a rollback; how many.

    Raises:
        StorageError: The disk or the database failed; nothing was written.
    """
    decision, who = found.decision, {"approver": found.approver}
    body = {
        "run": run_id,
        "anchors_hash": found.anchors_hash,
        "decision": decision,
        "metrics": found.outcomes,
        "settings_hash": found.settings_hash,
        "settings": [found.study, found.replay],
        "data_window": found.window,
        "versions": found.versions,
    }
    subject = f"{run_id}/own"
    made: list[_Made] = [("promote" if decision.promote else "reject", "gate", subject, body | who)]
    if found.rollback is not None:
        reason = {"run": run_id, "reason": found.rollback}
        made.append(("rollback", "monitor", subject, reason | who))
    return _write(made, folder)


_Made = tuple[Literal["promote", "reject", "rollback"], str, str, audit.Body]


def _write(made: Sequence[_Made], folder: Path) -> int:
    database = Database(folder / FILE)
    try:
        log = Audit(database)
        log.settle(records.now())
        for action, actor, subject, body in made:
            # One transaction each: after a crash the head file may be one entry behind.
            with log.sealed(), database.transaction() as connection:
                audit.append(connection, action, actor, subject, body, records.now())
        return len(made)
    finally:
        database.close()


def _body(result: StudyResult, run_id: str, method: MethodResult, place: int) -> audit.Body:
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
