"""Do Lean's own daily examples end with the equity that Lean publishes for them?

    python -m bench.lean_examples LEAN [NAME ...]

LEAN is a checkout of QuantConnect's Lean: its Python algorithms with its own daily bars, adjusted
for splits and dividends, and its default fees. Candidates are all that name the daily resolution.
What Lean publishes stands in the C# twin of each; for which languages it holds, too. What is not
supported is named. An example that orders nothing shows little, and is counted apart.
"""

import argparse
import bisect
import csv
import io
import itertools
import re
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from radiance.labs.alphas.data.lean import decode
from radiance.labs.alphas.strategies.further_data import Action, FundMember
from radiance.labs.alphas.strategies.running import StrategyVerdict, files_beside, judge
from radiance.labs.alphas.values.panel import Panel, read

_CHARGED = """

class Charged({name}):
    def {method}(self):
        self.set_brokerage_model(BrokerageName.INTERACTIVE_BROKERS_BROKERAGE)
        super().{method}()
"""
_CENTS = 0.011
"""To the cent, which is rounded on both sides."""


def bars(lean: Path) -> Panel:
    """Lean's daily bars of shares, adjusted for splits and dividends."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lean.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(("date", "symbol", "open", "high", "low", "close", "volume"))
            for symbol, archive, first, last in _histories(lean / "Data/equity/usa"):
                factors = _factors(lean / f"Data/equity/usa/factor_files/{symbol.lower()}.csv")
                rows.writerows(_bars(symbol, archive, first, last, factors))
        return read(path)


def _histories(folder: Path) -> Iterator[tuple[str, Path, str, str]]:
    """Each share with an archive of bars that has some of its days, from the first to the last.

    A ticker was of several shares, and a share had several tickers: map files say which and when.
    """
    archives = {path.stem: path for path in sorted((folder / "daily").glob("*.zip"))}
    mapped = set()
    for path in sorted((folder / "map_files").glob("*.csv")):
        first = ""
        for day, ticker in _map(path):
            if ticker in archives:
                mapped.add(ticker)
                yield path.stem.upper(), archives[ticker], first or day, day
            first = f"{day}~"  # behind this day
    for ticker in archives.keys() - mapped:
        yield ticker.upper(), archives[ticker], "", "9"


def _map(path: Path) -> list[tuple[str, str]]:
    """The last day of each ticker of a share; the first row is the first day of the first one."""
    rows = csv.reader(path.read_text(encoding="utf-8").splitlines())
    return [(row[0], row[1].lower()) for row in rows if row]


def _bars(
    symbol: str,
    archive: Path,
    first: str,
    last: str,
    factors: Sequence[tuple[str, float, float]],
) -> Iterator[Sequence[object]]:
    """Prices stand in ten thousandths of a dollar; factors hold up to and on their day."""
    days = [day for day, _, _ in factors]
    with zipfile.ZipFile(archive) as packed:
        lines = io.TextIOWrapper(packed.open(packed.namelist()[0]), encoding="utf-8")
        for stamp, *prices, volume in csv.reader(lines):
            day = stamp[:8]
            if not first <= day <= last:
                continue
            place = bisect.bisect_left(days, day)
            _, price, split = factors[place] if place < len(factors) else ("", 1.0, 1.0)
            adjusted = (float(each) / 10_000 * price for each in prices)
            date = f"{day[:4]}-{day[4:6]}-{day[6:]}"
            yield date, symbol, *adjusted, float(volume) / split


def actions(lean: Path, panel: Panel) -> list[Action]:
    """What Lean's factor files say, on the first day with bars behind it, and who was delisted."""
    found = []
    for path in sorted((lean / "Data/equity/usa/map_files").glob("*.csv")):
        day = _map(path)[-1][0]
        date = f"{day[:4]}-{day[4:6]}-{day[6:]}"
        if np.datetime64(date) < panel.dates[-1]:
            found.append(Action(date, path.stem.upper(), is_last=True))
    for path in sorted((lean / "Data/equity/usa/factor_files").glob("*.csv")):
        symbol = path.stem.upper()
        if symbol not in panel.symbols:
            continue
        close = panel.fields["close"][:, panel.symbols.index(symbol)]
        factors = _factors(path)
        for (day, price, split), (_, after, split_after) in itertools.pairwise(factors):
            date = np.datetime64(f"{day[:4]}-{day[4:6]}-{day[6:]}")
            rows = np.flatnonzero(np.isfinite(close) & (panel.dates > date))
            if not len(rows) or (panel.dates > date).sum() == len(panel.dates):
                continue
            found.append(
                Action(
                    str(panel.dates[rows[0]])[:10],
                    symbol,
                    (1 - (price / split) / (after / split_after)) * close[rows[0] - 1],
                    split / split_after,
                )
            )
    return found


def members(lean: Path) -> list[FundMember]:
    """The funds' lists that Lean has."""
    found = []
    for path in sorted((lean / "Data/equity/usa/universes/etf").glob("*/*.csv")):
        date, fund = f"{path.stem[:4]}-{path.stem[4:6]}-{path.stem[6:]}", path.parent.name.upper()
        for ticker, _, _, weight, shares, *_ in csv.reader(path.open(encoding="utf-8")):
            known = [float(text) if text else None for text in (weight, shares)]
            found.append(FundMember(date, fund, ticker, *known))
    return found


def _factors(path: Path) -> list[tuple[str, float, float]]:
    """The day up to and on which they hold, the factor of prices, and that of splits alone."""
    if not path.is_file():
        return []
    rows = csv.reader(path.read_text(encoding="utf-8").splitlines())
    return [
        (row[0], float(row[1]) * float(row[2]), float(row[2]))
        for row in rows
        if row and row[0].isdigit()
    ]


def examples(lean: Path) -> list[str]:
    """The Python algorithms that name the daily resolution, whatever else they ask for."""
    return [
        path.stem
        for path in sorted((lean / "Algorithm.Python").glob("*.py"))
        if re.search(r"resolution\.daily", decode(path.read_bytes()) or "", re.IGNORECASE)
    ]


def published(lean: Path, name: str) -> float | None:
    """The end equity that the C# twin expects; None where it says none."""
    found = re.search(r'"End Equity", "([0-9.]+)"', _twin(lean, name))
    return float(found[1]) if found else None


def is_of_python(lean: Path, name: str) -> bool:
    """Whether what Lean publishes is checked with the Python algorithm too."""
    return "Language.Python" in _twin(lean, name)


def _twin(lean: Path, name: str) -> str:
    path = lean / "Algorithm.CSharp" / f"{name}.cs"
    return path.read_text(encoding="utf-8-sig") if path.is_file() else ""


def run(lean: Path, name: str, panel: Panel) -> StrategyVerdict:
    """Run an example with Lean's default fees and no other cost."""
    folder = lean / "Algorithm.Python"
    code = decode((folder / f"{name}.py").read_bytes()) or ""
    files = files_beside(code, folder)
    kinds = re.findall(r"^class (\w+)\(\w*Algorithm\)", code, re.MULTILINE)
    method = "initialize" if "def initialize" in code else "Initialize"
    if kinds:
        code += _CHARGED.format(name=kinds[-1], method=method)
    acts = actions(lean, panel)
    return judge(
        code,
        panel,
        cost_bps=0,
        check_types=False,
        files=files,
        actions=acts,
        members=members(lean),
    )


def outcome(lean: Path, name: str, found: StrategyVerdict) -> str:
    """What became of an example, and how its end compares with what Lean publishes."""
    wanted = published(lean, name)
    if not found.equity or wanted is None:
        return found.outcome
    said = "as published" if abs(found.equity[-1] - wanted) <= _CENTS else "not as published"
    if not is_of_python(lean, name):
        said += ", for C# alone"
    return said if found.orders else f"{said}, no order filled"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("lean", type=Path, metavar="LEAN")
    parser.add_argument("names", nargs="*", metavar="NAME")
    asked = parser.parse_args(arguments)
    if not (asked.lean / "Data/equity/usa/daily").is_dir():
        parser.error(f"LEAN (is {asked.lean}): has no Data/equity/usa/daily. Name a checkout.")
    panel = bars(asked.lean)
    counts: dict[str, int] = {}
    for name in asked.names or examples(asked.lean):
        found = run(asked.lean, name, panel)
        said = outcome(asked.lean, name, found)
        counts[said] = counts.get(said, 0) + 1
        shown = f"{found.equity[-1]:.2f} {found.orders} orders" if found.equity else ""
        wanted = published(asked.lean, name)
        print(f"{name}: {said} ({wanted}) {shown or found.detail[:120]}", flush=True)
    print(
        ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items())),
        file=sys.stderr,
    )


if __name__ == "__main__":
    main()
