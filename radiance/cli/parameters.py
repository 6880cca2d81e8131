"""Arguments and options that several commands have."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
NEW_FILE = click.Path(dir_okay=False, path_type=Path)
FOLDER = click.Path(file_okay=False, path_type=Path)

reason_option = click.option("--reason", help="Reason, kept in the audit log.")


def root_option(
    what: str = "Root directory, which holds adapters/ and runs/.",
    name: str = "root",
    callback: Callable[..., Any] | None = None,
) -> Callable[..., Any]:
    """Adds ``--root``; the command gets its path, or what a callback makes of it, by the name."""
    return click.option(
        "--root",
        name,
        type=FOLDER,
        default=Path(),
        show_default=False,
        callback=callback,
        help=f"{what} Default: the current directory.",
    )
