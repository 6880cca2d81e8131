"""launchd and systemd: what is written for them and what they are told."""

import plistlib
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from radiance.errors import ConfigError, RadianceError
from radiance.platform.service_manager import (
    Definition,
    Launchd,
    Systemd,
    render_plist,
    render_unit,
)

LABEL = "radiance"
COMMAND = ["/opt/py/bin/python", "-m", "radiance", "run", "--root", "/opt/some where/my root"]


def definition(**changes) -> Definition:
    values: dict[str, Any] = {
        "name": LABEL,
        "command": COMMAND,
        "root": Path("/opt/some where/my root"),
        "log": Path("/opt/some where/my root/runs/service.log"),
        "environment": {"PATH": "/usr/bin:/bin"},
        "user": "x",
    }
    return Definition(**{**values, **changes})


# ----------------------------------------------------------------------------- the property list

# Keys and types of launchd.plist(5) that we use.
DOCUMENTED = {
    "Label": str,
    "ProgramArguments": list,
    "WorkingDirectory": str,
    "EnvironmentVariables": dict,
    "RunAtLoad": bool,
    "KeepAlive": dict,
    "ThrottleInterval": int,
    "ExitTimeOut": int,
    "ProcessType": str,
    "SoftResourceLimits": dict,
    "StandardOutPath": str,
    "StandardErrorPath": str,
    "UserName": str,
}


def check_plist(settings: dict) -> None:
    for key, value in settings.items():
        assert type(value) is DOCUMENTED[key], key
    assert {"Label", "ProgramArguments"} <= settings.keys()
    assert all(isinstance(word, str) for word in settings["ProgramArguments"])
    assert settings["ProgramArguments"][0].startswith("/")
    assert settings["KeepAlive"].keys() <= {
        "SuccessfulExit",
        "Crashed",
        "NetworkState",
        "PathState",
        "OtherJobEnabled",
    }
    assert settings["ProcessType"] in ("Background", "Standard", "Adaptive", "Interactive")
    assert settings["SoftResourceLimits"].keys() <= {"NumberOfFiles", "Core", "CPU", "FileSize"}


def test_an_agent_has_documented_keys_and_names_no_user():
    settings = plistlib.loads(render_plist(definition()))
    check_plist(settings)
    assert settings["ProgramArguments"] == COMMAND
    assert settings["KeepAlive"] == {"SuccessfulExit": False}
    assert settings["RunAtLoad"] is True
    assert "UserName" not in settings


def test_a_daemon_runs_as_the_user():
    settings = plistlib.loads(render_plist(definition(boot=True)))
    check_plist(settings)
    assert settings["UserName"] == "x"


@given(
    st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["Cc"])), min_size=1),
    st.dictionaries(st.from_regex(r"[A-Z_]+", fullmatch=True), st.text("ab %$\"\\'é")),
)
def test_a_plist_gives_back_every_word(words, environment):
    made = definition(command=["/bin/x", *words], environment=environment)
    settings = plistlib.loads(render_plist(made))
    assert settings["ProgramArguments"] == ["/bin/x", *words]
    assert settings["EnvironmentVariables"] == environment


# ----------------------------------------------------------------------------- launchctl


class FakeLaunchctl:
    """Keeps what launchd would keep, and takes only what launchctl(1) documents.

    Not checked against a Mac: its answers are those of the manual.
    """

    DOMAIN = re.compile(r"system|(user|gui)/\d+")
    SIGNALS = frozenset({"SIGTERM", "SIGKILL", "SIGINT", "SIGHUP"})

    def __init__(self) -> None:
        self.loaded: dict[str, dict] = {}
        self.running: set[str] = set()
        self.disabled: set[str] = set()
        self.calls: list[list[str]] = []

    def __call__(self, arguments: Sequence[str]) -> "subprocess.CompletedProcess[str]":
        program, verb, *rest = arguments
        assert program == "launchctl"
        self.calls.append(list(arguments[1:]))
        code, text = getattr(self, f"on_{verb.replace('-', '_')}")(*rest)
        out, err = (text, "") if code == 0 else ("", text)
        return subprocess.CompletedProcess(list(arguments), code, out, err)

    def service(self, target: str) -> str:
        domain, _, label = target.rpartition("/")
        assert self.DOMAIN.fullmatch(domain), target
        assert label
        return target

    def on_bootstrap(self, domain: str, path: str) -> tuple[int, str]:
        assert self.DOMAIN.fullmatch(domain)
        settings = plistlib.loads(Path(path).read_bytes())
        check_plist(settings)
        assert Path(path).stat().st_mode & 0o022 == 0
        target = f"{domain}/{settings['Label']}"
        if target in self.loaded or target in self.disabled:
            return 5, "Bootstrap failed: 5: Input/output error"
        self.loaded[target] = settings
        if settings.get("RunAtLoad"):
            self.running.add(target)
        return 0, ""

    def on_bootout(self, target: str) -> tuple[int, str]:
        if self.service(target) not in self.loaded:
            return 3, "Boot-out failed: 3: No such process"
        del self.loaded[target]
        self.running.discard(target)
        return 0, ""

    def on_enable(self, target: str) -> tuple[int, str]:
        self.disabled.discard(self.service(target))
        return 0, ""

    def on_kickstart(self, *arguments: str) -> tuple[int, str]:
        *flags, target = arguments
        assert set(flags) <= {"-k", "-p", "-s"}
        if self.service(target) not in self.loaded:
            return 113, f'Could not find service "{target}" in domain'
        self.running.add(target)
        return 0, ""

    def on_kill(self, signal: str, target: str) -> tuple[int, str]:
        assert signal in self.SIGNALS
        if self.service(target) not in self.running:
            return 3, "No process to signal"
        self.running.discard(target)  # it ends with 0, and KeepAlive leaves it so
        return 0, ""

    def on_print(self, target: str) -> tuple[int, str]:
        if self.service(target) not in self.loaded:
            return 113, f'Could not find service "{target}" in domain'
        is_running = target in self.running
        state = "state = running\n\tpid = 4711\n" if is_running else "state = not running\n"
        return 0, f"{target} = {{\n\tactive count = 1\n\t{state}\tlast exit code = 0\n}}\n"


class LaunchdMachine(RuleBasedStateMachine):
    """Any order of verbs leaves launchd as the verbs say."""

    def __init__(self) -> None:
        super().__init__()
        self.fake = FakeLaunchctl()
        # A factory of pytest's made anew would empty the folder of the whole run.
        self.home = Path(tempfile.mkdtemp(prefix="launchd-"))
        self.manager = Launchd(LABEL, boot=False, home=self.home, uid=501, call=self.fake)
        self.is_installed = self.is_running = False

    def teardown(self) -> None:
        shutil.rmtree(self.home)

    @rule()
    def install(self) -> None:
        path = self.manager.install(definition())
        assert path == self.home / "Library" / "LaunchAgents" / f"{LABEL}.plist"
        self.is_installed = self.is_running = True

    @rule()
    def disable_by_hand(self) -> None:
        if not self.is_installed:
            self.fake.disabled.add(f"gui/501/{LABEL}")

    @rule()
    def uninstall(self) -> None:
        self.manager.uninstall()
        self.is_installed = self.is_running = False

    @rule()
    @precondition(lambda self: self.is_installed)
    def start(self) -> None:
        self.manager.start()
        self.is_running = True

    @rule()
    def stop(self) -> None:
        self.manager.stop()
        self.is_running = False

    @rule()
    @precondition(lambda self: self.is_installed)
    def restart(self) -> None:
        self.manager.restart()
        self.is_running = True

    @rule()
    def log_out(self) -> None:
        """The session's domain goes, and comes back with whatever is in LaunchAgents."""
        self.fake.loaded.clear()
        self.fake.running.clear()
        self.is_running = False

    @rule()
    @precondition(lambda self: not self.is_installed)
    def start_what_is_not_there(self) -> None:
        with pytest.raises(ConfigError, match="radiance service install"):
            self.manager.start()

    @invariant()
    def state_is_told(self) -> None:
        state = self.manager.state()
        assert (state.is_installed, state.is_running) == (self.is_installed, self.is_running)
        assert state.pid == (4711 if self.is_running else None)
        assert not {"load", "unload", "submit"} & {call[0] for call in self.fake.calls}


def test_any_order_of_verbs_leaves_launchd_as_they_say():
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(LaunchdMachine)


def test_a_daemon_is_the_system_s_and_needs_root(tmp_path):
    fake = FakeLaunchctl()
    made = Launchd(LABEL, boot=True, home=tmp_path, uid=501, call=fake, daemons=tmp_path)
    with pytest.raises(ConfigError, match="sudo"):
        made.install(definition(boot=True))
    made = Launchd(LABEL, boot=True, home=tmp_path, uid=0, call=fake, daemons=tmp_path)
    assert made.install(definition(boot=True)) == tmp_path / f"{LABEL}.plist"
    assert fake.loaded.keys() == {f"system/{LABEL}"}


def test_what_launchctl_refuses_is_told_in_its_words(tmp_path):
    fake = FakeLaunchctl()
    fake.on_bootstrap = lambda *_: (5, "Bootstrap failed: 5: Input/output error\n")  # type: ignore[method-assign]
    made = Launchd(LABEL, boot=False, home=tmp_path, uid=501, call=fake)
    with pytest.raises(RadianceError, match="failed with 5: Bootstrap failed: 5: Input/output"):
        made.install(definition())


@pytest.mark.parametrize("name", ["", "Radiance", "a b", "../x", "a/b", "-x"])
def test_a_name_is_a_name(name):
    with pytest.raises(ConfigError, match="--name"):
        definition(name=name)


# ----------------------------------------------------------------------------- systemd


def unquoted(value: str) -> list[str]:
    """A command line as systemd.syntax(7) and systemd.service(5) read our quoting."""
    words = shlex.split(value)
    return [word.replace("$$", "$").replace("%%", "%") for word in words]


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["Cc"])), min_size=1))
def test_a_unit_gives_back_every_word(words):
    unit = render_unit(definition(command=["/bin/x", *words]))
    [line] = [line for line in unit.split("\n") if line.startswith("ExecStart=")]
    assert unquoted(line.removeprefix("ExecStart=")) == ["/bin/x", *words]


def test_a_line_break_cannot_make_another_setting():
    with pytest.raises(ConfigError, match="line break"):
        render_unit(definition(root=Path("/x\nExecStartPre=/bin/evil")))


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze here")
@pytest.mark.parametrize("root", ["plain", "with space", "50% of $HOME", 'a "quoted" \\ one'])
def test_systemd_itself_takes_the_unit(tmp_path, root):
    place = tmp_path / root
    place.mkdir()
    program = tmp_path / "my program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    made = definition(
        command=[str(program), "--root", str(place), 'a "b" $c %d'],
        root=place,
        log=place / "service.log",
        environment={"PATH": "/usr/bin:/bin", "NAME": "50% $x"},
    )
    unit = tmp_path / "radiance.service"
    unit.write_text(render_unit(made))
    done = subprocess.run(
        ["systemd-analyze", "--user", "verify", str(unit)],
        capture_output=True,
        text=True,
        check=False,
        env={"XDG_RUNTIME_DIR": str(tmp_path), "HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
    )
    complaints = [line for line in done.stderr.splitlines() if "radiance.service" in line]
    assert (done.returncode, complaints) == (0, []), done.stderr


class FakeSystemctl:
    """Keeps calls, and answers ``show`` as systemd does."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.pid = 0

    def __call__(self, arguments: Sequence[str]) -> "subprocess.CompletedProcess[str]":
        self.calls.append(list(arguments))
        text = ""
        if "show" in arguments:
            text = f"MainPID={self.pid}\nExecMainStatus=1\nActiveState=active\n"
        return subprocess.CompletedProcess(list(arguments), 0, text, "")


def test_systemd_s_verbs(tmp_path):
    fake = FakeSystemctl()
    made = Systemd(LABEL, boot=True, folder=tmp_path / "user", call=fake)
    with pytest.raises(ConfigError, match="radiance service install"):
        made.start()
    path = made.install(definition())
    assert path.read_text() == render_unit(definition())
    user = ["systemctl", "--user"]
    assert fake.calls == [
        [*user, "daemon-reload"],
        [*user, "enable", "radiance.service"],
        ["loginctl", "enable-linger"],
        [*user, "restart", "radiance.service"],
    ]
    state = made.state()
    assert (state.is_running, state.pid, state.last_exit) == (False, None, 1)
    fake.pid = 99
    state = made.state()
    assert (state.is_installed, state.is_running, state.pid) == (True, True, 99)
    made.uninstall()
    assert not path.exists()
    assert [*user, "disable", "--now", "radiance.service"] in fake.calls


def test_where_systemd_has_no_session_nothing_is_left_and_the_remedy_is_told(tmp_path):
    said = "Failed to connect to bus: No medium found"

    def call(arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(list(arguments), 1, "", said)

    manager = Systemd(LABEL, boot=False, folder=tmp_path, call=call)
    with pytest.raises(RadianceError, match="log in as the user"):
        manager.install(definition())
    assert [*tmp_path.iterdir()] == []
