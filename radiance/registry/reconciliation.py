"""Brings a registry's files, rows and stable link into agreement when a service starts."""

from radiance.errors import Conflict, CorruptCheckpoint
from radiance.registry import bodies
from radiance.registry.audit import TRIGGERS, append
from radiance.registry.rows import STABLE_LINK
from radiance.registry.store import Registry
from radiance.storage import files
from radiance.storage.migrations import AUDIT_TRIGGERS


def reconcile(registry: Registry) -> list[str]:
    """Bring files, rows and the stable link into agreement.

    Unfinished temporaries are deleted. Directories without a row are left alone. Where the served
    checkpoint is missing or damaged, the newest whole one served before it is released instead, or
    the base.

    Returns:
        What was found and done, as sentences.
    """
    adapters = registry.adapters_path
    findings = [
        f"Deleted {adapters.name}/{name}, which an earlier process left unfinished."
        for name in files.sweep_temporaries(adapters)
    ]
    known = registry.committed()
    findings += [
        f"{adapters.name}/{path.name} is no committed checkpoint; it was left alone."
        for path in sorted(adapters.iterdir())
        if path.is_dir() and not path.is_symlink() and path.name not in known
    ]
    findings += _mend_triggers(registry)
    findings += _open_audit(registry)
    findings += _mark_damage(registry)
    findings += _leave_unusable(registry)
    findings += _mend_link(registry)
    return findings


def _mend_triggers(registry: Registry) -> list[str]:
    """Put back what keeps the log from being changed by mistake."""
    rows = registry.db.read("SELECT name FROM sqlite_master WHERE type = 'trigger'")
    missing = TRIGGERS - {row["name"] for row in rows}
    if not missing:
        return []
    with registry.db.transaction() as connection:
        for statement in AUDIT_TRIGGERS:
            connection.execute(statement)
    return [f"The audit log lacked {', '.join(sorted(missing))}; it has them again."]


def _open_audit(registry: Registry) -> list[str]:
    """Put log and head file in order; begin the log with what was there before there was one."""
    db = registry.db
    rows = db.read("SELECT * FROM checkpoints ORDER BY number")
    if rows and registry.audit.is_new():
        releases = db.read("SELECT * FROM releases ORDER BY number")
        body = bodies.adoption(rows, releases, registry.adapters_path)
        with registry.audit.sealed(), db.transaction() as connection:
            append(connection, "adopt", "reconcile", None, body, registry.clock())
        return [f"The audit log begins here, with {len(rows)} earlier checkpoints as they are."]
    return registry.audit.settle(registry.clock())


def _mark_damage(registry: Registry) -> list[str]:
    """Note for every checkpoint what is wrong with it.

    Only the served one and those that were damaged before are hashed. Hashing all would delay every
    start by seconds per hundred checkpoints; ``release`` hashes what it is about to serve.
    """
    before, pruned = registry.damaged(), registry.pruned()
    suspects = {*before, registry.history()[-1]} - pruned
    damage: dict[str, str | None] = {}
    for checkpoint_id in sorted(registry.committed() - registry.withdrawn()):
        try:
            registry.manifest(checkpoint_id)
            if checkpoint_id in suspects:
                registry.verify(checkpoint_id)
            damage[checkpoint_id] = None
        except CorruptCheckpoint as error:
            damage[checkpoint_id] = str(error)
    changed = [(what, id) for id, what in damage.items() if before.get(id) != what]
    if changed:
        with registry.db.transaction() as connection:
            connection.executemany("UPDATE checkpoints SET damage = ? WHERE id = ?", changed)
    return [what for what in damage.values() if what is not None]


def _leave_unusable(registry: Registry) -> list[str]:
    """Release what was served before a damaged checkpoint, passing over damaged ones."""
    *earlier, current = registry.history()
    if current is None or current not in registry.damaged():
        return []
    reason = f"{current} is damaged."
    for target in reversed(earlier):
        try:
            registry.release(target, "rollback", "reconcile", reason, registry.clock())
        except (CorruptCheckpoint, Conflict):
            continue
        return [f"{current} is damaged, so {target or 'the base model'} is served instead."]
    raise AssertionError("the history begins with the base, which can always be released")


def _mend_link(registry: Registry) -> list[str]:
    adapters = registry.adapters_path
    link = adapters / STABLE_LINK
    before = files.link_target(link)
    registry.point_stable()
    after = files.link_target(link)
    if before == after:
        return []
    return [
        f"{adapters.name}/{STABLE_LINK} pointed at {before or 'nothing'}; it now points at"
        f" {after or 'nothing, because the base model is served'}."
    ]
