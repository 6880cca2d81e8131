"""Options that the commands of both labs share."""

from collections.abc import Callable
from typing import Any

import click


def splits_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--splits``; the command gets ``splits``."""
    return click.option(
        "--splits",
        type=click.Choice(["refuse", "repair", "keep"]),
        default="refuse",
        help="Treatment of splits that prices were not adjusted for.",
    )(command)
