"""The fallback chain: the local model and the configured upstreams, one after another.

Each attempt has at most its share of what is left of the deadline, so that a slow link leaves time
for those after it. Who keeps failing is passed over until its breaker lets it try again.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import httpx
import msgspec

from radiance import config
from radiance.config import ChainSettings, UpstreamSettings
from radiance.errors import ConfigError, Overloaded, RadianceError, Unavailable
from radiance.fallback.breaker import Breaker, State
from radiance.fallback.providers import UpstreamFailed, UpstreamRequest, ask, can_ask
from radiance.telemetry import get_logger

T = TypeVar("T")
LOCAL = "local"
_log = get_logger(__name__)


class UpstreamState(msgspec.Struct, frozen=True):
    """How an upstream is doing."""

    name: str
    state: State
    failure_ratio: float
    latency_s: float


@dataclass(frozen=True)
class FallbackResult(Generic[T]):
    """An answer and who gave it.

    Attributes:
        value: The local model's answer, or an upstream's text.
        provider: "local", or the upstream's name.
        tried: Who was asked before, and why that was not enough.
    """

    value: T | str
    provider: str
    tried: tuple[tuple[str, str], ...] = ()


class Chain:
    """Asks in order until somebody answers.

    Raises:
        ConfigError: An upstream's address would send a key in clear text, or its key is not set.
    """

    def __init__(self, settings: ChainSettings) -> None:
        self._settings = settings
        self._keys = {upstream.name: _key(upstream) for upstream in settings.upstreams}
        self._breakers = {
            upstream.name: Breaker(settings.breaker_failures, settings.breaker_seconds)
            for upstream in settings.upstreams
        }

    def states(self) -> list[UpstreamState]:
        """Each upstream's breaker, failure ratio and latency, in the order they are asked."""
        return [
            UpstreamState(upstream.name, breaker.state, breaker.failure_ratio, breaker.latency_s)
            for upstream in self._ordered()
            for breaker in (self._breakers[upstream.name],)
        ]

    @property
    def upstreams(self) -> tuple[str, ...]:
        """The names of the upstreams that are configured."""
        return tuple(upstream.name for upstream in self._settings.upstreams)

    async def ask(self, name: str, asked: UpstreamRequest) -> str:
        """One upstream's answer, by its name.

        Raises:
            UpstreamFailed: It gave none, or its circuit breaker is open.
        """
        upstream = next(known for known in self._settings.upstreams if known.name == name)
        try:
            return await self._ask(upstream, asked, upstream.timeout_s)
        except TimeoutError:
            raise UpstreamFailed(f"no answer within {upstream.timeout_s:.1f} s") from None

    async def answer(
        self,
        local: Callable[[], Awaitable[T]],
        asked: UpstreamRequest | None,
        accepts: Callable[[T | str], str | None] = lambda _: None,
    ) -> FallbackResult[T]:
        """The first acceptable answer.

        Args:
            local: Asks the local model.
            asked: The same for upstreams; None where only the local model can be asked that.
            accepts: Why an answer is not good enough, or None. With no better one the local
                model's is given all the same.

        Raises:
            RadianceError: The local model's own error, where no upstream is configured, or none
                answered either.
            Unavailable: Nobody answered by the deadline.
        """
        links: list[UpstreamSettings | None] = []
        if asked is not None:
            links += [upstream for upstream in self._ordered() if can_ask(upstream, asked)]
        if asked is None or not links:
            return FallbackResult(await local(), LOCAL)
        deadline = time.monotonic() + self._settings.deadline_s
        tried: list[tuple[str, str]] = []
        kept: T | None = None
        failure: RadianceError | None = None
        links.insert(0 if self._settings.local == "first" else len(links), None)
        for place, link in enumerate(links):
            left = deadline - time.monotonic()
            if left <= 0:
                break
            share = left / (len(links) - place)
            name = LOCAL if link is None else link.name
            value: T | str
            try:
                if link is None:
                    kept = await asyncio.wait_for(local(), share)
                    value = kept
                else:
                    value = await self._ask(link, asked, min(share, link.timeout_s))
            except TimeoutError:
                tried.append((name, f"no answer within {share:.1f} s"))
                continue
            except (Overloaded, Unavailable) as error:
                failure = error
                tried.append((name, str(error)))
                continue
            except UpstreamFailed as error:
                tried.append((name, str(error)))
                _log.warning("upstream_failed", upstream=name, reason=str(error))
                continue
            reason = accepts(value)
            if reason is None:
                return FallbackResult(value, name, tuple(tried))
            tried.append((name, reason))
        if kept is not None:
            return FallbackResult(kept, LOCAL, tuple(tried))
        if failure is not None:
            raise failure
        raise Unavailable(
            f"no model answered within {self._settings.deadline_s:g} s: "
            + "; ".join(f"{name}: {reason}" for name, reason in tried)
        )

    async def _ask(
        self, upstream: UpstreamSettings, asked: UpstreamRequest, timeout_s: float
    ) -> str:
        breaker = self._breakers[upstream.name]
        if not breaker.allows():
            raise UpstreamFailed("its circuit breaker is open")
        began = time.monotonic()
        try:
            # httpx bounds each read, a trickle of bytes would never end: bound the whole. No proxy
            # and no netrc of the environment: only the addresses that are configured.
            async with httpx.AsyncClient(trust_env=False) as client:
                text = await asyncio.wait_for(
                    ask(client, upstream, self._keys[upstream.name], asked, timeout_s), timeout_s
                )
        except (UpstreamFailed, TimeoutError) as error:
            breaker.failed()
            if breaker.state == "open":
                _log.warning("breaker_opened", upstream=upstream.name)
            reason = str(error) or f"no answer within {timeout_s:.1f} s"
            raise UpstreamFailed(reason) from None
        except BaseException:
            breaker.gave_up()
            raise
        breaker.succeeded(time.monotonic() - began)
        return text

    def _ordered(self) -> list[UpstreamSettings]:
        upstreams = list(self._settings.upstreams)
        if self._settings.order == "cost":
            upstreams.sort(key=lambda upstream: upstream.cost)
        if self._settings.order == "health":
            upstreams.sort(key=self._health)
        return upstreams

    def _health(self, upstream: UpstreamSettings) -> tuple[bool, float, float]:
        breaker = self._breakers[upstream.name]
        return breaker.state == "open", round(breaker.failure_ratio, 1), breaker.latency_s


def _key(upstream: UpstreamSettings) -> str:
    address = httpx.URL(upstream.url)
    is_local = address.host in ("127.0.0.1", "::1", "localhost")
    if address.scheme != "https" and not (address.scheme == "http" and is_local):
        raise ConfigError(
            f'chain.upstreams: the url of "{upstream.name}" (is "{upstream.url}"): would send '
            "prompts and key in clear text. Give an https address."
        )
    if not upstream.key_env:
        return ""
    key = config.secret(upstream.key_env)
    if not key:
        raise ConfigError(
            f'chain.upstreams: the key of "{upstream.name}": {upstream.key_env} is not set in the '
            "environment. Set it, or leave key_env empty for an upstream without a key."
        )
    return key
