"""The head of a GGUF file: what it says of the model, and which tensors it holds. No MLX.

The format is llama.cpp's (ggml, docs/gguf.md), little-endian, versions 2 and 3: magic, version,
counts, key-value pairs, then one entry a tensor; the tensors themselves follow, aligned.
"""

import mmap
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from radiance.errors import ConfigError

_MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_ALIGNMENT = 32  # bytes, where general.alignment does not say
_STRING, _ARRAY = 8, 9
_SCALARS = {
    0: "B",
    1: "b",
    2: "H",
    3: "h",
    4: "I",
    5: "i",
    6: "f",
    7: "?",
    10: "Q",
    11: "q",
    12: "d",
}

# ggml's types by number: name, values in a block, bytes of a block (ggml.c, type_traits).
TYPES = {
    0: ("F32", 1, 4),
    1: ("F16", 1, 2),
    2: ("Q4_0", 32, 18),
    3: ("Q4_1", 32, 20),
    6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24),
    8: ("Q8_0", 32, 34),
    9: ("Q8_1", 32, 36),
    10: ("Q2_K", 256, 84),
    11: ("Q3_K", 256, 110),
    12: ("Q4_K", 256, 144),
    13: ("Q5_K", 256, 176),
    14: ("Q6_K", 256, 210),
    15: ("Q8_K", 256, 292),
    16: ("IQ2_XXS", 256, 66),
    17: ("IQ2_XS", 256, 74),
    18: ("IQ3_XXS", 256, 98),
    19: ("IQ1_S", 256, 50),
    20: ("IQ4_NL", 32, 18),
    21: ("IQ3_S", 256, 110),
    22: ("IQ2_S", 256, 82),
    23: ("IQ4_XS", 256, 136),
    24: ("I8", 1, 1),
    25: ("I16", 1, 2),
    26: ("I32", 1, 4),
    27: ("I64", 1, 8),
    28: ("F64", 1, 8),
    29: ("IQ1_M", 256, 56),
    30: ("BF16", 1, 2),
    34: ("TQ1_0", 256, 54),
    35: ("TQ2_0", 256, 66),
    39: ("MXFP4", 32, 17),
}


@dataclass(frozen=True)
class Tensor:
    """One entry of the tensor table.

    Attributes:
        shape: Rows first, as MLX has it; the file has the fastest dimension first.
        type: ggml's name of its type, such as "Q4_1".
        stored_bytes: What it takes in the file.
        start: Where it begins, from the beginning of the file.
    """

    name: str
    shape: tuple[int, ...]
    type: str
    stored_bytes: int
    start: int

    @property
    def value_count(self) -> int:
        return prod(self.shape)


@dataclass(frozen=True)
class Head:
    """What stands before the weights.

    Attributes:
        path: The file.
        metadata: The key-value pairs, as Python's values.
        tensors: The tensor table, by name.
        size: Bytes of the head: everything before the first tensor.
    """

    path: Path
    metadata: Mapping[str, Any]
    tensors: dict[str, Tensor]
    size: int

    @property
    def architecture(self) -> str:
        return str(self.metadata.get("general.architecture", ""))

    def of(self, key: str, default: Any = None) -> Any:
        """A value of the model's own section: ``of("block_count")`` is "llama.block_count"."""
        return self.metadata.get(f"{self.architecture}.{key}", default)

    def bytes_of(self, name: str) -> bytes:
        """A tensor as it is stored.

        Raises:
            ConfigError: The file is cut off before its end.
        """
        tensor = self.tensors[name]
        with self.path.open("rb") as file:
            file.seek(tensor.start)
            data = file.read(tensor.stored_bytes)
        if len(data) < tensor.stored_bytes:
            raise ConfigError(f"{self.path}: it is cut off within {name}. Download it again.")
        return data

    def types(self) -> dict[str, int]:
        """How many tensors there are of each type."""
        counts: dict[str, int] = {}
        for tensor in self.tensors.values():
            counts[tensor.type] = counts.get(tensor.type, 0) + 1
        return counts


def read(path: Path) -> Head:
    """Read the head; of the weights nothing.

    Raises:
        ConfigError: This is no GGUF file, or one that is cut off or of an unknown version.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            head = _Reader(path, data).head()
            size = len(data)
    except (OSError, ValueError, TypeError, ArithmeticError, RecursionError, struct.error) as error:
        raise ConfigError(
            f"{path}: not a GGUF file that can be read ({error}). Download it again, or use the "
            "model's directory with config.json and *.safetensors."
        ) from None
    if any(tensor.start + tensor.stored_bytes > size for tensor in head.tensors.values()):
        raise ConfigError(f"{path}: it is cut off. Download it again.")
    return head


class _Reader:
    def __init__(self, path: Path, data: mmap.mmap) -> None:
        self._path, self._data = path, data
        self._at = 0

    def head(self) -> Head:
        if self._data[:4] != _MAGIC:
            raise ValueError("it does not begin with GGUF")
        self._at = 4
        version = self._one("I")
        if version not in _VERSIONS:
            raise ValueError(f"version {version}; known are 2 and 3, little-endian")
        tensor_count, pair_count = self._one("Q"), self._one("Q")
        metadata: dict[str, Any] = {}
        for _ in range(pair_count):
            key = self._text()
            metadata[key] = self._value(self._one("I"))
        entries = [self._entry() for _ in range(tensor_count)]
        alignment = metadata.get("general.alignment", _ALIGNMENT)
        size = -(-self._at // alignment) * alignment
        tensors = {
            name: Tensor(name, shape, kind, stored, size + offset)
            for name, shape, kind, stored, offset in entries
        }
        return Head(self._path, metadata, tensors, size)

    def _one(self, kind: str) -> Any:
        (value,) = struct.unpack_from("<" + kind, self._data, self._at)
        self._at += struct.calcsize("<" + kind)
        return value

    def _text(self) -> str:
        size = self._one("Q")
        if self._at + size > len(self._data):
            raise ValueError("it is cut off")
        self._at += size
        return self._data[self._at - size : self._at].decode("utf-8")

    def _value(self, kind: int) -> Any:
        if kind == _STRING:
            return self._text()
        if kind == _ARRAY:
            element, count = self._one("I"), self._one("Q")
            if element in _SCALARS:
                values = struct.unpack_from(f"<{count}{_SCALARS[element]}", self._data, self._at)
                self._at += struct.calcsize(f"<{count}{_SCALARS[element]}")
                return list(values)
            return [self._value(element) for _ in range(count)]
        if kind not in _SCALARS:
            raise ValueError(f"a value of unknown type {kind}")
        return self._one(_SCALARS[kind])

    def _entry(self) -> tuple[str, tuple[int, ...], str, int, int]:
        """Name, shape, type, bytes, and the place after the head."""
        name = self._text()
        shape = tuple(self._one("Q") for _ in range(self._one("I")))[::-1]
        kind, offset = self._one("I"), self._one("Q")
        label, values, size = TYPES.get(kind, (f"type {kind}", 1, 0))
        return name, shape, label, prod(shape) // values * size, offset
