"""``radiance doctor``: whether this machine, this root and these settings will do."""

from dataclasses import asdict

import click

from radiance.cli.output import FAILED, json_option, note, printed_as_json
from radiance.cli.settings import Settings, settings_options


@click.command()
@json_option()
@settings_options
@click.pass_context
def doctor(context: click.Context, settings: Settings) -> None:
    """Check the machine, the root and the settings.

    The checks cover Python, memory, disk, BLAS, MLX and its device, the root, radiance.toml, the
    base model and the database. Each prints one line: ok, warn (it works, but could be better) or
    fail, with the remedy; the exit code is 1 if any check fails. Nothing is downloaded, and a
    running service is left alone.

    Examples:
      radiance doctor
      radiance doctor --root ~/radiance --base-model mlx-community/Llama-3.2-1B-Instruct-4bit
    """
    # Not at the top: it asks MLX, which other commands need not load.
    from radiance.cli import checks

    findings = checks.examine(settings)
    failed = sum(finding.status == "fail" for finding in findings)
    if not printed_as_json({"ok": not failed, "checks": [asdict(finding) for finding in findings]}):
        width = max(len(finding.name) for finding in findings)
        for finding in findings:
            click.echo(f"{finding.status:4}  {finding.name:{width}}  {finding.detail}")
            if finding.remedy:
                click.echo(f"{'':4}  {'':{width}}  -> {finding.remedy}")
        note(f"{failed} of {len(findings)} checks failed." if failed else "No check failed.")
    if failed:
        context.exit(FAILED)
