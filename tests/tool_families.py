"""Chat templates that call tools, as families have them, on tokenizers small enough for a test.

Written anew after what each family's template does. ``written`` says by hand what it has an
assistant write of what is said and called.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from radiance.records.tools import TaughtCall
from tests.chat_families import Family

Calls = Sequence[TaughtCall]


@dataclass(frozen=True)
class ToolFamily:
    """A family, what its template has of a turn, and how many calls a turn may have."""

    family: Family
    written: Callable[[str, Calls], str]
    most_calls: int = 3
    says_and_calls: bool = True


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _hermes(said: str, calls: Calls) -> str:
    told = [f'{{"name": "{c["name"]}", "arguments": {_json(c["arguments"])}}}' for c in calls]
    lines = [f"<tool_call>\n{each}\n</tool_call>" for each in told]
    return "\n".join([*([said] if said or not lines else []), *lines]) + "<|im_end|>"


def _llama(said: str, calls: Calls) -> str:
    if not calls:
        return said + "<|eot_id|>"
    (call,) = calls
    return f'{{"name": "{call["name"]}", "parameters": {_json(call["arguments"])}}}<|eot_id|>'


def _mistral(said: str, calls: Calls) -> str:
    if not calls:
        return f" {said}</s>"
    told = [
        f'{{"name": "{c["name"]}", "arguments": {_json(c["arguments"])}, "id": "{c.get("id")}"}}'
        for c in calls
    ]
    return f"[TOOL_CALLS] [{', '.join(told)}]</s>"


def _xml(said: str, calls: Calls) -> str:
    text = said
    for call in calls:
        pairs = "".join(
            f"<arg_key>{key}</arg_key>\n<arg_value>{_json(value)}</arg_value>\n"
            for key, value in call["arguments"].items()
        )
        text += f"\n<tool_call>{call['name']}\n{pairs}</tool_call>"
    return text + "<|end|>"


_CALLS_OF = "{% if m.role == 'assistant' and m.tool_calls %}"

TOOL_FAMILIES = {
    "hermes": ToolFamily(  # Qwen 2.5 and 3, Hermes
        Family(
            ("<|endoftext|>", "<|im_start|>", "<|im_end|>"),
            "{% if tools %}{{ '<|im_start|>system\n' }}{% if messages[0].role == 'system' %}"
            "{{ messages[0].content + '\n\n' }}{% endif %}{{ '# Tools\n<tools>' }}"
            "{% for tool in tools %}{{ '\n' + (tool | tojson) }}{% endfor %}"
            "{{ '\n</tools><|im_end|>\n' }}{% elif messages[0].role == 'system' %}"
            "{{ '<|im_start|>system\n' + messages[0].content + '<|im_end|>\n' }}{% endif %}"
            "{% for m in messages %}{% if m.role == 'user' %}"
            "{{ '<|im_start|>user\n' + m.content + '<|im_end|>\n' }}"
            "{% elif m.role == 'assistant' %}"
            "{{ '<|im_start|>assistant\n' + m.content }}{% for c in m.tool_calls %}"
            "{% if (loop.first and m.content) or not loop.first %}{{ '\n' }}{% endif %}"
            "{{ '<tool_call>\n{\"name\": \"' + c.function.name + '\", \"arguments\": ' + "
            "(c.function.arguments | tojson) + '}\n</tool_call>' }}{% endfor %}{{ '<|im_end|>\n' }}"
            "{% elif m.role == 'tool' %}"
            "{% if messages[loop.index0 - 1].role != 'tool' %}{{ '<|im_start|>user' }}{% endif %}"
            "{{ '\n<tool_response>\n' + m.content + '\n</tool_response>' }}"
            "{% if loop.last or messages[loop.index0 + 1].role != 'tool' %}{{ '<|im_end|>\n' }}"
            "{% endif %}{% endif %}{% endfor %}"
            "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
            "<|im_end|>",
            added=("<tool_call>", "</tool_call>"),
        ),
        _hermes,
    ),
    "llama3.1": ToolFamily(  # one call a turn, and nothing said beside it
        Family(
            ("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
            "{{ bos_token }}{% if tools %}{{ '<|start_header_id|>system<|end_header_id|>\n\n' }}"
            "{% for tool in tools %}{{ (tool | tojson) + '\n' }}{% endfor %}{{ '<|eot_id|>' }}"
            "{% endif %}{% for m in messages %}"
            + _CALLS_OF
            + "{% if m.tool_calls | length != 1 %}"
            "{{ raise_exception('This model only supports single tool-calls at once!') }}"
            "{% endif %}"
            "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n{\"name\": \"' + "
            "m.tool_calls[0].function.name + '\", \"parameters\": ' + "
            "(m.tool_calls[0].function.arguments | tojson) + '}<|eot_id|>' }}"
            "{% elif m.role == 'tool' %}{{ '<|start_header_id|>ipython<|end_header_id|>\n\n' + "
            "(m.content | tojson) + '<|eot_id|>' }}{% else %}"
            "{{ '<|start_header_id|>' + m.role + '<|end_header_id|>\n\n' + m.content | trim + "
            "'<|eot_id|>' }}{% endif %}{% endfor %}{% if add_generation_prompt %}"
            "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}",
            "<|eot_id|>",
        ),
        _llama,
        most_calls=1,
        says_and_calls=False,
    ),
    "mistral": ToolFamily(  # tools before the last question; ids of nine letters
        Family(
            ("<s>", "[INST]", "[/INST]", "[TOOL_CALLS]", "[TOOL_RESULTS]", "[/TOOL_RESULTS]",
             "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]", "</s>"),
            "{{ bos_token }}{% set ns = namespace(last=-1) %}{% for m in messages %}"
            "{% if m.role == 'user' %}{% set ns.last = loop.index0 %}{% endif %}{% endfor %}"
            "{% for m in messages %}{% if m.role == 'user' %}"
            "{% if tools and loop.index0 == ns.last %}{{ '[AVAILABLE_TOOLS] ' + (tools | tojson) + "
            "'[/AVAILABLE_TOOLS]' }}{% endif %}{{ '[INST] ' + m.content + '[/INST]' }}"
            "{% elif m.role == 'assistant' and m.tool_calls %}{{ '[TOOL_CALLS] [' }}"
            "{% for c in m.tool_calls %}{% if c.id | length != 9 %}"
            "{{ raise_exception('Tool call IDs should be alphanumeric strings with length 9!') }}"
            "{% endif %}{{ '{\"name\": \"' + c.function.name + '\", \"arguments\": ' + "
            "(c.function.arguments | tojson) + ', \"id\": \"' + c.id + '\"}' }}"
            "{% if not loop.last %}{{ ', ' }}{% endif %}{% endfor %}{{ ']' + eos_token }}"
            "{% elif m.role == 'assistant' %}{{ ' ' + m.content + eos_token }}"
            "{% elif m.role == 'tool' %}{{ '[TOOL_RESULTS] {\"content\": ' + m.content | tojson + "
            "', \"call_id\": \"' + m.tool_call_id + '\"}[/TOOL_RESULTS]' }}{% endif %}{% endfor %}",
            "</s>",
            takes_system=False,
        ),
        _mistral,
        says_and_calls=False,
    ),
    "glm": ToolFamily(  # each argument in tags of its own
        Family(
            ("<|pad|>", "<|system|>", "<|user|>", "<|assistant|>", "<|observation|>", "<|end|>"),
            "{% if tools %}{{ '<|system|>\n# Tools\n' }}{% for tool in tools %}"
            "{{ (tool | tojson) + '\n' }}{% endfor %}{% endif %}{% for m in messages %}"
            "{% if m.role == 'tool' %}{{ '<|observation|>\n<tool_response>\n' + m.content + "
            "'\n</tool_response>' }}{% elif m.role == 'assistant' %}"
            "{{ '<|assistant|>\n' + m.content }}"
            "{% for c in m.tool_calls %}{{ '\n<tool_call>' + c.function.name + '\n' }}"
            "{% for key, value in c.function.arguments.items() %}"
            "{{ '<arg_key>' + key + '</arg_key>\n<arg_value>' + (value | tojson) + "
            "'</arg_value>\n' }}{% endfor %}{{ '</tool_call>' }}{% endfor %}{{ '<|end|>' }}"
            "{% else %}{{ '<|' + m.role + '|>\n' + m.content }}{% endif %}{% endfor %}"
            "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}",
            "<|end|>",
            added=("<tool_call>", "</tool_call>"),
        ),
        _xml,
    ),
}  # fmt: skip
