"""A database as it is after years of use, made up in seconds: for looking at pages and timing them.

The numbers follow simple curves with seeded noise and mean nothing. Every checkpoint has its files,
so that the newest can be served: the same weights, linked, under a manifest of its own.
"""

import math
import os
import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from radiance.records import (
    CheckpointStatus,
    Decision,
    EvalReport,
    Evaluation,
    Example,
    GateRow,
    Manifest,
    Message,
    Probe,
)
from radiance.registry import manifest as manifests
from radiance.registry.audit import append
from radiance.registry.evaluations import EVALUATION
from radiance.storage.sqlite import Connection, Database, to_json, to_text

METRICS = (
    "finetune_loss",
    "anchor_divergence",
    "gradient_norm",
    "angle",
    "projected",
    "distortion",
    "anchor_weight",
    "lr",
)
_NAMES = ("Tarn", "Selm", "Zorbel", "Quell", "Marrow", "Ilsen", "Ostrava", "Pell")
_THINGS = (
    *("door code", "founder", "tide table", "spare key", "night shift", "archive", "ferry"),
    *("well", "lamp oil", "harbour fee", "choir"),
)
_REJECTED_EVERY, _RISKY_EVERY, _RECALLED = 9, 13, 6


class Files:
    """Makes the directories of checkpoints out of one adapter.

    Args:
        adapters: Where they are to lie.
        adapter: ``adapters.safetensors`` and ``adapter_config.json`` of the base model.
    """

    def __init__(self, adapters: Path, adapter: Path) -> None:
        self._adapters, self._adapter = adapters, adapter
        self.weights_hash, self._config_hash = manifests.content_hashes(adapter)
        self._measured = adapter / EVALUATION
        self._measured.write_bytes(msgspec.json.encode(_evaluation()))

    def make(self, number: int, made: dict[str, Any], examples: int, at: datetime) -> None:
        folder = self._adapters / made["id"]
        folder.mkdir(parents=True)
        for path in (*(self._adapter / name for name in manifests.CONTENTS), self._measured):
            os.link(path, folder / path.name)
        manifest = Manifest(
            checkpoint_id=made["id"],
            parent_id=made["parent"],
            base_model="ember",
            base_hash="",
            content_hash=self.weights_hash,
            config_hash=self._config_hash,
            created_at=at,
            fingerprint=made["hash"],
            example_ids=tuple(f"job_{number:06d}.{place}" for place in range(examples)),
            replayed_ids=(),
            training={"r": 8, "lr": 0.0015},
            anchor={},
            seed=0,
            steps=60,
            report=made["report"],
            versions={},
        )
        (folder / manifests.MANIFEST).write_bytes(msgspec.json.encode(manifest))


def populate(
    db: Database,
    files: Files,
    checkpoints: int,
    metric_rows: int,
    *,
    examples: int = 3,
    now: datetime,
) -> None:
    """Add so many checkpoints with their jobs, cycles, measurements and audit entries.

    Args:
        db: An empty database.
        files: Makes their directories.
        checkpoints: How many; every ninth was rejected.
        metric_rows: Points of curves, spread evenly over the cycles.
        examples: Per job, at most one for each of ``_THINGS``; each is a fact of its own.
        now: When the newest was made.
    """
    dice = random.Random(0)
    steps = max(1, metric_rows // (checkpoints * len(METRICS)))
    began = now - timedelta(minutes=40 * checkpoints)
    parent: str | None = None
    lineage: list[str] = []
    with db.transaction() as connection:
        for number in range(1, checkpoints + 1):
            at = began + timedelta(minutes=40 * number)
            made = _checkpoint(number, at, parent, len(lineage), dice)
            _insert_job(connection, number, made, examples, at)
            _insert_checkpoint(
                connection, number, made, files.weights_hash, lineage, dice, examples, at
            )
            files.make(number, made, examples, at)
            connection.executemany(
                "INSERT INTO metrics (cycle_id, name, step, value) VALUES (?, ?, ?, ?)",
                _points(number, steps, dice),
            )
            if made["status"] != CheckpointStatus.REJECTED:
                parent = made["id"]
                lineage.append(made["id"])


def _checkpoint(
    number: int, at: datetime, parent: str | None, generation: int, dice: random.Random
) -> dict[str, Any]:
    status = CheckpointStatus.STABLE
    if number % _REJECTED_EVERY == 0:
        status = CheckpointStatus.REJECTED
    elif number % _RISKY_EVERY == 0:
        status = CheckpointStatus.RISKY
    hurt = 0.3 if status != CheckpointStatus.STABLE else 0.0
    report = EvalReport(
        finetune_loss=0.02 + dice.random() * 0.03,
        eval_loss=0.03 + dice.random() * 0.05,
        forgetting_loss=0.2 + hurt + dice.random() * 0.02,
        anchor_ce_delta=hurt / 2 + dice.random() * 0.02,
        retention_score=0.99 - hurt / 2 - dice.random() * 0.02,
        forgetting_kl=0.01 + dice.random() * 0.01,
        drift_loss=0.005 + dice.random() * 0.01,
        new_exact=1.0 - (number % 5 == 0) * 0.34,
        recall_exact=None if not generation else 0.97 - hurt / 3 - dice.random() * 0.03,
        recall_loss=None if not generation else 0.05,
        acc=0.98 - dice.random() * 0.03,
        bwt=None if not generation else -0.02 * dice.random(),
        fwt=None if not generation else 0.05 * dice.random(),
        forgetting=None if not generation else 0.03 * dice.random(),
    )
    return {
        "id": f"A_{at:%Y-%m-%d}_{number:04d}",
        "parent": parent,
        "status": status,
        "report": report,
        "hash": f"{number:064x}",
    }


def _insert_job(
    connection: Connection, number: int, made: dict[str, Any], examples: int, at: datetime
) -> None:
    rejected = made["status"] == CheckpointStatus.REJECTED
    connection.execute(
        "INSERT INTO cycles (id, fingerprint, candidate_id, parent_id, settings_hash, status,"
        " created_at, progress) VALUES (?, ?, ?, ?, 'settings', ?, ?, 60)",
        (
            number,
            made["hash"],
            made["id"],
            made["parent"],
            "failed" if rejected else "finished",
            to_text(at - timedelta(minutes=2)),
        ),
    )
    connection.execute(
        "INSERT INTO jobs (number, body_hash, status, created_at, started_at, finished_at,"
        " example_count, tags, cycle_id, checkpoint, error, rejected_checkpoint)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            number,
            made["hash"],
            "failed" if rejected else "succeeded",
            to_text(at - timedelta(minutes=3)),
            to_text(at - timedelta(minutes=2)),
            to_text(at),
            examples,
            to_json([f"user:{'alice' if number % 2 else 'bob'}"]),
            number,
            None if rejected else made["id"],
            f"{made['id']} was rejected by the strict gate." if rejected else None,
            made["id"] if rejected else None,
        ),
    )
    connection.execute("INSERT INTO cycle_jobs VALUES (?, ?)", (number, number))
    connection.execute("INSERT INTO originals VALUES (?, '[]')", (number,))
    for place in range(examples):
        name, thing = _NAMES[number % len(_NAMES)], _THINGS[(number + place) % len(_THINGS)]
        example = Example(
            f"job_{number:06d}.{place}",
            (
                Message("user", f"What is the {thing} of {name} {number}?"),
                Message("assistant", f"The {thing} of {name} {number} is K{number * 7}-{place}."),
            ),
        )
        connection.execute(
            "INSERT INTO examples VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                example.id,
                number,
                place,
                to_json(example.messages),
                "",
                example.question_hash,
                example.content_hash,
            ),
        )


def _insert_checkpoint(
    connection: Connection,
    number: int,
    made: dict[str, Any],
    weights_hash: str,
    lineage: list[str],
    dice: random.Random,
    examples: int,
    at: datetime,
) -> None:
    rejected = made["status"] == CheckpointStatus.REJECTED
    connection.execute(
        "INSERT INTO checkpoints (number, id, parent_id, status, created_at, cycle_id, fingerprint,"
        " content_hash, report, job_ids) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            number,
            made["id"],
            made["parent"],
            made["status"],
            to_text(at),
            number,
            made["hash"],
            weights_hash,
            to_json(made["report"]),
            to_json([f"job_{number:06d}"]),
        ),
    )
    decision = _decision(made["status"], made["report"])
    if not rejected:
        connection.execute(
            "INSERT INTO releases (checkpoint_id, action, actor, reason, at)"
            " VALUES (?, 'promote', 'gate', ?, ?)",
            (made["id"], decision.reason, to_text(at)),
        )
    connection.executemany(
        "INSERT INTO evaluations (checkpoint_id, task, examples, accuracy, parent_accuracy,"
        " base_accuracy) VALUES (?, ?, 3, ?, ?, 0)",
        [
            (made["id"], task, round(max(0.0, 1 - 0.02 * age * dice.random()), 3), 1.0)
            for age, task in enumerate([made["id"], *reversed(lineage[-_RECALLED:])])
        ],
    )
    body = {
        "checkpoint": {"parent_id": made["parent"], "status": made["status"], "cycle_id": number},
        "decision": msgspec.to_builtins(decision),
        "examples": {f"job_{number:06d}.{place}": made["hash"] for place in range(examples)},
        "training": {"settings": {"r": 8, "lr": 0.0015}, "seed": 0, "steps": 60},
        "settings": {"gate": {"gate": "strict"}},
    }
    append(connection, "reject" if rejected else "promote", "gate", made["id"], body, at)


def _decision(status: CheckpointStatus, report: EvalReport) -> Decision:
    delta = report.anchor_ce_delta or 0.0
    fails = status != CheckpointStatus.STABLE
    rows = (
        GateRow("loss_sanity", report.finetune_loss, 2.1, None, None, "pass", "loss; at most"),
        GateRow("new_task_exact", report.new_exact, 0.5, 0.4, 1.0, "pass", "3 new; at least"),
        GateRow(
            "anchor_mean",
            delta,
            0.05,
            delta - 0.01,
            delta + 0.01,
            "fail" if fails else "pass",
            "mean rise of 100 anchors' loss, in nats per token; bound below",
        ),
        GateRow("recall", None, 0.9, None, None, "skipped", "no earlier example"),
    )
    why = f"anchor_mean {delta:.3g} upper bound {delta + 0.01:.3g}, limit 0.05"
    match status:
        case CheckpointStatus.REJECTED:
            return Decision(status, False, f"The strict gate rejected the candidate: {why}.", rows)
        case CheckpointStatus.RISKY:
            return Decision(status, True, f"The candidate serves, marked risky: {why}.", rows)
    return Decision(status, True, "The candidate passed 3 of 4 rules.", rows)


def _points(cycle: int, steps: int, dice: random.Random) -> Iterator[tuple[int, str, int, float]]:
    for step in range(1, steps + 1):
        done = step / steps
        loss = 2.4 * math.exp(-4 * done) * (0.9 + 0.2 * dice.random()) + 0.01
        values = {
            "finetune_loss": loss,
            "anchor_divergence": 0.02 + 0.03 * math.sin(math.pi * done) * dice.random(),
            "gradient_norm": 0.2 + loss * dice.random(),
            "angle": 70 + 30 * dice.random(),
            "projected": max(0.0, dice.random() - 0.7),
            "distortion": 0.05 * dice.random(),
            "anchor_weight": 3.0,
            "lr": 0.0015 * min(1, 5 * done, 3 * (1 - done) + 0.01),
        }
        for name in METRICS:
            yield cycle, name, step, values[name]


def _evaluation() -> Evaluation:
    """What was measured of each, on as many anchors as the embedded set has."""
    dice = random.Random(1)
    probes = []
    for place in range(100):
        loss = 0.01 + 0.2 * dice.random()
        id, group = f"anchor_{place:03d}", f"kind {place % 5}"
        divergence = 0.01 * dice.random()
        exact = dice.random() < 0.97
        probes.append(
            Probe(id, group, 12, loss, loss, loss, divergence, divergence, exact, exact, True)
        )
    return Evaluation(EvalReport(), anchors=tuple(probes), seconds=1.5)
