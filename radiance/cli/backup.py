"""``radiance backup`` and ``radiance restore``: copies of a root, running or not."""

import shlex
from pathlib import Path

import click

from radiance.cli.output import json_option, note, printed_as_json
from radiance.cli.parameters import FOLDER, root_option
from radiance.config import Config, load
from radiance.errors import ConfigError
from radiance.platform import let_others_go_first

_root_option = root_option()
_SHOWN = 20


@click.command()
@click.argument("folder", type=FOLDER)
@click.option(
    "--keep",
    type=click.IntRange(1),
    metavar="N",
    help="Number of snapshots kept, the newest ones. Default: all.",
)
@click.option("--check", "is_checked", is_flag=True, help="Restore the snapshot once, and compare.")
@json_option()
@_root_option
def backup(folder: Path, keep: int | None, is_checked: bool, root: Path) -> None:
    """Add a snapshot of the root to the backup in FOLDER.

    A service may run meanwhile; it has priority where the processor is busy. Files that have not
    changed are kept once for all snapshots. The name of the snapshot is printed.

    Examples:
      radiance backup /mnt/backups/radiance
      radiance backup /mnt/backups/radiance --keep 14 --check
    """
    let_others_go_first()
    from radiance.registry.backup import back_up
    from radiance.registry.restoring import check

    config: Config = load(root)
    made = back_up(config, folder.absolute(), keep or 0)
    if is_checked:
        check(folder.absolute(), made.snapshot.name)
    note(
        f"{len(made.snapshot.files)} files, {made.size_bytes / 1e6:.1f} MB, of which "
        f"{made.copied_bytes / 1e6:.1f} MB are new{'; restored and compared' * is_checked}."
    )
    if not printed_as_json(
        {
            "snapshot": made.snapshot.name,
            "files": len(made.snapshot.files),
            "size_bytes": made.size_bytes,
            "copied_bytes": made.copied_bytes,
            "head": made.snapshot.head,
        }
    ):
        click.echo(made.snapshot.name)


@click.command()
@click.argument("folder", type=FOLDER)
@click.option("--snapshot", metavar="NAME", help="Name of a snapshot. Default: the newest.")
@json_option()
@_root_option
def restore(folder: Path, snapshot: str | None, root: Path) -> None:
    """Restore a root from the backup in FOLDER.

    The root must be empty or not exist yet. It appears once every file has been compared with its
    hash and the audit log has been verified. What was forgotten after the snapshot was made is in
    it again, API keys that were revoked since are valid again, and the command says so.

    Examples:
      radiance restore /mnt/backups/radiance --root ~/radiance
    """
    let_others_go_first()
    from radiance.registry.restoring import forgotten_since
    from radiance.registry.restoring import restore as make

    made = make(folder.absolute(), root.absolute(), snapshot)
    forgotten = forgotten_since(folder.absolute(), made)
    note(f"{root} is as of {made.created_at:%Y-%m-%d %H:%M:%S} UTC.")
    note(
        "What was forgotten since then is in it again. Forget it again, by radiance forget,"
        " before this root serves."
    )
    if forgotten:
        listed = ", ".join(forgotten[:_SHOWN])
        more = f" and {len(forgotten) - _SHOWN} more" if len(forgotten) > _SHOWN else ""
        note(f"By a newer snapshot, that is {listed}{more}.")
    if any(file.path == _keys_file(root) for file in made.files):
        note(
            "API keys that were revoked since then are valid again. Look: radiance keys list --root"
            f" {shlex.quote(str(root))}"
        )
    if not printed_as_json(
        {
            "snapshot": made.name,
            "files": len(made.files),
            "head": made.head,
            "forgotten_since": forgotten,
        }
    ):
        click.echo(made.name)


def _keys_file(root: Path) -> str:
    try:
        return load(root).access.keys_file
    except ConfigError:  # of another version: the start says so
        return Config().access.keys_file
