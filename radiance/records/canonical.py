"""The present moment, and the one byte string of a value that hashes are taken of."""

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import msgspec


def now() -> datetime:
    """The present moment, aware, in UTC."""
    return datetime.now(UTC)


def canonical_json(value: Any) -> bytes:
    """The one byte string of a JSON value that hashes are taken of: sorted keys, no spaces."""
    return json.dumps(
        msgspec.to_builtins(value),
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
    ).encode()


def content_hash(value: Any) -> str:
    """SHA-256 of ``canonical_json(value)``, in hexadecimal."""
    return hashlib.sha256(canonical_json(value)).hexdigest()
