"""``radiance jobs``: the updates that were accepted and what became of them."""

from typing import Any

import click

from radiance.cli.client import Client, client_options, segment
from radiance.cli.output import note, print_json, print_pairs, print_table, show_time
from radiance.records import JobStatus


@click.group()
def jobs() -> None:
    """List, show, cancel and retry updates.

    Each accepted update is a job: queued, running, then succeeded, failed, cancelled or
    quarantined.

    Examples:
      radiance jobs list --status failed
      radiance jobs show job_000128
    """


@jobs.command("list")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, metavar="N")
@click.option("--status", type=click.Choice([status.value for status in JobStatus]))
@client_options
def list_jobs(limit: int, status: str | None, client: Client, as_json: bool) -> None:
    """List the newest jobs.

    Newest first: status, number of examples, when it came, and the checkpoint or the error it
    ended with.

    Examples:
      radiance jobs list
      radiance jobs list --status queued --limit 100
    """
    answer = client.get("/jobs", limit=limit, status=status)
    if as_json:
        print_json(answer)
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
def show_job(job_id: str, client: Client, as_json: bool) -> None:
    """Show one job.

    All that the service tells of it, with its progress while it runs.

    Examples:
      radiance jobs show job_000128
      radiance jobs show job_000128 --json
    """
    _print_job(client.get(f"/jobs/{segment(job_id)}"), as_json)


@jobs.command("cancel")
@click.argument("job_id")
@client_options
def cancel_job(job_id: str, client: Client, as_json: bool) -> None:
    """Take a queued job out of the queue.

    A job that runs or has ended cannot be cancelled; what was learned is undone by
    `radiance checkpoints rollback`.

    Examples:
      radiance jobs cancel job_000128
    """
    _print_job(client.post(f"/jobs/{segment(job_id)}/cancel"), as_json)
    note(f"{job_id} is cancelled.")


@jobs.command("retry")
@click.argument("job_id")
@client_options
def retry_job(job_id: str, client: Client, as_json: bool) -> None:
    """Queue a failed or quarantined job again.

    It trains as if nothing had happened to it.

    Examples:
      radiance jobs retry job_000128
    """
    _print_job(client.post(f"/jobs/{segment(job_id)}/retry"), as_json)
    note(f"{job_id} is queued again.")


def _print_job(job: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(job)
        return
    shown = dict(job)
    if progress := shown.pop("progress", None):
        shown["progress"] = f"step {progress['step']} of at most {progress['max_steps']}"
        shown["finetune_loss"] = progress.get("finetune_loss")
    if corrected := shown.pop("supersedes", None):
        shown["supersedes"] = [f"{pair['example_id']} by {pair['by']}" for pair in corrected]
    print_pairs(
        (name, show_time(value) if name.endswith("_at") else value) for name, value in shown.items()
    )
