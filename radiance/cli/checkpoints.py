"""``radiance checkpoints``: what was learned, and what of it is served."""

import click

from radiance.cli.client import ServiceClient, client_options, segment
from radiance.cli.output import (
    confirm,
    note,
    one_line,
    print_pairs,
    print_table,
    printed_as_json,
    show,
    show_time,
)
from radiance.cli.parameters import reason_option
from radiance.cli.pointer import pin, promote, rollback, unpin

_BASE = "base"


@click.group()
def checkpoints() -> None:
    """List and show checkpoints, and choose the one that is served.

    Each successful training cycle makes a checkpoint: an adapter that is never changed afterwards.
    One checkpoint, or the base model without an adapter, answers requests.

    Examples:
      radiance checkpoints list
      radiance checkpoints rollback --to A_2026-02-09_0012
    """


@checkpoints.command("list")
@client_options
def list_checkpoints(client: ServiceClient) -> None:
    """List all checkpoints.

    A star marks the checkpoint that answers requests. Losses are mean cross-entropy in nats per
    token; retention is the share of anchors still answered exactly.

    Examples:
      radiance checkpoints list
      radiance checkpoints list --json
    """
    answer = client.get("/checkpoints")
    if printed_as_json(answer):
        return
    labels = answer.get("labels", {})
    print_table(
        (
            "",
            "CHECKPOINT",
            "STATUS",
            "PARENT",
            "CREATED (UTC)",
            "LOSS",
            "EVAL",
            "RETENTION",
            "NAME",
        ),
        (
            (
                "*" if checkpoint["is_current"] else " ",
                checkpoint["checkpoint_id"],
                f"{checkpoint['status']}, pruned"
                if checkpoint.get("is_pruned")
                else checkpoint["status"],
                checkpoint["parent_id"] or _BASE,
                show_time(checkpoint["created_at"]),
                checkpoint["report"]["finetune_loss"],
                checkpoint["report"]["eval_loss"],
                checkpoint["report"]["retention_score"],
                one_line(labels.get(checkpoint["checkpoint_id"], {}).get("name", "")),
            )
            for checkpoint in answer["checkpoints"]
        ),
    )
    if answer["current"] is None:
        note("The bare base model answers requests.")
    if pinned := answer.get("pinned"):
        note(f"Pinned by {pinned['actor']}, {show_time(pinned['at'])}: {pinned['reason']}")


@checkpoints.command("show")
@click.argument("checkpoint_id")
@client_options
def show_checkpoint(checkpoint_id: str, client: ServiceClient) -> None:
    """Show the checkpoint CHECKPOINT_ID.

    The output has the checkpoint's origin, its measurements and the verdict of each rule of the
    gate; --json includes its whole manifest.

    Examples:
      radiance checkpoints show A_2026-02-09_0012
      radiance checkpoints show A_2026-02-09_0012 --json
    """
    answer = client.get(f"/checkpoints/{segment(checkpoint_id)}")
    if printed_as_json(answer):
        return
    decision = answer.get("decision") or {}
    apart = ("report", "manifest", "decision", "label")
    label = answer.get("label") or {}
    shown = {name: label[name] for name in ("name", "note") if label.get(name)}
    shown |= {name: value for name, value in answer.items() if name not in apart}
    shown |= answer["report"]
    shown |= {name: decision[name] for name in ("reason", "scaled_to") if name in decision}
    manifest = answer.get("manifest") or {}
    shown |= {name: manifest[name] for name in ("base_model", "steps", "seed") if name in manifest}
    for name, ids in (("examples", "example_ids"), ("replayed", "replayed_ids")):
        if ids in manifest:
            shown[name] = len(manifest[ids])
    print_pairs(
        (name, show_time(value) if name.endswith("_at") else value) for name, value in shown.items()
    )
    if rows := decision.get("rows"):
        click.echo()
        columns = ("rule", "value", "limit", "low", "high", "verdict")
        print_table(
            [name.upper() for name in columns], ([row[name] for name in columns] for row in rows)
        )


@checkpoints.command("label")
@click.argument("checkpoint_id")
@click.option("--name", default="", show_default=False, help="Name of the checkpoint, on one line.")
@click.option("--note", default="", show_default=False, help="Note on the checkpoint.")
@client_options
def label_checkpoint(checkpoint_id: str, name: str, note: str, client: ServiceClient) -> None:
    """Give CHECKPOINT_ID a name and a note.

    Both replace what the checkpoint had; without options it has neither. Every change is in the
    audit log. A name is for reading: requests ask for checkpoints by their ids.

    Examples:
      radiance checkpoints label A_2026-02-09_0012 --name "Door codes" --note "For the new site."
    """
    path = f"/checkpoints/{segment(checkpoint_id)}/label"
    answer = client.post(path, {"name": name, "note": note})
    if printed_as_json(answer):
        return
    label = answer["label"]
    click.echo(f"{answer['checkpoint_id']}  {one_line(label['name']) or 'has no name'}")


@checkpoints.command("lineage")
@click.argument("checkpoint_id")
@click.option("--limit", type=int, metavar="N", help="Most checkpoints listed. Default: 100.")
@client_options
def show_lineage(checkpoint_id: str, limit: int | None, client: ServiceClient) -> None:
    """Show all that CHECKPOINT_ID was taught, down to the base model.

    The list has the training cycles, updates, examples and tags that made the checkpoint and its
    ancestors, newest first. An example that a later one corrected is marked.

    Examples:
      radiance checkpoints lineage A_2026-02-09_0012
      radiance checkpoints lineage A_2026-02-09_0012 --json
    """
    answer = client.get(f"/checkpoints/{segment(checkpoint_id)}/lineage", limit=limit)
    if printed_as_json(answer):
        return
    for generation in answer["lineage"]:
        served = ", answers requests" if generation["is_current"] else ""
        entries = ", ".join(str(number) for number in generation["audit_entries"])
        click.echo(
            f"{generation['checkpoint_id']}  {generation['status']}{served}, cycle"
            f" {generation['cycle_id']}, {show_time(generation['created_at'])}, audit {entries}"
        )
        for job in generation["jobs"]:
            tags = f" ({show(job['tags'])})" if job["tags"] else ""
            click.echo(f"  {job['job_id']}{tags}")
            for example in job["examples"]:
                by = example["superseded_by"]
                corrected = f"  (corrected by {by})" if by else ""
                click.echo(f"    {example['id']}  {one_line(example['shown'])}{corrected}")
    if answer["continues_at"]:
        note(f"It goes on: radiance checkpoints lineage {answer['continues_at']}")
    else:
        click.echo(f"{_BASE}  {one_line(answer['base']['model'])}, {answer['base']['hash']}")


@checkpoints.command("prune")
@click.option(
    "--keep",
    type=click.IntRange(1),
    metavar="N",
    help="Number of newest checkpoints that keep their weights. "
    "Default: retention.keep_checkpoints.",
)
@reason_option
@click.option("--dry-run", is_flag=True, help="Print what would be pruned, and prune nothing.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@client_options
def prune_checkpoints(
    keep: int | None, reason: str | None, dry_run: bool, yes: bool, client: ServiceClient
) -> None:
    """Delete the weights of checkpoints that nothing needs.

    A checkpoint keeps its weights if it is among the newest, serves, served lately, is pinned,
    tried, named, labelled or imported, has one of retention.keep_tags, or is the parent of one in
    use. Others cannot serve again; their manifests and measurements stay. The ids of pruned
    checkpoints are printed.

    Examples:
      radiance checkpoints prune --keep 20 --dry-run
      radiance checkpoints prune --keep 20 --yes
    """
    answer = client.post("/prune", {"keep": keep, "dry_run": True})
    if answer["checkpoints"] and not dry_run:
        if not yes:
            confirm(f"Delete the weights of {len(answer['checkpoints'])} checkpoint(s)?")
        answer = client.post("/prune", {"keep": keep, "reason": reason})
    if printed_as_json(answer):
        return
    for checkpoint_id in answer["checkpoints"]:
        click.echo(checkpoint_id)
    kept = ", ".join(f"{count} {why}" for why, count in answer["kept"].items())
    note(f"{answer['size_bytes'] / 1e6:.1f} MB of weights. Kept: {kept or 'none'}.")


for _command in (rollback, promote, pin, unpin):
    checkpoints.add_command(_command)
