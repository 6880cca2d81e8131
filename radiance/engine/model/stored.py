"""The two forms in which a base model is stored: mlx-lm's directory, and a GGUF file.

What a model is can be read on any thread; ``load`` and ``skeleton`` belong on the engine's.
"""

import hashlib
import json
import os
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any

from radiance import platform
from radiance.engine.model.gguf import configuration, tokenizer
from radiance.engine.model.gguf import head as gguf_head
from radiance.engine.model.gguf.blocks import PACKED_BITS
from radiance.errors import ConfigError
from radiance.storage import files

GGUF = ".gguf"
_HASH_SAMPLE_BYTES = 1 << 20
_PACKED = ("U32", "I32")
_DTYPES = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}


class StoredModel(ABC):
    """A base model on disk.

    Args:
        name: As configured, for messages.
        path: Its directory or file.
    """

    def __init__(self, name: str, path: Path) -> None:
        self.name, self.path = name, path

    @cached_property
    def directory(self) -> Path:
        """Where its config.json and its tokenizer's files lie."""
        return self._directory()

    @cached_property
    def config(self) -> Mapping[str, Any]:
        """Its config.json."""
        return self._config()

    @cached_property
    def precision(self) -> str:
        """How its weights are stored, for a person: "bfloat16", "4-bit", "Q4_1"."""
        return self._precision()

    @cached_property
    def content_hash(self) -> str:
        """Identity of its configuration and weights.

        Of the weights only heads, beginnings and ends are read: to read all takes tens of seconds
        for a large model, at every start.
        """
        return self._content_hash()

    @property
    @abstractmethod
    def weight_bytes(self) -> int:
        """What its weights take on disk."""

    @property
    @abstractmethod
    def parameter_count(self) -> int:
        """How many numbers its weights are, as far as the heads of its files say."""

    @property
    @abstractmethod
    def is_quantized(self) -> bool:
        """Whether layers of it are stored quantized."""

    @abstractmethod
    def load(self, *, is_uniform: bool) -> tuple[Any, Mapping[str, Any]]:
        """mlx-lm's module with its weights, lazily where that can be, and its config.

        Args:
            is_uniform: Whether nothing may be in a wider dtype than the matrices are.
        """

    @abstractmethod
    def skeleton(self) -> Any:
        """mlx-lm's module of which no weight is read: for its shapes, and to put arrays into."""

    @abstractmethod
    def _directory(self) -> Path: ...

    @abstractmethod
    def _config(self) -> Mapping[str, Any]: ...

    @abstractmethod
    def _precision(self) -> str: ...

    @abstractmethod
    def _content_hash(self) -> str: ...


class StoredDirectory(StoredModel):
    """A directory that ``mlx_lm.load`` opens."""

    def _directory(self) -> Path:
        return self.path

    def _config(self) -> Mapping[str, Any]:
        return json.loads((self.path / "config.json").read_text(encoding="utf-8"))

    def _precision(self) -> str:
        if self.is_quantized:
            bits, method = self._quantization.get("bits"), self._quantization.get("quant_method")
            return f"{bits}-bit" if bits else str(method or "quantized")
        sizes: Counter[str] = Counter()
        for tensor in self._tensors().values():
            sizes[tensor["dtype"]] += prod(tensor["shape"])
        name = sizes.most_common(1)[0][0] if sizes else "unknown"
        return _DTYPES.get(name, name)

    @property
    def weight_bytes(self) -> int:
        return sum(path.stat().st_size for path in self._weight_files())

    def _content_hash(self) -> str:
        digest = hashlib.sha256((self.path / "config.json").read_bytes())
        for path in self._weight_files():
            size = path.stat().st_size
            digest.update(f"{path.name}:{size}:".encode())
            with path.open("rb") as stream:
                digest.update(stream.read(_HASH_SAMPLE_BYTES))
                stream.seek(max(0, size - _HASH_SAMPLE_BYTES))
                digest.update(stream.read())
        return digest.hexdigest()

    def load(self, *, is_uniform: bool) -> tuple[Any, Mapping[str, Any]]:
        from mlx_lm.utils import load_model

        return load_model(self.path, lazy=True)

    def skeleton(self) -> Any:
        return self.load(is_uniform=False)[0]

    @property
    def parameter_count(self) -> int:
        tensors, bits = self._tensors(), self._quantization.get("bits") or 4
        count = 0
        for name, tensor in tensors.items():
            if not name.endswith((".scales", ".biases", ".qzeros", ".g_idx")):
                packed = 32 // bits if tensor["dtype"] in _PACKED and self.is_quantized else 1
                count += prod(tensor["shape"]) * packed
        return count

    @property
    def is_quantized(self) -> bool:
        return bool(self._quantization)

    @property
    def _quantization(self) -> Mapping[str, Any]:
        return self.config.get("quantization") or self.config.get("quantization_config") or {}

    def _weight_files(self) -> list[Path]:
        return sorted(self.path.glob("model*.safetensors"))

    def _tensors(self) -> dict[str, Mapping[str, Any]]:
        """Name to dtype and shape, from the heads of the files (safetensors' format)."""
        found: dict[str, Mapping[str, Any]] = {}
        for path in self._weight_files():
            with path.open("rb") as stream:
                size = int.from_bytes(stream.read(8), "little")
                head = stream.read(size) if size < path.stat().st_size else b""
            found |= json.loads(head or b"{}")  # whether a file is whole is seen when it is loaded
        found.pop("__metadata__", None)
        return found


class DescribedModel(StoredDirectory):
    """A model of which only the config is known: it is not on this machine.

    Args:
        name: As configured, for messages.
        config: Its config.json.
    """

    def __init__(self, name: str, config: Mapping[str, Any]) -> None:
        super().__init__(name, Path())
        self._known_config = config

    def load(self, *, is_uniform: bool) -> tuple[Any, Mapping[str, Any]]:
        """mlx-lm's module, with the layers quantized and the dtype that the config says.

        Raises:
            ConfigError: mlx-lm does not have such a model.
        """
        import mlx.core as mx
        import mlx.nn as nn
        from mlx.utils import tree_map
        from mlx_lm.utils import load_model

        config = {k: v for k, v in self.config.items() if not k.startswith("quantization")}
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "config.json").write_text(json.dumps(config), encoding="utf-8")
            try:
                model, _ = load_model(Path(folder), lazy=True, strict=False)
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise ConfigError(
                    f'base_model (is "{self.name}"): mlx-lm does not have this model ({error}). '
                    "Use one of another architecture."
                ) from None
        settings = self.config.get("text_config") or self.config
        dtype = getattr(mx, str(settings.get("torch_dtype") or settings.get("dtype")), mx.bfloat16)
        model.update(tree_map(lambda leaf: leaf.astype(dtype), model.parameters()))
        if bits := self._quantization.get("bits"):
            size = self._quantization.get("group_size", 64)

            def choose(path: str, module: Any) -> bool | dict[str, Any]:
                fits = hasattr(module, "to_quantized") and module.weight.shape[-1] % size == 0
                return self._quantization.get(path, fits)

            mode = self._quantization.get("mode", "affine")
            nn.quantize(model, size, bits, mode=mode, class_predicate=choose)
        return model, self.config

    def _config(self) -> Mapping[str, Any]:
        return self._known_config

    def _precision(self) -> str:
        if self.is_quantized:
            return super()._precision()
        settings = self.config.get("text_config") or self.config
        return str(settings.get("torch_dtype") or settings.get("dtype") or "bfloat16")

    def _content_hash(self) -> str:
        raise NotImplementedError("its weights are not here")


class StoredGguf(StoredModel):
    """A GGUF file. Its config and tokenizer are made from its head once, into the cache.

    Raises:
        ConfigError: The file is damaged, or of a kind that cannot be the base model.
    """

    def __init__(self, name: str, path: Path) -> None:
        super().__init__(name, path)
        self.head = gguf_head.read(path)
        configuration.check(self.head, name)

    def forget(self) -> None:
        """Delete what was made from its head."""
        if (made := self._made_directory()).exists():
            files.remove_directory(made)

    def _made_directory(self) -> Path:
        name = hashlib.sha256(_reader_version() + self._head_bytes()).hexdigest()[:32]
        return platform.cache_directory() / "gguf" / name

    def _directory(self) -> Path:
        final = self._made_directory()
        if not final.exists():
            files.make_directory(final.parent)
            own = f"{files.TEMPORARY_PREFIX}{final.name}-{os.getpid()}"
            staging = files.fresh_directory(final.with_name(own))
            try:
                text = json.dumps(self.config, indent=2) + "\n"
                (staging / "config.json").write_text(text, encoding="utf-8")
                tokenizer.write(self.head, self.name, staging)
                if not final.exists():  # another process may have been faster
                    files.publish_directory(staging, final)
            finally:
                shutil.rmtree(staging, ignore_errors=True)
        return final

    def _config(self) -> Mapping[str, Any]:
        return configuration.configuration(self.head, self.name)

    def _precision(self) -> str:
        sizes: Counter[str] = Counter()
        for tensor in self.head.tensors.values():
            sizes[tensor.type] += tensor.value_count
        name = sizes.most_common(1)[0][0]
        return _DTYPES.get(name, name)

    @property
    def weight_bytes(self) -> int:
        return self.path.stat().st_size - self.head.size

    @property
    def parameter_count(self) -> int:
        return sum(tensor.value_count for tensor in self.head.tensors.values())

    @property
    def is_quantized(self) -> bool:
        return not PACKED_BITS.keys().isdisjoint(self.head.types())

    def _content_hash(self) -> str:
        size = self.path.stat().st_size
        digest = hashlib.sha256(self._head_bytes())
        digest.update(f"{size}:".encode())
        with self.path.open("rb") as stream:
            stream.seek(self.head.size)
            digest.update(stream.read(_HASH_SAMPLE_BYTES))
            stream.seek(max(self.head.size, size - _HASH_SAMPLE_BYTES))
            digest.update(stream.read())
        return digest.hexdigest()

    def load(self, *, is_uniform: bool) -> tuple[Any, Mapping[str, Any]]:
        from radiance.engine.model.gguf import weights

        return weights.load(self.head, self.config, is_uniform=is_uniform), self.config

    def skeleton(self) -> Any:
        from radiance.engine.model.gguf import weights

        return weights.skeleton(self.head, self.config)

    def _head_bytes(self) -> bytes:
        with self.path.open("rb") as stream:
            return stream.read(self.head.size)


def open_stored(name: str, path: Path) -> StoredModel:
    """The base model at ``path``.

    Args:
        name: As configured, for messages.
        path: A directory or a GGUF file, as ``find_base`` gives it.

    Raises:
        ConfigError: A GGUF file is damaged, or of a kind that cannot be the base model.
    """
    return StoredGguf(name, path) if path.suffix == GGUF else StoredDirectory(name, path)


def _reader_version() -> bytes:
    """What is made of a head depends on this code too: a newer one makes it anew."""
    code = (configuration, tokenizer, gguf_head)
    return b"".join(Path(str(module.__file__)).read_bytes() for module in code)
