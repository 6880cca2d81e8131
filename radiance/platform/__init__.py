"""The only package that knows the operating system: BLAS, fsync, locks, hardware, cache folder.

Everything here has one answer on macOS and one on Linux; no other package asks which it is on.
``conditions`` reads power, heat and memory. It must not import MLX, because the BLAS has to be
chosen before MLX is first loaded.
"""

import _ctypes
import contextlib
import ctypes
import ctypes.util
import errno
import fcntl
import functools
import hashlib
import importlib.util
import os
import platform as _platform
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

IS_MACOS = sys.platform == "darwin"

_MODEST = 10  # of -20, who goes first, to 19
_M_ARENA_MAX = -8  # glibc's malloc.h
_ARENAS = 2

# The functions MLX's CPU backend takes from BLAS (the undefined cblas_* symbols of libmlx.so).
_CBLAS_FUNCTIONS = ("cblas_sgemm", "cblas_dgemm", "cblas_cgemm")

# What an OpenBLAS takes a processor for that came after it, and the kernels by what the processor
# says it can do.
_UNKNOWN_CORES = frozenset({"Prescott", "Core2", "Nehalem", "Generic"})
_KERNELS = (
    ("SkylakeX", frozenset({"avx512f", "avx512bw", "avx512dq", "avx512vl"})),
    ("Haswell", frozenset({"avx2", "fma"})),
)


@dataclass(frozen=True)
class Blas:
    """Which BLAS serves MLX's CPU backend.

    Attributes:
        name: "accelerate", "openblas" (the system's), "scipy-openblas" (the wheel's) or
            "reference" (the slow one that MLX's Linux wheel carries).
        detail: Where it was loaded from, or what would mend a slow one.
    """

    name: str
    detail: str

    @property
    def is_fast(self) -> bool:
        return self.name != "reference"


@functools.cache
def load_fast_blas() -> Blas:
    """Put a fast BLAS in front of the one that MLX's Linux wheel links. Call before MLX loads.

    The wheel's reference BLAS gives a few GFLOP/s where OpenBLAS gives hundreds. Loading OpenBLAS
    with global symbols first makes the dynamic linker resolve MLX's ``cblas_*`` calls to it. On
    macOS MLX uses Accelerate and nothing is done.
    """
    if IS_MACOS:
        return Blas("accelerate", "part of macOS")
    if "mlx.core" in sys.modules:
        return Blas("reference", "MLX was imported before Radiance could choose a BLAS")
    _leave_cores_free()
    for name in ("libopenblas.so.0", "libopenblas.so"):
        try:
            _choose_kernels(name, "openblas_get_corename")
            library = ctypes.CDLL(name, mode=ctypes.RTLD_GLOBAL)
        except OSError:
            continue
        return Blas("openblas", f"{name}, kernels {_core(library.openblas_get_corename)}")
    return _load_wheel_blas()


def _choose_kernels(library: str, corename: str) -> None:
    """Name the kernels by OPENBLAS_CORETYPE where an OpenBLAS does not know this processor.

    Debian 12's of 2022 takes a Xeon of 2024 for one of 2004 and computes at a quarter of the speed.
    It looks once, when it is loaded: so it is loaded, asked, and unloaded.

    Args:
        library: File or name of the library.
        corename: Its function that names the kernels.

    Raises:
        OSError: It cannot be loaded.
    """
    if "OPENBLAS_CORETYPE" in os.environ:
        return
    probe = ctypes.CDLL(library, mode=ctypes.RTLD_LOCAL)
    core = _core(probe[corename])
    _ctypes.dlclose(probe._handle)
    if core in _UNKNOWN_CORES:
        features = _processor_features()
        kernels = (name for name, needed in _KERNELS if needed <= features)
        if (chosen := next(kernels, None)) is not None:
            os.environ["OPENBLAS_CORETYPE"] = chosen


def _core(corename: Any) -> str:
    corename.restype = ctypes.c_char_p
    return corename().decode()


def _processor_features() -> frozenset[str]:
    """What an x86 processor can do, in the kernel's words; empty for others."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            name, _, values = line.partition(":")
            if name.strip() == "flags":
                return frozenset(values.split())
    return frozenset()


def _leave_cores_free() -> None:
    """Use half the cores for BLAS unless OPENBLAS_NUM_THREADS says otherwise.

    OpenBLAS's threads wait for one another by spinning. Where anything else keeps a core busy (a
    client in a loop, a second service), a product spread over all cores takes up to ten times as
    long; on two idle cores the second thread saves a tenth to a quarter. NumPy and SciPy bring an
    OpenBLAS each, which look at the same variable when they are loaded.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // 2)))


def _load_wheel_blas() -> Blas:
    """Load the OpenBLAS of the ``scipy-openblas32`` wheel through a shim that drops its prefix."""
    remedy = "install libopenblas0-pthread, or a C compiler and the scipy-openblas32 package"
    if importlib.util.find_spec("scipy_openblas32") is None:
        return Blas("reference", f"no OpenBLAS found; {remedy}")
    import scipy_openblas32

    library = Path(scipy_openblas32.get_lib_dir()) / scipy_openblas32.get_library(fullname=True)
    try:
        shim = _build_blas_shim(library)
        _choose_kernels(str(library), "scipy_openblas_get_corename")
        loaded = ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)
        ctypes.CDLL(str(shim), mode=ctypes.RTLD_GLOBAL)
    except (OSError, subprocess.CalledProcessError) as error:
        return Blas("reference", f"the wheel's OpenBLAS could not be used ({error}); {remedy}")
    core = _core(loaded.scipy_openblas_get_corename)
    return Blas("scipy-openblas", f"{library}, kernels {core}")


def _build_blas_shim(library: Path) -> Path:
    """Compile, once per library, the three tail calls from ``cblas_x`` to ``scipy_cblas_x``."""
    source = "".join(
        f"void scipy_{name}(void);\n__attribute__((naked)) void {name}(void)"
        f' {{ __asm__("{_jump_to(f"scipy_{name}")}"); }}\n'
        for name in _CBLAS_FUNCTIONS
    )
    key = hashlib.sha256((source + str(library) + _platform.machine()).encode()).hexdigest()[:16]
    shim = cache_directory() / f"blas-shim-{key}.so"
    if shim.exists():
        return shim
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise OSError("no C compiler (cc, gcc or clang) on PATH")
    shim.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=shim.parent) as folder:
        code, built = Path(folder, "shim.c"), Path(folder, "shim.so")
        code.write_text(source)
        arguments = [
            compiler,
            "-shared",
            "-fPIC",
            "-o",
            str(built),
            str(code),
            str(library),
        ]
        subprocess.run(arguments, check=True, capture_output=True)
        built.replace(shim)  # atomic: another process may be building the same file
    return shim


def _jump_to(symbol: str) -> str:
    """One instruction that hands all arguments, stack ones too, to another function."""
    return f"b {symbol}" if _platform.machine() == "aarch64" else f"jmp {symbol}@PLT"


def cache_directory() -> Path:
    """The folder for things that can be had again: RADIANCE_CACHE, else one in the user's cache."""
    if chosen := os.environ.get("RADIANCE_CACHE"):
        return Path(chosen).expanduser()
    if IS_MACOS:
        return Path.home() / "Library" / "Caches" / "radiance"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "radiance"


def let_others_go_first() -> None:
    """Have this process compute only with what others leave of the processor, from now on."""
    least = max(_MODEST, os.getpriority(os.PRIO_PROCESS, 0))
    os.setpriority(os.PRIO_PROCESS, 0, least)


def bound_malloc_arenas() -> None:
    """Have all threads allocate from few arenas from now on, so one uses what another freed.

    glibc makes up to eight arenas a core, one a thread (mallopt(3), M_ARENA_MAX), and a thread that
    ends leaves its arena full of holes: an hour of mixed load left 20 MB in seventeen of them. The
    interpreter's lock leaves little for two threads to contend for. macOS's allocator has its zones
    by core, not by thread.
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "gnu_get_libc_version"):
        library.mallopt(_M_ARENA_MAX, _ARENAS)


def give_back_memory() -> None:
    """Give the system what the C library holds of memory that was freed.

    After large work glibc keeps what lies below anything still in use (malloc_trim(3)); macOS's
    allocator likewise, until the system is short of memory (malloc_zone_pressure_relief, Apple,
    malloc/malloc.h; not run on a Mac by us).
    """
    library = ctypes.CDLL(None)
    if IS_MACOS:
        library.malloc_zone_pressure_relief.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
        library.malloc_zone_pressure_relief(None, 0)
    elif hasattr(library, "malloc_trim"):  # another C library of Linux has none
        library.malloc_trim(0)


def full_sync(descriptor: int) -> None:
    """Return only when the file's bytes are on the medium itself.

    macOS's fsync stops at the drive's cache; F_FULLFSYNC asks the drive to empty it too (Apple,
    fsync(2)). File systems that do not know it get a plain fsync. Not run on a Mac by us.
    """
    if sys.platform == "darwin":
        try:
            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
        except OSError:
            os.fsync(descriptor)
    else:
        os.fsync(descriptor)


def lock(path: Path, *, waits: bool = False) -> int | None:
    """Take a lock that ends with this process, however it ends; None if another process has it.

    Args:
        path: A file, which is made where it is missing, or a folder.
        waits: Until the other has ended, in place of None.

    Returns:
        The open descriptor that holds the lock; keep it open.
    """
    flags = os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_CREAT
    descriptor = os.open(path, flags | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if waits else fcntl.LOCK_NB))
    except OSError as error:
        os.close(descriptor)
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            return None
        raise
    return descriptor


@functools.cache
def memory_bytes() -> int:
    """The machine's memory."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def processor_name() -> str:
    """The processor's name for a person, such as "Apple M2 Pro"."""
    try:
        if IS_MACOS:
            arguments = ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"]
            return subprocess.run(
                arguments, check=True, capture_output=True, text=True
            ).stdout.strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except (OSError, subprocess.CalledProcessError):
        pass
    return _platform.processor() or _platform.machine()
