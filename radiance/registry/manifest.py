"""What a checkpoint's directory must hold, and whether it does.

``adapters/<id>/`` holds ``adapters.safetensors`` and ``adapter_config.json``, which mlx-lm loads as
they are, and ``manifest.json``, which says what they are and where they come from.
"""

from pathlib import Path
from typing import TypeVar

import msgspec

from radiance.errors import CorruptCheckpoint, RegistryError, StorageError
from radiance.records import Manifest
from radiance.storage import files

WEIGHTS = "adapters.safetensors"
CONFIG = "adapter_config.json"
MANIFEST = "manifest.json"
CONTENTS = (WEIGHTS, CONFIG)
T = TypeVar("T")


def content_hashes(directory: Path) -> tuple[str, str]:
    """The ``content_hash`` and ``config_hash`` that a manifest of this directory must name.

    Raises:
        StorageError: A file cannot be read.
    """
    return files.hash_file(directory / WEIGHTS), files.hash_file(directory / CONFIG)


def write(directory: Path, manifest: Manifest) -> None:
    """Write ``manifest.json``, durably.

    Raises:
        RegistryError: It holds a value that JSON cannot keep, such as NaN.
    """
    data = msgspec.json.encode(manifest)
    try:
        kept = msgspec.json.decode(data, type=Manifest)
    except msgspec.ValidationError as error:
        raise RegistryError(
            f"The manifest of {manifest.checkpoint_id} cannot be kept: {error}."
        ) from None
    # Settings may hold tuples, which come back as lists and mean the same.
    if kept != msgspec.structs.replace(manifest, training=kept.training):
        raise RegistryError(
            f"The manifest of {manifest.checkpoint_id} cannot be kept: it reads back differently."
        )
    files.write_durably(directory / MANIFEST, msgspec.json.format(data, indent=2) + b"\n")


def read(directory: Path) -> Manifest:
    """The manifest of a checkpoint's directory.

    Raises:
        CorruptCheckpoint: It is missing or cannot be read as one.
    """
    return read_as(Manifest, directory / MANIFEST, "a manifest")


def read_as(kind: type[T], path: Path, called: str) -> T:
    """A checkpoint's JSON file as a Struct; ``called`` names it in errors.

    Raises:
        CorruptCheckpoint: It is missing or cannot be read as one.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except OSError as error:
        raise CorruptCheckpoint(f"{path}: {error.strerror}.") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CorruptCheckpoint(f"{path}: is not {called} ({error}).") from None


def verify(directory: Path, manifest: Manifest) -> None:
    """Compare the files of a directory with what its manifest says of them.

    Raises:
        CorruptCheckpoint: A file is missing or differs; it names the file and both hashes.
    """
    for name, expected in ((WEIGHTS, manifest.content_hash), (CONFIG, manifest.config_hash)):
        try:
            found = files.hash_file(directory / name)
        except StorageError as error:
            raise CorruptCheckpoint(f"{manifest.checkpoint_id}: {error}") from None
        if found != expected:
            raise CorruptCheckpoint(
                f"{directory / name}: its SHA-256 is {found}, but the manifest says {expected}."
            )
