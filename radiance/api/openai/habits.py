"""What clients of local servers send by habit and mean nothing by, or one harmless thing.

OpenAI's own clients send what OpenAI documents. Those of llama.cpp, LM Studio, Ollama, vLLM and
mlx-lm's server send more: -1 for "no limit", null for "not given", hints to caches. That is taken
for what it means, before a body is checked; what changes an answer is never dropped.
"""

import json
from typing import Any

from radiance.errors import RequestError

# A null says something there; the last two are Anthropic's, a tool's schema and a call of it.
_KEPT_AS_SENT = ("parameters", "schema", "metadata", "logit_bias", "input_schema", "input")
_LIMITS = ("max_tokens", "max_completion_tokens", "max_output_tokens")
_EFFORTS = ("minimal", "low", "medium", "high", "xhigh")
# What other servers offer, at the values at which it changes no answer.
_CHANGING_NOTHING: dict[str, tuple[Any, ...]] = {
    "add_generation_prompt": (True,),
    "backend_sampling": (True, False),
    "best_of": (1,),
    "cache_prompt": (True, False),
    "continue_final_message": (False,),
    "dry_multiplier": (0,),
    "dynatemp_range": (0,),
    "echo": (False,),
    "extra_body": ({},),
    "grammar": ("",),
    "include_reasoning": (True,),
    "id_slot": (-1,),
    "ignore_eos": (False,),
    "mirostat": (0,),
    "model": ("",),
    "options": ({},),
    "repeat_penalty": (1,),
    "return_progress": (False,),
    "skip_special_tokens": (True,),
    "stop": ("",),
    "suffix": ("",),
    "timings_per_token": (False,),
    "typical_p": (1,),
}
# What says how something works that is off, where its switch was sent with it or not at all.
_OF_SWITCHES = {
    "dry_multiplier": ("dry_base", "dry_allowed_length", "dry_penalty_last_n"),
    "dynatemp_range": ("dynatemp_exponent",),
    "mirostat": ("mirostat_tau", "mirostat_eta"),
    "repeat_penalty": ("repeat_last_n",),
}


def usual(data: Any) -> Any:
    """A body as OpenAI's own clients would have sent it.

    Raises:
        RequestError: ``chat_template_kwargs`` has more than whether to think.
    """
    if not isinstance(data, dict):
        return data
    body = without_nulls(data)
    for name in _LIMITS:  # -1 is no limit in llama.cpp and LM Studio
        if body.get(name) == -1:
            del body[name]
        elif isinstance(limit := body.get(name), float) and limit.is_integer():
            body[name] = int(limit)
    none_wanted = (-1,) if body.get("logprobs") else (-1, 0)  # -1 is mlx-lm's "none"
    if body.get("top_logprobs") in none_wanted:
        del body["top_logprobs"]
    if body.get("repetition_penalty") == 0:  # mlx-lm's "none"
        del body["repetition_penalty"]
    if body.get("functions") == []:
        del body["functions"]
    if "functions" not in body and body.get("function_call") in ("auto", "none"):
        del body["function_call"]
    if isinstance(stops := body.get("stop"), list) and "" in stops:
        body["stop"] = [stop for stop in stops if stop != ""]
    if body.get("tools") == []:
        del body["tools"]
    if "tools" not in body:  # what may be called of none
        if isinstance(body.get("parallel_tool_calls"), bool):
            del body["parallel_tool_calls"]
        if body.get("tool_choice") in ("auto", "none"):
            del body["tool_choice"]
    for name, values in _CHANGING_NOTHING.items():
        if name in body and body[name] in values:
            del body[name]
    for switch, others in _OF_SWITCHES.items():
        for name in others if switch not in body else ():
            body.pop(name, None)
    for name in ("keep_alive", "ttl"):  # Ollama's and LM Studio's: how long a model stays loaded
        body.pop(name, None)
    # mlx-lm's: how far to guess ahead, and with what. Guessing changes no answer.
    if _is_count(body.get("num_draft_tokens")):
        del body["num_draft_tokens"]
    if body.get("draft_model") == "default_model":
        del body["draft_model"]
    if body.get("model") == "default_model":
        del body["model"]
    if body.get("reasoning_effort") in _EFFORTS:  # there is thinking, and none
        del body["reasoning_effort"]
    _take_template_options(body)
    _take_thinking(body)
    if isinstance(tools := body.get("tools"), list):
        body["tools"] = [_without_hint(tool) for tool in tools]
    if isinstance(messages := body.get("messages"), list):
        body["messages"] = [_usual_message(message) for message in messages]
    return body


def _take_template_options(body: dict[str, Any]) -> None:
    """VLLM's and llama.cpp's way to say whether a model is to think."""
    options = body.pop("chat_template_kwargs", None)
    if options is None:
        return
    field = "chat_template_kwargs"
    if not isinstance(options, dict):
        raise RequestError(f"{field}: is not an object.", field=field, value=options)
    for name, value in options.items():
        if name not in ("enable_thinking", "thinking") or not isinstance(value, bool):
            raise RequestError.of(
                f"{field}.{name}",
                "is not supported",
                value,
                "Send enable_thinking, true or false; the rest is up to the template.",
            )
        if not value:
            body.setdefault("reasoning_effort", "none")


def _take_thinking(body: dict[str, Any]) -> None:
    """Ollama's, Qwen's and OpenRouter's ways to say the same."""
    for name in ("think", "enable_thinking"):
        if isinstance(wanted := body.get(name), bool):
            del body[name]
            if not wanted:
                body.setdefault("reasoning_effort", "none")
    reasoning = None if "input" in body else body.get("reasoning")  # OpenAI's own beside an input
    if isinstance(reasoning, dict) and reasoning.keys() <= {"effort", "enabled"}:
        effort, enabled = reasoning.get("effort"), reasoning.get("enabled", True)
        if effort in (None, "none", *_EFFORTS) and isinstance(enabled, bool):
            del body["reasoning"]
            if effort == "none" or not enabled:
                body.setdefault("reasoning_effort", "none")


def _without_hint(tool: Any) -> Any:
    if not isinstance(tool, dict):
        return tool
    return {name: value for name, value in tool.items() if name != "cache_control"}


def _usual_call(call: Any) -> Any:
    """A call as OpenAI's clients send it: its place among others is its place in the list."""
    if not isinstance(call, dict):
        return call
    kept = {name: value for name, value in call.items() if name != "index"}
    function = kept.get("function")
    if isinstance(function, dict) and isinstance(function.get("arguments"), dict):
        arguments = json.dumps(function["arguments"], ensure_ascii=False)  # Ollama's are no text
        kept["function"] = {**function, "arguments": arguments}
    return kept


def _usual_message(message: Any) -> Any:
    if not isinstance(message, dict):
        return message
    message = dict(message)
    if message.get("role") == "assistant" and "reasoning_content" not in message:
        for name in ("reasoning", "thinking"):  # OpenRouter's and Ollama's names of it
            if isinstance(message.get(name), str):
                message["reasoning_content"] = message.pop(name)
                break
    message.pop("cache_control", None)
    if isinstance(calls := message.get("tool_calls"), list):
        message["tool_calls"] = [_usual_call(call) for call in calls]
    if message.get("role") == "tool":
        message.setdefault("content", "")  # a tool that has nothing to say
    if isinstance(content := message.get("content"), list):
        message["content"] = [
            {name: value for name, value in part.items() if name != "cache_control"}
            if isinstance(part, dict)
            else part
            for part in content
        ]
    return message


def without_nulls(value: Any) -> Any:
    """Plain data without what is null, but within schemas and calls, where null is a value.

    Raises:
        RequestError: It is nested too deep.
    """
    try:
        return _without_nulls(value)
    except RecursionError:
        raise RequestError(
            "The body is nested too deep.", remedy="Send what the API documents."
        ) from None


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: item if name in _KEPT_AS_SENT else _without_nulls(item)
            for name, item in value.items()
            if item is not None
        }
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return value


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
