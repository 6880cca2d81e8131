"""Every error that Radiance raises on purpose.

    RadianceError
    ├─ ConfigError(ValueError)          radiance.toml, a flag or the base model cannot be used
    ├─ RequestError(ValueError)         the caller's fault: names field, value and remedy
    │  ├─ NotFound(LookupError)         no such job or checkpoint
    │  ├─ Conflict                      the same idempotency key with another body
    │  ├─ Unauthenticated               no API key, or one that is not known
    │  ├─ Forbidden                     the API key lacks the scope, or the caller the right origin
    │  ├─ BadAdapter                    an adapter made elsewhere that cannot be used
    │  ├─ TooLarge                      a body or an example over its limit
    │  └─ AlphaError                    an alpha (labs/alphas): syntax, types, data
    ├─ Overloaded                       too much is waiting; try again later
    ├─ Unavailable                      starting, stopping, or another process owns the root
    │  └─ NoConnection                   nothing listens at the address (client/wire.py)
    ├─ SlowRequest                      a request did not arrive within its time
    ├─ TrainingError(RuntimeError)      a cycle failed; serving is untouched
    │  └─ Diverged                      a loss or gradient became non-finite or exploded
    ├─ Cancelled                        the request or the cycle was called off
    ├─ LostRank                         another machine of a distributed training is gone
    ├─ TimedOut                         a request took longer than it may
    ├─ EngineFailed                     the engine broke down under a request
    ├─ RegistryError                    a checkpoint cannot be used
    │  └─ CorruptCheckpoint             its files do not match its manifest
    └─ StorageError(OSError)            the disk or the database failed

Rooms raise these. ``api/errors.py`` alone turns them into a status and a body, ``cli/output.py``
alone into a line on stderr and an exit code.
"""

from typing import Any, Self


class RadianceError(Exception):
    """Base of all errors below; ``str()`` of each is a sentence for a person."""


class ConfigError(RadianceError, ValueError):
    """A setting cannot be used. The message names where it stands, the value and the remedy."""


class RequestError(RadianceError, ValueError):
    """The caller sent something that cannot be accepted; nothing of it was kept.

    Attributes:
        field: Path of the offending field, as in ``examples[2].input``, or None for the whole body.
        value: The offending value as it was sent, or None where there is none to show.
        remedy: What the caller can do about it, as a sentence.
    """

    code = "invalid_request"

    def __init__(
        self,
        message: str,
        *,
        field: str | None = None,
        value: Any = None,
        remedy: str = "",
    ) -> None:
        super().__init__(message)
        self.field = field
        self.value = value
        self.remedy = remedy

    @classmethod
    def of(cls, field: str, what: str, value: Any, remedy: str) -> Self:
        """The error of a field; ``what`` is wrong follows its name, without a full stop."""
        return cls(f"{field}: {what}.", field=field, value=value, remedy=remedy)


class NotFound(RequestError, LookupError):
    """There is no job or checkpoint of that name."""

    code = "not_found"

    @classmethod
    def named(cls, what: str, name: object, field: str, remedy: str) -> Self:
        """The error of a name that nothing of a kind has: "There is no job 'job_1'."."""
        return cls(f"There is no {what} {name!r}.", field=field, value=name, remedy=remedy)


class Conflict(RequestError):
    """The request contradicts something that was accepted before."""

    code = "conflict"


class Unauthenticated(RequestError):
    """An API key is needed, and none was sent or it is not known."""

    code = "invalid_api_key"


class Forbidden(RequestError):
    """The caller is known and may not do this."""

    code = "insufficient_scope"


class BadAdapter(RequestError):
    """An adapter made elsewhere cannot be used with this base model; nothing of it was kept."""

    code = "bad_adapter"


class TooLarge(RequestError):
    """A body, an example or a prompt is over its limit."""

    code = "too_large"


class Overloaded(RadianceError):
    """Too much is waiting already.

    Attributes:
        retry_after_s: When it is worth trying again, in seconds.
    """

    def __init__(self, message: str, retry_after_s: int = 1) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Unavailable(RadianceError):
    """The service is starting or stopping, or its root belongs to another process."""


class SlowRequest(RadianceError):
    """A request did not arrive within its time."""


class TrainingError(RadianceError, RuntimeError):
    """A training cycle failed. The adapter that was serving goes on serving."""


class Diverged(TrainingError):
    """A loss or gradient became NaN or infinite, or the loss exploded."""


class OutOfMemory(TrainingError):
    """A training needs more memory than there is.

    Attributes:
        is_passing: Whether the machine has that much in all, and others have it now.
    """

    def __init__(self, message: str, *, is_passing: bool) -> None:
        super().__init__(message)
        self.is_passing = is_passing


class Cancelled(RadianceError):
    """The request or cycle was called off before it finished."""


class LostRank(RadianceError):
    """Another rank of a distributed training is gone; what was being computed can be done again."""


class TimedOut(RadianceError):
    """A request was not answered within its time."""


class EngineFailed(RadianceError, RuntimeError):
    """The engine broke down while it held a request; nothing that was accepted is lost."""


class RegistryError(RadianceError):
    """A checkpoint cannot be committed, found or used."""


class CorruptCheckpoint(RegistryError):
    """A checkpoint's files do not match its manifest; the message names both hashes."""


class StorageError(RadianceError, OSError):
    """The disk or the database failed or is not usable.

    Attributes:
        reason: What the system says of it, without the path: clients are told no more.
        is_full: Whether there is no room.
    """

    def __init__(self, message: str, *, reason: str = "", is_full: bool = False) -> None:
        super().__init__(message)
        self.reason = reason or "it is not usable"
        self.is_full = is_full
