"""Writes a checkpoint as other programs load it: mlx-lm, PEFT, llama.cpp, or as a fused model.

The root is only read, also while a service runs over it. A target appears whole or not at all.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import jinja2

from radiance.config import Config
from radiance.engine.adapters.export import check_head, write_fused, write_peft
from radiance.engine.adapters.files import load_adapter
from radiance.engine.adapters.foreign_files import ADAPTER_FILE, MODEL_FILE
from radiance.engine.adapters.slots import Adapter
from radiance.engine.model.base import BaseModel, load_base
from radiance.engine.model.device import select_device
from radiance.engine.model.finding import find_base
from radiance.errors import ConfigError, Conflict, NotFound
from radiance.examples.store import ExampleStore
from radiance.exchange.card import CardSubject, model_card
from radiance.exchange.modelfile import Chat, modelfile, turn_forms
from radiance.registry import manifest as manifests
from radiance.registry.checkpoints import Checkpoints
from radiance.storage import files
from radiance.storage.sqlite import DatabaseSnapshot

Form = Literal["mlx", "peft", "fused", "gguf", "gguf-lora"]
Weights = Literal["f16", "q8_0"]
CARD, MODELFILE = "README.md", "Modelfile"
Writer = Callable[[Adapter, BaseModel, Path], None]


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
        Conflict: It has learned what was forgotten since, or its weights were pruned.
        CorruptCheckpoint: Its files are not the ones that were committed.
        StorageError: The database cannot be read.
    """
    if not config.database_path.exists():
        raise _nothing(checkpoint_id, f"nothing was ever taught in {config.root}.")
    with DatabaseSnapshot(config.database_path) as db:
        registry = Checkpoints(db, config.adapters_path)
        found = checkpoint_id or registry.current_id()
        if found is None:
            raise _nothing(checkpoint_id, "the bare base model is served.")
        registry.check_can_serve(found)
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
    config: Config,
    source: ExportSource,
    form: Form,
    target: Path,
    ember_path: Path,
    weights: Weights = "f16",
) -> None:
    """Write a checkpoint in some form, with its manifest and a model card.

    The same adapter read back gives the same logits. "fused" and "gguf" hold the base's weights
    too; layers of a quantized base that are adapted become plain ones in "fused".

    Args:
        config: Names the base model and the device.
        source: From ``find_source``.
        form: What to write.
        target: The directory to make; it must not exist, or be empty.
        ember_path: Where the embedded base model lies.
        weights: How "gguf" stores matrices.

    Raises:
        Conflict: Something is there already.
        ConfigError: The configured base model is not the checkpoint's, or the form has no place
            for what was adapted.
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
            adapter = load_adapter(source.path)
            if any(".layers." not in path for path in adapter.pairs):  # else the base may be away
                check_head(adapter, _base_of(config, source, ember_path))
            for name in manifests.CONTENTS:
                shutil.copy(source.path / name, staging / name)
        else:
            _convert(config, source, _writers(weights)[form], staging, ember_path)
        shutil.copy(source.path / manifests.MANIFEST, staging / manifests.MANIFEST)
        (staging / CARD).write_text(model_card(source.subject, form), encoding="utf-8")
        if target.exists():
            target.rmdir()
        files.publish_directory(staging, target)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise


def _writers(weights: Weights) -> dict[Form, Writer]:
    """What writes each form that is not a copy."""
    # Not at the top: llama.cpp's package takes a third of a second that other forms need not wait.
    from radiance.engine.adapters.gguf_export import write_gguf, write_gguf_lora

    def gguf(adapter: Adapter, base: BaseModel, staging: Path) -> None:
        write_gguf(adapter, base, staging, weights)
        _write_modelfile(base, staging, is_adapter=False)

    def gguf_lora(adapter: Adapter, base: BaseModel, staging: Path) -> None:
        write_gguf_lora(adapter, base, staging)
        _write_modelfile(base, staging, is_adapter=True)

    return {"peft": write_peft, "fused": write_fused, "gguf": gguf, "gguf-lora": gguf_lora}


def _convert(
    config: Config, source: ExportSource, write: Writer, staging: Path, ember_path: Path
) -> None:
    base, adapter = _base_of(config, source, ember_path), load_adapter(source.path)
    if write is not write_peft:
        check_head(adapter, base)
    write(adapter, base, staging)


def _base_of(config: Config, source: ExportSource, ember_path: Path) -> BaseModel:
    device = select_device(config.backend)
    base = load_base(config.base_model, find_base(config.base_model, ember_path), device)
    manifest = source.subject.manifest
    if manifest.base_hash != base.content_hash:
        raise ConfigError(
            f"base_model (is {base.name!r}): {manifest.checkpoint_id} was trained on another "
            f"base model, {manifest.base_model!r}. Name that model by --base-model."
        )
    return base


def _write_modelfile(base: BaseModel, staging: Path, *, is_adapter: bool) -> None:
    tokenizer: Any = base.tokenizer

    def render(chat: Chat, is_asking: bool) -> str | None:
        turns = [{"role": role, "content": words} for role, words in chat]
        try:
            return tokenizer.apply_chat_template(
                turns, tokenize=False, add_generation_prompt=is_asking
            )
        except (jinja2.TemplateError, TypeError, KeyError):
            return None

    forms = None
    if tokenizer.has_chat_template:
        forms = turn_forms(render, tokenizer.bos_token or "")
    names = [tokenizer.convert_ids_to_tokens(token) for token in sorted(tokenizer.eos_token_ids)]
    file = ADAPTER_FILE if is_adapter else MODEL_FILE
    text = modelfile(file, forms, [n for n in names if n], is_adapter=is_adapter)
    (staging / MODELFILE).write_text(text, encoding="utf-8")
