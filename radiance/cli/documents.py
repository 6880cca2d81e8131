"""``radiance documents``: what memory answers from beside examples, and what it says."""

from collections import Counter

import click

from radiance.cli.client import Answer, ServiceClient, client_options, segment
from radiance.cli.output import ABSENT, note, print_table, printed_as_json, show_time


@click.command()
@click.argument("document", required=False, metavar="[ID]")
@click.option(
    "--limit",
    type=click.IntRange(1, 1000),
    default=100,
    metavar="N",
    help="Most documents or passages listed.",
)
@click.option("--before", metavar="ID", help="Document after which the list goes on.")
@click.option(
    "--begin",
    type=click.IntRange(0),
    default=0,
    metavar="N",
    help="Passage with which the list of a document begins.",
)
@click.option(
    "--questions",
    is_flag=True,
    help="List the questions that the base model wrote about it, by number.",
)
@click.option("--teach", metavar="N,N|all", help="Teach these of its questions, or all that wait.")
@click.option(
    "--refuse", metavar="N,N|all", help="Refuse these of its questions, or all that wait."
)
@client_options
def documents(
    document: str | None,
    limit: int,
    before: str | None,
    begin: int,
    questions: bool,
    teach: str | None,
    refuse: str | None,
    client: ServiceClient,
) -> None:
    """List the documents that memory answers from.

    With ID, list the passages of that one. Several documents can have the same name; the newest
    answers. `radiance update FILE` sends one, and `radiance forget --document ID` forgets it.

    The base model writes questions about a document, if it is able to. They wait until they are
    taught or refused, unless update.review says otherwise.

    Examples:
      radiance documents
      radiance documents doc_000001
      radiance documents doc_000001 --questions
      radiance documents doc_000001 --teach 1,2 --refuse 3
    """
    if document is None and (questions or teach or refuse):
        raise click.UsageError("Questions belong to a document: give its ID.")
    if document is not None and (questions or teach or refuse):
        path = f"/documents/{segment(document)}/questions"
        for action, chosen in (("teach", teach), ("refuse", refuse)):
            if chosen:
                body = {"action": action, "questions": _numbers(chosen)}
                answer = client.post(path, body)
                if not printed_as_json(answer):
                    learned_by = f", as {answer['job_id']}" if answer["job_id"] else ""
                    note(f"{action}: {answer['count']}{learned_by}")
        if questions:
            _show_questions(client.get(path))
    elif document is None:
        answer = client.get("/documents", limit=limit, before=before)
        _list(answer)
    else:
        answer = client.get(f"/documents/{segment(document)}", limit=limit, begin=begin)
        _show(answer)


def _numbers(chosen: str) -> list[int] | None:
    """Numbers with commas between them; None for all."""
    if chosen == "all":
        return None
    try:
        return [int(number) for number in chosen.split(",")]
    except ValueError:
        raise click.UsageError(f'{chosen!r} is neither "all" nor numbers such as 1,2.') from None


def _show_questions(answer: Answer) -> None:
    if printed_as_json(answer):
        return
    for each in answer["questions"]:
        if each["status"] == "waiting":
            click.echo(f"{each['number']}  {each['question']}\n   {each['answer']}")
            click.echo(f"   [{each['passage_id']}]")
    counts = Counter(each["status"] for each in answer["questions"])
    told = {
        "off": "None are made here (update.review).",
        "cannot": "This base model cannot make questions that are right.",
    }
    note(told.get(answer["made_by"], ""))
    note(
        f"{answer['passages_asked']} of {answer['document']['passages']} passages asked;"
        f" {counts['waiting']} wait, {counts['taught']} taught, {counts['refused']} refused."
    )


def _list(answer: Answer) -> None:
    if printed_as_json(answer):
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


def _show(answer: Answer) -> None:
    if printed_as_json(answer):
        return
    for passage in answer["passages"]:
        click.echo(f"[{passage['id']}] {passage['at']}".rstrip())
        click.echo(f"{passage['text']}\n")
    document = answer["document"]
    note(f"{document['name']}, {document['passages']} passages.")
    if answer["begin"] is not None:
        note(f"More: --begin {answer['begin']}")
