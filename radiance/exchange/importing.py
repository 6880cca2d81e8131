"""Takes in adapters that were made elsewhere, as checkpoints of their own.

An imported checkpoint has a directory, a manifest and an entry in the audit log like any other, no
parent and no examples. It is ``risky``, because no gate judged it, and never served by itself: a
person promotes it, or a request names it.
"""

import math
import shutil
from importlib.metadata import version
from pathlib import Path

from radiance import __version__, records
from radiance.engine.adapters.difference import Difference
from radiance.engine.adapters.files import adapter_config, save_adapter
from radiance.engine.adapters.foreign import read_foreign_adapter
from radiance.engine.adapters.foreign_adapter import ForeignAdapter
from radiance.engine.adapters.foreign_files import ForeignFiles, read_files
from radiance.engine.requests import Scoring, Weights
from radiance.engine.worker import Engine
from radiance.errors import BadAdapter
from radiance.records import (
    Checkpoint,
    CheckpointStatus,
    EvalReport,
    Imported,
    Manifest,
    content_hash,
)
from radiance.registry.manifest import content_hashes
from radiance.registry.store import Registry

_MOST_SOURCE_CHARACTERS = 500
_PROBE = "The quick brown fox jumps over the lazy dog, 0123456789."


def import_adapter(
    directory: Path, engine: Engine, registry: Registry, actor: str, source: str = ""
) -> Checkpoint:
    """Read an adapter or a fused model, check all of it, and commit it. Any thread.

    Args:
        directory: Absolute: a directory that mlx-lm, PEFT or an export wrote, or a GGUF file; it is
            only read, and no longer needed afterwards.
        engine: On the base model that the adapter must fit.
        registry: Where it becomes a checkpoint.
        actor: Who brings it.
        source: What to keep of where it is from; the directory if not given.

    Raises:
        BadAdapter: It cannot be used with this base; nothing of it was kept.
        StorageError: The disk or the database failed.
        EngineFailed: The engine hangs.
    """
    if not directory.is_absolute():
        raise BadAdapter(
            f"{directory}: is a relative path.", field="path", remedy="Give the whole path."
        )
    given = read_files(directory)
    foreign = _read(given, engine)
    checkpoint_id = registry.reserve()
    staging = registry.staging(checkpoint_id)
    try:
        settings = adapter_config(foreign.adapter, len(engine.base.model.layers))
        engine.call(lambda: save_adapter(foreign.adapter, settings, staging), is_asked=True)
        _check_answers(engine, directory, staging)
        manifest = _manifest(checkpoint_id, foreign, engine, staging, source or str(directory))
        return registry.commit_imported(staging, manifest, actor)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise


def _read(given: ForeignFiles, engine: Engine) -> ForeignAdapter:
    if given.format not in ("fused", "gguf"):
        return engine.call(lambda: read_foreign_adapter(given, engine.base), is_asked=True)
    difference = engine.call(lambda: Difference(given, engine.base), is_asked=True)
    for step in difference.steps():
        engine.call(step, is_asked=True)
    return engine.call(difference.adapter, is_asked=True)


def _check_answers(engine: Engine, directory: Path, staging: Path) -> None:
    """Refuse what cannot be served: beside the base's own numbers its own may overflow."""
    weights = Weights("checkpoint", None, CheckpointStatus.RISKY, path=staging)
    tokens = engine.encoder.text(_PROBE)[: engine.encoder.context_tokens]
    (scored,) = engine.score([Scoring(tokens, weights)]).result
    if not all(math.isfinite(token.logprob) for token in scored.logprobs):
        raise BadAdapter(
            f"{directory}: with it the model's outputs are not finite: its factor or its matrices "
            "are too large.",
            field="path",
            remedy="Its training had diverged, or its lora_alpha or scale is wrong.",
        )


def _manifest(
    checkpoint_id: str, foreign: ForeignAdapter, engine: Engine, staging: Path, source: str
) -> Manifest:
    weights_hash, config_hash = content_hashes(staging)
    names = sorted({path.rpartition(".")[2] for path in foreign.adapter.pairs})
    return Manifest(
        checkpoint_id=checkpoint_id,
        parent_id=None,
        base_model=engine.base.name,
        base_hash=engine.base.content_hash,
        content_hash=weights_hash,
        config_hash=config_hash,
        created_at=records.now(),
        fingerprint=content_hash(["import", engine.base.content_hash, weights_hash, config_hash]),
        example_ids=(),
        replayed_ids=(),
        # What an evaluation needs to know of its shape.
        training={
            "r": foreign.rank,
            "alpha": foreign.adapter.scale * foreign.rank,
            "target_modules": names,
            "seed": 0,
        },
        anchor={},
        seed=0,
        steps=0,
        report=EvalReport(),
        versions={"radiance": __version__, "mlx": version("mlx"), "mlx-lm": version("mlx-lm")},
        imported=Imported(source[:_MOST_SOURCE_CHARACTERS], foreign.format, foreign.declared_base),
    )
