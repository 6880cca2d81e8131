"""The user's own anchors: ``anchors/*.jsonl`` under the root, and the manifest that tells of them.

What ``add`` writes is named by its content and never changed; the manifest is written first, so a
crash leaves an entry without a file, which counts for nothing. A file that somebody puts there by
hand is read like the others. Subfolders are not looked into.
"""

import hashlib
import json
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from radiance.anchors import local
from radiance.anchors.sets import Anchor, AnchorSet, answer
from radiance.errors import ConfigError, RequestError
from radiance.records import Example
from radiance.storage import files

MANIFEST = "manifest.json"
_NAME_HASH_CHARACTERS = 12


class ManifestEntry(msgspec.Struct, frozen=True):
    """What the manifest says of one file.

    Attributes:
        sha256: Of the file's bytes.
    """

    file: str
    source: str
    licence: str
    sha256: str
    count: int
    added_at: datetime


class _Manifest(msgspec.Struct, frozen=True):
    files: tuple[ManifestEntry, ...] = ()


class Addition(msgspec.Struct, frozen=True):
    """One file of the user's own anchors.

    Attributes:
        entry: What the manifest says of it; None for a file put there by hand.
        is_changed: Whether its bytes are no longer those that were added.
    """

    file: str
    anchors: tuple[Anchor, ...]
    entry: ManifestEntry | None
    is_changed: bool


def read(folder: Path) -> list[Addition]:
    """Every file of the user's own anchors, by name.

    Raises:
        ConfigError: One of them, or the manifest, is not what it should be.
    """
    entries = {entry.file: entry for entry in _read_manifest(folder).files}
    additions = []
    for path in sorted(folder.glob("*.jsonl")):
        try:
            anchors = local.read(path)
        except local.BadFile as error:
            raise ConfigError(f"{error} Mend the file or move it out of {folder}.") from None
        entry = entries.get(path.name)
        is_changed = entry is not None and entry.sha256 != files.hash_file(path)
        additions.append(Addition(path.name, anchors, entry, is_changed))
    return additions


def add(
    folder: Path,
    anchors: Sequence[Anchor],
    existing: AnchorSet,
    source: str,
    licence: str,
    at: datetime,
) -> ManifestEntry | None:
    """Keep anchors for good; those that are held already are left out.

    One process at a time may add.

    Args:
        folder: ``anchors/`` under the root; made where it is missing.
        anchors: The new ones.
        existing: All that are held now, the provider's too.
        source: Where they come from.
        licence: Their licence; "" where none is told.
        at: Now.

    Returns:
        The manifest's entry of the new file; None where all were held already.

    Raises:
        RequestError: One answers a question otherwise than an anchor that is held, or than another
            new one, or takes an id; nothing is kept.
        ConfigError: The manifest is not what it should be.
        StorageError: The disk failed.
    """
    held = {anchor.example.content_hash for anchor in existing.anchors}
    new = {
        a.example.content_hash: a for a in reversed(anchors) if a.example.content_hash not in held
    }
    kept = [anchor for anchor in anchors if new.get(anchor.example.content_hash) is anchor]
    _refuse_contradictions(existing.examples, [anchor.example for anchor in kept])
    if not kept:
        return None
    files.make_directory(folder)
    files.sweep_temporaries(folder)
    data = "".join(_line(anchor) for anchor in kept).encode()
    sha256 = hashlib.sha256(data).hexdigest()
    entry = ManifestEntry(
        f"added-{sha256[:_NAME_HASH_CHARACTERS]}.jsonl", source, licence, sha256, len(kept), at
    )
    others = [
        other
        for other in _read_manifest(folder).files
        if other.file != entry.file and (folder / other.file).exists()
    ]
    manifest = msgspec.json.format(msgspec.json.encode(_Manifest((*others, entry))))
    files.write_durably(folder / MANIFEST, manifest + b"\n")
    files.write_durably(folder / entry.file, data)
    return entry


def remove(folder: Path, question_hashes: Collection[str]) -> None:
    """Take the anchors of these questions out of the files of ``folder``, for good.

    One process at a time may; a file that is left with none is deleted.

    Raises:
        ConfigError: A file or the manifest is not what it should be.
        StorageError: The disk failed.
    """
    for addition in read(folder):
        kept = [a for a in addition.anchors if a.example.question_hash not in question_hashes]
        if len(kept) == len(addition.anchors):
            continue
        data = "".join(map(_line, kept)).encode()
        sha256 = hashlib.sha256(data).hexdigest()
        changes = {"sha256": sha256, "count": len(kept)}
        entries = [
            msgspec.structs.replace(entry, **changes) if entry.file == addition.file else entry
            for entry in _read_manifest(folder).files
        ]
        if addition.entry is not None and not addition.is_changed:
            manifest = msgspec.json.format(msgspec.json.encode(_Manifest(tuple(entries))))
            files.write_durably(folder / MANIFEST, manifest + b"\n")
        if kept:
            files.write_durably(folder / addition.file, data)
        else:
            files.remove_file(folder / addition.file)


def _refuse_contradictions(existing: Iterable[Example], new: Iterable[Example]) -> None:
    asked: dict[str, Example] = {e.question_hash: e for e in existing if e.messages}
    ids = {example.id for example in existing}
    for example in new:
        other = asked.setdefault(example.question_hash, example) if example.messages else example
        if answer(other) != answer(example):
            question = json.dumps(example.messages[-2].content, ensure_ascii=False)
            held = json.dumps(answer(other), ensure_ascii=False)
            raise RequestError(
                f"{other.id} has another answer to {question}: {held}.",
                field="output",
                value=answer(example),
                remedy="Two answers to one question cannot both be held. Leave one out, or take "
                f"{other.id} out of the set it is from.",
            )
        if example.id in ids:
            raise RequestError(
                f"There is an anchor {example.id!r} already, of other content.",
                field="id",
                value=example.id,
                remedy="Give it another id, or none.",
            )
        ids.add(example.id)


def _line(anchor: Anchor) -> str:
    example = anchor.example
    row: dict[str, object] = {"id": example.id, "context": anchor.context}
    if example.text:
        row["text"] = example.text
    elif [message.role for message in example.messages] == ["user", "assistant"]:
        row["input"], row["output"] = (message.content for message in example.messages)
    else:
        row["messages"] = msgspec.to_builtins(example.messages)
    return json.dumps(row, ensure_ascii=False) + "\n"


def _read_manifest(folder: Path) -> _Manifest:
    path = folder / MANIFEST
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Manifest)
    except FileNotFoundError:
        return _Manifest()
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path}: cannot be read ({error}). Mend it, or move it away: the anchors beside it "
            "are used without it."
        ) from None
