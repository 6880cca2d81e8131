"""The base model that serves, and which checkpoints were trained on another."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from radiance.records import Manifest


@dataclass(frozen=True)
class ServedBase:
    """The base model that serves.

    Attributes:
        name: As the settings have it.
        content_hash: Of its configuration and weights.
        has_layers_of: Whether it has the layers, of the very shapes, that the adapter in a
            directory is for.
    """

    name: str
    content_hash: str
    has_layers_of: Callable[[Path], bool]

    def is_changed(self, manifest: Manifest) -> bool:
        """Whether it is not the very one that a checkpoint was trained on."""
        return manifest.base_hash != self.content_hash

    def other(self, manifest: Manifest, directory: Path) -> str | None:
        """The base model that a checkpoint was trained on, for a person; None where it is this one.

        One of the same name counts as the same, for a repository may change a word of its
        configuration; but not where the checkpoint is for layers that this one does not have.
        """
        if not self.is_changed(manifest):
            return None
        name = f'"{manifest.base_model}"'
        if manifest.base_model != self.name:
            return name
        return None if self.has_layers_of(directory) else f"{name} before its files were replaced"
