"""What the commands share: alphas as arguments, market data, readings and ways to trade."""

import contextlib
import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from radiance.cli.output import note
from radiance.cli.parameters import FILE
from radiance.errors import RequestError

if TYPE_CHECKING:
    from radiance.labs.alphas.values.panel import Panel
    from radiance.labs.splits import Treatment


class TakesAlphas(click.Command):
    """A command whose arguments may begin with a minus, as in ``-1 * rank(close)``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        short = {"-h", *(name for parameter in self.params for name in parameter.opts)}
        # A space before the minus changes no expression, and is no option.
        return super().parse_args(
            ctx,
            [
                f" {arg}"
                if arg.startswith("-") and arg[1:2] not in "-" and arg not in short
                else arg
                for arg in args
            ],
        )


def market_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--data`` and ``--groups``; the command gets ``data`` and ``groups``."""
    command = click.option(
        "--groups", type=FILE, help="CSV file of symbol, sector, industry and subindustry."
    )(command)
    return click.option(
        "--data",
        type=FILE,
        required=True,
        help="Daily bars, Parquet or CSV: date, symbol, open, high, low, close, volume.",
    )(command)


def read_panel(data: Path, groups: Path | None = None, splits: "Treatment" = "keep") -> "Panel":
    """The panel of the files that were named; what was read, dropped and guessed goes to stderr."""
    from radiance.labs.alphas.values.panel import read

    panel = read(data, groups, splits)
    for line in panel.said:
        note(line)
    return panel


def settings_of(kind: str) -> Callable[..., Any]:
    """A callback that makes ``KEY=VALUE`` texts to Readings or Trading."""

    def made(context: click.Context, parameter: click.Parameter, texts: tuple[str, ...]) -> Any:
        from radiance import validation
        from radiance.labs.alphas.language.semantics import Readings
        from radiance.labs.alphas.results.backtest import Trading

        given = {}
        for text in texts:
            key, equals, value = text.partition("=")
            if not equals:
                raise click.BadParameter(f"{text!r} is not KEY=VALUE.")
            given[key.strip()] = _number(value.strip())
        try:
            return validation.check(given, Readings if kind == "readings" else Trading)
        except validation.Problem as problem:
            raise click.BadParameter(f"{problem} {problem.remedy}") from None

    return made


def reading_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--reading``; the command gets ``readings``."""
    return click.option(
        "--reading",
        "readings",
        multiple=True,
        metavar="KEY=VALUE",
        callback=settings_of("readings"),
        help="Choice on a point that the paper leaves open, as in nan=strict. Can be repeated.",
    )(command)


def column_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--column``; the command gets ``columns``."""
    return click.option(
        "--column",
        "columns",
        multiple=True,
        metavar="NAME",
        callback=lambda context, parameter, names: tuple(name.lower() for name in names),
        help="Further column of your bars, used as a field. Can be repeated.",
    )(command)


def trading_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--trade``; the command gets ``trading``."""
    return click.option(
        "--trade",
        "trading",
        multiple=True,
        metavar="KEY=VALUE",
        callback=settings_of("trading"),
        help="Rule of trading, as in delay=2 or cost_bps=10. Can be repeated.",
    )(command)


@contextlib.contextmanager
def pointing() -> Iterator[None]:
    """Show where in its text an alpha is wrong, before the error itself."""
    from radiance.labs.alphas.language.syntax import AlphaError

    try:
        yield
    except AlphaError as error:
        note(error.picture)
        raise


def resolve(given: str) -> tuple[str, str]:
    """The text and the name of an expression or of a number of the 101."""
    from radiance.labs.alphas.data.catalogue import formula

    if given.strip().isdecimal():
        return formula(int(given)).text, f"alpha {int(given)}"
    if not given.strip():
        raise RequestError.of("alpha", "is blank", None, "Give an expression.")
    return given.strip(), given.strip()


@functools.cache
def _number(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
