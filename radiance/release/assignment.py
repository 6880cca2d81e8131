"""Which side of a trial a caller meets: the one router of canaries and of outcome trials."""

import hashlib
from typing import NamedTuple


class Assignment(NamedTuple):
    """Where a caller stands in one trial.

    Attributes:
        is_candidate: Whether the candidate answers, not the champion.
        caller: The caller as a hash that means nothing outside of the trial.
    """

    is_candidate: bool
    caller: str


def assign(trial: str, caller: str, share: float) -> Assignment:
    """Assign a caller to a side; always the same one within a trial, another draw in the next.

    Args:
        trial: What tells this trial from every other.
        caller: Who asks.
        share: Of the callers that the candidate answers, in [0, 1].
    """
    digest = hashlib.sha256(f"{trial}:{caller}".encode("utf-8", "surrogatepass")).digest()
    return Assignment(int.from_bytes(digest[:8]) / 2**64 < share, digest[8:16].hex())
