"""``radiance checkpoints``: what was learned, and going back."""

from typing import Any

import click

from radiance.cli import output
from radiance.cli.client import Client, client_options, segment
from radiance.cli.output import note, print_json, print_pairs, print_table, show_time

_BASE = "base"


@click.group()
def checkpoints() -> None:
    """List and show checkpoints, and roll back.

    Each successful cycle leaves a checkpoint, an adapter that is never changed afterwards. One of
    them, or the bare base model, answers requests.

    Examples:
      radiance checkpoints list
      radiance checkpoints rollback --to A_2026-02-09_0012
    """


@checkpoints.command("list")
@client_options
def list_checkpoints(client: Client, as_json: bool) -> None:
    """List checkpoints.

    A star marks the one that answers requests. Losses are mean cross-entropy in nats per token;
    retention is the share of anchors still answered exactly.

    Examples:
      radiance checkpoints list
      radiance checkpoints list --json
    """
    answer = client.get("/checkpoints")
    if as_json:
        print_json(answer)
        return
    print_table(
        ("", "CHECKPOINT", "STATUS", "PARENT", "CREATED (UTC)", "LOSS", "EVAL", "RETENTION"),
        (
            (
                "*" if checkpoint["is_current"] else " ",
                checkpoint["checkpoint_id"],
                checkpoint["status"],
                checkpoint["parent_id"] or _BASE,
                show_time(checkpoint["created_at"]),
                checkpoint["report"]["finetune_loss"],
                checkpoint["report"]["eval_loss"],
                checkpoint["report"]["retention_score"],
            )
            for checkpoint in answer["checkpoints"]
        ),
    )
    if answer["current"] is None:
        note("The bare base model answers requests.")


@checkpoints.command("show")
@click.argument("checkpoint_id")
@client_options
def show_checkpoint(checkpoint_id: str, client: Client, as_json: bool) -> None:
    """Show one checkpoint.

    Where it came from, what it scored and what each rule of the gate made of that; --json has its
    whole manifest.

    Examples:
      radiance checkpoints show A_2026-02-09_0012
      radiance checkpoints show A_2026-02-09_0012 --json
    """
    answer = client.get(f"/checkpoints/{segment(checkpoint_id)}")
    if as_json:
        print_json(answer)
        return
    decision = answer.get("decision") or {}
    apart = ("report", "manifest", "decision")
    shown = {name: value for name, value in answer.items() if name not in apart}
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


@checkpoints.command("rollback")
@click.option(
    "--to",
    "target",
    metavar="ID",
    help='Checkpoint to go to, or "base". Default: the one before.',
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@client_options
def rollback(target: str | None, yes: bool, client: Client, as_json: bool) -> None:
    """Answer from an earlier checkpoint again.

    Nothing is deleted: the next updates continue from where you roll back to, and rolling forward
    is --to with the later id. Requests in flight finish on the checkpoint they began with.

    Examples:
      radiance checkpoints rollback
      radiance checkpoints rollback --to A_2026-02-09_0012
      radiance checkpoints rollback --to base --yes
    """
    if not yes:
        _confirm(client.get("/checkpoints")["current"], target)
    answer: dict[str, Any] = client.post("/rollback", {"checkpoint": target})
    if as_json:
        print_json(answer)
        return
    current = answer["current_checkpoint"]
    click.echo(current or _BASE)
    note(f"{current or 'The bare base model'} answers requests now.")


def _confirm(current: str | None, target: str | None) -> None:
    """Tell what will change, and ask where somebody is there to be asked."""
    goal = target or "the checkpoint that was served before"
    note(f"Requests are answered by {current or _BASE}; they will be by {goal}.")
    if not output.is_interactive():
        raise click.UsageError("Not on a terminal, so nobody can be asked. Add --yes.")
    click.confirm("Roll back?", abort=True, err=True)
