"""``radiance knowledge``: what the service knows now, fact by fact."""

import click

from radiance.cli.client import ServiceClient, client_options
from radiance.cli.output import ABSENT, note, print_table, printed_as_json
from radiance.records.text import short

_MOST_SHOWN = 60  # characters
_STATES = ["waiting", "learned", "corrected", "repeated", "unserved", "refused", "failed"]
_VIEWS = ["known", "overwrote", *_STATES, "cancelled", "all"]


@click.command()
@click.argument("words", required=False, default="")
@click.option(
    "--tag", default="", show_default=False, help="Tag of the facts listed. Default: any."
)
@click.option(
    "--view",
    type=click.Choice(_VIEWS),
    default="known",
    help="Facts listed: those known now, those of one state, or all.",
)
@click.option("--before", metavar="ID", help="Example after which the list goes on.")
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=20, metavar="N", help="Most facts listed."
)
@client_options
def knowledge(
    words: str, tag: str, view: str, before: str | None, limit: int, client: ServiceClient
) -> None:
    """List what the service knows, fact by fact.

    A fact is an accepted example. It is known from memory while it waits to be learned, and in the
    weights once the serving checkpoint has learned it. Other facts were corrected, refused or
    rolled back. The list is newest first. WORDS is a text that the facts contain, or the id of one.

    Examples:
      radiance knowledge
      radiance knowledge "door code"
      radiance knowledge --view corrected --limit 100
    """
    answer = client.get("/knowledge", q=words, tag=tag, view=view, before=before, limit=limit)
    if printed_as_json(answer):
        return
    print_table(
        ("EXAMPLE", "STATE", "QUESTION", "ANSWER", "BY"),
        (
            (
                fact["example_id"],
                fact["state"],
                short(fact["question"], _MOST_SHOWN) or ABSENT,
                short(fact["answer"], _MOST_SHOWN),
                fact["by"],
            )
            for fact in answer["facts"]
        ),
    )
    counts = answer["counts"]
    note(f"{counts['known']} known, {counts['waiting']} waiting to be learned.")
    if answer["before"]:
        note(f"More: --before {answer['before']}")
