"""``radiance alphas strategy``: a Python strategy, checked and run in the sandbox."""

import sys
from pathlib import Path
from typing import Any, TextIO

import click

from radiance.cli.output import FAILED, json_option, note, print_pairs, printed_as_json
from radiance.cli.parameters import FILE
from radiance.labs.alphas.commands.options import read_panel
from radiance.labs.options import splits_option


@click.command()
@click.argument("file", type=click.File("r", encoding="utf-8"))
@click.option(
    "--data",
    type=FILE,
    help="Daily bars to run on. Default: synthetic bars, on which profits mean nothing.",
)
@click.option(
    "--actions",
    type=FILE,
    help="Dividends, splits and last days: a table of date, symbol, dividend, split and last.",
)
@click.option(
    "--members",
    type=FILE,
    help="Members of funds, for universes: a table of date, fund, symbol and weight.",
)
@click.option(
    "--seconds", type=click.FloatRange(1), default=20, help="Most seconds the strategy may run."
)
@splits_option
@click.option(
    "--delisting-return",
    type=click.FloatRange(-1, 1),
    help="Return of a share that leaves the market, a day after its last bar. Default: -0.3.",
)
@click.option(
    "--types/--no-types",
    default=True,
    help="Check the strategy's calls against quantconnect-stubs, if installed.",
)
@json_option()
@click.pass_context
def strategy(
    context: click.Context,
    file: TextIO,
    data: Path | None,
    actions: Path | None,
    members: Path | None,
    seconds: float,
    splits: Any,
    delisting_return: float | None,
    types: bool,
) -> None:
    """Judge a Python strategy without trusting it.

    FILE is Python for QuantConnect's API; a FILE of - reads stdin. The strategy is compiled, its
    calls are checked, and it runs on daily bars in a process without files, network or children. A
    strategy outside the supported part of the API (radiance/labs/alphas/strategies/api.py) is
    "unsupported". Files beside FILE that it imports are part of it. The exit code is 1 unless the
    strategy was backtested.

    Examples:
      radiance alphas strategy crossing.py
      radiance alphas strategy crossing.py --data bars.parquet --seconds 60
    """
    from radiance.labs.alphas.strategies.further_data import read_actions, read_members
    from radiance.labs.alphas.strategies.running import COST_BPS, files_beside, judge
    from radiance.labs.alphas.values.synthetic import made_up
    from radiance.labs.daily_bars import DELISTING_RETURN
    from radiance.platform import sandbox

    panel = read_panel(data, splits=splits) if data else made_up(756, 20)
    code = file.read()
    files = {} if file is sys.stdin else files_beside(code, Path(file.name).parent)
    found = judge(
        code,
        panel,
        files=files,
        actions=read_actions(actions) if actions else (),
        members=read_members(members) if members else (),
        limits=sandbox.Limits(seconds),
        check_types=types,
        delisting_return=DELISTING_RETURN if delisting_return is None else delisting_return,
    )
    facts = {
        "outcome": found.outcome,
        "detail": found.detail,
        "type_errors": None if found.type_errors is None else list(found.type_errors),
        "orders": found.orders,
        "costs": found.costs,
        "costs_by": None
        if found.costs is None
        else "the strategy's models"
        if found.sets_costs
        else f"{COST_BPS:g} bps of each order",
        "sharpe": found.sharpe,
        "drawdown": found.drawdown,
        "seconds": found.seconds,
    }
    if not printed_as_json(facts):
        print_pairs(facts.items())
        if types and found.type_errors is None and found.outcome != "does not compile":
            note("Calls were not checked: pip install quantconnect-stubs mypy.")
    if found.outcome != "backtested":
        context.exit(FAILED)
