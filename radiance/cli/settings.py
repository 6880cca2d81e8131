"""The options that make a configuration, and how one is written as TOML.

Flags become overrides for ``radiance.config.load``, which alone knows files, defaults and ranges.
"""

import difflib
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import click
import msgspec
import tomli

from radiance import config, extensions
from radiance.cli.parameters import NEW_FILE, root_option
from radiance.config import Config, to_toml
from radiance.errors import ConfigError

# The flags that have a name of their own, and the keys they set.
_KEY_OF_FLAG = {
    "host": "server.host",
    "port": "server.port",
    "backend": "backend",
    "base_model": "base_model",
    "update_mode": "update.mode",
    "batch_max_examples": "update.max_examples",
    "batch_max_age_min": "update.max_age_minutes",
    "gate": "gate.gate",
    "rollback_mode": "gate.rollback_mode",
    "catastrophic_delta": "gate.catastrophic_delta",
    "log_level": "log.level",
}


@dataclass(frozen=True)
class Settings:
    """What the command line says about the configuration."""

    root: Path
    file: Path | None = None
    overrides: Mapping[str, object] = field(default_factory=dict)

    def load(self) -> Config:
        """The effective configuration.

        Raises:
            ConfigError: The file or a flag cannot be used.
        """
        return config.load(self.root, self.overrides, self.file)


def setting_names() -> list[str]:
    """Every key by its dotted name, in the order of radiance.toml."""
    names = []
    for entry in msgspec.structs.fields(config.config_class()):
        if isinstance(entry.default, msgspec.Struct):
            inner = msgspec.structs.fields(type(entry.default))
            names += [f"{entry.name}.{key.name}" for key in inner]
        elif entry.name != "root":
            names.append(entry.name)
    return names


def render(effective: Config) -> str:
    """A configuration as TOML that ``config.load`` reads back as the same."""
    data = msgspec.to_builtins(effective, enc_hook=str)
    del data["root"]
    tables = {name: table for name, table in data.items() if isinstance(table, dict)}
    lines = [f"{name} = {to_toml(value)}" for name, value in data.items() if name not in tables]
    for name, table in tables.items():
        lines += ["", f"[{name}]", *(f"{key} = {to_toml(value)}" for key, value in table.items())]
    return "\n".join(lines)


def _assignment(text: str) -> tuple[str, object]:
    """``training.lr=1e-4`` as key and value; a bare word that is no TOML value is a string."""
    key, equals, value = text.partition("=")
    key, value = key.strip(), value.strip()
    if not equals or not value:
        raise click.BadParameter(f"{text!r} is not KEY=VALUE, as in training.lr=1e-4.")
    names = setting_names()
    if key not in names:
        near = difflib.get_close_matches(key, names, n=1)
        hint = f"Did you mean {near[0]}?" if near else "`radiance config` lists the keys."
        raise click.BadParameter(f"{key!r} is not a known key. {hint}")
    try:
        parsed = tomli.loads(f"value = {value}")
    except tomli.TOMLDecodeError:
        return key, value
    return key, parsed["value"] if len(parsed) == 1 else value


def _assignments(
    context: click.Context, parameter: click.Parameter, texts: tuple[str, ...]
) -> dict[str, object]:
    return dict(_assignment(text) for text in texts)


def _preset(
    context: click.Context, parameter: click.Parameter, name: str | None
) -> Mapping[str, object]:
    if name is None:
        return {}
    known = _presets()
    if name not in known:
        hint = f"Known are {', '.join(known)}." if known else "No extension here has one."
        raise ConfigError(f"--preset (is {name!r}): is unknown. {hint}")
    return known[name]


def _presets() -> dict[str, Mapping[str, object]]:
    """The presets of all extensions, by name."""
    return {n: values for found in extensions.installed() for n, values in found.presets.items()}


class _PresetOption(click.Option):
    """Names the presets in its help; they are looked up only then."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        record = super().get_help_record(ctx)
        names = ", ".join(_presets()) or "no extension here has one"
        return record and (record[0], f"{record[1].rstrip('.')}: {names}.")


def _flag(flag: str, kind: Any = None, metavar: str | None = None) -> Callable[..., Any]:
    """The option that sets one key: its help is the setting's own description, with the default."""
    *sections, key = _KEY_OF_FLAG[flag].split(".")
    holder: Any = Config()
    for section in sections:
        holder = getattr(holder, section)
    entry = next(field for field in msgspec.structs.fields(type(holder)) if field.name == key)
    about, default = get_args(entry.type)[1].description, getattr(holder, key)
    shown = f"{default:g}" if isinstance(default, float) else default
    return click.option(
        f"--{flag.replace('_', '-')}",
        type=kind,
        metavar=metavar,
        help=f"{about} Default: {shown}.",
    )


_OPTIONS = (
    root_option("Root directory, which holds adapters/, anchors/, runs/ and radiance.toml."),
    click.option(
        "--config",
        "file",
        type=NEW_FILE,
        help="Settings file to read instead of ROOT/radiance.toml.",
    ),
    _flag("host"),
    _flag("port", int),
    _flag("backend", click.Choice(get_args(config.Backend))),
    _flag("base_model", metavar="MODEL"),
    _flag("update_mode", click.Choice(get_args(config.UpdateMode))),
    _flag("batch_max_examples", int, "N"),
    _flag("batch_max_age_min", float, "MINUTES"),
    _flag("gate", click.Choice(("off", "strict"))),
    _flag("rollback_mode", click.Choice(("off", "warn", "auto_rollback"))),
    _flag("catastrophic_delta", float, "NATS"),
    _flag("log_level", click.Choice(("debug", "info", "warning", "error"))),
    click.option(
        "--preset",
        metavar="NAME",
        cls=_PresetOption,
        callback=_preset,
        help="Named group of settings, over which other flags win.",
    ),
    click.option(
        "--set",
        "assignments",
        multiple=True,
        metavar="KEY=VALUE",
        callback=_assignments,
        help="Value for any key of radiance.toml, as in training.lr=1e-4. Can be repeated.",
    ),
)


def settings_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options above; the command gets one ``Settings`` as its first argument."""

    @functools.wraps(command)
    def wrapped(
        root: Path,
        file: Path | None,
        preset: Mapping[str, object],
        assignments: Mapping[str, object],
        **others: Any,
    ) -> Any:
        flags = {key: others.pop(flag) for flag, key in _KEY_OF_FLAG.items()}
        given = {key: value for key, value in flags.items() if value is not None}
        return command(Settings(root, file, {**preset, **assignments, **given}), **others)

    for option in reversed(_OPTIONS):
        wrapped = option(wrapped)
    return wrapped
