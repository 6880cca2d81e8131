"""What commands print: tables and JSON on stdout, notes on stderr, errors as one line and a code.

This is the only module that turns an error into an exit code.
"""

import errno
import inspect
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, TypeVar

import click

from radiance import validation
from radiance.errors import ConfigError, RadianceError, RequestError

FAILED, BAD_INPUT, REFUSED = 1, 2, 3
ABSENT = "-"
_JSON = "radiance.json"
F = TypeVar("F", bound=Callable[..., Any])


class Commands(click.Group):
    """The top group: an error of ours ends a command with one line on stderr, not a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except RadianceError as error:
            note(f"Error: {describe(error)}")
            ctx.exit(exit_code(error))
        except OSError as error:
            if error.errno == errno.EPIPE:  # the reader of our output left: click ends quietly
                raise
            told = str(error)
            if error.filename and error.strerror:
                told = f"{error.filename}: {error.strerror}."
            note(f"Error: {one_line(told)}")
            ctx.exit(FAILED)


def keep_examples(command: click.Command) -> None:
    """Leave the ``Examples:`` block of a command's help, and of those below it, unwrapped."""
    if command.help:
        command.help = inspect.cleandoc(command.help).replace("\n\nExamples:", "\n\n\b\nExamples:")
    for child in getattr(command, "commands", {}).values():
        keep_examples(child)


def exit_code(error: RadianceError) -> int:
    """2 where the caller can mend it by asking otherwise, else 1."""
    return BAD_INPUT if isinstance(error, ConfigError | RequestError) else FAILED


def describe(error: RadianceError) -> str:
    """The error, the value it is about and its remedy in one line."""
    if not isinstance(error, RequestError):
        return one_line(str(error))
    message, value = str(error), error.value
    if value is not None and str(value) not in message:
        message = f"{message.rstrip('.')} (it is {validation.show(value)})."
    return one_line(f"{message} {error.remedy}")


def one_line(text: str) -> str:
    """``text`` on one line, without characters that would steer a terminal."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in _joined(text))


def _joined(text: str) -> str:
    return " ".join(text.split())


def is_interactive() -> bool:
    """Whether somebody is there to be asked."""
    return sys.stdin.isatty()


def confirm(
    question: str, refusal: str = "There is no terminal to ask for confirmation on. Add --yes."
) -> None:
    """Ask whether to go on, and end the command where the answer is no.

    Raises:
        UsageError: Nobody is there to be asked.
    """
    if not is_interactive():
        raise click.UsageError(refusal)
    click.confirm(question, abort=True, err=True)


def note(text: str) -> None:
    """Something for the person at the terminal, on stderr."""
    click.echo(text, err=True)


def json_option(help: str = "Print JSON instead of text.") -> Callable[[F], F]:
    """Adds ``--json``, which `wants_json` and `printed_as_json` tell of."""

    def keep(context: click.Context, parameter: click.Parameter, given: bool) -> None:
        context.meta[_JSON] = given

    return click.option(
        "--json", "as_json", is_flag=True, expose_value=False, callback=keep, help=help
    )


def wants_json() -> bool:
    """Whether the command that runs was given ``--json``."""
    return click.get_current_context().meta[_JSON]


def printed_as_json(value: Any) -> bool:
    """Print a value where ``--json`` asks for that, and say whether it was."""
    if wants_json():
        print_json(value)
    return wants_json()


def print_json(value: Any) -> None:
    """A value as indented JSON on stdout."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def print_table(headers: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Aligned columns on stdout; numbers to the right.

    By hand: rich takes 0.09 s to import, where all of `radiance --help` takes 0.16, and tabulate
    would save five lines.
    """
    body = [list(row) for row in rows]
    numeric = [
        any(isinstance(row[place], int | float) for row in body) for place in range(len(headers))
    ]
    shown = [list(headers), *([show(cell) for cell in row] for row in body)]
    widths = [max(len(row[place]) for row in shown) for place in range(len(headers))]
    for row in shown:
        cells = [
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        ]
        click.echo("  ".join(cells).rstrip())


def print_pairs(pairs: Iterable[tuple[str, Any]]) -> None:
    """One ``name  value`` a line on stdout, values aligned."""
    shown = [(name, show(value)) for name, value in pairs]
    width = max(len(name) for name, _ in shown)
    for name, value in shown:
        click.echo(f"{name.ljust(width)}  {value}".rstrip())


def show(value: Any) -> str:
    """One value for a person, on one line."""
    if value is None or value == "" or value == []:
        return ABSENT
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return ", ".join(show(item) for item in value)
    return one_line(str(value))


def show_time(text: Any) -> str:
    """A time of the API to the second, in UTC as it came; as it is if it is no time."""
    if not isinstance(text, str):
        return show(text)
    try:
        return datetime.fromisoformat(text).strftime("%Y-%m-%d %H:%M:%S")
    except ValueError:
        return show(text)
