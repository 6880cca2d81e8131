"""API keys: what they may do and how they are kept.

Kept are hashes, never keys: a key has 256 random bits, so plain SHA-256 is enough and cannot be
turned round. A line of the file, and an entry of RADIANCE_API_KEYS (there divided by ``;``), is

    sha256:<64 hexadecimal digits>  infer,update  laptop

In the environment the key itself may stand in place of its hash.
"""

import hashlib
import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from radiance.errors import ConfigError
from radiance.storage import files

Scope = Literal["infer", "update", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
ALL_SCOPES = frozenset(SCOPES)

_PREFIX = "rk_"
_LEAST_CHARACTERS = 20  # of a key in the environment that was not made by ``new_key``
_HASH = re.compile(r"sha256:([0-9a-f]{64})")
_NAME = re.compile(r"[A-Za-z0-9_.@-]{1,64}")
_OPEN_TO_OTHERS = 0o077
_HEADER = (
    "# API keys of Radiance: hash, scopes, name. `radiance keys new` adds a line; delete one to\n"
    "# revoke it. The service follows without a restart.\n"
)


@dataclass(frozen=True)
class Key:
    """One key, without the secret.

    Attributes:
        digest: SHA-256 of the secret, in hexadecimal.
        name: Whose it is; unique in its file. Audit log and access log name it.
    """

    digest: str
    scopes: frozenset[Scope]
    name: str

    def allows(self, scope: Scope) -> bool:
        """Whether it may do what needs ``scope``; admin may do everything."""
        return scope in self.scopes or "admin" in self.scopes

    def to_line(self) -> str:
        """The key as the file has it."""
        return f"sha256:{self.digest}  {','.join(sort_scopes(self.scopes))}  {self.name}"


def sort_scopes(scopes: frozenset[Scope]) -> list[Scope]:
    """Scopes from the least to the most."""
    return [scope for scope in SCOPES if scope in scopes]


def new_key(scopes: frozenset[Scope], name: str) -> tuple[str, Key]:
    """A new secret and the key that is kept of it."""
    secret = _PREFIX + secrets.token_urlsafe(32)
    return secret, Key(digest(secret), scopes, name)


def digest(secret: str) -> str:
    """What is kept of a secret."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def parse(text: str, where: str, *, clear_allowed: bool = False) -> list[Key]:
    """Keys from lines or ``;``-divided entries of hash, scopes and name.

    Args:
        text: The file or the environment variable.
        where: What it is called in messages.
        clear_allowed: Whether a key may stand in place of its hash.

    Raises:
        ConfigError: An entry is none; the message names its line, and never shows a key.
    """
    found: dict[str, Key] = {}
    entries = text.splitlines() if not clear_allowed else re.split(r"[;\n]", text)
    for number, entry in enumerate(entries, 1):
        fields = entry.split()
        if not fields or fields[0].startswith("#"):
            continue
        key = _parse_entry(fields, f"{where}, entry {number}", clear_allowed, len(found) + 1)
        if key.name in found:
            raise ConfigError(f'{where}, entry {number}: a second key is named "{key.name}".')
        found[key.name] = key
    return list(found.values())


def read_file(path: Path) -> list[Key]:
    """The keys of a file; none where there is no file.

    Raises:
        ConfigError: It cannot be read, others than its owner may read or write it, or a line is
            no key.
    """
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"access.keys_file: {path} cannot be read ({error}).") from None
    if mode & _OPEN_TO_OTHERS:
        raise ConfigError(
            f"access.keys_file: {path} may be read or written by others (mode"
            f" {mode & 0o777:03o}). Run: chmod 600 {path}"
        )
    return parse(text, str(path))


def write_file(path: Path, keys: list[Key]) -> None:
    """Put ``keys`` into a file that only its owner may read; durable on return.

    Raises:
        StorageError: The disk failed.
    """
    files.make_directory(path.parent)
    lines = "".join(f"{key.to_line()}\n" for key in keys)
    files.write_durably(path, (_HEADER + lines).encode(), 0o600)


def check_name(name: str, where: str = "--name") -> None:
    """See that a name can stand in the file.

    Raises:
        ConfigError: It cannot.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f'{where}: the name "{name}" cannot be kept. Use 1 to 64 letters, digits and _ . @ -'
        )


def _parse_entry(fields: list[str], where: str, clear_allowed: bool, number: int) -> Key:
    if not 2 <= len(fields) <= 3:
        raise ConfigError(f"{where}: is not a hash, scopes and a name, divided by spaces.")
    secret, listed, *named = fields
    if (match := _HASH.fullmatch(secret)) is not None:
        hashed = match[1]
    elif not clear_allowed:
        raise ConfigError(
            f"{where}: does not begin with sha256: and 64 hexadecimal digits. Keys themselves are"
            " not kept here; `radiance keys new` makes one and writes its line."
        )
    elif len(secret) < _LEAST_CHARACTERS:
        raise ConfigError(
            f"{where}: the key has {len(secret)} characters, which can be guessed. Use at least"
            f" {_LEAST_CHARACTERS} random ones, or `radiance keys new`."
        )
    else:
        hashed = digest(secret)
    scopes = listed.split(",")
    if unknown := [scope for scope in scopes if scope not in ALL_SCOPES]:
        raise ConfigError(
            f'{where}: "{unknown[0]}" is not a scope. Write some of {", ".join(SCOPES)}, divided'
            " by commas."
        )
    name = named[0] if named else f"key-{number}"
    check_name(name, where)
    return Key(hashed, frozenset(scope for scope in SCOPES if scope in scopes), name)
