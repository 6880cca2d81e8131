"""Do Lean's own daily examples end with the equity that Lean publishes for them?

    python -m bench.lean_examples LEAN [NAME ...]

LEAN is a checkout of QuantConnect's Lean: its Python algorithms with its own daily bars, adjusted
for splits and dividends, and its default fees. What it publishes stands in the C# twin of each.
What is not supported is named.
"""

import argparse
import bisect
import csv
import io
import re
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from radiance.labs.alphas.data.lean import decode
from radiance.labs.alphas.strategies.running import StrategyVerdict, judge
from radiance.labs.alphas.values.panel import Panel, read

_OTHER = re.compile(
    r"add_option|add_future|addoption|addfuture|add_crypto|add_forex|add_cfd|add_index|pythondata"
    r"|resolution\.(?:minute|hour|second|tick)|coarse|fundamental|finefund",
    re.IGNORECASE,
)
_CHARGED = """

class Charged({name}):
    def {method}(self):
        self.set_brokerage_model(BrokerageName.INTERACTIVE_BROKERS_BROKERAGE)
        super().{method}()
"""
_CENTS = 0.05


def bars(lean: Path) -> Panel:
    """Lean's daily bars of shares, adjusted for splits and dividends."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lean.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(("date", "symbol", "open", "high", "low", "close", "volume"))
            for archive in sorted((lean / "Data/equity/usa/daily").glob("*.zip")):
                rows.writerows(_bars(archive, lean / "Data/equity/usa/factor_files"))
        return read(path)


def _bars(archive: Path, folder: Path) -> Iterator[Sequence[object]]:
    """Prices stand in ten thousandths of a dollar; factors hold up to and on their day."""
    path = folder / f"{archive.stem}.csv"
    factors: list[tuple[str, float, float]] = []
    if path.is_file():
        factors = [
            (row[0], float(row[1]) * float(row[2]), float(row[2]))
            for row in csv.reader(path.read_text(encoding="utf-8").splitlines())
            if row and row[0].isdigit()
        ]
    days = [day for day, _, _ in factors]
    with zipfile.ZipFile(archive) as packed:
        lines = io.TextIOWrapper(packed.open(packed.namelist()[0]), encoding="utf-8")
        for stamp, *prices, volume in csv.reader(lines):
            day = stamp[:8]
            place = bisect.bisect_left(days, day)
            _, price, split = factors[place] if place < len(factors) else ("", 1.0, 1.0)
            adjusted = (float(each) / 10_000 * price for each in prices)
            date = f"{day[:4]}-{day[4:6]}-{day[6:]}"
            yield date, archive.stem.upper(), *adjusted, float(volume) / split


def examples(lean: Path) -> list[str]:
    """The Python algorithms that ask for daily bars of shares and for nothing else."""
    found = []
    for path in sorted((lean / "Algorithm.Python").glob("*.py")):
        code = decode(path.read_bytes()) or ""
        if re.search(r"resolution\.daily", code, re.IGNORECASE) and not _OTHER.search(code):
            found.append(path.stem)
    return found


def published(lean: Path, name: str) -> float | None:
    """The end equity that the C# twin expects; None where it says none."""
    path = lean / "Algorithm.CSharp" / f"{name}.cs"
    text = path.read_text(encoding="utf-8-sig") if path.is_file() else ""
    found = re.search(r'"End Equity", "([0-9.]+)"', text)
    return float(found[1]) if found else None


def run(lean: Path, name: str, panel: Panel) -> StrategyVerdict:
    """Run an example with Lean's default fees and no other cost."""
    code = decode((lean / "Algorithm.Python" / f"{name}.py").read_bytes()) or ""
    kinds = re.findall(r"^class (\w+)\(QCAlgorithm\)", code, re.MULTILINE)
    method = "initialize" if "def initialize" in code else "Initialize"
    if kinds:
        code += _CHARGED.format(name=kinds[-1], method=method)
    return judge(code, panel, cost_bps=0, check_types=False)


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
        found, wanted = run(asked.lean, name, panel), published(asked.lean, name)
        end = found.equity[-1] if found.equity else None
        outcome: str = found.outcome
        if end is not None and wanted is not None:
            is_equal = abs(end - wanted) <= _CENTS
            outcome = "as published" if is_equal else "not as published"
        counts[outcome] = counts.get(outcome, 0) + 1
        shown = "" if end is None else f"{end:.2f}, published {wanted}"
        print(f"{name}: {outcome} {shown or found.detail[:120]}", flush=True)
    print(", ".join(f"{count} {outcome}" for outcome, count in counts.items()), file=sys.stderr)


if __name__ == "__main__":
    main()
