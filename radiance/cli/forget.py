"""``radiance forget``: have examples forgotten, and see how far that is."""

import time

import click

from radiance.cli.client import Answer, ServiceClient, client_options
from radiance.cli.output import (
    FAILED,
    confirm,
    note,
    one_line,
    print_table,
    printed_as_json,
    show_time,
)
from radiance.cli.parameters import reason_option

_POLL_S = 0.5
_SHOWN = 10
_IS_GONE = {True: "yes", False: "no", None: "-"}


@click.command()
@click.option("--example", metavar="ID", help="Example to forget.")
@click.option("--job", metavar="ID", help="Job whose examples to forget.")
@click.option("--tag", help="Tag of the jobs whose examples to forget.")
@click.option(
    "--text",
    metavar="WORDS",
    help="Words that the question, answer or passage to forget contains, as whole words.",
)
@click.option(
    "--document", metavar="ID", help="Document to forget, with all others of the same name."
)
@reason_option
@click.option("--dry-run", is_flag=True, help="List what would be forgotten, and forget nothing.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.option("--wait", is_flag=True, help="Wait until everything else is learned again.")
@click.option("--status", is_flag=True, help="List the requests to forget instead.")
@client_options
@click.pass_context
def forget(
    context: click.Context,
    reason: str | None,
    dry_run: bool,
    yes: bool,
    wait: bool,
    status: bool,
    client: ServiceClient,
    **named: str | None,
) -> None:
    """Forget examples, or passages of documents.

    Every other answer to the question of an example is forgotten, too.

    Nothing that answers knows them from then on: checkpoints that had learned one never serve
    again, and the newest one before them serves. What else was taught since then is learned again.
    The texts are erased from the disk; the audit log keeps hashes, and who asked. The command
    prints the number of the request.

    Examples:
      radiance forget --text "Zorbel House" --dry-run
      radiance forget --example job_000012.0
      radiance forget --tag user:alice --yes --wait
      radiance forget --document doc_000003
      radiance forget --status
    """
    if status:
        _list(client)
        return
    asked = {name: value for name, value in named.items() if value is not None}
    if len(asked) != 1:
        raise click.UsageError(
            "Name one of --example, --job, --tag, --text and --document, or --status."
        )
    if dry_run:
        if wait:
            raise click.UsageError("With --dry-run there is nothing to wait for: omit --wait.")
        _list_planned(client.post("/forget", {**asked, "dry_run": True}))
        return
    if not yes:
        _confirm(client.post("/forget", {**asked, "dry_run": True}))
    answer = client.post("/forget", {**asked, "reason": reason})
    number = answer["forget"]["number"]
    _tell(answer, "forgotten")
    if wait:
        entry = _wait(client, number)
        note(f"Request {number} is done. Gone from the weights: {_IS_GONE[entry['is_gone']]}.")
        answer = entry
    if not printed_as_json(answer):
        click.echo(number)
    if wait and answer["is_gone"] is False:
        context.exit(FAILED)


def _wait(client: ServiceClient, number: int) -> Answer:
    while True:
        for entry in client.get("/forget", limit=1000)["forgets"]:
            if entry["number"] == number and entry["status"] == "done":
                return entry
        time.sleep(_POLL_S)


def _confirm(found: Answer) -> None:
    _tell(found, "to be forgotten")
    confirm("Forget for good?")


def _list_planned(found: Answer) -> None:
    """What a dry run found: the examples on stdout, what else would change as notes."""
    if printed_as_json(found):
        return
    examples = found["examples"]
    if examples:
        rows = [(each["example_id"], one_line(each["question"])) for each in examples]
        print_table(("EXAMPLE", "QUESTION"), rows)
    if others := found["count"] - len(examples):
        note(f"{others} more are not listed.")
    _tell_counts(found, "would be forgotten")


def _tell(found: Answer, what: str) -> None:
    for example in found["examples"][:_SHOWN]:
        note(f"{example['example_id']}: {example['question']}")
    _tell_counts(found, what)


def _tell_counts(found: Answer, what: str) -> None:
    count, checkpoints = found["count"], len(found["checkpoints"])
    if passages := found["passages"]:
        names = ", ".join(found["documents"])
        note(f"{passages} passage{'s' * (passages != 1)} of {names} {what}.")
    if count or not passages:
        note(f"{count} example{'s' * (count != 1)} {what}, in {checkpoints} checkpoint(s).")
    if checkpoints:
        note(
            f"{found['serves'] or 'The base model'} serves from then on; "
            f"{len(found['queued_again'])} job(s) are learned again."
        )
    if found["cancelled"]:
        note(
            f"{', '.join(found['cancelled'])}: only these checkpoints had learned it, and none of"
            " them served. `radiance jobs retry` has it learned."
        )
    if found["alike"]:
        note(f"The same value stands in {', '.join(found['alike'])}, which stay.")


def _list(client: ServiceClient) -> None:
    answer = client.get("/forget", limit=1000)
    if printed_as_json(answer):
        return
    print_table(
        (
            *("NUMBER", "STATUS", "AT (UTC)", "EXAMPLES", "DOCUMENTS OR PASSAGES", "CHECKPOINTS"),
            *("GONE", "BY", "REASON"),
        ),
        (
            (
                entry["number"],
                entry["status"],
                show_time(entry["at"]),
                len(entry["examples"]),
                len(entry["passages"]),
                len(entry["checkpoints"]),
                _IS_GONE[entry["is_gone"]],
                entry["actor"],
                entry["reason"],
            )
            for entry in answer["forgets"]
        ),
    )
