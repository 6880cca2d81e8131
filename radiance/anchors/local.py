"""Anchors from this machine: a file of JSON lines, JSON, CSV or Parquet, or a folder of texts."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from radiance.anchors.rows import FORMS, BadRow, to_anchor, to_label
from radiance.anchors.sets import GENERAL, Anchor, AnchorSet
from radiance.errors import ConfigError
from radiance.records.rows import BadLine, read_rows
from radiance.storage.files import hash_file

TEXT_SUFFIXES = (".txt", ".md")
_PARQUET = b"PAR1"


class BadFile(ValueError):
    """A file or folder holds no anchors; the message says where and why, and the remedy."""


def read_set(path: Path) -> AnchorSet:
    """The anchors of a file or folder, with what a manifest beside it says of them.

    Raises:
        ConfigError: It cannot be read, is empty, or something in it is no anchor.
    """
    try:
        anchors = read(path)
    except BadFile as error:
        raise ConfigError(
            f"evaluation.anchor_path: {error} Name a JSONL, CSV or Parquet file or a folder of "
            'texts, or set evaluation.anchor_provider = "none".'
        ) from None
    told = _manifest(path)
    return AnchorSet(
        anchors, source=str(told.get("source") or path), licence=str(told.get("licence") or "")
    )


def read(path: Path, *, name_by_content: bool = False) -> tuple[Anchor, ...]:
    """The anchors of a file or folder, in its order.

    Args:
        path: The file or folder.
        name_by_content: Whether an anchor without an id is called after its content, not after its
            place.

    Raises:
        BadFile: It cannot be read, is empty, or something in it is no anchor.
    """
    anchors: list[Anchor] = []
    named: dict[str, tuple[str, str]] = {}
    try:
        rows = _folder(path) if path.is_dir() else _file(path)
        for place, default_id, row in rows:
            try:
                anchor = to_anchor(row, None if name_by_content else default_id)
            except BadRow as error:
                raise BadFile(f"{place}: {error}. An anchor is {FORMS}.") from None
            label, content = anchor.example.id, anchor.example.content_hash
            other, held = named.setdefault(label, (place, content))
            if held != content:
                raise BadFile(f"{place}: id {label!r} is that of {other}. Rename one.")
            if other != place:
                continue  # the very same again
            anchors.append(anchor)
    except (OSError, UnicodeDecodeError) as error:
        raise BadFile(f"cannot read {path} ({error}).") from None
    if not anchors:
        raise BadFile(f"{path} holds no anchors.")
    return tuple(anchors)


def _file(path: Path) -> Iterator[tuple[str, str, Any]]:
    """Place (for messages), default id and row of each record of a file."""
    with path.open("rb") as file:
        is_parquet = file.read(len(_PARQUET)) == _PARQUET
    for number, row in _parquet(path) if is_parquet else _rows(path):
        yield f"{path}, line {number}", f"{path.stem}.{number}", row


def _rows(path: Path) -> Iterator[tuple[int, Any]]:
    try:
        yield from read_rows(path.read_bytes())
    except BadLine as error:
        raise BadFile(f"{path}, line {error.line}: {error}.") from None


def _parquet(path: Path) -> Iterator[tuple[int, Any]]:
    import pyarrow  # slow to import, and not needed by most
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(path)
    except pyarrow.ArrowException as error:
        raise BadFile(f"cannot read {path} ({error}).") from None
    yield from enumerate(table.to_pylist(), start=1)


def _folder(path: Path) -> Iterator[tuple[str, str, Any]]:
    """Every text file below a folder; the subfolder it lies in is its context."""
    for file in sorted(path.rglob("*")):
        name = file.relative_to(path)
        if file.suffix.lower() not in TEXT_SUFFIXES or not file.is_file():
            continue
        if any(part.startswith(".") for part in name.parts):
            continue
        try:
            context = to_label(name.parent.as_posix(), "folder") if name.parent.parts else GENERAL
        except BadRow as error:
            raise BadFile(f"{file.parent}: {error}.") from None
        text = file.read_text(encoding="utf-8-sig").strip()  # a file ends with a newline
        if text:
            yield str(file), name.as_posix(), {"text": text, "context": context}


def _manifest(path: Path) -> dict[str, Any]:
    """What ``<name>.manifest.json`` or ``manifest.json`` beside a file says of these very bytes."""
    if path.is_dir():
        return {}
    for name in (f"{path.stem}.manifest.json", "manifest.json"):
        try:
            told = json.loads(path.with_name(name).read_text(encoding="utf-8"))
            if told["sha256"] == hash_file(path):
                return told
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return {}
