"""Runs on predictions of one's own: kept with their memo, and on record."""

from pathlib import Path

from radiance.labs.signals import record, store
from radiance.labs.signals.own import Judgement
from radiance.labs.signals.view import own_memo


def keep(found: Judgement, folder: Path) -> tuple[Path, int]:
    """Keep a judgement under ``folder``, ``runs/signals``: its directory, and entries written.

    Raises:
        StorageError: The disk or the database failed.
    """
    run_id = store.new_id(folder, "P")
    path = store.save(found, folder, run_id, {store.MEMO: own_memo.render(found)})
    return path, record.record_own(found, folder, run_id)
