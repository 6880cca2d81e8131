"""Anchor sets: examples whose behaviour must survive, read from a file."""

import json
from pathlib import Path

from radiance.errors import ConfigError
from radiance.records import Example, Message


def read_anchors(path: Path, limit: int) -> list[Example]:
    """Read a JSONL file of ``{"input", "output"}`` lines, at most ``limit``, spread over the file.

    Raises:
        ConfigError: The file is missing, empty, or a line of it is not an anchor.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"evaluation.anchor_path: cannot read {path} ({error}). Name a JSONL file of "
            '{"input", "output"} lines, or set evaluation.anchor_provider = "none".'
        ) from None
    anchors = [
        _anchor(path, number, line) for number, line in enumerate(lines, start=1) if line.strip()
    ]
    if not anchors:
        raise ConfigError(f"evaluation.anchor_path: {path} is empty. Add a line, or name another.")
    if len(anchors) <= limit:
        return anchors
    return [anchors[index * len(anchors) // limit] for index in range(limit)]


def _anchor(path: Path, number: int, line: str) -> Example:
    try:
        fields = json.loads(line)
        question, answer = fields["input"], fields["output"]
        if not (isinstance(question, str) and isinstance(answer, str) and answer.strip()):
            raise TypeError("input and output must be text")
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{path}, line {number}: not an anchor ({error!r}). "
            'Each line is {"input": "…", "output": "…"}.'
        ) from None
    messages = (Message("user", question), Message("assistant", answer))
    return Example(str(fields.get("id", f"{path.stem}.{number}")), messages)
