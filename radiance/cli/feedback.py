"""``radiance feedback``: say what you think of an answer, and read what was said."""

from collections.abc import Callable
from typing import Any

import click

from radiance.cli.client import ServiceClient, client_options
from radiance.cli.output import note, print_table, printed_as_json, show_time

_BASE = "base"


@click.group()
def feedback() -> None:
    """Vote on answers, and list the votes.

    A vote counts for the checkpoint that answered. With monitor.action = "rollback", too many down
    votes roll that checkpoint back.

    Examples:
      radiance feedback up
      radiance feedback down --comment "That is the old code."
    """


def _vote_options(command: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.option("--tag", "tags", multiple=True, help="Tag of the vote. Can be repeated."),
        click.option("--comment", metavar="TEXT", help="Reason for the vote."),
        click.option("--response", metavar="TEXT", help="Answer that was given."),
        click.option("--prompt", metavar="TEXT", help="Prompt that was asked."),
        click.option(
            "--checkpoint",
            metavar="ID",
            help='Checkpoint that answered, or "base". Default: the one that serves now.',
        ),
    ):
        command = option(command)
    return client_options(command)


@feedback.command("up")
@_vote_options
def vote_up(**options: Any) -> None:
    """Say that an answer was good.

    The command prints the number of the vote.

    Examples:
      radiance feedback up
      radiance feedback up --checkpoint A_2026-02-09_0012 --tag user:alice
    """
    _vote("up", **options)


@feedback.command("down")
@_vote_options
def vote_down(**options: Any) -> None:
    """Say that an answer was bad.

    The command prints the number of the vote. To correct a wrong answer, teach the right answer to
    the same question with `radiance update`.

    Examples:
      radiance feedback down --prompt "Who leads Lumen?" --comment "She left in May."
    """
    _vote("down", **options)


@feedback.command("list")
@click.option("--limit", type=int, default=100, help="Most votes listed.")
@client_options
def list_feedback(limit: int, client: ServiceClient) -> None:
    """List votes, newest first.

    The table leaves out prompts and answers; --json includes them.

    Examples:
      radiance feedback list
      radiance feedback list --limit 1000 --json
    """
    answer = client.get("/feedback", limit=limit)
    if printed_as_json(answer):
        return
    print_table(
        ("VOTE", "CHECKPOINT", "AT (UTC)", "TAGS", "COMMENT"),
        (
            (
                vote["vote"],
                vote["checkpoint"] or _BASE,
                show_time(vote["at"]),
                vote["tags"],
                vote["comment"],
            )
            for vote in answer["feedback"]
        ),
    )


def _vote(vote: str, client: ServiceClient, tags: tuple[str, ...], **fields: Any) -> None:
    answer = client.post("/feedback", {"vote": vote, "tags": list(tags), **fields})
    if printed_as_json(answer):
        return
    click.echo(answer["number"])
    votes = answer["votes"]
    note(f"{answer['checkpoint'] or 'The base model'} has {votes['up']} up, {votes['down']} down.")
