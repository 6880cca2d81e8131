"""Which models there are on this machine: the named ones, the Hub's cache, folders and files."""

import json
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from huggingface_hub import CachedRepoInfo, constants, hf_hub_download, scan_cache_dir
from huggingface_hub.errors import CacheNotFound, HFValidationError, HTTPError

from radiance.engine.model import fetching
from radiance.engine.model.finding import HUB_ID, find_base
from radiance.engine.model.gguf import head as gguf_head
from radiance.engine.model.named import NAMED, NamedModel
from radiance.engine.model.stored import GGUF, DescribedModel, StoredGguf, StoredModel, open_stored
from radiance.errors import ConfigError

Kind = Literal["packaged", "named", "hub", "directory", "gguf"]
_CARD_LICENCE = re.compile(r"^license:\s*[\"']?([\w.+-]+)", re.MULTILINE)
_CARD_HEAD = 4000  # characters of a model card in which its licence stands


@dataclass(frozen=True)
class FoundModel:
    """A model that can be named in the settings.

    Attributes:
        name: What ``base_model``, or ``memory.embedder``, calls it.
        kind: Where it comes from.
        role: What it can be used as.
        about: What it is, in one clause; empty where nothing says it.
        licence: Of its weights, as its source writes it; empty where nothing says it.
        path: Its directory or file; None where it is not on this machine.
        size_bytes: On disk, or of the download.
        is_used: Whether the settings name it.
    """

    name: str
    kind: Kind
    role: str
    about: str
    licence: str
    path: Path | None
    size_bytes: int
    is_used: bool = False


def find_models(
    used: str, ember_path: Path, places: Iterable[Path] = (), embedder: str = ""
) -> list[FoundModel]:
    """All models that are known of here, the named ones first.

    Args:
        used: The ``base_model`` of the settings.
        ember_path: Where the embedded model lies.
        places: Folders that may hold GGUF files and model directories, or are such.
        embedder: The ``memory.embedder`` of the settings.

    Raises:
        ConfigError: A place does not exist, or a GGUF file in it is damaged.
    """
    found = [_named(model, ember_path) for model in NAMED.values()]
    found += [_cached(repo) for repo in _hub_models()]
    for place in places:
        found += _in_place(place.expanduser())
    names = {model.name for model in found}
    if used not in names and Path(used).expanduser().exists():
        found += [_at(Path(used).expanduser(), used)]
    return [replace(model, is_used=model.name in (used, embedder)) for model in found]


def find_model(name: str, used: str, ember_path: Path, embedder: str = "") -> FoundModel:
    """The model of a name; nothing is downloaded.

    Raises:
        ConfigError: There is no such model here, and it is no Hub id either.
    """
    path = Path(name).expanduser()
    known = {model.name: model for model in find_models(used, ember_path, (), embedder)}
    if name in known:
        return known[name]
    if path.exists() and (path.is_dir() or path.suffix == GGUF):
        return replace(_at(path, name), is_used=name == used)
    if not HUB_ID.fullmatch(name) or path.suffix == GGUF:
        find_base(name, ember_path)  # refuses it, and says what to use
    for repo in _hub_repositories():
        if repo.repo_id == name:  # not all of it was downloaded
            size = repo.size_on_disk
            return FoundModel(name, "hub", "base", "", "", repo.repo_path, size, name == used)
    return FoundModel(name, "hub", "base", "", "", None, 0, name == used)


def describe(model: FoundModel) -> StoredModel:
    """What a model is, from the heads of its files; where it is not here, from its config alone.

    Raises:
        ConfigError: It cannot be read; or a Hub id's config.json cannot be had.
    """
    if model.path is not None and (model.path.suffix == GGUF or _is_model(model.path)):
        return open_stored(model.name, model.path)
    if model.name in NAMED:
        return DescribedModel(model.name, dict(NAMED[model.name].config))
    try:
        file = hf_hub_download(model.name, "config.json")
    except (OSError, HFValidationError, HTTPError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ConfigError(
            f"{model.name}: its config.json is not in the cache and not to be had from the Hub "
            f"({reason}). Check the id and the connection."
        ) from None
    return DescribedModel(model.name, json.loads(Path(file).read_text(encoding="utf-8")))


def get(name: str, ember_path: Path, report: fetching.Report, given: Path | None) -> Path:
    """Download a model if it is not on this machine.

    Args:
        name: As in the settings.
        ember_path: Where the embedded model lies.
        report: Is told how far the download is; the Hub's client has progress bars of its own.
        given: The wheel of a named model, downloaded by somebody.

    Returns:
        Its directory or file.

    Raises:
        ConfigError: There is no such model, or it cannot be had.
    """
    model = NAMED.get(name)
    wheel = model.wheel if model is not None else None
    if given is not None and wheel is None:
        raise ConfigError(
            f"--from (is {str(given)!r}): {name} does not come as a wheel. Leave out --from."
        )
    if given is not None and not given.exists():
        raise ConfigError(
            f"--from (is {str(given)!r}): there is no such file. Give the path of the wheel."
        )
    if model is None or wheel is None:
        return find_base(name, ember_path)
    folder = fetching.fetch(model, report, given)
    return folder / wheel.members[0].name if len(wheel.members) == 1 else folder


def remove(model: FoundModel, *, even_if_used: bool = False) -> int:
    """Delete what was downloaded of a model.

    Returns:
        The bytes that are free now.

    Raises:
        ConfigError: It was not downloaded by us, or is in use.
    """
    if model.kind == "packaged":
        raise ConfigError(f"{model.name}: is a part of Radiance. It cannot be removed.")
    if model.path is None:
        raise ConfigError(f"{model.name}: is not on this machine. There is nothing to remove.")
    if model.kind in ("directory", "gguf"):
        raise ConfigError(f"{model.path}: was not downloaded by Radiance. Delete it yourself.")
    if model.is_used and not even_if_used:
        raise ConfigError(
            f"{model.name}: the settings name it. Name another there first, or give --force."
        )
    if model.kind == "named":
        wheel = NAMED[model.name].wheel
        assert wheel is not None, "only what comes in a wheel has a path of its own"
        with suppress(ConfigError):  # a damaged file is removed all the same
            if model.path.suffix == GGUF:
                StoredGguf(model.name, model.path).forget()
        fetching.remove(wheel)
        return model.size_bytes
    repositories = [repo for repo in _hub_repositories() if repo.repo_id == model.name]
    commits = [revision.commit_hash for repo in repositories for revision in repo.revisions]
    deletion = scan_cache_dir(constants.HF_HUB_CACHE).delete_revisions(*commits)
    deletion.execute()
    return deletion.expected_freed_size


def _named(model: NamedModel, ember_path: Path) -> FoundModel:
    wheel = model.wheel
    if wheel is None:
        size = sum(path.stat().st_size for path in ember_path.glob("*") if path.is_file())
        about = (model.role, model.about, model.licence)
        return FoundModel(model.name, "packaged", *about, ember_path, size)
    path, size = None, wheel.size
    if fetching.is_here(wheel):
        path = fetching.kept_directory(wheel)
        path = path / wheel.members[0].name if len(wheel.members) == 1 else path
        size = sum(member.size for member in wheel.members)
    return FoundModel(model.name, "named", model.role, model.about, model.licence, path, size)


def _hub_models() -> list[CachedRepoInfo]:
    """Those in the Hub's cache that mlx-lm could open."""
    return sorted(filter(_newest, _hub_repositories()), key=lambda repo: repo.repo_id)


def _hub_repositories() -> list[CachedRepoInfo]:
    """The models of the Hub's cache, whole or not."""
    try:
        return [
            repo
            for repo in scan_cache_dir(constants.HF_HUB_CACHE).repos
            if repo.repo_type == "model"
        ]
    except CacheNotFound:
        return []


def _newest(repo: CachedRepoInfo) -> Path | None:
    """The newest revision that has a config and weights."""
    revisions = sorted(repo.revisions, key=lambda revision: -revision.last_modified)
    return next((r.snapshot_path for r in revisions if _is_model(r.snapshot_path)), None)


def _cached(repo: CachedRepoInfo) -> FoundModel:
    path = _newest(repo)
    assert path is not None
    licence = _licence(path)
    return FoundModel(repo.repo_id, "hub", "base", "", licence, path, repo.size_on_disk)


def _in_place(place: Path) -> list[FoundModel]:
    if not place.exists():
        raise ConfigError(f"{place}: there is no such file or folder. Name another.")
    if place.suffix == GGUF or _is_model(place):
        return [_at(place, str(place))]
    inside = sorted(path for path in place.iterdir() if path.suffix == GGUF or _is_model(path))
    return [_at(path, str(path)) for path in inside]


def _at(path: Path, name: str) -> FoundModel:
    if path.suffix == GGUF:
        metadata = gguf_head.read(path).metadata
        about, licence = (str(metadata.get(f"general.{key}", "")) for key in ("name", "license"))
        return FoundModel(name, "gguf", "base", about, licence, path, path.stat().st_size)
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return FoundModel(name, "directory", "base", "", _licence(path), path, size)


def _is_model(path: Path) -> bool:
    return (path / "config.json").exists() and any(path.glob("*.safetensors"))


def _licence(path: Path) -> str:
    """What the model card says, in its first lines."""
    card = path / "README.md"
    if not card.exists():
        return ""
    with card.open(encoding="utf-8", errors="replace") as file:
        found = _CARD_LICENCE.search(file.read(_CARD_HEAD))
    return found[1] if found else ""
