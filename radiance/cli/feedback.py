"""``radiance feedback``: say what you think of an answer, and read what was said."""

from collections.abc import Callable
from typing import Any

import click

from radiance.cli.client import Client, client_options
from radiance.cli.output import note, print_json, print_table, show_time

_BASE = "base"


@click.group()
def feedback() -> None:
    """Vote on answers, and list the votes.

    A vote counts for the checkpoint that answered. Where [monitor] allows it, too many down votes
    take a checkpoint back by themselves.

    Examples:
      radiance feedback up
      radiance feedback down --comment "That is the old code."
    """


def _vote_options(command: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.option("--tag", "tags", multiple=True, help="Tag the vote. Can be repeated."),
        click.option("--comment", metavar="TEXT", help="Why."),
        click.option("--response", metavar="TEXT", help="What was answered."),
        click.option("--prompt", metavar="TEXT", help="What was asked."),
        click.option(
            "--checkpoint",
            metavar="ID",
            help='Which one answered, or "base". Default: the one that answers now.',
        ),
    ):
        command = option(command)
    return client_options(command)


@feedback.command("up")
@_vote_options
def vote_up(**options: Any) -> None:
    """Say that an answer was good.

    Prints the number of the vote.

    Examples:
      radiance feedback up
      radiance feedback up --checkpoint A_2026-02-09_0012 --tag user:alice
    """
    _vote("up", **options)


@feedback.command("down")
@_vote_options
def vote_down(**options: Any) -> None:
    """Say that an answer was bad.

    Prints the number of the vote. To put a wrong answer right, teach the right one to the same
    question with `radiance update`.

    Examples:
      radiance feedback down --prompt "Who leads Lumen?" --comment "She left in May."
    """
    _vote("down", **options)


@feedback.command("list")
@click.option("--limit", type=int, default=100, show_default=True, help="At most so many.")
@client_options
def list_feedback(limit: int, client: Client, as_json: bool) -> None:
    """List votes, the newest first.

    --json has what was asked and answered too.

    Examples:
      radiance feedback list
      radiance feedback list --limit 1000 --json
    """
    answer = client.get("/feedback", limit=limit)
    if as_json:
        print_json(answer)
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


def _vote(vote: str, client: Client, as_json: bool, tags: tuple[str, ...], **fields: Any) -> None:
    given = {name: value for name, value in fields.items() if value is not None}
    answer = client.post("/feedback", {"vote": vote, "tags": list(tags), **given})
    if as_json:
        print_json(answer)
        return
    click.echo(answer["number"])
    votes = answer["votes"]
    note(f"{answer['checkpoint'] or 'The base model'} has {votes['up']} up, {votes['down']} down.")
