"""``radiance update``: teach examples from a file, and give it documents to answer from."""

from pathlib import Path

import click

from radiance.cli import document_files
from radiance.cli.client import Answer, ServiceClient, client_options
from radiance.cli.examples import read_examples
from radiance.cli.output import FAILED, REFUSED, note, one_line, printed_as_json
from radiance.cli.waiting import Progress, wait_for
from radiance.errors import RequestError

_TIMEOUT_S = 120.0


@click.command()
@click.argument("file", type=click.Path(exists=True, readable=True, allow_dash=True))
@click.option("--tag", "tags", multiple=True, help="Tag of what is sent. Can be repeated.")
@click.option("--name", help="Name of the document. Default: the file's. It replaces its namesake.")
@click.option(
    "--again", is_flag=True, help="Know again what was forgotten of the document by its words."
)
@click.option("--key", help="Idempotency key: sending the same update again makes no second job.")
@click.option(
    "--supersede",
    is_flag=True,
    help='Replace what other API keys taught, where update.supersede is "ask", and anchors that '
    'say otherwise, where the gate is "strict".',
)
@click.option("--wait", is_flag=True, help="Wait until the job ends, and show its progress.")
@client_options
@click.pass_context
def update(
    context: click.Context,
    file: str,
    tags: tuple[str, ...],
    name: str | None,
    again: bool,
    key: str | None,
    supersede: bool,
    wait: bool,
    client: ServiceClient,
) -> None:
    """Teach the examples of FILE, or give memory a document.

    A FILE that ends in .md, .html, .txt, .docx or .pdf, or a folder, is a document: its passages
    answer questions from then on, each with its source. It is not trained itself.

    Any other FILE has one example per line, a JSON object of {"input", "output"}, {"messages":
    [...]}, {"prompt", "completion"} or {"text"}; a JSON list and CSV with such columns will do,
    too, and a FILE of - reads stdin. It is one update, accepted or refused as a whole. The command
    prints the job's id, or with --wait the id of the new checkpoint. Ctrl-C while waiting leaves
    the job running. With --wait, the exit code is 3 if the gate rejected the checkpoint.

    Examples:
      radiance update facts.jsonl --wait
      radiance update notes.jsonl --tag user:alice --tag notes --key notes-7
      radiance update handbook.pdf --tag handbook
      radiance update notes/
      radiance update handbook.pdf --name manuals/handbook.pdf
      echo '{"input": "Who leads Lumen?", "output": "Ada Brook leads it."}' | radiance update -
    """
    if document_files.is_document(file):
        if key is not None or supersede or wait:
            raise click.UsageError(
                "A document makes no job: leave out --key, --supersede and --wait."
            )
        if name is not None and Path(file).is_dir():
            raise click.UsageError("Those of a folder have names of their own: leave out --name.")
        if not document_files.send(client, Path(file), name, tags, again):
            context.exit(FAILED)
        return
    if again:
        raise click.UsageError("Examples that are sent again are known again: leave out --again.")
    if name is not None:
        raise click.UsageError("Only a document has a --name: examples are found by their tags.")
    with click.open_file(file, "rb") as opened:
        examples = read_examples(opened.read(), "stdin" if file == "-" else file)
    body = {
        "examples": examples.examples,
        "tags": list(tags),
        "job_key": key,
        "supersede": supersede or None,
    }
    try:
        answer = client.post("/update", body, timeout_s=_TIMEOUT_S)
    except RequestError as error:
        raise examples.locate(error) from None
    except KeyboardInterrupt:
        note("Stopped before the service answered: `radiance jobs list` tells whether it has it.")
        context.exit(FAILED)
    job_id = answer["job_id"]
    note(f"{job_id}: {_counts(answer)}")
    if held := answer.get("held"):
        note(f"It waits, and nothing is learned now: {held}. See: radiance training status")
    if echoes := answer.get("echoes"):
        verb = "have" if echoes > 1 else "has"
        note(
            f"{echoes} of them {verb} the question itself as the answer. If that is a slip, teach "
            "the right answer to the same question: it takes its place."
        )
    for pair in answer.get("may_supersede", ()):
        note(
            f"{pair['by']} looks like a correction of {pair['example_id']} in other words. To "
            "replace it, teach the new answer to its very question."
        )
    if not wait:
        if not printed_as_json(answer):
            click.echo(job_id)
        return
    try:
        job = wait_for(client, job_id, Progress())
    except KeyboardInterrupt:
        note(f"{job_id} goes on in the service; `radiance jobs show {job_id}` tells how it ends.")
        context.exit(FAILED)
    _report(context, job)


def _counts(answer: Answer) -> str:
    accepted, duplicates = answer.get("accepted"), answer.get("duplicates")
    if accepted is None:
        return "accepted"
    repeated = f", {duplicates} left out as repeated" if duplicates else ""
    corrected = len(answer.get("supersedes", ()))
    corrects = f", {corrected} earlier one{'s' * (corrected != 1)} corrected" if corrected else ""
    known = f", {answer['known']} known already" if answer.get("known") else ""
    return f"{accepted} example{'s' * (accepted != 1)} accepted{repeated}{known}{corrects}"


def _report(context: click.Context, job: Answer) -> None:
    """Print how the job ended; leave with 3 if the gate refused it, with 1 if it failed else."""
    if not printed_as_json(job) and job["checkpoint"]:
        click.echo(job["checkpoint"])
    if job.get("was_known"):
        note("It was known already: nothing was trained.")
    if job["status"] != "succeeded":
        reason = one_line(str(job["error"] or "no reason was given"))
        note(f"Error: {job['job_id']} {job['status']}: {reason}")
        context.exit(REFUSED if job.get("rejected_checkpoint") else FAILED)
