"""Who may do what: API keys with scopes, and the browser's rules that keep web pages out.

Two guards. ``Access`` asks for a key with the route's scope. ``OriginGuard`` stands before all
routes and stops what a foreign web page can make a browser send to a service on the same machine or
network: requests under a name the page's owner controls (DNS rebinding, the Host header) and
requests across origins that change something (Origin and Sec-Fetch-Site).
"""

import ipaddress
import re
import ssl
from typing import Literal
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection, Request
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as Connection

from radiance.api.auth import keys, sessions
from radiance.api.auth.keyring import Keyring, open_keyring
from radiance.api.auth.keys import Key, Scope
from radiance.api.errors import error_response
from radiance.config import Config, is_loopback
from radiance.errors import ConfigError, Forbidden, Unauthenticated
from radiance.telemetry import get_logger

_log = get_logger(__name__)
ANY: Literal["any"] = "any"
"""The scope of a route that needs a key, whatever that allows: what it does asks again."""
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
_ORIGIN = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?:\[[0-9a-f:]+\]|[a-z0-9._~-]+)(?::(?P<port>[0-9]+))?"
)
_NEVER_IN_A_HOST = frozenset("@/\\?#")  # a URL's parser takes a name apart at these
_REMEDY = (
    "Send a key as `Authorization: Bearer KEY`; client commands take it from RADIANCE_API_KEY."
    " `radiance keys new` makes one."
)


class Access:
    """What the settings say on who may come in.

    Attributes:
        needs_key: Whether requests need an API key.
        sessions: Browsers that are signed in with one.

    Raises:
        ConfigError: Keys are needed and there are none, or those there are cannot be used.
    """

    def __init__(self, config: Config) -> None:
        self._server = config.server
        self.sessions = sessions.Sessions()
        self.needs_key = config.access.required == "always" or (
            config.access.required == "auto" and not is_loopback(config.server.host)
        )
        self._keyring = open_keyring(config) if self.needs_key else None
        if self._keyring is not None and not len(self._keyring):
            raise ConfigError(
                f"access.required: {config.server.host} can be reached from other machines, so"
                f" requests need an API key, and there is none in {config.keys_path}. Make one with"
                f" `radiance keys new --root {config.root} --scope admin`, or listen on 127.0.0.1."
            )

        for origin in self._server.cors_origins:
            _check_origin(origin)

    @property
    def cors_origins(self) -> tuple[str, ...]:
        """Origins whose pages may call the service."""
        return self._server.cors_origins

    def admit(self, connection: HTTPConnection, scope: Scope | Literal["any"] | None) -> Key | None:
        """The caller's key, which allows ``scope``; None where none is needed.

        Raises:
            Unauthenticated: There is no key, or it is not known.
            Forbidden: It lacks the scope.
        """
        if self._keyring is None or scope is None:
            return None
        key = self._key_of(connection, self._keyring)
        connection.state.key = key  # whoever is refused is known, too
        if scope != ANY and not key.allows(scope):
            has = ", ".join(keys.sort_scopes(key.scopes))
            raise Forbidden(
                f'The API key "{key.name}" lacks the scope {scope}; it has {has}.',
                value=scope,
                remedy=f"Use a key with it: `radiance keys new --scope {scope}`.",
            )
        return key

    def _key_of(self, connection: HTTPConnection, keyring: Keyring) -> Key:
        """The key that was sent, or that the browser is signed in with.

        Raises:
            Unauthenticated: There is none, or it is not known (any more).
            Forbidden: A signed-in browser was made to act by another site's page.
        """
        secret = _presented(connection.headers)
        if secret is not None:
            key = keyring.find(secret)
            if key is None:
                raise Unauthenticated("This API key is not known here.", remedy=_REMEDY)
            return key
        session = sessions.secret_in(connection)
        digest = None if session is None else self.sessions.find(session)
        key = None if digest is None else keyring.of_digest(digest)
        if key is None:
            raise Unauthenticated("This service needs an API key.", remedy=_REMEDY)
        if connection.scope["method"] not in _SAFE_METHODS and not sessions.is_own_page(
            connection.headers
        ):
            raise Forbidden(
                "Only this service's own pages may act for a signed-in browser.",
                remedy="Send a key as `Authorization: Bearer KEY`.",
            )
        return key

    def sign_in(self, secret: str) -> str | None:
        """Begin a session of the key that ``secret`` is; what the browser is to keep.

        None where there is no such key, or none is needed.
        """
        key = self.key_of(secret)
        if key is None:
            _log.warning("sign_in_refused")
            return None
        _log.info("signed_in", key=key.name)
        return self.sessions.begin(key.digest)

    def key_of(self, secret: str) -> Key | None:
        """The key that ``secret`` is; None where there is no such key, or none is needed."""
        return None if self._keyring is None else self._keyring.find(secret)

    def knows_host(self, host: str) -> bool:
        """Whether the service may be addressed as ``host``, a Host header.

        Loopback names always; by address where it listens to other machines, because what a page
        rebinds is a name; and what ``server.allowed_hosts`` lists.
        """
        name = _host_name(host)
        if is_loopback(name) or name.endswith(".localhost"):
            return True
        if not is_loopback(self._server.host) and (_is_address(name) or name == self._server.host):
            return True
        return any(_fits(name, allowed.lower()) for allowed in self._server.allowed_hosts)

    def knows_origin(self, headers: Headers) -> bool:
        """Whether what changes something comes from our own pages, a listed origin or no page.

        Source: F. Valsorda, "Cross-Site Request Forgery", 2025, as in Go's CrossOriginProtection.
        """
        origin = headers.get("origin")
        if origin in self.cors_origins or "*" in self.cors_origins:
            return True
        site = headers.get("sec-fetch-site")
        if site is not None:
            return site in ("same-origin", "none")
        return origin is None or urlsplit(origin).netloc.lower() == headers.get("host", "").lower()


def _check_origin(origin: str) -> None:
    """Raise ConfigError for an origin that no browser ever sends."""
    if origin in ("*", "null"):
        return
    found = _ORIGIN.fullmatch(origin)
    if found and (found["scheme"], found["port"]) not in (("http", "80"), ("https", "443")):
        return
    raise ConfigError(
        f"server.cors_origins: {origin!r} can never match. Write an origin as browsers send it: "
        'scheme and host in small letters, a port unless it is the usual one, as in "https://'
        'chat.example" or "http://localhost:3000", without a path, a slash at the end or a *.'
    )


class OriginGuard:
    """Refuses what a foreign web page may have sent, before anything looks at it."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app, self._access = app, access

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        app: ASGIApp = self._app
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            host = headers.get("host")
            count = len(headers.getlist("host"))
            is_bad = count > 1 or (not count and scope.get("http_version") == "1.1")
            # Without a Host header it is no browser.
            if is_bad or (host is not None and _NEVER_IN_A_HOST & set(host)):
                app = error_response(
                    400,
                    "Host: has to be sent once, as a name and perhaps a port.",
                    code="invalid_request",
                    param="Host",
                    value=host,
                    remedy="Send the address that the service is reached by.",
                    path=scope["path"],
                )
            elif host is not None and not self._access.knows_host(host):
                app = error_response(
                    421,
                    f"This service is not addressed as {host}.",
                    code="unknown_host",
                    value=host,
                    remedy=f'Use its address, or add "{_host_name(host)}" to server.allowed_hosts.',
                    path=scope["path"],
                )
            elif _does_something(scope, headers) and not self._access.knows_origin(headers):
                origin = headers.get("origin")
                app = error_response(
                    403,
                    f"Pages of {origin or 'another site'} may not do anything here.",
                    code="unknown_origin",
                    value=origin,
                    remedy="Add the origin to server.cors_origins if it may.",
                    path=scope["path"],
                )
        await app(scope, receive, send)


def _does_something(scope: Connection, headers: Headers) -> bool:
    """Whether a request changes something, or has work behind it that a page elsewhere embeds.

    A question in the address of a page is answered; followed as a link that is what was meant, but
    an image of another site would only cost time.
    """
    if scope["method"] not in _SAFE_METHODS:
        return True
    is_embedded = headers.get("sec-fetch-mode", "navigate") != "navigate"
    return is_embedded and b"prompt=" in scope.get("query_string", b"")


def actor_of(request: Request, by: str = "api") -> str:
    """Who asks, as the audit log names them: ``api``, or ``api:NAME`` of the key's name.

    ``by`` is what they ask with: ``api`` or ``dashboard``.
    """
    key: Key | None = getattr(request.state, "key", None)
    return by if key is None else f"{by}:{key.name}"


def sender_of(request: Request) -> Key | None:
    """The key that a request came with; None where none is needed."""
    return getattr(request.state, "key", None)


def tls_files(config: Config) -> tuple[str, str | None] | None:
    """Paths of the certificate and of its key where it has a file of its own; None: plain HTTP.

    Raises:
        ConfigError: They cannot be used.
    """
    server = config.server
    if not server.tls_cert:
        if server.tls_key:
            raise ConfigError("server.tls_key: is of no use without server.tls_cert.")
        return None
    certificate = str(config.root / server.tls_cert)
    key = str(config.root / server.tls_key) if server.tls_key else None
    try:
        # No prompt for a passphrase: there may be nobody to answer it.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password=b"")
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise ConfigError(
            f"server.tls_cert, server.tls_key: {certificate} and {key or 'the key in it'} cannot be"
            f" used ({error.strerror if isinstance(error, OSError) else error}). Both are PEM files"
            " without a passphrase."
        ) from None
    return certificate, key


def _presented(headers: Headers) -> str | None:
    scheme, _, secret = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and secret.strip():
        return secret.strip()
    return headers.get("x-api-key")


def _host_name(host: str) -> str:
    """The name in a Host header: without port, brackets and the root's dot, in lower case."""
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _fits(name: str, allowed: str) -> bool:
    return allowed in ("*", name) or (allowed.startswith("*.") and name.endswith(allowed[1:]))
