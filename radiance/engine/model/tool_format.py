"""How a model writes calls of tools, as its tokenizer tells: mlx-lm's parsers, by template."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mlx_lm.tokenizer_utils import TokenizerWrapper
from mlx_lm.tool_parsers.json_tools import parse_tool_call

from radiance.records.tools import TemplateTool


@dataclass(frozen=True)
class ToolFormat:
    """How a chat template has calls written.

    Attributes:
        start: Text before a call.
        end: Text after it; "": the end of the answer.
        parse: Reads what stands between them, given the tools: {"name", "arguments"} or a list of
            those. Raises whatever it likes where it cannot.
        is_json: Whether that is one JSON object, {"name", "arguments"}.
    """

    start: str
    end: str
    parse: Callable[[str, list[TemplateTool]], Any]
    is_json: bool = False


HERMES = ToolFormat("<tool_call>", "</tool_call>", parse_tool_call, is_json=True)
"""That of Hermes and Qwen: JSON in tags."""


def tool_format(tokenizer: TokenizerWrapper) -> ToolFormat | None:
    """The format of a tokenizer's chat template; None where it has no tools that we can read."""
    start, parse = tokenizer.tool_call_start, tokenizer.tool_parser
    if not start or parse is None:
        return None
    return ToolFormat(start, tokenizer.tool_call_end or "", parse, parse is parse_tool_call)
