"""The files of an adapter made elsewhere, read as what they are: anybody's. Any thread.

Only plain files are read, and no more of one than its kind can have: not a pipe, which never ends,
nor a device, nor 20 GB of what says it is a configuration.
"""

import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NoReturn

from safetensors import SafetensorError, safe_open

from radiance import limits
from radiance.engine.adapters.files import CONFIG_FILE, WEIGHTS_FILE
from radiance.engine.model.gguf import head
from radiance.errors import BadAdapter, ConfigError

PEFT_WEIGHTS_FILE = "adapter_model.safetensors"
MANIFEST_FILE = "manifest.json"
MODEL_FILE, ADAPTER_FILE = "model.gguf", "adapter.gguf"
"""What an export calls its GGUF file: a whole model, or an adapter alone."""
Format = Literal["mlx", "peft", "gguf-lora", "fused", "gguf"]
_MODEL_CONFIG, _GGUF = "config.json", ".gguf"
_MOST_JSON_BYTES = limits.FOREIGN_JSON_BYTES.value


@dataclass(frozen=True)
class ForeignFiles:
    """What stands beside the weights of an adapter's directory.

    Attributes:
        format: What it is: an adapter of mlx-lm's, PEFT's or llama.cpp's, or a whole model as a
            directory or a GGUF file.
        settings: ``adapter_config.json``; empty where there is none.
        manifest: ``manifest.json`` of an adapter that Radiance exported; None: there is none.
        weights: The file of the tensors, whose header was found to be in order; of a whole model
            what is opened as a base model would be.
        gguf: The head of a GGUF file; None for other formats.
    """

    directory: Path
    format: Format
    settings: Mapping[str, Any]
    manifest: Mapping[str, Any] | None
    weights: Path
    gguf: head.Head | None = None


def read_files(directory: Path) -> ForeignFiles:
    """Read what says what an adapter is, and check that its weights can be read.

    Raises:
        BadAdapter: A file is missing, no plain file, too large or broken; it names the file.
    """
    try:
        is_directory = directory.is_dir()
        has_manifest = is_directory and (directory / MANIFEST_FILE).exists()
    except (OSError, ValueError) as error:  # a name that no file can have
        refuse(f"{directory}: {error}.", "Name a directory with adapter_config.json.")
    if not is_directory and directory.suffix == _GGUF and directory.is_file():
        return _read_gguf(directory.parent, directory, None)
    if not is_directory:
        refuse(f"{directory}: is not a directory.", "Name a directory with adapter_config.json.")
    manifest = _read_object(directory / MANIFEST_FILE) if has_manifest else None
    if not (directory / CONFIG_FILE).exists():
        for name in (ADAPTER_FILE, MODEL_FILE):
            if (directory / name).is_file():
                return _read_gguf(directory, directory / name, manifest)
        if (directory / _MODEL_CONFIG).is_file() and any(directory.glob("model*.safetensors")):
            _read_object(directory / _MODEL_CONFIG)
            for weights in directory.glob("model*.safetensors"):
                _check_header(weights)
            return ForeignFiles(directory, "fused", {}, manifest, directory)
    settings = _read_object(directory / CONFIG_FILE)
    is_peft = "peft_type" in settings
    weights = directory / (PEFT_WEIGHTS_FILE if is_peft else WEIGHTS_FILE)
    _check_header(weights)
    return ForeignFiles(directory, "peft" if is_peft else "mlx", settings, manifest, weights)


def _read_gguf(directory: Path, path: Path, manifest: Mapping[str, Any] | None) -> ForeignFiles:
    try:
        found = head.read(path)
    except ConfigError as error:
        refuse(str(error), "Copy or make it again.")
    is_adapter = found.metadata.get("general.type") == "adapter"
    kind: Format = "gguf-lora" if is_adapter else "gguf"
    return ForeignFiles(directory, kind, {}, manifest, path, found)


def _read_object(path: Path) -> Mapping[str, Any]:
    try:
        # A pipe that nobody writes to would hold us up already where it is opened.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                refuse(f"{path}: is no plain file.", "Copy or export it again.")
            data = file.read(_MOST_JSON_BYTES + 1)
    except OSError as error:
        refuse(f"{path}: {error.strerror}.", "Name a directory that an adapter was saved into.")
    if len(data) > _MOST_JSON_BYTES:
        refuse(f"{path}: has more than {_MOST_JSON_BYTES} bytes.", "Copy or export it again.")
    try:
        found = json.loads(data)
    except RecursionError:
        refuse(f"{path}: is nested too deeply.", "Copy or export it again.")
    except ValueError as error:
        refuse(f"{path}: is not JSON ({str(error)[:200]}).", "Copy or export it again.")
    if not isinstance(found, dict):
        refuse(f"{path}: is not a JSON object.", "Copy or export it again.")
    return found


def _check_header(path: Path) -> None:
    """Refuse weights that do not say truly what they hold: MLX would take some of them."""
    if not path.is_file():
        other = path.with_name("adapter_model.bin")
        if other.exists():
            refuse(
                f"{other}: is a pickle, which can run code.",
                "Save it with safe_serialization=True, which is PEFT's default.",
            )
        refuse(f"{path}: is not there.", "Name a directory that an adapter was saved into.")
    try:
        with safe_open(path, framework="numpy") as opened:
            is_empty = not opened.keys()
    except (SafetensorError, OSError, ValueError) as error:
        refuse(f"{path}: cannot be read ({error}).", "Copy or export it again.")
    if is_empty:
        refuse(f"{path}: holds no tensor.", "Copy or export it again.")


def refuse(message: str, remedy: str) -> NoReturn:
    """Raise BadAdapter, about the path that was given."""
    raise BadAdapter(message, field="path", remedy=remedy)
