"""What the entries of the audit log say about a candidate, a move of the pointer, a failure."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from radiance.records import (
    Asked,
    Decision,
    Evaluation,
    Evidence,
    Manifest,
    OverwrittenAnchor,
    content_hash,
)
from radiance.registry.audit import Body, plain
from radiance.registry.evaluations import EVALUATION
from radiance.registry.manifest import CONFIG, MANIFEST, WEIGHTS
from radiance.storage import files
from radiance.storage.sqlite import Row

FILES = (WEIGHTS, CONFIG, MANIFEST, EVALUATION)
_CHECKPOINT = ("parent_id", "status", "created_at", "cycle_id", "fingerprint", "content_hash")
_RELEASE = ("number", "checkpoint_id", "action", "actor", "reason", "at")


def checkpoint_row(row: Row) -> dict[str, Any]:
    """A row of ``checkpoints`` as the log holds it."""
    lists = {name: msgspec.json.decode(row[name]) for name in ("report", "job_ids")}
    return plain({**{name: row[name] for name in _CHECKPOINT}, **lists})


def release_row(row: Row) -> dict[str, Any]:
    """A row of ``releases`` as the log holds it."""
    return {name: row[name] for name in _RELEASE}


def file_hashes(directory: Path) -> dict[str, str]:
    """SHA-256 of each file of a checkpoint.

    Raises:
        StorageError: One cannot be read.
    """
    return {name: files.hash_file(directory / name) for name in FILES}


def candidate(
    row: Row,
    hashes: dict[str, str],
    manifest: Manifest,
    evaluation: Evaluation,
    decision: Decision,
    evidence: Evidence,
    release: Row | None,
    withheld: str | None,
) -> Body:
    """Why a candidate became what it became, with everything that can be checked afterwards.

    Args:
        row: Its row in ``checkpoints``.
        hashes: SHA-256 of its files, by name.
        manifest: What it is.
        evaluation: What was measured of it.
        decision: What the gate made of that.
        evidence: What it was made from, and the settings.
        release: The row in ``releases`` that serves it, if one does.
        withheld: Why it is not served although the gate would have it, as a sentence.
    """
    return {
        "checkpoint": checkpoint_row(row),
        "files": hashes,
        "base": {"model": manifest.base_model, "hash": manifest.base_hash},
        "examples": evidence.examples,
        "replayed": evidence.replayed,
        "superseded": evidence.superseded,
        "jobs": evidence.jobs,
        "anchors_hash": evaluation.anchors_hash,
        "settings": evidence.settings,
        "settings_hash": content_hash(plain(evidence.settings)),
        "training": {
            "settings": manifest.training,
            "seed": manifest.seed,
            "steps": manifest.steps,
        },
        "versions": manifest.versions,
        "decision": decision,
        "release": None if release is None else release_row(release),
        "withheld": withheld,
    }


def imported(row: Row, hashes: dict[str, str], manifest: Manifest) -> Body:
    """An adapter made elsewhere; nothing is known of what it learned.

    Args:
        row: Its row in ``checkpoints``.
        hashes: SHA-256 of its files, by name.
        manifest: What it is.
    """
    return {
        "checkpoint": checkpoint_row(row),
        "files": hashes,
        "base": {"model": manifest.base_model, "hash": manifest.base_hash},
        "imported": manifest.imported,
        "examples": {},
        "replayed": {},
        "versions": manifest.versions,
    }


def move(
    reason: str,
    before: str | None,
    release: Row | None,
    became: tuple[str, str] | None = None,
) -> Body:
    """A move of the stable pointer, or its pinning where it stands.

    Args:
        reason: Why, as a sentence.
        before: What was served until then; None is the base.
        release: The row in ``releases`` that it made, if it moved.
        became: The status of the checkpoint before and after, where it changed.
    """
    return {
        "reason": reason,
        "before": before,
        "release": None if release is None else release_row(release),
        "status": None if became is None else {"before": became[0], "after": became[1]},
    }


def acceptance(
    reason: str, anchors: Sequence[OverwrittenAnchor], became: tuple[str, str] | None
) -> Body:
    """A person's word that overwritten anchors are as they should be.

    Args:
        reason: Why, as a sentence.
        anchors: Which.
        became: The status of the checkpoint before and after, where it changed.
    """
    return {
        "reason": reason,
        "anchors": [
            {"anchor": each.anchor, "example_id": each.example_id, "since": each.since}
            for each in anchors
        ],
        "status": None if became is None else {"before": became[0], "after": became[1]},
    }


def forget(
    reason: str,
    asked: Asked,
    examples: Mapping[str, str],
    passages: Mapping[str, str],
    checkpoints: Sequence[str],
    before: str | None,
    release: Row | None,
) -> Body:
    """Examples and passages that were forgotten; of their text nothing is left but hashes.

    Args:
        reason: Why, as a sentence.
        asked: By what they were chosen.
        examples: Their content hashes by their ids.
        passages: Those of documents and passages.
        checkpoints: Those that had learned them.
        before: What was served until then; None is the base.
        release: The row in ``releases`` that serves an earlier one, if what served was among them.
    """
    return {
        "reason": reason,
        "asked": asked,
        "examples": dict(examples),
        "passages": dict(passages),
        "checkpoints": list(checkpoints),
        "before": before,
        "release": None if release is None else release_row(release),
    }


def adoption(rows: list[Row], releases: list[Row], adapters: Path) -> Body:
    """What stood there before there was a log; files that cannot be read are left out."""
    found = {}
    for row in rows:
        try:
            hashes = file_hashes(adapters / row["id"])
        except OSError:
            hashes = {}
        found[row["id"]] = {"checkpoint": checkpoint_row(row), "files": hashes}
    return {"checkpoints": found, "releases": [release_row(row) for row in releases]}
