"""``radiance train``: the queue, without the service."""

import click

from radiance.cli.output import FAILED, REFUSED, note, one_line
from radiance.cli.run import distributed_option
from radiance.cli.settings import Settings, settings_options


@click.command()
@distributed_option
@settings_options
@click.pass_context
def train(context: click.Context, settings: Settings, is_distributed: bool) -> None:
    """Train what waits in the queue, and exit.

    Like the service's own cycles, without serving and without waiting for a batch to fill: for a
    machine that trains at night, or several of them under mlx.launch. Each rank needs the same base
    model and settings; rank 0 alone has the root. Ctrl-C stops it, and the next run goes on.

    Examples:
      radiance train
      radiance train --root ~/radiance
      mlx.launch -n 2 -- radiance train --distributed
      mlx.launch --hosts mac1,mac2 -- radiance train --distributed
    """
    config = settings.load()
    # Brings in MLX and the web server, which help and bad flags need not wait for.
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
