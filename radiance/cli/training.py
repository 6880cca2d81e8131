"""``radiance training status | pause | resume``: whether anything is trained now."""

import click

from radiance.cli.client import Answer, ServiceClient, client_options
from radiance.cli.output import printed_as_json

_reason_option = click.option("--reason", help="Reason, shown by `radiance training status`.")


@click.group()
def training() -> None:
    """Pause and resume training.

    Updates are still accepted during a pause, and wait. A paused training cycle resumes where it
    stopped. A pause lasts until `radiance training resume`, also across restarts.
    """


@training.command()
@client_options
def status(client: ServiceClient) -> None:
    """Show whether training is running, idle or paused, and why.

    Examples:
      radiance training status
    """
    _report(client.get("/training"))


@training.command()
@_reason_option
@client_options
def pause(reason: str | None, client: ServiceClient) -> None:
    """Pause training until `radiance training resume`.

    Examples:
      radiance training pause --reason "The machine renders tonight."
    """
    _report(client.post("/training/pause", {"reason": reason}))


@training.command()
@_reason_option
@client_options
def resume(reason: str | None, client: ServiceClient) -> None:
    """Resume training after a pause.

    Examples:
      radiance training resume
    """
    _report(client.post("/training/resume", {"reason": reason}))


def _report(state: Answer) -> None:
    if printed_as_json(state):
        return
    print(f"{state['state']} (priority {state['priority']})")
    if state["held_up_by"]:
        print(f"Held up: {state['held_up_by']}")
    if state["preparing"]:
        print(f"Preparing for later: {state['preparing']}")
    if progress := state["progress"]:
        print(f"{progress['checkpoint']}: step {progress['step']} of {progress['max_steps']}")
