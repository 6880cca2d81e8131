"""What a model writes in Python, counted by what becomes of it."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from radiance.gate.intervals import Estimate, wilson
from radiance.labs.alphas.strategies.running import Outcome, StrategyVerdict
from radiance.storage import files

OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
REPORT = "strategies.json"
_CONFIDENCE = 0.975  # of each side: intervals of 95 %
_FENCE = re.compile(r"```[a-z]*\n(.*?)\n?```", re.DOTALL)


@dataclass(frozen=True)
class JudgedStrategies:
    """One model's strategies.

    Attributes:
        rows: (prompt, code, verdict) of each answer.
    """

    name: str
    rows: Sequence[tuple[str, str, StrategyVerdict]]

    @property
    def shares(self) -> dict[str, Estimate]:
        """What is counted → its share of all answers with a 95 % interval (Wilson)."""
        found = [verdict.outcome for _, _, verdict in self.rows]
        compiled = sum(outcome != "does not compile" for outcome in found)
        hits = {"compiles": compiled, **{name: found.count(name) for name in OUTCOMES}}
        return {name: wilson(count, len(found), _CONFIDENCE) for name, count in hits.items()}

    def as_json(self) -> dict[str, Any]:
        return {
            "answers": len(self.rows),
            "shares": {
                name: {"value": share.value, "low": share.low, "high": share.high}
                for name, share in self.shares.items()
            },
            "strategies": [
                {
                    "prompt": prompt,
                    "code": code,
                    "outcome": verdict.outcome,
                    "detail": verdict.detail,
                    "types_checked": verdict.type_errors is not None,
                    "orders": verdict.orders,
                    "sharpe": verdict.sharpe,
                }
                for prompt, code, verdict in self.rows
            ],
        }


def code_of(answer: str) -> str:
    """The code in an answer: its first fenced block, where it has one, else all of it."""
    fenced = _FENCE.search(answer)
    return fenced[1] if fenced else answer


def write(folder: Path, judged: Sequence[JudgedStrategies], settings: Mapping[str, Any]) -> None:
    """Write ``strategies.json`` under ``folder``.

    Raises:
        StorageError: The disk failed.
    """
    files.make_directory(folder)
    report = {
        "settings": dict(settings),
        "models": {model.name: model.as_json() for model in judged},
    }
    files.write_durably(folder / REPORT, json.dumps(report, indent=1).encode())
