"""``radiance info``: what the service is and does now."""

from collections.abc import Iterator
from typing import Any

import click

from radiance.cli.client import Answer, ServiceClient, client_options
from radiance.cli.output import print_pairs, printed_as_json, show_time


@click.command()
@client_options
def info(client: ServiceClient) -> None:
    """Show the base model, checkpoint, hardware and training.

    Losses come from the newest evaluation; --json includes the whole loss curves.

    Examples:
      radiance info
      radiance info --json
    """
    answer = client.get("/info")
    if not printed_as_json(answer):
        print_pairs(_pairs(answer, ""))


def _pairs(values: Answer, prefix: str) -> Iterator[tuple[str, Any]]:
    """Nested objects as dotted names; of a curve only its last point."""
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from _pairs(value, f"{prefix}{name}.")
        elif name == "last_update":
            yield prefix + name, show_time(value)
        elif name in ("rows", "anchors"):  # `radiance checkpoints show` and `anchors accept` list
            continue
        elif isinstance(value, list) and value:
            yield prefix + name, value[-1]
        else:
            yield prefix + name, value
