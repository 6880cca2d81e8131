"""``radiance anchors``: what must survive, and adding to it."""

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from radiance.cli.client import Answer, ServiceClient, client_options
from radiance.cli.coverage import coverage
from radiance.cli.output import (
    json_option,
    note,
    print_json,
    print_pairs,
    print_table,
    printed_as_json,
    wants_json,
)
from radiance.cli.parameters import reason_option
from radiance.cli.settings import Settings, settings_options
from radiance.errors import CorruptCheckpoint, NotFound, RequestError, Unavailable

if TYPE_CHECKING:
    from radiance.anchors.own import Addition
    from radiance.anchors.sets import Anchor, AnchorSet
    from radiance.config import Config
    from radiance.records import Example, Probe

_SHOWN_LOSSES = ("loss", "parent_loss", "base_loss", "kl_base", "kl_parent", "is_exact")
_LEFT_TO_THE_BASE = "(what the base model answers)"


@click.group()
def anchors() -> None:
    """List, show, add and accept anchors, and show what they cover.

    An anchor is a question with its answer, or a text, on which training must not change the model.
    Anchors come from the source that evaluation.anchor_provider names, and from ROOT/anchors, which
    holds those you add.

    Examples:
      radiance anchors list
      radiance anchors add --input "Who wrote Emma?" --output "Jane Austen wrote Emma."
    """


anchors.add_command(coverage)


@anchors.command("list")
@click.option("--context", metavar="NAME", help="Context whose anchors are listed, one a line.")
@json_option()
@settings_options
def list_anchors(settings: Settings, context: str | None) -> None:
    """List the contexts of the anchors.

    The table has the number of anchors in each context, and the number measured per checkpoint
    (evaluation.anchor_sample). The hash identifies the content of the whole set.

    Examples:
      radiance anchors list
      radiance anchors list --context capitals
      radiance anchors list --base-model user/model --set evaluation.anchor_provider=hf --json
    """
    from radiance.anchors import own

    config = settings.load()
    held = _load(config)
    if context is not None:
        _list_context(held, context)
        return
    additions = own.read(config.anchors_path)
    measured = held.sample(config.evaluation.anchor_sample).counts
    rows = [(name, count, measured.get(name, 0)) for name, count in held.counts.items()]
    identity = {
        "anchors": len(held),
        "measured": sum(measured.values()),
        "hash": held.hash,
        "source": held.source,
        "licence": held.licence,
        "own": held.own,
    }
    if wants_json():
        counted = [dict(zip(("context", "anchors", "measured"), row, strict=True)) for row in rows]
        files = [_describe(addition) for addition in additions]
        print_json({**identity, "missing": held.missing, "contexts": counted, "files": files})
        return
    print_pairs(identity.items())
    if rows:
        click.echo()
        print_table(("CONTEXT", "ANCHORS", "MEASURED"), rows)
    if additions:
        click.echo()
        shown = [list(_describe(addition).values()) for addition in additions]
        print_table(("FILE", "ANCHORS", "SOURCE", "LICENCE", "ADDED (UTC)", "CHANGED"), shown)
    if held.missing:
        note(f"The named anchors are missing, and {held.source} is used instead: {held.missing}")
    elif not held:
        note("There are no anchors: forgetting is not measured.")


def _list_context(held: "AnchorSet", context: str) -> None:
    chosen = [anchor for anchor in held.anchors if anchor.context == context]
    if not chosen:
        raise NotFound.named("context", context, "context", "`radiance anchors list` lists them.")
    if printed_as_json({"context": context, "anchors": [_content(anchor) for anchor in chosen]}):
        return
    print_table(
        ("ANCHOR", "ASKS", "ANSWER"),
        ((a.example.id, *_question_and_answer(a.example)) for a in chosen),
    )


@anchors.command("show")
@click.argument("anchor_id", metavar="ID")
@json_option()
@settings_options
def show_anchor(settings: Settings, anchor_id: str) -> None:
    """Show the anchor ID.

    The output has the anchor's text and context, and its losses at the newest checkpoint, if it was
    measured: losses are in nats per token; kl_base and kl_parent are the divergence from the base
    and from the parent checkpoint. A long text is measured in windows, one per line.

    Examples:
      radiance anchors show capitals/iraq
      radiance anchors show capitals/iraq --json
    """
    config = settings.load()
    held = _load(config)
    found = next((a for a in held.anchors if a.example.id == anchor_id), None)
    if found is None:
        raise NotFound.named(
            "anchor",
            anchor_id,
            "id",
            "`radiance anchors list --context NAME` lists those of a context.",
        )
    checkpoint_id, probes = _newest_probes(config, anchor_id)
    plain = [
        {"window": probe.id} | {name: getattr(probe, name) for name in _SHOWN_LOSSES}
        for probe in probes
    ]
    if printed_as_json({**_content(found), "checkpoint": checkpoint_id, "losses": plain}):
        return
    turns = [(m.role, m.content or _LEFT_TO_THE_BASE) for m in found.example.messages]
    text = turns or [("text", found.example.text)]
    print_pairs([("id", anchor_id), ("context", found.context), *text])
    if plain:
        click.echo()
        print_table(
            (checkpoint_id or "", *(name.upper() for name in _SHOWN_LOSSES)),
            (list(row.values()) for row in plain),
        )
    else:
        note("No checkpoint was measured on it.")


@anchors.command("add")
@click.argument(
    "added", metavar="[FILE]", type=click.Path(exists=True, path_type=Path), required=False
)
@click.option(
    "--input", "question", metavar="TEXT", help="Question of one anchor, instead of FILE."
)
@click.option(
    "--output", "answer", metavar="TEXT", help="Answer to the question of --input, which must stay."
)
@click.option("--context", metavar="NAME", help="Context for anchors that name none.")
@click.option("--source", help="Source of the anchors. Default: the file's name.")
@click.option(
    "--licence", default="", show_default=False, help="Licence of the anchors, for the manifest."
)
@json_option()
@settings_options
def add_anchors(
    settings: Settings,
    added: Path | None,
    question: str | None,
    answer: str | None,
    context: str | None,
    source: str | None,
    licence: str,
) -> None:
    """Add anchors of your own.

    FILE is JSON lines, a JSON list, CSV or Parquet with {"input", "output"}, {"messages"} or
    {"text"}, each with an optional "context" and "id", or a folder of .txt and .md files. Anchors
    already in the set are skipped; a different answer to a question in the set is an error, and
    then nothing is added. New anchors are kept in ROOT/anchors; a running service uses them after a
    restart.

    Examples:
      radiance anchors add facts.jsonl --context mine --licence CC0-1.0
      radiance anchors add --input "Who wrote Emma?" --output "Jane Austen wrote Emma."
    """
    from radiance import platform, records
    from radiance.anchors import own
    from radiance.storage import files

    if (added is None) == (question is None) or (question is None) != (answer is None):
        raise click.UsageError("Give FILE, or --input and --output.")
    new = _read_new(added, question, answer, context)
    config = settings.load()
    files.make_directory(config.runs_path)
    descriptor = platform.lock(config.runs_path / "anchors.lock")
    if descriptor is None:
        raise Unavailable(f"Another process adds anchors to {config.root}. Try again.")
    try:
        entry = own.add(
            config.anchors_path,
            new,
            _load(config),
            source or (added.name if added else "command line"),
            licence,
            records.now(),
        )
    finally:
        os.close(descriptor)
    count = entry.count if entry else 0
    facts = {"file": entry.file if entry else None, "added": count, "given": len(new)}
    if not printed_as_json(facts) and entry:
        click.echo(config.anchors_path / entry.file)
    left_out = f", {len(new) - count} held already" if count < len(new) else ""
    note(f"{count} anchor{'s' * (count != 1)} added{left_out}.")


@anchors.command("accept")
@click.argument("anchor_ids", metavar="[ID]...", nargs=-1)
@click.option(
    "--all", "accept_all", is_flag=True, help="Accept every overwritten anchor that waits for it."
)
@reason_option
@client_options
def accept_anchors(
    anchor_ids: tuple[str, ...], accept_all: bool, reason: str | None, client: ServiceClient
) -> None:
    """Accept that anchors are overwritten.

    An anchor is overwritten if the base model answers it, the serving checkpoint does not, and an
    example says otherwise. Until a person accepts that, it is among the gate's reasons and the
    checkpoint is risky. To undo it instead, roll back, or teach the old answer again. Without ID
    and --all, what is overwritten is listed, and nothing is accepted.

    Examples:
      radiance anchors accept
      radiance anchors accept capitals/chile --reason "The capital has moved."
      radiance anchors accept --all --reason "The game's world has its own capitals."
    """
    if not anchor_ids and not accept_all:
        _list_overwritten(client.get("/info")["overwritten"])
        return
    if anchor_ids and accept_all:
        raise click.UsageError("Give IDs, or --all.")
    body: dict[str, object] = {"all": True} if accept_all else {"anchors": list(anchor_ids)}
    answer = client.post("/anchors/accept", {**body, "reason": reason})
    if printed_as_json(answer):
        return
    for name in answer["accepted"]:
        click.echo(name)
    left = answer["overwritten"]["not_accepted"]
    note(f"{len(answer['accepted'])} accepted; {left} not accepted.")


def _list_overwritten(found: Answer) -> None:
    if printed_as_json(found):
        return
    if not found["count"]:
        note("No anchor is overwritten.")
        return
    print_table(
        ("ANCHOR", "BY", "SINCE", "ACCEPTED"),
        (
            (row["anchor"], row["example_id"], row["since"], (row["accepted"] or {}).get("reason"))
            for row in found["anchors"]
        ),
    )
    note(f"{found['count']} overwritten, {found['not_accepted']} not accepted.")


def _read_new(
    file: Path | None, question: str | None, answer: str | None, context: str | None
) -> "list[Anchor]":
    from radiance.anchors import local
    from radiance.anchors.rows import BadRow, to_anchor, to_label
    from radiance.anchors.sets import GENERAL

    try:
        label = GENERAL if context is None else to_label(context, "--context")
        if file is not None:
            read = local.read(file, name_by_content=True)
        else:
            read = [to_anchor({"input": question, "output": answer}, None)]
    except (local.BadFile, BadRow) as error:
        raise RequestError(f"{str(error).rstrip('.')}.") from None
    return [replace(a, context=label) if a.context == GENERAL else a for a in read]


def _load(config: "Config") -> "AnchorSet":
    from radiance import ember
    from radiance.anchors import provider

    return provider.load(config, ember.MODEL_PATH / "anchors.jsonl")


def _newest_probes(config: "Config", anchor_id: str) -> "tuple[str | None, list[Probe]]":
    """The newest checkpoint and what was measured of the anchor then, window by window."""
    from radiance.registry.checkpoints import Checkpoints
    from radiance.storage.sqlite import DatabaseSnapshot

    if not config.database_path.exists():
        return None, []
    with DatabaseSnapshot(config.database_path) as snapshot:
        registry = Checkpoints(snapshot, config.adapters_path)
        for checkpoint in registry.all(1):
            try:
                measured = registry.evaluation(checkpoint.checkpoint_id).anchors
            except CorruptCheckpoint:
                continue
            windows = [p for p in measured if p.id.partition("#")[0] == anchor_id]
            return checkpoint.checkpoint_id, windows
    return None, []


def _describe(addition: "Addition") -> dict[str, object]:
    entry = addition.entry
    return {
        "file": addition.file,
        "anchors": len(addition.anchors),
        "source": entry.source if entry else None,
        "licence": entry.licence if entry else None,
        "added_at": entry.added_at.isoformat(timespec="seconds") if entry else None,
        "is_changed": addition.is_changed,
    }


def _content(anchor: "Anchor") -> dict[str, object]:
    import msgspec

    example = anchor.example
    body = {"messages": msgspec.to_builtins(example.messages)} if example.messages else {}
    return {"id": example.id, "context": anchor.context, **(body or {"text": example.text})}


def _question_and_answer(example: "Example") -> tuple[str, str]:
    if not example.messages:
        return example.text, ""
    return example.messages[-2].content, example.messages[-1].content or _LEFT_TO_THE_BASE
