"""Adapters in llama.cpp's format: a GGUF file with ``{tensor}.lora_a`` and ``.lora_b``.

Matrices lie as PEFT has them, so they are read under PEFT's names; only the rows that belong to
queries and keys of a Llama are in llama.cpp's order. Call on the engine thread.
"""

from collections.abc import Callable

import mlx.core as mx

from radiance.engine.adapters.foreign_files import ForeignFiles, refuse
from radiance.engine.model.base import BaseModel
from radiance.engine.model.gguf.configuration import ARCHITECTURES, mlx_name
from radiance.engine.model.gguf.description import architecture_name, heads_of
from radiance.engine.model.gguf.weights import FLOATS, arrays_of, in_order
from radiance.errors import ConfigError

_KNOWN = frozenset({"adapter.type", "adapter.lora.alpha", "adapter.lora.task_name"})
_DECLARED = ("general.base_model.0.name", "general.name")


def gguf_settings(given: ForeignFiles, base: BaseModel) -> tuple[Callable[[str, int], float], str]:
    """The factor of a module by its rank, and the base model that the file names.

    Raises:
        BadAdapter: It is no plain LoRA, or for another architecture.
    """
    head, path = given.gguf, given.weights
    assert head is not None, "the caller has seen that it is a GGUF file"
    kind = head.metadata.get("adapter.type")
    if kind != "lora":
        refuse(f"{path}: adapter.type is {kind!r}.", "Only 'lora' can be used.")
    for key in head.metadata:
        if key.startswith("adapter.") and key not in _KNOWN:
            refuse(
                f"{path}: {key} is set: Radiance does not know what the adapter computes then.",
                "Make it without.",
            )
    try:
        own = architecture_name(base.model, base.name)
    except ConfigError as error:
        refuse(f"{path}: {error}", "Give the adapter in PEFT's format.")
    if head.architecture != own:
        refuse(
            f"{path}: it is for llama.cpp's {head.architecture!r}, and this service's base model "
            f"is a {own!r}.",
            "Serve the base model it was trained on.",
        )
    alpha = head.metadata.get("adapter.lora.alpha", 0.0)
    if isinstance(alpha, bool) or not isinstance(alpha, int | float) or not 0 <= alpha <= 1e12:
        refuse(f"{path}: adapter.lora.alpha (is {alpha!r}) is no number.", "Make it again.")

    def scaling(module: str, rank: int) -> float:
        return alpha / rank if alpha else 1.0  # as llama.cpp has it: no alpha is a factor of 1

    declared = next((head.metadata[key] for key in _DECLARED if key in head.metadata), "")
    declared = str(declared)[:500]
    return scaling, declared if declared.isprintable() else ""


def gguf_tensors(given: ForeignFiles, base: BaseModel) -> dict[str, mx.array]:
    """The matrices under PEFT's names, (rank, d_in) and (d_out, rank); others under their own.

    Raises:
        BadAdapter: A matrix is quantized, or the file is cut off.
    """
    head = given.gguf
    assert head is not None, "the caller has seen that it is a GGUF file"
    known = ARCHITECTURES[head.architecture]
    found: dict[str, mx.array] = {}
    for name, tensor in head.tensors.items():
        if tensor.type not in FLOATS:
            refuse(
                f"{given.weights}: {name} is {tensor.type}, and an adapter's matrices are read as "
                f"{', '.join(FLOATS)}.",
                "Convert the adapter again with --outtype f32.",
            )
        try:
            (array,) = arrays_of(head, tensor, is_half=False).values()
        except (ConfigError, ValueError) as error:
            refuse(f"{given.weights}: {name}: {error}", "Copy or make it again.")
        stem, _, half = name.rpartition(".")
        place = mlx_name(stem, known) if half in ("lora_a", "lora_b") else None
        if place is None:
            found[name] = array
            continue
        heads = heads_of(place, known, base.model) if half == "lora_b" else None
        if heads is not None and array.ndim == 2 and array.shape[0] % (2 * heads) == 0:
            array = in_order(array, heads)
        path = place.removesuffix(".weight")
        found[f"{path}.{half[:-1]}{half[-1].upper()}.weight"] = array
    return found
