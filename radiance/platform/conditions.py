"""Power, heat and memory as the operating system reports them now.

macOS: ``pmset -g batt``, ``NSProcessInfo.thermalState`` and the sysctl
``kern.memorystatus_vm_pressure_level``. Linux: power supplies and thermal zones of ``/sys``, and
``/proc``'s pressure and memory figures. What cannot be read is None: unknown, not bad. The macOS
half was written from Apple's documentation and not run on a Mac by us.
"""

import ctypes
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from radiance.platform import IS_MACOS

Thermal = Literal["nominal", "fair", "serious", "critical"]
Pressure = Literal["normal", "warning", "critical"]

_THERMAL_STATES: tuple[Thermal, ...] = ("nominal", "fair", "serious", "critical")
_PRESSURE_LEVELS: dict[int, Pressure] = {1: "normal", 2: "warning", 4: "critical"}
_SUBPROCESS_S = 5
_NEAR_TRIP_C = 5.0  # from a zone's trip point on
_LEAST_FREE_RATIO, _NO_FREE_RATIO = 0.05, 0.02  # of all memory
_STALLED_PERCENT, _STALLED_BADLY_PERCENT = 10.0, 40.0  # of the last ten seconds


@dataclass(frozen=True)
class Conditions:
    """What the machine is like at a moment. None: it does not say.

    Attributes:
        on_battery: Whether it runs on battery.
        thermal: From "nominal" to "critical"; from "serious" on it slows itself down.
        memory_pressure: "warning": the system reclaims memory; "critical": it will end processes.
        total_memory_bytes: Memory of the machine.
        free_memory_bytes: What can be had without paging.
    """

    on_battery: bool | None = None
    thermal: Thermal | None = None
    memory_pressure: Pressure | None = None
    total_memory_bytes: int | None = None
    free_memory_bytes: int | None = None


def read_conditions() -> Conditions:
    """Ask the system; takes a few milliseconds on Linux, some tens on macOS. Raises nothing."""
    return _read_macos() if IS_MACOS else read_linux(Path("/"))


# ----------------------------------------------------------------------------- macOS


def _read_macos() -> Conditions:
    size, page = _sysctl("hw.memsize"), _sysctl("hw.pagesize")
    level = _sysctl("kern.memorystatus_vm_pressure_level")
    return Conditions(
        on_battery=parse_pmset(_run("/usr/bin/pmset", "-g", "batt")),
        thermal=_thermal_state(),
        memory_pressure=_PRESSURE_LEVELS.get(level) if level else None,
        total_memory_bytes=size,
        free_memory_bytes=parse_vm_stat(_run("/usr/bin/vm_stat"), page or 16384),
    )


def parse_pmset(text: str) -> bool | None:
    """Whether ``pmset -g batt`` says that a battery is drawn from."""
    found = re.search(r"Now drawing from '(AC|Battery|UPS) Power'", text)
    return None if found is None else found[1] != "AC"


def parse_vm_stat(text: str, page_bytes: int) -> int | None:
    """Bytes that ``vm_stat`` counts as free, speculative, inactive or purgeable."""
    if stated := re.search(r"page size of (\d+) bytes", text):
        page_bytes = int(stated[1])
    names = ("free", "speculative", "inactive", "purgeable")
    found = [re.search(rf"^Pages {name}:\s+(\d+)\.", text, re.MULTILINE) for name in names]
    pages = [int(match[1]) for match in found if match]
    return sum(pages) * page_bytes if pages else None


def _thermal_state() -> Thermal | None:
    """``NSProcessInfo.processInfo.thermalState`` through the Objective-C runtime."""
    try:
        ctypes.CDLL("/System/Library/Frameworks/Foundation.framework/Foundation")
        objc = ctypes.CDLL("/usr/lib/libobjc.A.dylib")
        objc.objc_getClass.restype = objc.sel_registerName.restype = ctypes.c_void_p
        objc.objc_getClass.argtypes = objc.sel_registerName.argtypes = [ctypes.c_char_p]
        # objc_msgSend must be called with the method's own type: a prototype for each.
        arguments, send = (ctypes.c_void_p, ctypes.c_void_p), ("objc_msgSend", objc)
        to_object = ctypes.CFUNCTYPE(ctypes.c_void_p, *arguments)(send)
        to_integer = ctypes.CFUNCTYPE(ctypes.c_long, *arguments)(send)
        process = to_object(
            objc.objc_getClass(b"NSProcessInfo"), objc.sel_registerName(b"processInfo")
        )
        state = to_integer(process, objc.sel_registerName(b"thermalState"))
    except (OSError, AttributeError):
        return None
    return _THERMAL_STATES[state] if 0 <= state < len(_THERMAL_STATES) else None


def _sysctl(name: str) -> int | None:
    text = _run("/usr/sbin/sysctl", "-n", name).strip()
    return int(text) if text.isdigit() else None


def _run(*arguments: str) -> str:
    try:
        done = subprocess.run(
            arguments, capture_output=True, text=True, timeout=_SUBPROCESS_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout


# ----------------------------------------------------------------------------- Linux


def read_linux(top: Path) -> Conditions:
    """The same of Linux, whose ``/sys`` and ``/proc`` lie under ``top``."""
    memory = _memory(top)
    total, free = memory.get("MemTotal"), memory.get("MemAvailable")
    return Conditions(
        on_battery=_on_battery(top),
        thermal=_hottest(top),
        memory_pressure=_pressure(top, total, free),
        total_memory_bytes=total,
        free_memory_bytes=free,
    )


def _on_battery(top: Path) -> bool | None:
    """No mains supply is on and a battery discharges; without a battery never. None: no supply."""
    supplies = [
        (_text(path / "type"), _text(path / "online"), _text(path / "status"))
        for path in sorted((top / "sys/class/power_supply").glob("*"))
        if _text(path / "scope") != "Device"  # a mouse's battery
    ]
    mains = [online == "1" for kind, online, _ in supplies if kind in ("Mains", "USB")]
    batteries = [status for kind, _, status in supplies if kind == "Battery"]
    if any(mains):
        return False
    return "Discharging" in batteries if mains or batteries else None


def _hottest(top: Path) -> Thermal | None:
    """The state of the zone that is nearest to its limits; None where no zone has any."""
    worst = None
    for zone in sorted((top / "sys/class/thermal").glob("thermal_zone*")):
        temperature = _celsius(zone / "temp")
        if temperature is None:
            continue
        for kind in zone.glob("trip_point_*_type"):
            limit = _celsius(kind.with_name(kind.name.removesuffix("_type") + "_temp"))
            if limit is None or limit <= 0:
                continue
            state = _against_trip(temperature, limit, _text(kind))
            worst = max(worst or 0, state)
    return None if worst is None else _THERMAL_STATES[worst]


def _against_trip(temperature: float, limit: float, kind: str) -> int:
    """Place in ``_THERMAL_STATES`` of a temperature against one trip point."""
    if kind in ("critical", "hot"):
        return 3 if temperature >= limit else 2 if temperature >= limit - _NEAR_TRIP_C else 0
    if kind == "passive":  # from here on the kernel slows the processor
        return 2 if temperature >= limit else 1 if temperature >= limit - _NEAR_TRIP_C else 0
    return 0


def _pressure(top: Path, total: int | None, free: int | None) -> Pressure | None:
    """From the time that tasks stalled for memory (PSI), and from how much is left."""
    stalled = re.search(r"^full avg10=([\d.]+)", _text(top / "proc/pressure/memory"), re.MULTILINE)
    percent = float(stalled[1]) if stalled else 0.0
    ratio = free / total if free is not None and total else None
    if stalled is None and ratio is None:
        return None
    left = 1.0 if ratio is None else ratio
    if percent >= _STALLED_BADLY_PERCENT or left < _NO_FREE_RATIO:
        return "critical"
    if percent >= _STALLED_PERCENT or left < _LEAST_FREE_RATIO:
        return "warning"
    return "normal"


def _memory(top: Path) -> dict[str, int]:
    lines = re.findall(r"^(\w+):\s+(\d+) kB", _text(top / "proc/meminfo"), re.MULTILINE)
    return {name: int(value) * 1024 for name, value in lines}


def _celsius(path: Path) -> float | None:
    text = _text(path)
    return int(text) / 1000 if text.lstrip("-").isdigit() else None


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""
