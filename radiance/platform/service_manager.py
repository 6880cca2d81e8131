"""The service manager: launchd on macOS, systemd's user manager on Linux.

launchd (launchd.plist(5), launchctl(1)): a LaunchAgent in the user's session, or with ``boot`` a
LaunchDaemon that starts before anybody logs in and runs as the user. Loaded with ``bootstrap``,
left with ``bootout``; ``load`` and ``unload`` are legacy. systemd (systemd.service(5)): a user
unit; ``boot`` is lingering, which starts the user's manager at boot. The macOS half was written
from Apple's documentation and not run on a Mac by us.
"""

import os
import plistlib
import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from radiance.errors import ConfigError, RadianceError
from radiance.platform import IS_MACOS

_RESTART_S = 10  # between a failure and the next start; launchd's own least is 10
_STOP_S = 60  # a cycle in training saves its state
_OPEN_FILES = 8192
_NO_SESSION = (
    "There is no session of systemd for this user here: log in as the user, not by su or sudo. In a"
    " container, have `radiance run` started by what starts the container."
)
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,60}")


@dataclass(frozen=True)
class Definition:
    """What the service manager runs.

    Attributes:
        name: "radiance", or another for a second root.
        command: The program and its arguments; absolute.
        root: The working directory.
        log: Where both outputs go.
        environment: Variables it needs; never a secret, as the file can be read.
        user: Whose it is.
        boot: Whether it starts before anybody logs in.
    """

    name: str
    command: Sequence[str]
    root: Path
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    user: str = ""
    boot: bool = False

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ConfigError(
                f'--name (is "{self.name}"): is not a name for a service. Use lower-case letters, '
                "digits, dots and dashes, as in radiance-work."
            )


@dataclass(frozen=True)
class State:
    """What the manager says of a service.

    Attributes:
        is_installed: Its file is there.
        is_running: It has a process.
        pid: Of that process.
        last_exit: Exit code of the last one that ended, where it is known.
        file: Where it is defined.
    """

    is_installed: bool
    is_running: bool
    pid: int | None
    last_exit: int | None
    file: Path


Run = Callable[[Sequence[str]], "subprocess.CompletedProcess[str]"]


def run(arguments: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    """Run a command of the system and keep what it says."""
    try:
        return subprocess.run(list(arguments), capture_output=True, text=True, check=False)
    except OSError as error:
        raise RadianceError(f"{arguments[0]} cannot be run ({error.strerror}).") from None


class Manager(Protocol):
    """One service with its manager."""

    def install(self, definition: Definition) -> Path: ...
    def uninstall(self) -> None: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...
    def restart(self) -> None: ...
    def state(self) -> State: ...


def manager(name: str, *, boot: bool = False, call: Run = run) -> Manager:
    """The manager of this system for a service of that name."""
    if IS_MACOS:
        return Launchd(name, boot=boot, home=Path.home(), uid=os.getuid(), call=call)
    configured = os.environ.get("XDG_CONFIG_HOME")
    folder = Path(configured) if configured else Path.home() / ".config"
    return Systemd(name, boot=boot, folder=folder / "systemd" / "user", call=call)


# ----------------------------------------------------------------------------- launchd


def render_plist(definition: Definition) -> bytes:
    """The property list of a LaunchAgent, or of a LaunchDaemon; keys of launchd.plist(5)."""
    settings = {
        "Label": definition.name,
        "ProgramArguments": list(definition.command),
        "WorkingDirectory": str(definition.root),
        "EnvironmentVariables": dict(definition.environment),
        "RunAtLoad": True,
        # A stop that was asked for ends with 0 and stays stopped; a crash does not.
        "KeepAlive": {"SuccessfulExit": False},
        "ThrottleInterval": _RESTART_S,
        "ExitTimeOut": _STOP_S,
        # Somebody waits for each token: background jobs are throttled in CPU and disk.
        "ProcessType": "Interactive",
        "SoftResourceLimits": {"NumberOfFiles": _OPEN_FILES},
        "StandardOutPath": str(definition.log),
        "StandardErrorPath": str(definition.log),
    }
    if definition.boot:
        settings["UserName"] = definition.user
    return plistlib.dumps(settings)


class Launchd:
    """A service under launchd.

    Args:
        name: Its label.
        boot: A LaunchDaemon of the system; needs root.
        home: The user's home directory.
        uid: The user's number.
        call: Runs ``launchctl``.
        daemons: Where LaunchDaemons are defined.
    """

    def __init__(
        self,
        name: str,
        *,
        boot: bool,
        home: Path,
        uid: int,
        call: Run = run,
        daemons: Path = Path("/Library/LaunchDaemons"),
    ) -> None:
        self._call, self._boot = call, boot
        self._domain = "system" if boot else f"gui/{uid}"
        self._target = f"{self._domain}/{name}"
        self._uid = uid
        folder = daemons if boot else home / "Library" / "LaunchAgents"
        self._file = folder / f"{name}.plist"

    def install(self, definition: Definition) -> Path:
        """Write the property list and load it; what was loaded under the name is replaced."""
        self._require_root()
        if self._is_loaded():
            self._launchctl("bootout", self._target)
        _write(self._file, render_plist(definition))
        # What was once disabled by hand is not loaded otherwise.
        self._launchctl("enable", self._target)
        self._launchctl("bootstrap", self._domain, str(self._file))
        return self._file

    def uninstall(self) -> None:
        """Unload it, which stops it, and remove the property list."""
        self._require_root()
        if self._is_loaded():
            self._launchctl("bootout", self._target)
        _remove(self._file)

    def start(self) -> None:
        """Start it now, loading it first where it is not."""
        self._require_root()
        if not self._is_loaded():
            _require(self._file)
            self._launchctl("bootstrap", self._domain, str(self._file))
        self._launchctl("kickstart", self._target)

    def stop(self) -> None:
        """Stop it; it starts again at the next login or boot."""
        self._require_root()
        if self.state().is_running:
            self._launchctl("kill", "SIGTERM", self._target)

    def restart(self) -> None:
        """Stop it if it runs, and start it."""
        self._require_root()
        if not self._is_loaded():
            self.start()
        else:
            self._launchctl("kickstart", "-k", self._target)

    def state(self) -> State:
        """What ``launchctl print`` tells; its form is not promised, so what is missing is None."""
        done = self._call(["launchctl", "print", self._target])
        text = done.stdout if done.returncode == 0 else ""
        pid = re.search(r"^\s*pid = (\d+)$", text, re.MULTILINE)
        last = re.search(r"^\s*last exit code = (-?\d+)", text, re.MULTILINE)
        return State(
            is_installed=self._file.exists(),
            is_running=pid is not None,
            pid=int(pid[1]) if pid else None,
            last_exit=int(last[1]) if last else None,
            file=self._file,
        )

    def _is_loaded(self) -> bool:
        return self._call(["launchctl", "print", self._target]).returncode == 0

    def _launchctl(self, *arguments: str) -> None:
        _checked(self._call, ["launchctl", *arguments])

    def _require_root(self) -> None:
        if self._boot and self._uid != 0:
            raise ConfigError(
                "--boot: a LaunchDaemon is the system's. Put sudo before the command."
            )


# ----------------------------------------------------------------------------- systemd


def render_unit(definition: Definition) -> str:
    """The unit of a systemd service; see systemd.service(5) and systemd.exec(5)."""
    lines = [
        "[Unit]",
        "Description=Radiance, a local language model that learns",
        "StartLimitIntervalSec=600",
        "StartLimitBurst=20",
        "",
        "[Service]",
        "Type=exec",
        f"ExecStart={' '.join(_quoted(word) for word in definition.command)}",
        f"WorkingDirectory={_escaped(str(definition.root))}",
        *(
            f"Environment={_quoted(f'{name}={value}', dollar=False)}"
            for name, value in definition.environment.items()
        ),
        "Restart=on-failure",
        f"RestartSec={_RESTART_S}",
        f"TimeoutStopSec={_STOP_S}",
        f"LimitNOFILE={_OPEN_FILES}",
        f"StandardOutput=append:{_escaped(str(definition.log))}",
        f"StandardError=append:{_escaped(str(definition.log))}",
        "NoNewPrivileges=true",
        "",
        "[Install]",
        "WantedBy=default.target",
        "",
    ]
    return "\n".join(lines)


def _escaped(text: str) -> str:
    """A value that systemd takes to the end of its line; only its specifiers are special."""
    if "\n" in text:
        raise ConfigError(f"{text!r}: a path with a line break cannot stand in a systemd unit.")
    return text.replace("%", "%%")


def _quoted(word: str, *, dollar: bool = True) -> str:
    """One word of a command line or of an assignment, quoted as systemd reads it."""
    text = _escaped(word).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text.replace("$", "$$") if dollar else text}"'


class Systemd:
    """A service under the user's systemd.

    Args:
        name: Of its unit.
        boot: Also start the user's manager at boot (lingering).
        folder: Where the user's units are.
        call: Runs ``systemctl`` and ``loginctl``.
    """

    def __init__(self, name: str, *, boot: bool, folder: Path, call: Run = run) -> None:
        self._call, self._boot = call, boot
        self._unit = f"{name}.service"
        self._file = folder / self._unit

    def install(self, definition: Definition) -> Path:
        """Write the unit, start it, and have it started with the session."""
        was_there = self._file.exists()
        _write(self._file, render_unit(definition).encode())
        try:
            self._systemctl("daemon-reload")
        except RadianceError:
            if not was_there:  # nothing could start it, nor take it away again
                _remove(self._file)
            raise
        self._systemctl("enable", self._unit)
        if self._boot:
            _checked(self._call, ["loginctl", "enable-linger"])
        self._systemctl("restart", self._unit)
        return self._file

    def uninstall(self) -> None:
        """Stop it and remove the unit."""
        if self._file.exists():
            self._systemctl("disable", "--now", self._unit)
        _remove(self._file)
        self._systemctl("daemon-reload")

    def start(self) -> None:
        """Start it now."""
        _require(self._file)
        self._systemctl("reset-failed", self._unit)
        self._systemctl("start", self._unit)

    def stop(self) -> None:
        """Stop it; it starts again with the next session."""
        _require(self._file)
        self._systemctl("stop", self._unit)

    def restart(self) -> None:
        """Stop it if it runs, and start it."""
        _require(self._file)
        self._systemctl("restart", self._unit)

    def state(self) -> State:
        """What ``systemctl show`` tells."""
        wanted = "--property=MainPID,ExecMainStatus,ActiveState"
        done = self._call(["systemctl", "--user", "show", self._unit, wanted])
        found = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
        pid, status = int(found.get("MainPID") or 0), found.get("ExecMainStatus", "")
        return State(
            is_installed=self._file.exists(),
            is_running=pid > 0,
            pid=pid or None,
            last_exit=int(status) if status.isdigit() and not pid else None,
            file=self._file,
        )

    def _systemctl(self, *arguments: str) -> None:
        _checked(self._call, ["systemctl", "--user", *arguments])


# ----------------------------------------------------------------------------- both


def _checked(call: Run, arguments: Sequence[str]) -> None:
    done = call(arguments)
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split()).rstrip(".") or "it says nothing"
        remedy = f" {_NO_SESSION}" if "connect to bus" in said else ""
        raise RadianceError(f"{' '.join(arguments)} failed with {done.returncode}: {said}.{remedy}")


def _require(file: Path) -> None:
    if not file.exists():
        raise _not_installed(file)


def _not_installed(file: Path) -> ConfigError:
    return ConfigError(f"{file}: is not there. Install it first: radiance service install.")


def _write(file: Path, data: bytes) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary = file.with_name(f".{file.name}.new")
        temporary.write_bytes(data)
        temporary.chmod(0o644)  # launchd refuses what others may write
        temporary.replace(file)
    except OSError as error:
        raise RadianceError(f"{file}: cannot be written ({error.strerror}).") from None


def _remove(file: Path) -> None:
    try:
        file.unlink(missing_ok=True)
    except OSError as error:
        raise RadianceError(f"{file}: cannot be removed ({error.strerror}).") from None
