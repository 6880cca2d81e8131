"""radiance.toml and the environment, read once, into one frozen ``Config``.

This is the only room that reads either. Every key stands here once, with its default, its allowed
range and its description: ``serving``, ``learning`` and ``desk`` have the sections, ``loading``
reads them, and ``radiance.toml`` at the top of the repository is rendered from them
(``rendering``); a test keeps the two the same.
"""

from radiance.config.desk import Alphas, Chain, Upstream
from radiance.config.learning import (
    QUIET_HOURS,
    Anchor,
    Evaluation,
    Gate,
    Monitor,
    Training,
    Update,
    UpdateMode,
)
from radiance.config.loading import (
    FILE_NAME,
    Backend,
    Config,
    client_key,
    client_url,
    is_loopback,
    load,
    secret,
    service_keys,
)
from radiance.config.rendering import render_default
from radiance.config.serving import Access, Engine, Log, Priority, Server, Shard

__all__ = [
    "FILE_NAME",
    "QUIET_HOURS",
    "Access",
    "Alphas",
    "Anchor",
    "Backend",
    "Chain",
    "Config",
    "Engine",
    "Evaluation",
    "Gate",
    "Log",
    "Monitor",
    "Priority",
    "Server",
    "Shard",
    "Training",
    "Update",
    "UpdateMode",
    "Upstream",
    "client_key",
    "client_url",
    "is_loopback",
    "load",
    "render_default",
    "secret",
    "service_keys",
]
