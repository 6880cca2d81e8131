"""``radiance config``: what the settings are."""

import click
import msgspec

from radiance.cli.output import json_option, note, printed_as_json
from radiance.cli.settings import Settings, render, settings_options
from radiance.config import render_default


@click.command()
@click.option(
    "--default", "defaults", is_flag=True, help="Print every setting at its default instead."
)
@json_option("Print JSON instead of TOML.")
@settings_options
def config(settings: Settings, defaults: bool) -> None:
    """Print the effective settings as TOML.

    The effective settings are those that `radiance run` uses with the same flags: the defaults,
    then ROOT/radiance.toml, then the flags. --default prints a commented settings file to start
    from.

    Examples:
      radiance config
      radiance config --root ~/radiance --set training.lr=1e-3
      radiance config --default > radiance.toml
    """
    if defaults:
        click.echo(render_default(), nl=False)
        return
    effective = settings.load()
    if printed_as_json(msgspec.to_builtins(effective, enc_hook=str)):
        return
    note(f"# root: {effective.root}")
    click.echo(render(effective))
