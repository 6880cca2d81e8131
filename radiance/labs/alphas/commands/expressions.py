"""``radiance alphas list``, ``check`` and ``backtest``: expressions, with data and without."""

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from radiance.cli.output import json_option, note, print_pairs, print_table, printed_as_json
from radiance.cli.parameters import FILE
from radiance.cli.waiting import progress_bar
from radiance.errors import ConfigError
from radiance.labs.alphas.commands.options import (
    TakesAlphas,
    column_option,
    market_options,
    pointing,
    read_panel,
    reading_option,
    resolve,
    trading_option,
)
from radiance.labs.options import splits_option

if TYPE_CHECKING:
    from radiance.labs.alphas.values.panel import Panel


@click.command("list")
@json_option()
def list_alphas() -> None:
    """List the 101 formulaic alphas.

    The table has the days each alpha looks back, the delay it is meant for, and doubts about its
    units. The alphas are the paper's, for research use: see radiance/labs/alphas/FORMULAS.md.

    Examples:
      radiance alphas list
      radiance alphas list --json
    """
    from radiance.labs.alphas.data.catalogue import CITATION, formulas

    rows = [(found, found.checked()) for found in formulas()]
    if printed_as_json(
        [
            {
                "number": found.number,
                "alpha": found.text,
                "delay": found.delay,
                "lookback": checked.lookback,
                "fields": sorted(checked.fields),
                "warnings": [warned.reason for warned in checked.warnings],
            }
            for found, checked in rows
        ]
    ):
        return
    print_table(
        ("ALPHA", "LOOKBACK", "DELAY", "EXPRESSION"),
        [(found.number, checked.lookback, found.delay, found.text) for found, checked in rows],
    )
    note(CITATION)


@click.command("check", cls=TakesAlphas)
@click.argument("alpha")
@reading_option
@column_option
@click.option("--strict-units", is_flag=True, help="Treat units that do not match as errors.")
@json_option()
def check_alpha(alpha: str, readings: Any, columns: tuple[str, ...], strict_units: bool) -> None:
    """Check the expression ALPHA without data.

    The output is the expression in canonical form, its type, the data it needs and the days it
    looks back. The exit code is 2 if the expression is not valid; the message names line and
    column.

    Examples:
      radiance alphas check "rank(correlation(close, volume, 10))"
      radiance alphas check --strict-units "close + volume"
      radiance alphas check "fade = rank(eps / close); fade - 0.5" --column eps
    """
    from radiance.labs.alphas.language.checker import check
    from radiance.labs.alphas.language.printer import render

    text, _ = resolve(alpha)
    with pointing():
        checked = check(text, readings, strict_units=strict_units, columns=columns)
    warnings = [warned.reason for warned in checked.warnings]
    facts = {
        "alpha": render(checked.node),
        "type": checked.type,
        "lookback": checked.lookback,
        "fields": sorted(checked.fields),
        "warnings": warnings,
    }
    if printed_as_json(facts):
        return
    print_pairs(facts.items())


@click.command("translate", cls=TakesAlphas)
@click.argument("alpha", nargs=-1, required=True)
@click.option(
    "--to",
    "dialect",
    type=click.Choice(["brain", "qlib", "gtja"]),
    help="Spelling to write: WorldQuant BRAIN's, Qlib's, or Guotai Junan's. Default: ours.",
)
@column_option
def translate_alphas(alpha: tuple[str, ...], dialect: Any, columns: tuple[str, ...]) -> None:
    """Translate foreign expressions ALPHA into this language.

    Operators of WorldQuant BRAIN, of Qlib's Alpha158 and of the 191 alphas of Guotai Junan are read
    where they have one meaning here; of any other the nearest is named. With --to they are written
    as one of these places spells them. The exit code is 2 if one cannot be read, or means something
    else there.

    Examples:
      radiance alphas translate "ts_zscore(close, 20)"
      radiance alphas translate "Corr($close, Log($volume + 1), 10)"
      radiance alphas translate "-1 * delta(close, 5) / stddev(returns, 20)" --to brain
    """
    from radiance.labs.alphas.language.checker import check
    from radiance.labs.alphas.language.printer import render
    from radiance.labs.alphas.language.translating import translate

    for text in alpha:
        with pointing():
            checked = check(text.strip(), columns=columns)
            written = translate(text.strip(), dialect, columns) if dialect else None
        click.echo(written.text if written else render(checked.node))
        for remark in written.notes if written else ():
            note(f"{text.strip()}: {remark}.")
        for warned in checked.warnings:
            if warned.is_misreading:
                note(f"{text.strip()}: {warned.reason}.")


@click.command("backtest", cls=TakesAlphas)
@click.argument("alpha", nargs=-1, required=True)
@market_options
@splits_option
@reading_option
@trading_option
@click.option(
    "--earlier-trials",
    type=click.IntRange(0),
    default=0,
    help="Number of alphas tried before on the same data, which deflate the Sharpe ratio too.",
)
@json_option()
def backtest_alphas(
    alpha: tuple[str, ...],
    data: Path,
    groups: Path | None,
    splits: Any,
    readings: Any,
    trading: Any,
    earlier_trials: int,
) -> None:
    """Backtest alphas on daily bars.

    ALPHA is an expression, the number of one of the 101 alphas, or "all" for all 101. Sharpe ratios
    are annual and net of costs; DEFLATED is the probability that the true ratio exceeds what the
    best of all trials would show by chance.

    Examples:
      radiance alphas backtest 101 12 --data bars.parquet --groups sectors.csv
      radiance alphas backtest "-1 * delta(close, 5)" --data bars.csv --trade cost_bps=10
      radiance alphas backtest all --data bars.parquet --reading nan=strict --json
    """
    import msgspec

    from radiance.labs.alphas.data.catalogue import formulas
    from radiance.labs.alphas.language.checker import check
    from radiance.labs.alphas.language.syntax import AlphaFieldError
    from radiance.labs.alphas.results import study

    if alpha == ("all",):
        named = [(f"alpha {found.number}", found.text) for found in formulas()]
    else:
        named = [(name, text) for text, name in map(resolve, alpha)]
    with pointing():
        for name, text in named:
            # A field that is not of the language may be a column of the bars, which come later.
            with contextlib.suppress(AlphaFieldError):
                for warned in check(text, readings).warnings:
                    if warned.is_misreading:
                        note(f"{name}: {warned.reason}.")
    panel = read_panel(data, groups, splits)
    with progress_bar("Backtesting") as on_progress, pointing():
        found = study.run(panel, named, readings, trading, earlier_trials, on_progress)
    if printed_as_json(
        {
            "panel": _describe(panel),
            "readings": msgspec.to_builtins(readings),
            "trading": msgspec.to_builtins(trading),
            "trials": found.trials,
            "results": [result.as_json() for result in found.results],
        }
    ):
        return
    columns = ("ALPHA", "SHARPE", "GROSS", "TURNOVER", "DRAWDOWN", "IC", "CAPACITY", "COVERAGE")
    print_table(
        (*columns, "DEFLATED"),
        [
            (
                result.name,
                result.performance.sharpe,
                result.performance.gross_sharpe,
                result.performance.turnover,
                result.performance.drawdown,
                result.performance.ic,
                result.performance.capacity_usd,
                result.coverage,
                result.deflated,
            )
            for result in found.results
        ],
    )
    first, last = _describe(panel)["dates"]
    note(
        f"{found.trials} trials on {len(panel.symbols)} symbols, {first} to {last}, delay "
        f"{trading.delay}, {trading.cost_bps:g} bps a dollar traded."
    )


@click.command("inspect")
@click.argument("bars", type=FILE)
@click.option("--groups", type=FILE, help="File of symbol, sector, industry and subindustry.")
@json_option()
def inspect_bars(bars: Path, groups: Path | None) -> None:
    """Say what is in the file of daily bars BARS.

    The output has symbols and days, days without a bar, shares that left the market, jumps, splits
    that prices were not adjusted for, bars whose high and low do not hold open and close, fields
    and groups. What was read, dropped and guessed goes to stderr.

    Examples:
      radiance alphas inspect bars.csv
      radiance alphas inspect bars.parquet --groups sectors.csv --json
    """
    from radiance.labs.alphas.values.inspecting import inspect

    found = inspect(read_panel(bars, groups))
    if not printed_as_json(found):
        print_pairs(found.items())


def _describe(panel: "Panel") -> dict[str, Any]:
    """What a panel holds, for a report."""
    if not len(panel.dates):
        raise ConfigError("The market data have no rows.")
    return {
        "symbols": len(panel.symbols),
        "days": len(panel.dates),
        "dates": [str(panel.dates[0]), str(panel.dates[-1])],
        "fields": sorted(panel.fields),
        "groups": sorted(panel.groups),
    }
