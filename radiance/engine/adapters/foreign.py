"""Adapters made elsewhere: read, and checked in full before anything is done with one.

Two formats are read. mlx-lm's: ``adapter_config.json`` with ``lora_parameters`` and
``adapters.safetensors`` with ``{module}.lora_a`` (d_in, rank) and ``lora_b`` (rank, d_out). Hugging
Face PEFT's: ``adapter_config.json`` with ``peft_type`` and ``adapter_model.safetensors`` with
``base_model.model.{module}.lora_A.weight`` (rank, d_in) and ``lora_B.weight`` (d_out, rank). Which
way round a matrix lies follows from the format alone, never from its shape: a square one would lie
either way. Call on the engine thread.
"""

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NoReturn, cast

import mlx.core as mx
import mlx.nn as nn

from radiance.engine.adapters.files import CONFIG_FILE, WEIGHTS_FILE
from radiance.engine.adapters.slots import Adapter
from radiance.engine.model.base import BaseModel
from radiance.errors import BadAdapter

PEFT_WEIGHTS_FILE = "adapter_model.safetensors"
MANIFEST_FILE = "manifest.json"
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


@dataclass(frozen=True)
class ForeignAdapter:
    """An adapter from elsewhere that fits the base.

    Attributes:
        adapter: Ready to serve: float32, evaluated, of one rank and one factor.
        format: What it was stored as.
        rank: Of every pair; where modules had their own, the highest.
        declared_base: The base model its configuration names; "" where it names none.
    """

    adapter: Adapter
    format: Literal["mlx", "peft"]
    rank: int
    declared_base: str


def read_foreign_adapter(directory: Path, base: BaseModel) -> ForeignAdapter:
    """Read an adapter's directory and check all of it against a base model.

    Checked: the configuration's kind and numbers; that every tensor belongs to a linear layer of
    the base and has its partner; shapes, ranks and dtypes; that nothing is NaN or infinite; that
    the adapter changes anything; and the base it was trained on, where it says that by hash.

    Raises:
        BadAdapter: The first of these that does not hold; it names file, tensor and remedy.
    """
    if not directory.is_dir():
        _refuse(f"{directory}: is not a directory.", "Name a directory with adapter_config.json.")
    settings = _read_json(directory / CONFIG_FILE)
    _check_manifest(directory, base)
    layers = _linear_layers(base)
    if "peft_type" in settings:
        scaling, declared = _peft_settings(directory, settings)
        tensors = _read_tensors(directory / PEFT_WEIGHTS_FILE)
        halves = _assign(directory / PEFT_WEIGHTS_FILE, tensors, _PEFT_NAME, layers, turned=True)
        form: Literal["mlx", "peft"] = "peft"
    else:
        scaling, declared = _mlx_settings(directory, settings)
        tensors = _read_tensors(directory / WEIGHTS_FILE)
        halves = _assign(directory / WEIGHTS_FILE, tensors, _MLX_NAME, layers, turned=False)
        form = "mlx"
    pairs = {path: _pair(directory, path, found, layers) for path, found in halves.items()}
    scales = {path: scaling(path, a.shape[1]) for path, (a, _) in pairs.items()}
    adapter = _joined(pairs, scales)
    _check_values(directory, adapter)
    return ForeignAdapter(adapter, form, next(iter(adapter.pairs.values()))[0].shape[1], declared)


# ----------------------------------------------------------------------------- configuration


def _mlx_settings(directory: Path, settings: dict[str, Any]) -> tuple[Scaling, str]:
    path = directory / CONFIG_FILE
    kind = settings.get("fine_tune_type", "lora")
    if kind != "lora":
        _refuse(
            f"{path}: fine_tune_type is {kind!r}, and only 'lora' can be served beside others.",
            "Train it with --fine-tune-type lora, or fuse it and use the result as base model.",
        )
    parameters = settings.get("lora_parameters")
    if not isinstance(parameters, dict):
        _refuse(
            f"{path}: has neither lora_parameters (mlx-lm) nor peft_type (PEFT).",
            "Export it again from the program that made it.",
        )
    for name, value in parameters.items():
        if name not in _LORA_PARAMETERS and value not in _DEFAULTS:
            _refuse(
                f"{path}: lora_parameters.{name} is {_shown(value)}: Radiance does not know what "
                "the adapter computes then.",
                "Train it without.",
            )
    scale = _number(path, parameters, "scale")
    rank = _number(path, parameters, "rank")

    def scaling(module: str, found: int) -> float:
        if found != rank:
            _refuse(
                f"{directory / WEIGHTS_FILE}: {module} has rank {found}, but {path.name} says "
                f"{rank:g}.",
                "Put weights and configuration of one training together.",
            )
        return scale

    return scaling, str(settings.get("model") or "")


def _peft_settings(directory: Path, settings: dict[str, Any]) -> tuple[Scaling, str]:
    path = directory / CONFIG_FILE
    if settings["peft_type"] != "LORA":
        _refuse(f"{path}: peft_type is {settings['peft_type']!r}.", "Only LORA can be used.")
    for name, value in settings.items():
        if name not in _HARMLESS and value not in _DEFAULTS:
            reason = _REASONS.get(name, "Radiance does not know what the adapter computes then")
            _refuse(
                f"{path}: {name} is {_shown(value)}: {reason}.",
                "Train it without, or merge it into the base.",
            )
    initial = settings.get("init_lora_weights", True)
    plain = initial.lower() if isinstance(initial, str) else initial
    if plain not in _PLAIN_STARTS:
        _refuse(
            f"{path}: init_lora_weights is {_shown(initial)}, which may also change the base.",
            "Save it with path_initial_model_for_weight_conversion, which makes it plain LoRA.",
        )
    alpha, rank = _number(path, settings, "lora_alpha"), _number(path, settings, "r")
    alphas = _pattern(path, settings, "alpha_pattern")
    ranks = _pattern(path, settings, "rank_pattern")

    def scaling(module: str, found: int) -> float:
        expected = _matching(ranks, module, rank)
        if found != expected:
            _refuse(
                f"{directory / PEFT_WEIGHTS_FILE}: {module} has rank {found}, but {path.name} says "
                f"{expected:g}.",
                "Put weights and configuration of one training together.",
            )
        own = _matching(alphas, module, alpha)
        return own / math.sqrt(found) if settings.get("use_rslora") else own / found

    return scaling, str(settings.get("base_model_name_or_path") or "")


def _pattern(path: Path, settings: dict[str, Any], name: str) -> dict[str, float]:
    given = settings.get(name) or {}
    if not isinstance(given, dict):
        _refuse(f"{path}: {name} is not an object.", "Export it again.")
    return {key: _number(path, given, key) for key in given}


def _matching(pattern: Mapping[str, float], module: str, otherwise: float) -> float:
    """The value of the first key that a module's name ends with, as PEFT matches them."""
    for key, value in pattern.items():
        try:
            if re.match(rf"(.*\.)?({key})$", module):
                return value
        except re.error:
            continue
    return otherwise


def _number(path: Path, settings: Mapping[str, Any], name: str) -> float:
    value = settings.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        _refuse(f"{path}: {name} (is {value!r}) is not a number above 0.", "Export it again.")
    return value


def _check_manifest(directory: Path, base: BaseModel) -> None:
    """An adapter that Radiance exported says on which base's very weights it was trained."""
    path = directory / MANIFEST_FILE
    if not path.exists():
        return
    manifest = _read_json(path)
    theirs = manifest.get("base_hash")
    if isinstance(theirs, str) and theirs != base.content_hash:
        _refuse(
            f"{path}: it was trained on {manifest.get('base_model')!r} of hash {theirs[:12]}…, and "
            f"this service's base model is {base.name!r} of hash {base.content_hash[:12]}….",
            "Serve that base model, or delete the manifest if you know the two to be alike.",
        )


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except OSError as error:
        _refuse(f"{path}: {error.strerror}.", "Name a directory that an adapter was saved into.")
    except ValueError as error:
        _refuse(f"{path}: is not JSON ({error}).", "Copy or export it again.")
    if not isinstance(found, dict):
        _refuse(f"{path}: is not a JSON object.", "Copy or export it again.")
    return found


# ----------------------------------------------------------------------------- tensors


def _linear_layers(base: BaseModel) -> dict[str, tuple[int, int]]:
    """(d_in, d_out) of every linear layer of the base, by module path."""
    found = {}
    for path, module in base.skeleton().named_modules():
        if isinstance(module, nn.QuantizedLinear):
            d_out, packed = module.weight.shape
            found[path] = (packed * 32 // module.bits, d_out)
        elif isinstance(module, nn.Linear):
            d_out, d_in = module.weight.shape
            found[path] = (d_in, d_out)
    return found


def _read_tensors(path: Path) -> dict[str, mx.array]:
    if not path.is_file():
        other = path.with_name("adapter_model.bin")
        if other.exists():
            _refuse(
                f"{other}: is a pickle, which can run code.",
                "Save it with safe_serialization=True, which is PEFT's default.",
            )
        _refuse(f"{path}: is not there.", "Name a directory that an adapter was saved into.")
    try:
        found = mx.load(str(path))
    except (RuntimeError, ValueError, OSError) as error:
        _refuse(f"{path}: cannot be read ({error}).", "Copy or export it again.")
    if not isinstance(found, dict) or not found:
        _refuse(f"{path}: holds no tensor.", "Copy or export it again.")
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
            _refuse(
                f"{path}: {name} is {tensor.shape} {_name(tensor.dtype)}, not a matrix of floats.",
                "Only LoRA on linear layers can be used.",
            )
        half = cast(Half, match["half"].lower())
        pair = halves.setdefault(layer, {})
        if half in pair:
            _refuse(f"{path}: {layer} has two of lora_{half}.", "Export one adapter by itself.")
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
    _refuse(
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
        _refuse(f"{directory}: {path} lacks lora_{missing.pop()}.", "Copy or export it again.")
    a, b, (d_in, d_out) = halves["a"], halves["b"], layers[path]
    rank = a.shape[1]
    if a.shape[0] != d_in or b.shape != (rank, d_out):
        is_turned = a.shape[1] == d_in and b.shape[0] == d_out
        _refuse(
            f"{directory}: {path}: A {a.shape} and B {b.shape}, as read, do not fit a layer of "
            f"{d_in} inputs and {d_out} outputs: A is (inputs, rank), B (rank, outputs).",
            "Both lie the other way round: export it again in the format of its file's name."
            if is_turned
            else "Serve the base model it was trained on.",
        )
    return a, b


def _joined(pairs: Mapping[str, tuple[mx.array, mx.array]], scales: Mapping[str, float]) -> Adapter:
    """One adapter with one factor and one rank, which computes the same.

    Where modules have their own factor the difference goes into B; lower ranks get zeros.
    """
    scale = max(set(scales.values()), key=list(scales.values()).count)
    joined = {}
    rank = max(a.shape[1] for a, _ in pairs.values())
    for path, (a, b) in pairs.items():
        a, b, missing = a.astype(mx.float32), b.astype(mx.float32), rank - a.shape[1]
        if missing:
            a, b = mx.pad(a, [(0, 0), (0, missing)]), mx.pad(b, [(0, missing), (0, 0)])
        joined[path] = (a, b if scales[path] == scale else b * (scales[path] / scale))
    return Adapter(joined, scale)


def _check_values(directory: Path, adapter: Adapter) -> None:
    """Refuse what is not finite, and what changes nothing. Evaluates all of it."""
    changes = False
    for path, (a, b) in adapter.pairs.items():
        mx.eval(a, b)
        for half, array in (("a", a), ("b", b)):
            if not mx.isfinite(array).all().item():
                _refuse(
                    f"{directory}: {path}: lora_{half} holds NaN or infinity.",
                    "Its training had diverged; use an earlier save.",
                )
        # ||A B||^2 = tr(A'A B B'), in rank x rank numbers.
        changes = changes or bool((((a.T @ a) * (b @ b.T)).sum() > 0).item())
    if not changes:
        _refuse(
            f"{directory}: it changes nothing: A B is zero in every layer.",
            "It was saved before it was trained, or its halves were mixed up.",
        )


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _name(dtype: mx.Dtype) -> str:
    return str(dtype).rpartition(".")[2]


def _refuse(message: str, remedy: str) -> NoReturn:
    raise BadAdapter(message, field="path", remedy=remedy)
