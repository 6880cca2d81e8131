"""Anchors from a Hugging Face dataset: from the Hub, its cache, or a local folder of that shape.

A dataset of the Hub is fetched as the folder of files it is, as base models are, and read from
there. So an unreachable Hub costs no retries, the cache serves offline, and a local folder takes
the same path.
"""

import sys
from pathlib import Path
from typing import Any

from radiance.anchors.rows import MESSAGES, PAIRS, TEXT, BadRow, to_anchor
from radiance.anchors.sets import AnchorSet
from radiance.config import EvaluationSettings
from radiance.errors import ConfigError

_ENDINGS = ("README.md", ".parquet", ".arrow", ".jsonl", ".json", ".csv", ".tsv", ".txt", ".gz")
_TIMEOUT_S = 10
_MOST_ROWS = 10_000  # of a larger dataset so many are kept, spread over it
_ROWS_MEASURED = 200  # to tell which column holds the texts


class Unreachable(ConfigError):
    """The dataset is neither on this machine nor to be had from the Hub now."""


class Unknown(Unreachable):
    """The Hub answers, and has no such dataset, or none for this user."""


def read_set(settings: EvaluationSettings) -> AnchorSet:
    """The texts, or questions and answers, of a dataset; at most ten thousand, spread over it.

    Rows that hold no text are passed over.

    Args:
        settings: ``anchor_dataset`` (a Hub id or a local folder), ``anchor_split`` and
            ``anchor_text_field``.

    Raises:
        Unreachable: It is not here, and the Hub does not answer or does not have it.
        ConfigError: There is no such split or field; the message names those that there are.
    """
    name = settings.anchor_dataset
    folder = Path(name).expanduser()
    if not folder.is_dir():
        folder = _fetch(name)
    table = _load(folder, settings)
    columns, text_field = _columns(table, settings)
    anchors = []
    numbers = _spread(len(table))
    for number, row in zip(numbers, table.select_columns(columns).select(numbers), strict=True):
        try:
            anchors.append(
                to_anchor(row, f"{folder_name(name)}.{number}", text_field, passes_over=True)
            )
        except BadRow:  # an empty article, say; nobody here can mend another's dataset
            continue
    if not anchors:
        raise ConfigError(
            f'evaluation.anchor_dataset (is "{name}"): split {settings.anchor_split} has no text '
            f"in {' and '.join(columns)}. Name another field by evaluation.anchor_text_field."
        )
    return AnchorSet(tuple(anchors), source=name, licence=_licence(folder))


def folder_name(dataset: str) -> str:
    """What the anchors of a dataset are called after."""
    return dataset.rstrip("/").rpartition("/")[2]


def _fetch(name: str) -> Path:
    """The dataset's files, downloaded where the Hub's cache does not have them."""
    from huggingface_hub import snapshot_download  # slow to import
    from huggingface_hub.errors import HFValidationError, HTTPError, RepositoryNotFoundError

    try:
        return Path(
            snapshot_download(
                name,
                repo_type="dataset",
                allow_patterns=[f"*{ending}" for ending in _ENDINGS],
                etag_timeout=_TIMEOUT_S,
            )
        )
    except HFValidationError:
        raise ConfigError(
            f'evaluation.anchor_dataset (is "{name}"): no such folder, and not a Hub id. Name a '
            "dataset like tnn1t1s/news-100-sept-2023, or a folder that datasets.load_dataset opens."
        ) from None
    except (OSError, HTTPError) as error:  # the Hub's own are the first, a break-off the second
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        kind = Unknown if isinstance(error, RepositoryNotFoundError) else Unreachable
        raise kind(
            f'evaluation.anchor_dataset (is "{name}"): not in the cache and not to be had from '
            f"the Hub ({reason}). Check the name and the connection, download it beforehand with "
            f'"hf download --repo-type dataset {name}", name a local folder, or set '
            'evaluation.anchor_provider = "common", which needs no download.'
        ) from None


def _load(folder: Path, settings: EvaluationSettings) -> Any:
    """One split, as a ``datasets.Dataset``."""
    import datasets  # slow to import, with pandas and pyarrow behind it
    import pyarrow
    from datasets.exceptions import DatasetsError

    datasets.logging.set_verbosity_error()
    if not sys.stderr.isatty():
        datasets.disable_progress_bars()
    split = settings.anchor_split
    try:
        if (folder / "dataset_dict.json").exists() or (folder / "state.json").exists():
            saved: Any = datasets.load_from_disk(str(folder))
            splits = saved if isinstance(saved, dict) else {str(saved.split or split): saved}
        elif split in (names := datasets.get_dataset_split_names(str(folder))):
            splits = {split: datasets.load_dataset(str(folder), split=split)}
        else:
            splits = dict.fromkeys(names)
    except (
        OSError,
        ValueError,
        TypeError,
        pyarrow.ArrowException,
        DatasetsError,
    ) as error:
        raise ConfigError(
            f'evaluation.anchor_dataset (is "{settings.anchor_dataset}"): cannot be read '
            f"({error}). Name a dataset that datasets.load_dataset opens without a configuration."
        ) from None
    if split not in splits:
        raise ConfigError(
            f'evaluation.anchor_split (is "{split}"): {settings.anchor_dataset} has no such split. '
            f"It has {', '.join(splits)}."
        )
    return splits[split]


def _columns(table: Any, settings: EvaluationSettings) -> tuple[list[str], str]:
    """Which columns make an anchor, and which of them is the text ("": they are a chat)."""
    known = list(table.column_names)
    texts = [n for n in known if getattr(table.features[n], "dtype", "").endswith("string")]
    field = settings.anchor_text_field
    if field and field not in texts:
        problem = "holds no text" if field in known else "is no such field"
        raise ConfigError(
            f'evaluation.anchor_text_field (is "{field}"): {problem} of '
            f"{settings.anchor_dataset}. Its fields of text are {', '.join(texts) or 'none'}."
        )
    if field or TEXT in texts:
        return [field or TEXT], field or TEXT
    if MESSAGES in known:
        return [MESSAGES], ""
    for pair in PAIRS:
        if set(pair) <= set(texts):
            return list(pair), ""
    if not texts:
        raise ConfigError(
            f"evaluation.anchor_dataset (is {settings.anchor_dataset!r}): none of its fields holds "
            f"text ({', '.join(known)}). Name another dataset."
        )
    rows = list(table.select_columns(texts).select(range(min(len(table), _ROWS_MEASURED))))
    longest = max(texts, key=lambda name: sum(len(row[name] or "") for row in rows))
    return [longest], longest


def _spread(count: int) -> list[int]:
    kept = min(count, _MOST_ROWS)
    return [place * count // kept for place in range(kept)]


def _licence(folder: Path) -> str:
    """What the dataset's card says, as far as there is one."""
    from huggingface_hub import metadata_load

    card = folder / "README.md"
    try:
        told = (metadata_load(card) or {}) if card.exists() else {}
    except (OSError, ValueError):
        return ""
    licence = told.get("license") or ""
    return ", ".join(map(str, licence)) if isinstance(licence, list) else str(licence)
