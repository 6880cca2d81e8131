"""The two protocols: OpenAI's completions, as many serve them, and Anthropic's messages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from radiance.config import UpstreamSettings

_ANTHROPIC_VERSION = "2023-06-01"
_MOST_BYTES = 4 << 20
_MOST_REASON = 200


class UpstreamFailed(Exception):
    """An upstream gave no usable answer; the message is for a log and holds no key."""


@dataclass(frozen=True)
class UpstreamRequest:
    """What is wanted of a model.

    Attributes:
        messages: (role, content) of each turn.
        continues: The one message is a text to be continued, not a turn to be answered.
    """

    messages: Sequence[tuple[str, str]]
    max_tokens: int
    temperature: float
    continues: bool = False


def can_ask(upstream: UpstreamSettings, asked: UpstreamRequest) -> bool:
    """Whether its protocol has that; Anthropic's continues no texts."""
    return upstream.kind == "openai" or not asked.continues


async def ask(
    client: httpx.AsyncClient,
    upstream: UpstreamSettings,
    key: str,
    asked: UpstreamRequest,
    timeout_s: float,
) -> str:
    """Ask an upstream.

    Raises:
        UpstreamFailed: It cannot be reached, refuses, is too slow, or answers something else.
    """
    path, headers, body = _request(upstream, key, asked)
    try:
        response = await client.post(
            upstream.url.rstrip("/") + path, json=body, headers=headers, timeout=timeout_s
        )
    except httpx.TimeoutException:
        raise UpstreamFailed(f"no answer within {timeout_s:.1f} s") from None
    except httpx.HTTPError as error:
        raise UpstreamFailed(_without(key, f"{type(error).__name__}: {error}")) from None
    if response.status_code != 200:
        # The body is not told: upstreams quote keys in their refusals.
        raise UpstreamFailed(f"HTTP status {response.status_code}")
    if len(response.content) > _MOST_BYTES:
        raise UpstreamFailed("the answer is too large")
    try:
        text = _text(upstream, response.json(), asked)
    except (ValueError, KeyError, IndexError, TypeError):
        raise UpstreamFailed("the answer is not of its protocol") from None
    if not isinstance(text, str) or not text.strip():
        raise UpstreamFailed("the answer is empty")
    return text


def _request(
    upstream: UpstreamSettings, key: str, asked: UpstreamRequest
) -> tuple[str, dict[str, str], Mapping[str, Any]]:
    messages = [{"role": role, "content": content} for role, content in asked.messages]
    body: dict[str, Any] = {
        "model": upstream.model,
        "max_tokens": asked.max_tokens,
        "temperature": asked.temperature,
    }
    if upstream.kind == "openai":
        headers = {"authorization": f"Bearer {key}"} if key else {}
        if asked.continues:
            return "/completions", headers, {**body, "prompt": asked.messages[0][1]}
        return "/chat/completions", headers, {**body, "messages": messages}
    headers = {"x-api-key": key, "anthropic-version": _ANTHROPIC_VERSION}
    system = "\n\n".join(text for role, text in asked.messages if role == "system")
    body["messages"] = [message for message in messages if message["role"] != "system"]
    body["temperature"] = min(1.0, asked.temperature)  # theirs ends at 1
    return "/messages", headers, {**body, "system": system} if system else body


def _text(upstream: UpstreamSettings, answer: Any, asked: UpstreamRequest) -> Any:
    if asked.continues:
        return answer["choices"][0]["text"]
    if upstream.kind == "openai":
        return answer["choices"][0]["message"]["content"]
    return "".join(part["text"] for part in answer["content"] if part["type"] == "text")


def _without(key: str, reason: str) -> str:
    shown = reason.replace(key, "***") if key else reason
    return shown[:_MOST_REASON]
