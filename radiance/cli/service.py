"""``radiance service``: in the background, started again by launchd or systemd."""

import contextlib
import getpass
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import click

from radiance.cli.output import FAILED, json_option, note, print_pairs, printed_as_json
from radiance.cli.parameters import root_option
from radiance.cli.settings import Settings, settings_options
from radiance.config import to_toml
from radiance.errors import ConfigError

# Where programs, models and caches are found. Nothing that could be a secret: the file is readable.
_HANDED_ON = ("PATH", "LANG", "HOME", "HF_HOME", "HF_HUB_CACHE", "HF_ENDPOINT", "HF_HUB_OFFLINE")
_HANDED_ON += ("XDG_CACHE_HOME", "RADIANCE_CACHE", "TMPDIR", "OPENBLAS_NUM_THREADS")
_FOLLOW_S = 0.3
_name_option = click.option("--name", default="radiance", help="Name of the service.")
_boot_option = click.option(
    "--boot", is_flag=True, help="Manage the service that starts before login (see install --boot)."
)


@click.group()
def service() -> None:
    """Run the service in the background.

    The service runs as a LaunchAgent on macOS and as a systemd user unit on Linux: it starts with
    the session and restarts after a crash. After three quick crashes in a row it starts in safe
    mode, which serves the last promoted checkpoint and trains nothing until `radiance training
    resume`.

    Examples:
      radiance service install --root ~/radiance
      radiance service status
      radiance service logs --follow
    """


@service.command()
@_name_option
@click.option(
    "--boot",
    is_flag=True,
    help="Start before login: as a LaunchDaemon (with sudo) on macOS, by lingering on Linux.",
)
@click.option(
    "--print",
    "only_print",
    is_flag=True,
    help="Print the service definition instead of installing it.",
)
@settings_options
def install(settings: Settings, name: str, boot: bool, only_print: bool) -> None:
    """Install and start the service.

    The service runs with this Python, this root and these flags. Other settings come from
    ROOT/radiance.toml at each start. A service already installed under the same name is replaced.

    Examples:
      radiance service install --root ~/radiance
      radiance service install --root ~/radiance --base-model user/model --gate strict
      radiance service install --name radiance-work --root ~/work --port 8043 --print
    """
    from radiance.platform import IS_MACOS, service_manager

    config = settings.load()  # so that what cannot start is not installed
    definition = service_manager.Definition(
        name=name,
        command=[sys.executable, "-m", "radiance", "run", *_flags(settings)],
        root=config.root,
        log=config.runs_path / "service.log",
        environment={key: os.environ[key] for key in _HANDED_ON if key in os.environ},
        user=os.environ.get("SUDO_USER") or getpass.getuser(),
        boot=boot,
    )
    if only_print:
        text = service_manager.render_plist(definition).decode() if IS_MACOS else ""
        click.echo(text or service_manager.render_unit(definition), nl=False)
        return
    _make(config.runs_path)
    click.echo(service_manager.manager(name, boot=boot).install(definition))
    note(f"Its log: {definition.log}")


def _make(folder: Path) -> None:
    """Make a folder and those above it where they are missing, the user's also under sudo.

    The service runs as the user, who could write nothing into folders of root.
    """
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    uid, gid = os.environ.get("SUDO_UID"), os.environ.get("SUDO_GID")
    if os.geteuid() == 0 and uid and gid:
        for path in made:
            os.chown(path, int(uid), int(gid))


def _flags(settings: Settings) -> list[str]:
    """The same settings as arguments of ``radiance run``."""
    flags = ["--root", str(settings.root.resolve())]
    if settings.file is not None:
        flags += ["--config", str(settings.file.resolve())]
    for key, value in settings.overrides.items():
        if key == "base_model" and Path(str(value)).expanduser().exists():
            value = str(Path(str(value)).expanduser().resolve())  # it runs in the root
        flags += ["--set", f"{key}={to_toml(value)}"]
    return flags


def _verb(name: str, summary: str, effect: str, act: Callable[[Any], None]) -> None:
    """One command that takes a name and does one thing to that service."""

    def command(name: str, boot: bool) -> None:
        from radiance.platform import service_manager

        act(service_manager.manager(name, boot=boot))

    command.__doc__ = f"{summary}\n\n{effect}\n\nExamples:\n  radiance service {name}\n"
    service.command(name)(_name_option(_boot_option(command)))


_verb(
    "uninstall",
    "Stop the service and remove it.",
    "The root and all that was learned stay as they are.",
    lambda manager: manager.uninstall(),
)
_verb(
    "start",
    "Start the service.",
    "The service must be installed: see `radiance service install`.",
    lambda manager: manager.start(),
)
_verb(
    "stop",
    "Stop the service.",
    "A training cycle under way saves its state. The service starts again with the next session.",
    lambda manager: manager.stop(),
)
_verb(
    "restart",
    "Stop the service and start it.",
    "Settings are read again; a training cycle under way resumes where it stopped.",
    lambda manager: manager.restart(),
)


@service.command()
@_name_option
@_boot_option
@json_option()
@click.pass_context
def status(context: click.Context, name: str, boot: bool) -> None:
    """Say whether the service is installed and runs.

    The exit code is 1 if the service does not run.

    Examples:
      radiance service status
      radiance service status --json
    """
    from radiance.platform import service_manager

    state = service_manager.manager(name, boot=boot).state()
    found = {
        "installed": state.is_installed,
        "running": state.is_running,
        "pid": state.pid,
        "last_exit": state.last_exit,
        "file": str(state.file),
    }
    if not printed_as_json(found):
        print_pairs(found.items())
    if not state.is_running:
        context.exit(FAILED)


@service.command()
@root_option("Root directory of the service.")
@click.option("--lines", type=click.IntRange(0), default=50, help="Number of lines printed.")
@click.option(
    "--follow", is_flag=True, help="Print further lines as they are written, until Ctrl-C."
)
def logs(root: Path, lines: int, follow: bool) -> None:
    """Print the end of the service's log.

    The log is ROOT/runs/service.log, to which launchd or systemd appends.

    Examples:
      radiance service logs --root ~/radiance
      radiance service logs --follow
    """
    path = root / "runs" / "service.log"
    if not path.exists():
        raise ConfigError(
            f"{path}: there is no log. Name the root of an installed service by --root; what"
            " `radiance run` says stands in its terminal."
        )
    with contextlib.ExitStack() as opened:
        stream = opened.enter_context(path.open("rb"))
        for line in stream.readlines()[-lines:] if lines else []:
            click.echo(line.decode(errors="replace"), nl=False)
        while follow:
            if line := stream.readline():
                click.echo(line.decode(errors="replace"), nl=False)
            elif _was_begun_anew(path, stream):
                stream = opened.enter_context(path.open("rb"))
            else:
                time.sleep(_FOLLOW_S)


def _was_begun_anew(path: Path, stream: IO[bytes]) -> bool:
    """Whether the log is another file than the one that is read: the service bounds its size."""
    return path.exists() and not os.path.samestat(path.stat(), os.fstat(stream.fileno()))
