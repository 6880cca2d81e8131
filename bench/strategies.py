"""How often does the type check flag a strategy that is right?

    python -m bench.strategies LEAN [--json FILE]

LEAN is a checkout of QuantConnect's Lean: its own algorithms run, but for older ones that name
what its API no longer has. Each that is flagged is listed with its first error, for a person to say
which it is. Needs ``pip install --group strategies``.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from radiance.gate.intervals import wilson
from radiance.labs.alphas.data.lean import decode
from radiance.labs.alphas.strategies.type_check import type_errors


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("lean", type=Path, metavar="LEAN")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was found there")
    asked = parser.parse_args(arguments)
    paths = sorted((asked.lean / "Algorithm.Python").rglob("*.py"))
    if not paths:
        parser.error(f"LEAN (is {asked.lean}): has no Algorithm.Python/*.py. Name a checkout.")
    flagged: dict[str, list[str]] = {}
    checked = 0
    with click.progressbar(paths, label="checking", file=sys.stderr) as bar:
        for path in bar:
            try:
                errors = type_errors(decode(path.read_bytes()) or "")
            except SyntaxError:  # the oldest are Python 2
                continue
            checked += 1
            if errors is None:
                parser.error(
                    "mypy or its stubs lack, or took too long. Needs the group strategies."
                )
            if errors:
                flagged[path.name] = list(errors)
    share = wilson(len(flagged), checked, 0.95)
    print(
        f"{len(flagged)} of {checked} flagged, {len(paths) - checked} are not Python 3: "
        f"{share.value:.1%} [{share.low:.1%}, {share.high:.1%}]"
    )
    for name, errors in flagged.items():
        print(f"{name}: {errors[0]}" + (f" (and {len(errors) - 1} more)" if errors[1:] else ""))
    if asked.json:
        asked.json.write_text(json.dumps({"files": checked, "flagged": flagged}, indent=1))


if __name__ == "__main__":
    main()
