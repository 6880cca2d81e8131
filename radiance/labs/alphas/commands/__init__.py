"""``radiance alphas``: the alpha lab from the command line. Computes here, beside any service."""

import click

from radiance.labs.alphas.commands.asking import ask, teach_meaning
from radiance.labs.alphas.commands.curate import curate
from radiance.labs.alphas.commands.evaluate import evaluate
from radiance.labs.alphas.commands.expressions import (
    backtest_alphas,
    check_alpha,
    inspect_bars,
    list_alphas,
    translate_alphas,
)
from radiance.labs.alphas.commands.strategy import strategy


@click.group()
def alphas() -> None:
    """Write, check and backtest formulaic alphas.

    An alpha is an expression over daily bars, in the notation of Kakushadze's "101 Formulaic
    Alphas"; docs/ALPHAS.md has the language. All but ask and meant read files and need no
    service.

    Examples:
      radiance alphas ask "Fade last week's winners within their sector"
      radiance alphas check "-1 * rank(delta(close, 5))"
      radiance alphas backtest 101 "rank(volume / adv20)" --data bars.parquet
    """


_COMMANDS = (
    ask,
    teach_meaning,
    list_alphas,
    inspect_bars,
    check_alpha,
    translate_alphas,
    backtest_alphas,
    curate,
    evaluate,
    strategy,
)
for _command in _COMMANDS:
    alphas.add_command(_command)
