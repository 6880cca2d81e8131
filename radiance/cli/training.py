"""``radiance training status | pause | resume``: whether anything is trained now."""

from typing import Any

import click

from radiance.cli.client import Client, client_options
from radiance.cli.output import print_json

_reason_option = click.option("--reason", help="Why; shown to whoever asks.")


@click.group()
def training() -> None:
    """Hold training up, and let it go on.

    Updates are accepted all the time and wait. A cycle that is held up goes on where it stood. A
    pause lasts until it is ended, also across restarts.
    """


@training.command()
@client_options
def status(client: Client, as_json: bool) -> None:
    """Whether training runs, is held up and by what, or has nothing to do.

    Examples:
      radiance training status
    """
    _report(client.get("/training"), as_json)


@training.command()
@_reason_option
@client_options
def pause(reason: str | None, client: Client, as_json: bool) -> None:
    """Train nothing until `resume`.

    Examples:
      radiance training pause --reason "The machine renders tonight."
    """
    _report(client.post("/training/pause", {"reason": reason} if reason else {}), as_json)


@training.command()
@_reason_option
@client_options
def resume(reason: str | None, client: Client, as_json: bool) -> None:
    """End a pause.

    Examples:
      radiance training resume
    """
    _report(client.post("/training/resume", {"reason": reason} if reason else {}), as_json)


def _report(state: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(state)
        return
    print(f"{state['state']} (priority {state['priority']})")
    if state["held_up_by"]:
        print(f"Held up: {state['held_up_by']}")
    if state["preparing"]:
        print(f"Preparing: {state['preparing']}")
    if progress := state["progress"]:
        print(f"{progress['checkpoint']}: step {progress['step']} of {progress['max_steps']}")
