"""The Python client of a running service: ``Client``, and ``AsyncClient`` for coroutines.

``operations.py`` says once what each method asks and how it reads the answer, without doing any
input or output; ``wire.py`` turns calls into bytes and answers into values or errors; the two
clients add a transport. It knows nothing of the service but its HTTP API.
"""

from radiance.client.answers import (
    CheckpointInfo,
    Correction,
    Curves,
    DocumentInfo,
    DocumentReceipt,
    ForgetInfo,
    Forgotten,
    JobFailed,
    JobInfo,
    JobProgress,
    Match,
    Move,
    PassageMatch,
    Receipt,
    SearchResult,
    ServiceInfo,
    Vote,
)
from radiance.client.clients import AsyncClient, Client

__all__ = [
    "AsyncClient",
    "CheckpointInfo",
    "Client",
    "Correction",
    "Curves",
    "DocumentInfo",
    "DocumentReceipt",
    "ForgetInfo",
    "Forgotten",
    "JobFailed",
    "JobInfo",
    "JobProgress",
    "Match",
    "Move",
    "PassageMatch",
    "Receipt",
    "SearchResult",
    "ServiceInfo",
    "Vote",
]
