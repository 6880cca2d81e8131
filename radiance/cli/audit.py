"""``radiance audit``: what was decided on checkpoints, and whether the record of it is whole.

Reads the database of a root itself, beside a running service or without one, and changes nothing.
"""

import json
import re
from pathlib import Path
from typing import Any, BinaryIO

import click
import msgspec

from radiance.cli.output import FAILED, note, print_json, print_pairs, print_table, show_time
from radiance.config import Config

_HASH = re.compile(r"[0-9a-f]{64}")
_root_option = click.option(
    "--root",
    "config",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    callback=lambda context, parameter, value: Config(root=value),
    help="Directory that holds adapters/ and runs/. Default: here.",
)
_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def _check_hash(context: click.Context, parameter: click.Parameter, given: str | None) -> Any:
    if given is not None and not _HASH.fullmatch(given):
        raise click.BadParameter(f"{given!r} is not a hash: 64 hexadecimal digits.")
    return given


@click.group()
def audit() -> None:
    """Read and check the record of every decision.

    Each promotion, rejection, rollback and pin is an entry with all it rested on, sealed with the
    entry before: nothing in it can be changed unnoticed.

    Examples:
      radiance audit log
      radiance audit verify
    """


@audit.command()
@click.option("--limit", type=click.IntRange(1), default=30, help="Most entries. Default: 30.")
@click.option("--before", type=click.IntRange(1), metavar="NUMBER", help="Only entries below it.")
@_json_option
@_root_option
def log(limit: int, before: int | None, as_json: bool, config: Config) -> None:
    """List entries.

    The newest first; `radiance audit show` has all of one.

    Examples:
      radiance audit log
      radiance audit log --root ~/radiance --before 40 --json
    """
    from radiance.registry import audit as room
    from radiance.storage.sqlite import Snapshot

    with Snapshot(config.database_path) as db:
        entries = [entry.to_plain() for entry in room.recent(db, limit, before)]
    if as_json:
        print_json({"entries": entries})
        return
    print_table(
        ("NUMBER", "AT (UTC)", "ACTION", "ACTOR", "CHECKPOINT", "WHY"),
        (
            (
                entry["number"],
                show_time(entry["at"]),
                entry["action"],
                entry["actor"],
                entry["subject"],
                _why(entry["body"]),
            )
            for entry in entries
        ),
    )


@audit.command()
@click.argument("what", metavar="NUMBER|CHECKPOINT")
@_json_option
@_root_option
def show(what: str, as_json: bool, config: Config) -> None:
    """Show an entry, or all about a checkpoint.

    Everything that was recorded: examples and their hashes, settings, what was measured, each rule
    of the gate, who decided and why.

    Examples:
      radiance audit show 12
      radiance audit show A_2026-02-09_0012
    """
    from radiance.registry import audit as room
    from radiance.registry.checkpoints import Checkpoints
    from radiance.storage.sqlite import Snapshot

    with Snapshot(config.database_path) as db:
        if what.isdecimal() and len(what) < 19:
            entries = [room.get(db, int(what))]
        else:
            Checkpoints(db, config.adapters_path).get(what)
            entries = room.about(db, what)
    plain = [entry.to_plain() for entry in entries]
    if as_json:
        print_json({"entries": plain})
        return
    for place, entry in enumerate(plain):
        if place:
            click.echo()
        body = entry.pop("body")
        print_pairs(entry.items())
        print_json(body)


@audit.command()
@click.argument("file", type=click.File("rb"), required=False)
@click.option(
    "--head",
    metavar="HASH",
    callback=_check_hash,
    help="The hash of an entry, kept from earlier, that must still be there.",
)
@_json_option
@_root_option
@click.pass_context
def verify(
    context: click.Context, file: BinaryIO | None, head: str | None, as_json: bool, config: Config
) -> None:
    """Check that nothing was changed.

    Walks the chain, and compares what it records with checkpoints, releases, files and examples;
    FILE is an export, checked by itself. Names the first entry that is not what it was; exit code 1
    if anything is wrong. Whoever can write to the root could rewrite all of it consistently: the
    hash printed here, kept where they cannot write and given back by --head, shows that too.

    Examples:
      radiance audit verify --root ~/radiance
      radiance audit verify notes.jsonl
    """
    from radiance.registry import verification

    if file is None:
        found = verification.verify(config.database_path, config.adapters_path, head)
    else:
        found = verification.verify_export(file, head)
    if as_json:
        print_json(msgspec.to_builtins(found))
    else:
        for sentence in (*(f"on record: {alarm}" for alarm in found.alarms), *found.findings):
            note(sentence)
        note(f"{found.entries} sound entries.{' All is as recorded.' if found.is_sound else ''}")
        click.echo(found.head)
    if not found.is_sound:
        context.exit(FAILED)


@audit.command()
@click.argument("file", type=click.File("wb", atomic=True))
@_root_option
def export(file: BinaryIO, config: Config) -> None:
    """Write the log to FILE, one entry a line.

    As JSON lines that `radiance audit verify FILE` checks without the service, on any machine; a
    single - writes to stdout. The hash of the last entry is noted on stderr.

    Examples:
      radiance audit export notes.jsonl
      radiance audit export --root ~/radiance - > notes.jsonl
    """
    from radiance.registry import verification
    from radiance.storage.sqlite import Snapshot

    last = b"{}"
    with Snapshot(config.database_path) as db:
        for last in verification.export(db):
            file.write(last)
    entry = json.loads(last)
    note(f"{entry.get('number', 0)} entries; the last has the hash {entry.get('hash', '-')}")


def _why(body: dict[str, Any]) -> Any:
    """The sentence of an entry that says why."""
    decision = body.get("decision") or {}
    return body.get("withheld") or decision.get("reason") or body.get("reason", body.get("finding"))
