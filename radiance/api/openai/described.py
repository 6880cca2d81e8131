"""Tools for models whose chat template has none: described in words, called in Hermes' format.

Source: the system message of Hermes 2 Pro (Nous Research), which Qwen 2.5 took over.
"""

import json
from collections.abc import Sequence

from radiance.engine.model.chat_turns import Turn
from radiance.engine.model.tool_format import HERMES
from radiance.records.tools import TemplateTool

_WORDS = """# Tools

You may call one or more functions to assist with the user query.

You are provided with function signatures within <tools></tools> XML tags:
<tools>
{tools}
</tools>

For each function call, return a json object with function name and arguments within \
<tool_call></tool_call> XML tags:
<tool_call>
{{"name": <function-name>, "arguments": <args-json-object>}}
</tool_call>"""


def in_words(turns: Sequence[Turn], tools: Sequence[TemplateTool]) -> list[Turn]:
    """A chat with its tools, calls and their results as plain text.

    The tools are told of in the system turn; results are a user's turn, as in Hermes.
    """
    told = [_in_words(turn) for turn in turns]
    if not tools:
        return told
    words = _WORDS.format(tools="\n".join(json.dumps(tool) for tool in tools))
    if told and told[0]["role"] == "system":
        first = {**told[0], "content": f"{told[0]['content']}\n\n{words}"}
        return [first, *told[1:]]
    return [{"role": "system", "content": words}, *told]


def _in_words(turn: Turn) -> Turn:
    if turn["role"] == "tool":
        content = f"<tool_response>\n{turn['content']}\n</tool_response>"
        return {"role": "user", "content": content}
    calls = turn.get("tool_calls")
    if not calls:
        return turn
    written = [
        f"{HERMES.start}\n{json.dumps(call['function'], ensure_ascii=False)}\n{HERMES.end}"
        for call in calls
    ]
    content = "\n".join(part for part in (turn["content"], *written) if part)
    return {**{k: v for k, v in turn.items() if k != "tool_calls"}, "content": content}
