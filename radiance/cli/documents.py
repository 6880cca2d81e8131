"""``radiance documents``: what memory answers from beside examples, and what it says."""

from typing import Any

import click

from radiance.cli.client import ServiceClient, client_options, segment
from radiance.cli.output import ABSENT, note, print_json, print_table, show_time


@click.command()
@click.argument("document", required=False, metavar="[ID]")
@click.option(
    "--limit",
    type=click.IntRange(1, 1000),
    default=100,
    show_default=True,
    metavar="N",
    help="Most documents or passages listed.",
)
@click.option("--before", metavar="ID", help="Document after which the list goes on.")
@click.option(
    "--begin",
    type=click.IntRange(0),
    default=0,
    metavar="N",
    help="Passage with which the list of a document begins. Default: the first, 0.",
)
@client_options
def documents(
    document: str | None,
    limit: int,
    before: str | None,
    begin: int,
    client: ServiceClient,
    as_json: bool,
) -> None:
    """List the documents that memory answers from, or the passages of one.

    The newest document of a name answers. `radiance update FILE` sends one, and
    `radiance forget --document ID` forgets it.

    Examples:
      radiance documents
      radiance documents doc_000001
    """
    if document is None:
        answer = client.get("/documents", limit=limit, before=before)
        _list(answer, as_json)
    else:
        answer = client.get(f"/documents/{segment(document)}", limit=limit, begin=begin)
        _show(answer, as_json)


def _list(answer: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(answer)
        return
    print_table(
        ("DOCUMENT", "NAME", "FORMAT", "PASSAGES", "SENT (UTC)", "REPLACED BY"),
        (
            (
                each["id"],
                each["name"],
                each["format"],
                each["passages"],
                show_time(each["added_at"]),
                each["replaced_by"] or ABSENT,
            )
            for each in answer["documents"]
        ),
    )
    if answer["before"]:
        note(f"More: --before {answer['before']}")


def _show(answer: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(answer)
        return
    for passage in answer["passages"]:
        click.echo(f"[{passage['id']}] {passage['at']}".rstrip())
        click.echo(f"{passage['text']}\n")
    document = answer["document"]
    note(f"{document['name']}, {document['passages']} passages.")
    if answer["begin"] is not None:
        note(f"More: --begin {answer['begin']}")
