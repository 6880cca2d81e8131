"""radiance.toml and the environment, read once, into one frozen ``Config``.

This is the only room that reads either. Every key stands here once, with its default, its allowed
range and its description: the modules ``*_settings`` have the sections, ``loading`` reads them,
and ``radiance.toml`` at the top of the repository is rendered from them (``rendering``); a test
keeps the two the same.
"""

from radiance.config.gate_settings import EvaluationSettings, GateSettings, MonitorSettings
from radiance.config.lab_settings import AlphasSettings, ChainSettings, UpstreamSettings
from radiance.config.learning_settings import (
    QUIET_HOURS,
    AnchorSettings,
    TrainingSettings,
    UpdateMode,
    UpdateSettings,
)
from radiance.config.loading import (
    FILE_NAME,
    Backend,
    Config,
    is_loopback,
    load,
    secret,
    service_keys,
)
from radiance.config.rendering import render_default, to_toml
from radiance.config.serving_settings import (
    AccessSettings,
    EngineSettings,
    LogSettings,
    Priority,
    ServerSettings,
    Shard,
)

__all__ = [
    "FILE_NAME",
    "QUIET_HOURS",
    "AccessSettings",
    "AlphasSettings",
    "AnchorSettings",
    "Backend",
    "ChainSettings",
    "Config",
    "EngineSettings",
    "EvaluationSettings",
    "GateSettings",
    "LogSettings",
    "MonitorSettings",
    "Priority",
    "ServerSettings",
    "Shard",
    "TrainingSettings",
    "UpdateMode",
    "UpdateSettings",
    "UpstreamSettings",
    "is_loopback",
    "load",
    "render_default",
    "secret",
    "service_keys",
    "to_toml",
]
