"""Signed-in browsers: a random id in a cookie stands for a key, which the browser does not keep.

The ids are kept in memory as hashes, so a restart signs everybody out, and nothing that could be
read from disk or from this process opens the service. What a session may do is what its key may do
now: a key that was removed takes its sessions with it. Used from the event loop's thread.
"""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.responses import Response

from radiance import limits
from radiance.api.auth.keys import digest

IDLE_S = 12 * 3600.0
LONGEST_S = 7 * 24 * 3600.0
_MOST = 1000
_SECRET_BYTES = 32


@dataclass
class _Session:
    key_digest: str
    began_at: float
    used_at: float


class Sessions:
    """The browsers that are signed in.

    Args:
        clock: Seconds on a clock that never goes back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: dict[str, _Session] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def begin(self, key_digest: str) -> str:
        """A new session for a key; the secret that its browser is to keep.

        The least recently used one of the key ends where it has too many, so that no key signs
        another's browsers out; then the least recently used of all.
        """
        now = self._clock()
        self._sweep(now)
        own = [name for name, session in self._kept.items() if session.key_digest == key_digest]
        self._end_least_used(own, len(own) - limits.SESSIONS_OF_A_KEY.value + 1)
        self._end_least_used(list(self._kept), len(self._kept) - _MOST + 1)
        secret = secrets.token_urlsafe(_SECRET_BYTES)
        self._kept[digest(secret)] = _Session(key_digest, now, now)
        return secret

    def find(self, secret: str) -> str | None:
        """The digest of the key that a session stands for; None where it has ended."""
        now = self._clock()
        session = self._kept.get(digest(secret))
        if session is None or _has_ended(session, now):
            return None
        session.used_at = now
        return session.key_digest

    def end(self, secret: str) -> None:
        """Sign out; nothing happens where there is no such session."""
        self._kept.pop(digest(secret), None)

    def _end_least_used(self, names: list[str], count: int) -> None:
        names.sort(key=lambda name: self._kept[name].used_at)
        for name in names[: max(0, count)]:
            del self._kept[name]

    def _sweep(self, now: float) -> None:
        self._kept = {n: s for n, s in self._kept.items() if not _has_ended(s, now)}


def cookie_name(connection: HTTPConnection) -> str:
    """The cookie of this service: browsers do not tell services on one machine apart by port."""
    return f"radiance_session_{connection.url.port or connection.url.scheme}"


def secret_in(connection: HTTPConnection) -> str | None:
    """What the browser keeps, if it is signed in."""
    return connection.cookies.get(cookie_name(connection)) or None


def keep(response: Response, connection: HTTPConnection, secret: str) -> None:
    """Have the browser keep a session's secret: for this site alone, and from no script."""
    response.set_cookie(
        cookie_name(connection),
        secret,
        max_age=int(LONGEST_S),
        secure=connection.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )


def drop(response: Response, connection: HTTPConnection) -> None:
    """Have the browser forget it."""
    response.delete_cookie(
        cookie_name(connection),
        secure=connection.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )


def is_own_page(headers: Headers) -> bool:
    """Whether one of our own pages sent this.

    Stricter than ``Access.knows_origin``: a cookie comes along by itself, so that listed origins
    and pages of other ports of the same machine, which browsers count as the same site, must not
    act by it.
    """
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = headers.get("origin", "")
    return origin.partition("://")[2].lower() == headers.get("host", "").lower() != ""


def _has_ended(session: _Session, now: float) -> bool:
    return now - session.used_at > IDLE_S or now - session.began_at > LONGEST_S
