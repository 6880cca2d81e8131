"""Pairs on disk: the user's own read in, a curated set written out with its data card."""

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec

from radiance import __version__
from radiance.errors import ConfigError
from radiance.labs.alphas.data.curation import SPLITS, Curated
from radiance.labs.alphas.data.pairs import FORMATS, Pair
from radiance.storage import files

CARD, README = "card.json", "README.md"


class SplitCount(msgspec.Struct, frozen=True):
    """One side of the split, counted."""

    pairs: int
    families: int


class SourceCount(msgspec.Struct, frozen=True):
    """Pairs from one source, counted."""

    gathered: int
    kept: int
    licence: str


class DataCard(msgspec.Struct, frozen=True):
    """What a curated set holds, and from what it was made; files and inputs by their SHA-256."""

    radiance: str
    seed: int
    pairs: int
    groups: int
    splits: dict[str, SplitCount]
    kinds: dict[str, int]
    sources: dict[str, SourceCount]
    left_out: dict[str, int]
    files: dict[str, str]
    inputs: dict[str, str]


def read_own(path: Path, licence: str) -> list[Pair]:
    """The user's own JSONL.

    A line is {"instruction", "completion"}, {"input", "output"}, {"prompt", "completion"} or
    {"messages"} of two turns.

    Raises:
        ConfigError: The file cannot be read, or a line is none of these; it names the line.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({error}).") from None
    found = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        asked, answer = _turns(line, path, number)
        found.append(
            Pair(
                instruction=asked,
                completion=answer,
                kind=_kind(answer),
                family=f"own:{hashlib.sha256(answer.encode()).hexdigest()[:12]}",
                source=f"own: {path.name}",
                licence=licence,
            )
        )
    return found


def written(folder: Path) -> list[Path]:
    """The files that ``write`` puts under ``folder``."""
    splits = [f"{split}.jsonl" for split in SPLITS]
    kept = [folder / name / split for name in FORMATS for split in splits]
    return [*kept, *(folder / name for name in (*splits, CARD, README))]


def write(
    curated: Curated, folder: Path, inputs: dict[str, str], left_out: dict[str, int], seed: int
) -> DataCard:
    """Write every format and the data card under ``folder``; returns the card.

    ``inputs`` is what was read, name → SHA-256; ``left_out`` reason → files of a checkout that are
    no pairs; ``seed`` what it was curated with.

    Raises:
        StorageError: The disk failed.
    """
    hashes = {}
    for name, convert in FORMATS.items():
        files.make_directory(folder / name)
        for split in SPLITS:
            rows = [json.dumps(convert(p), ensure_ascii=False) for p in curated.splits[split]]
            hashes[f"{name}/{split}.jsonl"] = _put(folder / name / f"{split}.jsonl", rows)
    for split in SPLITS:
        rows = [msgspec.json.encode(pair).decode() for pair in curated.splits[split]]
        hashes[f"{split}.jsonl"] = _put(folder / f"{split}.jsonl", rows)
    card = _card(curated, hashes, inputs, left_out, seed)
    files.write_durably(
        folder / CARD, json.dumps(msgspec.to_builtins(card), indent=1, ensure_ascii=False).encode()
    )
    files.write_durably(folder / README, render_card(card).encode())
    return card


def read(path: Path) -> list[Pair]:
    """One split of a curated set, with families and sources.

    Raises:
        ConfigError: It cannot be read, or a line is no pair; it names the line.
    """
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}).") from None
    found = []
    for number, line in enumerate(lines, 1):
        try:
            found.append(msgspec.json.decode(line, type=Pair))
        except msgspec.DecodeError as error:
            raise ConfigError(
                f"{path}: line {number}: is no pair ({error}). "
                "Name a file that `radiance alphas curate` wrote."
            ) from None
    return found


def render_card(card: DataCard) -> str:
    """The data card for a person."""
    lines = [
        "# Data card",
        "",
        f"{card.pairs} pairs of instruction and completion, curated by Radiance "
        f"{card.radiance} with seed {card.seed}. Families of related ideas are on one side "
        f"of the split: {card.groups} groups.",
        "",
        "| split | pairs | families |",
        "|---|---|---|",
        *(f"| {name} | {row.pairs} | {row.families} |" for name, row in card.splits.items()),
        "",
        "| source | gathered | kept | licence |",
        "|---|---|---|---|",
        *(
            f"| {name} | {row.gathered} | {row.kept} | {row.licence} |"
            for name, row in card.sources.items()
        ),
        "",
        "| left out because | pairs or files |",
        "|---|---|",
        *(f"| {name} | {count} |" for name, count in card.left_out.items()),
        "",
        "| file | SHA-256 |",
        "|---|---|",
        *(f"| {name} | `{found}` |" for name, found in card.files.items()),
        *(f"| input: {name} | `{found}` |" for name, found in card.inputs.items()),
    ]
    return "\n".join(lines) + "\n"


def _card(
    curated: Curated,
    hashes: dict[str, str],
    inputs: dict[str, str],
    left_out: dict[str, int],
    seed: int,
) -> DataCard:
    kept = Counter(pair.source for pair in curated.pairs)
    licences = {pair.source: pair.licence for pair in curated.pairs}
    return DataCard(
        radiance=__version__,
        seed=seed,
        pairs=len(curated.pairs),
        groups=curated.groups,
        splits={
            name: SplitCount(len(rows), len({pair.family for pair in rows}))
            for name, rows in curated.splits.items()
        },
        kinds=dict(Counter(str(pair.kind) for pair in curated.pairs)),
        sources={
            name: SourceCount(count, kept[name], licences.get(name, "nothing kept"))
            for name, count in curated.gathered.items()
        },
        left_out={**curated.dropped, **left_out},
        files=hashes,
        inputs=inputs,
    )


def _put(path: Path, rows: list[str]) -> str:
    data = "".join(f"{row}\n" for row in rows).encode()
    files.write_durably(path, data)
    return hashlib.sha256(data).hexdigest()


def _turns(line: str, path: Path, number: int) -> tuple[str, str]:
    try:
        row = json.loads(line)
    except ValueError:
        row = None
    if isinstance(row, dict):
        for asked, answer in (
            ("instruction", "completion"),
            ("input", "output"),
            ("prompt", "completion"),
        ):
            if isinstance(row.get(asked), str) and isinstance(row.get(answer), str):
                return row[asked], row[answer]
        turns = row.get("messages")
        if isinstance(turns, list) and len(turns) == 2:
            said = [turn.get("content") if isinstance(turn, dict) else None for turn in turns]
            if isinstance(said[0], str) and isinstance(said[1], str):
                return said[0], said[1]
    raise ConfigError(
        f"{path}: line {number}: is no pair. Write "
        '{"instruction": "…", "completion": "…"}, one JSON object a line.'
    )


def _kind(answer: str) -> Any:
    from radiance.labs.alphas.language.checker import check
    from radiance.labs.alphas.language.syntax import AlphaError

    if "QCAlgorithm" in answer:
        return "strategy"
    try:
        check(answer)
    except AlphaError:
        return "text"
    return "alpha"
