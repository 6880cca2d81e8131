"""``radiance checkpoints rollback | promote | pin | unpin``: choosing what is served."""

import click

from radiance.cli.client import Answer, ServiceClient, client_options
from radiance.cli.output import confirm, note, printed_as_json
from radiance.cli.parameters import reason_option

_BASE = "base"
_yes_option = click.option("--yes", is_flag=True, help="Do not ask for confirmation.")


@click.command()
@click.option(
    "--to",
    "target",
    metavar="ID",
    help='Checkpoint to roll back to, or "base". Default: the one served before.',
)
@reason_option
@_yes_option
@client_options
def rollback(target: str | None, reason: str | None, yes: bool, client: ServiceClient) -> None:
    """Roll back: serve an earlier checkpoint again.

    Nothing is deleted: the next updates continue from the checkpoint rolled back to, and --to with
    the later id rolls forward again. Requests in flight finish on the checkpoint they began with.

    Examples:
      radiance checkpoints rollback
      radiance checkpoints rollback --to A_2026-02-09_0012
      radiance checkpoints rollback --to base --yes
    """
    if not yes:
        _confirm(client, target or "the checkpoint that was served before", "Roll back?")
    _report(client.post("/rollback", {"checkpoint": target, "reason": reason}))


@click.command()
@click.argument("checkpoint_id")
@click.option(
    "--force",
    is_flag=True,
    help="Promote it even if the gate rejected it; it is marked risky then.",
)
@reason_option
@_yes_option
@client_options
def promote(
    checkpoint_id: str, force: bool, reason: str | None, yes: bool, client: ServiceClient
) -> None:
    """Serve CHECKPOINT_ID, whether or not it was served before.

    Use it for a checkpoint made while another was pinned, or with --force for one that the gate
    rejected. The next updates continue from the promoted checkpoint.

    Examples:
      radiance checkpoints promote A_2026-02-09_0012
      radiance checkpoints promote A_2026-02-09_0012 --force --reason "Checked by hand."
    """
    if not yes:
        _confirm(client, checkpoint_id, "Promote it?")
    body = {"checkpoint": checkpoint_id, "reason": reason, "force": force}
    _report(client.post("/promote", body))


@click.command()
@click.argument("checkpoint_id", required=False)
@reason_option
@_yes_option
@client_options
def pin(checkpoint_id: str | None, reason: str | None, yes: bool, client: ServiceClient) -> None:
    """Pin a checkpoint: serve it until it is unpinned.

    Without CHECKPOINT_ID, the checkpoint that serves is pinned; CHECKPOINT_ID may be "base".
    Updates still train, into checkpoints that continue from the pinned one, but none is promoted,
    and monitors do not roll back. The commands promote, rollback and pin still choose another
    checkpoint; `unpin` only ends the pin.

    Examples:
      radiance checkpoints pin
      radiance checkpoints pin A_2026-02-09_0012 --reason "The fair is on."
    """
    if checkpoint_id is not None and not yes:
        _confirm(client, checkpoint_id, "Pin it?")
    answer = client.post("/pin", {"checkpoint": checkpoint_id, "reason": reason})
    _report(answer, "answers requests until it is unpinned.")


@click.command()
@reason_option
@client_options
def unpin(reason: str | None, client: ServiceClient) -> None:
    """Unpin: let new checkpoints be promoted again.

    Promotion resumes with the next update. Checkpoints made during the pin stay unserved until
    `radiance checkpoints promote` serves one.

    Examples:
      radiance checkpoints unpin
      radiance checkpoints unpin --reason "The fair is over."
    """
    answer = client.post("/unpin", {"reason": reason})
    _report(answer, "answers requests until something better is learned.")


def _report(answer: Answer, what: str = "answers requests now.") -> None:
    if printed_as_json(answer):
        return
    current = answer["current_checkpoint"]
    click.echo(current or _BASE)
    note(f"{current or 'The bare base model'} {what}")


def _confirm(client: ServiceClient, goal: str, question: str) -> None:
    """Tell what will change, and ask where somebody is there to be asked."""
    current = client.get("/checkpoints")["current"]
    note(f"Requests are answered by {current or _BASE}; they will be by {goal}.")
    confirm(question)
