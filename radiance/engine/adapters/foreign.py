"""Adapters made elsewhere: read, and checked in full before anything is done with one.

Three formats are read. mlx-lm's: ``adapter_config.json`` with ``lora_parameters`` and
``adapters.safetensors`` with ``{module}.lora_a`` (d_in, rank) and ``lora_b`` (rank, d_out). Hugging
Face PEFT's: ``adapter_config.json`` with ``peft_type`` and ``adapter_model.safetensors`` with
``base_model.model.{module}.lora_A.weight`` (rank, d_in) and ``lora_B.weight`` (d_out, rank).
llama.cpp's GGUF file, whose matrices lie as PEFT's. Which way round a matrix lies follows from the
format alone, never from its shape: a square one would lie either way. Call on the engine thread,
with files that were read on another (``foreign_files``).
"""

import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, NoReturn, cast

import mlx.core as mx

from radiance import validation
from radiance.engine.adapters.files import CONFIG_FILE, WEIGHTS_FILE
from radiance.engine.adapters.foreign_adapter import ForeignAdapter, check_manifest, joined
from radiance.engine.adapters.foreign_copies import without_copies
from radiance.engine.adapters.foreign_files import PEFT_WEIGHTS_FILE, ForeignFiles, refuse
from radiance.engine.adapters.foreign_gguf import gguf_settings, gguf_tensors
from radiance.engine.adapters.layers import linear_layers
from radiance.engine.adapters.patterns import Patterns
from radiance.engine.model.base import BaseModel

_LEAST_NUMBER, _MOST_NUMBER = 1e-12, 1e12  # of ranks, factors and alphas; training uses 1e-3 to 1e3
_MOST_BASE_CHARACTERS = 500
_MLX_NAME = re.compile(r"(?P<path>.+)\.lora_(?P<half>[ab])")
_PEFT_NAME = re.compile(
    r"(?:base_model\.model\.)?(?P<path>.+)\.lora_(?P<half>[AB])(?:\.(?!weight$)[^.]+)?\.weight"
)
# Ways in which a base's names differ between Hugging Face and mlx-lm.
_RENAMINGS: tuple[Callable[[str], str], ...] = (
    lambda path: path,
    lambda path: f"language_model.{path}",
    lambda path: path.replace("model.language_model.", "language_model.model.", 1),
)
# Of PEFT's settings, those that say nothing of what an adapter computes, or are read below.
# Whatever else is set is refused: newer settings change what is computed, and were passed over.
_HARMLESS = frozenset(
    (
        *("peft_type", "peft_version", "auto_mapping", "base_model_name_or_path", "revision"),
        *("task_type", "inference_mode", "r", "lora_alpha", "lora_dropout", "target_modules"),
        *("exclude_modules", "layers_to_transform", "layers_pattern", "rank_pattern"),
        *("alpha_pattern", "use_rslora", "fan_in_fan_out", "init_lora_weights", "eva_config"),
        *("qalora_group_size", "megatron_core", "runtime_config"),
    )
)
_DEFAULTS: tuple[Any, ...] = (None, False, "none", "", {}, [])
_REASONS = {
    "use_dora": "DoRA also scales what the base computes",
    "modules_to_save": "it replaces whole layers of the base",
    "alora_invocation_tokens": "such an adapter works only behind these tokens",
    "layer_replication": "the base's layers are repeated in it",
    "bias": "biases of the base were trained with it",
    "trainable_token_indices": "tokens of the base were trained with it",
    "target_parameters": "LoRA on parameters that are no linear layer cannot be used",
}
_PLAIN_STARTS = (True, False, None, "gaussian", "orthogonal", "eva")  # the others change the base
_LORA_PARAMETERS = frozenset({"rank", "scale", "dropout", "keys", "alpha"})

Half = Literal["a", "b"]
Scaling = Callable[[str, int], float]


def read_foreign_adapter(given: ForeignFiles, base: BaseModel) -> ForeignAdapter:
    """Check an adapter's files in full against a base model, and read them.

    Checked: the configuration's kind and numbers; that every tensor belongs to a linear layer of
    the base and has its partner; shapes, ranks and dtypes; that nothing is NaN or infinite; that
    the adapter changes anything; and the base it was trained on, where it says that by hash.

    Raises:
        BadAdapter: The first of these that does not hold; it names file, tensor and remedy.
    """
    directory = given.directory
    check_manifest(given, base)
    layers = linear_layers(base.skeleton())
    if given.format == "gguf-lora":
        (scaling, declared), tensors = gguf_settings(given, base), gguf_tensors(given, base)
    elif given.format == "peft":
        scaling, declared = _peft_settings(directory, given.settings)
        read = _read_tensors(given.weights)
        tensors = without_copies(given.weights, read, base, _RENAMINGS)
    else:
        scaling, declared = _mlx_settings(directory, given.settings)
        tensors = _read_tensors(given.weights)
    is_mlx = given.format == "mlx"
    form = _MLX_NAME if is_mlx else _PEFT_NAME
    halves = _assign(given.weights, tensors, form, layers, turned=not is_mlx)
    pairs = {path: _pair(directory, path, found, layers) for path, found in halves.items()}
    scales = {path: scaling(path, a.shape[1]) for path, (a, _) in pairs.items()}
    return joined(given, pairs, scales, declared)


# ----------------------------------------------------------------------------- configuration


def _mlx_settings(directory: Path, settings: Mapping[str, Any]) -> tuple[Scaling, str]:
    path = directory / CONFIG_FILE
    kind = settings.get("fine_tune_type", "lora")
    if kind != "lora":
        refuse(
            f"{path}: fine_tune_type is {kind!r}, and only 'lora' can be served beside others.",
            "Train it with --fine-tune-type lora, or fuse it and use the result as base model.",
        )
    parameters = settings.get("lora_parameters")
    if not isinstance(parameters, dict):
        refuse(
            f"{path}: has neither lora_parameters (mlx-lm) nor peft_type (PEFT).",
            "Export it again from the program that made it.",
        )
    for name, value in parameters.items():
        if name not in _LORA_PARAMETERS and value not in _DEFAULTS:
            refuse(
                f"{path}: lora_parameters.{name} is {_shown(value)}: Radiance does not know what "
                "the adapter computes then.",
                "Train it without.",
            )
    scale = _number(path, parameters, "scale")
    rank = _number(path, parameters, "rank")

    def scaling(module: str, found: int) -> float:
        if found != rank:
            refuse(
                f"{directory / WEIGHTS_FILE}: {module} has rank {found}, but {path.name} says "
                f"{rank:g}.",
                "Put weights and configuration of one training together.",
            )
        return scale

    return scaling, _declared_base(path, settings, "model")


def _peft_settings(directory: Path, settings: Mapping[str, Any]) -> tuple[Scaling, str]:
    path = directory / CONFIG_FILE
    if settings["peft_type"] != "LORA":
        refuse(f"{path}: peft_type is {settings['peft_type']!r}.", "Only LORA can be used.")
    for name, value in settings.items():
        if name not in _HARMLESS and value not in _DEFAULTS:
            reason = _REASONS.get(name, "Radiance does not know what the adapter computes then")
            refuse(
                f"{path}: {name} is {_shown(value)}: {reason}.",
                "Train it without, or merge it into the base.",
            )
    initial = settings.get("init_lora_weights", True)
    plain = initial.lower() if isinstance(initial, str) else initial
    if plain not in _PLAIN_STARTS:
        refuse(
            f"{path}: init_lora_weights is {_shown(initial)}, which may also change the base.",
            "Save it with path_initial_model_for_weight_conversion, which makes it plain LoRA.",
        )
    alpha, rank = _number(path, settings, "lora_alpha"), _number(path, settings, "r")
    alphas = _pattern(path, settings, "alpha_pattern")
    ranks = _pattern(path, settings, "rank_pattern")

    def scaling(module: str, found: int) -> float:
        expected = ranks.value(module, rank)
        if found != expected:
            refuse(
                f"{directory / PEFT_WEIGHTS_FILE}: {module} has rank {found}, but {path.name} says "
                f"{expected:g}.",
                "Put weights and configuration of one training together.",
            )
        own = alphas.value(module, alpha)
        return own / math.sqrt(found) if settings.get("use_rslora") else own / found

    return scaling, _declared_base(path, settings, "base_model_name_or_path")


def _pattern(path: Path, settings: Mapping[str, Any], name: str) -> Patterns:
    given = settings.get(name) or {}
    if not isinstance(given, dict):
        refuse(f"{path}: {name} is not an object.", "Export it again.")
    try:
        return Patterns({key: _number(path, given, key) for key in given})
    except ValueError as error:
        refuse(f"{path}: {name} {error}.", "Name the modules in full.")


def _number(path: Path, settings: Mapping[str, Any], name: str) -> float:
    """A number above 0; as a float, which 10**400 is not."""
    value = settings.get(name)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not _LEAST_NUMBER <= value <= _MOST_NUMBER:
        told = validation.show(value)
        refuse(f"{path}: {name[:80]} (is {told}) is not a number above 0.", "Export it again.")
    return float(value)


def _declared_base(path: Path, settings: Mapping[str, Any], name: str) -> str:
    value = settings.get(name) or ""
    if not isinstance(value, str) or len(value) > _MOST_BASE_CHARACTERS or not value.isprintable():
        refuse(
            f"{path}: {name} (is {validation.show(value)}) is not a name of at most "
            f"{_MOST_BASE_CHARACTERS} printable characters.",
            "Name the base model there, or delete the field.",
        )
    return value


# ----------------------------------------------------------------------------- tensors


def _read_tensors(path: Path) -> dict[str, mx.array]:
    try:
        found = mx.load(str(path))
    except (RuntimeError, ValueError, OSError) as error:
        refuse(f"{path}: cannot be read ({error}).", "Copy or export it again.")
    assert isinstance(found, dict)
    return found


def _assign(
    path: Path,
    tensors: dict[str, mx.array],
    form: re.Pattern[str],
    layers: Mapping[str, tuple[int, int]],
    turned: bool,
) -> dict[str, dict[Half, mx.array]]:
    """Each tensor to its half of its layer's pair, in our orientation. None may be left over."""
    halves: dict[str, dict[Half, mx.array]] = {}
    for name, tensor in tensors.items():
        match = form.fullmatch(name)
        layer = None if match is None else _layer(match["path"], layers)
        if match is None or layer is None:
            _refuse_unknown(path, name, tensors, form, layers)
        if tensor.ndim != 2 or not mx.issubdtype(tensor.dtype, mx.floating):
            refuse(
                f"{path}: {name} is {tensor.shape} {dtype_name(tensor.dtype)}, not a matrix of "
                "floats.",
                "Only LoRA on linear layers can be used.",
            )
        half = cast(Half, match["half"].lower())
        pair = halves.setdefault(layer, {})
        if half in pair:
            refuse(f"{path}: {layer} has two of lora_{half}.", "Export one adapter by itself.")
        pair[half] = tensor.T if turned else tensor
    return halves


def _layer(path: str, layers: Mapping[str, tuple[int, int]]) -> str | None:
    """The base's layer that a name means."""
    return next((name for rename in _RENAMINGS if (name := rename(path)) in layers), None)


def _refuse_unknown(
    path: Path,
    name: str,
    tensors: Mapping[str, mx.array],
    form: re.Pattern[str],
    layers: Mapping[str, tuple[int, int]],
) -> NoReturn:
    matches = [form.fullmatch(other) for other in tensors]
    lost = sum(m is None or _layer(m["path"], layers) is None for m in matches)
    refuse(
        f"{path}: {name} belongs to no linear layer of the base model ({lost} of {len(tensors)} "
        "tensors do not).",
        "Serve the base model it was trained on; LoRA on embeddings or experts cannot be used.",
    )


def _pair(
    directory: Path,
    path: str,
    halves: Mapping[Half, mx.array],
    layers: Mapping[str, tuple[int, int]],
) -> tuple[mx.array, mx.array]:
    """A (d_in, rank) and B (rank, d_out) of one layer."""
    if missing := {"a", "b"} - set(halves):
        refuse(f"{directory}: {path} lacks lora_{missing.pop()}.", "Copy or export it again.")
    a, b, (d_in, d_out) = halves["a"], halves["b"], layers[path]
    rank = a.shape[1]
    if a.shape[0] != d_in or b.shape != (rank, d_out):
        is_turned = a.shape[1] == d_in and b.shape[0] == d_out
        refuse(
            f"{directory}: {path}: A {a.shape} and B {b.shape}, as read, do not fit a layer of "
            f"{d_in} inputs and {d_out} outputs: A is (inputs, rank), B (rank, outputs).",
            "Both lie the other way round: export it again in the format of its file's name."
            if is_turned
            else "Serve the base model it was trained on.",
        )
    return a, b


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def dtype_name(dtype: mx.Dtype) -> str:
    """As safetensors and configurations write it: "float16"."""
    return str(dtype).rpartition(".")[2]
