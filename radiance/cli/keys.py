"""``radiance keys``: who may use the service over the network.

Works on the keys file of a root, beside a running service or without one.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from radiance import platform
from radiance.api.auth import keys as api_keys
from radiance.cli.output import json_option, note, print_table, printed_as_json
from radiance.cli.settings import Settings, settings_options
from radiance.errors import ConfigError
from radiance.storage import files

_scope_option = click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    type=click.Choice(api_keys.SCOPES),
    help="Scope of the key. Can be repeated.",
)


@click.group()
def keys() -> None:
    """Make, list and revoke API keys.

    A service that other machines can reach needs keys. A key's scopes say what it may do: infer,
    ask and vote; update, teach and follow jobs; admin, everything. A running service reads changed
    keys at once.

    Examples:
      radiance keys new --scope infer --name phone
      radiance keys list
    """


@keys.command()
@_scope_option
@click.option(
    "--name", help="Name of the key, used in the audit log. Default: key-1, key-2, and so on."
)
@settings_options
def new(settings: Settings, scopes: tuple[api_keys.Scope, ...], name: str | None) -> None:
    """Make an API key, and print it once.

    Only the key's hash is kept, so the key cannot be shown again. Clients send it as
    `Authorization: Bearer`; the client commands read it from RADIANCE_API_KEY.

    Examples:
      radiance keys new --scope admin
      radiance keys new --scope infer --scope update --name laptop --root ~/radiance
    """
    path = settings.load().keys_path
    files.make_directory(path.parent)
    with _alone(path):
        known = api_keys.read_file(path)
        names = {key.name for key in known}
        if name is None:
            name = next(n for i in range(1, len(names) + 2) if (n := f"key-{i}") not in names)
        api_keys.check_name(name)
        if name in names:
            raise ConfigError(
                f'A key is named "{name}" already. Give another --name, or remove it.'
            )
        secret, key = api_keys.new_key(frozenset(scopes), name)
        api_keys.write_file(path, [*known, key])
    click.echo(secret)
    note(f'"{name}" may {", ".join(api_keys.sort_scopes(key.scopes))}. It is not shown again.')


@keys.command("list")
@json_option()
@settings_options
def list_keys(settings: Settings) -> None:
    """List the API keys of a root.

    The table has each key's name, its scopes and the beginning of its hash. Keys of the environment
    variable RADIANCE_API_KEYS are not listed.

    Examples:
      radiance keys list
      radiance keys list --root ~/radiance --json
    """
    known = api_keys.read_file(settings.load().keys_path)
    rows = [
        (key.name, api_keys.sort_scopes(key.scopes), f"sha256:{key.digest[:12]}") for key in known
    ]
    fields = ("name", "scopes", "hash")
    if not printed_as_json({"keys": [dict(zip(fields, row, strict=True)) for row in rows]}):
        print_table(("NAME", "SCOPES", "HASH"), rows)


@keys.command()
@click.argument("name")
@settings_options
def remove(settings: Settings, name: str) -> None:
    """Revoke the API key called NAME.

    Further requests with the key are refused; requests in flight are answered.

    Examples:
      radiance keys remove phone
    """
    path = settings.load().keys_path
    with _alone(path):
        known = api_keys.read_file(path)
        left = [key for key in known if key.name != name]
        if len(left) == len(known):
            raise ConfigError(f'No key is named "{name}". `radiance keys list` shows them.')
        api_keys.write_file(path, left)
    are = "key is" if len(left) == 1 else "keys are"
    note(f'"{name}" is revoked; {len(left)} {are} left.')


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Have a keys file to oneself, from reading it to writing it.

    Of two that write what they had read before, one would take back the other's key, or bring one
    back that was revoked.
    """
    if not path.parent.is_dir():  # nothing to be read, nor to be made by a mistyped --root
        yield
        return
    descriptor = platform.lock(path.with_name(f".{path.name}.lock"), waits=True)
    try:
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)
