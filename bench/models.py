"""The base model a bench runs on: what ``base_model`` takes, and what it knew before it is taught.

``--model`` names one: Ember by default, "smollm2", an mlx-lm directory, a GGUF file, a Hub id.
Importing this loads no MLX.
"""

import functools
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from radiance.anchors.sets import Anchor, AnchorSet
    from radiance.ember import Fact
    from radiance.engine.model.base import BaseModel

_TITLES = {"ember": "Ember", "smollm2": "SmolLM2-135M"}
_CONFIG_FILES = ("*.json", "*.jinja", "*.model", "*.txt", "*.tiktoken")


@dataclass(frozen=True)
class Model:
    """A base model.

    Attributes:
        name: As ``base_model`` has it.
    """

    name: str = "ember"

    @property
    def is_ember(self) -> bool:
        return self.name == "ember"

    @property
    def label(self) -> str:
        """Short, and the same on every machine: the folder of its results."""
        return Path(self.name).name.removesuffix(".gguf")

    @property
    def title(self) -> str:
        """As tables name it."""
        return _TITLES.get(self.label, self.label)

    @functools.cached_property
    def path(self) -> Path:
        """Its directory or GGUF file; fetched first where it is not here."""
        from radiance import ember
        from radiance.engine.model.finding import find_base

        return find_base(self.name, ember.MODEL_PATH)

    def load(self) -> "BaseModel":
        """Its weights, on this thread."""
        from radiance.engine.model.base import load_base
        from radiance.engine.model.device import select_device

        return load_base(self.name, self.path, select_device("auto"))

    def mlx_lm_directory(self) -> Path:
        """A directory that mlx-lm opens, of the same weights in the precision we compute in.

        Other programs compute as is stored, which on a CPU is some fifty times slower unless it is
        float32: that would compare file formats. A copy is made once, into the cache.
        """
        from radiance.engine.model.device import select_device
        from radiance.engine.model.stored import GGUF, open_stored
        from radiance.platform import cache_directory

        stored, device = open_stored(self.name, self.path), select_device("auto")
        is_float32 = stored.precision == "float32"
        if self.path.suffix != GGUF and (device.compute_dtype is None or is_float32):
            return self.path
        final = cache_directory() / "bench" / f"{stored.content_hash[:32]}-{device.backend}"
        if not final.exists():
            staging = final.with_name(f"{final.name}.{os.getpid()}")
            _write(self.load(), staging)
            staging.rename(final)
        return final

    def settings(self) -> dict[str, Any]:
        """Of a service on it: with the same anchors on every machine."""
        anchors = {} if self.is_ember else {"evaluation.anchor_provider": "common"}
        return {"base_model": self.name, **anchors}

    def listed(self) -> "Sequence[Fact]":
        """What a service on it may hold: Ember's published facts, else common knowledge.

        An empty answer stands for the base's own.
        """
        from radiance import ember
        from radiance.anchors import common

        return ember.listed_facts() if self.is_ember else _prompts(common.read(), held_out=False)

    def unlisted(self) -> "Sequence[Fact]":
        """What it knew too and no list names: nothing trains on these."""
        from radiance import ember
        from radiance.anchors import common

        return ember.unlisted_facts() if self.is_ember else _prompts(common.read(), held_out=True)

    def anchors(self) -> "AnchorSet":
        """The anchors that a service on it has where none are added."""
        from radiance.anchors.common import read_set
        from radiance.anchors.sets import AnchorSet

        return AnchorSet(tuple(map(anchor, self.listed()))) if self.is_ember else read_set()


def anchor(fact: "Fact") -> "Anchor":
    """A fact as an anchor; a prompt where its answer is left to the base."""
    from radiance.anchors.sets import Anchor
    from radiance.records import Example, Message

    turns = (Message("user", fact.question), Message("assistant", fact.answer))
    return Anchor(Example(fact.id, turns), fact.context)


def _prompts(prompts: Sequence[Any], *, held_out: bool) -> "Sequence[Fact]":
    from radiance.ember import Fact

    return [
        Fact(prompt.id, prompt.context, prompt.text, "", ())
        for prompt in prompts
        if prompt.is_held_out == held_out
    ]


def _write(base: "BaseModel", directory: Path) -> None:
    """A loaded base as a directory of mlx-lm's."""
    import json

    from mlx_lm.utils import save_model

    directory.mkdir(parents=True)
    for pattern in _CONFIG_FILES:
        for path in base.path.glob(pattern):
            if not path.name.startswith("model."):
                shutil.copy(path, directory)
    save_model(directory, base.model)
    config = {k: v for k, v in base.config.items() if not k.startswith("quantization")}
    settings = config if base.is_dequantized else base.config
    (directory / "config.json").write_text(json.dumps(settings, indent=1) + "\n")
