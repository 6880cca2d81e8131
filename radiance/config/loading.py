"""radiance.toml and the environment, read once, into one frozen ``Config``."""

import difflib
import ipaddress
import os
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, cast

import msgspec
import tomli
from msgspec import Meta

from radiance import extensions, validation
from radiance.config.alert_settings import AlertSettings
from radiance.config.backup_settings import BackupSettings
from radiance.config.fallback_settings import ChainSettings
from radiance.config.gate_settings import EvaluationSettings, GateSettings, MonitorSettings
from radiance.config.learning_settings import (
    AnchorSettings,
    TrainingSettings,
    UpdateSettings,
)
from radiance.config.memory_settings import MemorySettings
from radiance.config.retention_settings import RetentionSettings
from radiance.config.section import Section
from radiance.config.serving_settings import (
    AccessSettings,
    EngineSettings,
    LogSettings,
    ServerSettings,
)
from radiance.errors import ConfigError

FILE_NAME = "radiance.toml"
Backend = Literal["auto", "metal", "mps", "cuda", "cpu"]
S = TypeVar("S", bound=Section)


class Config(Section, frozen=True):
    """All settings. ``root`` is where adapters/, anchors/ and runs/ live; it comes from a flag.

    These are the core's; what ``load`` returns has the sections of extensions too (``section``).
    """

    base_model: Annotated[
        str,
        Meta(
            description='Base model: "ember", "smollm2", a local directory, a GGUF file, or a '
            "Hugging Face Hub id."
        ),
    ] = "ember"
    backend: Annotated[
        Backend, Meta(description="Device that MLX computes on; mps means metal.")
    ] = "auto"
    server: ServerSettings = ServerSettings()
    access: AccessSettings = AccessSettings()
    engine: EngineSettings = EngineSettings()
    memory: MemorySettings = MemorySettings()
    alerts: AlertSettings = AlertSettings()
    backup: BackupSettings = BackupSettings()
    retention: RetentionSettings = RetentionSettings()
    update: UpdateSettings = UpdateSettings()
    training: TrainingSettings = TrainingSettings()
    anchor: AnchorSettings = AnchorSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    gate: GateSettings = GateSettings()
    monitor: MonitorSettings = MonitorSettings()
    chain: ChainSettings = ChainSettings()
    log: LogSettings = LogSettings()
    root: Path = Path()

    def section(self, kind: type[S]) -> S:
        """The section of an extension, which has the type ``kind``; its defaults where unset."""
        for name in self.__struct_fields__:
            if isinstance(value := getattr(self, name), kind):
                return value
        return kind()

    @property
    def adapters_path(self) -> Path:
        return self.root / "adapters"

    @property
    def anchors_path(self) -> Path:
        return self.root / "anchors"

    @property
    def runs_path(self) -> Path:
        return self.root / "runs"

    @property
    def keys_path(self) -> Path:
        return self.root / self.access.keys_file

    @property
    def database_path(self) -> Path:
        return self.runs_path / "radiance.db"


@cache
def config_class() -> type[Config]:
    """``Config`` with the sections of the extensions that are installed.

    Raises:
        ConfigError: An extension would replace a setting of the core.
    """
    sections = {}
    for extension in extensions.installed():
        if extension.settings is None:
            continue
        if extension.name in Config.__struct_fields__:
            raise ConfigError(
                f"[{extension.name}]: is a section of Radiance's own, and an installed extension "
                "has the same name. Uninstall that extension."
            )
        sections[extension.name] = extension.settings
    made = msgspec.defstruct(
        "Config",
        [(name, kind, kind()) for name, kind in sections.items()],
        bases=(Config,),
        frozen=True,
        kw_only=True,
        forbid_unknown_fields=True,
    )
    return cast("type[Config]", made)


def load(
    root: Path, overrides: Mapping[str, object] | None = None, file: Path | None = None
) -> Config:
    """Read the configuration of a root.

    Args:
        root: Directory that holds adapters/, anchors/, runs/ and, perhaps, radiance.toml.
        overrides: Values from flags by dotted name, ``{"server.port": 0}``; None values are passed
            over. They win over the file.
        file: The file to read instead of ``root/radiance.toml``; it must exist.

    Raises:
        ConfigError: The file cannot be read, or a key is unknown or out of range.
    """
    path = file or root / FILE_NAME
    data = _read(path) if file is not None or path.exists() else {}
    if "root" in data:
        raise ConfigError(f"{path}: root: is not a setting of the file. Use the flag --root.")
    origin = {}
    for name, value in (overrides or {}).items():
        if value is None:
            continue
        origin[name] = value
        *sections, key = name.split(".")
        table = data
        for section in sections:
            table = table.setdefault(section, {})
            if not isinstance(table, dict):
                raise ConfigError(
                    f"{path}: {section} (is {validation.show(table)}) is not a section. "
                    f"Write [{section}] and its keys below it."
                )
        table[key] = value
    try:
        config = validation.check(data, config_class())
    except validation.Problem as problem:
        where = "command line" if problem.field in origin else str(path)
        known = config_class().__struct_fields__
        if isinstance(data.get(problem.field), dict) and problem.field not in known:
            raise ConfigError(f"{where}: {_unknown_section(problem.field, known)}") from None
        shown = "" if problem.value is None else f" (is {validation.show(problem.value)})"
        if isinstance(getattr(Config(), problem.field, None), Section):
            raise ConfigError(
                f"{where}: {problem.field}{shown} is not a section. Write [{problem.field}] and "
                "its keys below it."
            ) from None
        raise ConfigError(
            f"{where}: {problem.field}{shown} {problem.reason}. {problem.remedy}"
        ) from None
    return msgspec.structs.replace(config, root=root.resolve())


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address, or "localhost"."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def secret(name: str) -> str:
    """A key from the environment, "" where it is not set; never write it anywhere."""
    return os.environ.get(name, "")


def service_keys() -> str:
    """Keys that the service accepts beside those of its file: RADIANCE_API_KEYS; see keys.py."""
    return os.environ.get("RADIANCE_API_KEYS") or ""


def _unknown_section(name: str, known: Sequence[str]) -> str:
    """Why a section is refused: it is misspelt, or its extension is not here."""
    found = extensions.discover()
    remedy = "Install the extension, or delete the section."
    if name in found.absent:
        return f"[{name}] is the section of an extension that is not installed. {remedy}"
    if name in found.broken:
        reason = found.broken[name]
        return f"[{name}] is the section of an extension that does not load ({reason}). {remedy}"
    if near := difflib.get_close_matches(name, known, n=1):
        remedy = f"Did you mean {near[0]!r}?"
    return f"[{name}] is no section of Radiance or of an installed extension. {remedy}"


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomli.loads(path.read_text(encoding="utf-8-sig"))  # some editors begin with a mark
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}).") from None
    except (tomli.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: is not valid TOML ({error}).") from None
