"""What is read of a system, from files and outputs as Linux and macOS give them."""

from pathlib import Path

import pytest

from radiance.platform.conditions import (
    Conditions,
    parse_pmset,
    parse_vm_stat,
    read_conditions,
    read_linux,
)

GIB = 1 << 30


@pytest.fixture
def machine(tmp_path):
    """A system of files: ``machine(**{"sys/class/…": text})`` writes some and reads it."""

    def read(**files: str) -> Conditions:
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text + "\n")
        return read_linux(tmp_path)

    return read


def supply(name: str, **fields: str) -> dict[str, str]:
    return {f"sys/class/power_supply/{name}/{field}": value for field, value in fields.items()}


def zone(temperature: int, **trips: int) -> dict[str, str]:
    files = {"sys/class/thermal/thermal_zone0/temp": str(temperature * 1000)}
    for number, (kind, limit) in enumerate(trips.items()):
        stem = f"sys/class/thermal/thermal_zone0/trip_point_{number}"
        files |= {f"{stem}_type": kind, f"{stem}_temp": str(limit * 1000)}
    return files


def test_a_machine_that_says_nothing_is_unknown(machine):
    assert machine() == Conditions()


def test_this_machine_can_be_read():
    found = read_conditions()
    assert found.total_memory_bytes is None or found.total_memory_bytes > GIB // 4
    assert found.memory_pressure in (None, "normal", "warning", "critical")


@pytest.mark.parametrize(
    ("supplies", "expected"),
    [
        (supply("AC", type="Mains", online="1"), False),
        (supply("AC", type="Mains", online="0"), False),  # no battery: it runs, so it has power
        (supply("BAT0", type="Battery", status="Discharging"), True),
        (supply("BAT0", type="Battery", status="Full"), False),
        (
            supply("AC", type="Mains", online="0")
            | supply("BAT0", type="Battery", status="Discharging"),
            True,
        ),
        (
            supply("AC", type="Mains", online="1")
            | supply("BAT0", type="Battery", status="Discharging"),
            False,
        ),
        (supply("hid", type="Battery", status="Discharging", scope="Device"), None),
    ],
)
def test_power_on_linux(machine, supplies, expected):
    assert machine(**supplies).on_battery is expected


@pytest.mark.parametrize(
    ("temperature", "expected"),
    [(60, "nominal"), (86, "fair"), (90, "serious"), (97, "serious"), (100, "critical")],
)
def test_heat_on_linux_is_measured_against_the_zone_s_own_limits(machine, temperature, expected):
    assert machine(**zone(temperature, passive=90, critical=100, active=50)).thermal == expected


def test_a_zone_without_limits_says_nothing(machine):
    assert machine(**zone(95)).thermal is None


@pytest.mark.parametrize(
    ("free_mib", "stalled", "expected"),
    [
        (8192, 0, "normal"),
        (8192, 12.5, "warning"),
        (8192, 55, "critical"),
        (512, 0, "warning"),
        (100, 0, "critical"),
    ],
)
def test_memory_on_linux(machine, free_mib, stalled, expected):
    found = machine(
        **{
            "proc/meminfo": f"MemTotal: {16 << 20} kB\nMemAvailable: {free_mib << 10} kB",
            "proc/pressure/memory": "some avg10=60.00 avg60=0.00 avg300=0.00 total=1\n"
            f"full avg10={stalled:.2f} avg60=0.00 avg300=0.00 total=1",
        }
    )
    assert found.memory_pressure == expected
    assert found.total_memory_bytes == 16 * GIB
    assert found.free_memory_bytes == free_mib << 20


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Now drawing from 'AC Power'\n -InternalBattery-0 (id=1)\t100%; charged;", False),
        ("Now drawing from 'Battery Power'\n -InternalBattery-0\t85%; discharging;", True),
        ("Now drawing from 'UPS Power'\n", True),
        ("", None),
    ],
)
def test_power_on_macos(text, expected):
    assert parse_pmset(text) is expected


def test_memory_on_macos():
    text = (
        "Mach Virtual Memory Statistics: (page size of 16384 bytes)\n"
        "Pages free:                               1000.\n"
        "Pages active:                           500000.\n"
        "Pages inactive:                           2000.\n"
        "Pages speculative:                         300.\n"
        "Pages wired down:                       100000.\n"
        "Pages purgeable:                            40.\n"
    )
    assert parse_vm_stat(text, 4096) == 3340 * 16384
    assert parse_vm_stat("", 4096) is None


def test_no_folder_is_taken_for_a_file(tmp_path: Path):
    (tmp_path / "proc/meminfo").mkdir(parents=True)
    assert read_linux(tmp_path) == Conditions()
