"""Arguments and options that several commands have."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click

from radiance.errors import Conflict

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
NEW_FILE = click.Path(dir_okay=False, path_type=Path)
FOLDER = click.Path(file_okay=False, path_type=Path)

force_option = click.option(
    "--force", "is_forced", is_flag=True, help="Replace a file that is there already."
)
reason_option = click.option("--reason", help="Reason, kept in the audit log.")


def check_new(parameter: str, paths: Iterable[Path], *, is_forced: bool) -> None:
    """See that a command destroys nothing by writing files, before it begins its work.

    Args:
        parameter: Where their place was named.
        paths: The files that it will write.
        is_forced: Whether files may be replaced; a pipe or a device never is.

    Raises:
        Conflict: One of them is there.
    """
    for path in paths:
        if path.exists() and not (is_forced and path.is_file()):
            remedy = "Name another one, or replace it by --force."
            if not path.is_file():
                remedy = "Name one that can be a file."
            raise Conflict(
                f"{parameter}: {path} is there already.",
                field=parameter,
                value=str(path),
                remedy=remedy,
            )


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
