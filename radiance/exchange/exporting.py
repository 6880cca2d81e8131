"""Writes a checkpoint as other programs load it: mlx-lm, Hugging Face PEFT, or a fused model.

The root is only read, also while a service runs over it. A target appears whole or not at all.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from radiance.config import Config
from radiance.engine.adapters.export import write_fused, write_peft
from radiance.engine.adapters.files import load_adapter
from radiance.engine.model.base import load_base
from radiance.engine.model.device import select_device
from radiance.engine.model.finding import find_base
from radiance.errors import ConfigError, Conflict, NotFound
from radiance.examples.store import ExampleStore
from radiance.exchange.card import CardSubject, model_card
from radiance.registry import manifest as manifests
from radiance.registry.checkpoints import Checkpoints
from radiance.storage import files
from radiance.storage.sqlite import DatabaseSnapshot

Form = Literal["mlx", "peft", "fused"]
CARD = "README.md"


@dataclass(frozen=True)
class ExportSource:
    """A checkpoint of a root, to be written elsewhere.

    Attributes:
        path: Its directory.
        subject: What its model card tells.
    """

    path: Path
    subject: CardSubject


def find_source(config: Config, checkpoint_id: str | None) -> ExportSource:
    """Read what a checkpoint is.

    Args:
        config: Names the root.
        checkpoint_id: Which; None is the one that is served.

    Raises:
        NotFound: There is no such checkpoint, or it is the bare base that is served.
        CorruptCheckpoint: Its files are not the ones that were committed.
        StorageError: The database cannot be read.
    """
    if not config.database_path.exists():
        raise _nothing(checkpoint_id, f"nothing was ever taught in {config.root}.")
    with DatabaseSnapshot(config.database_path) as db:
        registry = Checkpoints(db, config.adapters_path)
        current = registry.current()
        found = checkpoint_id or (current.checkpoint_id if current else None)
        if found is None:
            raise _nothing(checkpoint_id, "the bare base model is served.")
        registry.verify(found)
        manifest = registry.manifest(found)
        chain = registry.ancestors(found)
        lineage = tuple(registry.get(ancestor) for ancestor in chain)
        ids = [i for ancestor in chain for i in registry.manifest(ancestor).example_ids]
        tags = {tag for example in ExampleStore(db).by_ids(ids) for tag in example.tags}
        subject = CardSubject(manifest, registry.decision(found), lineage, len(ids), len(tags))
        return ExportSource(registry.path(found), subject)


def _nothing(checkpoint_id: str | None, why: str) -> NotFound:
    return NotFound(
        f"There is no checkpoint to export: {why}",
        field="checkpoint",
        value=checkpoint_id,
        remedy="`radiance checkpoints list` has them; name another --root for another service's.",
    )


def export_checkpoint(
    config: Config, source: ExportSource, form: Form, target: Path, ember_path: Path
) -> None:
    """Write a checkpoint in some form, with its manifest and a model card.

    The same adapter read back gives the same logits. "fused" holds the base's weights too; layers
    of a quantized base that are adapted become plain ones in it.

    Args:
        config: Names the base model and the device.
        source: From ``find_source``.
        form: What to write.
        target: The directory to make; it must not exist, or be empty.
        ember_path: Where the embedded base model lies.

    Raises:
        Conflict: Something is there already.
        ConfigError: The configured base model is not the checkpoint's.
        StorageError: It cannot be written.
    """
    target = target.absolute()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise Conflict(
            f"{target}: there is something already.",
            field="target",
            value=str(target),
            remedy="Name a new directory.",
        )
    files.make_directory(target.parent)
    staging = files.fresh_directory(target.with_name(f"{files.TEMPORARY_PREFIX}{target.name}"))
    try:
        if form == "mlx":
            for name in manifests.CONTENTS:
                shutil.copy(source.path / name, staging / name)
        else:
            _convert(
                config, source, write_peft if form == "peft" else write_fused, staging, ember_path
            )
        shutil.copy(source.path / manifests.MANIFEST, staging / manifests.MANIFEST)
        (staging / CARD).write_text(model_card(source.subject, form), encoding="utf-8")
        if target.exists():
            target.rmdir()
        files.publish_directory(staging, target)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise


def _convert(
    config: Config, source: ExportSource, write: Callable, staging: Path, ember_path: Path
) -> None:
    device = select_device(config.backend)
    base = load_base(config.base_model, find_base(config.base_model, ember_path), device)
    manifest = source.subject.manifest
    if manifest.base_hash != base.content_hash:
        raise ConfigError(
            f"base_model (is {base.name!r}): {manifest.checkpoint_id} was trained on another "
            f"base model, {manifest.base_model!r}. Name that model by --base-model."
        )
    write(load_adapter(source.path), base, staging)
