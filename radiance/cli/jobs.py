"""``radiance jobs``: the updates that were accepted and what became of them."""

import click

from radiance.cli.client import Answer, ServiceClient, client_options, segment
from radiance.cli.output import note, print_pairs, print_table, printed_as_json, show_time
from radiance.records import JobStatus

_MOST_RETRIED = 1000  # of one call; the list of jobs has no more


@click.group()
def jobs() -> None:
    """List, show, cancel and retry updates.

    Each accepted update is a job. Its status is queued, then running, then succeeded, failed,
    cancelled or quarantined.

    Examples:
      radiance jobs list --status failed
      radiance jobs show job_000128
    """


@jobs.command("list")
@click.option(
    "--limit", type=click.IntRange(min=1), default=20, metavar="N", help="Most jobs listed."
)
@click.option(
    "--status",
    type=click.Choice([status.value for status in JobStatus]),
    help="Status of the jobs listed. Default: any.",
)
@client_options
def list_jobs(limit: int, status: str | None, client: ServiceClient) -> None:
    """List the newest jobs.

    The list is newest first. It shows each job's status, number of examples, time of arrival, and
    the checkpoint or error it ended with.

    Examples:
      radiance jobs list
      radiance jobs list --status queued --limit 100
    """
    answer = client.get("/jobs", limit=limit, status=status)
    if printed_as_json(answer):
        return
    print_table(
        ("JOB", "STATUS", "EXAMPLES", "CREATED (UTC)", "CHECKPOINT OR ERROR"),
        (
            (
                job["job_id"],
                job["status"],
                job["example_count"],
                show_time(job["created_at"]),
                job["checkpoint"] or job["error"],
            )
            for job in answer["jobs"]
        ),
    )


@jobs.command("show")
@click.argument("job_id")
@client_options
def show_job(job_id: str, client: ServiceClient) -> None:
    """Show the job JOB_ID.

    The output has the job's number of examples, its checkpoint or error, and its progress while
    it trains.

    Examples:
      radiance jobs show job_000128
      radiance jobs show job_000128 --json
    """
    _print_job(client.get(f"/jobs/{segment(job_id)}"))


@jobs.command("cancel")
@click.argument("job_id")
@client_options
def cancel_job(job_id: str, client: ServiceClient) -> None:
    """Cancel the job JOB_ID, which waits or trains.

    Jobs that train with it wait again. A job that has ended cannot be cancelled; `radiance
    checkpoints rollback` undoes learning.

    Examples:
      radiance jobs cancel job_000128
    """
    job = client.post(f"/jobs/{segment(job_id)}/cancel")
    _print_job(job)
    note(f"{job_id} is {job['status']}.")


@jobs.command("retry")
@click.argument("job_id", required=False)
@click.option(
    "--all", "is_all", is_flag=True, help="Queue every failed job that the gate did not reject."
)
@client_options
def retry_job(job_id: str | None, is_all: bool, client: ServiceClient) -> None:
    """Queue a job that ended without success again, or all failed.

    JOB_ID failed, is in quarantine or was cancelled.

    The job trains from the start, and its count of crashes begins at zero.

    Examples:
      radiance jobs retry job_000128
      radiance jobs retry --all
    """
    if is_all == (job_id is not None):
        raise click.UsageError("Name one JOB_ID, or give --all.")
    if is_all:
        failed = client.get("/jobs", limit=_MOST_RETRIED, status=JobStatus.FAILED)["jobs"]
        chosen = [job["job_id"] for job in reversed(failed) if not job["rejected_checkpoint"]]
        retried = [client.post(f"/jobs/{segment(chosen_id)}/retry") for chosen_id in chosen]
        printed_as_json({"jobs": retried})
        note(f"{len(retried)} job{'s' * (len(retried) != 1)} queued again.")
        return
    assert job_id is not None
    _print_job(client.post(f"/jobs/{segment(job_id)}/retry"))
    note(f"{job_id} is queued again.")


def _print_job(job: Answer) -> None:
    if printed_as_json(job):
        return
    shown = dict(job)
    if progress := shown.pop("progress", None):
        shown["progress"] = f"step {progress['step']} of at most {progress['max_steps']}"
        shown["finetune_loss"] = progress.get("finetune_loss")
    for name in ("supersedes", "superseded_by"):
        if corrected := shown.pop(name, None):
            shown[name] = [f"{pair['example_id']} by {pair['by']}" for pair in corrected]
    print_pairs(
        (name, show_time(value) if name.endswith("_at") else value) for name, value in shown.items()
    )
