"""radiance.toml and the environment, read once, into one frozen ``Config``.

Only this package reads either. Every key stands here once, with its default, its allowed range and
its description: the modules ``*_settings`` have the sections, extensions add theirs, ``loading``
reads them, and ``radiance.toml`` at the top of the repository is rendered from them
(``rendering``); a test keeps the two the same.
"""

from radiance.config.alert_settings import AlertSettings
from radiance.config.backup_settings import BackupSettings
from radiance.config.fallback_settings import ChainSettings, UpstreamSettings
from radiance.config.gate_settings import EvaluationSettings, GateSettings, MonitorSettings
from radiance.config.learning_settings import (
    QUIET_HOURS,
    AnchorSettings,
    SupersedeRule,
    TrainingSettings,
    UpdateMode,
    UpdateSettings,
)
from radiance.config.loading import (
    FILE_NAME,
    Backend,
    Config,
    config_class,
    is_loopback,
    load,
    secret,
    service_keys,
)
from radiance.config.memory_settings import MemoryMode, MemorySettings
from radiance.config.rendering import render_default, to_toml
from radiance.config.retention_settings import RetentionSettings
from radiance.config.section import Section
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
    "AlertSettings",
    "AnchorSettings",
    "Backend",
    "BackupSettings",
    "ChainSettings",
    "Config",
    "EngineSettings",
    "EvaluationSettings",
    "GateSettings",
    "LogSettings",
    "MemoryMode",
    "MemorySettings",
    "MonitorSettings",
    "Priority",
    "RetentionSettings",
    "Section",
    "ServerSettings",
    "Shard",
    "SupersedeRule",
    "TrainingSettings",
    "UpdateMode",
    "UpdateSettings",
    "UpstreamSettings",
    "config_class",
    "is_loopback",
    "load",
    "render_default",
    "secret",
    "service_keys",
    "to_toml",
]
