"""What an evaluation of a model was made with, kept with its report: enough to make it again."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from radiance.records import CheckpointStatus

MADE_UP = "made up"
"""The market where no bars are given; profits on it mean nothing."""
BASE = CheckpointStatus.BASE.value
Decoding = Literal["free", "grammar", "both", "plan", "all"]
_FLAGS: dict[str, tuple[str, ...]] = {
    "free": (),
    "grammar": ("--constrained",),
    "both": ("--both",),
    "plan": ("--plan",),
    "all": ("--all",),
}


class AlphaStudySettings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of one `radiance alphas eval`.

    Attributes:
        checkpoint: Who was judged beside the base; None where the record does not say.
        prompts: How many prompts were asked.
        samples: Answers a prompt.
        max_tokens: Most tokens of an answer; None where the record does not say.
        market: The file of daily bars, or ``MADE_UP``.
        groups: The file of their symbols' industries.
        prompts_file: The split that prompts were taken from; None: the one of seed 0.
        ideas: "building", "held-out" or a file of ideas with references; None: none were asked.
        known_file: The split that novelty is told by; None: the one of seed 0.
        strategies: Whether Python strategies were judged instead of alphas.
    """

    checkpoint: str | None = None
    prompts: int | None = None
    samples: int | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    seed: int = 0
    decoding: Decoding = "free"
    market: str = MADE_UP
    groups: str | None = None
    prompts_file: str | None = None
    ideas: str | None = None
    known_file: str | None = None
    strategies: bool = False

    def to_plain(self) -> dict[str, Any]:
        """As JSON keeps it: without what is not set."""
        return {
            name: value
            for name, value in msgspec.to_builtins(self).items()
            if value is not None and value is not False
        }

    def command(self) -> str:
        """The command that makes the evaluation again; files are named without their folders."""
        files = {
            "--prompts": self.prompts_file,
            "--ideas": self.ideas,
            "--known": self.known_file,
            "--data": None if self.market == MADE_UP else self.market,
            "--groups": self.groups,
        }
        values = {
            "--count": self.prompts,
            "--samples": self.samples,
            "--temperature": self.temperature,
            "--max-tokens": self.max_tokens,
            "--seed": self.seed,
            **{flag: Path(path).name for flag, path in files.items() if path},
        }
        words = ["radiance", "alphas", "eval", self.checkpoint or BASE]
        for flag, value in values.items():
            if value is not None:
                words += [flag, str(value)]
        words += _FLAGS[self.decoding]
        if self.strategies:
            words.append("--strategies")
        return shlex.join(words)


def read_settings(kept: Mapping[str, Any], models: list[str]) -> AlphaStudySettings:
    """The settings as a report keeps them; of reports written before there was this Struct, too.

    Args:
        kept: ``settings`` of ``report.json``.
        models: The names under which it has models, ``A_2026-02-09_0012 + grammar`` for one.

    Raises:
        ValueError: They are no settings.
    """
    found = msgspec.convert(kept, AlphaStudySettings)
    if kept.get("constrained") is True:  # until 0.1.0, which had it instead of `decoding`
        found = msgspec.structs.replace(found, decoding="grammar")
    if found.checkpoint is None:
        judged = [bare_name(name) for name in models]
        checkpoint = next((name for name in reversed(judged) if name != BASE), BASE)
        found = msgspec.structs.replace(found, checkpoint=checkpoint)
    return found


UNDER_GRAMMAR, AS_PLAN = " + grammar", " + plan"
"""What the name of a model has behind it where it wrote under the grammar, or filled a plan."""


def bare_name(name: str) -> str:
    """The model's name without how it wrote."""
    return name.removesuffix(UNDER_GRAMMAR).removesuffix(AS_PLAN)
