"""``radiance train``: the queue, without the service."""

import click

from radiance.cli.output import FAILED, REFUSED, note, one_line
from radiance.cli.run import distributed_option, no_garbage
from radiance.cli.settings import Settings, settings_options


@click.command()
@distributed_option
@settings_options
@click.pass_context
def train(context: click.Context, settings: Settings, is_distributed: bool) -> None:
    """Train the queued updates, and exit.

    Training runs as in the service, but nothing is served and no batch has to fill first. Use it on
    a machine that trains at night, or on several machines under mlx.launch: each rank needs the
    same base model and settings, and only rank 0 needs the root. Ctrl-C stops training; the next
    run resumes it.

    Examples:
      radiance train
      radiance train --root ~/radiance
      mlx.launch -n 2 -- radiance train --distributed
      mlx.launch --hosts mac1,mac2 -- radiance train --distributed
    """
    config = settings.load()
    # Brings in MLX and the web server, which help and bad flags need not wait for.
    with no_garbage():
        from radiance.service import server

    jobs = server.train(config, is_distributed=is_distributed)
    for job in jobs:
        click.echo(f"{job.job_id}  {job.status}  {one_line(job.checkpoint or job.error or '')}")
    if any(job.finished_at is None for job in jobs):
        note("Stopped; the next run goes on.")
        context.exit(FAILED)
    if any(job.rejected_checkpoint for job in jobs):
        context.exit(REFUSED)
    if any(job.checkpoint is None for job in jobs):
        context.exit(FAILED)
