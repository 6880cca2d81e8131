"""``radiance audit``: what was decided on checkpoints, and whether the record of it is whole.

Reads the database of a root itself, beside a running service or without one, and changes nothing.
"""

import json
import re
from pathlib import Path
from typing import Any, BinaryIO

import click
import msgspec

from radiance.cli.client import Answer
from radiance.cli.output import (
    FAILED,
    json_option,
    note,
    print_json,
    print_pairs,
    print_table,
    printed_as_json,
    show_time,
)
from radiance.cli.parameters import check_new, force_option, root_option
from radiance.config import Config

_HASH = re.compile(r"[0-9a-f]{64}")
_root_option = root_option(
    name="config", callback=lambda context, parameter, value: Config(root=value)
)


def _check_hash(context: click.Context, parameter: click.Parameter, given: str | None) -> Any:
    if given is not None and not _HASH.fullmatch(given):
        raise click.BadParameter(f"{given!r} is not a hash: 64 hexadecimal digits.")
    return given


@click.group()
def audit() -> None:
    """Read and check the record of every decision.

    Each promotion, rejection, rollback and pin is an entry of the audit log, with the evidence for
    it. Each entry holds the hash of the entry before, so no change goes unnoticed.

    Examples:
      radiance audit log
      radiance audit verify
    """


@audit.command()
@click.option("--limit", type=click.IntRange(1), default=30, help="Most entries listed.")
@click.option(
    "--before",
    type=click.IntRange(1),
    metavar="NUMBER",
    help="Number of an entry; only earlier entries are listed.",
)
@json_option()
@_root_option
def log(limit: int, before: int | None, config: Config) -> None:
    """List the entries of the audit log.

    The list is newest first; `radiance audit show` prints a whole entry.

    Examples:
      radiance audit log
      radiance audit log --root ~/radiance --before 40 --json
    """
    from radiance.registry import audit as audit_log
    from radiance.storage.sqlite import DatabaseSnapshot

    with DatabaseSnapshot(config.database_path) as db:
        entries = [entry.to_plain() for entry in audit_log.recent(db, limit, before)]
    if printed_as_json({"entries": entries}):
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
@json_option()
@_root_option
def show(what: str, config: Config) -> None:
    """Show one entry, or every entry about a checkpoint.

    NUMBER is an entry's number, CHECKPOINT a checkpoint's id. An entry holds examples and their
    hashes, settings, measurements, each rule of the gate, the actor and the reason.

    Examples:
      radiance audit show 12
      radiance audit show A_2026-02-09_0012
    """
    from radiance.registry import audit as audit_log
    from radiance.registry.checkpoints import Checkpoints
    from radiance.storage.sqlite import DatabaseSnapshot

    with DatabaseSnapshot(config.database_path) as db:
        if what.isdecimal() and len(what) < 19:
            entries = [audit_log.get(db, int(what))]
        else:
            Checkpoints(db, config.adapters_path).get(what)
            entries = audit_log.about(db, what)
    plain = [entry.to_plain() for entry in entries]
    if printed_as_json({"entries": plain}):
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
    help="Hash of an entry, kept from an earlier run, that the log must still contain.",
)
@json_option()
@_root_option
@click.pass_context
def verify(context: click.Context, file: BinaryIO | None, head: str | None, config: Config) -> None:
    """Verify that the audit log was not changed.

    The hash chain is recomputed, and its entries are compared with checkpoints, releases, files and
    examples. FILE is an exported log, checked by itself. The first changed entry is named, and the
    exit code is 1 if anything is wrong. An attacker who can write to the root could rewrite the
    whole log: keep the hash printed here elsewhere, and pass it to --head to detect that.

    Examples:
      radiance audit verify --root ~/radiance
      radiance audit verify notes.jsonl
    """
    from radiance.registry import verification

    if file is None:
        found = verification.verify(config.database_path, config.adapters_path, head)
    else:
        found = verification.verify_export(file, head)
    if not printed_as_json(msgspec.to_builtins(found)):
        for sentence in (*(f"on record: {alarm}" for alarm in found.alarms), *found.findings):
            note(sentence)
        note(f"{found.entries} sound entries.{' All is as recorded.' if found.is_sound else ''}")
        click.echo(found.head)
    if not found.is_sound:
        context.exit(FAILED)


@audit.command()
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True))
@force_option
@_root_option
def export(file: str, is_forced: bool, config: Config) -> None:
    """Export the audit log to FILE, one entry a line.

    The export is JSON lines, which `radiance audit verify FILE` checks on any machine without the
    service. A FILE of - writes to stdout. The hash of the last entry goes to stderr.

    Examples:
      radiance audit export notes.jsonl
      radiance audit export --root ~/radiance - > notes.jsonl
    """
    from radiance.registry import verification
    from radiance.storage.sqlite import DatabaseSnapshot

    if file != "-":
        check_new("FILE", [Path(file)], is_forced=is_forced)
    last = b"{}"
    with (
        DatabaseSnapshot(config.database_path) as db,
        click.open_file(file, "wb", atomic=file != "-") as out,
    ):
        for last in verification.export(db):
            out.write(last)
    entry = json.loads(last)
    note(f"{entry.get('number', 0)} entries; the last has the hash {entry.get('hash', '-')}")


def _why(body: Answer) -> Any:
    """The sentence of an entry that says why."""
    decision = body.get("decision") or {}
    return body.get("withheld") or decision.get("reason") or body.get("reason", body.get("finding"))
